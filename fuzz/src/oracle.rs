//! The comparisons: each mode with the outside engine, training with itself. Where the outside engine can not run a case, the interpreter is the reference.

use crate::case::Case;
use crate::mode::{Mode, Training};
use crate::observation::{Observation, Outcome};
use crate::{outside, reference, subject};
use std::path::Path;
use trjit_trace::{FunctionProfile, Profile};

/// Something that is not as it must be.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The mode, in words.
    pub mode: String,
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.mode, self.what)
    }
}

/// How a case went where all agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Calls that were compared, over all modes.
    pub calls: u64,
    /// Those of one mode that returned, rather than trapped.
    pub returned: u64,
}

/// How the calls of a disputed case ended.
#[derive(Clone, Debug)]
pub struct Sides {
    pub ours: Vec<Outcome>,
    pub reference: Vec<Outcome>,
}

/// What a comparison came to where no mode is wrong by itself.
#[derive(Clone, Debug)]
pub enum Verdict {
    Agree(Agreement),
    /// All modes agree with each other, and not with the reference. One of the two is wrong.
    Disputed(Difference, Sides),
    /// A dispute in which a third engine sides with trjit.
    Settled(Difference),
    /// The outside engine can not run the case; all modes agree with the interpreter.
    Alone(Agreement),
    /// The generator makes nothing of the seed.
    Skipped,
}

/// Runs a case in all modes; the first difference is the error.
pub fn check(case: &Case, modes: &[Mode], scratch: &Path) -> Result<Verdict, Difference> {
    let reference = reference::run(case).ok();
    let parsed = trjit_module::Module::parse(case.wasm.clone()).map_err(|error| broken("parser", &error.into()))?;
    let (expected, profile) = check_training(case, &parsed)?;
    check_counts(case, &expected, &profile, scratch)?;
    let returned = |outcome: &&Outcome| matches!(outcome, Outcome::Returned(_));
    let mut agreement = Agreement { calls: 0, returned: expected.outcomes.iter().skip(1).filter(returned).count() as u64 };
    let dispute = reference.as_ref().and_then(|reference| agree("all modes", reference, &expected).err());
    // In a dispute the modes are compared with each other: one that sides with the reference is a difference.
    let baseline = reference.as_ref().filter(|_| dispute.is_none()).unwrap_or(&expected);
    for &mode in modes {
        let name = format!("{mode:?}");
        let found = subject::run(case, &parsed, mode, Some(&profile), scratch).map_err(|error| broken(&name, &error))?;
        agree(&name, baseline, &found)?;
        agreement.calls += found.outcomes.len() as u64;
    }
    Ok(match (dispute, reference) {
        (Some(difference), Some(reference)) => {
            Verdict::Disputed(difference, Sides { ours: expected.outcomes, reference: reference.outcomes })
        }
        (_, None) => Verdict::Alone(agreement),
        (None, Some(_)) => Verdict::Agree(agreement),
    })
}

fn broken(mode: &str, error: &anyhow::Error) -> Difference {
    Difference { mode: mode.to_string(), what: format!("{error:#}") }
}

fn agree(mode: &str, expected: &Observation, found: &Observation) -> Result<(), Difference> {
    expected.difference(found).map_or(Ok(()), |what| Err(Difference { mode: mode.to_string(), what }))
}

/// Recording is the same each time, and in compiled code as in the interpreter. Its results are what the modes are compared with beside the reference's.
fn check_training(case: &Case, parsed: &trjit_module::Module) -> Result<(Observation, Profile), Difference> {
    let train = |name, training| subject::train(case, parsed, training).map_err(|error| broken(name, &error));
    let (observation, profile) = train("training", Training::Interpreted)?;
    for (name, training) in [("second training", Training::Interpreted), ("compiled training", Training::Compiled)] {
        let (again, second) = train(name, training)?;
        agree(name, &observation, &again)?;
        // Tiers may exhaust the stack at different depths.
        let comparable = training == Training::Interpreted || !observation.exhausted && !again.exhausted;
        if let Some(what) = profile_difference(&profile, &second).filter(|_| comparable) {
            return Err(broken(name, &anyhow::anyhow!("it recorded other {what}")));
        }
    }
    Ok((observation, profile))
}

/// What was recorded is what the module counts itself, where it can be told how to.
fn check_counts(case: &Case, expected: &Observation, profile: &Profile, scratch: &Path) -> Result<(), Difference> {
    let error = |error: anyhow::Error| broken("third count", &error);
    let counted = outside::count(case, expected, |_| 1, scratch).map_err(error)?;
    let difference = counted.and_then(|counted| outside::difference(&counted, profile));
    difference.map_or(Ok(()), |what| Err(Difference { mode: "third count".to_string(), what }))
}

/// What two recordings of a run tell differently, times apart.
fn profile_difference(one: &Profile, other: &Profile) -> Option<&'static str> {
    let order = |profile: &Profile| -> Vec<u32> { profile.runs().iter().flat_map(|run| &run.order).map(|call| call.function).collect() };
    let differ = |differs: fn(&FunctionProfile, &FunctionProfile) -> bool| {
        one.functions().iter().zip(other.functions()).any(|(one, other)| differs(one, other))
    };
    if one.functions().len() != other.functions().len() || differ(|one, other| one.identity != other.identity) {
        Some("functions")
    } else if differ(|one, other| one.entries != other.entries) {
        Some("entries of functions")
    } else if differ(|one, other| one.branches != other.branches) {
        Some("taken branches")
    } else if differ(|one, other| one.sites != other.sites) || one.imports() != other.imports() {
        Some("targets of indirect calls")
    } else if order(one) != order(other) {
        Some("orders of first calls")
    } else {
        None
    }
}
