//! Where profiles go: one file for one module, or a directory with a profile for each.

use super::gather::Group;
use super::list;
use crate::LINKED;
use crate::args::Train;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use trjit_cli::exit::{FAILURE, Failure, USAGE};
use trjit_cli::source;
use trjit_module::Digest;

/// What the command line says of it.
pub struct Destination {
    place: Place,
    module: Option<PathBuf>,
}

enum Place {
    File(PathBuf),
    /// Gets a profile for each module, called after it.
    Folder(PathBuf),
}

impl Destination {
    /// Fails before the command runs, rather than after it, where nothing could be written.
    pub fn of(train: &Train) -> Result<Destination> {
        let module = train.module.clone();
        let place = match (&train.output, &module) {
            (Some(output), _) if output.is_dir() || output.as_os_str().as_bytes().ends_with(b"/") => Place::Folder(output.clone()),
            (Some(output), _) => Place::File(output.clone()),
            (None, Some(module)) => Place::File(module.with_extension("trprof")),
            (None, None) => {
                let failure = Failure::new(USAGE, "--wrap needs to know where the profile goes");
                return Err(failure.with_help("give -o FILE, or -o DIR/ for a profile of each module that runs").into());
            }
        };
        match &place {
            Place::File(output) => crate::commands::train::check_writable(output)?,
            Place::Folder(folder) => {
                std::fs::create_dir_all(folder).with_context(|| format!("profiles can not be written to `{}`", folder.display()))?;
            }
        }
        Ok(Destination { place, module })
    }

    /// The module that was asked for.
    pub fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// The groups that are to be written, and the others. The module is looked at now: the command may have built it.
    pub fn choose(&self, groups: Vec<Group>) -> Result<(Vec<Group>, Vec<Group>)> {
        let Some(module) = &self.module else { return Ok((groups, Vec::new())) };
        let digest = Digest::of(&source::read_wasm(module, &LINKED)?);
        Ok(groups.into_iter().partition(|group| group.digest == digest))
    }

    /// Which file each group goes to. Several groups need a directory.
    pub fn paths(&self, groups: Vec<Group>) -> Result<Vec<(PathBuf, Group)>> {
        match &self.place {
            Place::File(path) if groups.len() == 1 => Ok(groups.into_iter().map(|group| (path.clone(), group)).collect()),
            Place::File(path) => {
                let message = format!(
                    "the command ran {} modules, and a profile is of one: {}; `{}` is not written",
                    groups.len(),
                    list(&groups),
                    path.display()
                );
                let failure = Failure::new(FAILURE, message);
                Err(failure.with_help("name one of them with --module FILE, or give -o DIR/, which gets a profile for each").into())
            }
            Place::Folder(folder) => Ok(named(folder, groups)),
        }
    }
}

/// Names by the modules' files; the digest tells those apart that are called the same.
fn named(folder: &Path, groups: Vec<Group>) -> Vec<(PathBuf, Group)> {
    let stem =
        |group: &Group| Path::new(group.label()).file_stem().map_or("module".to_string(), |stem| stem.to_string_lossy().into_owned());
    let stems: Vec<String> = groups.iter().map(stem).collect();
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&String> = stems.iter().filter(|stem| !seen.insert(*stem)).collect();
    let name = |(stem, group): (&String, Group)| {
        let apart = if twice.contains(stem) { format!("-{}", group.digest.short()) } else { String::new() };
        (folder.join(format!("{stem}{apart}.trprof")), group)
    };
    stems.iter().zip(groups).map(name).collect()
}
