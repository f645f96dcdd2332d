//! After assembly: every run again, on each cache that this machine can run, with the results compared.

use crate::build::{Made, lacking};
use crate::case::{Case, How, Observation};
use crate::outcome::{Failure, Failures, Kind};
use crate::parallel;
use crate::pipeline::Pipeline;
use crate::report::RunFacts;

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
