//! The middle of the flow: from the profile to caches, each checked for the CPUs that must accept it. What is made stays in `.trjit/out/` until it is published.

use crate::check::accepted;
use crate::config::Target;
use crate::coverage::{Executed, entered, functions_with_code};
use crate::outcome::{Failure, Failures, Kind};
use crate::pipeline::Pipeline;
use crate::report::TargetFacts;
use crate::train::Trained;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use trjit_assemble::{Assembled, Options, tunables};
use trjit_cache_format::{CacheFile, CodeItem, ModuleId, write_file};
use trjit_code::{CpuFeatures, CpuLevel};
use trjit_compile::CraneliftCompiler;
use trjit_module::{Digest, Module};

/// A cache as it was made.
pub struct Made<'a> {
    pub target: &'a Target,
    /// In `.trjit/out/`.
    pub path: PathBuf,
    pub facts: TargetFacts,
}

impl<'a> Pipeline<'a> {
    /// Makes and checks the caches of all targets.
    pub(crate) fn build(&self, module: &Module, trained: &Trained) -> Result<Vec<Made<'a>>, Failures> {
        let executed = Executed::of(module, &trained.measured)?;
        let known = entered(module, &trained.profile);
        let mut made = Vec::new();
        for (number, target) in self.config.targets.iter().enumerate() {
            let path = self.place.out().join(format!("{number}.trjit"));
            let (assembled, verified) = self.assemble(module, trained, target, &path)?;
            self.warn(&assembled.summary.warnings);
            let file = CacheFile::parse(assembled.bytes.clone())
                .map_err(|refusal| Failure::of(Kind::Failed, "the new cache can not be read", &refusal))?;
            let facts = TargetFacts {
                cpu_level: target.cpu_level.name().into(),
                memory: target.memory.name().into(),
                fuel: target.fuel,
                cache: self.config.cache_of(target).display().to_string(),
                digest: Digest::of(&assembled.bytes).to_string(),
                bytes: assembled.bytes.len() as u64,
                tiers: tiers(&file),
                coverage: executed.coverage(&functions_with_code(&file), &known),
                verified,
                accepted: self.check(module, target, &assembled)?,
                not_run: None,
                command_seconds: None,
            };
            made.push(Made { target, path, facts });
        }
        Ok(made)
    }

    fn assemble(&self, module: &Module, trained: &Trained, target: &Target, path: &Path) -> Result<(Assembled, bool), Failure> {
        let options = Options {
            level: target.cpu_level,
            memory: target.memory,
            fuel: target.fuel,
            threads: self.config.train.jobs,
            all: target.all,
            unseen_below: if target.recorded_only { 0 } else { tunables::UNSEEN_BELOW },
            ..Options::default()
        };
        let compiler = CraneliftCompiler::new();
        let profile = Some(&trained.profile);
        let what = || format!("can not assemble `{}` for {}", self.config.module.display(), target.cpu_level.name());
        self.listener.part("assemble", 0);
        let assembled = trjit_assemble::assemble(module, profile, &options, &compiler, self.listener)
            .map_err(|error| Failure::of(Kind::Failed, what(), &error))?;
        self.listener.did(&format!("{} for {}", self.config.cache_of(target).display(), target.cpu_level.name()));
        write_file(path, &assembled.bytes).map_err(|error| Failure::of(Kind::Failed, what(), &error))?;
        if !target.verify {
            return Ok((assembled, false));
        }
        self.listener.part("verify", 0);
        let bytes = std::fs::read(path).map_err(crate::files::unreadable(path))?;
        let file = CacheFile::parse(bytes.into()).map_err(|refusal| Failure::of(Kind::Verification, what(), &refusal))?;
        trjit_assemble::check(&file, module, profile, &options, &compiler, self.listener).map_err(|error| {
            Failure::of(Kind::Verification, what(), &error)
                .with_help("the cache was not published; please report this with the module and the profile")
        })?;
        Ok((assembled, true))
    }

    /// Whether the cache would be accepted, for each level that is asked for.
    fn check(&self, module: &Module, target: &Target, assembled: &Assembled) -> Result<BTreeMap<String, Option<String>>, Failures> {
        let levels: BTreeSet<CpuLevel> = self.config.gates.accept.iter().copied().chain([target.cpu_level]).collect();
        let id = Some(ModuleId::of(module));
        let mut answers = BTreeMap::new();
        for level in levels {
            let answer = accepted(assembled.bytes.clone(), id, level.features(), target.memory, target.fuel);
            if let (Err(refusal), true) = (&answer, level == target.cpu_level) {
                let message = format!(
                    "the cache `{}` is refused on its own level {}: {refusal}",
                    self.config.cache_of(target).display(),
                    level.name()
                );
                return Err(Failure::new(Kind::Refused, message).with_help(refusal.help()).into());
            }
            answers.insert(level.name().to_string(), answer.err().map(|refusal| refusal.to_string()));
        }
        Ok(answers)
    }
}

/// Why the runs can not be repeated on this machine, if so.
pub(crate) fn lacking(target: &Target) -> Option<String> {
    #[cfg(target_arch = "x86_64")]
    let host = CpuFeatures::host();
    #[cfg(not(target_arch = "x86_64"))]
    let host = CpuFeatures::NONE;
    let missing = target.cpu_level.features().minus(host);
    (!missing.is_empty()).then(|| format!("this machine's CPU lacks {missing}"))
}

fn tiers(file: &CacheFile) -> BTreeMap<String, u32> {
    let mut tiers = BTreeMap::new();
    for placed in file.functions().iter().filter(|placed| matches!(placed.what, CodeItem::Function(_))) {
        *tiers.entry(placed.tier.map_or("none", |tier| tier.name()).to_string()).or_default() += 1;
    }
    tiers
}
