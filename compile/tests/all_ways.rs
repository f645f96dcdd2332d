//! Everything compiles in every way, with Cranelift's verifier on, and what comes out keeps the promises of `CompiledFunction`.

mod common;

use common::{AllDirect, EVERYTHING, Way, defined, fixtures, module, walk};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, CpuLevel, Entry, MadeUpCounts, NoAssumptions, Tier, place};
use trjit_compile::CraneliftCompiler;
use trjit_module::wasmparser::Operator;
use trjit_module::{FuncIndex, Module, TypeIndex};

fn modules() -> Vec<(String, Module)> {
    let mut all = fixtures();
    all.push(("everything".to_string(), module(EVERYTHING)));
    all
}

/// First bytes of x86-64's direct calls and jumps.
const CALL: u8 = 0xe8;
const JUMP: u8 = 0xe9;

fn check(module: &Module, function: FuncIndex, code: &CompiledFunction, way: Way) {
    let record = module.function(function).expect("only defined functions are compiled");
    let body = record.code_start..record.body.offset + record.body.len;
    let end = code.bytes.len() as u32;
    assert!(end > 0 && code.align.is_power_of_two());
    assert!(code.traps.is_sorted_by(|x, y| x.offset < y.offset), "traps are out of order");
    assert!(code.call_sites.is_sorted_by(|x, y| x.offset < y.offset), "call sites are out of order");
    assert!(code.relocations.is_sorted_by(|x, y| x.offset < y.offset), "relocations are out of order");
    for relocation in &code.relocations {
        assert!(way.direct, "a direct call that nobody allowed");
        assert!(relocation.offset + 4 <= end && module.function(relocation.target).is_some());
        // Tail calls jump, and do not return.
        let returns = code.call_sites.iter().any(|site| site.offset == relocation.offset + 4);
        match code.bytes[relocation.offset as usize - 1] {
            CALL => assert!(returns, "a call without a return address"),
            JUMP => assert!(!returns, "a jump with a return address"),
            other => panic!("a relocation outside of calls, behind {other:#x}"),
        }
    }
    // Of a place in inlined bodies the outermost position is the function's own.
    let is_here =
        |place| place::positions(place, |number| code.inlined.get(number as usize).copied()).last().is_some_and(|at| body.contains(&at));
    for trap in &code.traps {
        assert!(trap.offset < end && (trap.wasm == u32::MAX || is_here(trap.wasm)), "{trap:?}");
    }
    for site in &code.call_sites {
        assert!(site.offset <= end && is_here(site.wasm), "{site:?}");
    }
    assert_eq!(code.features, way.settings.features);
}

#[test]
fn every_function_compiles() {
    let compiler = CraneliftCompiler::new();
    for (name, module) in modules() {
        for way in Way::all() {
            for function in defined(&module) {
                match way.compile(&compiler, &module, function, Entry::Start) {
                    Ok(code) => check(&module, function, &code, way),
                    // Those it is compiled for beyond the lowest level are among the ways.
                    Err(CompileError::Unsupported { what, .. }) if what.starts_with("SIMD") && way.settings.features.is_empty() => {}
                    Err(error) => panic!("{name}, {way:?}: {error}"),
                }
            }
        }
    }
}

#[test]
fn every_reachable_loop_can_be_entered() {
    let compiler = CraneliftCompiler::new();
    let mut entered = 0;
    for (name, module) in modules() {
        for function in defined(&module) {
            let mut loops = Vec::new();
            walk(&module, function, |operator, _, after, reachable| {
                if matches!(operator, Operator::Loop { .. }) {
                    loops.push((after, reachable));
                }
            });
            for (offset, reachable) in loops {
                for tier in Tier::ALL {
                    let way = Way::plain(*tier);
                    match way.compile(&compiler, &module, function, Entry::At(offset)) {
                        Ok(code) => {
                            check(&module, function, &code, way);
                            entered += 1;
                        }
                        Err(CompileError::Internal { .. }) if !reachable => {}
                        Err(error) => panic!("{name}, loop at {offset}: {error}"),
                    }
                }
            }
        }
    }
    assert!(entered > 20, "only {entered} loops were found");
}

#[test]
fn every_reachable_instruction_can_be_entered() {
    let compiler = CraneliftCompiler::new();
    let (mut entered, mut missed) = (0, 0);
    for (name, module) in modules() {
        for function in defined(&module) {
            let mut positions = Vec::new();
            walk(&module, function, |_, position, _, reachable| positions.extend(reachable.then_some(position)));
            // As many as can be compiled in a few seconds, and others in each function.
            for position in positions.into_iter().skip(function.0 as usize % 11).step_by(11) {
                let way = Way::plain(Tier::Ap4);
                match way.compile(&compiler, &module, function, Entry::At(position)) {
                    Ok(code) => {
                        check(&module, function, &code, way);
                        entered += 1;
                    }
                    // The walk takes the ends of blocks that nobody reaches for reachable.
                    Err(CompileError::Internal { detail, .. }) if detail.contains("no reachable instruction") => missed += 1,
                    Err(CompileError::Unsupported { what, .. }) if what.starts_with("SIMD") => {}
                    Err(error) => panic!("{name}, function {function}, position {position}: {error}"),
                }
            }
        }
    }
    assert!(entered > 200 && missed * 20 < entered, "{entered} were entered, {missed} are not reachable");
}

#[test]
fn only_instructions_can_be_entered() {
    let compiler = CraneliftCompiler::new();
    let module = module("(module (func (block (nop)) (loop (nop)) (return) (nop)))");
    let record = module.function(FuncIndex(0)).expect("the function is defined");
    let compile = |offset| Way::plain(Tier::Ap4).compile(&compiler, &module, FuncIndex(0), Entry::At(record.code_start + offset));
    // block, type, nop, end, loop, type, nop, end, return, nop, end: types are no instructions, and what stands behind `return` is not reached.
    let expected = [true, false, true, true, true, false, true, true, true, false, false, false];
    for (offset, expected) in expected.into_iter().enumerate() {
        match compile(offset as u32) {
            Ok(_) => assert!(expected, "{offset} was entered"),
            Err(CompileError::Internal { .. }) => assert!(!expected, "{offset} can not be entered"),
            Err(error) => panic!("{error}"),
        }
    }
    // What failed leaves nothing behind.
    assert!(Way::plain(Tier::Ap4).compile(&compiler, &module, FuncIndex(0), Entry::Start).is_ok());
}

#[test]
fn trampolines_of_every_type_compile() {
    let compiler = CraneliftCompiler::new();
    for (name, module) in modules() {
        for ty in (0..module.types().len() as u32).map(TypeIndex) {
            let settings = Way::plain(Tier::Ap4).settings;
            let made = [
                (1, compiler.to_native(&module, ty, settings)),
                (1, compiler.to_interpreter(&module, ty, settings)),
                (0, compiler.tail_to_native(&module, ty, settings)),
            ];
            for (calls, made) in made {
                let code = made.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(code.relocations.is_empty());
                assert_eq!(code.call_sites.len(), calls);
                assert!(code.call_sites.iter().all(|site| site.wasm == u32::MAX));
            }
        }
    }
}

#[test]
fn the_same_request_gives_the_same_code() {
    let module = module(EVERYTHING);
    let compile_all = |compiler: &CraneliftCompiler| -> Vec<CompiledFunction> {
        let ways = Way::all();
        let all = ways.iter().flat_map(|way| defined(&module).map(move |function| (way, function)));
        all.map(|(way, function)| way.compile(compiler, &module, function, Entry::Start).expect("it compiles")).collect()
    };
    let compiler = CraneliftCompiler::new();
    let first = compile_all(&compiler);
    assert!(first == compile_all(&compiler), "the second time differs");
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..2).map(|_| scope.spawn(|| compile_all(&CraneliftCompiler::new()))).collect();
        for other in others {
            assert!(first == other.join().expect("the other thread does not panic"), "another thread differs");
        }
    });
}

#[test]
fn everything_compiles_by_made_up_counts() {
    let compiler = CraneliftCompiler::new();
    let settings = trjit_code::Settings { features: CpuLevel::V3.features(), ..Way::plain(Tier::Ap4).settings };
    for (name, module) in modules() {
        for function in defined(&module) {
            let mut entries = vec![Entry::Start];
            walk(&module, function, |operator, _, after, reachable| {
                if matches!(operator, Operator::Loop { .. }) && reachable {
                    entries.push(Entry::At(after));
                }
            });
            for (entry, seed) in entries.into_iter().flat_map(|entry| (0..8).map(move |seed| (entry, seed))) {
                let (counts, tier) = (&MadeUpCounts { seed }, if seed < 4 { Tier::Ap4 } else { Tier::T4 });
                let request = CompileRequest {
                    module: &module,
                    function,
                    tier,
                    entry,
                    settings,
                    direct_calls: &AllDirect,
                    counts,
                    assumptions: &NoAssumptions,
                };
                match compiler.compile(&request) {
                    Ok(code) => assert!(!code.bytes.is_empty()),
                    // What validation finds reachable may not be.
                    Err(CompileError::Internal { detail, .. }) if detail.contains("no reachable loop") => {}
                    Err(error) => panic!("{name}, {tier:?}, {entry:?}, seed {seed}: {error}"),
                }
            }
        }
    }
}
