//! Reading a whole command line with clap, for what [`quick`](crate::quick) leaves to it.

use crate::{environment, ui};
use clap::{Command, CommandFactory, FromArgMatches};

/// The commands as they are told in help, completions and manuals: with the variables that stand for options.
pub fn described<T: CommandFactory>() -> Command {
    environment::describe(T::command())
}

/// What this process was called with. Ends it where that is wrong, or where only help is asked for.
pub fn parse<T: CommandFactory + FromArgMatches>() -> T {
    let mut command = described::<T>().color(ui::colour_of_clap(std::env::args_os().skip(1)));
    let matches = command.get_matches_mut();
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}
