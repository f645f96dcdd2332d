//! Damaged, forged and foreign files: a typed refusal, or a file with equal content; never a panic.

mod common;

use bytes::Bytes;
use common::*;
use trjit_cache_format::header::HEADER_OFFSET;
use trjit_cache_format::*;
use trjit_code::{CpuFeature, CpuFeatures, CpuLevel, MemoryStyle, Settings};
use trjit_module::Digest;

fn open(bytes: Vec<u8>) -> Result<CacheFile, Refusal> {
    CacheFile::open(bytes.into(), &expectations())
}

/// Opens, as a start does, then verifies all that a start leaves for later.
fn verified(bytes: Vec<u8>) -> Result<CacheFile, Refusal> {
    let file = open(bytes)?;
    file.verify_all()?;
    Ok(file)
}

fn code(bytes: Vec<u8>) -> &'static str {
    open(bytes).expect_err("a refusal").code()
}

fn with_byte(at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    changed(&cache(), at, change)
}

fn changed(file: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = file.to_vec();
    bytes[at] = change(bytes[at]);
    bytes
}

#[test]
fn what_is_no_cache_is_described() {
    let found = |bytes: &[u8]| match open(bytes.to_vec()) {
        Err(Refusal::NotACache { found }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(b""), "an empty file");
    assert_eq!(found(b"\0asm\x01\0\0\0"), "a WebAssembly binary (8 bytes)");
    assert!(found(b"hello, world").contains("12 bytes"));
    assert!(found(&cache()[..139]).starts_with("an ELF file"));
    let elf = std::fs::read("/proc/self/exe").unwrap();
    assert!(found(&elf).starts_with("an ELF file without a trjit header"));
}

#[test]
fn the_first_checks_come_in_their_order() {
    assert_eq!(code(with_byte(HEADER_OFFSET, |byte| byte ^ 1)), "not-a-cache");
    let mut newer = with_byte(HEADER_OFFSET + 8, |byte| byte + 1);
    let refusal = open(newer.clone()).unwrap_err();
    assert_eq!(refusal, Refusal::OtherFormat { found: FORMAT_VERSION + 1, expected: FORMAT_VERSION });
    // A wrong machine does not hide the other version, and damage behind does not hide the machine.
    newer[18] = 183;
    assert_eq!(code(newer), "other-format");
    for machine in [183, 40] {
        let mut foreign = with_byte(18, |_| machine);
        foreign.truncate(1000);
        assert_eq!(code(foreign), "other-architecture");
    }
    let foreign = open(with_byte(18, |_| 183)).unwrap_err();
    assert_eq!(foreign.to_string(), "the cache holds code for aarch64, this build runs x86-64");
    assert_eq!(code(with_byte(4, |_| 1)), "corrupt");
}

#[test]
fn each_section_s_damage_is_named() {
    let cache = large_cache();
    let file = CacheFile::parse(cache.clone()).unwrap();
    for &id in SectionId::ALL {
        let range = file.section_range(id);
        // The first bytes of the header are the magic: its damage makes another file of it.
        let at = if id == SectionId::Header { range.end - 1 } else { range.start };
        match verified(changed(&cache, at, |byte| byte ^ 0x10)) {
            Err(Refusal::Corrupt { section, .. }) => {
                // Chunks are larger than these sections: a start may only know where the damage begins.
                let within = SectionId::Module..SectionId::Text;
                let expected = if within.contains(&id) { SectionId::Module } else { id };
                assert_eq!(section, expected.name());
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn damage_is_found_before_the_first_use() {
    let cache = large_cache();
    let file = CacheFile::parse(cache.clone()).unwrap();
    let damaged = |id| open(changed(&cache, file.section_range(id).start, |byte| byte ^ 4)).unwrap();
    assert_eq!(damaged(SectionId::Traps).lookup_trap(22), Err(Damaged));
    assert_eq!(damaged(SectionId::Calls).lookup_call(37), None);
    assert_eq!(damaged(SectionId::Data).module().unwrap_err().code(), "corrupt");
    assert_eq!(damaged(SectionId::Code).module().unwrap_err().code(), "corrupt");
    let text = damaged(SectionId::Text);
    let refusal = text.ensure_mapped(SectionId::Text, text.text()).unwrap_err();
    assert!(refusal.to_string().contains("damaged in .text"), "{refusal}");
    assert!(file.ensure_mapped(SectionId::Text, &file.text()[1..]).is_err(), "other bytes than the file's");
    file.ensure_mapped(SectionId::Text, file.text()).unwrap();
}

#[test]
fn every_byte_of_the_file_may_be_wrong() {
    let original = cache();
    let file = CacheFile::open(original.clone(), &expectations()).unwrap();
    let used = |at: usize| {
        at < HEADER_OFFSET
            || at >= file.section_range(SectionId::Strtab).start
            || SectionId::ALL.iter().any(|&id| file.section_range(id).contains(&at))
    };
    let mut random = Random(1);
    let mut refused = 0;
    for at in (0..original.len()).filter(|&at| used(at)) {
        // The text is mostly padding: a part of it is enough.
        if file.section_range(SectionId::Text).contains(&at) && at % 16 != 0 {
            continue;
        }
        let flip = random.flip();
        match verified(with_byte(at, |byte| byte ^ flip)) {
            Err(refusal) => {
                assert!(!refusal.to_string().is_empty() && !refusal.help().is_empty());
                refused += 1;
            }
            Ok(changed) => {
                assert_eq!(changed.manifest(), file.manifest(), "byte {at}");
                let differs = SectionId::ALL.iter().find(|&&id| changed.section(id) != file.section(id));
                assert_eq!(differs, None, "byte {at} changed a section");
            }
        }
    }
    assert!(refused > 2000, "{refused}");
}

#[test]
fn every_truncation_is_refused() {
    let original = cache();
    let file = CacheFile::parse(original.clone()).unwrap();
    let ends = SectionId::ALL.iter().flat_map(|&id| [file.section_range(id).start, file.section_range(id).end]);
    let near = ends.flat_map(|end| [end.saturating_sub(1), end, end + 1]);
    let some = (0..original.len()).step_by(97);
    for len in near.chain(some).filter(|&len| len < original.len()) {
        let refusal = verified(original[..len].to_vec()).unwrap_err();
        assert!(["not-a-cache", "corrupt"].contains(&refusal.code()), "{len}: {refusal}");
        // Before any section is looked at, whatever is missing.
        assert!(CacheFile::parse(original[..len].to_vec().into()).is_err(), "{len}");
    }
}

#[test]
fn another_module_engine_or_builder() {
    let expect = |change: &dyn Fn(&mut Expectations)| {
        let mut expected = expectations();
        change(&mut expected);
        CacheFile::open(cache(), &expected).unwrap_err()
    };
    let module = ModuleId::of_wasm(b"\0asm\x01\0\0\0");
    let refusal = expect(&|expected| expected.module = Some(module));
    assert_eq!(refusal.code(), "other-module");
    assert!(refusal.to_string().contains("(8 bytes)"), "{refusal}");
    assert_eq!(expect(&|expected| expected.abi = Digest::of(b"another")).code(), "other-engine");
    assert_eq!(expect(&|expected| expected.memory = MemoryStyle::Checked).code(), "other-engine");
    assert_eq!(expect(&|expected| expected.minimum_safe_builder = Version::new(1000, 0, 0)).code(), "unsafe-builder");
    // Damage comes before all of these.
    let expected = Expectations { module: Some(module), ..expectations() };
    let table = CacheFile::parse(cache()).unwrap().section_range(SectionId::JumpTable).start;
    assert_eq!(CacheFile::open(with_byte(table, |byte| !byte).into(), &expected).unwrap_err().code(), "corrupt");
}

#[test]
fn a_cache_for_a_better_cpu_is_refused_and_the_features_named() {
    let module = module();
    let features = CpuLevel::V2.features().with(CpuFeature::Avx2).with(CpuFeature::Avx512vbmi);
    let settings = Settings { features, memory: MemoryStyle::Reserved, fuel: false };
    let bytes = Bytes::from(write(CacheBuilder { settings, level: CpuLevel::V3, ..builder(&module) }).unwrap());
    let on = |host: CpuFeatures| CacheFile::open(bytes.clone(), &Expectations { host, ..expectations() });
    assert!(on(features).is_ok());
    let refusal = on(CpuLevel::V2.features()).unwrap_err();
    assert_eq!(refusal.to_string(), "the cache (level x86-64-v3) needs CPU features that the CPU lacks: avx2, avx512vbmi");
    assert!(refusal.help().contains("for x86-64-v2"), "{}", refusal.help());
}
