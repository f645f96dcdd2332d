//! Measure 2: every case. trjit trained on the same case, on the program's other cases, with a foreign profile, and without a cache.

use super::{Context, breakdown};
use crate::corpus::is_wanted;
use crate::results::Results;
use crate::series::{self, Entry, Setting};
use crate::trjit::Runner;
use crate::workshop::{Training, Workshop, trjit_name};
use anyhow::Result;

pub const MEASURE: &str = "cases";

pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    let wanted = workshop.program.cases.iter().filter(|case| is_wanted(context.only, &workshop.program.name, &case.id));
    for case in wanted {
        let mut entries = Vec::new();
        for runner in [Runner::RunOnly, Runner::Full].into_iter().filter(|runner| context.trjit.has(*runner)) {
            for training in [Training::Same(&case.id), Training::Others(&case.id)] {
                entries.push(trjit_entry(workshop, runner, Some(training), case));
            }
        }
        entries.push(trjit_entry(workshop, Runner::Full, Some(Training::Foreign), case));
        entries.push(trjit_entry(workshop, Runner::Full, None, case));
        entries.extend(context.peer_entries(workshop, case));
        let (program, sandbox) = (workshop.program.name.as_str(), &workshop.sandbox);
        let setting = Setting { measure: MEASURE, program, case, sandbox, effort: context.effort, before: &series::nothing };
        results.rows.extend(series::run(entries, &setting)?);
        if results.breakdowns.iter().all(|found| found.program != program) {
            breakdown::measure(context, workshop, case, results)?;
        }
    }
    Ok(())
}

fn trjit_entry(workshop: &Workshop<'_>, runner: Runner, training: Option<Training<'_>>, case: &crate::corpus::Case) -> Entry {
    let name = trjit_name(runner, training);
    if matches!(training, Some(Training::Others(_))) && workshop.program.cases.len() == 1 {
        return Entry::Skipped { name, why: "the program has one case only".into() };
    }
    Entry::from(name, workshop.trjit_subject(runner, training, case))
}
