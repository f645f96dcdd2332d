//! The suite: a test for each mode and group, compared with the mode's ledger.
//!
//! `cargo run -p trjit-spec -- --ledger` prints the failures in the form of the ledgers.

use std::collections::BTreeSet;
use trjit_spec::mode::Mode;
use trjit_spec::report::Report;
use trjit_spec::suite::{GROUPS, Group};
use trjit_spec::{ledger, script};

fn check(mode: Mode, group: &str) {
    let group = Group::find(group).expect("a group of the suite");
    let known = ledger::read(mode).expect("a ledger");
    let scripts = group.scripts();
    let mut report = Report::default();
    for script in &scripts {
        report.merge(script::run(script, mode).expect("the script can be run"));
    }
    let ran: BTreeSet<String> = scripts.into_iter().map(|script| script.path).collect();
    let wrong = ledger::compare(&known, &ran, &report.failures);
    println!("{} {}: {} passed/failed/skipped", mode.name(), group.name, report.cell());
    assert!(wrong.is_empty(), "{} {}: {} surprises:\n{}", mode.name(), group.name, wrong.len(), wrong.join("\n"));
    assert!(report.passed + report.skipped > 0, "{}: there was nothing to run", group.name);
}

macro_rules! tests {
    ($($mode:ident = $value:expr,)*) => {
        $(mod $mode {
            tests!(@groups $value,
                core_2 = "core-2.0", core_3 = "core-3.0", simd = "simd", relaxed_simd = "relaxed-simd", exceptions = "exceptions",
                tail_call = "tail-call", function_references = "function-references", multi_memory = "multi-memory", memory64 = "memory64",
                extended_const = "extended-const", threads = "threads", earlier = "earlier",
            );
        })*
    };
    (@groups $mode:expr, $($test:ident = $group:expr,)*) => {
        $(#[test]
        fn $test() {
            super::check($mode, $group);
        })*

        #[test]
        fn no_group_is_forgotten() {
            super::assert_all_groups(&[$($group),*]);
        }
    };
}

tests! {
    interpreter = crate::Mode::Interpreter,
    a1 = crate::Mode::A1,
    a3 = crate::Mode::A3,
    climb = crate::Mode::Climb,
    ap4 = crate::Mode::Ap4,
    cache = crate::Mode::Cache,
    mixed_even = crate::Mode::MixedEven,
    mixed_odd = crate::Mode::MixedOdd,
    exits = crate::Mode::Exits,
}

fn assert_all_groups(tested: &[&str]) {
    assert_eq!(tested, GROUPS.iter().map(|group| group.name).collect::<Vec<_>>());
}

#[test]
fn every_listed_place_is_of_a_script_that_runs() {
    let scripts: BTreeSet<String> = GROUPS.iter().flat_map(Group::scripts).map(|script| script.path).collect();
    for &mode in Mode::ALL {
        for (path, line) in ledger::read(mode).expect("a ledger") {
            assert!(scripts.contains(&path), "the ledger of {} lists {path}:{line}, and no such script runs", mode.name());
        }
    }
}
