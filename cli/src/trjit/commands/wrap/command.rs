//! The wrapped command: started with the spool in its environment, given the signals that we get, and waited for.

use super::spool::Spool;
use crate::args::Train;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trjit_cli::exit::{self, Failure, NOT_FOUND, NOT_STARTED, SIGNAL_BASE};
use trjit_cli::spooled::STAND_INS_VARIABLE;
use trjit_cli::stop::{self, Signals, Stopped};
use trjit_runtime::{SPOOL_VARIABLE, WORKLOAD_VARIABLE};

/// How the command ended.
pub struct Ended {
    /// Its first word.
    pub command: String,
    status: ExitStatus,
    /// The signal that we got.
    signal: Option<i32>,
}

impl Ended {
    /// The status to be passed on.
    pub fn status(&self) -> u8 {
        let by_signal = |signal: i32| SIGNAL_BASE.wrapping_add(signal as u8);
        match (self.signal, self.status.code()) {
            (Some(signal), _) => by_signal(signal),
            (None, Some(code)) => code as u8,
            (None, None) => self.status.signal().map_or(exit::FAILURE, by_signal),
        }
    }
}

/// Runs the command to its end. The first SIGINT or SIGTERM is given to it, and waits for its end; the second one ends this process.
pub fn run(train: &Train, spool: &Spool) -> Result<Ended> {
    let words = &train.guest.module_and_args;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(SPOOL_VARIABLE, spool.path());
    if let Some(workload) = &train.workload {
        command.env(WORKLOAD_VARIABLE, workload);
    }
    if let Some((path, names)) = spool.stand_ins(&train.stand_ins)? {
        command.env("PATH", path).env(STAND_INS_VARIABLE, names);
    }
    let signals = Signals::block_unless_ignored();
    signals.unblock_in(&mut command);
    let name = words[0].to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| not_started(&name, &error))?;
    let id = Pid::from_child(&child);
    let stopped = Arc::new(Stopped::default());
    let running = Running::new(id);
    forward(signals, &running, &stopped, spool);
    let status = wait(&mut child, id, &running).with_context(|| format!("can not wait for `{name}`"))?;
    Ok(Ended { command: name, status, signal: stopped.signal() })
}

fn not_started(name: &str, error: &std::io::Error) -> Failure {
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED };
    Failure::new(code, format!("can not start `{name}`: {error}"))
        .with_help("give the command and its words behind `--`, as trjit train --wrap -o app.trprof -- make test")
}

/// The process, while its number is its own.
#[derive(Clone)]
struct Running(Arc<Mutex<Option<Pid>>>);

impl Running {
    fn new(id: Pid) -> Running {
        Running(Arc::new(Mutex::new(Some(id))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, signal: i32) {
        let Some((id, signal)) = self.lock().zip(Signal::from_named_raw(signal)) else { return };
        // It may have ended.
        let _ = kill_process(id, signal);
    }
}

/// Gives signals to the command, except for those that the terminal gave to all processes of its foreground.
fn forward(signals: Signals, running: &Running, stopped: &Arc<Stopped>, spool: &Spool) {
    let (running, stopped) = (running.clone(), Arc::clone(stopped));
    let (path, temporary) = (spool.path().to_path_buf(), spool.is_temporary());
    std::thread::spawn(move || {
        let first = signals.wait();
        stopped.set_signal(first.signal);
        if !first.from_terminal {
            running.send(first.signal);
        }
        let again = signals.wait_for_another(first);
        if !again.from_terminal {
            running.send(again.signal);
        }
        Spool::remove(&path, temporary);
        stop::exit_by(again.signal);
    });
}

/// Waits in two steps: the number stays the process's own until nobody sends signals to it any more.
fn wait(child: &mut Child, id: Pid, running: &Running) -> Result<ExitStatus> {
    while let Err(error) = waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    *running.lock() = None;
    Ok(child.wait()?)
}
