//! `trjit assemble`: profiles and a module into a cache file.

use crate::args::Assemble;
use crate::exit::{self, Failure, PROFILE_REFUSED};
use crate::progress::Reporter;
use crate::{source, ui};
use anyhow::{Context, Result};
use std::path::Path;
use trjit_assemble::{Options, Summary};
use trjit_trace::Profile;

pub fn execute(args: &Assemble) -> Result<u8> {
    if args.profiles.is_empty() && !args.all {
        let failure = Failure::new(exit::USAGE, "nothing to compile: there is neither a profile nor --all");
        return Err(failure.with_help("record a profile with `trjit train`, or compile every function with --all").into());
    }
    let options = Options {
        level: trjit_assemble::options::parse_level(&args.cpu_level)?,
        threads: args.threads.filter(|&threads| threads > 0),
        all: args.all,
        ..Options::default()
    };
    let module = source::parse(&args.module, source::read_wasm(&args.module)?)?;
    let profile = read_profiles(args)?;
    let output = args.output.clone().unwrap_or_else(|| args.module.with_extension("trjit"));
    let compiler = trjit_compile::CraneliftCompiler::new();
    let reporter = Reporter::new(args.json);
    let assembled = trjit_assemble::assemble(&module, profile.as_ref(), &options, &compiler, &reporter);
    reporter.finish();
    let assembled = assembled.with_context(|| format!("can not assemble `{}`", args.module.display()))?;
    trjit_cache_format::write_file(&output, &assembled.bytes)?;
    for warning in &assembled.summary.warnings {
        ui::warning(warning);
    }
    if args.json {
        ui::line(&format!("{:#}", serde_json::to_value(&assembled.summary)?));
    } else {
        print_summary(&assembled.summary, &output, args.verbose);
    }
    Ok(exit::OK)
}

fn read_profiles(args: &Assemble) -> Result<Option<Profile>> {
    let refused = |path: &Path, error: &dyn std::error::Error| {
        let reason = error.source().map_or(String::new(), |source| format!(": {source}"));
        let failure = Failure::new(PROFILE_REFUSED, format!("profile `{}` can not be used: {error}{reason}", path.display()));
        failure.with_help("give a file that `trjit train` wrote (*.trprof), and profiles of one module only")
    };
    let mut merged: Option<Profile> = None;
    for path in &args.profiles {
        let profile = Profile::read(path).map_err(|error| refused(path, &error))?;
        merged = Some(match merged {
            None => profile,
            Some(before) => Profile::merge([before, profile]).map_err(|error| refused(path, &error))?,
        });
    }
    Ok(merged)
}

fn print_summary(summary: &Summary, output: &Path, verbose: bool) {
    let tiers: Vec<String> =
        summary.compiled.iter().map(|tier| format!("{} {} ({})", tier.functions, tier.tier, ui::bytes(tier.code_bytes))).collect();
    ui::line(&format!(
        "functions    {} in the module, {} recorded, {} compiled: {}",
        summary.functions,
        summary.recorded,
        summary.compiled_functions(),
        tiers.join(", ")
    ));
    let calls = summary.share_of_calls.map_or(String::new(), |share| format!("{} of the recorded calls, ", ui::percent(share)));
    ui::line(&format!("covered      {calls}{} of the module's code", ui::percent(summary.share_of_code)));
    let sections: Vec<String> = summary
        .sections
        .iter()
        .filter(|section| section.bytes >= 1024)
        .map(|section| format!("{} {}", section.name.trim_start_matches(".trjit."), ui::bytes(section.bytes)))
        .collect();
    ui::line(&format!("cache        {} ({}): {}", output.display(), ui::bytes(summary.cache_bytes), sections.join(", ")));
    ui::line(&format!("target       {}, memory {}, {}", summary.cpu_level, summary.memory_style, summary.compiler));
    ui::line(&format!("seconds      {:.2} on {} threads", summary.total_seconds(), summary.threads));
    if verbose {
        summary.seconds.iter().for_each(|phase| ui::line(&format!("             {:<8} {:.3}", phase.phase, phase.seconds)));
    }
    if !summary.failed.is_empty() {
        ui::line(&format!("interpreted  {} functions could not be compiled", summary.failed.len()));
    }
    for failure in summary.failed.iter().take(if verbose { usize::MAX } else { 3 }) {
        ui::line(&format!("             {}", failure.reason));
    }
}
