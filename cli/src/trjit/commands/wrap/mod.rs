//! `trjit train --wrap`: runs a command; every program that trjit runs beneath it is recorded, and what they left is merged.
//!
//! ```text
//! Spool -> command (TRJIT_SPOOL) -> trjit run, trjit-run, embedders: traces -> gather, a module a group -> destination: one profile, or one for each module
//! ```
//! Invariant: whatever becomes of the command, what was left is merged, and the command's status is passed on; an error of our own is only a status where it has none.

mod command;
mod destination;
mod gather;
mod spool;

use crate::args::Train;
use anyhow::Result;
use command::Ended;
use destination::Destination;
use gather::{Gathered, Group};
use spool::Spool;
use trjit_cli::exit::{self, Failure, PROFILE_REFUSED, USAGE};
use trjit_cli::ui;

pub fn execute(train: &Train) -> Result<u8> {
    check(train)?;
    let destination = Destination::of(train)?;
    let spool = Spool::create(train.spool.as_deref())?;
    let ended = command::run(train, &spool)?;
    let status = ended.status();
    match merge(train, &destination, &spool, &ended) {
        Ok(()) => Ok(status),
        Err(error) if status == exit::OK => Err(error),
        Err(error) => {
            exit::report(&error);
            Ok(status)
        }
    }
}

/// What belongs to one run can not be said of many.
fn check(train: &Train) -> Result<(), Failure> {
    let guest = &train.guest;
    let said = [
        ("--dir", !guest.dirs.is_empty()),
        ("--env", !guest.env.is_empty()),
        ("--invoke", guest.invoke.is_some()),
        ("--argv0", guest.argv0.is_some()),
        ("--preload", !guest.preloads.is_empty()),
        ("-W", !guest.wasm.is_empty()),
        ("-S", !guest.wasi.is_empty()),
        ("-C", !guest.codegen.is_empty()),
        ("-O", !guest.optimize.is_empty()),
        ("--for", train.duration.is_some()),
        ("--jit", train.jit.is_some()),
        ("--log-compilation", train.observe.log_compilation.is_some()),
        ("--stats", train.observe.stats.is_some()),
        ("--profile", train.observe.profile.is_some()),
    ];
    if let Some((option, _)) = said.iter().find(|(_, said)| *said) {
        let failure = Failure::new(USAGE, format!("{option} is of a run, and --wrap runs a command"));
        return Err(failure.with_help(format!("give {option} to `trjit run` in the command; what is the command's own stands behind `--`")));
    }
    if guest.module_and_args.is_empty() {
        let failure = Failure::new(USAGE, "no command is given");
        return Err(failure.with_help("trjit train --wrap -o app.trprof -- make test"));
    }
    Ok(())
}

fn merge(train: &Train, destination: &Destination, spool: &Spool, ended: &Ended) -> Result<()> {
    let gathered = gather::gather(spool.path())?;
    gathered.damaged.iter().for_each(|damaged| ui::warning(damaged));
    tell_missing(&gathered);
    let (wanted, others) = destination.choose(gathered.groups)?;
    if wanted.iter().all(|group| group.calls == 0) {
        return Err(nothing(destination, &others, ended).into());
    }
    for (path, group) in destination.paths(wanted)? {
        let (label, traces) = (group.label().to_string(), group.traces);
        let profile = group.merger.finish()?;
        profile.write(&path)?;
        if train.verbose {
            let entered = profile.functions().iter().filter(|function| function.entries > 0).count();
            let defined = profile.module().defined_functions;
            ui::note(&format!(
                "trjit: {} of `{label}`: {entered} of {defined} functions entered, {} calls recorded in `{}`",
                number(traces, "trace"),
                profile.total_calls(),
                path.display()
            ));
        }
    }
    if !others.is_empty() {
        ui::note(&format!("trjit: not merged, since of other modules: {}", list(&others)));
    }
    Ok(())
}

fn tell_missing(gathered: &Gathered) {
    let missing: usize = gathered.missing.values().sum();
    if missing == 0 || ui::quiet() {
        return;
    }
    let names: Vec<String> = gathered.missing.iter().map(|(label, count)| format!("{count} of `{label}`")).collect();
    ui::warning(&format!("{} left no trace, or not all of it: {}", number(missing, "run"), names.join(", ")));
    ui::help("they were killed, were still running when the command ended, or could not write; all others are merged");
}

fn nothing(destination: &Destination, others: &[Group], ended: &Ended) -> Failure {
    let what = destination.module().map_or(String::new(), |module| format!(" of `{}`", module.display()));
    if !others.is_empty() {
        let failure = Failure::new(PROFILE_REFUSED, format!("nothing was recorded{what}; the command ran {}", list(others)));
        return failure.with_help("name the file that the tests run, as they leave it: another build is another module");
    }
    let failure = Failure::new(PROFILE_REFUSED, format!("nothing was recorded{what}: trjit ran no program beneath `{}`", ended.command));
    failure.with_help(
        "run programs by `trjit run` or `trjit-run`; where tests call `wasmtime` (by its name, not by a path) give --as wasmtime; \
         the variable TRJIT_SPOOL must reach them, so not through `env -i`, `sudo` or a container",
    )
}

/// Groups, for people.
fn list(groups: &[Group]) -> String {
    let one = |group: &Group| format!("`{}` (module {}, {})", group.label(), group.digest.short(), number(group.traces, "trace"));
    groups.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn number(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
