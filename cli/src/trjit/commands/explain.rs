//! `trjit explain`: what became of one function.

use crate::LINKED;
use crate::args::Explain;
use crate::commands::profiles;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::path::Path;
use trjit_assemble::Options;
use trjit_cache_format::{CacheFile, Refusal};
use trjit_cli::exit::{self, CACHE_REFUSED, FAILURE, Failure, PROFILE_REFUSED};
use trjit_cli::{source, ui};
use trjit_code::Tier;
use trjit_explain::{ExplainError, Explanation, FindError, Input, Show, Subject};
use trjit_module::Module;
use trjit_runtime_loader::MappedCache;

pub fn execute(args: &Explain) -> Result<u8> {
    let mut explanation = if source::begins_precompiled(&args.file)? { of_cache(args)? } else { of_module(args)? };
    if !args.asm {
        explanation.machine.clear();
    }
    if !args.clif {
        explanation.clif = None;
    }
    if let Some(path) = &args.html {
        trjit_cache_format::write_file(path, trjit_explain::page(&explanation).as_bytes())?;
    }
    if args.json {
        ui::line(&format!("{:#}", serde_json::to_value(&explanation)?));
    } else if args.html.is_none() {
        let show = Show { top: args.top, asm: args.asm, clif: args.clif };
        ui::line(trjit_explain::text(&explanation, show).trim_end());
    }
    Ok(exit::OK)
}

fn of_cache(args: &Explain) -> Result<Explanation> {
    let path = args.file.display();
    if args.tier.is_some() {
        let failure = Failure::new(exit::USAGE, format!("`{path}` is a cache, whose code has its tier: --tier is for modules"));
        return Err(failure.with_help("give the module, and the profile that the cache was assembled with").into());
    }
    let refused = |refusal: Refusal| {
        Failure::new(CACHE_REFUSED, format!("`{path}` is refused [{}]: {refusal}", refusal.code())).with_help(refusal.help())
    };
    let file: CacheFile = MappedCache::inspect(&args.file).map_err(refused)?;
    file.verify_all().map_err(refused)?;
    let module = file.module().map_err(refused)?;
    explained(args, &module, Subject::Cache(&file))
}

fn of_module(args: &Explain) -> Result<Explanation> {
    let module = source::parse(&args.file, source::read_wasm(&args.file, &LINKED)?)?;
    let options = Options {
        level: args.target.level()?,
        all: args.profiles.is_empty(),
        unseen_below: trjit_assemble::tunables::UNSEEN_BELOW,
        fuel: args.target.fuel,
        memory: args.target.memory(),
        ..Options::default()
    };
    explained(args, &module, Subject::Module(&options))
}

fn explained(args: &Explain, module: &Module, subject: Subject<'_>) -> Result<Explanation> {
    let not_found = |error: FindError| Failure::new(FAILURE, format!("`{}`: {error}", args.file.display())).with_help(error.help());
    let function = trjit_explain::find(module, &args.function).map_err(not_found)?;
    let profile = profiles::read(&args.profiles)?;
    let tier = args.tier.as_deref().and_then(Tier::parse);
    let input = Input { subject, module, function, profile: profile.as_ref(), tier };
    let mut explanation = trjit_explain::explain(input).map_err(|error| told(args, error))?;
    if let Some(path) = &args.log {
        explanation.join_exits(&taken_exits(path, module)?);
    }
    Ok(explanation)
}

/// The side exits that the log of a run tells of.
fn taken_exits(path: &Path, module: &Module) -> Result<HashMap<u32, u64>> {
    let log = std::fs::read_to_string(path).with_context(|| format!("the log `{}` can not be read", path.display()))?;
    trjit_cli::taken_exits::read(&log, module).map_err(|error| {
        let failure = Failure::new(FAILURE, format!("the log `{}` can not be used: {error}", path.display()));
        failure.with_help("give a file that `trjit run --log-compilation=FILE` wrote when it ran this module").into()
    })
}

/// Why there is no explanation, as an exit status.
fn told(args: &Explain, error: ExplainError) -> anyhow::Error {
    match &error {
        ExplainError::Profile => {
            Failure::new(PROFILE_REFUSED, error.to_string()).with_help("give a profile of this program (`trjit train`)").into()
        }
        ExplainError::OtherBuild(_) => Failure::new(CACHE_REFUSED, format!("`{}` is refused: {error}", args.file.display()))
            .with_help("assemble it again with this build, or explain it with the build that made it")
            .into(),
        ExplainError::Cache(refusal) => Failure::new(CACHE_REFUSED, error.to_string()).with_help(refusal.help()).into(),
        ExplainError::Settings(_) => {
            Failure::new(CACHE_REFUSED, error.to_string()).with_help("assemble it again with this build of trjit").into()
        }
        ExplainError::Body(_) => error.into(),
    }
}
