//! `Module`: a parsed and validated module, as a cheap view over its flat tables. Clones share everything.

use crate::bodies::{BlockSource, BlockStart, Blocks, Body, CodeError};
use crate::digest::Digest;
use crate::flat::*;
use crate::index::*;
use crate::types::{FuncType, ValType};
use bytes::Bytes;
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A flat module that is not what it should be. Damage is normally caught by digests before; this is the second line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlatError {
    #[error("module metadata of {found} bytes is too short or not aligned to 8 bytes")]
    Shape { found: usize },
    #[error("module metadata begins with {found:02x?}, expected {MAGIC:02x?}")]
    Magic { found: [u8; 8] },
    #[error("module metadata has layout version {found}, this build reads version {VERSION}")]
    Version { found: u32 },
    #[error("section {section} of the module metadata lies outside of it or is not aligned")]
    Section { section: usize },
}

/// An immutable module: flat tables (see [`flat`](crate::flat)), bodies (see [`bodies`](crate::bodies)) and data bytes.
#[derive(Clone)]
pub struct Module {
    image: Bytes,
    bodies: Bodies,
    data: Bytes,
    header: Header,
}

/// Where bodies come from.
#[derive(Clone)]
enum Bodies {
    /// Contents of the code section; side table and handlers are in the flat buffer.
    Whole(Bytes),
    Blocks(Arc<Blocks>),
}

impl Module {
    /// A view over a flat module. `image` must begin at an address that is a multiple of 8. Ranges of sections are checked here, all in constant time;
    /// ranges inside of the records when they are used.
    pub fn from_flat(image: Bytes, code: Bytes, data: Bytes) -> Result<Module, FlatError> {
        Module::view(image, Bodies::Whole(code), data)
    }

    /// The same where bodies come in blocks; `image` is then [`flat_without_bodies`](Module::flat_without_bodies).
    pub fn from_blocks(image: Bytes, source: Arc<dyn BlockSource>, data: Bytes) -> Result<Module, FlatError> {
        Module::view(image, Bodies::Blocks(Arc::new(Blocks::new(source))), data)
    }

    fn view(image: Bytes, bodies: Bodies, data: Bytes) -> Result<Module, FlatError> {
        let shape = FlatError::Shape { found: image.len() };
        if !image.as_ptr().addr().is_multiple_of(8) {
            return Err(shape);
        }
        let Ok((&header, _)) = Header::ref_from_prefix(&image) else { return Err(shape) };
        if header.magic != MAGIC {
            return Err(FlatError::Magic { found: header.magic });
        }
        if header.version != VERSION {
            return Err(FlatError::Version { found: header.version });
        }
        let (len, sections) = match bodies {
            Bodies::Whole(_) => (header.total_len, SECTIONS),
            Bodies::Blocks(_) => (header.sections[Section::SideTable as usize].offset, Section::SideTable as usize),
        };
        if len as usize != image.len() {
            return Err(shape);
        }
        for (section, range) in header.sections.iter().enumerate().take(sections) {
            let end = range.offset as usize + range.len as usize;
            if end > image.len() || range.offset % 8 != 0 {
                return Err(FlatError::Section { section });
            }
        }
        Ok(Module { image, bodies, data, header })
    }

    /// The same module from a buffer with the same sections, and with other data.
    pub(crate) fn with_contents(&self, image: Bytes, data: Bytes) -> Module {
        let header = Header::read_from_prefix(&image).map_or(self.header, |(header, _)| header);
        Module { image, bodies: self.bodies.clone(), data, header }
    }

    /// Whether data segments are in an image that comes beside the module ([`memory_image`](crate::memory_image)).
    pub fn is_imaged(&self) -> bool {
        self.header.flags & Header::IMAGED != 0
    }

    /// The flat buffer, as far as this module has it.
    pub fn flat_bytes(&self) -> &Bytes {
        &self.image
    }

    /// The flat buffer up to the side table: what a cache stores of it.
    pub fn flat_without_bodies(&self) -> &[u8] {
        self.image.get(..self.header.sections[Section::SideTable as usize].offset as usize).unwrap_or(&self.image)
    }

    /// Contents of the code section; copied together where bodies come in blocks.
    pub fn code(&self) -> Result<Bytes, CodeError> {
        match &self.bodies {
            Bodies::Whole(code) => Ok(code.clone()),
            Bodies::Blocks(blocks) => {
                let mut code = Vec::new();
                for block in 0..blocks.count()? {
                    code.extend_from_slice(blocks.block(block)?.1.code);
                }
                Ok(code.into())
            }
        }
    }

    /// Length of the code section's contents.
    pub fn code_len(&self) -> usize {
        self.header.code.len as usize
    }

    /// All bodies together, `code` being the contents of the code section; `None` where they come in blocks.
    pub fn bodies_in_place(&self) -> Option<Body<'_>> {
        match &self.bodies {
            Bodies::Whole(code) => {
                Some(Body { code, side_table: self.section(Section::SideTable), handlers: self.section(Section::Handlers) })
            }
            Bodies::Blocks(_) => None,
        }
    }

    /// Contents of the data section.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Digest of the wasm bytes.
    pub fn digest(&self) -> Digest {
        self.header.module_digest
    }

    fn section<T: FromBytes + Immutable + KnownLayout>(&self, section: Section) -> &[T] {
        let range = self.header.sections[section as usize];
        let bytes = &self.image[range.offset as usize..][..range.len as usize];
        // A length that is no multiple of the record's size loses the rest; alignment was checked by `from_flat`.
        let count = bytes.len() / size_of::<T>();
        <[T]>::ref_from_prefix_with_elems(bytes, count).map_or(&[], |(records, _)| records)
    }

    pub fn types(&self) -> &[TypeRecord] {
        self.section(Section::Types)
    }

    /// Type index of every function, imported ones first.
    pub fn func_types(&self) -> &[u32] {
        self.section(Section::FuncTypes)
    }

    /// Records of the defined functions.
    pub fn functions(&self) -> &[FunctionRecord] {
        self.section(Section::Functions)
    }

    pub fn imports(&self) -> &[ImportRecord] {
        self.section(Section::Imports)
    }

    pub fn exports(&self) -> &[ExportRecord] {
        self.section(Section::Exports)
    }

    pub fn tables(&self) -> &[TableRecord] {
        self.section(Section::Tables)
    }

    pub fn memories(&self) -> &[MemoryRecord] {
        self.section(Section::Memories)
    }

    pub fn globals(&self) -> &[GlobalRecord] {
        self.section(Section::Globals)
    }

    pub fn elems(&self) -> &[ElemRecord] {
        self.section(Section::Elems)
    }

    pub fn data_segments(&self) -> &[DataRecord] {
        self.section(Section::Data)
    }

    /// Type index of every tag, imported ones first.
    pub fn tags(&self) -> &[u32] {
        self.section(Section::Tags)
    }

    /// Words of 8 bytes that each slot of an interpreter's frame has: 2 where the module uses v128, else 1.
    pub fn slot_words(&self) -> usize {
        if self.header.flags & Header::USES_V128 != 0 { 2 } else { 1 }
    }

    /// The instructions of an [`EXTENDED`](ConstExpr::EXTENDED) or [`V128`](ConstExpr::V128) expression.
    pub fn const_ops(&self, expr: &ConstExpr) -> &[ConstExpr] {
        let ops: &[ConstExpr] = self.section(Section::ConstOps);
        let (start, len) = match expr.kind {
            ConstExpr::EXTENDED => (expr.value as u32, (expr.value >> 32) as usize),
            ConstExpr::V128 => (expr.value as u32, 2),
            _ => return &[],
        };
        ops.get(start as usize..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
    }

    /// Number of side table entries of all functions; profiles number branch counters by them.
    pub fn side_table_len(&self) -> usize {
        self.header.sections[Section::SideTable as usize].len as usize / size_of::<SideTableEntry>()
    }

    pub fn imported_functions(&self) -> u32 {
        self.header.imported_functions
    }

    /// Functions of the index space, imported ones included.
    pub fn function_count(&self) -> u32 {
        self.func_types().len() as u32
    }

    /// The position among the defined functions, or `None` for an imported one.
    pub fn defined_index(&self, function: FuncIndex) -> Option<DefinedFuncIndex> {
        function.0.checked_sub(self.header.imported_functions).map(DefinedFuncIndex)
    }

    pub fn func_index(&self, defined: DefinedFuncIndex) -> FuncIndex {
        FuncIndex(defined.0 + self.header.imported_functions)
    }

    /// The record of a defined function.
    pub fn function(&self, function: FuncIndex) -> Option<&FunctionRecord> {
        self.functions().get(self.defined_index(function)?.index())
    }

    /// The function whose body holds that position in the module's code.
    pub fn function_at(&self, position: u32) -> Option<FuncIndex> {
        let functions = self.functions();
        let index = functions.partition_point(|record| record.body.offset <= position).checked_sub(1)?;
        let body = functions[index].body;
        (position - body.offset < body.len).then(|| self.func_index(DefinedFuncIndex(index as u32)))
    }

    pub fn func_type(&self, ty: TypeIndex) -> FuncType<'_> {
        let codes: &[u32] = self.section(Section::ValTypes);
        let slice = |range: Range| codes.get(range.offset as usize..).and_then(|rest| rest.get(..range.len as usize)).unwrap_or(&[]);
        self.types().get(ty.index()).map_or(FuncType::new(&[], &[]), |record| FuncType::new(slice(record.params), slice(record.results)))
    }

    /// Type index of a function.
    pub fn type_of(&self, function: FuncIndex) -> TypeIndex {
        TypeIndex(self.func_types()[function.index()])
    }

    /// The body of a defined function; reads it first where bodies come in blocks. What was had once can be had again.
    pub fn body(&self, record: &FunctionRecord) -> Result<Body<'_>, CodeError> {
        match &self.bodies {
            Bodies::Whole(_) => self.bodies_in_place().unwrap_or_default().cut(BlockStart::default(), record),
            Bodies::Blocks(blocks) => blocks.body(record),
        }
    }

    /// The items of an element segment.
    pub fn elem_items(&self, elem: &ElemRecord) -> &[ConstExpr] {
        let items: &[ConstExpr] = self.section(Section::ElemItems);
        items.get(elem.items_start as usize..).and_then(|rest| rest.get(..elem.items_len as usize)).unwrap_or(&[])
    }

    /// What an element of a table that is filled [`LAZILY`](TableRecord::LAZILY) begins with, a function or null, where a segment says something.
    pub fn initial_element(&self, table: u32, index: u64) -> Option<ConstExpr> {
        let item = |elem: &ElemRecord| {
            let at = usize::try_from(index.checked_sub(elem.offset.value)?).ok()?;
            self.elem_items(elem).get(at).copied()
        };
        // Later segments win.
        self.elems().iter().rev().filter(|elem| elem.mode == mode::ACTIVE && elem.table == table).find_map(item)
    }

    /// The bytes of a data segment.
    pub fn data_bytes(&self, segment: &DataRecord) -> &[u8] {
        self.data.get(segment.bytes.offset as usize..).and_then(|rest| rest.get(..segment.bytes.len as usize)).unwrap_or(&[])
    }

    /// The module's name, or one of an import or export.
    pub fn string(&self, range: StrRange) -> &str {
        self.string_of(Section::Strings, range)
    }

    fn string_of(&self, section: Section, range: StrRange) -> &str {
        let bytes: &[u8] = self.section(section);
        let slice = bytes.get(range.offset as usize..).and_then(|rest| rest.get(..range.len as usize)).unwrap_or(&[]);
        std::str::from_utf8(slice).unwrap_or("")
    }

    /// The export of that name.
    pub fn export(&self, name: &str) -> Option<&ExportRecord> {
        self.exports().iter().find(|export| self.string(export.name) == name)
    }

    /// The function's name from the name section.
    pub fn func_name(&self, function: FuncIndex) -> Option<&str> {
        let names: &[NameRecord] = self.section(Section::FuncNames);
        let found = names.binary_search_by_key(&function.0, |record| record.function).ok()?;
        Some(self.string_of(Section::FuncNameBytes, names[found].name))
    }

    /// The start function.
    pub fn start(&self) -> Option<FuncIndex> {
        (self.header.start != NONE).then_some(FuncIndex(self.header.start))
    }

    /// Element type of a table.
    pub fn table_type(&self, table: TableIndex) -> ValType {
        self.tables().get(table.index()).and_then(|record| ValType::from_code(record.element)).unwrap_or(ValType::FUNCREF)
    }

    /// Offset in the wasm file of a position in the code section's contents, as other tools name instructions.
    pub fn wasm_offset(&self, code_offset: u32) -> u32 {
        self.header.code.offset + code_offset
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({}, {} functions)", self.digest().short(), self.function_count())
    }
}
