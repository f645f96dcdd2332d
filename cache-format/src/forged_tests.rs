//! Files whose digests are right and whose contents are not: what the reader's second line must hold against.

use crate::builder::settle;
use crate::header::{Architecture, Facts, HeaderRecord};
use crate::manifest::{HexDigest, Manifest, SectionDigest};
use crate::section::{SECTIONS, SectionId};
use crate::{CacheFile, Expectations, Refusal, digests, elf};
use bytes::Bytes;
use trjit_module::Digest;
use zerocopy::IntoBytes;

#[path = "../tests/common/mod.rs"]
mod common;
use common::{Random, cache, expectations};

/// A file with other sections and another manifest, signed anew as a writer would.
fn forge(change: impl FnOnce(&mut [Vec<u8>; SECTIONS]), edit: impl FnOnce(&mut Manifest)) -> Bytes {
    forge_facts(change, edit, |_| {})
}

/// The same, with other facts in the header.
fn forge_facts(change: impl FnOnce(&mut [Vec<u8>; SECTIONS]), edit: impl FnOnce(&mut Manifest), state: impl FnOnce(&mut Facts)) -> Bytes {
    let file = CacheFile::parse(cache()).unwrap();
    let mut sections: [Vec<u8>; SECTIONS] = std::array::from_fn(|index| file.section(SectionId::ALL[index]).to_vec());
    change(&mut sections);
    let mut manifest = file.manifest().unwrap().clone();
    for id in SectionId::digested() {
        let bytes = &sections[id as usize];
        let digest = SectionDigest { size: bytes.len() as u64, digest: HexDigest(Digest::of(bytes)) };
        manifest.sections.insert(id.name().into(), digest);
    }
    edit(&mut manifest);
    sections[SectionId::Manifest as usize] = manifest.encode().unwrap();
    let mut lens: [usize; SECTIONS] = std::array::from_fn(|index| sections[index].len());
    let places = settle(&mut lens);
    sections[SectionId::Digests as usize] = vec![0; lens[SectionId::Digests as usize]];
    let mut bytes = elf::emit(Architecture::X86_64, &std::array::from_fn(|index| sections[index].as_slice()), 1);
    let chunks = digests::encode(&bytes, &digests::covered(&places));
    bytes[places[SectionId::Digests as usize].clone()].copy_from_slice(&chunks);
    let mut facts = *file.facts();
    state(&mut facts);
    let header = HeaderRecord::new(facts, &sections[SectionId::Manifest as usize], &chunks, &places);
    bytes[places[SectionId::Header as usize].clone()].copy_from_slice(header.as_bytes());
    bytes.into()
}

/// Opens, as a start does, then looks at everything.
fn verified(bytes: Bytes) -> Result<CacheFile, Refusal> {
    let file = open(bytes)?;
    file.verify_all()?;
    Ok(file)
}

fn open(bytes: Bytes) -> Result<CacheFile, Refusal> {
    CacheFile::open(bytes, &Expectations { module: None, ..expectations() })
}

fn corrupt_section(bytes: Bytes) -> String {
    match verified(bytes) {
        Err(Refusal::Corrupt { section, .. }) => section,
        other => panic!("{other:?}"),
    }
}

/// Uses all that a loader and a signal handler would.
fn use_all(file: &CacheFile) {
    for offset in (0..file.text().len() as u32 + 8).chain([u32::MAX]) {
        let _ = (file.lookup_trap(offset), file.lookup_call(offset), file.lookup_handler(offset), file.function_at(offset));
    }
    let _ = (file.jump_table().len(), file.trampolines().len(), file.edges().iter().count());
    if let Ok(module) = file.module() {
        module.functions().iter().for_each(|record| drop(module.body(record)));
        drop(module.code());
    }
}

#[test]
fn forging_nothing_gives_a_file_that_opens() {
    use_all(&verified(forge(|_| {}, |_| {})).unwrap());
}

#[test]
fn signed_nonsense_in_any_section_never_panics() {
    let mut random = Random(2);
    let mut refused = 0;
    // The header and the chunk table are made by the forger itself, and damaged byte by byte elsewhere.
    for id in SectionId::digested().chain([SectionId::Manifest]) {
        for round in 0..150 {
            let mut target = Vec::new();
            let bytes = forge(
                |sections| {
                    let section = &mut sections[id as usize];
                    if round % 5 == 0 {
                        section.truncate(random.below(section.len() + 1));
                    } else if round % 5 == 1 {
                        section.extend((0..random.below(64)).map(|_| random.next() as u8));
                    } else if !section.is_empty() {
                        let at = random.below(section.len().min(512));
                        section[at] ^= random.flip();
                    }
                    target = section.clone();
                },
                |_| {},
            );
            // What a start does not look at may be nonsense: it must do no harm.
            open(bytes.clone()).iter().for_each(use_all);
            match verified(bytes.clone()) {
                Ok(file) => use_all(&file),
                Err(refusal) => {
                    assert!(!refusal.to_string().is_empty());
                    refused += 1;
                }
            }
            // Nor does looking at it without the checks.
            if let Ok(file) = CacheFile::parse(bytes) {
                use_all(&file);
                SectionId::ALL.iter().for_each(|&id| drop(file.verify(id)));
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn tables_that_contradict_each_other_are_named() {
    let change = |id: SectionId, at: usize, byte: u8| forge(|sections| sections[id as usize][at] = byte, |_| {});
    assert_eq!(corrupt_section(change(SectionId::JumpTable, 4, 32)), ".trjit.jumptable");
    assert_eq!(corrupt_section(change(SectionId::JumpTable, 8, 16)), ".trjit.jumptable");
    assert_eq!(corrupt_section(change(SectionId::Trampolines, 0, 16)), ".trjit.trampolines");
    assert_eq!(corrupt_section(change(SectionId::Functions, 0, 33)), ".trjit.functions");
    assert_eq!(corrupt_section(change(SectionId::Functions, 16, 4)), ".trjit.functions");
    assert_eq!(corrupt_section(change(SectionId::Functions, 12, 1)), ".trjit.functions");
    assert_eq!(corrupt_section(change(SectionId::Traps, 0, 200)), ".trjit.traps");
    assert_eq!(corrupt_section(change(SectionId::Text, 0, 0x90)), ".text");
    assert_eq!(corrupt_section(change(SectionId::Edges, 0, 4)), ".trjit.edges");
    let longer = |id: SectionId| forge(|sections| sections[id as usize].push(0), |_| {});
    for id in [SectionId::Module, SectionId::Functions, SectionId::Traps, SectionId::Calls, SectionId::Edges, SectionId::Text] {
        assert_eq!(corrupt_section(longer(id)), id.name());
    }
    // Pages that are not in the file, no pages, an imported or absent memory, and beyond the memory.
    for (at, byte) in [(8, 1), (10, 1), (17, 0x10), (24, 1), (25, 0x20), (25, 0), (31, 0xff), (0, 1)] {
        assert_eq!(corrupt_section(change(SectionId::Extents, at, byte)), ".trjit.extents", "{at}");
    }
    let twice = forge(|sections| sections[SectionId::Extents as usize].extend_from_within(..), |_| {});
    assert_eq!(corrupt_section(twice), ".trjit.extents");
    assert_eq!(corrupt_section(forge(|sections| sections[SectionId::Code as usize].clear(), |_| {})), ".trjit.code");
}

#[test]
fn packed_bodies_are_checked_against_the_module() {
    let whole = crate::code::encode(&common::module()).unwrap();
    let [start, end] = [0, 16].map(|at| u32::from_le_bytes(whole[at + 12..at + 16].try_into().unwrap()) as usize);
    assert_eq!((start, end), (32, whole.len()), "one block");
    let reason = |code: Vec<u8>| {
        let file = open(forge(|sections| sections[SectionId::Code as usize] = code, |_| {})).unwrap();
        use_all(&file);
        match file.verify_all() {
            Err(Refusal::Corrupt { section, reason }) if section == ".trjit.code" => reason,
            other => panic!("{other:?}"),
        }
    };
    let with = |at: usize, value: u32| {
        let mut code = whole.clone();
        code[at..at + 4].copy_from_slice(&value.to_le_bytes());
        reason(code)
    };
    assert!(with(12, 33).contains("no multiple of 16"));
    assert!(with(12, 1 << 20).contains("lies outside of the section"));
    assert!(with(28, end as u32 - 1).contains("its index ends at"));
    assert!(with(16, 1 << 31).contains("its index ends at"));
    assert!(with(20, 1 << 28).contains("its index ends at"));
    // The first block begins behind its first function.
    assert!(with(0, 9).contains("block 0"));
    assert!(with(0, u32::MAX).contains("block 0"));
    let frame = |frame: &[u8]| {
        let mut code = [&whole[..start], frame].concat();
        let end = code.len() as u32;
        code[28..32].copy_from_slice(&end.to_le_bytes());
        reason(code)
    };
    assert!(frame(&zstd::bulk::compress(b"something else", 1).unwrap()).contains("has 14 bytes, expected"));
    assert!(frame(&zstd::bulk::compress(&[0; 1 << 20], 1).unwrap()).contains("can not be unpacked"));
    assert!(frame(b"no frame at all").contains("can not be unpacked"));
    assert!(frame(&whole[start..end - 1]).contains("can not be unpacked"));
    assert!(frame(&[]).contains("block 0"));
}

#[test]
fn tables_of_sites_are_checked_to_the_last_byte() {
    let of = |id: SectionId, bytes: &[u8]| {
        let forged = forge(|sections| sections[id as usize] = bytes.to_vec(), |_| {});
        let Err(Refusal::Corrupt { section, reason }) = verified(forged) else { panic!("{bytes:x?}") };
        assert_eq!(section, id.name());
        reason
    };
    // One site: count, then an anchor at offset 22 with its bytes at 0, then the site.
    let table = |site: &[u8]| [&[1, 0, 0, 0, 22, 0, 0, 0, 0, 0, 0, 0], site].concat();
    let traps = |site: &[u8]| of(SectionId::Traps, &table(site));
    assert!(traps(&[0, 1, 99]).contains("unknown trap code 99"));
    assert!(traps(&[1, 0]).contains("record 0 is damaged"), "the first site of a group stands at its anchor");
    assert!(traps(&[0, 2]).contains("record 0 is damaged"), "position -1");
    assert!(traps(&[0, 5, 0x82]).contains("record 0 is damaged"), "a step without a position");
    assert!(traps(&[0, 0x84, 0]).contains("record 0 is damaged"), "a number that is not in the shortest form");
    assert!(traps(&[0]).contains("record 0 is damaged"), "cut off");
    assert!(traps(&[0, 4, 0]).contains("1 bytes behind"));
    assert!(of(SectionId::Traps, &[0, 0, 0, 0, 1]).contains("bytes behind"));
    assert!(of(SectionId::Traps, &[255; 16]).contains("too few"));
    assert!(of(SectionId::Calls, &table(&[0, 5, 9])).contains("code 9"));
    // The text is 4096 bytes long: a trap lies inside of it, a return address at most at its end.
    let at_end = [1, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 4];
    assert!(of(SectionId::Traps, &at_end).contains("text offset 4096"));
    assert!(verified(forge(|sections| sections[SectionId::Calls as usize] = at_end.to_vec(), |_| {})).is_ok());
}

#[test]
fn manifests_that_do_not_fit_the_file_are_corrupt() {
    let edited = |edit: fn(&mut Manifest)| corrupt_section(forge(|_| {}, edit));
    assert_eq!(edited(|manifest| manifest.format += 1), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.architecture = "aarch64".into()), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.builder.version = "new".into()), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.sections.retain(|name, _| name != ".text")), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.module.wasm_len += 1), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.settings.fuel = true), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.settings.features.push("apx".into())), ".trjit.manifest");
    assert_eq!(edited(|manifest| manifest.sections.get_mut(".trjit.calls").unwrap().size += 1), ".trjit.calls");
}

#[test]
fn unknown_repeated_and_missing_sections_are_refused() {
    // Renaming within the section names, which no digest covers.
    let rename = |from: &str, to: &str| {
        let mut bytes = cache().to_vec();
        let names = bytes.len() - (SECTIONS + 2) * 64 - 400;
        let at = names + bytes[names..].windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        verified(bytes.into()).unwrap_err().to_string()
    };
    assert!(rename(".trjit.edges\0", ".trjit.extra\0").contains("unknown section .trjit.extra"));
    assert!(rename(".trjit.edges\0", ".trjit.traps\0").contains("twice"));
    assert!(rename(".trjit.edges\0", ".shstrtab\0").contains("missing"));
}

#[test]
fn facts_of_the_header_that_contradict_the_file_are_corrupt() {
    let stated = |state: fn(&mut Facts)| corrupt_section(forge_facts(|_| {}, |_| {}, state));
    assert_eq!(stated(|facts| facts.wasm_len += 1), ".trjit.manifest");
    assert_eq!(stated(|facts| facts.builder[2] += 1), ".trjit.manifest");
    let both = forge_facts(|_| {}, |manifest| manifest.module.wasm_len += 1, |facts| facts.wasm_len += 1);
    assert_eq!(corrupt_section(both), ".trjit.module");
}

#[test]
fn a_feature_of_the_future_is_a_lacking_cpu_feature() {
    let bytes = forge_facts(|_| {}, |_| {}, |facts| facts.features |= 1 << 30);
    let refusal = open(bytes).unwrap_err();
    assert_eq!(refusal.code(), "cpu-features");
    assert!(refusal.to_string().contains("feature 30"), "{refusal}");
}
