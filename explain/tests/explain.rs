//! Explanations of small modules: what is told with a profile, without one, of a cache and of a module.

use trjit_assemble::{Options, Silent, assemble};
use trjit_cache_format::CacheFile;
use trjit_code::{CpuLevel, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_explain::{ExplainError, Explanation, Input, Show, SiteKind, Subject, explain, find, text};
use trjit_module::{DefinedFuncIndex, FuncIndex, Module};
use trjit_trace::{Profile, Recorder, RunInfo};

/// `run` loops over a hot call that gets inlined, an indirect call, and builtins; `idle` is never entered, and long.
const PROGRAM: &str = r#"(module
  (import "env" "log" (func $log (param i32)))
  (memory 1)
  (global $sum (mut i32) (i32.const 0))
  (type $unary (func (param i32) (result i32)))
  (table funcref (elem $add $twice))
  (func $add (param i32) (result i32) (i32.add (i32.load (local.get 0)) (i32.const 1)))
  (func $twice (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $run (export "run") (param $n i32)
    (loop $again
      (global.set $sum (call $add (local.get $n)))
      (global.set $sum
        (i32.xor (global.get $sum) (call_indirect (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (if (local.get $n) (then (drop (memory.grow (i32.const 1))) (call $log (i32.const 3))))
    (call $idle))
  (func $idle LONG))"#;
const ADD: DefinedFuncIndex = DefinedFuncIndex(0);
const RUN: DefinedFuncIndex = DefinedFuncIndex(2);

/// `LONG` stands for so much code that a body is not inlined where it is called rarely.
fn module(text: &str) -> Module {
    Module::parse(wat::parse_str(text.replace("LONG", &"nop ".repeat(90))).expect("the text is valid")).expect("the module is valid")
}

fn take(recorder: &Recorder, entry: u32) {
    recorder.branches()[entry as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// As if `run` had been entered twice with 5,000.
fn profile(module: &Module) -> Profile {
    let recorder = Recorder::new(module);
    let run = &module.functions()[RUN.index()];
    for _ in 0..2 {
        recorder.count_entry(RUN);
        for at in 0..5000u32 {
            recorder.count_entry(ADD);
            recorder.record_indirect(run.indirect_sites_start, Some(FuncIndex(if at % 5 < 2 { 1 } else { 2 })));
            if at < 4999 {
                take(&recorder, run.side_table_start + 1);
            }
        }
        take(&recorder, run.side_table_start + 2);
    }
    let trace = recorder.finish(RunInfo { workload: "test".into(), ..RunInfo::default() });
    Profile::from_trace(module, trace).expect("the trace is of the module")
}

fn options() -> Options {
    Options { level: CpuLevel::V2, threads: Some(1), unseen_below: 1 << 20, ..Options::default() }
}

fn cache(module: &Module, profile: Option<&Profile>, options: &Options) -> CacheFile {
    let assembled = assemble(module, profile, options, &CraneliftCompiler::new(), &Silent).expect("the module assembles");
    CacheFile::parse(assembled.bytes).expect("it is a cache")
}

fn explained(subject: Subject<'_>, module: &Module, name: &str, profile: Option<&Profile>) -> Explanation {
    let function = find(module, name).expect("the function exists");
    explain(Input { subject, module, function, profile, tier: None }).expect("it can be explained")
}

const ALL: Show = Show { top: 0, asm: true, clif: true };

#[test]
fn a_trained_function_is_told_whole() {
    let module = module(PROGRAM);
    let profile = profile(&module);
    let file = cache(&module, Some(&profile), &options());
    let of_file = file.module().expect("the cache holds its module");
    let found = explained(Subject::Cache(&file), &of_file, "run", Some(&profile));
    let code = found.code.as_ref().expect("it has code");
    assert!(code.is_exact && code.tier == "AP4" && code.text_offset.is_some(), "{code:?}");
    assert_eq!(found.training.is_the_caches, Some(true));
    assert_eq!((found.training.entries, found.training.back_edges), (Some(2), Some(9998)));
    assert!(found.why.contains("entered 2 times in 1 training run, 1 of 2 by first use"), "{}", found.why);
    let direct: Vec<&trjit_explain::Inlined> = found.inlined.iter().filter(|inlined| !inlined.is_guarded).collect();
    let [inlined] = direct[..] else { panic!("{:?}", found.inlined) };
    let guarded: Vec<(&str, &str, Option<u64>)> =
        found.guards.iter().flat_map(|guard| &guard.targets).map(|target| (target.name.as_str(), target.how, target.calls)).collect();
    assert_eq!(guarded, [("twice", "inlined", Some(6000)), ("add", "inlined", Some(4000))]);
    assert!(found.guards.iter().all(|guard| found.sites.iter().any(|site| site.kind == SiteKind::IndirectCall && site.wasm == guard.wasm)));
    assert_eq!((inlined.name.as_str(), inlined.calls), ("add", Some(10_000)));
    assert!(inlined.bytes.is_some_and(|bytes| bytes > 0 && bytes < code.bytes), "{inlined:?}");
    let indirect = found.sites.iter().find(|site| site.kind == SiteKind::IndirectCall).expect("it calls indirectly");
    let targets: Vec<(&str, u64)> = indirect.targets.iter().map(|target| (target.name.as_str(), target.count)).collect();
    assert_eq!((targets, indirect.count), (vec![("twice", 6000), ("add", 4000)], Some(10_000)));
    let looped = found.sites.iter().find(|site| site.kind == SiteKind::Loop).expect("it loops");
    assert_eq!((looped.count, looped.taken), (Some(2), Some(9998)));
    let cold = found.cold.as_ref().expect("there are counts");
    assert!(cold.never_executed >= 5 && cold.bytes > 0, "{cold:?}");
    let calls: Vec<(&str, &str)> = found.calls.iter().map(|call| (call.kind, call.name.as_str())).collect();
    for expected in [("builtin", "memory_grow"), ("builtin", "table_get"), ("import", "log"), ("direct", "idle")] {
        assert!(calls.contains(&expected), "{expected:?} of {calls:?}");
    }
    let printed = text(&found, ALL);
    for expected in
        ["in add from ", "vmctx.store", "store.stack_limit", "global 0", "memory 0", "table 0.len", "x 10,000", "traps: out of bounds"]
    {
        assert!(printed.contains(expected), "no `{expected}` in\n{printed}");
    }
}

#[test]
fn without_the_profile_the_cache_tells_what_it_can() {
    let module = module(PROGRAM);
    let profile = profile(&module);
    let file = cache(&module, Some(&profile), &options());
    let found = explained(Subject::Cache(&file), &module, "run", None);
    let code = found.code.as_ref().expect("it has code");
    assert!(!code.is_exact && found.clif.is_none() && found.cold.is_none(), "{code:?}");
    assert!(found.notes.iter().any(|note| note.contains("no profile was given")), "{:?}", found.notes);
    assert!(found.sites.iter().all(|site| site.count.is_none() && site.taken.is_none()), "{:?}", found.sites);
    assert_eq!(found.inlined.first().map(|inlined| (inlined.name.as_str(), inlined.calls, inlined.bytes)), Some(("add", None, None)));
    // The same instructions, whoever asks.
    let with = explained(Subject::Cache(&file), &module, "run", Some(&profile));
    let texts = |of: &Explanation| -> Vec<(u32, String)> {
        of.machine.iter().flat_map(|block| &block.instructions).map(|instruction| (instruction.offset, instruction.text.clone())).collect()
    };
    assert_eq!(texts(&found), texts(&with));
    // A function that nothing was known of is compiled alike without the profile.
    let idle = explained(Subject::Cache(&file), &module, "idle", None);
    assert!(idle.code.as_ref().is_some_and(|code| code.is_exact && code.direct_callers == Some(1)), "{:?}", idle.code);
}

#[test]
fn a_module_is_told_as_it_would_be_assembled() {
    let module = module(PROGRAM);
    let profile = profile(&module);
    let file = cache(&module, Some(&profile), &options());
    let of_cache = explained(Subject::Cache(&file), &module, "run", Some(&profile));
    let of_module = explained(Subject::Module(&options()), &module, "run", Some(&profile));
    let lines = |of: &Explanation| -> Vec<(u32, String, Option<String>)> {
        let instructions = of.machine.iter().flat_map(|block| &block.instructions);
        instructions.map(|instruction| (instruction.offset, instruction.text.clone(), instruction.note.clone())).collect()
    };
    assert_eq!(lines(&of_cache), lines(&of_module));
    assert_eq!((of_module.why == of_cache.why, of_module.code.and_then(|code| code.text_offset)), (true, None));
    let unplanned = Options { unseen_below: 0, ..options() };
    let idle = explained(Subject::Module(&unplanned), &module, "idle", Some(&profile));
    assert!(idle.code.is_none() && idle.machine.is_empty() && idle.why.contains("no training run entered it"), "{}", idle.why);
    let file = cache(&module, Some(&profile), &unplanned);
    let idle = explained(Subject::Cache(&file), &module, "idle", None);
    assert!(idle.code.is_none() && idle.why.contains("no training run of the cache's profile entered it"), "{}", idle.why);
}

#[test]
fn a_profile_of_another_program_is_refused_and_another_one_is_told() {
    let mine = module(PROGRAM);
    let other = module("(module (func $x (param i64) (result i64) (i64.mul (local.get 0) (local.get 0))))");
    let recorder = Recorder::new(&other);
    recorder.count_entry(DefinedFuncIndex(0));
    let foreign = Profile::from_trace(&other, recorder.finish(RunInfo::default())).expect("the trace is of the module");
    let file = cache(&mine, Some(&profile(&mine)), &options());
    let input = Input { subject: Subject::Cache(&file), module: &mine, function: FuncIndex(3), profile: Some(&foreign), tier: None };
    assert!(matches!(explain(input), Err(ExplainError::Profile)));
    let recorder = Recorder::new(&mine);
    recorder.count_entry(RUN);
    let colder = Profile::from_trace(&mine, recorder.finish(RunInfo::default())).expect("the trace is of the module");
    let found = explained(Subject::Cache(&file), &mine, "run", Some(&colder));
    assert_eq!((found.training.is_the_caches, found.code.map(|code| code.is_exact)), (Some(false), Some(false)));
}

#[test]
fn jump_tables_and_constants_are_no_instructions() {
    let cases: Vec<String> = (0..40).map(|case| format!("(return (f64.const {case}.25))")).collect();
    let blocks =
        cases.iter().fold("(br_table 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 (local.get 0))".to_string(), |inner, case| {
            format!("(block {inner}) {case}")
        });
    let module = module(&format!("(module (func $f (param i32) (result f64) {blocks}))"));
    let every = Options { all: true, ..options() };
    let file = cache(&module, None, &every);
    let found = explained(Subject::Cache(&file), &module, "f", None);
    let tables: Vec<&trjit_explain::MachineBlock> = found.machine.iter().filter(|block| !block.table.is_empty()).collect();
    assert_eq!(tables.len(), 1);
    assert!(
        tables[0].table.iter().all(|&target| found.machine.iter().any(|block| block.offset == target && !block.instructions.is_empty()))
    );
    // What lies where: every byte once, without gaps.
    let mut at = 0;
    for block in &found.machine {
        assert_eq!(block.offset, at);
        at += block.bytes;
    }
    assert_eq!(Some(at), found.code.as_ref().map(|code| code.bytes));
    // The same where the compiler's blocks are not known: another profile makes other code.
    let recorder = Recorder::new(&module);
    recorder.count_entry(DefinedFuncIndex(0));
    take(&recorder, 3);
    let profile = Profile::from_trace(&module, recorder.finish(RunInfo::default())).expect("the trace is of the module");
    let trained =
        cache(&module, Some(&profile), &Options { tiers: trjit_assemble::options::TierRule { a1_entries_per_run: 0 }, ..options() });
    let blind = explained(Subject::Cache(&trained), &module, "f", None);
    assert_eq!(blind.code.as_ref().map(|code| code.is_exact), Some(false));
    assert_eq!(
        blind.machine.iter().filter(|block| !block.table.is_empty()).map(|block| block.table.len()).collect::<Vec<_>>(),
        [tables[0].table.len()]
    );
}

/// The arm of the `if` is never executed.
const INNER_EXIT: &str = r#"(module (memory 1)
  (func $inner (param i32) (result i32)
    (if (local.get 0) (then (i32.store (i32.const 8) (i32.const 1))))
    (i32.load (local.get 0)))
  (func $outer (param i32) (result i32) (call $inner (local.get 0))))"#;

#[test]
fn speculative_code_tells_where_it_leaves() {
    let module = module(PROGRAM);
    let profile = profile(&module);
    let options = options();
    let input = Input {
        subject: Subject::Module(&options),
        module: &module,
        function: FuncIndex(3),
        profile: Some(&profile),
        tier: Some(Tier::T4),
    };
    let found = explain(input).expect("it can be explained");
    // The arm of the `if` that training never entered.
    let arm = found.graph.blocks.iter().find(|block| block.count == Some(0)).expect("one arm is cold");
    assert_eq!(found.exits.iter().map(|exit| (exit.wasm, exit.function)).collect::<Vec<_>>(), [(arm.wasm, 3)]);
    assert!(found.why.contains("T4: it was asked for") && found.calls.iter().any(|call| call.kind == "exit"), "{:?}", found.calls);
    assert!(!found.calls.iter().any(|call| call.name == "memory_grow"), "{:?}", found.calls);
    assert!(text(&found, ALL).contains("side exits"));
    // An exit of an inlined body is one of that body.
    let inner = Module::parse(wat::parse_str(INNER_EXIT).expect("the text is valid")).expect("the module is valid");
    let recorder = Recorder::new(&inner);
    (0..5000).for_each(|_| [0, 1].iter().for_each(|&function| recorder.count_entry(DefinedFuncIndex(function))));
    (0..5000).for_each(|_| take(&recorder, 0));
    let profile = Profile::from_trace(&inner, recorder.finish(RunInfo::default())).expect("the trace is of the module");
    let found = explain(Input { module: &inner, function: FuncIndex(1), profile: Some(&profile), ..input }).expect("it can be explained");
    assert_eq!(found.exits.iter().map(|exit| exit.function).collect::<Vec<_>>(), [0], "{:?}", found.inlined);
}

/// Nothing is called before the indirect call.
const CALLS_FIRST: &str = r#"(module
  (type $unary (func (param i32) (result i32)))
  (table EXPORT funcref (elem $double $half))
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func $half (type $unary) (i32.shr_u (local.get 0) (i32.const 1)))
  (func $choose (type $unary) (call_indirect (type $unary) (local.get 0) (i32.and (local.get 0) (i32.const 1)))))"#;

#[test]
fn guards_tell_what_they_compare_and_code_what_it_assumes() {
    let compared = |export: &str, tier: Tier| {
        let module = module(&CALLS_FIRST.replace("EXPORT", export));
        let recorder = Recorder::new(&module);
        for at in 0..5000u32 {
            recorder.count_entry(DefinedFuncIndex(2));
            recorder.record_indirect(0, Some(FuncIndex(at % 2)));
        }
        let profile = Profile::from_trace(&module, recorder.finish(RunInfo::default())).expect("the trace is of the module");
        let (options, function) = (options(), FuncIndex(2));
        let input = Input { subject: Subject::Module(&options), module: &module, function, profile: Some(&profile), tier: Some(tier) };
        let found = explain(input).expect("it can be explained");
        let [guard] = &found.guards[..] else { panic!("{:?}", found.guards) };
        let code = found.code.as_ref().expect("it has code");
        assert_eq!(text(&found, ALL).contains("by the index into table 0"), guard.index_of.is_some());
        assert_eq!(text(&found, ALL).contains("  assumes    table 0 holds what it begins with"), !code.assumptions.is_empty());
        (guard.index_of, code.assumptions.len())
    };
    assert_eq!([compared("", Tier::Ap4), compared("", Tier::T4)], [(Some(0), 0); 2]);
    assert_eq!([compared("(export \"t\")", Tier::Ap4), compared("(export \"t\")", Tier::T4)], [(None, 0), (Some(0), 1)]);
}

#[test]
fn json_has_its_keys() {
    let module = module(PROGRAM);
    let profile = profile(&module);
    let found = explained(Subject::Module(&options()), &module, "run", Some(&profile));
    let json = serde_json::to_value(&found).expect("it is data");
    let keys: Vec<&str> = json.as_object().expect("it is an object").keys().map(String::as_str).collect();
    let expected = [
        "calls", "clif", "code", "cold", "exits", "function", "graph", "guards", "inlined", "machine", "notes", "of", "schema", "sites",
        "training", "traps", "why",
    ];
    assert_eq!((keys.as_slice(), &json["schema"]), (&expected[..], &serde_json::json!(1)));
    assert_eq!(json["function"]["name"], "run");
    assert_eq!(json["graph"]["edges"].as_array().map(Vec::len), Some(found.graph.edges.len()));
}
