//! Every case of every C program, in every mode.

use crate::support::case::{Case, Cases};
use crate::support::modes::{Mode, Program};
use crate::support::{each, files, fixtures, scratch};
use std::path::Path;

#[test]
fn every_c_program_gives_its_results_in_every_mode() {
    each(&files("c", ".case.json"), |path| check(path));
}

fn check(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).expect("the case's file is readable");
    let Cases { module, cases } = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Endless ones are for the tests of stopping.
    let cases: Vec<&Case> = cases.iter().filter(|case| !case.endless).collect();
    let Some(first) = cases.first() else { return Vec::new() };
    let (folder, inputs) = (scratch(), fixtures().join("c/in"));
    let program = Program::new(&fixtures().join("c").join(module), folder.path());
    let home = first.home(&inputs);
    program.train(|command| first.prepare(command, home.path()), &first.args, &first.options());
    let mut faults = Vec::new();
    for case in cases {
        for mode in Mode::ALL {
            let home = case.home(&inputs);
            let outcome = case.prepare(program.command(mode, &case.options(), &case.args), home.path()).run();
            if let Err(fault) = case.judge(&outcome) {
                faults.push(format!("{} case {} in mode {mode:?}: {fault}\n{outcome:?}", path.display(), case.id));
            }
        }
    }
    faults
}
