//! Several instances of one module: what is taken while they run, and after they ended.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::*;
use trjit_module::{FuncIndex, Module};
use trjit_trace::{Profile, Recording, Trace};

const PROGRAM: &str = r#"(module
    (type $unary (func (param i32)))
    (table funcref (elem $first $second))
    (func $main (export "run") (param i32) (call_indirect (type $unary) (i32.const 0) (local.get 0)))
    (func $first (param i32) (if (local.get 0) (then (nop))))
    (func $second (param i32)))"#;

fn order(trace: &Trace) -> Vec<u32> {
    trace.first_calls.iter().map(|call| call.function).collect()
}

fn targets(trace: &Trace) -> Vec<(u32, u64)> {
    trace.sites[0].iter().map(|(FuncIndex(function), calls)| (function, calls)).collect()
}

#[test]
fn each_count_is_taken_once() {
    let module = parse(PROGRAM);
    let recording = Recording::new(&module);
    let (one, other) = (recording.recorder(), recording.recorder());
    enter(&one, &module, "main", 2);
    enter(&other, &module, "second", 1);
    other.record_indirect(0, Some(index(&module, "second")));
    one.record_indirect(0, Some(index(&module, "first")));
    let first = recording.take(info("first"));
    assert_eq!((&*first.entries, order(&first)), (&[2, 0, 1][..], vec![0, 2]));
    assert_eq!(targets(&first), [(1, 1), (2, 1)]);

    // Nothing happened; then one instance goes on, the other ends, and a third begins.
    let nothing = recording.take(info("nothing"));
    assert!(nothing.entries.iter().chain(&nothing.branches).all(|&count| count == 0) && nothing.sites[0].is_empty());
    assert_eq!(order(&nothing), []);
    enter(&one, &module, "main", 1);
    enter(&other, &module, "first", 3);
    other.record_indirect(0, Some(index(&module, "second")));
    drop(other);
    let third = recording.recorder();
    enter(&third, &module, "first", 1);
    let second = recording.take(info("second"));
    assert_eq!((&*second.entries, order(&second)), (&[1, 4, 0][..], vec![0, 1]), "the order of a function that was known before is kept");
    assert_eq!(targets(&second), [(2, 1)]);

    // Both together are what happened; the profiles add up to it.
    let profiles = [first, nothing, second].map(|trace| Profile::from_trace(&module, trace).unwrap());
    let all = Profile::merge(profiles).unwrap();
    assert_eq!(all.runs().len(), 3);
    assert_eq!(["main", "first", "second"].map(|name| of(&all, &module, name).unwrap().entries), [3, 4, 1]);
    assert_eq!(of(&all, &module, "first").unwrap().taken(0), 4);
}

#[test]
fn the_time_of_a_run_is_since_the_last_take() {
    let module = parse(PROGRAM);
    let recording = Recording::new(&module);
    assert_eq!(recording.take("before any instance".into()).info.seconds, 0.0);
    let recorder = recording.recorder();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let first = recording.take("slept".into()).info;
    assert!(first.seconds >= 0.02 && first.workload == "slept", "{first:?}");
    assert!(recording.take("at once".into()).info.seconds < first.seconds);
    assert_eq!(recorder.finish(info("told")).info.seconds, 0.25);
}

/// Threads count while another one takes: the sum of what was taken is exact.
#[test]
fn taking_disturbs_nobody() {
    const CALLS: u64 = 200_000;
    let module: Module = parse(PROGRAM);
    let recording = Recording::new(&module);
    let stop = AtomicBool::new(false);
    let profiles = std::thread::scope(|scope| {
        let work = |name: &'static str| {
            let (recording, module) = (Arc::clone(&recording), &module);
            scope.spawn(move || {
                let recorder = recording.recorder();
                for call in 0..CALLS {
                    recorder.count_entry(defined(module, name));
                    recorder.record_indirect(0, Some(FuncIndex(call as u32 % 3)));
                }
            })
        };
        let workers = [work("main"), work("first"), work("first")];
        let taker = scope.spawn(|| {
            let mut taken = Vec::new();
            while !stop.load(Ordering::Acquire) {
                taken.push(Profile::from_trace(&module, recording.take(info("part"))).unwrap());
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            taken
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        stop.store(true, Ordering::Release);
        taker.join().unwrap()
    });
    let rest = Profile::from_trace(&module, recording.take(info("rest"))).unwrap();
    let all = Profile::merge(profiles.into_iter().chain([rest])).unwrap();
    assert_eq!(["main", "first"].map(|name| of(&all, &module, name).unwrap().entries), [CALLS, 2 * CALLS]);
    assert_eq!(of(&all, &module, "main").unwrap().site(0).unwrap().calls(), 3 * CALLS);
}
