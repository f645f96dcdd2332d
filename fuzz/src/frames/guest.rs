//! What runs: a generated case with its host, or a WASI command; and what is seen of a run besides frames.

use crate::case::Case;
use crate::command::{Answer, Command};
use crate::observation::{Observation, Outcome};
use crate::subject::{self, Fuel};
use crate::{fixed, host};
use anyhow::Result;
use trjit_module::TrapCode;
use trjit_runtime::{Engine, FrameHook, Module, Store};

/// Fuel of each call, in the cases that have some.
const FUEL: u64 = 60_000;
/// Fuel of a command: it is counted, and never used up.
const COMMAND_FUEL: u64 = 1 << 50;

/// See the module.
#[derive(Clone, Copy)]
pub enum Guest<'a> {
    Case(&'a Case),
    Command(&'a Command),
}

/// What is seen of a run.
pub enum Seen {
    Case(Observation),
    Command(Answer),
}

impl Guest<'_> {
    pub fn wasm(&self) -> &[u8] {
        match self {
            Guest::Case(case) => &case.wasm,
            Guest::Command(command) => &command.wasm,
        }
    }

    /// Runs it on its module, which may have code, with a hook.
    pub fn run(&self, engine: &Engine, module: &Module, has_fuel: bool, hook: FrameHook) -> Result<Seen> {
        match self {
            Guest::Case(case) => {
                let mut store = Store::new(engine, host::Log::new())?;
                store.show_frames(hook);
                let mut fuel = has_fuel.then(|| Fuel { amount: FUEL, left: Vec::new() });
                Ok(Seen::Case(subject::observe_in(store, case, module, &mut fuel)?))
            }
            Guest::Command(command) => {
                let answer = command.run(module, engine, |store, linker| {
                    store.show_frames(hook);
                    fixed::add_to_linker(linker);
                    if has_fuel {
                        store.set_fuel(COMMAND_FUEL)?;
                    }
                    Ok(())
                })?;
                Ok(Seen::Command(answer))
            }
        }
    }
}

impl Seen {
    /// Whether the stack was exhausted, which compiled code does elsewhere.
    pub fn is_exhausted(&self) -> bool {
        match self {
            Seen::Case(observation) => observation.exhausted,
            Seen::Command(answer) => answer.outcome == Outcome::Trapped(TrapCode::StackOverflow),
        }
    }

    /// The first difference in words, `self` being the expected one; of commands none where the stack is exhausted.
    pub fn difference(&self, found: &Seen) -> Option<String> {
        match (self, found) {
            (Seen::Case(expected), Seen::Case(found)) => expected.difference(found),
            (Seen::Command(_), Seen::Command(_)) if self.is_exhausted() || found.is_exhausted() => None,
            (Seen::Command(expected), Seen::Command(found)) if expected == found => None,
            (Seen::Command(expected), Seen::Command(found)) => {
                let stdout = |answer: &Answer| String::from_utf8_lossy(&answer.stdout).into_owned();
                let (expected, found) = ((&expected.outcome, stdout(expected)), (&found.outcome, stdout(found)));
                Some(format!("expected {expected:?}, found {found:?}"))
            }
            _ => Some("another kind of guest".to_string()),
        }
    }
}
