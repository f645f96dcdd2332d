//! Reading a cache file in place.
//!
//! ```text
//! open        preamble -> header's own digest -> places -> chunk table -> chunks in front of the text -> compatibility with module, engine, CPU
//! ensure      the digests of the chunks that a range overlaps, once: before the first use of the text and of what stands behind it
//! verify_all  everything: the ELF frame, the manifest, each section's digest, then order, bounds and agreement with the others. For tools and tests
//! ```
//! Lookups neither allocate nor lock: signal handlers may use them. They hold against any bytes.

use crate::calls::Calls;
use crate::code::Packed;
use crate::compat::{self, Expectations};
use crate::digests::{self, ChunkDigest, Chunks};
use crate::edges::Edges;
use crate::functions::Functions;
use crate::handlers::Handlers;
use crate::header::{Architecture, Facts, HeaderRecord, Preamble, check_end};
use crate::manifest::{MAX_MANIFEST, Manifest, ModuleId};
use crate::memory::Extents;
use crate::refusal::Refusal;
use crate::section::{PAGE, SECTIONS, SectionId};
use crate::table::records;
use crate::text::{MAX_TEXT, PlacedFunction};
use crate::traps::Traps;
use crate::{elf, inlined, jump_table, trampolines};
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use trjit_code::{CallSite, HandlerSite, InlinedPlace, LAZY_STUB_CODE, TrapSite};
use trjit_module::vm::VmTrampolines;
use trjit_module::{Digest, Module};

/// A cache file in memory, usually mapped. Clones share the bytes and what was verified of them.
#[derive(Clone)]
pub struct CacheFile {
    bytes: Bytes,
    architecture: Architecture,
    header: HeaderRecord,
    sections: [Range<usize>; SECTIONS],
    chunks: Chunks,
    manifest: Arc<OnceLock<Result<Manifest, Refusal>>>,
}

impl CacheFile {
    /// Runs the checks of a start; what comes back may be used. The text must be [ensured](Self::ensure_mapped) before it runs, and sections behind it before they are
    /// used; lookups see to that themselves. `bytes` must begin at a multiple of 8, as mappings and allocations do.
    pub fn open(bytes: Bytes, expected: &Expectations) -> Result<CacheFile, Refusal> {
        let preamble = Preamble::read(&bytes)?;
        if preamble.architecture != expected.architecture {
            let found = preamble.architecture.name().into();
            return Err(Refusal::OtherArchitecture { found, expected: expected.architecture });
        }
        let file = CacheFile::parse_after(preamble, bytes)?;
        file.ensure(file.section_range(SectionId::Module).start..file.section_range(SectionId::JumpTable).end)?;
        file.check(expected)?;
        Ok(file)
    }

    /// Finds the sections. Enough to look at a file (of any architecture), not to run it.
    pub fn parse(bytes: Bytes) -> Result<CacheFile, Refusal> {
        let preamble = Preamble::read(&bytes)?;
        CacheFile::parse_after(preamble, bytes)
    }

    fn parse_after(preamble: Preamble, bytes: Bytes) -> Result<CacheFile, Refusal> {
        let Preamble { header, architecture } = preamble;
        if !bytes.as_ptr().addr().is_multiple_of(8) {
            return Err(Refusal::Unreadable { reason: "its bytes do not begin at a multiple of 8 in memory".into() });
        }
        check_end(&bytes)?;
        let sections = header.check(bytes.len())?;
        let chunks = Chunks::new(digests::covered(&sections));
        let file = CacheFile { bytes, architecture, header, sections, chunks, manifest: Arc::default() };
        file.check_chunk_table()?;
        Ok(file)
    }

    /// Whether the cache fits these expectations.
    pub fn check(&self, expected: &Expectations) -> Result<(), Refusal> {
        let level = || self.manifest().map_or_else(|_| "unknown".to_string(), |manifest| manifest.settings.level.clone());
        compat::check(&self.header.facts, expected, level)
    }

    /// Verifies the chunks of the file that overlap `range` (offsets in the file), unless they were before.
    pub fn ensure(&self, range: Range<usize>) -> Result<(), Refusal> {
        self.ensure_by(range, |part| self.bytes.get(part).map(ChunkDigest::of))
    }

    /// The same for a section.
    pub fn ensure_section(&self, id: SectionId) -> Result<(), Refusal> {
        self.ensure(self.section_range(id))
    }

    /// The same for a section that is also mapped elsewhere, as `mapped`: the pages that are read are those that will be used.
    pub fn ensure_mapped(&self, id: SectionId, mapped: &[u8]) -> Result<(), Refusal> {
        let range = self.section_range(id);
        // The first and the last chunk may be shared with the section's neighbours.
        let digest_of = |part: Range<usize>| {
            let inside = part.start.clamp(range.start, range.end)..part.end.clamp(range.start, range.end);
            let before = self.bytes.get(part.start..inside.start.max(part.start))?;
            let behind = self.bytes.get(inside.end.min(part.end)..part.end)?;
            let inside = mapped.get(inside.start - range.start..inside.end - range.start)?;
            let is_whole = before.is_empty() && behind.is_empty();
            Some(if is_whole { ChunkDigest::of(inside) } else { ChunkDigest::of(&[before, inside, behind].concat()) })
        };
        self.ensure_by(range.clone(), digest_of)
    }

    fn ensure_by(&self, range: Range<usize>, digest_of: impl Fn(Range<usize>) -> Option<ChunkDigest>) -> Result<(), Refusal> {
        self.chunks.ensure(self.chunk_table(), range.clone(), digest_of).map_err(|part| {
            let at = part.start.max(range.start);
            let section = SectionId::ALL.iter().find(|&&id| self.sections[id as usize].contains(&at));
            let reason = format!("the bytes {part:?} of the file do not have their digest");
            Refusal::corrupt(section.map_or("the file", |id| id.name()), reason)
        })
    }

    /// Whether a section is whole, for signal handlers: neither allocates nor locks.
    fn is_whole(&self, id: SectionId) -> bool {
        self.chunks.ensure(self.chunk_table(), self.section_range(id), |part| self.bytes.get(part).map(ChunkDigest::of)).is_ok()
    }

    fn chunk_table(&self) -> &[ChunkDigest] {
        records(self.section(SectionId::Digests)).unwrap_or(&[])
    }

    /// Verifies everything: the frame, the manifest, and every section in file order.
    pub fn verify_all(&self) -> Result<(), Refusal> {
        if elf::sections(&self.bytes)? != self.sections {
            return Err(Refusal::corrupt("ELF section table", "the places of the sections are not those of the header"));
        }
        self.manifest()?;
        SectionId::digested().try_for_each(|id| self.verify(id))?;
        self.ensure(0..self.chunks.covered().end)
    }

    /// Verifies one section against the manifest, then what it says against the sections before it.
    pub fn verify(&self, id: SectionId) -> Result<(), Refusal> {
        let corrupt = |reason| Refusal::corrupt(id.name(), reason);
        let bytes = self.section(id);
        if let Some(expected) = self.manifest()?.sections.get(id.name()) {
            if bytes.len() as u64 != expected.size {
                return Err(corrupt(format!("{} bytes, the manifest says {}", bytes.len(), expected.size)));
            }
            self.check_against(id, expected.digest.0, "the manifest")?;
        }
        self.check_content(id).map_err(corrupt)
    }

    fn check_chunk_table(&self) -> Result<(), Refusal> {
        let (found, expected) = (ChunkDigest::of(self.section(SectionId::Digests)), self.header.chunks_digest);
        if found == expected {
            return Ok(());
        }
        Err(Refusal::corrupt(SectionId::Digests.name(), format!("its digest is {found}, the header says {expected}")))
    }

    fn check_against(&self, id: SectionId, expected: Digest, whose: &str) -> Result<(), Refusal> {
        let found = Digest::of(self.section(id));
        if found == expected {
            return Ok(());
        }
        Err(Refusal::corrupt(id.name(), format!("its digest is {}, {whose} says {}", found.short(), expected.short())))
    }

    /// Order, bounds and agreement of a section whose digest is right: the second line, for files that were made wrong.
    fn check_content(&self, id: SectionId) -> Result<(), String> {
        let text_len = self.section(SectionId::Text).len();
        let counts = || {
            let module = self.flat_module()?;
            Ok::<_, String>((module.function_count(), module.types().len() as u32))
        };
        match id {
            SectionId::Module => self.check_module(),
            SectionId::Functions => {
                let (functions, types) = counts()?;
                let (features, _) = self.header.facts.features();
                Functions::view(self.section(id))?.check(text_len, functions, types, features)
            }
            SectionId::Trampolines => trampolines::check(trampolines::view(self.section(id))?, self.functions(), counts()?.1),
            SectionId::JumpTable => jump_table::check(jump_table::view(self.section(id))?, self.functions(), counts()?.0),
            SectionId::Edges => Edges::view(self.section(id)).check(counts()?.0),
            SectionId::Traps => {
                let traps = Traps::view(self.section(id))?;
                traps.check(text_len)?;
                inlined::check_places(traps.iter().map(|site| site.wasm), self.inlined().len())
            }
            SectionId::Calls => {
                let calls = Calls::view(self.section(id))?;
                calls.check(text_len)?;
                inlined::check_places(calls.iter().map(|site| site.wasm), self.inlined().len())
            }
            SectionId::Inlined => inlined::check(inlined::view(self.section(id))?),
            SectionId::Handlers => Handlers::view(self.section(id))?.check(text_len),
            SectionId::Extents => Extents::view(self.section(id))?.check(self.section(SectionId::Memory).len(), &self.flat_module()?),
            SectionId::Text => check_text(self.section(id), self.architecture),
            SectionId::Header | SectionId::Digests | SectionId::Manifest => Ok(()),
            SectionId::Code => {
                let packed = Packed::verified(self);
                packed.check(&self.module_with(packed.clone())?)
            }
            SectionId::Data | SectionId::Memory | SectionId::Symtab | SectionId::Strtab => Ok(()),
        }
    }

    fn check_module(&self) -> Result<(), String> {
        let module = self.flat_module()?;
        let named = self.header.facts.module();
        if ModuleId::of(&module) != named {
            return Err(format!("it is of module {}, the header says {named}", ModuleId::of(&module)));
        }
        let header = module.header();
        let (id, expected) = (SectionId::Data, header.data.len);
        if self.section(id).len() != expected as usize {
            return Err(format!("it wants {expected} bytes of {id}, which has {}", self.section(id).len()));
        }
        Ok(())
    }

    fn flat_module(&self) -> Result<Module, String> {
        self.module_with(Packed::new(self))
    }

    fn module_with(&self, code: Packed) -> Result<Module, String> {
        let bytes = |id| self.section_bytes(id);
        Module::from_blocks(bytes(SectionId::Module), Arc::new(code), bytes(SectionId::Data)).map_err(|error| error.to_string())
    }

    /// The module, in place: nothing is parsed or copied. Its data are verified, since whoever has the module reads them without asking; its bodies when
    /// they are asked for.
    pub fn module(&self) -> Result<Module, Refusal> {
        [SectionId::Module, SectionId::Memory, SectionId::Data].into_iter().try_for_each(|id| self.ensure_section(id))?;
        self.flat_module().map_err(|reason| Refusal::corrupt(SectionId::Module.name(), reason))
    }

    /// The manifest, verified and parsed when it is first asked for; it says what the header's facts say.
    pub fn manifest(&self) -> Result<&Manifest, Refusal> {
        self.manifest.get_or_init(|| self.read_manifest()).as_ref().map_err(Refusal::clone)
    }

    fn read_manifest(&self) -> Result<Manifest, Refusal> {
        let corrupt = |reason| Refusal::corrupt(SectionId::Manifest.name(), reason);
        let bytes = self.section(SectionId::Manifest);
        if bytes.len() > MAX_MANIFEST {
            return Err(corrupt(format!("{} bytes, at most {MAX_MANIFEST} are allowed", bytes.len())));
        }
        self.check_against(SectionId::Manifest, self.header.manifest_digest, "the header")?;
        let manifest = Manifest::decode(bytes, self.architecture).map_err(corrupt)?;
        manifest.check_facts(&self.header.facts).map_err(corrupt)?;
        Ok(manifest)
    }

    /// What the cache was made for.
    pub fn facts(&self) -> &Facts {
        &self.header.facts
    }

    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where a section lies in the file.
    pub fn section_range(&self, id: SectionId) -> Range<usize> {
        self.sections[id as usize].clone()
    }

    pub fn section(&self, id: SectionId) -> &[u8] {
        // Ranges were checked against the length when the file was parsed.
        self.bytes.get(self.section_range(id)).unwrap_or(&[])
    }

    /// A section as a handle that keeps the file's bytes alive.
    pub fn section_bytes(&self, id: SectionId) -> Bytes {
        self.bytes.slice(self.section_range(id))
    }

    /// The machine code.
    pub fn text(&self) -> &[u8] {
        self.section(SectionId::Text)
    }

    /// One offset a function of the module, 0 = no code. Empty when the section is damaged.
    pub fn jump_table(&self) -> &[i32] {
        jump_table::view(self.section(SectionId::JumpTable)).unwrap_or(&[])
    }

    /// One entry a type of the module. Empty when the section is damaged.
    pub fn trampolines(&self) -> &[VmTrampolines] {
        trampolines::view(self.section(SectionId::Trampolines)).unwrap_or(&[])
    }

    pub fn functions(&self) -> Functions<'_> {
        Functions::view(self.section(SectionId::Functions)).unwrap_or_default()
    }

    pub fn traps(&self) -> Traps<'_> {
        Traps::view(self.section(SectionId::Traps)).unwrap_or_default()
    }

    pub fn calls(&self) -> Calls<'_> {
        Calls::view(self.section(SectionId::Calls)).unwrap_or_default()
    }

    /// Instructions of inlined bodies. Empty when the section is damaged.
    pub fn inlined(&self) -> &[InlinedPlace] {
        inlined::view(self.section(SectionId::Inlined)).unwrap_or(&[])
    }

    pub fn handlers(&self) -> Handlers<'_> {
        Handlers::view(self.section(SectionId::Handlers)).unwrap_or_default()
    }

    /// Which parts of `.trjit.memory` go where in fresh memories. Empty when the section is damaged.
    pub fn extents(&self) -> Extents<'_> {
        Extents::view(self.section(SectionId::Extents)).unwrap_or_default()
    }

    pub fn edges(&self) -> Edges<'_> {
        Edges::view(self.section(SectionId::Edges))
    }

    /// The trap of the instruction at that text offset; the error says that the table is damaged.
    pub fn lookup_trap(&self, text_offset: u32) -> Result<Option<TrapSite>, Damaged> {
        if self.is_whole(SectionId::Traps) { Ok(self.traps().lookup(text_offset)) } else { Err(Damaged) }
    }

    /// The call that returns to that text offset. None where the table is damaged: only backtraces use it.
    pub fn lookup_call(&self, text_offset: u32) -> Option<CallSite> {
        if self.is_whole(SectionId::Calls) { self.calls().lookup(text_offset) } else { None }
    }

    /// The inlined place of that number. None where the table is damaged: only backtraces use it.
    pub fn lookup_inlined(&self, number: u32) -> Option<InlinedPlace> {
        if self.is_whole(SectionId::Inlined) { self.inlined().get(number as usize).copied() } else { None }
    }

    /// Where an exception goes that leaves the callee of the call that returns to that text offset.
    pub fn lookup_handler(&self, text_offset: u32) -> Option<HandlerSite> {
        self.handlers().lookup(text_offset)
    }

    /// The code that holds the byte at that text offset.
    pub fn function_at(&self, text_offset: u32) -> Option<PlacedFunction> {
        self.functions().at(text_offset)
    }
}

/// A table that is needed does not have its digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged;

impl std::fmt::Debug for CacheFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheFile({} bytes of module {})", self.bytes.len(), self.header.facts.module())
    }
}

fn check_text(text: &[u8], architecture: Architecture) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_TEXT || !text.len().is_multiple_of(PAGE) {
        return Err(format!("{} bytes, expected a multiple of {PAGE}, at most {MAX_TEXT}", text.len()));
    }
    if architecture == Architecture::X86_64 && !text.starts_with(&LAZY_STUB_CODE) {
        return Err("it does not begin with the lazy stub".into());
    }
    Ok(())
}
