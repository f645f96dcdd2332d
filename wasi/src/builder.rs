//! Collects what a guest gets, then opens it.
//!
//! The default is nothing: no arguments, no environment, no directory, empty input, discarded output.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::clocks;
use crate::ctx::WasiCtx;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::stdio::{Input, Output};
use crate::table::{Descriptor, OpenDir, Table};

/// Open descriptors a guest may hold, unless said otherwise. The host's own limit is often lower.
const DEFAULT_MAX_DESCRIPTORS: u32 = 1 << 16;

#[derive(Debug)]
struct Preopen {
    host: PathBuf,
    guest: Vec<u8>,
    read_only: bool,
}

/// Builds a [`WasiCtx`].
#[derive(Debug)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    preopens: Vec<Preopen>,
    stdin: Input,
    stdout: Output,
    stderr: Output,
    interrupt: Option<Arc<AtomicBool>>,
    max_descriptors: u32,
}

impl Default for WasiCtxBuilder {
    fn default() -> WasiCtxBuilder {
        WasiCtxBuilder {
            args: Vec::new(),
            env: Vec::new(),
            preopens: Vec::new(),
            stdin: Input::Empty,
            stdout: Output::Discard,
            stderr: Output::Discard,
            interrupt: None,
            max_descriptors: DEFAULT_MAX_DESCRIPTORS,
        }
    }
}

impl WasiCtxBuilder {
    /// A builder of a guest that gets nothing.
    pub fn new() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// Adds an argument; the first is the program's name.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into().into_vec());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> &mut Self {
        self.args.extend(args.into_iter().map(|arg| arg.into().into_vec()));
        self
    }

    /// Sets an environment variable, in place of an earlier one of that name.
    pub fn env(&mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        let (key, value) = (key.into().into_vec(), value.into().into_vec());
        match self.env.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.env.push((key, value)),
        }
        self
    }

    /// Passes the environment of this process on.
    pub fn inherit_env(&mut self) -> &mut Self {
        for (key, value) in std::env::vars_os() {
            self.env(key, value);
        }
        self
    }

    /// Gives the guest the directory `host` under the name `guest`. Read-only: nothing beneath it can be created,
    /// opened for writing, changed or removed.
    pub fn preopened_dir(&mut self, host: impl Into<PathBuf>, guest: impl Into<OsString>, read_only: bool) -> &mut Self {
        self.preopens.push(Preopen { host: host.into(), guest: guest.into().into_vec(), read_only });
        self
    }

    /// Gives the guest the three standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(Input::Inherit).stdout(Output::Stdout).stderr(Output::Stderr)
    }

    /// Sets the standard input.
    pub fn stdin(&mut self, input: impl Into<Input>) -> &mut Self {
        self.stdin = input.into();
        self
    }

    /// Sets the standard output.
    pub fn stdout(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stdout = output.into();
        self
    }

    /// Sets the standard error.
    pub fn stderr(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stderr = output.into();
        self
    }

    /// Blocking calls end with [`crate::WasiError::Interrupted`] soon after this flag is raised.
    pub fn interrupt_flag(&mut self, flag: Arc<AtomicBool>) -> &mut Self {
        self.interrupt = Some(flag);
        self
    }

    /// Limits the descriptors open at one time, standard streams and preopened directories included.
    pub fn max_descriptors(&mut self, limit: u32) -> &mut Self {
        self.max_descriptors = limit;
        self
    }

    /// Opens the directories and streams; the builder is empty afterwards.
    ///
    /// # Errors
    /// [`Error::Preopen`] for a directory that cannot be opened, [`Error::ZeroByte`] for a string that no guest can
    /// hold.
    pub fn build(&mut self) -> Result<WasiCtx, Error> {
        let builder = std::mem::take(self);
        let args = builder.args;
        let env: Vec<Vec<u8>> = builder.env.into_iter().map(|(key, value)| [key, value].join(&b'=')).collect();
        check_strings("argument", &args)?;
        check_strings("environment variable", &env)?;
        // The host's own start is not limited: a limit below it only keeps the guest from opening more.
        let reserved = 3 + u32::try_from(builder.preopens.len()).unwrap_or(u32::MAX - 3);
        let mut table = Table::new(builder.max_descriptors.max(reserved));
        let mut install = |descriptor| table.push(descriptor).expect("the limit covers what the host installs");
        install(Descriptor::Stdin(builder.stdin));
        install(Descriptor::Output(builder.stdout));
        install(Descriptor::Output(builder.stderr));
        for preopen in builder.preopens {
            install(Descriptor::Dir(open_preopen(preopen)?));
        }
        Ok(WasiCtx { args, env, table, interrupt: Interrupt(builder.interrupt), clock_start: clocks::host_monotonic() })
    }
}

fn check_strings(what: &'static str, strings: &[Vec<u8>]) -> Result<(), Error> {
    match strings.iter().find(|s| s.contains(&0)) {
        Some(bad) => Err(Error::ZeroByte { what, value: String::from_utf8_lossy(bad).into_owned() }),
        None => Ok(()),
    }
}

fn open_preopen(preopen: Preopen) -> Result<OpenDir, Error> {
    let Preopen { host, guest, read_only } = preopen;
    match Dir::open_ambient_dir(&host, ambient_authority()) {
        Ok(dir) => Ok(OpenDir { dir, preopen: Some(guest), read_only, flags: 0, listing: None }),
        Err(source) => Err(Error::Preopen { host, guest: String::from_utf8_lossy(&guest).into_owned(), source }),
    }
}
