//! `.trjit.header`: what can be told of a file before anything else in it is understood. Its place and the first two fields never change, so that every
//! version of the reader can name the version of every file.
//!
//! ```text
//! file offset 0     ELF header (64 bytes), one program header (56 bytes), padding
//! file offset 128   HeaderRecord: magic "TRJITC\0\0" | version u32 | reserved u32 | manifest offset u64 | manifest length u64 | BLAKE3 of the manifest
//! ```
//! The manifest's offset counts from the start of the file.

use crate::refusal::Refusal;
use crate::section::SectionId;
use object::LittleEndian;
use object::elf;
use object::read::elf::FileHeader as _;
use trjit_module::Digest;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Counts incompatible changes of the file format.
pub const FORMAT_VERSION: u32 = 2;
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
    /// 0.
    pub reserved: u32,
    pub manifest_offset: u64,
    pub manifest_len: u64,
    pub manifest_digest: Digest,
}

impl HeaderRecord {
    pub(crate) fn new(manifest_offset: usize, manifest: &[u8]) -> HeaderRecord {
        HeaderRecord {
            magic: MAGIC,
            version: FORMAT_VERSION,
            reserved: 0,
            manifest_offset: manifest_offset as u64,
            manifest_len: manifest.len() as u64,
            manifest_digest: Digest::of(manifest),
        }
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
    /// Checks, in this order: ELF, the magic, the format version, the architecture. Looks at the first 192 bytes only.
    pub fn read(bytes: &[u8]) -> Result<Preamble, Refusal> {
        let not_a_cache = || Refusal::NotACache { found: describe(bytes) };
        if !bytes.starts_with(&elf::ELFMAG) {
            return Err(not_a_cache());
        }
        let Some(Ok((header, _))) = bytes.get(HEADER_OFFSET..).map(HeaderRecord::read_from_prefix) else { return Err(not_a_cache()) };
        if header.magic != MAGIC {
            return Err(not_a_cache());
        }
        if header.version != FORMAT_VERSION {
            return Err(Refusal::OtherFormat { found: header.version, expected: FORMAT_VERSION });
        }
        let file = elf::FileHeader64::<LittleEndian>::parse(bytes).map_err(|error| Refusal::corrupt("ELF header", error.to_string()))?;
        let machine = file.e_machine(LittleEndian);
        let architecture = Architecture::ALL
            .iter()
            .copied()
            .find(|known| known.machine() == machine)
            .ok_or_else(|| Refusal::OtherArchitecture { found: format!("ELF machine {}", machine.0), expected: Architecture::HOST })?;
        if header.reserved != 0 {
            return Err(Refusal::corrupt(SectionId::Header.name(), "the reserved field is not 0"));
        }
        Ok(Preamble { header, architecture })
    }
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
