//! Reading a cache file in place: [`CacheFile::open`] runs every check in its fixed order, the accessors hand out the sections.
//!
//! ```text
//! parse    preamble -> sections -> header's and manifest's agreement -> manifest digest -> manifest
//! verify   for each section: size and digest, then order, bounds and agreement with the others
//! check    compatibility with module, engine, CPU
//! ```
//! Each section is verified by itself, so that a later version may put it off to the section's first use; this one verifies all before any is used.
//! Lookups neither allocate nor lock: signal handlers may use them.

use crate::calls::Calls;
use crate::compat::{self, Expectations};
use crate::edges::Edges;
use crate::functions::Functions;
use crate::handlers::Handlers;
use crate::header::{Architecture, HEADER_OFFSET, HeaderRecord, Preamble};
use crate::manifest::{MAX_MANIFEST, Manifest, ModuleId};
use crate::memory::Extents;
use crate::refusal::Refusal;
use crate::section::{PAGE, SECTIONS, SectionId};
use crate::text::{MAX_TEXT, PlacedFunction};
use crate::traps::Traps;
use crate::{elf, jump_table, trampolines};
use bytes::Bytes;
use std::ops::Range;
use trjit_code::{CallSite, HandlerSite, LAZY_STUB_CODE, TrapSite};
use trjit_module::vm::VmTrampolines;
use trjit_module::{Digest, Module};

/// A cache file in memory, usually mapped. Clones share the bytes.
#[derive(Clone)]
pub struct CacheFile {
    bytes: Bytes,
    architecture: Architecture,
    sections: [Range<usize>; SECTIONS],
    manifest: Manifest,
}

impl CacheFile {
    /// Runs all checks; what comes back may be used. `bytes` must begin at a multiple of 8, as mappings and allocations do.
    pub fn open(bytes: Bytes, expected: &Expectations) -> Result<CacheFile, Refusal> {
        let preamble = Preamble::read(&bytes)?;
        if preamble.architecture != expected.architecture {
            let found = preamble.architecture.name().into();
            return Err(Refusal::OtherArchitecture { found, expected: expected.architecture });
        }
        let file = CacheFile::parse_after(preamble, bytes)?;
        file.verify_all()?;
        compat::check(&file.manifest, expected)?;
        Ok(file)
    }

    /// Finds the sections and reads the manifest. Enough to look at a file (of any architecture), not to run it: sections are not verified.
    pub fn parse(bytes: Bytes) -> Result<CacheFile, Refusal> {
        let preamble = Preamble::read(&bytes)?;
        CacheFile::parse_after(preamble, bytes)
    }

    fn parse_after(preamble: Preamble, bytes: Bytes) -> Result<CacheFile, Refusal> {
        let Preamble { header, architecture } = preamble;
        if !bytes.as_ptr().addr().is_multiple_of(8) {
            return Err(Refusal::Unreadable { reason: "its bytes do not begin at a multiple of 8 in memory".into() });
        }
        let sections = elf::sections(&bytes)?;
        let header_place = HEADER_OFFSET..HEADER_OFFSET + size_of::<HeaderRecord>();
        if sections[SectionId::Header as usize] != header_place {
            return Err(Refusal::corrupt(SectionId::Header.name(), format!("the section is not at {header_place:?}")));
        }
        let place = &sections[SectionId::Manifest as usize];
        let manifest = read_manifest(&bytes, place, &header, architecture)?;
        Ok(CacheFile { bytes, architecture, sections, manifest })
    }

    /// Verifies every section, in file order.
    pub fn verify_all(&self) -> Result<(), Refusal> {
        SectionId::digested().try_for_each(|id| self.verify(id))
    }

    /// Verifies one section against the manifest, then what it says against the sections before it.
    pub fn verify(&self, id: SectionId) -> Result<(), Refusal> {
        let corrupt = |reason| Refusal::corrupt(id.name(), reason);
        let bytes = self.section(id);
        if let Some(expected) = self.manifest.sections.get(id.name()) {
            if bytes.len() as u64 != expected.size {
                return Err(corrupt(format!("{} bytes, the manifest says {}", bytes.len(), expected.size)));
            }
            let found = Digest::of(bytes);
            if found != expected.digest.0 {
                return Err(corrupt(format!("its digest is {}, the manifest says {}", found.short(), expected.digest.0.short())));
            }
        }
        self.check_content(id).map_err(corrupt)
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
                let features = self.manifest.settings.known_features();
                Functions::view(self.section(id))?.check(text_len, functions, types, features)
            }
            SectionId::Trampolines => trampolines::check(trampolines::view(self.section(id))?, self.functions(), counts()?.1),
            SectionId::JumpTable => jump_table::check(jump_table::view(self.section(id))?, self.functions(), counts()?.0),
            SectionId::Edges => Edges::view(self.section(id))?.check(counts()?.0),
            SectionId::Traps => Traps::view(self.section(id))?.check(text_len),
            SectionId::Calls => Calls::view(self.section(id))?.check(text_len),
            SectionId::Handlers => Handlers::view(self.section(id))?.check(text_len),
            SectionId::Extents => Extents::view(self.section(id))?.check(self.section(SectionId::Memory).len(), &self.flat_module()?),
            SectionId::Text => check_text(self.section(id), self.architecture),
            SectionId::Header | SectionId::Manifest => Ok(()),
            SectionId::Code | SectionId::Data | SectionId::Memory | SectionId::Symtab | SectionId::Strtab => Ok(()),
        }
    }

    fn check_module(&self) -> Result<(), String> {
        let module = self.flat_module()?;
        if ModuleId::of(&module) != self.manifest.module {
            return Err(format!("it is of module {}, the manifest says {}", ModuleId::of(&module), self.manifest.module));
        }
        let header = module.header();
        for (id, expected) in [(SectionId::Code, header.code.len), (SectionId::Data, header.data.len)] {
            if self.section(id).len() != expected as usize {
                return Err(format!("it wants {expected} bytes of {id}, which has {}", self.section(id).len()));
            }
        }
        Ok(())
    }

    fn flat_module(&self) -> Result<Module, String> {
        let bytes = |id| self.section_bytes(id);
        Module::from_flat(bytes(SectionId::Module), bytes(SectionId::Code), bytes(SectionId::Data)).map_err(|error| error.to_string())
    }

    /// The module, in place: nothing is parsed or copied.
    pub fn module(&self) -> Result<Module, Refusal> {
        self.flat_module().map_err(|reason| Refusal::corrupt(SectionId::Module.name(), reason))
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
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

    pub fn handlers(&self) -> Handlers<'_> {
        Handlers::view(self.section(SectionId::Handlers)).unwrap_or_default()
    }

    /// Which parts of `.trjit.memory` go where in fresh memories. Empty when the section is damaged.
    pub fn extents(&self) -> Extents<'_> {
        Extents::view(self.section(SectionId::Extents)).unwrap_or_default()
    }

    pub fn edges(&self) -> Edges<'_> {
        Edges::view(self.section(SectionId::Edges)).unwrap_or_default()
    }

    /// The trap of the instruction at that text offset.
    pub fn lookup_trap(&self, text_offset: u32) -> Option<TrapSite> {
        self.traps().lookup(text_offset)
    }

    /// The call that returns to that text offset.
    pub fn lookup_call(&self, text_offset: u32) -> Option<CallSite> {
        self.calls().lookup(text_offset)
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

impl std::fmt::Debug for CacheFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheFile({} bytes of module {})", self.bytes.len(), self.manifest.module)
    }
}

fn read_manifest(bytes: &[u8], place: &Range<usize>, header: &HeaderRecord, architecture: Architecture) -> Result<Manifest, Refusal> {
    let corrupt = |reason| Refusal::corrupt(SectionId::Manifest.name(), reason);
    if (header.manifest_offset, header.manifest_len) != (place.start as u64, place.len() as u64) {
        let reason =
            format!("{} bytes at {}, the header says {} at {}", place.len(), place.start, header.manifest_len, header.manifest_offset);
        return Err(corrupt(reason));
    }
    if place.len() > MAX_MANIFEST {
        return Err(corrupt(format!("{} bytes, at most {MAX_MANIFEST} are allowed", place.len())));
    }
    let manifest = bytes.get(place.clone()).unwrap_or(&[]);
    let found = Digest::of(manifest);
    if found != header.manifest_digest {
        return Err(corrupt(format!("its digest is {}, the header says {}", found.short(), header.manifest_digest.short())));
    }
    Manifest::decode(manifest, architecture).map_err(corrupt)
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
