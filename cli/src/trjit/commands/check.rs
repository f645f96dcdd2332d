//! `trjit check`: whether caches would be used, on this machine or on a CPU that is named, without running anything.

use crate::LINKED;
use crate::check_args::Check;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use trjit_cache_format::{ModuleId, Refusal};
use trjit_ci::check::accepted;
use trjit_cli::environment::CPU_LEVEL;
use trjit_cli::exit::{self, CACHE_REFUSED, FAILURE, Failure};
use trjit_cli::{source, ui};
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle};
use trjit_runtime_loader::MappedCache;

pub fn execute(args: &Check) -> Result<u8> {
    let module = args.module.as_deref().map(|path| source::identity(path, &LINKED)).transpose()?;
    let cpus = cpus(&args.levels)?;
    let question = Question { module, memory: MemoryStyle::parse(&args.memory).unwrap_or(MemoryStyle::Reserved), fuel: args.fuel };
    let answers: Vec<Answer<'_>> = args.files.iter().flat_map(|file| question.ask(file, &cpus)).collect();
    if args.json {
        ui::line(&format!("{:#}", document(&answers)));
    } else {
        answers.iter().for_each(Answer::print);
    }
    Ok(if answers.iter().all(|answer| answer.refusal.is_none()) { exit::OK } else { CACHE_REFUSED })
}

/// A CPU that is asked for.
struct Cpu {
    /// For people and scripts.
    name: &'static str,
    features: CpuFeatures,
}

const NATIVE: &str = "native";

/// The CPUs that the command line names, else the variable, else this machine's.
fn cpus(levels: &[String]) -> Result<Vec<Cpu>, Failure> {
    let named = |level: CpuLevel| Cpu { name: level.name(), features: level.features() };
    let parse = |text: &str| match text {
        NATIVE => Some(Cpu { name: NATIVE, features: CpuFeatures::host() }),
        _ => CpuLevel::parse(text).map(named),
    };
    let expected = "x86-64, x86-64-v2, x86-64-v3 or native";
    let unknown = |text: &str| {
        Failure::new(FAILURE, format!("unknown CPU level '{text}', expected {expected}"))
            .with_help("leave --cpu-level out for this machine")
    };
    if !levels.is_empty() {
        return levels.iter().map(|text| parse(text).ok_or_else(|| unknown(text))).collect();
    }
    let mut cpu = None;
    CPU_LEVEL.fill(&mut cpu, parse, || expected.to_string())?;
    Ok(vec![cpu.unwrap_or(Cpu { name: NATIVE, features: CpuFeatures::host() })])
}

/// What a cache is to fit beside the CPU.
struct Question {
    module: Option<ModuleId>,
    memory: MemoryStyle,
    fuel: bool,
}

/// Of one file and one CPU.
struct Answer<'a> {
    file: &'a Path,
    cpu: &'static str,
    refusal: Option<Refusal>,
    /// Levels on which the same file is accepted.
    serves: Vec<&'static str>,
}

impl Question {
    fn ask<'a>(&self, file: &'a Path, cpus: &[Cpu]) -> Vec<Answer<'a>> {
        let cache = MappedCache::inspect(file);
        let judge = |features: CpuFeatures| {
            let bytes = cache.as_ref().map_err(Clone::clone)?.bytes();
            accepted(bytes.clone(), self.module, features, self.memory, self.fuel)
        };
        let refusals: Vec<Option<Refusal>> = cpus.iter().map(|cpu| judge(cpu.features).err()).collect();
        // Only what fails for the CPU may be accepted on another one.
        let by_cpu = refusals.iter().flatten().any(|refusal| matches!(refusal, Refusal::CpuFeatures { .. }));
        let levels = CpuLevel::ALL.iter().filter(|level| by_cpu && judge(level.features()).is_ok());
        let serves: Vec<&'static str> = levels.map(|level| level.name()).collect();
        cpus.iter().zip(refusals).map(|(cpu, refusal)| Answer { file, cpu: cpu.name, refusal, serves: serves.clone() }).collect()
    }
}

impl Answer<'_> {
    fn print(&self) {
        let (file, cpu) = (self.file.display(), if self.cpu == NATIVE { "this machine" } else { self.cpu });
        match &self.refusal {
            None => ui::line(&format!("{file}: accepted on {cpu}")),
            Some(refusal) => {
                ui::line(&format!("{file}: refused on {cpu} [{}]: {refusal}", refusal.code()));
                ui::help(&self.help(refusal));
            }
        }
    }

    fn help(&self, refusal: &Refusal) -> String {
        match (refusal, self.serves.as_slice()) {
            (Refusal::CpuFeatures { .. }, [_, ..]) => format!("{}; this one serves {}", refusal.help(), self.serves.join(", ")),
            _ => refusal.help(),
        }
    }

    fn document(&self) -> Value {
        let refusal = self
            .refusal
            .as_ref()
            .map(|refusal| json!({ "code": refusal.code(), "message": refusal.to_string(), "help": self.help(refusal) }));
        json!({ "file": self.file.display().to_string(), "cpu_level": self.cpu, "accepted": self.refusal.is_none(), "refusal": refusal })
    }
}

fn document(answers: &[Answer<'_>]) -> Value {
    let accepted = answers.iter().all(|answer| answer.refusal.is_none());
    json!({ "schema": 1, "accepted": accepted, "answers": answers.iter().map(Answer::document).collect::<Vec<_>>() })
}
