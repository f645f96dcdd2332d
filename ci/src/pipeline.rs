//! The flow of `trjit ci`, step by step:
//!
//! ```text
//! key -> (unchanged? -> gates) | train -> merge -> assemble -> check -> rerun -> keep -> gates -> publish -> report
//! ```
//! Invariant: nothing outside of `.trjit/` changes before every step has passed; then profile, caches and baseline are put in place, each whole or not at all.

use crate::baseline::Baseline;
use crate::case::Case;
use crate::config::Config;
use crate::gates;
use crate::interrupt::Interrupt;
use crate::listener::Listener;
use crate::outcome::{Failure, Failures, Kind};
use crate::place::Place;
use crate::process::Running;
use crate::report::{Measured, MeasuredOn, ModuleFacts, ProfileOrigin, Report, SCHEMA, Status};
use crate::state::PROFILE;
use crate::train::Trained;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use trjit_cache_format::write_file;
use trjit_module::{Digest, Module};
use trjit_trace::{Difference, Profile};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The directory of `trjit.toml`.
    pub root: PathBuf,
    /// The state directory, relative to that: see [`state_directory`](crate::state_directory).
    pub state: PathBuf,
    /// The command `trjit`, for runs.
    pub program: PathBuf,
    /// Version and commit of this build.
    pub version: String,
    /// Use the kept profile; train nothing.
    pub no_train: bool,
    /// End after training, with the profile written.
    pub train_only: bool,
    /// Also where nothing has changed.
    pub force: bool,
    /// Take the figures as the new baseline.
    pub accept: bool,
}

/// Reads the module's file into wasm bytes.
pub type ReadModule<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, Failure>;

/// A run of the step.
pub struct Pipeline<'a> {
    pub(crate) config: &'a Config,
    pub(crate) request: &'a Request,
    pub(crate) place: &'a Place,
    pub(crate) listener: &'a dyn Listener,
    pub(crate) running: &'a Running,
    interrupt: &'a Interrupt,
    warnings: Mutex<Vec<String>>,
}

/// Runs the step. Everything that goes wrong is in the report.
pub fn run(config: &Config, request: &Request, read: ReadModule<'_>, listener: &dyn Listener, interrupt: &Interrupt) -> Report {
    let mut report = Report {
        schema: SCHEMA,
        status: Status::Failed,
        exit_code: 0,
        failures: Vec::new(),
        warnings: Vec::new(),
        trjit: request.version.clone(),
        reused: false,
        measured: None,
        gates: Vec::new(),
        baseline: None,
        seconds: BTreeMap::new(),
    };
    let place = match check(config, request).and_then(|()| Place::open(&request.root, &request.state)) {
        Ok(place) => place,
        Err(failure) => return fail(report, Failures::from(failure)),
    };
    interrupt.works_in(&place);
    let pipeline =
        Pipeline { config, request, place: &place, listener, running: interrupt.running(), interrupt, warnings: Mutex::default() };
    let result = pipeline.steps(read, &mut report);
    report.warnings.append(&mut pipeline.warnings.lock().unwrap_or_else(PoisonError::into_inner));
    place.clear_work();
    interrupt.ends();
    let mut report = match result {
        _ if interrupt.stopped() => Report { status: Status::Interrupted, ..report },
        Ok(status) => Report { status, ..report },
        Err(failures) => fail(report, failures),
    };
    if report.status != Status::Interrupted
        && let Err(failure) =
            pipeline.write(&place.state("report.json"), serde_json::to_string_pretty(&report).unwrap_or_default().as_bytes())
    {
        report.warnings.push(failure.to_string());
    }
    report
}

/// What the file must say for what the command line asks for.
pub(crate) fn check(config: &Config, request: &Request) -> Result<(), Failure> {
    let nowhere = config.train.profile.is_none() && config.output.profile.is_none();
    if request.no_train && config.train.profile.is_none() {
        let failure = Failure::new(Kind::Config, "--no-train needs a kept profile, and trjit.toml names none");
        return Err(failure.with_help("name it as `profile` in [train], and write it with `trjit ci --train-only`"));
    }
    if request.train_only && nowhere {
        let failure = Failure::new(Kind::Config, "--train-only has nowhere to write to: trjit.toml names no profile");
        return Err(failure.with_help("name a file as `profile` in [train] or [output]"));
    }
    Ok(())
}

fn fail(mut report: Report, Failures(failures): Failures) -> Report {
    report.status = Status::Failed;
    report.exit_code = failures.first().map_or(1, |failure| failure.kind.exit_code());
    report.failures = failures;
    report
}

impl<'a> Pipeline<'a> {
    pub(crate) fn new(
        config: &'a Config,
        request: &'a Request,
        place: &'a Place,
        listener: &'a dyn Listener,
        interrupt: &'a Interrupt,
    ) -> Pipeline<'a> {
        Pipeline { config, request, place, listener, running: interrupt.running(), interrupt, warnings: Mutex::default() }
    }

    fn steps(&self, read: ReadModule<'_>, report: &mut Report) -> Result<Status, Failures> {
        let key = self.timed(report, "look", |pipeline| pipeline.key())?;
        let last = self.last();
        let unchanged =
            last.as_ref().zip(key.as_ref()).filter(|(last, key)| !self.request.force && !self.request.train_only && self.holds(last, key));
        if let Some((last, _)) = unchanged {
            let passed = last.passed;
            report.measured = Some(last.measured.clone());
            report.reused = true;
            let changed = self.judge(report, passed)?;
            if !passed {
                self.keep(key.clone(), &last.measured, true)?;
            }
            return Ok(if passed && !changed { Status::Unchanged } else { Status::Passed });
        }
        let before = last
            .filter(|last| key.as_ref().is_some_and(|key| Self::same_inputs(last, key)))
            .and_then(|_| Profile::read(self.place.state(PROFILE)).ok());
        let builds = self.config.train.command.is_some() && self.kept_profile().is_none();
        let module = if builds { None } else { Some(self.module(read)?) };
        let trained = self.timed(report, "train", |pipeline| pipeline.train(module.as_ref()))?;
        let module = module.map_or_else(|| self.module(read), Ok)?;
        let of_others = trained.measured.iter().chain([&trained.profile]).any(|profile| profile.module().digest != module.digest());
        if of_others {
            return Err(self.rebuilt().into());
        }
        let differs = before.map_or_else(Vec::new, |before| differences(&before, &trained.profile));
        self.write(&self.place.state(PROFILE), &trained.profile.to_bytes())?;
        if self.request.train_only {
            return self.write_profile_only(&trained).map(|()| Status::Passed).map_err(Into::into);
        }
        let mut made = self.timed(report, "assemble", |pipeline| pipeline.build(&module, &trained))?;
        let Trained { facts: profile, mut runs, command_seconds, .. } = trained;
        let again = self.timed(report, "rerun", |pipeline| pipeline.rerun(&mut made, &mut runs));
        if read(&self.place.path(&self.config.module)).is_ok_and(|wasm| Digest::of(&wasm) != module.digest()) {
            return Err(self.rebuilt().into());
        }
        again?;
        if command_seconds.is_some() {
            self.timed(report, "rerun command", |pipeline| pipeline.repeat_command(&mut made))?;
        }
        self.timed(report, "time", |pipeline| pipeline.time(&made, &mut runs))?;
        let measured = Measured {
            module: self.module_facts(&module),
            profile,
            measured_on: if runs.iter().any(|(run, _)| run.left_out) { MeasuredOn::LeftOut } else { MeasuredOn::Training },
            runs: runs.into_iter().map(|(run, _)| run).collect(),
            command_seconds,
            targets: made.into_iter().map(|made| made.facts).collect(),
            training_differs: differs,
        };
        report.measured = Some(measured.clone());
        // What was measured is kept also where a gate fails: with another limit it passes at once.
        self.keep(key.clone(), &measured, false)?;
        self.judge(report, false)?;
        self.keep(key, &measured, true)?;
        Ok(Status::Passed)
    }

    /// What is no failure, but should be known.
    pub(crate) fn warn(&self, warnings: &[String]) {
        let mut known = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings.iter().filter(|warning| !known.contains(warning)).cloned().collect::<Vec<_>>() {
            known.push(warning);
        }
    }

    fn timed<T, E>(&self, report: &mut Report, step: &str, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, Failures>
    where
        Failures: From<E>,
    {
        let start = Instant::now();
        let result = work(self);
        report.seconds.insert(step.to_string(), start.elapsed().as_secs_f64());
        Ok(result?)
    }

    /// Gates, and, where they hold, everything in its place. Tells whether anything had to be put there.
    fn judge(&self, report: &mut Report, passed_before: bool) -> Result<bool, Failures> {
        let Some(measured) = &report.measured else { return Ok(false) };
        let path = self.place.path(&self.config.output.baseline);
        let baseline = if self.request.accept { None } else { Baseline::read(&path, &self.config.output.baseline)? };
        report.baseline = baseline.map(|baseline| baseline.compare(measured, &self.request.version));
        report.gates = gates::judge(&self.config.gates, measured, report.baseline.as_ref());
        let failures: Vec<Failure> = report.gates.iter().filter(|gate| !gate.passed).map(gates::Gate::failure).collect();
        if !failures.is_empty() {
            return Err(Failures(failures));
        }
        let _publishing = self.interrupt.publish()?;
        let mut changed = !passed_before;
        for (number, target) in measured.targets.iter().enumerate() {
            changed |= self.publish(&self.place.out().join(format!("{number}.trjit")), Path::new(&target.cache))?;
        }
        if let Some(output) = self.profile_output().filter(|_| measured.profile.origin == ProfileOrigin::Trained) {
            changed |= self.publish(&self.place.state(PROFILE), output)?;
        }
        if self.request.accept {
            self.write(&path, Baseline::of(measured, &self.request.version).to_json().as_bytes())?;
        }
        Ok(changed)
    }

    /// Where the merged profile goes, if anywhere.
    pub(crate) fn profile_output(&self) -> Option<&PathBuf> {
        self.config.output.profile.as_ref()
    }

    /// Puts a file in its place, unless the same is there.
    fn publish(&self, from: &Path, to: &Path) -> Result<bool, Failure> {
        let to = self.place.path(to);
        let bytes = std::fs::read(from).map_err(crate::files::unreadable(from))?;
        let known = std::fs::metadata(&to).is_ok_and(|known| known.len() == bytes.len() as u64);
        if known && crate::files::digest(&to)? == Digest::of(&bytes) {
            return Ok(false);
        }
        self.write(&to, &bytes).map(|()| true)
    }

    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        write_file(path, bytes).map_err(|error| {
            let failure = Failure::of(Kind::Failed, "a result can not be kept", &error);
            failure.with_help("make room, or the directory writable; what was there before is as it was")
        })
    }

    fn write_profile_only(&self, trained: &Trained) -> Result<(), Failure> {
        // One of the two is there: see `check`.
        let Some(output) = self.profile_output().or(self.config.train.profile.as_ref()) else { return Ok(()) };
        let _publishing = self.interrupt.publish()?;
        self.write(&self.place.path(output), &trained.profile.to_bytes())
    }

    fn module(&self, read: ReadModule<'_>) -> Result<Module, Failure> {
        let wasm = read(&self.place.path(&self.config.module))?;
        Module::parse(wasm)
            .map_err(|error| Failure::of(Kind::Failed, format!("`{}` can not be used", self.config.module.display()), &error))
    }

    fn module_facts(&self, module: &Module) -> ModuleFacts {
        ModuleFacts {
            path: self.config.module.display().to_string(),
            digest: module.digest().to_string(),
            bytes: module.header().wasm_len,
            functions: module.functions().len() as u32,
        }
    }

    /// The runs of the file.
    pub(crate) fn cases(&self) -> Vec<Case<'_>> {
        let case = |(number, run)| Case {
            run,
            number,
            program: &self.request.program,
            module: &self.config.module,
            place: self.place,
            timeout: self.config.train.timeout,
            running: self.running,
        };
        self.config.train.runs.iter().enumerate().map(case).collect()
    }

    pub(crate) fn jobs(&self) -> usize {
        self.config.train.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// How many differences of a training are told.
const TOLD: usize = 10;

/// What a training recorded that another one with the same inputs did not.
fn differences(before: &Profile, now: &Profile) -> Vec<String> {
    if before.to_bytes() == now.to_bytes() {
        return Vec::new();
    }
    let difference = Difference::of(before, now);
    let changed = difference.by_delta();
    let mut lines: Vec<String> = changed
        .iter()
        .take(TOLD)
        .map(|change| {
            let name = change.name.clone().or_else(|| Some(format!("function {}", change.after.or(change.before)?.function)));
            let count = |side: Option<trjit_trace::Side>| side.map_or(0, |side| side.hotness);
            format!("{}: {} calls and iterations, {} before", name.unwrap_or_default(), count(change.after), count(change.before))
        })
        .collect();
    match changed.len().checked_sub(TOLD) {
        Some(more) if more > 0 => lines.push(format!("and {more} more functions")),
        _ if changed.is_empty() => lines.push("branches or call targets, the order of first calls, or how a run ended".to_string()),
        _ => {}
    }
    lines
}
