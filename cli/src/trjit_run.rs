//! The command `trjit-run`: `trjit run` without a compiler, an assembler and the text format, for production.
#![no_main]

use std::ffi::{c_char, c_int};
use trjit_cli::run_only::Cli;
use trjit_cli::timings::Timings;
use trjit_cli::{Linked, command_line, exit, quick, run, start, version};

const LINKED: Linked = Linked::run_only("trjit-run");

/// Called by the C library, see [`start`].
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    start::prepare();
    let timings = Timings::start();
    let status = execute(timings).unwrap_or_else(|error| exit::report(&error));
    std::process::exit(status.into())
}

fn execute(timings: Timings) -> anyhow::Result<u8> {
    if let Some((say, mut run)) = quick::parse(std::env::args_os().skip(1)) {
        say.apply()?;
        return run::execute(&mut run, &LINKED, timings);
    }
    let Cli { version, json, say, mut run } = command_line::parse();
    say.apply()?;
    if version { version::print(&LINKED, json) } else { run::execute(&mut run, &LINKED, timings) }
}
