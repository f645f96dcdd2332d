//! The sections of a cache file: names, order in the file, alignment. What is inside of each is told by the module that writes and reads it.

/// Alignment of a `.text` of [`LARGE_TEXT`] and more. 64 KiB: the kernel maps that much around a fault, so that windows in memory and folios in
/// the page cache coincide.
pub const LARGE_TEXT_ALIGN: usize = 64 << 10;
/// A smaller `.text` is aligned to a page only: the gap before it, 32 KiB on average, would be more of the file than aligned windows are worth.
pub const LARGE_TEXT: usize = 1 << 20;
/// `.text` is padded with breakpoints to a multiple of this, so that no byte behind it becomes executable with its last page.
pub const PAGE: usize = 4096;

macro_rules! sections {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $align:expr;)*) => {
        /// A section of the file; the order is the order in the file.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(usize)]
        pub enum SectionId { $($(#[$doc])* $id,)* }

        impl SectionId {
            /// Every section, in file order.
            pub const ALL: &'static [SectionId] = &[$(SectionId::$id,)*];

            /// The name in the ELF section table.
            pub const fn name(self) -> &'static str {
                match self { $(SectionId::$id => $name,)* }
            }

            /// Alignment of its first byte in the file, at least.
            pub const fn align(self) -> usize {
                match self { $(SectionId::$id => $align,)* }
            }
        }
    };
}

// What a start reads stands first and together, behind it the text, then what only some runs need, and last what only tools read.
sections! {
    /// Magic, format version, what decides whether the cache fits, and the places of all sections, at a fixed offset: [`header`](crate::header).
    Header = ".trjit.header", 64;
    /// A digest for each chunk of the file: [`digests`](crate::digests).
    Digests = ".trjit.digests", 16;
    /// The [`manifest`](crate::manifest).
    Manifest = ".trjit.manifest", 8;
    /// The flat module, used in place: [`trjit_module::flat`].
    Module = ".trjit.module", 64;
    /// Which code lies where: [`functions`](crate::functions).
    Functions = ".trjit.functions", 8;
    /// Crossings of each type: [`trampolines`](crate::trampolines).
    Trampolines = ".trjit.trampolines", 8;
    /// Calls that exceptions are caught from: [`handlers`](crate::handlers).
    Handlers = ".trjit.handlers", 8;
    /// Which pages of `.trjit.memory` go where: [`memory`](crate::memory).
    Extents = ".trjit.extents", 8;
    /// The jump table of a fresh instance: [`jump_table`](crate::jump_table).
    JumpTable = ".trjit.jumptable", PAGE;
    /// Pages that fresh memories begin with: [`memory`](crate::memory).
    Memory = ".trjit.memory", PAGE;
    /// Machine code: [`text`](crate::text).
    Text = ".text", PAGE;
    /// Instructions that may trap: [`traps`](crate::traps).
    Traps = ".trjit.traps", 8;
    /// Return addresses: [`calls`](crate::calls).
    Calls = ".trjit.calls", 8;
    /// Instructions of inlined bodies: [`inlined`](crate::inlined).
    Inlined = ".trjit.inlined", 8;
    /// Bytes of the data segments that are not in `.trjit.memory`.
    Data = ".trjit.data", 64;
    /// Bodies of functions, packed, for what has no machine code: [`code`](crate::code).
    Code = ".trjit.code", 64;
    /// Direct calls: [`edges`](crate::edges).
    Edges = ".trjit.edges", 1;
    /// A symbol for each function, for tools.
    Symtab = ".symtab", 8;
    /// Names of the symbols.
    Strtab = ".strtab", 1;
}

/// Number of sections.
pub const SECTIONS: usize = SectionId::ALL.len();

impl SectionId {
    /// The section of that name.
    pub fn from_name(name: &[u8]) -> Option<SectionId> {
        SectionId::ALL.iter().copied().find(|id| id.name().as_bytes() == name)
    }

    /// Alignment that a section of `len` bytes is given.
    pub(crate) const fn align_for(self, len: usize) -> usize {
        if matches!(self, SectionId::Text) && len >= LARGE_TEXT { LARGE_TEXT_ALIGN } else { self.align() }
    }

    /// Sections whose digest stands in the manifest: all but the header, and the two whose digest the header holds.
    pub fn digested() -> impl Iterator<Item = SectionId> {
        SectionId::ALL.iter().copied().filter(|id| !matches!(id, SectionId::Header | SectionId::Digests | SectionId::Manifest))
    }
}

impl std::fmt::Display for SectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
