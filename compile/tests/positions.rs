//! Trap and call sites name the wasm instruction that they come from, and say no to what is not supported.

mod common;

use common::{EVERYTHING, Way, defined, module, walk};
use std::collections::{BTreeMap, BTreeSet};
use trjit_code::{CompileError, Entry, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::wasmparser::Operator;
use trjit_module::{FuncIndex, TrapCode};

/// Whether an instruction can end in a trap of that kind.
fn may_trap(name: &str, code: TrapCode) -> bool {
    match code {
        TrapCode::MemoryOutOfBounds => name.contains("Load") || name.contains("Store"),
        TrapCode::TableOutOfBounds => ["TableGet", "TableSet", "CallIndirect"].contains(&name),
        TrapCode::IndirectCallToNull | TrapCode::BadSignature => name == "CallIndirect",
        TrapCode::IntegerDivisionByZero => name.contains("Div") || name.contains("Rem"),
        TrapCode::IntegerOverflow => name.contains("Div") || name.contains("Trunc"),
        TrapCode::BadConversionToInteger => name.contains("Trunc"),
        TrapCode::Unreachable => name == "Unreachable",
        _ => false,
    }
}

#[test]
fn sites_point_to_their_instruction() {
    let compiler = CraneliftCompiler::new();
    let module = module(EVERYTHING);
    let mut seen = Vec::new();
    for way in Way::all() {
        for function in defined(&module) {
            let mut names = BTreeMap::new();
            // Where code of tiers that climb asks for the next one: at the first instruction of the function and of each loop.
            let (mut asks, mut is_first) = (BTreeSet::new(), true);
            walk(&module, function, |operator, position, _, _| {
                if is_first {
                    asks.insert(position);
                }
                is_first = matches!(operator, Operator::Loop { .. });
                let debug = format!("{operator:?}");
                let end = debug.find(' ').unwrap_or(debug.len());
                names.insert(position, debug[..end].to_string());
            });
            let code = way.compile(&compiler, &module, function, Entry::Start).expect("it compiles");
            for trap in code.traps {
                if trap.wasm == u32::MAX {
                    assert_eq!(trap.code, TrapCode::StackOverflow);
                    continue;
                }
                let name = names.get(&trap.wasm).unwrap_or_else(|| panic!("{trap:?} points into an instruction"));
                assert!(may_trap(name, trap.code), "{way:?}: {name} has {trap:?}");
                seen.push(trap.code);
            }
            for site in code.call_sites {
                let name = names.get(&site.wasm).unwrap_or_else(|| panic!("{site:?} points into an instruction"));
                let rounds = ["Ceil", "Floor", "Trunc", "Nearest"].iter().any(|suffix| name.ends_with(suffix));
                let calls = ["Call", "Memory", "Table", "Data", "Elem", "RefFunc"].iter().any(|prefix| name.starts_with(prefix));
                let climbs = matches!(way.tier, Tier::T2 | Tier::T3) && asks.contains(&site.wasm);
                assert!(calls || rounds || climbs, "{way:?}: {name} has {site:?}");
            }
        }
    }
    for code in [TrapCode::MemoryOutOfBounds, TrapCode::TableOutOfBounds, TrapCode::BadSignature, TrapCode::IntegerDivisionByZero] {
        assert!(seen.contains(&code), "no {code:?} was seen");
    }
}

#[test]
fn each_trap_has_its_site() {
    let compiler = CraneliftCompiler::new();
    for (body, expected) in [
        ("unreachable", vec![TrapCode::Unreachable]),
        ("i32.const 1 local.get 0 i32.div_u drop", vec![TrapCode::IntegerDivisionByZero]),
        ("f64.const 1e99 i32.trunc_f64_s drop", vec![TrapCode::IntegerOverflow, TrapCode::BadConversionToInteger]),
        ("local.get 0 i32.load drop", vec![TrapCode::MemoryOutOfBounds]),
        ("local.get 0 call_indirect", vec![TrapCode::TableOutOfBounds, TrapCode::IndirectCallToNull, TrapCode::BadSignature]),
    ] {
        let module = module(&format!("(module (memory 1) (table 1 funcref) (func (param i32) {body}))"));
        for tier in Tier::ALL {
            for way in Way::all().into_iter().filter(|way| way.tier == *tier) {
                let code = way.compile(&compiler, &module, FuncIndex(0), Entry::Start).expect("it compiles");
                for trap in &expected {
                    assert!(code.traps.iter().any(|site| site.code == *trap), "{body}, {way:?}: no {trap:?} in {:?}", code.traps);
                }
            }
        }
    }
}

#[test]
fn calls_are_direct_only_where_allowed() {
    let compiler = CraneliftCompiler::new();
    // What ends in a tail call is not inlined.
    let module = module("(module (import \"\" \"\" (func)) (func call 0 call 2) (func return_call 2))");
    for tier in Tier::ALL {
        let mut way = Way::plain(*tier);
        // That by which the function asks for its next tier at its start.
        let asking = usize::from(matches!(tier, Tier::T2 | Tier::T3));
        let through_table = way.compile(&compiler, &module, FuncIndex(1), Entry::Start).expect("it compiles");
        assert_eq!((through_table.relocations.len(), through_table.call_sites.len()), (0, 2 + asking));
        way.direct = true;
        let direct = way.compile(&compiler, &module, FuncIndex(1), Entry::Start).expect("it compiles");
        assert_eq!((direct.relocations.len(), direct.call_sites.len()), (1, 2 + asking));
        assert_eq!((direct.relocations[0].target, direct.relocations[0].addend), (FuncIndex(2), -4));
    }
}

#[test]
fn imported_functions_have_no_code() {
    let module = module("(module (import \"\" \"\" (func)))");
    let made = Way::plain(Tier::A1).compile(&CraneliftCompiler::new(), &module, FuncIndex(0), Entry::Start);
    assert!(matches!(made, Err(CompileError::Internal { function: FuncIndex(0), .. })), "{made:?}");
}
