//! The whole way, with a scripted compiler: what the cache holds, what the summary says, and that it is the same every time.

mod common;

use bytes::Bytes;
use common::{Scripted, functions, module, profile, run};
use std::collections::HashMap;
use std::sync::Mutex;
use trjit_assemble::options::parse_level;
use trjit_assemble::{Assembled, Options, Phase, Progress, Silent, assemble};
use trjit_cache_format::{CacheFile, CodeItem, Edge, ProfileSource};
use trjit_code::{CpuLevel, Tier};
use trjit_module::{FuncIndex, Module};
use trjit_trace::Profile;

fn options(all: bool) -> Options {
    Options { all, ..common::options(CpuLevel::V1) }
}

fn make(module: &Module, profile: Option<&Profile>, options: &Options, script: &Scripted) -> (Assembled, CacheFile) {
    let assembled = assemble(module, profile, options, script, &Silent).expect("the module assembles");
    let file = CacheFile::parse(assembled.bytes.clone()).expect("the cache parses");
    (assembled, file)
}

fn placed(file: &CacheFile) -> Vec<(u32, Tier)> {
    let function = |what| if let CodeItem::Function(FuncIndex(function)) = what { Some(function) } else { None };
    file.functions().iter().filter_map(|placed| Some((function(placed.what)?, placed.tier?))).collect()
}

/// Bodies of different lengths, so that functions have match digests of their own.
fn program(constants: &[u32]) -> Module {
    let body = |constant: &u32| format!("(func (result i32) i32.const {constant})");
    module(&format!("(module (import \"env\" \"f\" (func)) {})", constants.iter().map(body).collect::<String>()))
}

#[test]
fn recorded_functions_get_code_in_order() {
    let module = program(&[10, 11, 12, 13]);
    let recorded = profile(&module, &[(3, 50), (1, 1), (4, 49)]);
    let script = Scripted { calls: HashMap::from([(3, vec![1, 2]), (4, vec![3])]), ..Scripted::default() };
    let (Assembled { bytes, summary }, file) = make(&module, Some(&recorded), &options(false), &script);
    assert_eq!(placed(&file), [(3, Tier::Ap4), (1, Tier::A1), (4, Tier::Ap4)]);
    let jump_table = file.jump_table();
    assert_eq!((jump_table[0], jump_table[2]), (0, 0));
    assert!(16 <= jump_table[3] && jump_table[3] < jump_table[1] && jump_table[1] < jump_table[4]);
    // 2 has no code: reached through the jump table, no edge.
    let edge = |caller, callee| Edge { caller: FuncIndex(caller), callee: FuncIndex(callee) };
    assert_eq!(file.edges().iter().collect::<Vec<_>>(), [edge(3, 1), edge(4, 3)]);
    assert!(file.trampolines().iter().all(|pair| pair.to_native > 0 && pair.to_interpreter > 0));
    assert_eq!(file.trampolines().len(), module.types().len());
    assert!(matches!(&file.manifest().unwrap().profile, ProfileSource::Profiles(digests) if digests.len() == 1));

    assert_eq!((summary.functions, summary.recorded, summary.compiled_functions()), (4, 3, 3));
    assert_eq!(summary.compiled.iter().map(|tier| (tier.tier, tier.functions)).collect::<Vec<_>>(), [("A1", 1), ("AP4", 2)]);
    assert_eq!((summary.share_of_calls, summary.share_of_code), (Some(1.0), 0.75));
    assert_eq!((summary.cache_bytes, summary.direct_edges, summary.trampolines), (bytes.len() as u64, 2, 6));
    assert_eq!((summary.warnings.len(), summary.failed.len(), summary.threads), (0, 0, 2));
    let sections: u64 = summary.sections.iter().map(|section| section.bytes).sum();
    assert!(sections > 4096 && sections <= summary.cache_bytes);
}

#[test]
fn all_compiles_everything_with_and_without_a_profile() {
    let module = program(&[10, 11, 12]);
    let (without, file) = make(&module, None, &options(true), &Scripted::default());
    assert_eq!(placed(&file), [(1, Tier::Ap4), (2, Tier::Ap4), (3, Tier::Ap4)]);
    assert_eq!((without.summary.share_of_code, without.summary.share_of_calls), (1.0, None));
    assert_eq!(file.manifest().unwrap().profile, ProfileSource::All);
    let recorded = profile(&module, &[(3, 1)]);
    let (with, file) = make(&module, Some(&recorded), &options(true), &Scripted::default());
    assert_eq!(placed(&file), [(3, Tier::Ap4), (1, Tier::Ap4), (2, Tier::Ap4)]);
    assert_eq!(with.summary.share_of_calls, Some(1.0));
}

#[test]
fn neither_profile_nor_all_is_a_cache_without_functions() {
    let module = program(&[10]);
    let (assembled, file) = make(&module, None, &options(false), &Scripted::default());
    assert_eq!((placed(&file), assembled.summary.share_of_code), (vec![], 0.0));
    assert!(file.trampolines().iter().all(|pair| pair.to_native > 0));
    let (_, empty) = make(&functions(0), None, &options(true), &Scripted::default());
    assert_eq!(placed(&empty), []);
}

#[test]
fn a_profile_of_another_program_makes_a_valid_cache_and_a_warning() {
    let other = program(&[77, 78, 79, 80, 81, 82]);
    let foreign = profile(&other, &[(6, 9), (1, 9)]);
    let (assembled, file) = make(&program(&[10, 11]), Some(&foreign), &options(false), &Scripted::default());
    assert_eq!(placed(&file), []);
    assert_eq!(assembled.summary.share_of_calls, Some(0.0));
    assert!(assembled.summary.warnings[0].contains("another program"), "{:?}", assembled.summary.warnings);
}

#[test]
fn a_profile_of_another_build_keeps_what_still_matches() {
    let recorded = profile(&program(&[10, 11, 12]), &[(1, 30), (3, 10)]);
    // A new function comes first, the last one is changed.
    let now = program(&[5, 10, 11, 13]);
    let (assembled, file) = make(&now, Some(&recorded), &options(false), &Scripted::default());
    assert_eq!(placed(&file), [(2, Tier::Ap4)]);
    assert_eq!(assembled.summary.share_of_calls, Some(0.75));
    assert!(assembled.summary.warnings[0].contains("1 of its 2 functions and 75.0 %"), "{:?}", assembled.summary.warnings);
}

#[test]
fn an_empty_profile_is_warned_about() {
    let module = program(&[10]);
    let (assembled, _) = make(&module, Some(&profile(&module, &[])), &options(false), &Scripted::default());
    assert!(assembled.summary.warnings[0].contains("no function"), "{:?}", assembled.summary.warnings);
    assert_eq!(assembled.summary.share_of_calls, None);
}

#[test]
fn a_function_that_fails_is_listed_and_left_out() {
    let module = module("(module (func $good) (func $bad (nop)))");
    let recorded = profile(&module, &[(0, 10), (1, 30)]);
    let calls = HashMap::from([(0, vec![1])]);
    let script = Scripted { calls, fail: [1].into(), ..Scripted::default() };
    let (assembled, file) = make(&module, Some(&recorded), &options(false), &script);
    assert_eq!(placed(&file), [(0, Tier::Ap4)]);
    assert!(file.edges().is_empty());
    let failure = &assembled.summary.failed[0];
    assert_eq!((failure.function, failure.name.as_deref()), (1, Some("bad")));
    assert!(failure.reason.contains("too large"), "{}", failure.reason);
    assert_eq!(assembled.summary.share_of_calls, Some(0.25));
}

#[test]
fn same_inputs_same_bytes_on_any_number_of_threads() {
    let constants: Vec<u32> = (0..3000).collect();
    let module = program(&constants);
    let calls = (1..3000).map(|function| (function, vec![function + 1, 3001 - function])).collect::<HashMap<_, _>>();
    let recorded: Vec<(u32, u64)> =
        (1..=3000).filter(|function| function % 3 != 0).rev().map(|function| (function, u64::from(function % 5))).collect();
    let profiles = [profile(&module, &recorded), run(&module, "other", &[(3, 1), (6, 9)])];
    let cache = |threads, profiles: Vec<Profile>| -> Bytes {
        let merged = Profile::merge(profiles).expect("profiles of one module");
        let script = Scripted { calls: calls.clone(), fail: [7, 20, 55].into(), ..Scripted::default() };
        let options = Options { threads: Some(threads), ..options(false) };
        assemble(&module, Some(&merged), &options, &script, &Silent).expect("the module assembles").bytes
    };
    let [a, b] = profiles;
    let one = cache(1, vec![a.clone(), b.clone()]);
    assert!(one == cache(2, vec![b.clone(), a.clone()]), "2 threads and another order of profiles");
    assert!(one == cache(5, vec![a, b]), "5 threads");
}

/// Writes down what it hears.
#[derive(Default)]
struct Heard(Mutex<Vec<(Phase, u64, u64)>>);

impl Progress for Heard {
    fn begin(&self, phase: Phase, steps: u64) {
        self.0.lock().expect("no test panics here").push((phase, steps, 0));
    }

    fn step(&self, count: u64) {
        if let Some(last) = self.0.lock().expect("no test panics here").last_mut() {
            last.2 += count;
        }
    }

    fn end(&self, phase: Phase, _seconds: f64) {
        assert_eq!(self.0.lock().expect("no test panics here").last().map(|last| last.0), Some(phase));
    }
}

#[test]
fn progress_is_told() {
    let heard = Heard::default();
    let assembled = assemble(&program(&[1, 2, 3]), None, &options(true), &Scripted::default(), &heard).expect("the module assembles");
    let heard = heard.0.into_inner().expect("no test panics here");
    assert_eq!(heard.iter().map(|(phase, ..)| *phase).collect::<Vec<_>>(), Phase::ALL);
    // Three functions, two types; then three functions, six trampolines.
    assert_eq!(heard[1..3], [(Phase::Compile, 5, 5), (Phase::Emit, 9, 9)]);
    let told: Vec<&str> = assembled.summary.seconds.iter().map(|phase| phase.phase).collect();
    assert_eq!(told, Phase::ALL.iter().map(|phase| phase.name()).collect::<Vec<_>>());
}

#[test]
fn levels_are_parsed() {
    assert_eq!(parse_level("x86-64-v2"), Ok(CpuLevel::V2));
    assert_eq!(parse_level("native"), Ok(Options::default().level));
    assert!(parse_level("znver4").expect_err("a CPU name").to_string().contains("'znver4', expected x86-64"));
}

#[test]
fn the_level_is_recorded_and_a_cache_for_a_better_cpu_can_be_made_here() {
    let options = Options { level: CpuLevel::V3, ..options(true) };
    let (assembled, file) = make(&program(&[1]), None, &options, &Scripted::default());
    assert_eq!(assembled.summary.cpu_level, "x86-64-v3");
    assert_eq!(file.manifest().unwrap().settings.level, "x86-64-v3");
    assert_eq!(file.manifest().unwrap().settings.features.len(), CpuLevel::V3.features().iter().count());
}
