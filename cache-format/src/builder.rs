//! From a module and linked text to the bytes of a cache file.
//!
//! ```text
//! check the text -> encode each section -> lay out -> symbols (they hold addresses) -> digests -> manifest -> header -> emit
//! ```
//! The manifest stands last in the file, so that no other section's place depends on it.

use crate::header::{Architecture, HeaderRecord};
use crate::manifest::{Builder, HexDigest, Manifest, ManifestSettings, ModuleId, ProfileSource, SectionDigest};
use crate::section::{PAGE, SECTIONS, SectionId};
use crate::symbols::{self, Symbols};
use crate::text::{CodeItem, LinkedText, TextError};
use crate::{calls, edges, elf, functions, handlers, jump_table, memory, trampolines, traps};
use std::collections::BTreeMap;
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
    #[error("the manifest can not be written")]
    Manifest(#[from] serde_json::Error),
}

/// Writes the file.
pub fn write(builder: CacheBuilder<'_>) -> Result<Vec<u8>, WriteError> {
    let CacheBuilder { module, settings, level, mut text, profile, builder } = builder;
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
    contents[SectionId::Header as usize] = &[0; size_of::<HeaderRecord>()];
    contents[SectionId::Module as usize] = stored.flat_bytes();
    contents[SectionId::Code as usize] = stored.code();
    contents[SectionId::Data as usize] = stored.data();
    contents[SectionId::Memory as usize] = image.as_ref().map_or(&[], |image| &image.pages);
    contents[SectionId::Text as usize] = &text.bytes;
    tables.place(&mut contents);
    let text_address = place(&contents, SectionId::Text);
    let Symbols { symtab, strtab, count } = symbols::encode(&text.functions, module, text_address as u64, elf::elf_index(SectionId::Text));
    contents[SectionId::Symtab as usize] = &symtab;
    contents[SectionId::Strtab as usize] = &strtab;

    let manifest = Manifest {
        format: crate::FORMAT_VERSION,
        builder,
        architecture: Architecture::X86_64.name().into(),
        module: ModuleId::of(module),
        abi: HexDigest(abi_fingerprint()),
        settings: ManifestSettings::new(settings, level),
        profile: canonical(profile),
        tiers,
        sections: digests(&contents),
    };
    let manifest = manifest.encode()?;
    let header = HeaderRecord::new(place(&contents, SectionId::Manifest), &manifest);
    contents[SectionId::Manifest as usize] = &manifest;
    contents[SectionId::Header as usize] = header.as_bytes();
    Ok(elf::emit(Architecture::X86_64, &contents, count))
}

/// The encoded tables beside the text.
struct Tables {
    encoded: [(SectionId, Vec<u8>); 8],
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

fn place(contents: &[&[u8]; SECTIONS], id: SectionId) -> usize {
    elf::layout(&std::array::from_fn(|index| contents[index].len()))[id as usize].start
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
