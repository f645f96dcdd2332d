//! Collects the records of a module and writes them as one flat buffer (the layout is in [`flat`](crate::flat)).
//!
//! The wasm bytes are shorter than 4 GiB ([`Module::parse`](crate::Module::parse) checks it), and every string byte, value type and record
//! here stems from at least one byte of them: positions fit 32 bits. Only the sum of all sections can be too large, and is checked.

use crate::digest::Digest;
use crate::error::ParseError;
use crate::flat::*;
use crate::segments;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use zerocopy::{Immutable, IntoBytes};

#[derive(Default)]
pub(crate) struct Builder<'a> {
    pub val_types: Vec<u32>,
    pub types: Vec<TypeRecord>,
    pub func_types: Vec<u32>,
    pub functions: Vec<FunctionRecord>,
    pub imports: Vec<ImportRecord>,
    pub exports: Vec<ExportRecord>,
    pub tables: Vec<TableRecord>,
    pub memories: Vec<MemoryRecord>,
    pub globals: Vec<GlobalRecord>,
    pub elems: Vec<ElemRecord>,
    pub elem_items: Vec<ConstExpr>,
    pub data: Vec<DataRecord>,
    pub side_table: Vec<SideTableEntry>,
    pub func_names: Vec<NameRecord>,
    pub tags: Vec<u32>,
    pub handlers: Vec<HandlerRecord>,
    pub const_ops: Vec<ConstExpr>,
    /// Whether a v128 was seen.
    pub uses_v128: bool,
    /// Tables whose elements some body changes.
    pub written_tables: BTreeSet<u32>,
    pub start: Option<u32>,
    pub imported_functions: u32,
    pub imported_tables: u32,
    pub imported_memories: u32,
    pub imported_globals: u32,
    pub imported_tags: u32,
    pub name: StrRange,
    pub indirect_sites: u32,
    /// Where the contents of the code and data sections lie in the wasm bytes.
    pub code_range: Range,
    pub data_range: Range,
    strings: Vec<u8>,
    func_name_bytes: Vec<u8>,
    interned: HashMap<&'a str, StrRange>,
}

impl<'a> Builder<'a> {
    /// Adds the module's name.
    pub fn add_string(&mut self, string: &str) -> StrRange {
        append(&mut self.strings, string)
    }

    /// Adds a function's name, which is hardly there already.
    pub fn add_func_name(&mut self, function: u32, name: &str) {
        let name = append(&mut self.func_name_bytes, name);
        self.func_names.push(NameRecord { function, name });
    }

    /// Adds a string once.
    pub fn intern(&mut self, string: &'a str) -> StrRange {
        if let Some(&range) = self.interned.get(string) {
            return range;
        }
        let range = self.add_string(string);
        self.interned.insert(string, range);
        range
    }

    /// Parameters and results of a type; (0, 0) for a type that does not exist.
    pub fn arity(&self, ty: u32) -> (u32, u32) {
        self.types.get(ty as usize).map_or((0, 0), |record| (record.params.len, record.results.len))
    }

    fn flags(&self) -> u32 {
        let has_active_data = self.data.iter().any(|segment| segment.mode == mode::ACTIVE);
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        flag(self.uses_v128, Header::USES_V128) | flag(has_active_data, Header::HAS_ACTIVE_DATA)
    }

    /// Writes the flat buffer.
    pub fn finish(mut self, wasm: &[u8]) -> Result<Bytes, ParseError> {
        if segments::none_traps(&self.tables, &self.memories, &self.elems, &self.data) {
            segments::mark_lazy_tables(&mut self.tables, self.imported_tables, &self.elems, &self.elem_items);
            segments::mark_lasting_tables(&mut self.tables, &self.written_tables, &self.exports);
        }
        let mut image = Image::new();
        image.put(Section::Types, &self.types);
        image.put(Section::ValTypes, &self.val_types);
        image.put(Section::Imports, &self.imports);
        image.put(Section::Exports, &self.exports);
        image.put(Section::Tables, &self.tables);
        image.put(Section::Memories, &self.memories);
        image.put(Section::Globals, &self.globals);
        image.put(Section::Tags, &self.tags);
        image.put(Section::Strings, &self.strings);
        image.put(Section::ConstOps, &self.const_ops);
        image.put(Section::Elems, &self.elems);
        image.put(Section::FuncTypes, &self.func_types);
        image.put(Section::ElemItems, &self.elem_items);
        image.put(Section::Data, &self.data);
        image.put(Section::Functions, &self.functions);
        image.put(Section::FuncNames, &self.func_names);
        image.put(Section::FuncNameBytes, &self.func_name_bytes);
        image.put(Section::SideTable, &self.side_table);
        image.put(Section::Handlers, &self.handlers);
        let (total_len, sections) = image.layout()?;
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            total_len,
            module_digest: Digest::of(wasm),
            wasm_len: wasm.len() as u64,
            code: self.code_range,
            data: self.data_range,
            start: self.start.unwrap_or(NONE),
            imported_functions: self.imported_functions,
            imported_tables: self.imported_tables,
            imported_memories: self.imported_memories,
            imported_globals: self.imported_globals,
            imported_tags: self.imported_tags,
            flags: self.flags(),
            name: self.name,
            indirect_sites: self.indirect_sites,
            sections,
        };
        Ok(image.write(&header))
    }
}

fn append(strings: &mut Vec<u8>, string: &str) -> StrRange {
    let range = Range { offset: strings.len() as u32, len: string.len() as u32 };
    strings.extend_from_slice(string.as_bytes());
    range
}

/// The contents of all sections, by [`Section`].
struct Image<'b> {
    contents: [&'b [u8]; SECTIONS],
}

impl<'b> Image<'b> {
    fn new() -> Image<'b> {
        Image { contents: [&[]; SECTIONS] }
    }

    fn put<T: IntoBytes + Immutable>(&mut self, section: Section, records: &'b [T]) {
        self.contents[section as usize] = records.as_bytes();
    }

    /// Places the sections behind the header, each at a multiple of 8; returns the total length, too.
    fn layout(&self) -> Result<(u32, [Range; SECTIONS]), ParseError> {
        let mut sections = [Range::default(); SECTIONS];
        let mut at = size_of::<Header>().next_multiple_of(8) as u64;
        for (range, content) in sections.iter_mut().zip(&self.contents) {
            *range = Range { offset: at as u32, len: content.len() as u32 };
            at = (at + content.len() as u64).next_multiple_of(8);
            if at > u32::MAX.into() {
                let found = self.contents.iter().map(|content| content.len() as u64).sum();
                return Err(ParseError::TooLarge { what: "tables", found });
            }
        }
        Ok((at as u32, sections))
    }

    /// The buffer is made of `u64`s, so that it is aligned for every record.
    fn write(&self, header: &Header) -> Bytes {
        let mut words = vec![0u64; header.total_len as usize / 8];
        let bytes = words.as_mut_bytes();
        bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        for (range, content) in header.sections.iter().zip(&self.contents) {
            bytes[range.offset as usize..][..content.len()].copy_from_slice(content);
        }
        Bytes::from_owner(Words(words))
    }
}

/// Owner of a flat buffer.
pub(crate) struct Words(pub Vec<u64>);

impl AsRef<[u8]> for Words {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
