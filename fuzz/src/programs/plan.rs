//! What a generated program consists of before any body exists: the language it uses, and what its functions know of each other.
//!
//! Indices are those of the module. What is imported comes first in its index space, and is the first of its kind here.

use super::ops::NUMBERS;
use crate::rng::Rng;
use std::cell::RefCell;
use wasm_encoder::{HeapType, RefType, ValType};

/// Elements of each table; some are null.
pub const TABLE_LEN: u64 = 16;
/// Pages of a memory at first, and at most.
pub const PAGES: u64 = 1;
pub const MAX_PAGES: u64 = 4;

/// The parts of the language that one program uses.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    pub vectors: bool,
    pub relaxed: bool,
    pub exceptions: bool,
    pub tail_calls: bool,
    /// References to functions of one type.
    pub typed: bool,
    pub atomics: bool,
    /// References as locals, parameters and results.
    pub references: bool,
    /// More than one memory.
    pub memories: bool,
    /// 64-bit memories and tables.
    pub wide: bool,
}

impl Language {
    fn new(rng: &mut Rng) -> Language {
        let vectors = rng.one_in(3);
        Language {
            vectors,
            relaxed: vectors && rng.one_in(2),
            exceptions: rng.one_in(3),
            tail_calls: rng.one_in(2),
            typed: rng.one_in(5),
            atomics: rng.one_in(8),
            references: rng.one_in(3),
            memories: rng.one_in(4),
            wide: rng.one_in(4),
        }
    }

    /// The types of locals, parameters and results.
    fn values(&self) -> Vec<ValType> {
        let mut values = NUMBERS.to_vec();
        values.extend(self.vectors.then_some(ValType::V128));
        if self.references {
            values.extend([ValType::FUNCREF, ValType::EXTERNREF]);
        }
        values.extend(self.exceptions.then_some(ValType::EXNREF));
        values
    }
}

/// A function's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// A memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub is_64: bool,
    pub imported: bool,
}

/// What a table holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elements {
    /// Any functions.
    Functions,
    /// Functions of one type.
    Typed(u32),
    /// References of the host, all null at first.
    Extern,
}

impl Elements {
    pub fn ty(self) -> RefType {
        match self {
            Elements::Functions => RefType::FUNCREF,
            Elements::Extern => RefType::EXTERNREF,
            Elements::Typed(ty) => RefType { nullable: true, heap_type: HeapType::Concrete(ty) },
        }
    }
}

/// A table; its functions by element.
#[derive(Clone, Debug)]
pub struct Table {
    pub elements: Elements,
    pub is_64: bool,
    pub imported: bool,
    pub items: Vec<Option<u32>>,
}

/// The plan of a module.
#[derive(Clone, Debug)]
pub struct Plan {
    pub language: Language,
    /// The types of values that the program has.
    pub values: Vec<ValType>,
    /// Types by index. Those of functions first; bodies add those of their blocks.
    types: RefCell<Vec<Signature>>,
    /// Types of the imported functions.
    pub imports: Vec<u32>,
    /// Type of each function, imported ones included.
    pub functions: Vec<u32>,
    /// Mutable globals; the last one is the step counter.
    pub globals: Vec<ValType>,
    /// Whether the first global is imported.
    pub imports_global: bool,
    pub memories: Vec<Memory>,
    pub tables: Vec<Table>,
    /// What exceptions of each tag carry.
    pub tags: Vec<Vec<ValType>>,
    /// Whether the first tag is imported.
    pub imports_tag: bool,
}

impl Plan {
    pub fn new(rng: &mut Rng) -> Plan {
        let language = Language::new(rng);
        let values = language.values();
        let mut types: Vec<Signature> = Vec::new();
        for _ in 0..rng.range(2, 6) {
            let signature = signature(&types, &values, rng);
            types.push(signature);
        }
        let any_type = |rng: &mut Rng| rng.below(types.len() as u64) as u32;
        let imports: Vec<u32> = (0..if rng.one_in(3) { rng.range(1, 2) } else { 0 }).map(|_| any_type(rng)).collect();
        let mut functions = imports.clone();
        functions.extend((0..rng.range(2, 7)).map(|_| any_type(rng)));
        let mut globals: Vec<ValType> = (0..rng.range(1, 5)).map(|_| *rng.pick(&values)).collect();
        globals.push(ValType::I32);
        let memories = memories(&language, rng);
        let tables = tables(&language, &functions, rng);
        let tags = (0..if language.exceptions { rng.range(1, 3) } else { 0 }).map(|_| payload(&values, rng)).collect();
        let (imports_global, imports_tag) = (rng.one_in(4), language.exceptions && rng.one_in(4));
        Plan {
            language,
            values,
            types: RefCell::new(types),
            imports,
            functions,
            globals,
            imports_global,
            memories,
            tables,
            tags,
            imports_tag,
        }
    }

    pub fn signature(&self, function: u32) -> Signature {
        self.types.borrow()[self.functions[function as usize] as usize].clone()
    }

    /// All types, when the bodies are written.
    pub fn types(&self) -> Vec<Signature> {
        self.types.borrow().clone()
    }

    /// The index of a type, which is added where there is none.
    pub fn type_index(&self, params: &[ValType], results: &[ValType]) -> u32 {
        let wanted = Signature { params: params.to_vec(), results: results.to_vec() };
        let mut types = self.types.borrow_mut();
        let at = types.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            types.push(wanted);
            types.len() - 1
        });
        at as u32
    }

    /// The global that holds the steps left.
    pub fn fuel(&self) -> u32 {
        self.globals.len() as u32 - 1
    }

    /// Functions whose type's index is this one.
    pub fn of_type(&self, ty: u32) -> Vec<u32> {
        (0..self.functions.len() as u32).filter(|&function| self.functions[function as usize] == ty).collect()
    }
}

/// Types of functions. Many have the results of another one, so that tail calls between them are possible, to more and to fewer parameters.
fn signature(known: &[Signature], values: &[ValType], rng: &mut Rng) -> Signature {
    let most = if rng.one_in(6) { 18 } else { 4 };
    let params = (0..rng.below(most)).map(|_| *rng.pick(values)).collect();
    if !known.is_empty() && rng.one_in(2) {
        return Signature { params, results: rng.pick(known).results.clone() };
    }
    let results = match rng.below(8) {
        // Beyond what registers return.
        0 => rng.range(6, 10),
        1 | 2 => rng.range(2, 5),
        _ => rng.range(0, 1),
    };
    Signature { params, results: (0..results).map(|_| *rng.pick(values)).collect() }
}

fn payload(values: &[ValType], rng: &mut Rng) -> Vec<ValType> {
    let most = if rng.one_in(6) { 9 } else { 3 };
    (0..rng.range(0, most)).map(|_| *rng.pick(values)).collect()
}

fn memories(language: &Language, rng: &mut Rng) -> Vec<Memory> {
    let count = if language.memories { rng.range(2, 3) } else { 1 };
    let imported = rng.one_in(4);
    (0..count).map(|at| Memory { is_64: language.wide && !rng.one_in(3), imported: imported && at == 0 }).collect()
}

fn tables(language: &Language, functions: &[u32], rng: &mut Rng) -> Vec<Table> {
    let imported = rng.one_in(6);
    let mut tables = vec![table(Elements::Functions, language.wide && rng.one_in(2), functions, rng)];
    tables[0].imported = imported;
    if rng.one_in(4) {
        tables.push(table(Elements::Functions, false, functions, rng));
    }
    if language.typed {
        let ty = *rng.pick(functions);
        tables.push(table(Elements::Typed(ty), language.wide && rng.one_in(2), functions, rng));
    }
    if language.references {
        tables.push(table(Elements::Extern, false, &[], rng));
    }
    tables
}

fn table(elements: Elements, is_64: bool, functions: &[u32], rng: &mut Rng) -> Table {
    let fits = |&function: &u32| match elements {
        Elements::Functions => true,
        Elements::Typed(ty) => functions[function as usize] == ty,
        Elements::Extern => false,
    };
    let candidates: Vec<u32> = (0..functions.len() as u32).filter(fits).collect();
    let items = (0..TABLE_LEN).map(|_| (!candidates.is_empty() && !rng.one_in(8)).then(|| *rng.pick(&candidates))).collect();
    Table { elements, is_64, imported: false, items }
}
