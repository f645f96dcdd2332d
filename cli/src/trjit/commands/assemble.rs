//! `trjit assemble`: profiles and a module into a cache file.

use crate::LINKED;
use crate::args::Assemble;
use crate::commands::profiles;
use crate::progress::Reporter;
use anyhow::{Context, Result};
use std::path::Path;
use trjit_assemble::{CheckError, Checked, Options, Summary, check};
use trjit_cache_format::CacheFile;
use trjit_cli::environment::THREADS;
use trjit_cli::exit::{self, CHECK_FAILED, Failure};
use trjit_cli::{source, ui};
use trjit_runtime_loader::MappedCache;

pub fn execute(args: &Assemble) -> Result<u8> {
    if args.profiles.is_empty() && !args.all {
        let failure = Failure::new(exit::USAGE, "nothing to compile: there is neither a profile nor --all");
        return Err(failure.with_help("record a profile with `trjit train`, or compile every function with --all").into());
    }
    let mut threads = args.threads;
    THREADS.fill_number(&mut threads)?;
    let options = Options {
        level: args.target.level()?,
        threads: threads.filter(|&threads| threads > 0),
        all: args.all,
        unseen_below: if args.recorded_only { 0 } else { trjit_assemble::tunables::UNSEEN_BELOW },
        fuel: args.target.fuel,
        memory: args.target.memory(),
        ..Options::default()
    };
    let module = source::parse(&args.module, source::read_wasm(&args.module, &LINKED)?)?;
    let profile = profiles::read(&args.profiles)?;
    let output = args.output.clone().unwrap_or_else(|| args.module.with_extension("trjit"));
    let compiler = trjit_compile::CraneliftCompiler::new();
    let reporter = Reporter::new(args.json);
    let assembled = trjit_assemble::assemble(&module, profile.as_ref(), &options, &compiler, &reporter);
    let written = assembled.with_context(|| format!("can not assemble `{}`", args.module.display())).and_then(|mut assembled| {
        if args.verify {
            trjit_cache_format::write_file_checked(&output, &assembled.bytes, |path| -> Result<()> {
                let checked = read_back(path, |file| check(file, &module, profile.as_ref(), &options, &compiler, &reporter));
                assembled.summary.add_check(checked.map_err(|error| check_failed(&output, args.verbose, &error))?);
                Ok(())
            })?;
        } else {
            trjit_cache_format::write_file(&output, &assembled.bytes)?;
        }
        Ok(assembled)
    });
    reporter.finish();
    let assembled = written?;
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

/// Checks the file that was written, not the bytes in memory.
fn read_back(path: &Path, check: impl FnOnce(&CacheFile) -> Result<Checked, CheckError>) -> Result<Checked, CheckError> {
    check(&MappedCache::inspect(path).map_err(CheckError::Refused)?)
}

/// A check that failed, with what to do. Verbose: each violation in a line of its own, before the error.
fn check_failed(output: &Path, verbose: bool, error: &CheckError) -> Failure {
    if let (true, CheckError::Violations(violations)) = (verbose, error) {
        violations.found.iter().for_each(|violation| ui::note(&format!("violation: {violation}")));
    }
    let message = format!("`{}` is not written, for it does not pass its check: {error}", output.display());
    Failure::new(CHECK_FAILED, message).with_help(error.help())
}

fn print_summary(summary: &Summary, output: &Path, verbose: bool) {
    let tiers: Vec<String> =
        summary.compiled.iter().map(|tier| format!("{} {} ({})", tier.functions, tier.tier, ui::bytes(tier.code_bytes))).collect();
    ui::summary(&format!(
        "functions    {} in the module, {} recorded, {} compiled: {}",
        summary.functions,
        summary.recorded,
        summary.compiled_functions(),
        tiers.join(", ")
    ));
    let calls = summary.share_of_calls.map_or(String::new(), |share| format!("{} of the recorded calls, ", ui::percent(share)));
    ui::summary(&format!("covered      {calls}{} of the module's code", ui::percent(summary.share_of_code)));
    let sections: Vec<String> = summary
        .sections
        .iter()
        .filter(|section| section.bytes >= 1024)
        .map(|section| format!("{} {}", section.name.trim_start_matches(".trjit."), ui::bytes(section.bytes)))
        .collect();
    ui::summary(&format!("cache        {} ({}): {}", output.display(), ui::bytes(summary.cache_bytes), sections.join(", ")));
    let fuel = if summary.fuel { ", fuel counted" } else { "" };
    ui::summary(&format!("target       {}, memory {}{fuel}, {}", summary.cpu_level, summary.memory_style, summary.compiler));
    if let Some(Checked { functions, trampolines, instructions, seconds }) = summary.checked {
        ui::summary(&format!(
            "checked      {functions} functions and {trampolines} trampolines compiled again and equal, {instructions} instructions read, {seconds:.2} s"
        ));
    }
    ui::summary(&format!("seconds      {:.2} on {} threads", summary.total_seconds(), summary.threads));
    if verbose {
        summary.seconds.iter().for_each(|phase| ui::summary(&format!("             {:<8} {:.3}", phase.phase, phase.seconds)));
    }
    if !summary.failed.is_empty() {
        ui::summary(&format!("interpreted  {} functions could not be compiled", summary.failed.len()));
    }
    for failure in summary.failed.iter().take(if verbose { usize::MAX } else { 3 }) {
        ui::summary(&format!("             {}", failure.reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trjit_assemble::{Silent, assemble};

    /// A cache of one program judged as one of another: the old file stays, nothing else is left, and the failure has its own status.
    #[test]
    fn a_check_that_fails_writes_nothing_and_has_its_own_status() {
        let parse =
            |text: &str| trjit_module::Module::parse(wat::parse_str(text).expect("the text is valid")).expect("the module is valid");
        let [one, other] = ["(module (func $f (result i32) i32.const 1))", "(module (func $f (result i32) i32.const 2))"].map(parse);
        let (options, compiler) = (Options { all: true, threads: Some(1), ..Options::default() }, trjit_compile::CraneliftCompiler::new());
        let assembled = assemble(&one, None, &options, &compiler, &Silent).expect("the module assembles");
        let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
        let output = folder.path().join("app.trjit");
        std::fs::write(&output, "old").expect("the directory is writable");
        let write = |module: &trjit_module::Module| {
            trjit_cache_format::write_file_checked(&output, &assembled.bytes, |path| -> Result<()> {
                assert_ne!(path, output);
                let checked = read_back(path, |file| check(file, module, None, &options, &compiler, &Silent));
                checked.map(|_| ()).map_err(|error| check_failed(&output, false, &error).into())
            })
        };
        let error = write(&other).expect_err("another program");
        let failure = error.downcast_ref::<Failure>().expect("it has a status");
        assert_eq!(failure.code, CHECK_FAILED);
        assert!(failure.message.contains("function 0 (f)") && failure.help.is_some(), "{failure:?}");
        assert_eq!(std::fs::read(&output).expect("it is still there"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the directory is readable").count(), 1);
        write(&one).expect("the very program");
        assert_eq!(std::fs::read(&output).expect("it was written"), assembled.bytes);
    }
}
