//! The first step: where the profile comes from. Runs are executed and recorded, the test command is wrapped, or a kept profile is read; the results are
//! one profile of what is trained on, and one for each run that is left out.

use crate::case::{Case, How, Observation};
use crate::config::Wrapped;
use crate::files;
use crate::outcome::{Failure, Failures, Kind};
use crate::parallel;
use crate::pipeline::Pipeline;
use crate::process::{Ended, Task};
use crate::report::{ProfileFacts, ProfileOrigin, RunFacts, Staleness};
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::Path;
use trjit_module::Module;
use trjit_trace::{MergeError, Merger, Profile};

/// Status of `trjit train --wrap` where nothing was recorded.
const EMPTY: u8 = 121;
/// Lines of a failed command's output that are shown.
pub(crate) const SHOWN_LINES: usize = 30;

/// What training came to.
pub struct Trained {
    /// Of the module, without times.
    pub profile: Profile,
    /// Of the runs that were left out; where none was, of those that were trained on.
    pub measured: Vec<Profile>,
    pub facts: ProfileFacts,
    /// What each run of the file did, in their order.
    pub runs: Vec<(RunFacts, Observation)>,
    /// How long the wrapped command took, where it was recorded.
    pub command_seconds: Option<f64>,
}

impl Pipeline<'_> {
    /// Records the command and the runs, or reads the kept profile. `module` is there unless the command may build it.
    pub(crate) fn train(&self, module: Option<&Module>) -> Result<Trained, Failures> {
        let kept = self.kept_profile();
        let steps = self.cases().len() + usize::from(kept.is_none() && self.config.train.command.is_some());
        self.listener.part("train", steps as u64);
        let (mut merger, mut staleness, mut command_seconds) = (Merger::default(), None, None);
        // The command comes first, since it may build what the runs run.
        match (kept.zip(module), &self.config.train.command) {
            (Some((path, module)), _) => {
                let (profile, stale) = self.read_kept(path, module)?;
                staleness = Some(stale);
                self.add(&mut merger, profile)?;
            }
            (None, Some(command)) => {
                let (profile, seconds) = self.record_command(command)?;
                command_seconds = Some(seconds);
                self.add(&mut merger, profile)?;
            }
            (None, None) => {}
        }
        let (mut runs, mut left_out, mut trained_on) = (Vec::new(), Vec::new(), Vec::new());
        // Runs that are left out are recorded in any case: they are what coverage is measured on.
        for (case, (observation, profile)) in self.cases().iter().zip(self.record_runs(kept.is_none())?) {
            runs.push((RunFacts::new(case.run, &observation, profile.as_ref()), observation));
            let Some(profile) = profile else { continue };
            if case.run.left_out { &mut left_out } else { &mut trained_on }.push(profile.clone());
            if !case.run.left_out && kept.is_none() {
                self.add(&mut merger, profile.weighted(NonZeroU32::new(case.run.weight).unwrap_or(NonZeroU32::MIN)))?;
            }
        }
        let profile = merger.finish().map_err(|error| Failure::of(Kind::NothingRecorded, "there is nothing to train on", &error))?;
        self.check_recorded(&profile)?;
        let origin = if kept.is_some() { ProfileOrigin::Kept } else { ProfileOrigin::Trained };
        let facts = ProfileFacts::new(origin, &profile, staleness);
        let measured = [left_out, trained_on].into_iter().find(|profiles| !profiles.is_empty()).unwrap_or_else(|| vec![profile.clone()]);
        Ok(Trained { profile, measured, facts, runs, command_seconds })
    }

    /// The kept profile, where it is used: nothing is trained then.
    pub(crate) fn kept_profile(&self) -> Option<&Path> {
        let train = &self.config.train;
        let trains = train.command.is_some() || train.runs.iter().any(|run| !run.left_out);
        train.profile.as_deref().filter(|_| self.request.no_train || !trains)
    }

    fn add(&self, merger: &mut Merger, profile: Profile) -> Result<(), Failure> {
        merger.add(profile).map_err(|error| match error {
            MergeError::OtherModule { .. } => self.rebuilt(),
            error => Failure::of(Kind::Profile, "profiles can not be merged", &error),
        })
    }

    /// The module is not what it was when the step began, or between two runs.
    pub(crate) fn rebuilt(&self) -> Failure {
        let failure =
            Failure::new(Kind::Failed, format!("`{}` was rebuilt while the step was at work on it", self.config.module.display()));
        failure.with_help("build first, then run `trjit ci`; what is trained, assembled and repeated must be one module")
    }

    fn check_recorded(&self, profile: &Profile) -> Result<(), Failure> {
        if profile.total_calls() != 0 {
            return Ok(());
        }
        let failure = Failure::new(Kind::NothingRecorded, "the profile is empty: no function of the module was called");
        Err(failure.with_help("check that the runs call the module: `_start`, or a function with `--invoke`"))
    }

    /// Executes the runs: recorded where they are trained on (`train`) or left out, plain else.
    fn record_runs(&self, train: bool) -> Result<Vec<(Observation, Option<Profile>)>, Failures> {
        let cases = self.cases();
        let results = parallel::map(self.jobs(), &cases, |_, case| {
            let result = self.record(case, train || case.run.left_out);
            if let Ok((seen, _)) = &result {
                self.listener.did(&format!("{} in {:.2} s", case.run.name, seen.seconds));
            }
            result
        });
        let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        if failed.is_empty() {
            Ok(done.into_iter().flatten().collect())
        } else {
            Err(Failures(failed.into_iter().filter_map(Result::err).collect()))
        }
    }

    fn record(&self, case: &Case<'_>, recorded: bool) -> Result<(Observation, Option<Profile>), Failure> {
        let path = self.place.work().join(format!("{}.trprof", case.number));
        let how = if recorded { How::Train(&path) } else { How::Plain };
        let seen = case.execute(&how, "train")?;
        case.judge(&seen, if recorded { "training run" } else { "run" })?;
        let profile = if recorded { Some(read_profile(&path)?.timeless()) } else { None };
        Ok((seen, profile))
    }

    /// The command line that wraps the test command, without the program.
    pub(crate) fn wrapping(&self, wrapped: &Wrapped, output: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["train".into(), "--wrap".into(), "-o".into(), output.into()];
        words.extend(["--module".into(), self.config.module.clone().into()]);
        if let Some(name) = &wrapped.shim {
            words.extend(["--as".into(), name.into()]);
        }
        words.push("--".into());
        words.extend(wrapped.command.iter().map(Into::into));
        words
    }

    fn record_command(&self, wrapped: &Wrapped) -> Result<(Profile, f64), Failure> {
        let work = self.place.work();
        let output = work.join("command.trprof");
        let log = work.join("command.log");
        // Where it is removed with all else, also when the command is killed.
        let mut args = self.wrapping(wrapped, &output);
        args.splice(2..2, ["--spool".into(), work.join("spool").into()]);
        let task = Task {
            program: self.request.program.clone(),
            args,
            env: Vec::new(),
            directory: self.place.root().to_path_buf(),
            stdin: None,
            stdout: work.join("command.out"),
            stderr: log.clone(),
            timeout: wrapped.timeout,
        };
        let done = self.running.run(&task)?;
        let command = wrapped.command.join(" ");
        match done.ended {
            Ended::Exited(0) => {}
            Ended::Exited(EMPTY) if !output.exists() => {
                let failure = Failure::new(
                    Kind::NothingRecorded,
                    format!("`{command}` ran, but no run of `{}` was recorded", self.config.module.display()),
                );
                return Err(failure
                    .with_detail(files::last_lines(&log, SHOWN_LINES))
                    .with_help("its tests must call `trjit run`; for tests that call `wasmtime`, say `as = \"wasmtime\"` in [train]"));
            }
            ended => {
                let mut detail = files::last_lines(&task.stdout, SHOWN_LINES);
                detail.extend(files::last_lines(&log, SHOWN_LINES));
                let failure = Failure::new(Kind::Training, format!("the command `{command}` {ended}, expected status 0"));
                return Err(failure
                    .with_detail(detail)
                    .with_help("make the tests pass; nothing is assembled from a test suite that fails"));
            }
        }
        self.listener.did(&format!("{command} in {:.2} s", done.seconds));
        Ok((read_profile(&output)?.timeless(), done.seconds))
    }

    /// A kept profile, as one of the module at hand.
    fn read_kept(&self, path: &Path, module: &Module) -> Result<(Profile, Staleness), Failure> {
        let profile = read_profile(&self.place.path(path))
            .map_err(|failure| failure.with_help("write one with `trjit ci --train-only`, or name another in [train] profile"))?;
        let (profile, coverage) = profile.timeless().rebase(module);
        if coverage.functions_matched == 0 && coverage.functions_recorded != 0 {
            let message = format!(
                "the profile `{}` is of another program: `{}` has none of its {} functions",
                path.display(),
                self.config.module.display(),
                coverage.functions_recorded
            );
            return Err(Failure::new(Kind::Profile, message).with_help("train with this module: `trjit ci --train-only`"));
        }
        let staleness = Staleness {
            same_module: coverage.same_module,
            calls_lost: 1.0 - coverage.share_of_entries(),
            functions_recorded: coverage.functions_recorded,
            functions_matched: coverage.functions_matched,
        };
        Ok((profile, staleness))
    }
}

fn read_profile(path: &Path) -> Result<Profile, Failure> {
    Profile::read(path).map_err(|error| Failure::of(Kind::Profile, format!("profile `{}` can not be used", path.display()), &error))
}
