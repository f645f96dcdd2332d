//! The flat form of a module: one buffer of offset-based tables, which the parser writes and the cache stores as it is.
//!
//! ```text
//! Header                    magic, version, digest, singletons, and a range for each section
//! section 0 .. SECTIONS-1   arrays of the records below, or plain bytes; each begins at a multiple of 8
//! ```
//! All numbers are little-endian (the hosts that trjit supports are), all offsets count bytes from the start of the buffer or, for
//! strings, of their section. A cache stores the buffer up to `SideTable`, and the bodies of functions apart. Two byte strings lie outside of the buffer: `code`, the contents of the wasm code
//! section, and `data`, those of the data section; records refer to them by offset, so that a cache can store them apart.

use crate::digest::Digest;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First bytes of a flat module.
pub const MAGIC: [u8; 8] = *b"trjitmod";
/// Counts changes of this layout; part of the ABI fingerprint.
pub const VERSION: u32 = 5;
/// "None" where an index is optional.
pub const NONE: u32 = u32::MAX;

/// The sections of a flat module; the value is the position in [`Header::sections`]. They lie in this order: first what a start needs, then what only those need who
/// interpret, compile or name functions, so that a start on a cache touches none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Section {
    /// [`TypeRecord`]s.
    Types,
    /// `u32`: codes of the value types that `TypeRecord` refers to.
    ValTypes,
    /// [`ImportRecord`]s.
    Imports,
    /// [`ExportRecord`]s, in the order of the module.
    Exports,
    /// [`TableRecord`]s, imported ones first.
    Tables,
    /// [`MemoryRecord`]s, imported ones first.
    Memories,
    /// [`GlobalRecord`]s, imported ones first.
    Globals,
    /// `u32`: type index of each tag, imported ones first.
    Tags,
    /// UTF-8 bytes of the module's name and the names of imports and exports.
    Strings,
    /// [`ConstExpr`]s: the instructions of constant expressions that do not fit one record.
    ConstOps,
    /// [`ElemRecord`]s.
    Elems,
    /// `u32`: type index of each function, imported ones first.
    FuncTypes,
    /// [`ConstExpr`]s: the items of all element segments.
    ElemItems,
    /// [`DataRecord`]s.
    Data,
    /// [`FunctionRecord`]s of the defined functions.
    Functions,
    /// [`NameRecord`]s from the name section, sorted by function.
    FuncNames,
    /// UTF-8 bytes of the functions' names.
    FuncNameBytes,
    /// [`SideTableEntry`]s of all functions. Not in the buffer where bodies come in blocks ([`bodies`](crate::bodies)), as nothing behind it is.
    SideTable,
    /// [`HandlerRecord`]s of all functions.
    Handlers,
}

/// Number of [`Section`]s.
pub const SECTIONS: usize = Section::Handlers as usize + 1;

/// Where a section lies in the buffer, in bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Range {
    pub offset: u32,
    pub len: u32,
}

/// Start of the buffer.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    pub magic: [u8; 8],
    pub version: u32,
    /// Length of the whole buffer.
    pub total_len: u32,
    /// Digest of the wasm bytes.
    pub module_digest: Digest,
    /// Length of the wasm bytes.
    pub wasm_len: u64,
    /// Where the contents of the code section begin in the wasm bytes, and how long they are.
    pub code: Range,
    /// The same for the data section; in a cache `data` holds `len` bytes, those of the segments that are not [`mode::IMAGED`].
    pub data: Range,
    /// The start function, or [`NONE`].
    pub start: u32,
    /// How many functions, tables, memories, globals and tags are imported.
    pub imported_functions: u32,
    pub imported_tables: u32,
    pub imported_memories: u32,
    pub imported_globals: u32,
    pub imported_tags: u32,
    /// [`Header::USES_V128`] and the like.
    pub flags: u32,
    /// The module's own name in the name section, in `Strings`; empty when it has none.
    pub name: Range,
    /// Indirect call sites of all functions.
    pub indirect_sites: u32,
    pub sections: [Range; SECTIONS],
}

impl Header {
    /// The module has values of type v128: frames of the interpreter have slots of 16 bytes.
    pub const USES_V128: u32 = 1;
    /// Some data segment is [`mode::ACTIVE`].
    pub const HAS_ACTIVE_DATA: u32 = 2;
    /// Data segments are in an image beside the module ([`memory_image`](crate::memory_image)); those behind the last other one have no record.
    pub const IMAGED: u32 = 4;
}

/// A string in the `Strings` section; in `FuncNameBytes` for a [`NameRecord`].
pub type StrRange = Range;

/// A function type: ranges of `ValTypes` (positions, not bytes).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TypeRecord {
    pub params: Range,
    pub results: Range,
}

/// A function with a body.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FunctionRecord {
    pub type_index: u32,
    /// The body (local declarations, then instructions) in `code`.
    pub body: Range,
    /// The first instruction in `code`; instructions end with the body.
    pub code_start: u32,
    /// Parameters, one slot each.
    pub params: u32,
    /// Results, one slot each.
    pub results: u32,
    /// Parameters and declared locals.
    pub locals: u32,
    /// Slots of a frame: locals, then the operand stack at its deepest; at least `results`.
    pub frame_slots: u32,
    /// The function's entries in `SideTable` (positions, not bytes).
    pub side_table_start: u32,
    pub side_table_len: u32,
    /// Its indirect call sites, numbered through the module.
    pub indirect_sites_start: u32,
    pub indirect_sites_len: u32,
    /// Its exception handlers in `Handlers` (positions, not bytes).
    pub handlers_start: u32,
    pub handlers_len: u32,
    /// [`FunctionRecord::HAS_LOOP`] and the like.
    pub flags: u32,
}

impl FunctionRecord {
    /// The body has a loop.
    pub const HAS_LOOP: u32 = 1;
    /// The body has a call of any kind.
    pub const HAS_CALL: u32 = 2;
}

/// Kinds of imports and exports, as in the binary format.
pub mod kind {
    pub const FUNC: u32 = 0;
    pub const TABLE: u32 = 1;
    pub const MEMORY: u32 = 2;
    pub const GLOBAL: u32 = 3;
    pub const TAG: u32 = 4;
}

/// An import. `index` is its position in the index space of its kind, where the type is found.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ImportRecord {
    pub module: StrRange,
    pub name: StrRange,
    pub kind: u32,
    pub index: u32,
}

/// An export.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExportRecord {
    pub name: StrRange,
    pub kind: u32,
    pub index: u32,
}

/// A table: element type and limits in elements.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TableRecord {
    /// [`ValType`](crate::ValType) code.
    pub element: u32,
    /// 1 where `max` is given.
    pub has_max: u32,
    /// [`TableRecord::TABLE64`], [`TableRecord::LASTING`], [`TableRecord::LASTING_HERE`].
    pub flags: u32,
    /// [`TableRecord::AT_ONCE`] or [`TableRecord::LAZILY`].
    pub filling: u32,
    pub min: u64,
    pub max: u64,
    /// Initial value of all elements; `RefNull` when not given.
    pub init: ConstExpr,
}

impl TableRecord {
    /// Indices have 64 bits.
    pub const TABLE64: u32 = 1;
    /// Filled [`LAZILY`](TableRecord::LAZILY), not exported, and no instruction of the module changes an element: each goes on to hold what it begins with.
    pub const LASTING: u32 = 2;
    /// The same, but exported: others may change elements.
    pub const LASTING_HERE: u32 = 4;
    /// Active segments are applied when an instance begins. What an imported table has in `filling`, too.
    pub const AT_ONCE: u32 = 0;
    /// No active segment of the module can trap, and what an element begins with depends on its place alone
    /// ([`Module::initial_element`](crate::Module::initial_element)): it can be filled when it is asked for.
    pub const LAZILY: u32 = 1;
}

/// A memory: limits in pages of 64 KiB.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MemoryRecord {
    /// [`MemoryRecord::MEMORY64`] and the like.
    pub flags: u32,
    /// 1 where `max` is given.
    pub has_max: u32,
    pub min: u64,
    pub max: u64,
}

impl MemoryRecord {
    pub const MEMORY64: u32 = 1;
    pub const SHARED: u32 = 2;
}

/// A global.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GlobalRecord {
    /// [`ValType`](crate::ValType) code.
    pub ty: u32,
    pub mutable: u32,
    /// Not meaningful for imported globals.
    pub init: ConstExpr,
}

/// A constant expression of one instruction, or a reference to several ones in `ConstOps`; or one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ConstExpr {
    /// One of the `ConstExpr::*` kinds.
    pub kind: u32,
    pub reserved: u32,
    /// The bits of a constant, or an index.
    pub value: u64,
}

impl ConstExpr {
    /// `value` holds the bits of an i32, i64, f32 or f64, zero-extended: what a slot holds.
    pub const CONST: u32 = 0;
    /// `value` is a global index.
    pub const GLOBAL_GET: u32 = 1;
    /// A null reference.
    pub const REF_NULL: u32 = 2;
    /// `value` is a function index.
    pub const REF_FUNC: u32 = 3;
    /// Instructions in `ConstOps`, operands before their operator: the position of the first in the low half of `value`, their number in the high half.
    pub const EXTENDED: u32 = 4;
    /// The low half of `value` is the position of two `CONST`s in `ConstOps`: the low and the high word.
    pub const V128: u32 = 5;
    /// Operators of [`EXTENDED`](Self::EXTENDED) expressions.
    pub const I32_ADD: u32 = 16;
    pub const I32_SUB: u32 = 17;
    pub const I32_MUL: u32 = 18;
    pub const I64_ADD: u32 = 19;
    pub const I64_SUB: u32 = 20;
    pub const I64_MUL: u32 = 21;

    pub const NULL: ConstExpr = ConstExpr { kind: Self::REF_NULL, reserved: 0, value: 0 };
}

/// Modes of element and data segments.
pub mod mode {
    pub const ACTIVE: u32 = 0;
    pub const PASSIVE: u32 = 1;
    /// Element segments only: merely declares functions for `ref.func`.
    pub const DECLARED: u32 = 2;
    /// Data segments of caches only: active, and in the image that the memory begins with (see [`memory_image`](crate::memory_image)); it has no bytes.
    pub const IMAGED: u32 = 3;
}

/// An element segment.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ElemRecord {
    pub mode: u32,
    pub table: u32,
    /// [`ValType`](crate::ValType) code.
    pub ty: u32,
    /// Its items in `ElemItems` (positions, not bytes).
    pub items_start: u32,
    pub items_len: u32,
    pub reserved: u32,
    pub offset: ConstExpr,
}

/// A data segment.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DataRecord {
    pub mode: u32,
    pub memory: u32,
    /// Its bytes in `data`.
    pub bytes: Range,
    pub offset: ConstExpr,
}

/// One way that control can go: the interpreter keeps a pointer into this table beside its instruction pointer.
///
/// In program order each function has: one entry for `br`, `br_if`, `br_on_null`, `br_on_non_null` and `if` (where the condition is zero); one for `else` (reached
/// from the end of the then-branch); N+1 for a `br_table` with N labels, the default last; one for each catch clause of a `try_table`; one for each
/// `call_indirect`, `call_ref` and their tail calls (a [`call site`](Self::indirect_site)).
/// An instruction whose branch is not taken steps over its own entries. Positions are relative to the function's first instruction and
/// first entry. The entry's position in the module's table is also the number of the profile counter of that branch.
///
/// Instructions that validation knows to be unreachable have none: those behind `br`, `br_table`, `return`, `unreachable`, throws and tail calls up to the end
/// of the block or to the `else`, with whole blocks in between (an `else` right behind such code has no entry either). Behind the `end` of a
/// reachable block all is reachable again.
///
/// Targets: the first instruction of a loop; behind the `end` of another block; the `end` itself of the function body, which returns; for an
/// `if` behind its `else`, or behind its `end` when it has none. The entry of an `if` keeps its parameters, which are in place already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SideTableEntry {
    /// Target less the position of the branching instruction's opcode, in bytes. For br_table, too.
    pub delta_ip: i32,
    /// The target's position in the side table less this entry's.
    pub delta_st: i32,
    /// How many values the branch carries: the label's arity. At a call site: the number of the site in the module.
    pub keep: u32,
    /// Slot, counted from the frame's start, where the carried values go: locals plus the height of the label's operand stack.
    pub height: u32,
}

impl SideTableEntry {
    /// The entry of an indirect call, with its number in the module.
    pub const fn indirect_site(site: u32) -> SideTableEntry {
        SideTableEntry { delta_ip: 0, delta_st: 1, keep: site, height: NONE }
    }

    /// Whether this is a call site rather than a branch.
    pub const fn is_indirect_site(&self) -> bool {
        self.height == NONE
    }

    /// Whether the branch goes back to a loop header.
    pub const fn is_back_edge(&self) -> bool {
        self.delta_ip <= 0 && !self.is_indirect_site()
    }
}

/// A catch clause. The first record of a function whose range holds a frame's position and which takes the exception's tag catches it; those of inner
/// `try_table`s come first. All positions count bytes from the function's first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HandlerRecord {
    /// The instructions inside of the `try_table`; `end` is its `end` instruction.
    pub start: u32,
    pub end: u32,
    /// The `try_table`'s opcode: what the entry's `delta_ip` counts from.
    pub at: u32,
    /// [`HandlerRecord::CATCH`] and the like, as in the binary format.
    pub kind: u32,
    /// Tag index, where the kind has one.
    pub tag: u32,
    /// The clause's [`SideTableEntry`], counted from the function's first one.
    pub entry: u32,
}

impl HandlerRecord {
    pub const CATCH: u32 = 0;
    pub const CATCH_REF: u32 = 1;
    pub const CATCH_ALL: u32 = 2;
    pub const CATCH_ALL_REF: u32 = 3;

    /// Whether only exceptions of one tag are caught.
    pub const fn has_tag(&self) -> bool {
        self.kind <= Self::CATCH_REF
    }

    /// Whether the exception itself is handed over behind its values.
    pub const fn has_ref(&self) -> bool {
        self.kind == Self::CATCH_REF || self.kind == Self::CATCH_ALL_REF
    }
}

/// A function's name.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NameRecord {
    pub function: u32,
    pub name: StrRange,
}
