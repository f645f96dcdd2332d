//! Ledgers of known failures: `ledger/<mode>.txt`, one failure a line.
//!
//! ```text
//! # a comment
//! simd/simd_const.wast:17 the reason, up to the end of the line
//! ```
//! A place (path and line) that fails must be listed; a listed place must fail. The reason is for people.

use crate::mode::Mode;
use crate::report::Failure;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Path of the script and line.
pub type Place = (String, usize);

/// The ledger's file.
pub fn path(mode: Mode) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ledger").join(format!("{}.txt", mode.name()))
}

/// Reads a mode's ledger.
pub fn read(mode: Mode) -> Result<BTreeSet<Place>> {
    let path = path(mode);
    let text = std::fs::read_to_string(&path).with_context(|| format!("can not read `{}`", path.display()))?;
    parse(&text).with_context(|| format!("`{}`", path.display()))
}

fn parse(text: &str) -> Result<BTreeSet<Place>> {
    let mut places = BTreeSet::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let place = line.split_once(' ').filter(|(_, reason)| !reason.trim().is_empty()).and_then(|(place, _)| place.split_once(':'));
        let place = place.and_then(|(path, number)| Some((path.to_string(), number.parse().ok()?)));
        let Some(place) = place else { bail!("line {}: found `{line}`, expected `folder/script.wast:LINE reason`", at + 1) };
        if !places.insert(place) {
            bail!("line {}: `{line}` is listed twice", at + 1);
        }
    }
    Ok(places)
}

/// The failures as a ledger has them, one line a place.
pub fn write(failures: &[Failure]) -> String {
    let mut seen = BTreeSet::new();
    let first = failures.iter().filter(|failure| seen.insert((&failure.path, failure.line)));
    first.map(|failure| format!("{}:{} {}\n", failure.path, failure.line, failure.reason)).collect()
}

/// What is wrong: failures that are not listed, and listed places among the scripts that ran which do not fail.
pub fn compare(ledger: &BTreeSet<Place>, ran: &BTreeSet<String>, failures: &[Failure]) -> Vec<String> {
    let failed: BTreeSet<Place> = failures.iter().map(|failure| (failure.path.clone(), failure.line)).collect();
    let unlisted = failures.iter().filter(|failure| !ledger.contains(&(failure.path.clone(), failure.line)));
    let unlisted = unlisted.map(|failure| format!("{}:{} fails: {}", failure.path, failure.line, failure.reason));
    let mended = ledger.iter().filter(|place| ran.contains(&place.0) && !failed.contains(place));
    let mended = mended.map(|(path, line)| format!("{path}:{line} is listed and does not fail: remove the line from the ledger"));
    unlisted.chain(mended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(line: usize) -> Failure {
        Failure { path: "simd/a.wast".into(), line, reason: "because".into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let failures = [failure(3), failure(3), failure(7)];
        let places = parse(&format!("# known\n\n{}", write(&failures))).unwrap();
        assert_eq!(places.into_iter().map(|(_, line)| line).collect::<Vec<_>>(), [3, 7]);
    }

    #[test]
    fn lines_without_a_reason_are_refused() {
        for line in ["simd/a.wast:3", "simd/a.wast:3 ", "simd/a.wast because", "a.wast:x because"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("a.wast:1 x\na.wast:1 y").is_err());
    }

    #[test]
    fn both_directions_are_compared() {
        let ledger = parse("simd/a.wast:3 known\nsimd/b.wast:1 of a script that did not run").unwrap();
        let ran = BTreeSet::from(["simd/a.wast".to_string()]);
        assert_eq!(compare(&ledger, &ran, &[failure(3)]), Vec::<String>::new());
        assert!(compare(&ledger, &ran, &[failure(3), failure(4)])[0].contains("a.wast:4 fails"));
        assert!(compare(&ledger, &ran, &[])[0].contains("does not fail"));
    }
}
