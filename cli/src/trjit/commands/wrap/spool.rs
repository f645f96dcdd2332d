//! The directory that traces are left in ([`trjit_runtime::SPOOL_VARIABLE`]), and stand-ins for other runtimes in it.
//!
//! A wrapped command can wrap another one. The inner spool is then a directory `*.spool` of the outer one (or a symbolic link to where the user wants it), so that the outer
//! command finds all that is in it, also when the inner one is killed.

use anyhow::{Context, Result};
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use trjit_cli::exit::{FAILURE, Failure, USAGE};
use trjit_cli::spooled::{SHIMS, STAND_INS_VARIABLE};
use trjit_cli::ui;
use trjit_runtime::SPOOL_VARIABLE;

/// The end of the name of a spool within a spool.
pub const NESTED: &str = "spool";

/// A spool of a command.
pub struct Spool {
    path: PathBuf,
    /// Nobody needs it when the command is over.
    temporary: bool,
}

impl Spool {
    /// A new one: where the user wants it, else in the spool of a command around this one, else where temporary files go.
    pub fn create(wanted: Option<&Path>) -> Result<Spool> {
        let outer = std::env::var_os(SPOOL_VARIABLE).filter(|outer| !outer.is_empty()).map(PathBuf::from);
        let nested = |outer: &Path| outer.join(format!("{}.{NESTED}", unique()));
        if let Some(wanted) = wanted {
            let path = Spool::named(wanted)?;
            if let Some(Err(error)) = outer.map(|outer| symlink(&path, nested(&outer))) {
                ui::warning(&format!("the spool around this one will not have these traces: {error}"));
            }
            return Ok(Spool { path, temporary: false });
        }
        match outer.map(|outer| nested(&std::path::absolute(&outer).unwrap_or(outer))) {
            Some(path) if make(&path).is_ok() => return Ok(Spool { path, temporary: false }),
            Some(path) => {
                ui::warning(&format!("the spool around this one will not have these traces: `{}` can not be made", path.display()))
            }
            None => {}
        }
        let path = std::path::absolute(std::env::temp_dir().join(format!("trjit-spool-{}", unique())))?;
        make(&path).with_context(|| format!("can not make the spool `{}`", path.display()))?;
        Ok(Spool { path, temporary: true })
    }

    fn named(wanted: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(wanted).with_context(|| format!("can not make the spool `{}`", wanted.display()))?;
        let path = wanted.canonicalize().with_context(|| format!("can not find the spool `{}`", wanted.display()))?;
        if path.read_dir().with_context(|| format!("can not read the spool `{}`", wanted.display()))?.next().is_some() {
            let failure = Failure::new(FAILURE, format!("the spool `{}` is not empty", wanted.display()));
            return Err(failure
                .with_help("remove it, or name another one: what is left there by this command shall be all that is in it")
                .into());
        }
        Ok(path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory to be the first on `PATH`, with this command under other names; none where no name is given.
    pub fn stand_ins(&self, names: &[String]) -> Result<Option<(OsString, OsString)>> {
        if names.is_empty() {
            return Ok(None);
        }
        let folder = self.path.join(SHIMS);
        let own = std::env::current_exe().context("can not find the command trjit itself")?;
        make(&folder).with_context(|| format!("can not make `{}`", folder.display()))?;
        for name in names {
            check_name(name)?;
            symlink(&own, folder.join(name)).with_context(|| format!("can not make `{}`", folder.join(name).display()))?;
        }
        let mut known: Vec<OsString> = names.iter().map(OsString::from).collect();
        known.extend(std::env::var_os(STAND_INS_VARIABLE).filter(|names| !names.is_empty()));
        Ok(Some((joined(&[folder.into(), std::env::var_os("PATH").unwrap_or_default()]), joined(&known))))
    }

    /// Removes it, where it was made for this command alone.
    pub fn remove(path: &Path, temporary: bool) {
        if temporary {
            // What a process that is still there leaves meanwhile may stay: nothing can be done about it.
            let _ = std::fs::remove_dir_all(path);
        }
    }

    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        Spool::remove(&self.path, self.temporary);
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let wrong = name.is_empty() || name.contains(['/', ':', '\0']) || [".", "..", "trjit", "trjit-run"].contains(&name);
    if wrong {
        let failure = Failure::new(USAGE, format!("--as `{name}`: this is no name of a program that trjit can stand in for"));
        return Err(failure.with_help("give the name by which the tests call their runtime, such as --as wasmtime"));
    }
    Ok(())
}

/// Words with colons between them.
fn joined(words: &[OsString]) -> OsString {
    let bytes: Vec<&[u8]> = words.iter().filter(|word| !word.is_empty()).map(|word| word.as_bytes()).collect();
    OsStr::from_bytes(&bytes.join(&b':')).to_os_string()
}

fn unique() -> String {
    let mut random = [0; 8];
    // Whoever can make none gets a name by the time; a directory that exists is refused anyway.
    if getrandom(&mut random[..], GetRandomFlags::empty()).is_err() {
        random = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64).to_le_bytes();
    }
    format!("{}-{:016x}", std::process::id(), u64::from_le_bytes(random))
}
