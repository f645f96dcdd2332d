//! Listing directories by cookie, and the preopened ones' names.

mod guest;
use guest::*;
use std::collections::{BTreeMap, BTreeSet};
use trjit_wasi::WasiCtxBuilder;

struct Entry {
    next: u64,
    ino: u64,
    kind: u8,
    name: String,
}

/// The whole entries in one `fd_readdir` from `cookie` with `room` bytes, and the bytes used.
fn read(g: &mut Guest, fd: u64, room: u64, cookie: u64) -> (Vec<Entry>, u64) {
    let buf = g.alloc(room as usize);
    assert_eq!(g.done("fd_readdir", &[fd, buf, room, cookie, RESULT]), Ok(()));
    let used = u64::from(g.u32_at(RESULT));
    let (mut at, mut entries) = (0, Vec::new());
    while at + 24 <= used {
        let len = u64::from(g.u32_at(buf + at + 16));
        if at + 24 + len > used {
            break;
        }
        entries.push(Entry {
            next: g.u64_at(buf + at),
            ino: g.u64_at(buf + at + 8),
            kind: g.memory[(buf + at) as usize + 20],
            name: String::from_utf8_lossy(g.slice(buf + at + 24, len)).into_owned(),
        });
        at += 24 + len;
    }
    (entries, used)
}

fn populated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for i in 0..40 {
        std::fs::write(dir.path().join(format!("file-number-{i}")), b"").expect("written");
    }
    std::fs::create_dir(dir.path().join("dir")).expect("made");
    std::os::unix::fs::symlink("dir", dir.path().join("link")).expect("linked");
    dir
}

#[test]
fn a_listing_has_everything_once() {
    let dir = populated();
    let mut g = Guest::with_dir(dir.path());
    let (entries, used) = read(&mut g, 3, 16384, 0);
    assert!(used < 16384);
    assert_eq!((entries[0].name.as_str(), entries[1].name.as_str()), (".", ".."));
    assert_eq!((entries[0].next, entries[1].next, entries[2].next), (1, 2, 3));
    let kinds: BTreeMap<_, _> = entries.iter().map(|e| (e.name.clone(), e.kind)).collect();
    assert_eq!((entries.len(), kinds.len()), (44, 44));
    assert_eq!((kinds["dir"], kinds["link"], kinds["file-number-7"]), (3, 7, 4));
    for entry in &entries {
        if entry.name != ".." {
            let stat = g.stat(0, &entry.name).expect("there");
            assert_eq!(g.u64_at(stat + 8), entry.ino, "{}", entry.name);
        }
    }
}

#[test]
fn small_buffers_walk_by_cookie() {
    let dir = populated();
    let mut g = Guest::with_dir(dir.path());
    let (all, _) = read(&mut g, 3, 16384, 0);
    let (mut cookie, mut names) = (0, Vec::new());
    loop {
        let (entries, used) = read(&mut g, 3, 100, cookie);
        let Some(last) = entries.last() else { break };
        cookie = last.next;
        names.extend(entries.iter().map(|e| e.name.clone()));
        if used < 100 {
            break;
        }
    }
    assert_eq!(names, all.iter().map(|e| e.name.clone()).collect::<Vec<_>>());
    // A cut entry fills the buffer: used equals room.
    for room in [0, 1, 23, 24, 25] {
        assert_eq!(read(&mut g, 3, room, 2).1, room.min(room));
    }
    assert_eq!(read(&mut g, 3, 100, 44).1, 0);
    assert_eq!(read(&mut g, 3, 100, u64::MAX).1, 0);
}

#[test]
fn removing_while_walking_skips_nothing() {
    let dir = populated();
    let mut g = Guest::with_dir(dir.path());
    let (mut cookie, mut removed) = (2, 0);
    read(&mut g, 3, 50, 0);
    loop {
        let (entries, _) = read(&mut g, 3, 120, cookie);
        let Some(last) = entries.last() else { break };
        cookie = last.next;
        for entry in entries.iter().filter(|e| e.kind == 4) {
            assert_eq!(g.at("path_unlink_file", 3, &entry.name), Ok(()));
            removed += 1;
        }
    }
    assert_eq!(removed, 40);
    // From the start the directory is read anew.
    assert_eq!(read(&mut g, 3, 16384, 0).0.len(), 4);
}

#[test]
fn only_directories_can_be_listed() {
    let dir = populated();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("file-number-1", 0, READ).expect("opened");
    for bad in [0, 1, fd, 99] {
        assert_eq!(g.call("fd_readdir", &[bad, 2048, 100, 0, RESULT]), errno::BADF);
    }
    let sub = g.open("dir", DIRECTORY, READ).expect("opened");
    assert_eq!(read(&mut g, sub, 1000, 0).0.len(), 2);
}

#[test]
fn preopened_directories_have_names() {
    let (a, b) = (populated(), populated());
    let mut g = Guest::new(WasiCtxBuilder::new().preopened_dir(a.path(), "/data", false).preopened_dir(b.path(), ".", true));
    assert_eq!(g.done("fd_prestat_get", &[3, RESULT]), Ok(()));
    assert_eq!((g.memory[RESULT as usize], g.u32_at(RESULT + 4)), (0, 5));
    assert_eq!(g.call("fd_prestat_dir_name", &[3, 2048, 4]), errno::NAMETOOLONG);
    assert_eq!(g.done("fd_prestat_dir_name", &[3, 2048, 5]), Ok(()));
    assert_eq!(g.slice(2048, 5), b"/data");
    assert_eq!(g.done("fd_prestat_dir_name", &[4, 2048, 50]), Ok(()));
    assert_eq!(g.slice(2048, 1), b".");
    assert_eq!(g.call("fd_prestat_get", &[5, RESULT]), errno::BADF);
    assert_eq!(g.call("fd_prestat_get", &[1, RESULT]), errno::BADF);
    assert_eq!(g.call("fd_prestat_dir_name", &[1, 2048, 9]), errno::NOTDIR);
    let sub = g.open("dir", DIRECTORY, READ).expect("opened");
    assert_eq!(g.call("fd_prestat_get", &[sub, RESULT]), errno::BADF);
    assert_eq!(g.call("fd_prestat_dir_name", &[sub, 2048, 9]), errno::NOTDIR);
}

#[test]
fn a_missing_directory_is_named() {
    let error = WasiCtxBuilder::new().preopened_dir("/does/not/exist", "/x", false).build().expect_err("refused");
    let text = error.to_string();
    assert!(text.contains("/does/not/exist") && text.contains("'/x'"), "{text}");
    let reason = std::error::Error::source(&error).expect("the host's reason").to_string();
    assert!(!text.contains(&reason), "a printed chain says the reason twice: {text}: {reason}");
}

#[test]
fn thousands_of_entries_are_listed_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for i in 0..10_000 {
        std::fs::write(dir.path().join(format!("entry-{i}")), b"").expect("written");
    }
    let mut g = Guest::with_dir(dir.path());
    let (mut cookie, mut names) = (0, BTreeSet::new());
    loop {
        let (entries, _) = read(&mut g, 3, 4096, cookie);
        let Some(last) = entries.last() else { break };
        cookie = last.next;
        for entry in entries {
            assert!(names.insert(entry.name.clone()), "{} comes twice", entry.name);
        }
    }
    assert_eq!(names.len(), 10_002);
}
