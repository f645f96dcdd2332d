//! The sections of a generated program, from its plan and its bodies.

use super::plan::{Elements, MAX_PAGES, Memory, PAGES, Plan, TABLE_LEN};
use super::{SEGMENT_LEN, body};
use crate::case::FUEL;
use crate::rng::Rng;
use std::borrow::Cow;
use wasm_encoder::*;

/// Bytes of each memory that are not zero.
const DATA_LEN: usize = 0x1000;

/// The module that the host of cases gives instances of; functions of other modules come from the host itself.
const PROVIDER: &str = "env";

/// Writes the module. Bodies come first: they add types.
pub fn encode(plan: &Plan, rng: &mut Rng) -> Vec<u8> {
    let mut code = CodeSection::new();
    let mut functions = FunctionSection::new();
    for function in plan.imports.len()..plan.functions.len() {
        code.function(&body::function(plan, function as u32, rng));
        functions.function(plan.functions[function]);
    }
    let imports = imports(plan, rng);
    let tags = tags(plan);
    let mut types = TypeSection::new();
    for ty in plan.types() {
        types.ty().function(ty.params, ty.results);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables(plan)).section(&memories(plan));
    if plan.language.exceptions {
        module.section(&tags);
    }
    module.section(&globals(plan, rng)).section(&exports(plan)).section(&elements(plan));
    module.section(&DataCountSection { count: plan.memories.len() as u32 + 1 });
    module.section(&code);
    module.section(&data(plan, rng));
    module.finish()
}

fn imports(plan: &Plan, rng: &mut Rng) -> ImportSection {
    let mut imports = ImportSection::new();
    let provided = plan.imports_global || plan.memories[0].imported || plan.tables[0].imported;
    for (at, &ty) in plan.imports.iter().enumerate() {
        let from = if provided && rng.one_in(2) { PROVIDER } else { "host" };
        imports.import(from, &format!("h{at}"), EntityType::Function(ty));
    }
    if plan.memories[0].imported {
        imports.import(PROVIDER, "memory", EntityType::Memory(memory_type(&plan.memories[0])));
    }
    if plan.tables[0].imported {
        imports.import(PROVIDER, "table", EntityType::Table(table_type(plan, 0)));
    }
    if plan.imports_global {
        let ty = GlobalType { val_type: plan.globals[0], mutable: true, shared: false };
        imports.import(PROVIDER, "global", EntityType::Global(ty));
    }
    if plan.imports_tag {
        let func_type_idx = plan.type_index(&plan.tags[0], &[]);
        imports.import(PROVIDER, "tag", EntityType::Tag(TagType { kind: TagKind::Exception, func_type_idx }));
    }
    imports
}

fn memory_type(memory: &Memory) -> MemoryType {
    MemoryType { minimum: PAGES, maximum: Some(MAX_PAGES), memory64: memory.is_64, shared: false, page_size_log2: None }
}

fn table_type(plan: &Plan, at: usize) -> TableType {
    let table = &plan.tables[at];
    let maximum = Some(TABLE_LEN * 2);
    TableType { element_type: table.elements.ty(), table64: table.is_64, minimum: TABLE_LEN, maximum, shared: false }
}

fn tables(plan: &Plan) -> TableSection {
    let mut tables = TableSection::new();
    for at in (0..plan.tables.len()).filter(|&at| !plan.tables[at].imported) {
        tables.table(table_type(plan, at));
    }
    tables
}

fn memories(plan: &Plan) -> MemorySection {
    let mut memories = MemorySection::new();
    for memory in plan.memories.iter().filter(|memory| !memory.imported) {
        memories.memory(memory_type(memory));
    }
    memories
}

fn tags(plan: &Plan) -> TagSection {
    let mut tags = TagSection::new();
    for payload in &plan.tags[usize::from(plan.imports_tag)..] {
        tags.tag(TagType { kind: TagKind::Exception, func_type_idx: plan.type_index(payload, &[]) });
    }
    tags
}

fn globals(plan: &Plan, rng: &mut Rng) -> GlobalSection {
    let mut globals = GlobalSection::new();
    for &val_type in &plan.globals[usize::from(plan.imports_global)..] {
        globals.global(GlobalType { val_type, mutable: true, shared: false }, &constant(val_type, rng));
    }
    globals
}

fn exports(plan: &Plan) -> ExportSection {
    let mut exports = ExportSection::new();
    for function in plan.imports.len()..plan.functions.len() {
        exports.export(&format!("f{function}"), ExportKind::Func, function as u32);
    }
    for global in 0..plan.fuel() {
        exports.export(&format!("g{global}"), ExportKind::Global, global);
    }
    exports.export(FUEL, ExportKind::Global, plan.fuel());
    for at in 0..plan.memories.len() {
        exports.export(&format!("m{at}"), ExportKind::Memory, at as u32);
    }
    // Cases have no values of the type of a typed table.
    for at in (0..plan.tables.len()).filter(|&at| !matches!(plan.tables[at].elements, Elements::Typed(_))) {
        exports.export(&format!("t{at}"), ExportKind::Table, at as u32);
    }
    exports
}

/// An active segment for each table of functions, in their order, and at last a passive one of all functions, which also makes them referable.
fn elements(plan: &Plan) -> ElementSection {
    let mut elements = ElementSection::new();
    for (at, table) in plan.tables.iter().enumerate().filter(|(_, table)| table.elements != Elements::Extern) {
        let ty = table.elements.ty();
        let item = |item: &Option<u32>| item.map_or(ConstExpr::ref_null(ty.heap_type), ConstExpr::ref_func);
        let items: Vec<ConstExpr> = table.items.iter().map(item).collect();
        let offset = if table.is_64 { ConstExpr::i64_const(0) } else { ConstExpr::i32_const(0) };
        elements.active(Some(at as u32), &offset, wasm_encoder::Elements::Expressions(ty, Cow::Borrowed(&items)));
    }
    elements.passive(wasm_encoder::Elements::Functions(Cow::Owned((0..plan.functions.len() as u32).collect())));
    elements
}

/// The index of the passive segment of functions.
pub fn passive_elements(plan: &Plan) -> u32 {
    plan.tables.iter().filter(|table| table.elements != Elements::Extern).count() as u32
}

/// An active segment for each memory, and at last a passive one.
fn data(plan: &Plan, rng: &mut Rng) -> DataSection {
    let mut data = DataSection::new();
    for (at, memory) in plan.memories.iter().enumerate() {
        // What is loaded from most addresses has any bits.
        let offset = if memory.is_64 { ConstExpr::i64_const(0) } else { ConstExpr::i32_const(0) };
        data.active(at as u32, &offset, rng.bytes(DATA_LEN));
    }
    data.passive(rng.bytes(SEGMENT_LEN as usize));
    data
}

fn constant(ty: ValType, rng: &mut Rng) -> ConstExpr {
    match ty {
        ValType::I64 => ConstExpr::i64_const(rng.number() as i64),
        ValType::F32 => ConstExpr::f32_const((rng.below(2000) as f32 / 16.0).into()),
        ValType::F64 => ConstExpr::f64_const((rng.below(2000) as f64 / 16.0).into()),
        ValType::V128 => ConstExpr::v128_const(i128::from(rng.below(1 << 40)) << 20),
        ValType::Ref(ty) => ConstExpr::ref_null(ty.heap_type),
        ValType::I32 => ConstExpr::i32_const(rng.below(1000) as i32),
    }
}
