//! Caches that can not be used: `require` refuses with status 120, `auto` warns and gives the right answer.

use crate::support::damage::{Random, mutations, truncations};
use crate::support::{Outcome, each, fixtures, scratch, trjit, wat};
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use trjit_cache_format::digests::ChunkDigest;
use trjit_cache_format::header::{Facts, HEADER_OFFSET, HeaderRecord};
use trjit_cache_format::{CacheFile, SectionId};

const FIB: [&str; 2] = ["--invoke", "fib"];

fn fib() -> PathBuf {
    fixtures().join("wat/fib.wat")
}

fn assembled(folder: &Path, module: &Path) -> PathBuf {
    let cache = folder.join("good.trjit");
    trjit(["assemble", "--all", "--cpu-level", "x86-64-v3", "-o"]).arg(&cache).arg(module).run().exits(0);
    cache
}

fn run(cache: &Path, mode: &str) -> Outcome {
    trjit(["run", "--cache-mode", mode, "--cache"]).arg(cache).args(FIB).arg(fib()).arg("10").run()
}

/// Refused by `require`, warned about by `auto`, ignored by `off`, refused where it is the program itself.
fn refused(cache: &Path, code: &str) {
    run(cache, "require").refuses(120, &[&format!("[{code}]"), "help: "]);
    let warned = run(cache, "auto").exits(0).prints("55\n").says(&[&format!("[{code}]"), "help: "]);
    assert_eq!(warned.stderr.lines().filter(|line| line.starts_with("warning: ")).count(), 1, "{warned:?}");
    run(cache, "off").succeeds().prints("55\n");
}

fn each_damaged(name: &str, damaged: Vec<Vec<u8>>, folder: &Path, job: impl Fn(&Path) -> Vec<String> + Sync) {
    let numbered: Vec<(usize, Vec<u8>)> = damaged.into_iter().enumerate().collect();
    each(&numbered, |(number, bytes)| {
        let path = folder.join(format!("{name}-{number}.trjit"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        let faults = job(&path);
        std::fs::remove_file(&path).expect("the scratch directory is writable");
        faults
    });
}

#[test]
fn truncated_caches_are_refused() {
    let folder = scratch();
    let bytes = std::fs::read(assembled(folder.path(), &fib())).expect("the cache is readable");
    each_damaged("cut", truncations(&bytes, 60), folder.path(), |path| {
        run(path, "require").refuses(120, &["help: "]);
        run(path, "auto").exits(0).prints("55\n").says(&["warning: "]);
        Vec::new()
    });
}

/// Any one bit: refused, or (in padding) without any effect.
#[test]
fn damaged_caches_are_refused_or_right() {
    let folder = scratch();
    let bytes = std::fs::read(assembled(folder.path(), &fib())).expect("the cache is readable");
    let mut damaged = mutations(&bytes, 250, 3);
    // Most of a small cache is padding: the same again among the bytes that are not 0.
    let full: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0 && bytes[at] != 0xcc).collect();
    let mut random = Random(5);
    damaged.extend((0..250).map(|_| {
        let mut copy = bytes.clone();
        copy[full[random.below(full.len())]] ^= 1 << random.below(8);
        copy
    }));
    each_damaged("bit", damaged, folder.path(), |path| {
        let required = run(path, "require");
        match required.code() {
            120 => drop(required.refuses(120, &["help: "])),
            _ => drop(required.succeeds().prints("55\n")),
        }
        let alone = trjit(["run", "--allow-precompiled"]).args(FIB).arg(path).arg("10").run();
        if ![0, 1, 120].contains(&alone.code()) || (alone.code() == 0 && alone.text() != "55\n") {
            return vec![format!("{alone:?}")];
        }
        run(path, "auto").exits(0).prints("55\n");
        Vec::new()
    });
}

#[test]
fn random_bytes_behind_an_elf_magic_are_refused() {
    let folder = scratch();
    let mut random = Random(9);
    for length in [4, 63, 64, 200, 5000] {
        let path = folder.path().join("random.trjit");
        let bytes: Vec<u8> = b"\x7fELF\x02\x01\x01".iter().copied().chain(random.bytes(length)).collect();
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        refused(&path, "not-a-cache");
        trjit(["run", "--allow-precompiled"]).arg(&path).run().refuses(120, &["[not-a-cache]"]);
    }
}

#[test]
fn what_is_no_cache_is_told() {
    let folder = scratch();
    refused(&folder.path().join("absent.trjit"), "unreadable");
    refused(folder.path(), "unreadable");
    refused(&fixtures().join("c/hello.wasm"), "not-a-cache");
    let empty = folder.path().join("empty.trjit");
    std::fs::write(&empty, b"").expect("the scratch directory is writable");
    refused(&empty, "not-a-cache");
}

#[test]
fn a_cache_of_another_module_is_refused() {
    let folder = scratch();
    refused(&assembled(folder.path(), &fixtures().join("wat/sieve.wat")), "other-module");
}

#[test]
fn a_cache_for_cpu_features_that_no_machine_has_is_refused_by_name() {
    let folder = scratch();
    let cache = assembled(folder.path(), &fib());
    // The highest bit of the features: far beyond those that have a name.
    forge(&cache, |facts| facts[offset_of!(Facts, features) + 3] |= 0x80);
    refused(&cache, "cpu-features");
    run(&cache, "require").says(&["feature 31, unknown to this build", "lacks"]);
    trjit(["run", "--allow-precompiled"]).args(FIB).arg(&cache).arg("10").run().refuses(120, &["[cpu-features]", "feature 31"]);
}

#[test]
fn caches_of_other_builds_are_refused() {
    let folder = scratch();
    let cache = assembled(folder.path(), &fib());
    let good = std::fs::read(&cache).expect("the cache is readable");
    for field in [offset_of!(Facts, memory), offset_of!(Facts, fuel), offset_of!(Facts, abi)] {
        std::fs::write(&cache, &good).expect("the scratch directory is writable");
        forge(&cache, |facts| facts[field] ^= 1);
        refused(&cache, "other-engine");
    }
    // The format version stands behind the magic.
    let mut other = good.clone();
    let magic = other.windows(8).position(|bytes| bytes == b"TRJITC\0\0").expect("a cache has the magic");
    other[magic + 8] = 99;
    std::fs::write(&cache, &other).expect("the scratch directory is writable");
    refused(&cache, "other-format");
    // The ELF machine: aarch64.
    let mut other = good;
    other[18] = 183;
    std::fs::write(&cache, &other).expect("the scratch directory is writable");
    refused(&cache, "other-architecture");
}

/// Changes what the header says the cache was made for, and makes the header's digest right again.
fn forge(cache: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(cache).expect("the cache is readable");
    let record = &mut bytes[HEADER_OFFSET..][..size_of::<HeaderRecord>()];
    change(&mut record[offset_of!(HeaderRecord, facts)..][..size_of::<Facts>()]);
    let (covered, digest) = record.split_at_mut(offset_of!(HeaderRecord, digest));
    digest.copy_from_slice(&ChunkDigest::of(covered).0);
    std::fs::write(cache, bytes).expect("the scratch directory is writable");
}

/// Only who needs a body finds it damaged; the guest has begun then, so that there is no other way to go on.
#[test]
fn a_damaged_body_ends_the_run_that_needs_it() {
    let folder = scratch();
    let mut random = Random(7);
    // Numbers that can not be packed, so that the last body is not verified together with anything else.
    let functions: String = (0..16384).map(|_| format!("(func (result i64) (i64.const {}))", random.number() as i64)).collect();
    let program = folder.path().join("many.wat");
    let text = format!(
        r#"(module (func (export "first") (result i32) (i32.const 1)) {functions} (func (export "last") (result i32) (i32.const 2)))"#
    );
    std::fs::write(&program, text).expect("the scratch directory is writable");
    let [profile, cache] = ["many.trprof", "many.trjit"].map(|name| folder.path().join(name));
    trjit(["train", "--invoke", "first", "-o"]).arg(&profile).arg(&program).run().exits(0);
    trjit(["assemble", "--recorded-only", "--cpu-level", "x86-64-v3", "-o"])
        .arg(&cache)
        .arg("--profile")
        .arg(&profile)
        .arg(&program)
        .run()
        .exits(0);
    let call = |name: &str, mode: &str| trjit(["run", "--invoke", name, "--cache-mode", mode, "--cache"]).arg(&cache).arg(&program).run();
    call("last", "require").succeeds().prints("2\n");

    let mut bytes = std::fs::read(&cache).expect("the cache is readable");
    let file = CacheFile::parse(bytes.clone().into()).expect("a cache");
    bytes[file.section_range(SectionId::Code).end - 1] ^= 1;
    std::fs::write(&cache, bytes).expect("the scratch directory is writable");
    call("first", "require").succeeds().prints("1\n");
    for mode in ["require", "auto"] {
        call("last", mode).refuses(120, &["can not go on", ".trjit.code", "help: "]);
    }
    call("last", "off").succeeds().prints("2\n");
}

#[test]
fn requiring_a_cache_without_one_is_refused() {
    trjit(["run", "--cache-mode", "require"]).args(FIB).arg(fib()).arg("10").run().refuses(1, &["--cache FILE"]);
}

#[test]
fn a_cache_may_be_for_its_own_module_alone() {
    let folder = scratch();
    let cache = assembled(folder.path(), &fib());
    let own = |module: &Path| trjit(["run", "-v", "--cache-mode", "own", "--cache"]).arg(&cache).args(FIB).arg(module).arg("5").run();
    own(&fib()).exits(0).prints("5\n").says(&["trjit: cache;"]);
    let other = wat(folder.path(), "other.wat", "(module (func (export \"fib\") (param i32) (result i32) (i32.const 7)))");
    let outcome = own(&other).exits(0).prints("7\n");
    assert!(outcome.stderr.starts_with("trjit: no cache;") && outcome.stderr.lines().count() == 1, "{outcome:?}");
    std::fs::write(&cache, "damaged").expect("the scratch directory is writable");
    run(&cache, "own").refuses(120, &["[not-a-cache]", "help: "]);
    trjit(["run", "--cache-mode", "own"]).args(FIB).arg(fib()).arg("10").run().refuses(1, &["--cache-mode own needs a cache"]);
}
