//! Processes that the step starts: each in a process group of its own, with its output in files, a limit of time, and a register of them all, so that
//! an interrupted step leaves none behind.

use crate::files;
use crate::outcome::{Failure, Kind};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a process is looked after.
const LOOK: Duration = Duration::from_millis(2);
/// How long what was told to end may take for it, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A command to run. The environment is that of this process, and more, without what tells trjit itself how to run: that is for the user's own runs.
#[derive(Clone, Debug)]
pub struct Task {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(String, OsString)>,
    pub directory: PathBuf,
    /// None: nothing to read.
    pub stdin: Option<PathBuf>,
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    pub timeout: Option<Duration>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exited(u8),
    Signalled(i32),
    TimedOut(Duration),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Exited(134) => write!(f, "exited with status 134 (a trap)"),
            Ended::Exited(status) => write!(f, "exited with status {status}"),
            Ended::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Ended::TimedOut(limit) => write!(f, "took longer than {} s", limit.as_secs_f64()),
        }
    }
}

/// What a process did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub ended: Ended,
    pub seconds: f64,
}

/// The processes that run now. Once [`stop`](Self::stop) was called no further one is started.
#[derive(Debug, Default)]
pub struct Running(Mutex<Register>);

#[derive(Debug, Default)]
struct Register {
    groups: BTreeSet<i32>,
    stopped: bool,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills what runs, with what that started.
    pub fn stop(&self) {
        let mut register = self.lock();
        register.stopped = true;
        register.groups.iter().for_each(|&group| kill(group, Signal::KILL));
    }

    pub fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Runs a process to its end.
    pub fn run(&self, task: &Task) -> Result<Done, Failure> {
        let start = Instant::now();
        let mut child = self.start(task)?;
        let group = child.id() as i32;
        let ended = wait(&mut child, group, start, task.timeout);
        self.lock().groups.remove(&group);
        let ended = ended.map_err(|error| Failure::of(Kind::Failed, format!("can not wait for `{}`", task.program.display()), &error))?;
        Ok(Done { ended, seconds: start.elapsed().as_secs_f64() })
    }

    fn start(&self, task: &Task) -> Result<Child, Failure> {
        let input =
            task.stdin.as_deref().map_or(Ok(Stdio::null()), |path| File::open(path).map(Stdio::from).map_err(files::unreadable(path)))?;
        let (output, errors) = (create(&task.stdout)?, create(&task.stderr)?);
        let mut command = Command::new(&task.program);
        command.args(&task.args).current_dir(&task.directory);
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"TRJIT_")).for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.envs(task.env.iter().map(|(name, value)| (name, value)));
        command.stdin(input).stdout(output).stderr(errors).process_group(0);
        // Held until the process is in the register, so that no stop misses it.
        let mut register = self.lock();
        if register.stopped {
            return Err(Failure::new(Kind::Failed, "interrupted"));
        }
        let child = command.spawn().map_err(|error| {
            let failure = Failure::of(Kind::Failed, format!("can not start `{}`", task.program.display()), &error);
            failure.with_help("check the name and PATH")
        })?;
        register.groups.insert(child.id() as i32);
        Ok(child)
    }
}

fn kill(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        // It may have ended.
        let _ = kill_process_group(pid, signal);
    }
}

/// Waits for the end; past the limit the group is told to end, then killed.
fn wait(child: &mut Child, group: i32, start: Instant, limit: Option<Duration>) -> std::io::Result<Ended> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match limit {
                Some(limit) if told => Ended::TimedOut(limit),
                _ => ended(status),
            });
        }
        if let Some(limit) = limit {
            let over = start.elapsed().checked_sub(limit);
            if over.is_some() && !told {
                told = true;
                kill(group, Signal::TERM);
            }
            if over.is_some_and(|over| over > GRACE) {
                kill(group, Signal::KILL);
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code as u8),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(files::unwritable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(directory: &Path, script: &str) -> Task {
        Task {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("ANSWER".into(), "42".into())],
            directory: directory.to_path_buf(),
            stdin: None,
            stdout: directory.join("out"),
            stderr: directory.join("err"),
            timeout: Some(Duration::from_secs(60)),
        }
    }

    #[test]
    fn output_status_and_signals_are_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let running = Running::default();
        let run = |script: &str| running.run(&task(directory.path(), script)).expect("sh runs").ended;
        assert_eq!(run("cat; echo $ANSWER; echo no >&2; exit 7"), Ended::Exited(7));
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("it was written");
        assert_eq!((read("out"), read("err")), ("42\n".into(), "no\n".into()));
        assert_eq!(run("kill -9 $$"), Ended::Signalled(9));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_its_children() {
        let directory = tempfile::tempdir().expect("a directory");
        let limit = Duration::from_millis(50);
        let long = Task { timeout: Some(limit), ..task(directory.path(), "sleep 1000 & echo $! > child; wait") };
        assert_eq!(Running::default().run(&long).expect("sh runs").ended, Ended::TimedOut(limit));
        let child = std::fs::read_to_string(directory.path().join("child")).expect("it was written");
        let gone = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        let begin = Instant::now();
        while !gone(child.trim()) {
            assert!(begin.elapsed() < Duration::from_secs(60), "the child is still there");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn a_stop_kills_and_lets_nothing_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let running = Running::default();
        let done = std::thread::scope(|scope| {
            let run = scope.spawn(|| running.run(&task(directory.path(), "sleep 1000")));
            while running.lock().groups.is_empty() {
                std::thread::sleep(LOOK);
            }
            running.stop();
            run.join().expect("it does not panic")
        });
        assert_eq!(done.expect("it began").ended, Ended::Signalled(9));
        assert!(running.run(&task(directory.path(), "true")).is_err());
    }
}
