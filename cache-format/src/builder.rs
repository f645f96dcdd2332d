//! From a module and linked text to the bytes of a cache file.
//!
//! ```text
//! check the text -> encode each section -> lay out -> symbols (they hold addresses) -> digests -> manifest -> emit -> chunk digests -> header
//! ```
//! The number of bytes of the manifest and of the chunk table depends on no digest and no address, so that both can stand in front.

use crate::digests as chunk_digests;
use crate::header::{Architecture, Facts, HeaderRecord};
use crate::manifest::{Builder, HexDigest, Manifest, ManifestSettings, ModuleId, ProfileSource, SectionDigest};
use crate::section::{PAGE, SECTIONS, SectionId};
use crate::symbols::{self, Symbols};
use crate::text::{CodeItem, LinkedText, TextError};
use crate::version::Version;
use crate::{calls, edges, elf, functions, handlers, inlined, jump_table, memory, trampolines, traps};
use std::collections::BTreeMap;
use std::ops::Range;
use trjit_code::{CpuLevel, Settings};
use trjit_module::fingerprint::abi_fingerprint;
use trjit_module::memory_image::Imaged;
use trjit_module::{Digest, Module};
use zerocopy::IntoBytes;

/// `int3`: what runs when control leaves the code.
const BREAKPOINT: u8 = 0xcc;

/// All that goes into a cache. The same fields give the same bytes.
#[derive(Clone, Debug)]
pub struct CacheBuilder<'a> {
    pub module: &'a Module,
    /// What the code was compiled for; each function's features must be among these.
    pub settings: Settings,
    /// The level whose features the settings hold, for messages.
    pub level: CpuLevel,
    pub text: LinkedText,
    /// The packed bodies of the module: see [`code`](crate::code).
    pub code: Vec<u8>,
    /// Digests of profiles may come in any order.
    pub profile: ProfileSource,
    pub builder: Builder,
}

/// Why there is no cache. All are faults of the caller.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the linked text is wrong")]
    Text(#[from] TextError),
    #[error("the module comes from a cache, which keeps the bytes of its data segments elsewhere; a cache is made from the wasm file")]
    Imaged,
    #[error("the builder's version {found:?} is not three numbers")]
    Version { found: String },
    #[error("the manifest can not be written")]
    Manifest(#[from] serde_json::Error),
}

/// Writes the file.
pub fn write(builder: CacheBuilder<'_>) -> Result<Vec<u8>, WriteError> {
    let CacheBuilder { module, settings, level, mut text, code, profile, builder } = builder;
    text.check(module, settings.features)?;
    if module.is_imaged() {
        return Err(WriteError::Imaged);
    }
    let image = Imaged::of(module);
    let stored = image.as_ref().map_or(module, |image| &image.module);
    let tables = Tables::encode(&text, module, image.as_ref());
    let tiers = count_tiers(&text);
    text.bytes.resize(text.bytes.len().next_multiple_of(PAGE), BREAKPOINT);

    let mut contents: [&[u8]; SECTIONS] = [&[]; SECTIONS];
    contents[SectionId::Module as usize] = stored.flat_without_bodies();
    contents[SectionId::Code as usize] = &code;
    contents[SectionId::Data as usize] = stored.data();
    contents[SectionId::Memory as usize] = image.as_ref().map_or(&[], |image| &image.pages);
    contents[SectionId::Text as usize] = &text.bytes;
    tables.place(&mut contents);

    let version = |text: &str| Version::parse(text).ok_or_else(|| WriteError::Version { found: text.to_string() });
    let facts = Facts::new(ModuleId::of(module), abi_fingerprint(), settings, version(&builder.version)?, version(&builder.minimum_safe)?);
    let manifest = Manifest {
        format: crate::FORMAT_VERSION,
        builder,
        architecture: Architecture::X86_64.name().into(),
        module: ModuleId::of(module),
        abi: HexDigest(abi_fingerprint()),
        settings: ManifestSettings::new(settings, level),
        profile: canonical(profile),
        tiers,
        sections: Default::default(),
    };
    assemble(contents, &text, module, manifest, facts)
}

/// Lays out, and fills in what depends on places: symbols, the manifest's digests, the chunks' digests, the header.
fn assemble(
    contents: [&[u8]; SECTIONS],
    text: &LinkedText,
    module: &Module,
    mut manifest: Manifest,
    facts: Facts,
) -> Result<Vec<u8>, WriteError> {
    let symbols_at = |text_address| symbols::encode(&text.functions, module, text_address, elf::elf_index(SectionId::Text));
    // Lengths depend on no address and no digest.
    let mut contents = contents;
    let draft = symbols_at(0);
    (contents[SectionId::Symtab as usize], contents[SectionId::Strtab as usize]) = (&draft.symtab, &draft.strtab);
    manifest.sections = digests(&contents);
    let mut lens: [usize; SECTIONS] = std::array::from_fn(|index| contents[index].len());
    lens[SectionId::Header as usize] = size_of::<HeaderRecord>();
    lens[SectionId::Manifest as usize] = manifest.encode()?.len();
    let places = settle(&mut lens);

    let Symbols { symtab, strtab, count } = symbols_at(places[SectionId::Text as usize].start as u64);
    (contents[SectionId::Symtab as usize], contents[SectionId::Strtab as usize]) = (&symtab, &strtab);
    manifest.sections = digests(&contents);
    let manifest = manifest.encode()?;
    contents[SectionId::Manifest as usize] = &manifest;
    let (no_header, no_chunks) = ([0; size_of::<HeaderRecord>()], vec![0; lens[SectionId::Digests as usize]]);
    (contents[SectionId::Header as usize], contents[SectionId::Digests as usize]) = (&no_header, &no_chunks);

    let mut bytes = elf::emit(Architecture::X86_64, &contents, count);
    let chunks = chunk_digests::encode(&bytes, &chunk_digests::covered(&places));
    bytes[places[SectionId::Digests as usize].clone()].copy_from_slice(&chunks);
    let header = HeaderRecord::new(facts, &manifest, &chunks, &places);
    bytes[places[SectionId::Header as usize].clone()].copy_from_slice(header.as_bytes());
    Ok(bytes)
}

/// The places of sections of these lengths; the length of the chunk table follows from where the last one ends.
pub(crate) fn settle(lens: &mut [usize; SECTIONS]) -> [Range<usize>; SECTIONS] {
    lens[SectionId::Digests as usize] = 0;
    loop {
        let places = elf::layout(lens);
        let needed = chunk_digests::len(chunk_digests::covered(&places).end);
        if needed <= lens[SectionId::Digests as usize] {
            return places;
        }
        lens[SectionId::Digests as usize] = needed;
    }
}

/// The encoded tables beside the text.
struct Tables {
    encoded: [(SectionId, Vec<u8>); 9],
}

impl Tables {
    fn encode(text: &LinkedText, module: &Module, image: Option<&Imaged>) -> Tables {
        let (function_count, types) = (module.function_count(), module.types().len() as u32);
        Tables {
            encoded: [
                (SectionId::Functions, functions::encode(&text.functions)),
                (SectionId::Trampolines, trampolines::encode(&text.functions, types)),
                (SectionId::Edges, edges::encode(&text.edges)),
                (SectionId::Traps, traps::encode(&text.traps)),
                (SectionId::Calls, calls::encode(&text.calls)),
                (SectionId::Inlined, inlined::encode(&text.inlined)),
                (SectionId::Handlers, handlers::encode(&text.handlers)),
                (SectionId::Extents, image.map_or_else(Vec::new, |image| memory::encode(&image.extents))),
                (SectionId::JumpTable, jump_table::encode(&text.functions, function_count)),
            ],
        }
    }

    fn place<'a>(&'a self, contents: &mut [&'a [u8]; SECTIONS]) {
        for (id, bytes) in &self.encoded {
            contents[*id as usize] = bytes;
        }
    }
}

fn count_tiers(text: &LinkedText) -> BTreeMap<String, u32> {
    let mut tiers = BTreeMap::new();
    for placed in text.functions.iter().filter(|placed| matches!(placed.what, CodeItem::Function(_))) {
        if let Some(tier) = placed.tier {
            *tiers.entry(tier.name().to_string()).or_insert(0) += 1;
        }
    }
    tiers
}

fn canonical(profile: ProfileSource) -> ProfileSource {
    match profile {
        ProfileSource::All => ProfileSource::All,
        ProfileSource::Profiles(mut digests) => {
            digests.sort_unstable();
            digests.dedup();
            ProfileSource::Profiles(digests)
        }
    }
}

fn digests(contents: &[&[u8]; SECTIONS]) -> BTreeMap<String, SectionDigest> {
    let digest = |id: SectionId| {
        let bytes = contents[id as usize];
        (id.name().to_string(), SectionDigest { size: bytes.len() as u64, digest: HexDigest(Digest::of(bytes)) })
    };
    SectionId::digested().map(digest).collect()
}
