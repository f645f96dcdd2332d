//! Options that variables of the environment can give: `TRJIT_` and the option's name in capitals.
//!
//! ```text
//! command line > environment > trjit.toml > default
//! ```
//! Both readers of the command line ([`quick`](crate::quick) and clap) leave empty what was not said, and what the variables say is filled in behind them: so neither
//! knows of variables, and a wrong value is told by the variable's name. A variable that is empty counts as not set.
//!
//! Invariant: no variable widens what a command line may do with files that it names (`--allow-precompiled`, `-S inherit-env`); `RATIONALE.md` says why.

use crate::exit::{Failure, USAGE};
use clap::{Arg, Command, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// A variable, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable(pub &'static str);

pub const CACHE: Variable = Variable("TRJIT_CACHE");
pub const CACHE_MODE: Variable = Variable("TRJIT_CACHE_MODE");
pub const JIT: Variable = Variable("TRJIT_JIT");
pub const CALL_THRESHOLD: Variable = Variable("TRJIT_CALL_THRESHOLD");
pub const LOOP_THRESHOLD: Variable = Variable("TRJIT_LOOP_THRESHOLD");
pub const LOG_COMPILATION: Variable = Variable("TRJIT_LOG_COMPILATION");
pub const STATS: Variable = Variable("TRJIT_STATS");
pub const TIMINGS: Variable = Variable("TRJIT_TIMINGS");
pub const CPU_LEVEL: Variable = Variable("TRJIT_CPU_LEVEL");
pub const THREADS: Variable = Variable("TRJIT_THREADS");
pub const WORKLOAD: Variable = Variable(trjit_runtime::WORKLOAD_VARIABLE);
pub const QUIET: Variable = Variable("TRJIT_QUIET");
pub const COLOR: Variable = Variable("TRJIT_COLOR");

/// Those that stand for an option.
pub const ALL: [Variable; 13] =
    [CACHE, CACHE_MODE, JIT, CALL_THRESHOLD, LOOP_THRESHOLD, LOG_COMPILATION, STATS, TIMINGS, CPU_LEVEL, THREADS, WORKLOAD, QUIET, COLOR];

impl Variable {
    /// The option without its dashes.
    pub fn option(self) -> String {
        self.0.trim_start_matches("TRJIT_").to_lowercase().replace('_', "-")
    }

    /// The value, where it is set and not empty.
    pub fn get(self) -> Option<OsString> {
        std::env::var_os(self.0).filter(|value| !value.is_empty())
    }

    /// Fills in what is read from the value, where the command line said nothing.
    pub fn fill<T>(self, place: &mut Option<T>, read: impl Fn(&str) -> Option<T>, expected: impl Fn() -> String) -> Result<(), Failure> {
        if place.is_none()
            && let Some(value) = self.get()
        {
            let found = value.to_str().and_then(read);
            *place = Some(found.ok_or_else(|| self.wrong(&value.to_string_lossy(), &expected()))?);
        }
        Ok(())
    }

    fn wrong(self, found: &str, expected: &str) -> Failure {
        let failure = Failure::new(USAGE, format!("the variable {} is `{found}`, expected {expected}", self.0));
        failure.with_help(format!("unset {}, or say --{} on the command line, which goes before it", self.0, self.option()))
    }

    pub fn fill_path(self, place: &mut Option<PathBuf>) {
        if place.is_none() {
            *place = self.get().map(PathBuf::from);
        }
    }

    pub fn fill_choice<T: ValueEnum>(self, place: &mut Option<T>) -> Result<(), Failure> {
        self.fill(place, |text| T::from_str(text, false).ok(), choices::<T>)
    }

    pub fn fill_number<T: std::str::FromStr>(self, place: &mut Option<T>) -> Result<(), Failure> {
        self.fill(place, |text| text.parse().ok(), || "a number".to_string())
    }

    pub fn get_flag(self) -> Result<Option<bool>, Failure> {
        let mut flag = None;
        let read = |text: &str| match text {
            "1" | "y" | "yes" | "true" | "on" => Some(true),
            "0" | "n" | "no" | "false" | "off" => Some(false),
            _ => None,
        };
        self.fill(&mut flag, read, || "1 or 0 (or yes, no, true, false, on, off)".to_string())?;
        Ok(flag)
    }
}

/// The values of an option, for a message.
fn choices<T: ValueEnum>() -> String {
    let names = T::value_variants().iter().filter_map(|value| Some(value.to_possible_value()?.get_name().to_string()));
    names.collect::<Vec<_>>().join(", ")
}

/// Names the variable of each option in its help.
pub fn describe(command: Command) -> Command {
    command.mut_args(described).mut_subcommands(describe)
}

fn described(arg: Arg) -> Arg {
    let variable = ALL.into_iter().find(|variable| arg.get_long().is_some_and(|option| option == variable.option()));
    match (variable, arg.get_help().map(ToString::to_string)) {
        (Some(Variable(name)), Some(help)) => arg.help(format!("{help} [env: {name}]")),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_as_its_option() {
        assert_eq!(CACHE_MODE.option(), "cache-mode");
        assert_eq!(choices::<crate::args::Jit>(), "background, sync, off");
        for variable in ALL {
            assert_eq!(variable.0, format!("TRJIT_{}", variable.option().to_uppercase().replace('-', "_")));
        }
    }

    #[test]
    fn a_wrong_value_is_told_by_its_variable() {
        let failure = JIT.wrong("fast", &choices::<crate::args::Jit>());
        assert_eq!(failure.message, "the variable TRJIT_JIT is `fast`, expected background, sync, off");
        assert!(failure.code == USAGE && failure.help.is_some_and(|help| help.contains("--jit")));
    }
}
