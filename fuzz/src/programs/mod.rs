//! Programs that look like compiled ones: typed expressions over locals, bounded loops, calls through tables, addresses that mostly lie in memory. What
//! wasm-smith seldom reaches (long runs, loops entered with operands on the stack, sign extension of real data) is common here.
//!
//! `Plan` fixes what functions know of each other; [`body`] writes one function, [`effects`] what in it
//! reaches beyond it; [`ops`] lists instructions by type.

mod body;
mod effects;
mod ops;

use crate::case::{Case, FUEL};
use crate::rng::Rng;
use anyhow::Result;
use ops::TYPES;
use std::borrow::Cow;
use wasm_encoder::*;

/// Elements of the table; some are null.
pub const TABLE_LEN: u64 = 16;
/// Length of each passive segment.
pub const SEGMENT_LEN: u32 = 64;
/// Bytes of the memory that are not zero.
const DATA_LEN: usize = 0x1000;
pub const PAGES: u64 = 1;
pub const MAX_PAGES: u64 = 4;

/// A function's type.
#[derive(Clone, Debug)]
pub struct Signature {
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// What a module consists of, before the bodies. Function and type indices are those of the module.
#[derive(Clone, Debug)]
pub struct Plan {
    pub types: Vec<Signature>,
    /// Imported functions, which come first.
    pub imports: Vec<u32>,
    /// Type of each function, imported ones included.
    pub functions: Vec<u32>,
    /// Mutable globals; the last one is the step counter.
    pub globals: Vec<ValType>,
    /// Functions in the table, by element.
    pub table: Vec<Option<u32>>,
}

impl Plan {
    fn new(rng: &mut Rng) -> Plan {
        let types: Vec<Signature> = (0..rng.range(2, 5)).map(|_| signature(rng)).collect();
        let any_type = |rng: &mut Rng| rng.below(types.len() as u64) as u32;
        let imports: Vec<u32> = (0..if rng.one_in(3) { rng.range(1, 2) } else { 0 }).map(|_| any_type(rng)).collect();
        let mut functions = imports.clone();
        functions.extend((0..rng.range(2, 7)).map(|_| any_type(rng)));
        let mut globals: Vec<ValType> = (0..rng.range(1, 5)).map(|_| *rng.pick(TYPES)).collect();
        globals.push(ValType::I32);
        let count = functions.len() as u64;
        let table = (0..TABLE_LEN).map(|_| (!rng.one_in(8)).then(|| rng.below(count) as u32)).collect();
        Plan { types, imports, functions, globals, table }
    }

    pub fn signature(&self, function: u32) -> &Signature {
        &self.types[self.functions[function as usize] as usize]
    }

    /// The global that holds the steps left.
    pub fn fuel(&self) -> u32 {
        self.globals.len() as u32 - 1
    }
}

fn signature(rng: &mut Rng) -> Signature {
    let most = if rng.one_in(8) { 14 } else { 4 };
    let params = (0..rng.below(most)).map(|_| *rng.pick(TYPES)).collect();
    let results = if rng.one_in(4) { rng.range(2, 5) } else { rng.range(0, 1) };
    Signature { params, results: (0..results).map(|_| *rng.pick(TYPES)).collect() }
}

/// The case of a seed.
pub fn case(seed: u64) -> Result<Case> {
    let mut rng = Rng::new(seed);
    let plan = Plan::new(&mut rng);
    let wasm = module(&plan, &mut rng);
    let fuel = rng.range(10, 300) as i32;
    Case::new(wasm, 3, fuel, &mut rng)
}

fn module(plan: &Plan, rng: &mut Rng) -> Vec<u8> {
    let (mut types, mut imports, mut functions) = (TypeSection::new(), ImportSection::new(), FunctionSection::new());
    for ty in &plan.types {
        types.ty().function(ty.params.iter().copied(), ty.results.iter().copied());
    }
    for (at, &ty) in plan.imports.iter().enumerate() {
        imports.import("host", &format!("h{at}"), EntityType::Function(ty));
    }
    for &ty in &plan.functions[plan.imports.len()..] {
        functions.function(ty);
    }
    let mut code = CodeSection::new();
    for function in plan.imports.len()..plan.functions.len() {
        code.function(&body::function(plan, function as u32, rng));
    }
    let mut module = Module::new();
    module.section(&types);
    module.section(&imports);
    module.section(&functions);
    state(&mut module, plan, rng);
    module.section(&code);
    module.section(&data(rng));
    module.finish()
}

/// The sections between functions and code.
fn state(module: &mut Module, plan: &Plan, rng: &mut Rng) {
    let mut tables = TableSection::new();
    let maximum = Some(TABLE_LEN * 2);
    tables.table(TableType { element_type: RefType::FUNCREF, table64: false, minimum: TABLE_LEN, maximum, shared: false });
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: PAGES, maximum: Some(MAX_PAGES), memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    for &val_type in &plan.globals {
        globals.global(GlobalType { val_type, mutable: true, shared: false }, &constant(val_type, rng));
    }
    let mut exports = ExportSection::new();
    for function in plan.imports.len()..plan.functions.len() {
        exports.export(&format!("f{function}"), ExportKind::Func, function as u32);
    }
    for global in 0..plan.fuel() {
        exports.export(&format!("g{global}"), ExportKind::Global, global);
    }
    exports.export(FUEL, ExportKind::Global, plan.fuel());
    exports.export("memory", ExportKind::Memory, 0).export("table", ExportKind::Table, 0);
    let mut elements = ElementSection::new();
    let items: Vec<ConstExpr> =
        plan.table.iter().map(|item| item.map_or(ConstExpr::ref_null(HeapType::FUNC), ConstExpr::ref_func)).collect();
    elements.active(None, &ConstExpr::i32_const(0), Elements::Expressions(RefType::FUNCREF, Cow::Borrowed(&items)));
    elements.passive(Elements::Functions(Cow::Owned((0..plan.functions.len() as u32).collect())));
    module.section(&tables).section(&memories).section(&globals).section(&exports).section(&elements);
    module.section(&DataCountSection { count: 2 });
}

fn data(rng: &mut Rng) -> DataSection {
    let mut data = DataSection::new();
    // What is loaded from most addresses has any bits.
    data.active(0, &ConstExpr::i32_const(0), rng.bytes(DATA_LEN));
    data.passive(rng.bytes(SEGMENT_LEN as usize));
    data
}

fn constant(ty: ValType, rng: &mut Rng) -> ConstExpr {
    match ty {
        ValType::I64 => ConstExpr::i64_const(rng.number() as i64),
        ValType::F32 => ConstExpr::f32_const((rng.below(2000) as f32 / 16.0).into()),
        ValType::F64 => ConstExpr::f64_const((rng.below(2000) as f64 / 16.0).into()),
        _ => ConstExpr::i32_const(rng.below(1000) as i32),
    }
}
