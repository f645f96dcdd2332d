//! Runs the command as a process, with a time limit, and judges what came back.
//!
//! Invariant: every outcome is checked for what may never happen: a panic, its status, or death by a signal that nobody sent.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest run of a test's process.
const LIMIT: Duration = Duration::from_secs(300);

/// A command line in the making.
pub struct Trjit {
    command: Command,
    stdin: Option<Vec<u8>>,
    shown: Vec<String>,
}

/// `trjit` with these arguments, without environment variables of its own and with empty standard input.
pub fn trjit<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Trjit {
    started_by(Command::new(env!("CARGO_BIN_EXE_trjit")), args)
}

/// `trjit-run` with these arguments, else as [`trjit`].
pub fn trjit_run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Trjit {
    let mut run = started_by(Command::new(env!("CARGO_BIN_EXE_trjit-run")), args);
    run.shown[0] = "trjit-run".to_string();
    run
}

/// As [`trjit`], with the signals of a terminal as they are at a prompt: shells start background jobs, such as a test run, with these ignored, and that is
/// inherited.
pub fn trjit_with_default_signals<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Trjit {
    let mut env = Command::new("/usr/bin/env");
    env.args(["--default-signal=INT,QUIT", env!("CARGO_BIN_EXE_trjit")]);
    started_by(env, args)
}

fn started_by<S: AsRef<OsStr>>(command: Command, args: impl IntoIterator<Item = S>) -> Trjit {
    let mut trjit = Trjit { command, stdin: None, shown: vec!["trjit".to_string()] };
    trjit.command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    trjit.args(args)
}

impl Trjit {
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Trjit {
        self.args([arg])
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Trjit {
        for arg in args {
            self.shown.push(arg.as_ref().to_string_lossy().into_owned());
            self.command.arg(arg);
        }
        self
    }

    /// Gives the process a native stack of this size, in KiB, or `unlimited`. To be said before all else but the arguments.
    pub fn stack(self, size: &str) -> Trjit {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!(r#"ulimit -s {size} && exec "$0" "$@""#))
            .arg(self.command.get_program())
            .args(self.command.get_args());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Trjit { command, ..self }
    }

    /// Runs in this directory.
    pub fn within(mut self, folder: &Path) -> Trjit {
        self.command.current_dir(folder);
        self
    }

    /// Sets a variable of the process (not of the guest).
    pub fn variable(mut self, name: &str, value: &str) -> Trjit {
        self.command.env(name, value);
        self
    }

    pub fn stdin(mut self, bytes: &[u8]) -> Trjit {
        self.stdin = Some(bytes.to_vec());
        self
    }

    /// For what is to be said to the process before it is executed.
    pub(super) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts the process and leaves it running. Standard input is empty.
    pub fn start(mut self) -> Running {
        let child = self.command.spawn().expect("the command can be started");
        Running { child: Some(child), shown: self.shown.join(" ") }
    }

    /// Runs to the end; fails the test when that takes longer than any run may take.
    pub fn run(self) -> Outcome {
        let outcome = self.run_raw();
        assert_ne!(outcome.status.code(), Some(101), "{outcome:?}");
        outcome
    }

    /// As [`Trjit::run`], for guests that exit with 101 themselves.
    pub fn run_raw(mut self) -> Outcome {
        if let Some(bytes) = &self.stdin {
            let mut file = tempfile::tempfile().expect("the tests need a directory for temporary files");
            std::io::Write::write_all(&mut file, bytes).expect("a temporary file is writable");
            std::io::Seek::rewind(&mut file).expect("a temporary file can be rewound");
            self.command.stdin(file);
        }
        self.start().end()
    }
}

/// A running process. Dropping it kills it.
pub struct Running {
    child: Option<Child>,
    shown: String,
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the process was not waited for yet")
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the process was not waited for yet").id()
    }

    /// Waits until standard output begins with this text; what was read is not part of the outcome.
    pub fn wait_for_output(&mut self, text: &str) {
        let mut found = vec![0; text.len()];
        let stdout = self.child().stdout.as_mut().expect("standard output is a pipe");
        stdout.read_exact(&mut found).expect("the process writes before it ends");
        assert_eq!(String::from_utf8_lossy(&found), text);
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&mut self, name: &str) {
        let id = self.child().id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("there is a command kill");
        assert!(status.success(), "kill -s {name} {id}: {status}");
    }

    /// Waits for the end.
    pub fn end(mut self) -> Outcome {
        let child = self.child.take().expect("the process was not waited for yet");
        let id = child.id().to_string();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(LIMIT) else {
            // Not waited for yet, so that the number still belongs to it.
            let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
            panic!("{} did not end within {LIMIT:?}", self.shown);
        };
        let output = output.expect("the process can be waited for");
        let stderr = String::from_utf8(output.stderr).expect("the command writes UTF-8 to standard error");
        let outcome = Outcome { status: output.status, stdout: output.stdout, stderr, shown: std::mem::take(&mut self.shown) };
        assert!(!outcome.stderr.contains("panicked at"), "{outcome:?}");
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a process ended and what it wrote.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
    shown: String,
}

impl Outcome {
    /// The exit status; fails the test when a signal ended the process.
    pub fn code(&self) -> i32 {
        assert_eq!(self.status.signal(), None, "died by a signal: {self:?}");
        self.status.code().expect("a process that no signal ended has a status")
    }

    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap_or_else(|_| panic!("standard output is not UTF-8: {self:?}"))
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("standard output is not JSON: {error}: {self:?}"))
    }

    /// Fails the test unless the status is `code`.
    pub fn exits(self, code: i32) -> Outcome {
        assert_eq!(self.code(), code, "{self:?}");
        self
    }

    /// Fails the test unless standard output is `text`.
    pub fn prints(self, text: &str) -> Outcome {
        assert_eq!(self.text(), text, "{self:?}");
        self
    }

    /// Fails the test unless standard error contains each text.
    pub fn says(self, texts: &[&str]) -> Outcome {
        for text in texts {
            assert!(self.stderr.contains(text), "standard error lacks `{text}`: {self:?}");
        }
        self
    }

    /// Fails the test unless the status is 0 and nothing was said on standard error.
    pub fn succeeds(self) -> Outcome {
        let outcome = self.exits(0);
        assert_eq!(outcome.stderr, "", "{outcome:?}");
        outcome
    }

    /// A refusal: this status, exactly one error (one line, beside help), each text in it, and no output.
    pub fn refuses(self, code: i32, texts: &[&str]) -> Outcome {
        let outcome = self.exits(code).says(texts);
        let errors = outcome.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        let others: Vec<&str> = outcome.stderr.lines().filter(|line| !line.starts_with("error: ") && !line.starts_with("help: ")).collect();
        assert!(errors == 1 && others.is_empty(), "expected one error in one line, and nothing but help beside it: {outcome:?}");
        assert!(outcome.stdout.is_empty(), "a refusal writes nothing to standard output: {outcome:?}");
        outcome
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outcome { status, stdout, stderr, shown } = self;
        write!(f, "{shown}\n{status}\n--- standard output\n{}\n--- standard error\n{stderr}", String::from_utf8_lossy(stdout))
    }
}
