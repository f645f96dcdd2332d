//! How often side exits were taken, read from the [log](crate::compilation_log) of a run: what `explain --log` joins to the exits of a function.
//!
//! ```text
//!   250.049     - -    side exit    428 js_get_fast_array_element @ 0x45eb3: 101 times
//! ```
//! Of several lines for one place the last one counts. Lines of other modules (preloaded ones) are passed over: index and name tell.

use crate::compilation_log::numbered;
use std::collections::HashMap;
use trjit_module::{FuncIndex, Module};

/// What stands before the function.
const SIDE_EXIT: &str = " - -    side exit  ";

/// Why a log can not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Something else than a log.
    #[error("line {line} is none of a compilation log")]
    NoLog {
        /// From 1.
        line: usize,
    },
    /// None of its exits is of the module.
    #[error("it is of another program: this one has no function `{function}`")]
    OtherProgram {
        /// Index and name.
        function: String,
    },
}

/// By the offset in the wasm file where execution went on: how often it did.
pub fn read(log: &str, module: &Module) -> Result<HashMap<u32, u64>, LogError> {
    let (mut taken, mut other) = (HashMap::new(), None);
    for (at, line) in log.lines().enumerate() {
        let is_line = line.split_whitespace().next().is_some_and(|time| time.parse::<f64>().is_ok());
        let exit = line.split_once(SIDE_EXIT).map(|(_, exit)| parse(exit));
        if !is_line || exit == Some(None) {
            return Err(LogError::NoLog { line: at + 1 });
        }
        if let Some(Exit { index, function, offset, count }) = exit.flatten() {
            if numbered(module, FuncIndex(index)).trim_start() == function {
                taken.insert(offset, count);
            } else {
                other.get_or_insert(function);
            }
        }
    }
    match other {
        Some(function) if taken.is_empty() => Err(LogError::OtherProgram { function: function.to_string() }),
        _ => Ok(taken),
    }
}

#[derive(PartialEq)]
struct Exit<'a> {
    index: u32,
    /// Index and name, which may hold anything.
    function: &'a str,
    offset: u32,
    count: u64,
}

/// What stands behind [`SIDE_EXIT`].
fn parse(text: &str) -> Option<Exit<'_>> {
    let (text, count) = text.strip_suffix(" times")?.rsplit_once(": ")?;
    let (function, offset) = text.rsplit_once(" @ 0x")?;
    let function = function.trim_start();
    let (index, _) = function.split_once(' ')?;
    let (index, offset) = (index.parse().ok()?, u32::from_str_radix(offset, 16).ok()?);
    Some(Exit { index, function, offset, count: count.parse().ok()? })
}
