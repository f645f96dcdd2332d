//! After assembly: every run again, on each cache that this machine can run, with the results compared.

use crate::build::{Made, lacking};
use crate::case::{Case, How, Observation};
use crate::config::Wrapped;
use crate::files;
use crate::outcome::{Failure, Failures, Kind};
use crate::parallel;
use crate::pipeline::Pipeline;
use crate::process::{Ended, Task};
use crate::report::RunFacts;
use crate::train::SHOWN_LINES;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use trjit_code::MemoryStyle;

/// Executions of each run for the gate on time, with the cache and without it in turns.
const TIMED: usize = 5;

impl Pipeline<'_> {
    /// Repeats the runs on the caches; notes their times.
    pub(crate) fn rerun(&self, made: &mut [Made<'_>], runs: &mut [(RunFacts, Observation)]) -> Result<(), Failures> {
        let cases = self.cases();
        for made in made {
            made.facts.not_run = lacking(made.target);
            if made.facts.not_run.is_some() {
                continue;
            }
            self.listener.part("rerun", cases.len() as u64);
            let again = parallel::map(self.jobs(), &cases, |at, case| self.repeat(case, &runs[at].1, made));
            let mut failures = Vec::new();
            for ((facts, _), result) in runs.iter_mut().zip(again) {
                match result {
                    Ok(seconds) => drop(facts.cached_seconds.insert(made.facts.cache.clone(), seconds)),
                    Err(failure) => failures.push(failure),
                }
            }
            if !failures.is_empty() {
                return Err(Failures(failures));
            }
        }
        Ok(())
    }

    fn repeat(&self, case: &Case<'_>, before: &Observation, made: &Made<'_>) -> Result<f64, Failure> {
        let what = "the run on the cache";
        let seen = case.execute(&How::Cached(&made.path, made.target), "rerun")?;
        case.compare(before, &seen, what)?;
        case.judge(&seen, what)
            .map_err(|failure| if failure.kind == Kind::Training { Failure { kind: Kind::Differs, ..failure } } else { failure })?;
        self.listener.did(&format!("{} on {} in {:.2} s", case.run.name, made.facts.cache, seen.seconds));
        Ok(seen.seconds)
    }

    /// Runs the test command once more on each cache that it can run on: every run of the module beneath it must be on that cache.
    pub(crate) fn repeat_command(&self, made: &mut [Made<'_>]) -> Result<(), Failures> {
        let Some(wrapped) = &self.config.train.command else { return Ok(()) };
        for made in made {
            // Such caches need options that the command's own runs do not have.
            if made.facts.not_run.is_some() || made.target.fuel || made.target.memory != MemoryStyle::Reserved {
                continue;
            }
            self.listener.part("rerun", 1);
            let task = self.command_on(wrapped, &made.path)?;
            let done = self.running.run(&task)?;
            if done.ended != Ended::Exited(0) {
                let message = format!(
                    "the command `{}` {} on the cache {}, and passed without",
                    wrapped.command.join(" "),
                    done.ended,
                    made.facts.cache
                );
                let mut detail = files::last_lines(&task.stdout, SHOWN_LINES);
                detail.extend(files::last_lines(&task.stderr, SHOWN_LINES));
                let failure = Failure::new(Kind::Differs, message).with_detail(detail);
                return Err(failure.with_help("if its tests fail now and then by themselves, mend them first; else this is a bug of trjit: please report it with the module").into());
            }
            self.listener.did(&format!("the command on {} in {:.2} s", made.facts.cache, done.seconds));
            made.facts.command_seconds = Some(done.seconds);
        }
        Ok(())
    }

    /// The command, with the cache for whoever runs its module, and the shim that it was recorded with.
    fn command_on(&self, wrapped: &Wrapped, cache: &Path) -> Result<Task, Failure> {
        let work = self.place.work();
        let mut env: Vec<(String, OsString)> = vec![("TRJIT_CACHE".into(), cache.into()), ("TRJIT_CACHE_MODE".into(), "own".into())];
        if let Some(name) = &wrapped.shim {
            let shims = work.join("shims");
            let link = shims.join(name);
            let make = || match std::fs::create_dir_all(&shims).and_then(|()| std::os::unix::fs::symlink(&self.request.program, &link)) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
                _ => Ok(()),
            };
            make().map_err(files::unwritable(&link))?;
            let mut path = shims.into_os_string();
            if let Some(rest) = std::env::var_os("PATH").filter(|rest| !rest.is_empty()) {
                path.push(":");
                path.push(rest);
            }
            env.extend([("PATH".into(), path), ("TRJIT_AS".into(), name.into())]);
        }
        Ok(Task {
            program: PathBuf::from(&wrapped.command[0]),
            args: wrapped.command[1..].iter().map(OsString::from).collect(),
            env,
            directory: self.place.root().to_path_buf(),
            stdin: None,
            stdout: work.join("command-again.out"),
            stderr: work.join("command-again.log"),
            timeout: wrapped.timeout,
        })
    }

    /// Times the runs with the first cache that runs here, and without one; alone, in turns. Only where a gate asks for it.
    pub(crate) fn time(&self, made: &[Made<'_>], runs: &mut [(RunFacts, Observation)]) -> Result<(), Failures> {
        let Some(made) = made.iter().find(|made| made.facts.not_run.is_none()).filter(|_| self.config.gates.time_ratio.is_some()) else {
            return Ok(());
        };
        let cases = self.cases();
        self.listener.part("time", cases.len() as u64);
        for (case, (facts, _)) in cases.iter().zip(runs) {
            let mut times = (Vec::new(), Vec::new());
            for _ in 0..TIMED {
                times.0.push(case.execute(&How::Cached(&made.path, made.target), "time")?.seconds);
                times.1.push(case.execute(&How::Plain, "time")?.seconds);
            }
            let median = |mut times: Vec<f64>| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            };
            let timed = (median(times.0), median(times.1));
            self.listener.did(&format!("{}: {:.3} s with the cache, {:.3} s without", case.run.name, timed.0, timed.1));
            facts.timed = Some(timed);
        }
        Ok(())
    }
}
