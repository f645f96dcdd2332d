//! The match digest: recognizes a function in another build of the same program, so that its profile can be used there.
//!
//! It is a BLAKE3 over the body with every index replaced by what it means: a function by its type and its import, export or debug name; a type by
//! its text; a global, table or memory by its type (without limits: they change with every build) and name; a segment by its mode. A
//! callee's body never counts. So inserting or moving functions, types and segments leaves the digests of the other functions alone.
//!
//! ```text
//! stream: type text, plain bytes, (meaning, plain bytes)*     each item: length (u32), bytes
//! ```
//! "Plain bytes" are runs of instructions (and the local declarations) without indices, exactly as in the module.

use crate::body::body_reader;
use crate::digest::Digest;
use crate::flat::{kind, mode};
use crate::index::{DefinedFuncIndex, FuncIndex, TypeIndex};
use crate::module::Module;
use crate::types::ValType;
use std::collections::HashMap;
use wasmparser::{BlockType, Catch, Operator};

/// The match digest of one function. For many functions of a module use a [`MatchDigester`].
pub fn match_digest(module: &Module, function: DefinedFuncIndex) -> Digest {
    MatchDigester::new(module).digest(function)
}

/// Computes match digests of a module's functions.
pub struct MatchDigester<'m> {
    module: &'m Module,
    /// Import or first export of an item, by kind and index: `module` and `name`, the module empty for exports.
    names: HashMap<(u32, u32), (&'m str, &'m str)>,
}

impl<'m> MatchDigester<'m> {
    pub fn new(module: &'m Module) -> MatchDigester<'m> {
        let mut names = HashMap::new();
        for import in module.imports() {
            names.insert((import.kind, import.index), (module.string(import.module), module.string(import.name)));
        }
        for export in module.exports() {
            names.entry((export.kind, export.index)).or_insert(("", module.string(export.name)));
        }
        MatchDigester { module, names }
    }

    /// The digest of a defined function. A function that does not exist, or whose body can not be read (possible only with damaged metadata), has the
    /// digest of what could be read.
    pub fn digest(&self, function: DefinedFuncIndex) -> Digest {
        let mut stream = Stream(blake3::Hasher::new());
        if let Some(record) = self.module.functions().get(function.index()) {
            stream.item(self.type_text(record.type_index).as_bytes());
            // The digest of the readable part is the documented result for damaged metadata and code.
            let _ = body_reader(self.module, record).map(|body| self.body(body, &mut stream));
        }
        Digest(*stream.0.finalize().as_bytes())
    }

    fn body(&self, body: wasmparser::FunctionBody<'_>, stream: &mut Stream) -> Result<(), wasmparser::Error> {
        let (bytes, start) = (body.as_bytes(), body.range().start);
        let position = |offset: u64| (offset - start) as usize;
        let mut operators = body.get_operators_reader()?;
        let mut plain = 0;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            let Some(meaning) = self.meaning(&operator) else { continue };
            let at = position(offset);
            stream.item(&bytes[plain..at]);
            stream.item(meaning.as_bytes());
            plain = position(operators.original_position());
        }
        stream.item(&bytes[plain..]);
        Ok(())
    }

    /// What stands in the stream for an operator with indices; `None` for those that count as they are.
    fn meaning(&self, operator: &Operator<'_>) -> Option<String> {
        use Operator::*;
        Some(match *operator {
            Call { function_index } => format!("call {}", self.function(function_index)),
            RefFunc { function_index } => format!("ref.func {}", self.function(function_index)),
            CallIndirect { type_index, table_index } => {
                format!("call_indirect {} {}", self.type_text(type_index), self.table(table_index))
            }
            ReturnCall { function_index } => format!("return_call {}", self.function(function_index)),
            ReturnCallIndirect { type_index, table_index } => {
                format!("return_call_indirect {} {}", self.type_text(type_index), self.table(table_index))
            }
            CallRef { type_index } => format!("call_ref {}", self.type_text(type_index)),
            ReturnCallRef { type_index } => format!("return_call_ref {}", self.type_text(type_index)),
            Throw { tag_index } => format!("throw {}", self.tag(tag_index)),
            TryTable { ref try_table } => self.try_table(try_table),
            Block { blockty: BlockType::FuncType(ty) } => format!("block {}", self.type_text(ty)),
            Loop { blockty: BlockType::FuncType(ty) } => format!("loop {}", self.type_text(ty)),
            If { blockty: BlockType::FuncType(ty) } => format!("if {}", self.type_text(ty)),
            GlobalGet { global_index } => format!("global.get {}", self.global(global_index)),
            GlobalSet { global_index } => format!("global.set {}", self.global(global_index)),
            TableGet { table } => format!("table.get {}", self.table(table)),
            TableSet { table } => format!("table.set {}", self.table(table)),
            TableSize { table } => format!("table.size {}", self.table(table)),
            TableGrow { table } => format!("table.grow {}", self.table(table)),
            TableFill { table } => format!("table.fill {}", self.table(table)),
            TableCopy { dst_table, src_table } => format!("table.copy {} {}", self.table(dst_table), self.table(src_table)),
            TableInit { elem_index, table } => format!("table.init {} {}", self.table(table), self.elem(elem_index)),
            ElemDrop { elem_index } => format!("elem.drop {}", self.elem(elem_index)),
            MemoryInit { data_index, mem } => format!("memory.init {} {}", self.name(kind::MEMORY, mem), self.data(data_index)),
            DataDrop { data_index } => format!("data.drop {}", self.data(data_index)),
            MemorySize { mem } => format!("memory.size {}", self.name(kind::MEMORY, mem)),
            MemoryGrow { mem } => format!("memory.grow {}", self.name(kind::MEMORY, mem)),
            MemoryFill { mem } => format!("memory.fill {}", self.name(kind::MEMORY, mem)),
            MemoryCopy { dst_mem, src_mem } => {
                format!("memory.copy {} {}", self.name(kind::MEMORY, dst_mem), self.name(kind::MEMORY, src_mem))
            }
            _ => return None,
        })
    }

    fn type_text(&self, ty: u32) -> String {
        self.module.func_type(TypeIndex(ty)).to_string()
    }

    /// Quoted, so that no name can look like another item.
    fn name(&self, kind: u32, index: u32) -> String {
        match self.names.get(&(kind, index)) {
            Some((module, name)) => format!("{module:?} {name:?}"),
            None => "-".to_string(),
        }
    }

    fn function(&self, index: u32) -> String {
        let ty = self.module.func_types().get(index as usize).map_or(String::new(), |&ty| self.type_text(ty));
        let name = match (self.names.get(&(kind::FUNC, index)), self.module.func_name(FuncIndex(index))) {
            (None, Some(debug_name)) => format!("{debug_name:?}"),
            _ => self.name(kind::FUNC, index),
        };
        format!("{ty} {name}")
    }

    fn tag(&self, index: u32) -> String {
        let ty = self.module.tags().get(index as usize).map_or(String::new(), |&ty| self.type_text(ty));
        format!("{ty} {}", self.name(kind::TAG, index))
    }

    fn try_table(&self, try_table: &wasmparser::TryTable) -> String {
        let mut text = match try_table.ty {
            BlockType::FuncType(ty) => format!("try_table {}", self.type_text(ty)),
            other => format!("try_table {other:?}"),
        };
        for catch in &try_table.catches {
            text += &match *catch {
                Catch::One { tag, label } => format!(" catch {} {label}", self.tag(tag)),
                Catch::OneRef { tag, label } => format!(" catch_ref {} {label}", self.tag(tag)),
                Catch::All { label } => format!(" catch_all {label}"),
                Catch::AllRef { label } => format!(" catch_all_ref {label}"),
            };
        }
        text
    }

    fn global(&self, index: u32) -> String {
        let ty = self.module.globals().get(index as usize).map_or(String::new(), |record| {
            let mutable = if record.mutable != 0 { "mut " } else { "" };
            format!("{mutable}{}", type_name(record.ty))
        });
        format!("{ty} {}", self.name(kind::GLOBAL, index))
    }

    fn table(&self, index: u32) -> String {
        let ty = self.module.tables().get(index as usize).map_or(String::new(), |record| type_name(record.element));
        format!("{ty} {}", self.name(kind::TABLE, index))
    }

    fn elem(&self, index: u32) -> String {
        self.module
            .elems()
            .get(index as usize)
            .map_or(String::new(), |record| format!("{} {}", mode_name(record.mode), type_name(record.ty)))
    }

    fn data(&self, index: u32) -> &'static str {
        // Segments of an image have no records behind the last other one.
        mode_name(self.module.data_segments().get(index as usize).map_or(mode::IMAGED, |record| record.mode))
    }
}

fn type_name(code: u32) -> String {
    ValType::from_code(code).map_or(String::new(), |ty| ty.to_string())
}

fn mode_name(mode: u32) -> &'static str {
    match mode {
        mode::ACTIVE | mode::IMAGED => "active",
        mode::PASSIVE => "passive",
        _ => "declared",
    }
}

struct Stream(blake3::Hasher);

impl Stream {
    fn item(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u32).to_le_bytes());
        self.0.update(bytes);
    }
}
