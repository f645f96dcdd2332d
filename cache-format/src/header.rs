//! `.trjit.header`: what can be told of a file before anything else in it is understood, and all that decides whether it may be used here, in binary form, so that
//! a start parses nothing. Place and first two fields never change, so that every version of the reader can name the version of every file.
//!
//! ```text
//! file offset 0     ELF header (64 bytes), one program header (56 bytes), padding
//! file offset 128   HeaderRecord: magic "TRJITC\0\0" | version u32 | record length u32 | Facts | digests of manifest and chunk table | place of each section
//!                                 | XXH3 of the record up to here
//! ```
//! Offsets count from the start of the file. The manifest says the same for people and tools; [`verify_all`](crate::CacheFile::verify_all) compares them.

use crate::digests::ChunkDigest;
use crate::manifest::ModuleId;
use crate::refusal::Refusal;
use crate::section::{SECTIONS, SectionId};
use crate::version::Version;
use object::LittleEndian;
use object::elf;
use object::read::elf::FileHeader as _;
use std::ops::Range;
use trjit_code::{CpuFeatures, MemoryStyle, Settings};
use trjit_module::Digest;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Counts incompatible changes of the file format.
pub const FORMAT_VERSION: u32 = 3;
/// First bytes of the header section.
pub const MAGIC: [u8; 8] = *b"TRJITC\0\0";
/// Where the header section lies in every file.
pub const HEADER_OFFSET: usize = 128;

/// Contents of the header section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HeaderRecord {
    pub magic: [u8; 8],
    pub version: u32,
    /// Length of this record in bytes.
    pub len: u32,
    pub facts: Facts,
    pub manifest_digest: Digest,
    /// Of the section `.trjit.digests`.
    pub chunks_digest: ChunkDigest,
    pub places: [Place; SECTIONS],
    /// Of all bytes of the record before it.
    pub digest: ChunkDigest,
}

/// Offset and length of a section in bytes.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Place {
    pub offset: u64,
    pub len: u64,
}

/// What a cache was made for: compared with the module, the engine and the CPU before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Facts {
    /// Digest and length of the wasm bytes.
    pub module_digest: Digest,
    pub wasm_len: u64,
    /// [`trjit_module::fingerprint::abi_fingerprint`] of the builder.
    pub abi: Digest,
    /// Bit numbers of [`trjit_code::CpuFeature`] that the code may use.
    pub features: u32,
    /// 0 reserved, 1 checked ([`MemoryStyle`]).
    pub memory: u8,
    /// 1 where the code counts fuel, else 0.
    pub fuel: u8,
    pub reserved: u16,
    pub builder: [u32; 3],
    pub minimum_safe: [u32; 3],
}

impl Facts {
    pub(crate) fn new(module: ModuleId, abi: Digest, settings: Settings, builder: Version, minimum_safe: Version) -> Facts {
        let Settings { features, memory, fuel } = settings;
        let numbers = |version: Version| [version.major, version.minor, version.patch];
        Facts {
            module_digest: module.digest.0,
            wasm_len: module.wasm_len,
            abi,
            features: features.bits(),
            memory: match memory {
                MemoryStyle::Reserved => 0,
                MemoryStyle::Checked => 1,
            },
            fuel: fuel.into(),
            reserved: 0,
            builder: numbers(builder),
            minimum_safe: numbers(minimum_safe),
        }
    }

    pub fn module(&self) -> ModuleId {
        ModuleId { digest: crate::HexDigest(self.module_digest), wasm_len: self.wasm_len }
    }

    /// The style's name; `None` where this build does not know the number.
    pub fn memory(&self) -> Option<MemoryStyle> {
        match self.memory {
            0 => Some(MemoryStyle::Reserved),
            1 => Some(MemoryStyle::Checked),
            _ => None,
        }
    }

    /// The features that this build knows, and the bits that it does not.
    pub fn features(&self) -> (CpuFeatures, u32) {
        CpuFeatures::from_bits(self.features)
    }

    pub fn builder(&self) -> Version {
        let [major, minor, patch] = self.builder;
        Version::new(major, minor, patch)
    }

    pub fn minimum_safe(&self) -> Version {
        let [major, minor, patch] = self.minimum_safe;
        Version::new(major, minor, patch)
    }
}

impl HeaderRecord {
    pub(crate) fn new(facts: Facts, manifest: &[u8], chunks: &[u8], places: &[Range<usize>; SECTIONS]) -> HeaderRecord {
        let mut record = HeaderRecord {
            magic: MAGIC,
            version: FORMAT_VERSION,
            len: size_of::<HeaderRecord>() as u32,
            facts,
            manifest_digest: Digest::of(manifest),
            chunks_digest: ChunkDigest::of(chunks),
            places: places.each_ref().map(|place| Place { offset: place.start as u64, len: place.len() as u64 }),
            digest: ChunkDigest::NONE,
        };
        record.digest = record.own_digest();
        record
    }

    fn own_digest(&self) -> ChunkDigest {
        ChunkDigest::of(&self.as_bytes()[..size_of::<HeaderRecord>() - size_of::<ChunkDigest>()])
    }

    /// Checks the record against its own digest, and that each section lies aligned within a file of `file_len` bytes; the places.
    pub(crate) fn check(&self, file_len: usize) -> Result<[Range<usize>; SECTIONS], Refusal> {
        let corrupt = |reason: String| Refusal::corrupt(SectionId::Header.name(), reason);
        if self.len as usize != size_of::<HeaderRecord>() {
            return Err(corrupt(format!("its record has {} bytes, expected {}", self.len, size_of::<HeaderRecord>())));
        }
        if self.own_digest() != self.digest {
            return Err(corrupt(format!("its digest is {}, it says {}", self.own_digest(), self.digest)));
        }
        let mut places = [const { 0..0 }; SECTIONS];
        for (&id, Place { offset, len }) in SectionId::ALL.iter().zip(self.places) {
            let Some(end) = offset.checked_add(len).filter(|&end| end <= file_len as u64) else {
                let reason = format!("{len} bytes at {offset} lie outside of the file, which has {file_len}");
                return Err(Refusal::corrupt(id.name(), reason));
            };
            if !offset.is_multiple_of(id.align() as u64) {
                return Err(Refusal::corrupt(id.name(), format!("offset {offset} is no multiple of {}", id.align())));
            }
            // Both are at most `file_len`, a usize.
            places[id as usize] = offset as usize..end as usize;
        }
        let header = HEADER_OFFSET..HEADER_OFFSET + size_of::<HeaderRecord>();
        if places[SectionId::Header as usize] != header {
            return Err(corrupt(format!("the section is not at {header:?}")));
        }
        Ok(places)
    }
}

/// Instruction sets that caches may hold code for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub const ALL: &'static [Architecture] = &[Architecture::X86_64, Architecture::Aarch64];

    /// The architecture of this build.
    #[cfg(target_arch = "x86_64")]
    pub const HOST: Architecture = Architecture::X86_64;
    /// The architecture of this build.
    #[cfg(target_arch = "aarch64")]
    pub const HOST: Architecture = Architecture::Aarch64;

    /// The name that manifests and messages use.
    pub const fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86-64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    pub fn parse(name: &str) -> Option<Architecture> {
        Architecture::ALL.iter().copied().find(|architecture| architecture.name() == name)
    }

    pub(crate) const fn machine(self) -> elf::Machine {
        match self {
            Architecture::X86_64 => elf::EM_X86_64,
            Architecture::Aarch64 => elf::EM_AARCH64,
        }
    }
}

/// The first checks' result: this is a cache of a version that this build reads, for a known architecture.
#[derive(Clone, Copy, Debug)]
pub struct Preamble {
    pub header: HeaderRecord,
    pub architecture: Architecture,
}

impl Preamble {
    /// Checks, in this order: ELF, the magic, the format version, the architecture. Looks at the header only.
    pub fn read(bytes: &[u8]) -> Result<Preamble, Refusal> {
        let not_a_cache = || Refusal::NotACache { found: describe(bytes) };
        if !bytes.starts_with(&elf::ELFMAG) {
            return Err(not_a_cache());
        }
        let first = bytes.get(HEADER_OFFSET..).and_then(first_fields);
        let Some((MAGIC, version)) = first else { return Err(not_a_cache()) };
        if version != FORMAT_VERSION {
            return Err(Refusal::OtherFormat { found: version, expected: FORMAT_VERSION });
        }
        let file = elf::FileHeader64::<LittleEndian>::parse(bytes).map_err(|error| Refusal::corrupt("ELF header", error.to_string()))?;
        let machine = file.e_machine(LittleEndian);
        let architecture = Architecture::ALL
            .iter()
            .copied()
            .find(|known| known.machine() == machine)
            .ok_or_else(|| Refusal::OtherArchitecture { found: format!("ELF machine {}", machine.0), expected: Architecture::HOST })?;
        let Ok((header, _)) = HeaderRecord::read_from_prefix(&bytes[HEADER_OFFSET..]) else {
            return Err(Refusal::corrupt(SectionId::Header.name(), format!("the file ends after {} bytes", bytes.len())));
        };
        Ok(Preamble { header, architecture })
    }
}

/// The headers of the sections are the last of a file. They are for tools; but without them the file was cut off.
pub(crate) fn check_end(bytes: &[u8]) -> Result<(), Refusal> {
    let file = elf::FileHeader64::<LittleEndian>::parse(bytes).map_err(|error| Refusal::corrupt("ELF header", error.to_string()))?;
    let headers = u64::from(file.e_shnum(LittleEndian)) * u64::from(file.e_shentsize(LittleEndian));
    let end = file.e_shoff(LittleEndian).saturating_add(headers);
    if end > bytes.len() as u64 {
        return Err(Refusal::corrupt("ELF section headers", format!("they end at {end}, the file has {} bytes", bytes.len())));
    }
    Ok(())
}

/// Magic and version.
fn first_fields(bytes: &[u8]) -> Option<([u8; 8], u32)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    Some((*magic, u32::from_le_bytes(*rest.first_chunk()?)))
}

/// What a file that is no cache looks like, for people.
fn describe(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 4] = [
        (b"\0asm", "a WebAssembly binary"),
        (b"#!", "a script"),
        (b"(module", "a WebAssembly text file"),
        (&elf::ELFMAG, "an ELF file without a trjit header"),
    ];
    if bytes.is_empty() {
        return "an empty file".into();
    }
    match known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, what)) => format!("{what} ({} bytes)", bytes.len()),
        None => format!("a file of {} bytes that begins with {:02x?}", bytes.len(), &bytes[..bytes.len().min(8)]),
    }
}
