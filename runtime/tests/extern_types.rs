//! What a module tells of its imports and exports before it is instantiated.

use trjit_module::{RefType, ValType};
use trjit_runtime::*;

#[test]
fn imports_and_exports_have_names_and_types() -> Result<(), Box<dyn std::error::Error>> {
    let text = r#"(module
        (import "a" "f" (func (param i32 v128) (result f64)))
        (import "a" "t" (table i64 3 9 externref))
        (import "b" "m" (memory i64 1 2))
        (import "b" "s" (memory 1 2 shared))
        (import "c" "g" (global (mut i64)))
        (import "c" "e" (tag (param f32)))
        (func (export "own") (result i32) (i32.const 0))
        (export "f again" (func 0)) (export "m" (memory 1)) (export "e" (tag 0))
        (global (export "constant") f32 (f32.const 1))
        (table (export "own table") 0 funcref))"#;
    let module = Module::new(&Engine::new(Config::new()), wat::parse_str(text)?)?;
    let func = |params: &[ValType], results: &[ValType]| FuncType::new(params.iter().copied(), results.iter().copied());
    let f = ExternType::Func(func(&[ValType::I32, ValType::V128], &[ValType::F64]));
    let shared = ExternType::Memory(MemoryType { shared: true, ..MemoryType::new(1, Some(2)) });
    let e = ExternType::Tag(func(&[ValType::F32], &[]));
    let imports = [
        ("a", "f", f.clone()),
        ("a", "t", ExternType::Table(TableType { is_64: true, ..TableType::new(RefType::EXTERNREF, 3, Some(9)) })),
        ("b", "m", ExternType::Memory(MemoryType { is_64: true, ..MemoryType::new(1, Some(2)) })),
        ("b", "s", shared.clone()),
        ("c", "g", ExternType::Global(GlobalType::new(ValType::I64, true))),
        ("c", "e", e.clone()),
    ];
    let found: Vec<_> = module.imports().map(|import| (import.module, import.name, import.ty)).collect();
    assert_eq!(found, imports);
    let exports = [
        ("own", ExternType::Func(func(&[], &[ValType::I32]))),
        ("f again", f),
        ("m", shared),
        ("e", e),
        ("constant", ExternType::Global(GlobalType::new(ValType::F32, false))),
        ("own table", ExternType::Table(TableType::new(RefType::FUNCREF, 0, None))),
    ];
    let found: Vec<_> = module.exports().map(|export| (export.name, export.ty)).collect();
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<std::collections::BTreeSet<_>>().len(), 6);
    for (name, ty) in exports {
        assert!(found.contains(&(name, ty.clone())), "{name}: {found:?}");
        assert_eq!(module.get_export(name), Some(ty));
    }
    assert_eq!(module.get_export("nothing"), None);
    Ok(())
}
