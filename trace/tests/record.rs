//! From a recorder to a profile, and what the profile tells.

mod support;

use std::sync::atomic::Ordering;
use support::*;
use trjit_module::{DefinedFuncIndex, FuncIndex};
use trjit_trace::{FirstCall, MergeError, Profile, Recorder, TargetCount};

const PROGRAM: &str = r#"(module
    (import "env" "print" (func $print (param i32)))
    (type $unary (func (param i32)))
    (table funcref (elem $print $leaf $unused))
    (func $main (export "_start") (local i32)
        (loop $again
            (call_indirect (type $unary) (local.get 0) (i32.const 1))
            (call_indirect (type $unary) (local.get 0) (i32.const 0))
            (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10)))))
    (func $leaf (param i32) (if (local.get 0) (then (nop))))
    (func $unused (param i32)))"#;

fn recorded() -> (trjit_module::Module, Profile) {
    let module = parse(PROGRAM);
    let recorder = Recorder::new(&module);
    enter(&recorder, &module, "main", 1);
    enter(&recorder, &module, "leaf", 2);
    let site = module.function(index(&module, "main")).unwrap().indirect_sites_start;
    recorder.record_indirect(site, Some(index(&module, "leaf")));
    recorder.record_indirect(site, Some(index(&module, "leaf")));
    recorder.record_indirect(site + 1, Some(index(&module, "print")));
    recorder.record_indirect(site + 1, None);
    recorder.record_indirect(site + 2, None);
    let profile = Profile::from_trace(&module, recorder.finish(info("tests"))).unwrap();
    (module, profile)
}

#[test]
fn a_trace_becomes_a_profile() {
    let (module, profile) = recorded();
    assert_eq!(profile.module().digest, module.digest());
    assert_eq!(profile.functions().len(), 2);
    assert!(of(&profile, &module, "unused").is_none());
    assert_eq!(profile.total_calls(), 3);

    let main = of(&profile, &module, "main").unwrap();
    assert_eq!((main.entries, main.identity.name.as_deref()), (1, Some("main")));
    // Side table of main: two call sites, then the branch back to the loop, taken 3 times.
    assert_eq!(main.branches.iter().map(|branch| (branch.position, branch.back_edge, branch.taken)).collect::<Vec<_>>(), [(2, true, 3)]);
    assert_eq!((main.back_edges(), main.hotness(), profile.hotness(defined(&module, "main"))), (3, 4, 4));
    assert_eq!(main.site(0).unwrap().targets, [TargetCount { function: index(&module, "leaf"), count: 2 }]);
    assert_eq!(main.site(1).unwrap().targets, [TargetCount { function: FuncIndex(0), count: 1 }]);
    assert_eq!((main.site(1).unwrap().other, main.site(1).unwrap().calls(), main.site(2)), (1, 2, None));
    assert_eq!((profile.imports()[0].module.as_str(), profile.imports()[0].name.as_str()), ("env", "print"));

    let leaf = of(&profile, &module, "leaf").unwrap();
    assert_eq!((leaf.taken(0), leaf.taken(1), leaf.back_edges(), leaf.hotness()), (2, 0, 0, 2));
    assert_eq!(profile.hotness(defined(&module, "unused")), 0);
}

#[test]
fn runs_keep_order_and_time() {
    let (module, profile) = recorded();
    let [run] = profile.runs() else { panic!("one run") };
    assert_eq!((run.workload.as_str(), run.ended.as_str(), run.weight, run.seconds(), run.entries), ("tests", "exit 0", 1, 0.25, 3));
    assert_eq!(run.order.iter().map(|call| call.function).collect::<Vec<_>>(), [0, 1]);
    assert!(run.order.is_sorted_by_key(|call| call.micros));
    assert_eq!(profile.first_use_order(), [index(&module, "main"), index(&module, "leaf")]);
}

#[test]
fn a_function_is_first_entered_once() {
    let module = parse(PROGRAM);
    let recorder = Recorder::new(&module);
    let leaf = defined(&module, "leaf");
    recorder.record_entry(leaf);
    recorder.entries()[leaf.index()].store(u64::MAX, Ordering::Relaxed);
    recorder.count_entry(leaf);
    recorder.count_entry(leaf);
    recorder.count_entry(DefinedFuncIndex(99));
    let trace = recorder.finish(info("wrap"));
    assert_eq!(trace.entries[leaf.index()], 1, "counters wrap");
    assert!(matches!(trace.first_calls[..], [FirstCall { function: 1, .. }]), "{:?}", trace.first_calls);
}

#[test]
fn a_target_that_was_never_entered_is_known_by_its_identity() {
    let module = parse(PROGRAM);
    let recorder = Recorder::new(&module);
    recorder.record_indirect(0, Some(index(&module, "unused")));
    let profile = Profile::from_trace(&module, recorder.finish(info("trap"))).unwrap();
    assert_eq!(of(&profile, &module, "unused").unwrap().entries, 0);
    assert_eq!(profile.first_use_order(), []);
    assert_eq!(Profile::from_bytes(&profile.to_bytes()), Ok(profile));
}

#[test]
fn a_trace_of_another_module_is_refused() {
    let (module, other) = (parse(PROGRAM), parse("(module)"));
    let trace = Recorder::new(&other).finish(info("empty"));
    let expected = MergeError::OtherModule { found: other.digest(), expected: module.digest() };
    assert_eq!(Profile::from_trace(&module, trace).unwrap_err(), expected);
}

#[test]
fn an_empty_module_has_an_empty_profile() {
    let module = parse("(module)");
    let profile = Profile::from_trace(&module, Recorder::new(&module).finish(info("empty"))).unwrap();
    assert_eq!(Profile::from_bytes(&profile.to_bytes()), Ok(profile.clone()));
    let (rebased, coverage) = profile.rebase(&module);
    assert_eq!(rebased, profile);
    assert_eq!((coverage.share_of_entries(), coverage.share_of_functions()), (1.0, 1.0));
}

#[test]
fn the_summary_counts_everything() {
    let (module, profile) = recorded();
    let merged = Profile::merge([profile.clone(), profile]).unwrap();
    let summary = merged.summary(1);
    assert_eq!(summary.module_digest, module.digest().to_string());
    assert_eq!((summary.imported_functions, summary.defined_functions, summary.functions_entered), (1, 3, 2));
    assert_eq!((summary.entries, summary.branches, summary.branches_taken, summary.back_edges), (6, 2, 10, 6));
    assert_eq!((summary.sites, summary.sites_with_one_target, summary.indirect_calls), (2, 1, 8));
    assert_eq!(summary.runs.len(), 2);
    assert_eq!((summary.runs[0].workload.as_str(), summary.runs[0].functions, summary.runs[0].entries), ("tests", 2, 3));
    assert_eq!(summary.hottest.len(), 1);
    assert_eq!((summary.hottest[0].function, summary.hottest[0].name.as_deref(), summary.hottest[0].entries), (1, Some("main"), 2));
}
