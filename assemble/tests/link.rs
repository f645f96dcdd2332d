//! Phases 3 and 4: objects that other tools can read, and a text in which every call reaches its callee.

mod common;

use common::{CALL, SETTINGS, Scripted, functions};
use object::write::{Object as ObjectBuilder, Relocation, StandardSection, Symbol, SymbolSection};
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, SymbolFlags, SymbolKind, SymbolScope, elf};
use std::collections::HashMap;
use trjit_assemble::compile_all::{Job, compile_all};
use trjit_assemble::emit::{Emitted, Tables, emit};
use trjit_assemble::link::{LinkError, link};
use trjit_assemble::plan::{Plan, Planned};
use trjit_assemble::progress::Silent;
use trjit_assemble::tunables::UNITS_PER_OBJECT;
use trjit_assemble::unit::{Unit, from_symbol};
use trjit_cache_format::{CodeItem, Edge, LinkedText};
use trjit_code::{CpuFeatures, LAZY_STUB_CODE, NoCounts, Tier, TrapSite};
use trjit_module::{FuncIndex, TrapCode};

/// Each function calls the next and the first.
fn units(count: u32) -> Vec<Unit> {
    let module = functions(count as usize);
    let calls = (0..count).map(|function| (function, vec![(function + 1) % count, 0])).collect::<HashMap<_, _>>();
    let script = Scripted { calls, ..Scripted::default() };
    // Last first, so that the order of the text differs from the order of indices.
    let functions = (0..count).rev().map(|function| Planned { function: FuncIndex(function), tier: Tier::Ap4 }).collect();
    let job = Job { module: &module, settings: SETTINGS, compiler: &script, counts: &NoCounts, progress: &Silent };
    compile_all(job, &Plan { functions }).expect("the script compiles").units
}

fn linked(units: &[Unit]) -> LinkedText {
    link(&emit(units.to_vec(), &Silent).expect("objects are written")).expect("objects link")
}

#[test]
fn objects_are_ordinary_elf() {
    let units = units(3);
    let emitted = emit(units.clone(), &Silent).expect("objects are written");
    assert_eq!(emitted.objects.len(), 1);
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&emitted.objects[0][..]).expect("an ELF file");
    assert_eq!((file.architecture(), file.kind()), (object::Architecture::X86_64, object::ObjectKind::Relocatable));
    for unit in &units {
        let symbol = file.symbols().find(|symbol| symbol.name().ok().and_then(from_symbol) == Some(unit.what)).expect("a symbol a unit");
        let section = file.section_by_index(symbol.section_index().expect("a definition")).expect("its section");
        assert_eq!(section.data().expect("code"), unit.code.bytes);
        assert_eq!(section.relocations().count(), unit.code.relocations.len());
    }
}

#[test]
fn the_text_is_in_plan_order_and_calls_arrive() {
    let count = 2 * UNITS_PER_OBJECT as u32 + 10;
    let units = units(count);
    let text = linked(&units);
    assert!(text.bytes.starts_with(&LAZY_STUB_CODE));
    assert_eq!(text.functions.iter().map(|placed| placed.what).collect::<Vec<_>>(), units.iter().map(|unit| unit.what).collect::<Vec<_>>());
    let at: HashMap<CodeItem, u32> = text.functions.iter().map(|placed| (placed.what, placed.offset)).collect();
    for function in 0..count {
        let start = at[&CodeItem::Function(FuncIndex(function))];
        for (call, callee) in [(function + 1) % count, 0].into_iter().enumerate() {
            let next = start as usize + (call + 1) * CALL;
            let displacement = i32::from_le_bytes(text.bytes[next - 4..next].try_into().expect("four bytes"));
            assert_eq!(next as i64 + i64::from(displacement), i64::from(at[&CodeItem::Function(FuncIndex(callee))]));
        }
    }
    text.check(&functions(count as usize), CpuFeatures::NONE).expect("what the writer asks for holds");
}

#[test]
fn tables_are_moved_with_the_code() {
    let text = linked(&units(4));
    assert!(text.traps.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    assert!(text.calls.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    for placed in &text.functions {
        let CodeItem::Function(function) = placed.what else { continue };
        let trap = placed.offset + 2 * CALL as u32;
        assert!(text.traps.contains(&TrapSite { offset: trap, code: TrapCode::Unreachable, wasm: function.0 }));
        assert_eq!(text.bytes[trap as usize..][..2], [0x0f, 0x0b]);
    }
    let edge = |caller, callee| Edge { caller: FuncIndex(caller), callee: FuncIndex(callee) };
    assert_eq!(text.edges, [edge(0, 0), edge(0, 1), edge(1, 0), edge(1, 2), edge(2, 0), edge(2, 3), edge(3, 0)]);
}

#[test]
fn an_empty_plan_links() {
    assert_eq!(linked(&[]).bytes, LAZY_STUB_CODE);
}

#[test]
fn a_call_of_what_is_not_there_is_refused() {
    let mut units = units(3);
    units.remove(0);
    let error = link(&emit(units, &Silent).expect("objects are written")).expect_err("function 2 is missing");
    assert_eq!(error.to_string(), "function 1 calls function 2, which has no code in this text");
}

#[test]
fn a_missing_and_a_repeated_unit_are_refused() {
    let mut emitted = emit(units(2), &Silent).expect("objects are written");
    emitted.objects.push(emitted.objects[0].clone());
    assert!(matches!(link(&emitted), Err(LinkError::Count { found: 2, .. })));
    emitted.objects.clear();
    assert!(matches!(link(&emitted), Err(LinkError::Count { found: 0, .. })));
}

/// An object of our own making: one function with one relocation.
fn forged(symbol: &str, target: &str, r_type: elf::RelocationType) -> Emitted {
    let mut file = ObjectBuilder::new(object::BinaryFormat::Elf, object::Architecture::X86_64, object::Endianness::Little);
    let mut add = |name: &str| {
        let (name, flags) = (name.as_bytes().to_vec(), SymbolFlags::None);
        let (kind, scope, section) = (SymbolKind::Text, SymbolScope::Dynamic, SymbolSection::Undefined);
        file.add_symbol(Symbol { name, value: 0, size: 0, kind, scope, weak: false, section, flags })
    };
    let (defined, target) = (add(symbol), add(target));
    let section = file.add_subsection(StandardSection::Text, b"one");
    file.add_symbol_data(defined, section, &[0x90; 16], 16);
    let relocation = Relocation { offset: 0, symbol: target, addend: 0, flags: RelocationFlags::Elf { r_type } };
    file.add_relocation(section, relocation).expect("the offset is inside");
    let tables = Tables {
        what: CodeItem::Function(FuncIndex(1)),
        tier: Some(Tier::Ap4),
        features: CpuFeatures::NONE,
        traps: Vec::new(),
        call_sites: Vec::new(),
        inlined: Vec::new(),
        handlers: vec![],
    };
    Emitted { objects: vec![file.write().expect("an object")], tables: vec![tables] }
}

#[test]
fn only_calls_of_functions_are_relocated() {
    let refused = |target, r_type| link(&forged("function.1", target, r_type)).expect_err("refused").to_string();
    assert_eq!(
        refused("function.2", elf::R_X86_64_64),
        "function 1 has a relocation of ELF type 1 of X86_64, expected a PC-relative call of a function"
    );
    assert!(refused("memcpy", elf::R_X86_64_PLT32).contains("target 'memcpy'"));
    assert!(refused("to_native.0", elf::R_X86_64_PLT32).contains("target 'to_native.0'"));
    assert!(refused("function.2", elf::R_X86_64_GOTPCREL).contains("relocation of ELF type 9 "));
    let error = link(&forged("main", "function.1", elf::R_X86_64_PLT32)).expect_err("refused").to_string();
    assert_eq!(error, "object 0: 'main' is not the name of a function or trampoline");
}

#[test]
fn damaged_objects_are_refused() {
    let emitted = emit(units(3), &Silent).expect("objects are written");
    let whole = &emitted.objects[0];
    for len in (0..whole.len()).step_by(7) {
        let cut = Emitted { objects: vec![whole[..len].to_vec()], tables: emitted.tables.clone() };
        assert!(link(&cut).is_err(), "the first {len} of {} bytes link", whole.len());
    }
}

#[test]
fn a_forged_alignment_is_refused() {
    let mut emitted = forged("function.1", "function.1", elf::R_X86_64_PLT32);
    assert!(link(&emitted).is_ok());
    let bytes = &mut emitted.objects[0];
    // The alignment is the field at 48 of a section header of 64 bytes; the table's place is at 40 of the file header.
    let table = u64::from_le_bytes(bytes[40..48].try_into().expect("eight bytes")) as usize;
    for align in (table + 48..bytes.len() - 8).step_by(64) {
        if bytes[align..align + 8] == 16u64.to_le_bytes() {
            bytes[align..align + 8].copy_from_slice(&(1u64 << 63).to_le_bytes());
        }
    }
    assert!(matches!(link(&emitted), Err(LinkError::TooLarge { .. })));
}
