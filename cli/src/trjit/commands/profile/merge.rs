//! `trjit profile merge`: many profiles into one. One at a time is read, so that memory holds the sum, and of each its runs.

use super::{SCHEMA, number};
use crate::commands::profiles::{read_one, refused};
use crate::profile_args::Merge;
use anyhow::{Context, Result};
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::num::NonZeroU32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use trjit_cli::exit::{self, Failure, PROFILE_REFUSED, USAGE};
use trjit_cli::ui;
use trjit_module::Module;
use trjit_trace::{Merger, Profile};

pub fn execute(args: &Merge) -> Result<u8> {
    let inputs = inputs(args)?;
    let module = args.module.as_deref().map(super::module).transpose()?;
    let mut groups: Vec<Group> = Vec::new();
    for (path, weight) in &inputs {
        add(&mut groups, path, read_one(path)?.weighted(*weight), module.is_some())?;
    }
    let merged = match &module {
        None => groups.pop().context("there is no profile to merge")?.merger.finish()?,
        Some(module) => carried_over(groups, module)?,
    };
    merged.write(&args.output)?;
    report(args, inputs.len(), &merged)?;
    Ok(exit::OK)
}

/// The profiles of one build.
struct Group {
    /// The first of them, and how many there are.
    path: PathBuf,
    profiles: usize,
    merger: Merger,
}

/// Adds a profile to the group of its build; without `many` there may be only one group.
fn add(groups: &mut Vec<Group>, path: &Path, profile: Profile, many: bool) -> Result<()> {
    let of_build = |group: &Group| group.merger.module().is_some_and(|module| module.digest == profile.module().digest);
    let at = match groups.iter().position(of_build) {
        Some(at) => at,
        None if many || groups.is_empty() => {
            groups.push(Group { path: path.to_path_buf(), profiles: 0, merger: Merger::default() });
            groups.len() - 1
        }
        None => return Err(other_program(&groups[0], path, &profile).into()),
    };
    groups[at].profiles += 1;
    groups[at].merger.add(profile).map_err(|error| refused(path, &error))?;
    Ok(())
}

fn other_program(first: &Group, path: &Path, profile: &Profile) -> Failure {
    let expected = first.merger.module().map_or(String::new(), |module| module.digest.short());
    let found = profile.module().digest.short();
    let message = format!("profile `{}` is of module {found}, expected {expected}, that of `{}`", path.display(), first.path.display());
    Failure::new(PROFILE_REFUSED, message)
        .with_help("merge profiles of one program; of several builds of it with --module BUILD, to which they are carried over")
}

/// The profiles of all builds as one of `module`. A build of which nothing is left is another program.
fn carried_over(groups: Vec<Group>, module: &Module) -> Result<Profile> {
    let mut merger = Merger::default();
    for Group { path, profiles, merger: group } in groups {
        let (profile, coverage) = group.finish()?.rebase(module);
        let others = if profiles > 1 { format!(" and {} more", profiles - 1) } else { String::new() };
        let who = format!("`{}`{others}", path.display());
        let what = format!(
            "{} of {} functions, {} of the calls, are found in this module",
            coverage.functions_matched,
            coverage.functions_recorded,
            ui::percent(coverage.share_of_entries())
        );
        if coverage.functions_matched == 0 && coverage.functions_recorded != 0 {
            let failure = Failure::new(PROFILE_REFUSED, format!("profile {who} is of another program: {what}"));
            return Err(failure.with_help("give profiles of this program, or the module that they are of").into());
        }
        if !coverage.same_module {
            ui::warning(&format!("profile {who} is of another build: {what}"));
        }
        merger.add(profile).map_err(|error| refused(&path, &error))?;
    }
    Ok(merger.finish()?)
}

/// All profiles that were named, with their weights.
fn inputs(args: &Merge) -> Result<Vec<(PathBuf, NonZeroU32)>> {
    let mut words = args.inputs.clone();
    if let Some(list) = &args.files_from {
        words.extend(listed(list)?);
    }
    if words.is_empty() {
        return Err(Failure::new(USAGE, "there is no profile to merge: --files-from names none")
            .with_help("write a file name a line")
            .into());
    }
    words.iter().map(|word| Ok(weighted(word)?)).collect()
}

fn listed(list: &Path) -> Result<Vec<OsString>> {
    let mut bytes = Vec::new();
    if list == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("can not read standard input")?;
    } else {
        bytes = std::fs::read(list).with_context(|| format!("can not read `{}`", list.display()))?;
    }
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(|line| OsString::from_vec(line.to_vec())).collect())
}

/// Splits off a weight. What begins otherwise than with digits and a colon is a name.
fn weighted(word: &OsStr) -> Result<(PathBuf, NonZeroU32), Failure> {
    let bytes = word.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || bytes.get(digits) != Some(&b':') {
        return Ok((word.into(), NonZeroU32::MIN));
    }
    let text = String::from_utf8_lossy(&bytes[..digits]);
    let weight = text.parse().map_err(|_| {
        Failure::new(USAGE, format!("`{}` has weight {text}, expected 1 to {}", word.display(), u32::MAX)).with_help(
            "leave out a profile that is to count nothing; write `./FILE` where the name of the file begins with a number and a colon",
        )
    })?;
    Ok((OsStr::from_bytes(&bytes[digits + 1..]).into(), weight))
}

fn report(args: &Merge, profiles: usize, merged: &Profile) -> Result<()> {
    let bytes = std::fs::metadata(&args.output).map_or(0, |metadata| metadata.len());
    let (runs, functions) = (merged.runs().len(), merged.functions().iter().filter(|function| function.entries != 0).count());
    let calls = number(merged.functions().iter().map(|function| u128::from(function.entries)).sum());
    if args.json {
        let output = args.output.display().to_string();
        let module = merged.module().digest.to_string();
        let document = json!({ "schema": SCHEMA, "module": module, "profiles": profiles, "runs": runs, "functions": functions, "calls": calls, "output": output, "bytes": bytes });
        ui::line(&format!("{document:#}"));
    } else {
        ui::summary(&format!("merged       {profiles} profiles with {runs} runs: {functions} functions, {calls} calls"));
        ui::summary(&format!("profile      {} ({})", args.output.display(), ui::bytes(bytes)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_digits_before_a_colon() {
        let split = |word: &str| {
            let (path, weight) = weighted(OsStr::new(word)).expect("the weight is right");
            (path.to_string_lossy().into_owned(), weight.get())
        };
        assert_eq!(split("a.trprof"), ("a.trprof".into(), 1));
        assert_eq!(split("12:a:b.trprof"), ("a:b.trprof".into(), 12));
        assert_eq!(split("./12:a.trprof"), ("./12:a.trprof".into(), 1));
        assert_eq!(split("12a:b"), ("12a:b".into(), 1));
        assert_eq!(split(":b"), (":b".into(), 1));
        assert_eq!(split("4294967295:b"), ("b".into(), u32::MAX));
        for wrong in ["0:a", "4294967296:a", "99999999999999999999:a"] {
            assert_eq!(weighted(OsStr::new(wrong)).expect_err(wrong).code, USAGE);
        }
    }
}
