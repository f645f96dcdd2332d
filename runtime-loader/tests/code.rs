//! Code from files and code from memory, run on this machine.
#![cfg(target_arch = "x86_64")]

#[path = "../../cache-format/tests/common/mod.rs"]
mod common;

use common::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use trjit_cache_format::{CacheBuilder, SectionId, write, write_file};
use trjit_code::{CallSite, CompiledFunction, CpuFeatures, LAZY_STUB_CODE, Relocation, RelocationKind, TrapSite};
use trjit_module::vm::header;
use trjit_module::{FuncIndex, TrapCode, TypeIndex};
use trjit_runtime_loader::image::MIN_JIT_ROOM;
use trjit_runtime_loader::*;

fn saved() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sample.trjit");
    write_file(&path, &cache()).unwrap();
    (dir, path)
}

fn open(path: &Path) -> MappedCache {
    MappedCache::open(path, &expectations()).unwrap()
}

/// Calls the code at that offset as `extern "C" fn() -> u32`.
fn call(image: &Image, offset: i32) -> u32 {
    // SAFETY: the tests put code of this signature there, which touches no memory and returns.
    let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(image.address_of(offset)) };
    function()
}

fn unit(code: &CompiledFunction, function: u32) -> PublishUnit<'_> {
    PublishUnit { code, kind: UnitKind::Function(FuncIndex(function)), callable: true }
}

/// mov eax, value; ret; with a trap at the `ret`.
fn constant(value: u8) -> CompiledFunction {
    let traps = vec![TrapSite { offset: 5, code: TrapCode::Unreachable, wasm: value.into() }];
    CompiledFunction { bytes: vec![0xb8, value, 0, 0, 0, 0xc3], align: 16, traps, ..CompiledFunction::default() }
}

/// call function; add eax, 1; ret.
fn caller(target: u32) -> CompiledFunction {
    CompiledFunction {
        bytes: vec![0xe8, 0, 0, 0, 0, 0x83, 0xc0, 1, 0xc3],
        align: 16,
        relocations: vec![Relocation { offset: 1, kind: RelocationKind::X86PcRel4, target: FuncIndex(target), addend: -4 }],
        call_sites: vec![CallSite { offset: 5, wasm: 70 }],
        ..CompiledFunction::default()
    }
}

/// The protections of all mappings that touch the image.
fn protections(image: &Image) -> Vec<String> {
    let range = image.addresses();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let parse = |line: &str| {
        let (addresses, rest) = line.split_once(' ')?;
        let (start, end) = addresses.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (start < range.end && end > range.start).then(|| rest[..4].to_string())
    };
    maps.lines().filter_map(parse).collect()
}

#[test]
fn cached_code_runs_and_its_tables_answer() {
    let (_dir, path) = saved();
    let cache = open(&path);
    let image = Image::from_cache(&cache).unwrap();
    let table = JumpTable::from_cache(&cache).unwrap();
    assert_eq!((call(&image, table.get(ANSWER)), call(&image, table.get(CALLER))), (42, 43));
    assert_eq!((table.len(), table.get(COLD), table.get(FuncIndex(99))), (4, 0, 0));
    assert_eq!(image.trap_at(22).unwrap(), (TrapCode::Unreachable, 4));
    assert_eq!(image.call_at(37).unwrap(), 13);
    assert_eq!((image.function_at(48), image.function_at(32)), (None, Some(CALLER)));
    assert_eq!(image.code_at(48).unwrap().what, UnitKind::ToNative(TypeIndex(1)));
    assert_eq!(image.base().addr() % (64 << 10), 0);
    assert_eq!(image.offset_of(image.base().addr() + 22), Some(22));
    assert_eq!(image.offset_of(image.addresses().end), None);
}

#[test]
fn the_module_comes_from_the_mapping_and_outlives_the_cache() {
    let (dir, path) = saved();
    let cache = open(&path);
    let read = cache.module().unwrap();
    let bytes = cache.file().bytes().as_ptr_range();
    assert!(bytes.contains(&read.flat_bytes().as_ptr()) && bytes.contains(&read.data().as_ptr()));
    drop((cache, dir));
    assert_eq!((read.function_count(), read.func_name(ANSWER), read.code().unwrap()), (4, Some("answer"), module().code().unwrap()));
}

#[test]
fn jump_tables_are_private_to_their_instance() {
    let (_dir, path) = saved();
    let cache = open(&path);
    let (one, two) = (JumpTable::from_cache(&cache).unwrap(), JumpTable::from_cache(&cache).unwrap());
    assert!(one.store(COLD, 64) && one.store(ANSWER, 0));
    assert_eq!((one.get(COLD), one.get(ANSWER)), (64, 0));
    assert_eq!((two.get(COLD), two.get(ANSWER)), (0, 16));
    assert!(!one.store(FuncIndex(4), 16));
    assert_eq!(cache.file().jump_table(), [0, 16, 0, 32]);
    let empty = JumpTable::zeroed(0).unwrap();
    assert!(empty.is_empty() && !empty.store(FuncIndex(0), 1));
    let zeroed = JumpTable::zeroed(3000).unwrap();
    assert!(zeroed.store(FuncIndex(2999), 7));
    assert_eq!((zeroed.get(FuncIndex(2999)), zeroed.get(FuncIndex(0))), (7, 0));
}

#[test]
fn fresh_code_runs_beside_cached_code_and_calls_it() {
    let (_dir, path) = saved();
    let cache = open(&path);
    let image = Image::from_cache(&cache).unwrap();
    let table = JumpTable::from_cache(&cache).unwrap();
    let code = caller(ANSWER.0);
    let offsets = image.publish_linked(&[unit(&code, COLD.0)], &|function| Some(table.get(function))).unwrap();
    table.store(COLD, offsets[0]);
    assert_eq!(call(&image, table.get(COLD)), 43);
    let return_offset = offsets[0] as u32 + 5;
    assert_eq!(image.call_at(return_offset), Some(70));
    assert_eq!(image.function_at(return_offset), Some(COLD));
    assert_eq!(image.call_at(37).unwrap(), 13, "the cached tables still answer");
}

#[test]
fn a_batch_links_its_own_functions() {
    let image = Image::new_empty().unwrap();
    let (one, two, three) = (caller(7), constant(9), caller(5));
    let offsets = image.publish(&[unit(&one, 5), unit(&two, 7), unit(&three, 6)]).unwrap();
    assert_eq!(offsets.iter().map(|&offset| call(&image, offset)).collect::<Vec<_>>(), [10, 9, 11]);
    assert_eq!((image.published_batches(), image.published_bytes()), (1, 4096));
    let trap = image.trap_at(offsets[1] as u32 + 5).unwrap();
    assert_eq!(trap, (TrapCode::Unreachable, 9));
    assert_eq!(image.trap_at(offsets[1] as u32 + 4), None);
    assert_eq!(image.function_at(offsets[1] as u32 + 6), None, "padding belongs to nobody");
    assert!(image.publish(&[]).unwrap().is_empty());
}

#[test]
fn no_page_is_writable_and_executable() {
    let (_dir, path) = saved();
    let image = Image::from_cache(&open(&path)).unwrap();
    let empty = Image::new_empty().unwrap();
    for image in [&image, &empty] {
        for n in 0..5 {
            image.publish(&[unit(&constant(n), 1)]).unwrap();
        }
        let found = protections(image);
        assert!(found.iter().all(|protection| !protection.contains('w')), "{found:?}");
        assert!(found.contains(&"r-xp".to_string()) && found.contains(&"---p".to_string()), "{found:?}");
    }
}

#[test]
fn an_empty_image_begins_with_the_lazy_stub() {
    extern "C" fn stub(_vmctx: *const *const u8) -> u32 {
        7
    }
    let image = Image::with_room(0).unwrap();
    let mut vmctx = vec![std::ptr::null::<u8>(); 64];
    vmctx[header::LAZY_STUB / 8] = stub as *const u8;
    // SAFETY: the lazy stub's code jumps to the address that the vmctx in the first parameter holds, with the parameters as they are.
    let entry: extern "C" fn(*const *const u8) -> u32 = unsafe { std::mem::transmute(image.base()) };
    assert_eq!(entry(vmctx.as_ptr()), 7);
    assert_eq!((image.function_at(0), image.trap_at(0), image.call_at(0)), (None, None, None));
    assert_eq!(LAZY_STUB_CODE.len(), 16);
}

#[test]
fn what_can_not_be_published_is_told() {
    let image = Image::with_room(MIN_JIT_ROOM).unwrap();
    let error = |code: &CompiledFunction| image.publish_linked(&[unit(code, 1)], &|_| Some(0)).unwrap_err();
    assert!(matches!(error(&caller(2)), PublishError::Unresolved { callee: FuncIndex(2) }));
    // Code of that function that begins elsewhere is not what a call means.
    let (elsewhere, calling) = (caller(1), caller(2));
    let batch = [PublishUnit { callable: false, ..unit(&elsewhere, 2) }, unit(&calling, 1)];
    assert!(matches!(image.publish(&batch), Err(PublishError::Unresolved { callee: FuncIndex(2) })));
    assert!(matches!(error(&CompiledFunction { align: 8192, ..constant(1) }), PublishError::Align { align: 8192 }));
    assert!(matches!(error(&CompiledFunction { align: 48, ..constant(1) }), PublishError::Align { align: 48 }));
    let large = CompiledFunction { bytes: vec![0xc3; MIN_JIT_ROOM + 1], ..CompiledFunction::default() };
    assert!(matches!(error(&large), PublishError::Full { free: MIN_JIT_ROOM, .. }));
    let mut count = 0;
    while image.publish(&[unit(&constant(3), 1)]).is_ok() {
        count += 1;
    }
    assert_eq!(count, MIN_JIT_ROOM / 4096, "all pages are used, none twice");
    assert_eq!(image.published_batches(), count);
}

#[test]
fn threads_publish_and_look_up_at_once() {
    let image = Image::new_empty().unwrap();
    let publish = |n: u8| {
        for round in 0..100 {
            let value = n.wrapping_mul(100).wrapping_add(round);
            let offset = image.publish(&[unit(&constant(value), n.into())]).unwrap()[0];
            assert_eq!(call(&image, offset), u32::from(value));
            assert_eq!(image.trap_at(offset as u32 + 5).map(|(_, wasm)| wasm), Some(value.into()));
            assert_eq!(image.function_at(offset as u32), Some(FuncIndex(n.into())));
        }
    };
    std::thread::scope(|scope| {
        for n in 0..4 {
            let publish = &publish;
            scope.spawn(move || publish(n));
        }
    });
    assert_eq!(image.published_batches(), 400);
}

#[test]
fn files_that_can_not_be_opened_are_unreadable() {
    let (dir, _) = saved();
    let code = |path: &Path| MappedCache::open(path, &expectations()).unwrap_err().code();
    assert_eq!(code(&dir.path().join("absent")), "unreadable");
    assert_eq!(code(dir.path()), "unreadable");
    assert_eq!(code(Path::new("/dev/zero")), "unreadable");
    let empty = dir.path().join("empty");
    std::fs::write(&empty, b"").unwrap();
    assert_eq!(code(&empty), "not-a-cache");
    let mut damaged = large_cache().to_vec();
    let text = CacheFile::parse(large_cache()).unwrap().section_range(SectionId::Text);
    damaged[text.start + 17] ^= 1;
    std::fs::write(&empty, &damaged).unwrap();
    let refusal = Image::from_cache(&open(&empty)).map(|_| ()).map_err(Refusal::from).unwrap_err();
    assert_eq!((refusal.code(), refusal.to_string().contains("damaged in .text")), ("corrupt", true), "{refusal}");
    assert_eq!(MappedCache::inspect(&empty).unwrap().manifest(), CacheFile::parse(large_cache()).unwrap().manifest());
}

#[test]
fn replacing_the_file_does_not_disturb_who_has_it_mapped() {
    let (_dir, path) = saved();
    let cache = open(&path);
    let other = module();
    let mut text = text();
    text.bytes[17] = 41;
    write_file(&path, &write(CacheBuilder { text, ..builder(&other) }).unwrap()).unwrap();
    let run = |cache: &MappedCache| {
        let image = Image::from_cache(cache).unwrap();
        call(&image, JumpTable::from_cache(cache).unwrap().get(ANSWER))
    };
    assert_eq!((run(&cache), run(&open(&path))), (42, 41));
}

#[test]
fn a_forged_need_of_cpu_features_is_refused_before_anything_runs() {
    let (_dir, path) = saved();
    let module = module();
    let settings = trjit_code::Settings { features: trjit_code::CpuLevel::V3.features(), ..settings() };
    write_file(&path, &write(CacheBuilder { settings, ..builder(&module) }).unwrap()).unwrap();
    let lacking = Expectations { host: CpuFeatures::NONE, ..expectations() };
    assert_eq!(MappedCache::open(&path, &lacking).unwrap_err().code(), "cpu-features");
}
