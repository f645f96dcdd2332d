//! What was left in a spool, by module. One trace at a time is in memory, beside the sums.
//!
//! The names of the files are told in `runtime/src/spool.rs`. A file that can not be read costs itself alone; traces that contradict each other are an error.

use super::spool::NESTED;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use trjit_module::Digest;
use trjit_trace::{Merger, Profile};

/// Deepest nesting of wrapped commands that is looked at.
const MAX_DEPTH: usize = 64;

/// All that was found.
#[derive(Default)]
pub struct Gathered {
    /// In the order of their labels.
    pub groups: Vec<Group>,
    /// Runs that began and whose trace is missing, by label.
    pub missing: BTreeMap<String, usize>,
    /// Traces that can not be used, and why.
    pub damaged: Vec<String>,
}

/// The traces of one module.
pub struct Group {
    pub digest: Digest,
    pub merger: Merger,
    pub traces: usize,
    /// Recorded calls, of all traces.
    pub calls: u64,
    /// What the module's file was called, and how often.
    labels: BTreeMap<String, usize>,
}

impl Group {
    /// The name of the module's file: the one that most runs gave.
    pub fn label(&self) -> &str {
        let best = self.labels.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        best.map_or("module", |(label, _)| label)
    }
}

/// Reads a spool, and those in it.
pub fn gather(spool: &Path) -> Result<Gathered> {
    let mut groups = BTreeMap::new();
    let mut gathered = Gathered::default();
    let listing = list(spool).with_context(|| format!("can not read the spool `{}`", spool.display()))?;
    let mut pending = vec![(listing, 0)];
    while let Some((listing, depth)) = pending.pop() {
        for trace in &listing.traces {
            let label = listing.label(trace);
            match Profile::read(trace) {
                Ok(profile) => add(&mut groups, profile, label)?,
                Err(error) => {
                    let reason = error.source().map_or(String::new(), |source| format!(": {source}"));
                    gathered.damaged.push(format!("a trace of `{label}` is not merged: {error}{reason}"));
                }
            }
        }
        for name in listing.running.keys().filter(|name| !listing.ended.contains_key(*name)) {
            *gathered.missing.entry(listing.label(Path::new(name)).to_string()).or_default() += 1;
        }
        if depth < MAX_DEPTH {
            // What is gone has nothing to tell.
            pending.extend(listing.nested.iter().filter_map(|nested| Some((list(nested).ok()?, depth + 1))));
        }
    }
    gathered.groups = groups.into_values().collect();
    gathered.groups.sort_by(|a: &Group, b| a.label().cmp(b.label()));
    gathered.damaged.sort();
    Ok(gathered)
}

fn add(groups: &mut BTreeMap<Digest, Group>, profile: Profile, label: &str) -> Result<()> {
    let (digest, calls) = (profile.module().digest, profile.total_calls());
    let group =
        groups.entry(digest).or_insert_with(|| Group { digest, merger: Merger::default(), traces: 0, calls: 0, labels: BTreeMap::new() });
    group.merger.add(profile).with_context(|| format!("the traces of `{label}` do not go together"))?;
    group.traces += 1;
    group.calls = group.calls.saturating_add(calls);
    *group.labels.entry(label.to_string()).or_default() += 1;
    Ok(())
}

/// The files of a spool, by the names of runs.
#[derive(Default)]
struct Listing {
    traces: BTreeSet<PathBuf>,
    running: BTreeMap<String, String>,
    ended: BTreeMap<String, String>,
    nested: Vec<PathBuf>,
}

impl Listing {
    /// The label of the run that a file belongs to.
    fn label(&self, path: &Path) -> &str {
        let name = run_of(path);
        self.ended.get(&name).or_else(|| self.running.get(&name)).map_or("module", String::as_str)
    }
}

fn list(spool: &Path) -> std::io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in spool.read_dir()? {
        let path = entry?.path();
        match path.extension().and_then(OsStr::to_str) {
            Some("trprof") => drop(listing.traces.insert(path)),
            Some("run") => drop(listing.running.insert(run_of(&path), label_of(&path))),
            Some("ended") => drop(listing.ended.insert(run_of(&path), label_of(&path))),
            Some(NESTED) => listing.nested.push(path),
            Some(_) | None => {}
        }
    }
    Ok(listing)
}

/// Process, random number and number, which all files of a run begin with.
fn run_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    stem.splitn(4, '-').take(3).collect::<Vec<_>>().join("-")
}

/// What a marker says. It may have got its other name meanwhile.
fn label_of(marker: &Path) -> String {
    let read = |path: &Path| std::fs::read_link(path).ok();
    let label = read(marker).or_else(|| read(&marker.with_extension("ended")));
    let name = label.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "module".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_run_know_it() {
        for name in
            ["12-00ff-3.run", "12-00ff-3.ended", "12-00ff-3.trprof", "12-00ff-3.1.trprof", "12-00ff-3-99.trprof", "12-00ff-3-99.2.trprof"]
        {
            assert_eq!(run_of(&Path::new("/spool").join(name)), "12-00ff-3", "{name}");
        }
    }
}
