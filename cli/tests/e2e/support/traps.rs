//! What a run that ended in a trap or in an exception says: all of it that does not depend on the mode.

use super::command::Outcome;
use std::collections::BTreeSet;
use std::path::Path;

/// Frames of an exhausted stack that are compared: more than the functions of any fixture's recursion.
const CYCLE: usize = 12;

/// The message, and the functions of all frames, innermost first, with one word for each of the programs' names. Positions may differ between modes: several
/// instructions that trap alike can share one place of compiled code. A stack is exhausted at another depth in each mode, perhaps in a callee that has a small
/// frame elsewhere: there it is the set of functions that recur below the innermost frame.
pub fn told(outcome: &Outcome, programs: &[&Path]) -> String {
    let text = programs.iter().fold(outcome.stderr.clone(), |text, name| text.replace(&name.display().to_string(), "PROGRAM"));
    let message = text.lines().next().unwrap_or_default();
    // `    0:   0x115 - module!function`; without a position `-` stands there.
    let frames = text.lines().skip(1).filter_map(|line| line.rsplit_once(" - ")).map(|(_, place)| place);
    if message.contains("call stack exhausted") {
        let cycle: BTreeSet<&str> = frames.skip(1).take(CYCLE).collect();
        return format!("{message}, in a recursion of {cycle:?}");
    }
    let omitted = text.lines().find(|line| line.contains("more frames")).unwrap_or_default();
    format!("{message} in {:?}{omitted}", frames.collect::<Vec<_>>())
}
