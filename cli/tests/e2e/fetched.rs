//! Real programs, which `fixtures/fetch` brings: without a cache, on a cache of what a training run entered, and on a cache of everything.
//!
//! Where they were not fetched, the test says so and passes; with `CI` in the environment it fails.

use crate::support::case::{Case, Manifest, RealProgram};
use crate::support::{fixtures, recorded, scratch, trjit};
use std::path::{Path, PathBuf};

/// Programs whose runs are the same each time: the others ask for random numbers or the time.
const DETERMINISTIC: [&str; 3] = ["quickjs-ng", "boolector", "icepll"];

#[test]
fn real_programs_give_their_results_without_a_cache_trained_and_cached() {
    let text = std::fs::read(fixtures().join("manifest.json")).expect("the manifest is readable");
    let manifest: Manifest = serde_json::from_slice(&text).expect("the manifest is as the README describes it");
    let wanted = std::env::var("TRJIT_FIXTURE").unwrap_or_default();
    let mut faults = Vec::new();
    for program in manifest.programs.iter().filter(|program| program.name.contains(&wanted)) {
        if fixtures().join(&program.wasm).exists() {
            faults.extend(check(program));
            continue;
        }
        let missing = format!("fixtures/{} is not here: run fixtures/fetch {}", program.wasm, program.name);
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED: {missing}");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn check(program: &RealProgram) -> Vec<String> {
    let folder = scratch();
    let module = fixtures().join(&program.wasm);
    let inputs = inputs(program, folder.path());
    let (all, trained) = (folder.path().join("all.trjit"), folder.path().join("trained.trjit"));
    trjit(["assemble", "--all", "-o"]).arg(&all).arg(&module).run().exits(0);
    let profile = folder.path().join("first.trprof");
    let first = &program.cases[0];
    let train = |how: &str, profile: &Path| {
        let home = first.home(&inputs);
        let training = trjit(["train", "--jit", how, "-o"]).arg(profile).args(first.options()).arg(&module).args(&first.args);
        judged(program, first, "train", &first.prepare(training, home.path()).run())
    };
    let interpreted = folder.path().join("interpreted.trprof");
    let mut faults = train("background", &profile);
    faults.extend(train("off", &interpreted));
    if DETERMINISTIC.contains(&program.name.as_str()) && recorded(&profile) != recorded(&interpreted) {
        faults.push(format!("{}: compiled code does not record what the interpreter records", program.name));
    }
    trjit(["assemble", "--recorded-only", "-o"]).arg(&trained).arg("--profile").arg(&profile).arg(&module).run().exits(0);
    for case in &program.cases {
        for (mode, cache) in [("none", None), ("trained", Some(&trained)), ("cached", Some(&all))] {
            let home = case.home(&inputs);
            let command = match cache {
                Some(cache) => trjit(["run", "--cache-mode", "require", "--cache"]).arg(cache),
                None => trjit(["run"]),
            };
            let command = command.args(case.options()).arg(&module).args(&case.args);
            faults.extend(judged(program, case, mode, &case.prepare(command, home.path()).run()));
        }
    }
    faults
}

/// The program's inputs; a program without any has an empty directory.
fn inputs(program: &RealProgram, folder: &Path) -> PathBuf {
    let inputs = fixtures().join(&program.inputs);
    if !program.inputs.is_empty() && inputs.is_dir() {
        return inputs;
    }
    let empty = folder.join("no-inputs");
    std::fs::create_dir_all(&empty).expect("the scratch directory is writable");
    empty
}

fn judged(program: &RealProgram, case: &Case, mode: &str, outcome: &crate::support::Outcome) -> Vec<String> {
    case.judge(outcome)
        .err()
        .map(|fault| format!("{} case {} in mode {mode}: {fault}\n{outcome:?}", program.name, case.id))
        .into_iter()
        .collect()
}
