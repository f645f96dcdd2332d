//! What the writer wrote, the reader and other tools read.

mod common;

use bytes::Bytes;
use common::*;
use std::process::Command;
use trjit_cache_format::section::{LARGE_TEXT, LARGE_TEXT_ALIGN, PAGE};
use trjit_cache_format::*;
use trjit_code::{CpuFeature, CpuFeatures, Tier};
use trjit_module::fingerprint::abi_fingerprint;
use trjit_module::memory_image::Imaged;
use trjit_module::vm::VmTrampolines;
use trjit_module::{Digest, FuncIndex, TrapCode, TypeIndex};

#[test]
fn everything_comes_back() {
    let (module, text) = (module(), text());
    let file = CacheFile::open(cache(), &expectations()).unwrap();
    assert!(file.text().starts_with(&text.bytes));
    assert!(file.text()[text.bytes.len()..].iter().all(|&byte| byte == 0xcc));
    assert_eq!((file.text().len() % PAGE, file.section_range(SectionId::Text).start % PAGE), (0, 0));
    assert_eq!(file.functions().iter().collect::<Vec<_>>(), text.functions);
    assert_eq!(file.traps().iter().collect::<Vec<_>>(), text.traps);
    assert_eq!(file.calls().iter().collect::<Vec<_>>(), text.calls);
    assert_eq!((file.inlined(), file.lookup_inlined(0), file.lookup_inlined(1)), (&*text.inlined, Some(text.inlined[0]), None));
    assert_eq!(file.edges().iter().collect::<Vec<_>>(), text.edges);
    assert_eq!(file.edges().direct_callers(ANSWER).collect::<Vec<_>>(), [CALLER]);
    assert_eq!(file.edges().direct_callers(CALLER).count(), 0);
    assert_eq!(file.jump_table(), [0, 16, 0, 32]);
    let mut crossings = vec![VmTrampolines::default(); module.types().len()];
    crossings[1].to_native = 48;
    assert_eq!(file.trampolines(), crossings);

    let read = file.module().unwrap();
    let image = Imaged::of(&module).unwrap();
    assert_eq!((&read.flat_bytes()[..], read.data()), (image.module.flat_without_bodies(), image.module.data()));
    assert_eq!(read.data(), "some other bytes");
    assert_eq!((file.extents().iter().collect::<Vec<_>>(), file.section(SectionId::Memory)), (image.extents, image.pages.as_slice()));
    assert_eq!(read.code().unwrap(), module.code().unwrap());
    for record in module.functions() {
        let [one, other] = [&read, &module].map(|module| module.body(record).unwrap());
        assert_eq!((one.code, one.side_table, one.handlers), (other.code, other.side_table, other.handlers));
    }
    assert_eq!(read.func_name(ANSWER), Some("answer"));
}

#[test]
fn lookups_find_exact_offsets_and_enclosing_code() {
    let file = CacheFile::open(cache(), &expectations()).unwrap();
    assert_eq!(file.lookup_trap(22).unwrap().unwrap().code, TrapCode::Unreachable);
    assert_eq!([21, 23, 0, u32::MAX].map(|offset| file.lookup_trap(offset)), [Ok(None); 4]);
    assert_eq!(file.lookup_call(37).unwrap().wasm, 13);
    assert_eq!([36, 38].map(|offset| file.lookup_call(offset)), [None; 2]);
    let what = |offset| file.function_at(offset).map(|placed| placed.what);
    assert_eq!([16, 23].map(what), [Some(CodeItem::Function(ANSWER)); 2]);
    assert_eq!([32, 40].map(what), [Some(CodeItem::Function(CALLER)); 2]);
    assert_eq!(what(50), Some(CodeItem::ToNative(TypeIndex(1))));
    assert_eq!([0, 15, 24, 41, 51, u32::MAX].map(what), [None; 6]);
}

#[test]
fn the_manifest_tells_what_the_cache_is() {
    let module = module();
    let file = CacheFile::parse(cache()).unwrap();
    let manifest = file.manifest().unwrap();
    assert_eq!(manifest.module, ModuleId::of(&module));
    assert_eq!(manifest.module, ModuleId::of_wasm(&wat::parse_str(WAT).unwrap()));
    assert_eq!(manifest.abi.0, abi_fingerprint());
    assert_eq!((manifest.builder.name.as_str(), manifest.builder.code_generator.as_str()), ("trjit", "hand 1.0"));
    assert_eq!(manifest.profile, ProfileSource::All);
    assert_eq!(manifest.settings.decode().unwrap(), settings());
    assert_eq!([Tier::A1, Tier::Ap4].map(|tier| manifest.tiers[tier.name()]), [1, 1]);
    assert_eq!(manifest.sections[".trjit.code"].digest.0, Digest::of(&code::encode(&module).unwrap()));
    let text = String::from_utf8(file.section(SectionId::Manifest).to_vec()).unwrap();
    assert!(text.starts_with("{\n  \"format\": 3,\n  \"builder\""), "{text}");
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let module = module();
    let digests = [b"one".as_slice(), b"two", b"one"].map(|bytes| HexDigest(Digest::of(bytes)));
    let with = |digests: &[HexDigest]| {
        let profile = ProfileSource::Profiles(digests.to_vec());
        write(CacheBuilder { profile, ..builder(&module) }).unwrap()
    };
    assert_eq!(with(&digests), with(&digests));
    assert_eq!(with(&digests), with(&[digests[1], digests[0]]), "the order of profiles does not count");
    assert_ne!(with(&digests), with(&digests[..1]));
    assert_eq!(cache(), cache());
}

#[test]
fn text_is_verified_where_it_is_mapped() {
    for cache in [cache(), large_cache()] {
        let open = || CacheFile::open(cache.clone(), &expectations()).unwrap();
        let place = open().section_range(SectionId::Text);
        let is_large = place.len() >= LARGE_TEXT;
        assert!(!is_large || place.start.is_multiple_of(LARGE_TEXT_ALIGN), "{place:?}");
        open().ensure_mapped(SectionId::Text, &cache[place.clone()]).unwrap();
        // A small file's text begins in a chunk that opening verifies.
        for at in [0, place.len() / 2, place.len() - 1].into_iter().filter(|_| is_large) {
            let mapped = [&cache[place.clone()][..at], &[!cache[place.start + at]], &cache[place.start + at + 1..place.end]].concat();
            let refusal = open().ensure_mapped(SectionId::Text, &mapped).unwrap_err();
            assert!(refusal.to_string().contains("damaged in .text"), "{refusal}");
        }
    }
}

#[test]
fn a_module_without_code_makes_a_cache() {
    let module = trjit_module::Module::parse(b"\0asm\x01\0\0\0".to_vec()).unwrap();
    let text = LinkedText { bytes: trjit_code::LAZY_STUB_CODE.to_vec(), ..LinkedText::default() };
    let bytes = write(CacheBuilder { text, ..builder(&module) }).unwrap();
    let file = CacheFile::open(bytes.into(), &Expectations { module: None, ..expectations() }).unwrap();
    assert_eq!(file.module().unwrap().function_count(), 0);
    assert!(file.functions().is_empty() && file.jump_table().is_empty());
}

#[test]
fn the_writer_refuses_wrong_texts() {
    let module = module();
    let error = |change: &dyn Fn(&mut LinkedText)| {
        let mut text = text();
        change(&mut text);
        match write(CacheBuilder { text, ..builder(&module) }) {
            Err(WriteError::Text(error)) => error,
            other => panic!("{:?}", other.map(|bytes| bytes.len())),
        }
    };
    assert!(matches!(error(&|text| text.bytes[3] ^= 1), TextError::LazyStub { .. }));
    assert!(matches!(error(&|text| text.bytes.clear()), TextError::LazyStub { .. }));
    assert!(matches!(error(&|text| text.functions.swap(0, 1)), TextError::Place { .. }));
    assert!(matches!(error(&|text| text.functions[2].len = 4), TextError::Place { .. }));
    assert!(matches!(error(&|text| text.functions[0].offset = 15), TextError::Place { .. }));
    assert!(matches!(error(&|text| text.functions[1].what = CodeItem::Function(ANSWER)), TextError::Twice { .. }));
    assert!(matches!(error(&|text| text.functions[0].what = CodeItem::Function(FuncIndex(0))), TextError::Imported { .. }));
    assert!(matches!(error(&|text| text.functions[0].what = CodeItem::Function(FuncIndex(4))), TextError::Unknown { .. }));
    assert!(matches!(error(&|text| text.functions[2].what = CodeItem::ToNative(TypeIndex(9))), TextError::Unknown { .. }));
    assert!(matches!(error(&|text| text.functions[0].tier = None), TextError::Tier { .. }));
    let avx = CpuFeatures::NONE.with(CpuFeature::Avx);
    assert!(matches!(error(&|text| text.functions[0].features = avx), TextError::Features { .. }));
    assert!(matches!(error(&|text| text.traps.reverse()), TextError::Table { table: "traps", .. }));
    assert!(matches!(error(&|text| text.calls[0].offset = 4000), TextError::Table { table: "calls", .. }));
    assert!(matches!(error(&|text| text.edges[0].caller = FuncIndex(4)), TextError::Table { table: "edges", .. }));
}

/// Runs a tool on the sample's cache; `None` where the tool is not installed.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.trjit");
    write_file(&path, &cache()).unwrap();
    let output = Command::new(name).args(args).arg(&path).env("LC_ALL", "C").output().ok()?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success() && err.is_empty(), "{name}: {err}");
    Some(out)
}

#[test]
fn binutils_open_the_file() {
    if let Some(out) = tool("readelf", &["-a", "-W"]) {
        assert!(out.contains(".trjit.manifest") && out.contains("trampoline.lazy_stub") && !out.contains("arning"), "{out}");
    }
    if let Some(out) = tool("nm", &[]) {
        for name in ["answer", "func[3]", "trampoline.to_native[1]"] {
            assert!(out.contains(&format!(" t {name}\n")), "{out}");
        }
    }
    if let Some(out) = tool("objdump", &["-d"]) {
        assert!(out.contains("<answer>:") && out.contains("$0x2a,%eax") && out.contains("<func[3]>:"), "{out}");
    }
}

#[test]
fn bytes_at_odd_addresses_are_refused() {
    let mut shifted = vec![0; 1];
    shifted.extend_from_slice(&cache());
    let refusal = CacheFile::open(Bytes::from(shifted).slice(1..), &expectations()).unwrap_err();
    assert_eq!(refusal.code(), "unreadable");
}
