//! What the parser writes for each kind of section, read back through the view.

use trjit_module::flat::{ConstExpr, HandlerRecord, MemoryRecord, kind, mode};
use trjit_module::wasmparser::Operator;
use trjit_module::{Digest, FuncIndex, Module, TableIndex, ValType, body_reader};

const TEXT: &str = r#"(module $rich
    (import "env" "f" (func $f (param i32 f64)))
    (import "env" "t" (table 1 2 funcref))
    (import "env" "g" (global i64))
    (func $first (result externref) (ref.null extern))
    (table $u 3 externref)
    (memory (export "mem") 1 2)
    (global $i (mut i32) (i32.const -1))
    (global $d (export "d") f64 (f64.const 1.5))
    (global $copy i64 (global.get 0))
    (global $r funcref (ref.func $first))
    (start $main)
    (elem (table 0) (i32.const -2) func $f $main)
    (elem declare func $main)
    (elem $p funcref (ref.null func) (ref.func $f))
    (data (i32.const 8) "hello")
    (data "passive")
    (func $main (export "main") (export "again") (local i64 i64) (call $f (i32.const 7) (f64.const 0))))"#;

fn rich() -> (Vec<u8>, Module) {
    let wasm = wat::parse_str(TEXT).expect("the test's text is well-formed");
    let module = Module::parse(wasm.clone()).expect("valid");
    (wasm, module)
}

fn constant(value: u64) -> ConstExpr {
    ConstExpr { kind: ConstExpr::CONST, reserved: 0, value }
}

fn reference(function: u64) -> ConstExpr {
    ConstExpr { kind: ConstExpr::REF_FUNC, reserved: 0, value: function }
}

#[test]
fn imports_and_exports() {
    let (_, module) = rich();
    let imports: Vec<_> = module
        .imports()
        .iter()
        .map(|import| (module.string(import.module), module.string(import.name), import.kind, import.index))
        .collect();
    assert_eq!(imports, [("env", "f", kind::FUNC, 0), ("env", "t", kind::TABLE, 0), ("env", "g", kind::GLOBAL, 0)]);
    let exports: Vec<_> = module.exports().iter().map(|export| (module.string(export.name), export.kind, export.index)).collect();
    assert_eq!(exports, [("mem", kind::MEMORY, 0), ("d", kind::GLOBAL, 2), ("main", kind::FUNC, 2), ("again", kind::FUNC, 2)]);
    let header = module.header();
    assert_eq!((header.imported_functions, header.imported_tables, header.imported_memories, header.imported_globals), (1, 1, 0, 1));
}

#[test]
fn functions_types_and_names() {
    let (wasm, module) = rich();
    assert_eq!((module.function_count(), module.functions().len(), module.start()), (3, 2, Some(FuncIndex(2))));
    let types: Vec<String> = (0..3).map(|function| module.func_type(module.type_of(FuncIndex(function))).to_string()).collect();
    assert_eq!(types, ["(param i32 f64)", "(result externref)", "(func)"]);
    assert_eq!((module.func_name(FuncIndex(0)), module.func_name(FuncIndex(2))), (Some("f"), Some("main")));
    assert_eq!(module.string(module.header().name), "rich");
    assert_eq!((module.digest(), module.header().wasm_len), (Digest::of(&wasm), wasm.len() as u64));
    let record = module.function(FuncIndex(2)).expect("defined");
    assert_eq!((record.locals, record.frame_slots), (2, 4));
    assert_eq!(wasm[module.wasm_offset(record.code_start) as usize], 0x41, "i32.const");
    assert!(module.function(FuncIndex(0)).is_none());
}

#[test]
fn memories_tables_and_globals() {
    let (_, module) = rich();
    let MemoryRecord { flags, has_max, min, max } = module.memories()[0];
    assert_eq!((flags, has_max, min, max), (0, 1, 1, 2));
    let tables: Vec<_> = module.tables().iter().map(|table| (table.has_max, table.min, table.max)).collect();
    assert_eq!(tables, [(1, 1, 2), (0, 3, 0)]);
    assert_eq!((module.table_type(TableIndex(0)), module.table_type(TableIndex(1))), (ValType::FUNCREF, ValType::EXTERNREF));
    let globals: Vec<_> = module.globals().iter().skip(1).map(|global| (global.ty, global.mutable, global.init)).collect();
    let get = ConstExpr { kind: ConstExpr::GLOBAL_GET, reserved: 0, value: 0 };
    let expected = [
        (ValType::I32.code(), 1, constant(0xffff_ffff)),
        (ValType::F64.code(), 0, constant(1.5f64.to_bits())),
        (ValType::I64.code(), 0, get),
        (ValType::FUNCREF.code(), 0, reference(1)),
    ];
    assert_eq!(globals, expected);
}

#[test]
fn segments() {
    let (_, module) = rich();
    let elems: Vec<_> = module.elems().iter().map(|elem| (elem.mode, elem.offset, module.elem_items(elem).to_vec())).collect();
    let expected = [
        (mode::ACTIVE, constant(0xffff_fffe), vec![reference(0), reference(2)]),
        (mode::DECLARED, ConstExpr::NULL, vec![reference(2)]),
        (mode::PASSIVE, ConstExpr::NULL, vec![ConstExpr::NULL, reference(0)]),
    ];
    assert_eq!(elems, expected);
    let data: Vec<_> = module.data_segments().iter().map(|segment| (segment.mode, segment.offset, module.data_bytes(segment))).collect();
    assert_eq!(data, [(mode::ACTIVE, constant(8), &b"hello"[..]), (mode::PASSIVE, ConstExpr::NULL, &b"passive"[..])]);
}

#[test]
fn code_and_data_share_the_wasm_bytes() {
    let wasm = bytes::Bytes::from(rich().0);
    let module = Module::parse(wasm.clone()).expect("valid");
    let inside = |part: &[u8]| wasm.as_ptr_range().contains(&part.as_ptr());
    assert!(inside(&module.code().expect("whole")) && inside(module.data()));
    assert_eq!(module.flat_bytes().as_ptr().addr() % 8, 0);
}

#[test]
fn bodies_are_read_with_positions_in_the_code() {
    let (_, module) = rich();
    for record in module.functions() {
        let body = body_reader(&module, record).expect("a body");
        let operators = body.get_operators_reader().expect("operators");
        assert_eq!(operators.original_position(), record.code_start.into());
        let last = operators.into_iter_with_offsets().last().expect("an end").expect("parses");
        assert_eq!(last, (Operator::End, u64::from(record.body.offset + record.body.len - 1)));
        assert_eq!(module.code().expect("whole")[last.1 as usize], 0x0b);
    }
}

#[test]
fn the_flat_form_is_the_module() {
    let (_, module) = rich();
    let code = module.code().expect("whole");
    let again = Module::from_flat(module.flat_bytes().clone(), code, module.data().clone()).expect("the same bytes");
    for record in module.functions() {
        let [one, other] = [&module, &again].map(|module| module.body(record).expect("a body"));
        assert_eq!((one.code, one.side_table, one.handlers), (other.code, other.side_table, other.handlers));
    }
    assert_eq!(again.func_name(FuncIndex(2)), Some("main"));
    assert_eq!(module.flat_bytes(), Module::parse(rich().0).expect("valid").flat_bytes(), "same input, same bytes");
}

#[test]
fn empty_module() {
    let module = Module::parse(&b"\0asm\x01\0\0\0"[..]).expect("valid");
    assert_eq!((module.function_count(), module.code_len(), module.data().len(), module.start()), (0, 0, 0, None));
}

#[test]
fn malformed_name_section_is_ignored() {
    let mut wasm = wat::parse_str("(module $name (func $f))").expect("well-formed");
    let at = wasm.windows(5).position(|bytes| bytes == b"\x04name").expect("the name section is there") + 5;
    assert_eq!(Module::parse(wasm.clone()).expect("valid").func_name(FuncIndex(0)), Some("f"));
    // The first subsection now claims to be longer than its section.
    wasm[at + 1] = 0x7f;
    let module = Module::parse(wasm).expect("valid all the same");
    assert_eq!((module.func_name(FuncIndex(0)), module.string(module.header().name)), (None, ""));
}

#[test]
fn handlers_of_inner_blocks_come_first() {
    let wasm = wat::parse_str(
        "(module (tag $a (param i32)) (tag $b)
            (func (result i32) (local i64)
                (block $outer (result i32)
                    (block $inner
                        (try_table (catch $a $outer) (catch_all $inner)
                            (try_table (catch $b $inner) nop)
                            (throw $b)))
                    (i32.const 1))))",
    );
    let module = Module::parse(wasm.expect("well-formed")).expect("valid");
    let record = module.functions()[0];
    let body = module.body(&record).expect("a body");
    let handlers = body.handlers;
    assert_eq!((record.handlers_start, record.handlers_len), (0, 3));
    let kinds: Vec<_> = handlers.iter().map(|handler| (handler.kind, handler.tag, handler.entry)).collect();
    assert_eq!(kinds, [(HandlerRecord::CATCH, 1, 2), (HandlerRecord::CATCH, 0, 0), (HandlerRecord::CATCH_ALL, 0, 1)]);
    let instructions = &body.code[(record.code_start - record.body.offset) as usize..];
    for handler in handlers {
        assert_eq!((instructions[handler.at as usize], instructions[handler.end as usize]), (0x1f, 0x0b));
        assert!(handler.at < handler.start && handler.start < handler.end);
    }
    assert!(handlers[1].start <= handlers[0].at && handlers[0].end < handlers[1].end);
    let entry = body.side_table[0];
    assert_eq!((entry.keep, entry.height), (1, 1), "the clause carries the payload to the bottom of the operand stack");
    assert_eq!(
        instructions[(handlers[1].at as i32 + entry.delta_ip) as usize],
        0x0b,
        "behind the end of $outer comes that of the function"
    );
}

#[test]
fn long_constant_expressions_stand_apart() {
    let wasm = wat::parse_str(
        "(module (import \"m\" \"g\" (global $g i32)) (global i32 (i32.add (global.get $g) (i32.mul (i32.const 2) (i32.const 3))))
            (global v128 (v128.const i64x2 1 2)))",
    );
    let module = Module::parse(wasm.expect("well-formed")).expect("valid");
    let ops: Vec<_> = module.const_ops(&module.globals()[1].init).iter().map(|op| (op.kind, op.value)).collect();
    use ConstExpr as C;
    assert_eq!(ops, [(C::GLOBAL_GET, 0), (C::CONST, 2), (C::CONST, 3), (C::I32_MUL, 0), (C::I32_ADD, 0)]);
    let v128 = &module.globals()[2].init;
    assert_eq!(v128.kind, C::V128);
    assert_eq!(module.const_ops(v128).iter().map(|op| op.value).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(module.slot_words(), 2);
}
