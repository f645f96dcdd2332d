//! A short pass of WASI's calls against the model, with fixed seeds.

use trjit_fuzz::oracle::Verdict;
use trjit_fuzz::target::Target;
use trjit_fuzz::wasi::{Call, calls, run};

#[test]
fn calls_answer_as_the_model_says() {
    let scratch = tempfile::tempdir().expect("a directory");
    let (mut compared, mut succeeded) = (0, 0);
    for seed in 1..400 {
        match Target::Wasi.run(seed, &[], scratch.path()) {
            Ok(Verdict::Agree(agreement)) => {
                compared += agreement.calls;
                succeeded += agreement.returned;
            }
            Ok(other) => panic!("seed {seed}: {other:?}"),
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    assert!(compared > 60_000 && succeeded > compared / 4, "{compared} calls, {succeeded} succeeded");
}

#[test]
fn a_seed_is_always_the_same_calls() {
    assert_eq!(calls(7), calls(7));
    assert_ne!(calls(7), calls(8));
}

#[test]
fn what_the_model_does_not_know_of_is_a_difference() {
    let scratch = tempfile::tempdir().expect("a directory");
    let make = Call::CreateDirectory { dir: 3, path: "new".to_string() };
    let list = [make.clone(), make];
    let mut answers = Vec::new();
    run(&list, scratch.path(), |_, answer| answers.push(answer.to_string())).expect("no difference");
    assert_eq!(answers, ["Ok(Nothing)", "Err(20)"]);
    // The host interferes after the first call.
    let mut done = 0;
    let interfering = run(&list, scratch.path(), |_, _| {
        done += 1;
        let world = std::fs::read_dir(scratch.path()).expect("there").next().expect("the world").expect("an entry").path();
        let _ = std::fs::remove_dir(world.join("inside/new"));
    });
    let finding = interfering.expect_err("the second call succeeds, which the model does not expect");
    assert_eq!((finding.at, done), (1, 2));
}
