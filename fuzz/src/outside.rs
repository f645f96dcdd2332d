//! The third count: what an instrumented module says of itself is what training must have recorded, entries, taken branches and calls by site.
//!
//! ```text
//! case -> instrument -> an outside engine (or trjit's interpreter, which does not record) -> globals -> Counts \
//!      -> training -> Profile ---------------------------------------------------------------------------------> difference
//! ```

use crate::case::Case;
use crate::instrument::{Counter, Event, Instrumented, instrument};
use crate::mode::Mode;
use crate::observation::{Observation, Outcome};
use crate::value::Value;
use crate::{reference, subject};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use trjit_module::{DefinedFuncIndex, TrapCode};
use trjit_trace::{FunctionProfile, Profile};

/// What a module counted.
pub struct Counts {
    pub module: Instrumented,
    /// By counter.
    pub counts: Vec<u64>,
    /// Who ran it.
    pub by: By,
}

/// Who ran an instrumented module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    OtherEngine,
    Interpreter,
}

/// Runs a case whose module counts itself; `expected` is what the original does. `None`: the stack is exhausted, or nothing is instantiated.
pub fn count(case: &Case, expected: &Observation, weight: impl Fn(&Counter) -> i64, scratch: &Path) -> Result<Option<Counts>> {
    let module = instrument(&case.wasm, weight).context("instrumentation")?;
    let mut counting = Case { wasm: module.wasm.clone(), ..case.clone() };
    counting.globals.extend((0..module.counters.len()).map(Counter::export));
    // A reference that disagrees is another oracle's business.
    let outside = reference::run(&counting).ok().filter(|found| expected.difference(found).is_none());
    let by = if outside.is_some() { By::OtherEngine } else { By::Interpreter };
    let found = match outside {
        Some(found) => found,
        None => {
            let parsed = trjit_module::Module::parse(counting.wasm.clone()).context("the instrumented module")?;
            subject::run(&counting, &parsed, Mode::Interpreter, None, scratch)?
        }
    };
    if let Some(what) = expected.difference(&found) {
        anyhow::bail!("the instrumented module does something else: {what}");
    }
    if expected.exhausted || found.exhausted || found.globals.len() != counting.globals.len() {
        return Ok(None);
    }
    let globals = &found.globals[case.globals.len()..];
    let mut counts = globals.iter().map(|value| value.bits()).collect::<Vec<_>>();
    // The instantiation is no call.
    let calls = found.outcomes.iter().skip(1).zip(&found.pending);
    calls.for_each(|(outcome, &pending)| take_back(&mut counts, outcome, pending));
    Ok(Some(Counts { module, counts, by }))
}

/// An indirect call that traps has called nobody.
pub(crate) fn take_back(counts: &mut [u64], outcome: &Outcome, pending: Value) {
    use TrapCode::{BadSignature, IndirectCallToNull, NullReference, TableOutOfBounds};
    let trapped = matches!(outcome, Outcome::Trapped(BadSignature | IndirectCallToNull | NullReference | TableOutOfBounds));
    let tried = (pending.bits() as usize).checked_sub(1).filter(|_| trapped).and_then(|tried| counts.get_mut(tried));
    tried.into_iter().for_each(|tried| *tried = tried.wrapping_sub(1));
}

/// The first thing that a profile of the same run tells differently.
pub fn difference(counted: &Counts, profile: &Profile) -> Option<String> {
    compare(counted, profile).err().map(|error| format!("{error:#}"))
}

fn compare(Counts { module, counts, .. }: &Counts, profile: &Profile) -> Result<()> {
    let mut counted: BTreeMap<u32, Vec<(Event, u64)>> = BTreeMap::new();
    for (counter, &count) in module.counters.iter().zip(counts) {
        counted.entry(counter.function).or_default().push((counter.event, count));
    }
    for (&function, events) in &counted {
        let recorded = profile.function(DefinedFuncIndex(function));
        for &(event, count) in events {
            let recorded = recorded.map_or(0, |recorded| told(recorded, event));
            ensure!(recorded == count, "function {function}, {event:?}: the module counts {count}, the profile {recorded}");
        }
    }
    for recorded in profile.functions() {
        let function = recorded.identity.index.0;
        let walk = module.walks.get(function as usize).with_context(|| format!("the module has no function {function}"))?;
        let (entries, sites) = (recorded.identity.branch_entries, recorded.identity.indirect_sites);
        ensure!(
            (entries, sites) == (walk.positions, walk.sites),
            "function {function}: {} branches and {} sites by its code, {entries} and {sites} by the profile",
            walk.positions,
            walk.sites
        );
        let known = |position| {
            let counter = |(event, _): &(Event, u64)| matches!(event, Event::Taken { position: own, .. } if *own == position);
            walk.clauses.contains(&position) || counted[&function].iter().any(counter)
        };
        for branch in &recorded.branches {
            ensure!(known(branch.position), "function {function}: the profile has branches at {}, where there are none", branch.position);
        }
    }
    Ok(())
}

fn told(recorded: &FunctionProfile, event: Event) -> u64 {
    match event {
        Event::Entry => recorded.entries,
        Event::Taken { position, .. } => recorded.taken(position),
        Event::Called { site } => recorded.site(site).map_or(0, |site| site.calls()),
    }
}
