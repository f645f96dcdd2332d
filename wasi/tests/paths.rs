//! Names: links, renaming, removing, metadata, and a read-only directory.

mod guest;
use guest::*;
use trjit_wasi::WasiCtxBuilder;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn directories_are_made_and_removed() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    assert_eq!(g.at("path_create_directory", 3, "d"), Ok(()));
    assert_eq!(g.at("path_create_directory", 3, "d"), Err(errno::EXIST));
    assert_eq!(g.at("path_create_directory", 3, "none/d"), Err(errno::NOENT));
    assert_eq!(g.at("path_create_directory", 3, "d/e/"), Ok(()));
    assert_eq!(g.at("path_remove_directory", 3, "d"), Err(errno::NOTEMPTY));
    assert_eq!(g.at("path_unlink_file", 3, "d/e"), Err(errno::ISDIR));
    assert_eq!(g.at("path_remove_directory", 3, "d/e"), Ok(()));
    assert_eq!(g.at("path_remove_directory", 3, "d"), Ok(()));
    assert_eq!(g.at("path_remove_directory", 3, "d"), Err(errno::NOENT));
    g.open("f", CREAT, WRITE).expect("created");
    assert_eq!(g.at("path_remove_directory", 3, "f"), Err(errno::NOTDIR));
    assert_eq!(g.at("path_unlink_file", 3, "f"), Ok(()));
    assert_eq!(g.at("path_unlink_file", 3, "f"), Err(errno::NOENT));
    assert_eq!(g.at("path_create_directory", 1, "d"), Err(errno::BADF));
    assert_eq!(g.at("path_create_directory", 3, ""), Err(errno::NOENT));
}

#[test]
fn symbolic_links_are_followed_only_on_request() {
    let dir = temp();
    std::fs::write(dir.path().join("target"), b"12345").expect("written");
    let mut g = Guest::with_dir(dir.path());
    assert_eq!(g.symlink("target", "link"), Ok(()));
    assert_eq!(g.symlink("target", "link"), Err(errno::EXIST));
    assert_eq!(g.readlink("link", 64), Ok("target".into()));
    assert_eq!(g.readlink("link", 3), Ok("tar".into()));
    assert_eq!(g.readlink("target", 64), Err(errno::INVAL));
    let followed = g.stat(FOLLOW, "link").expect("there");
    assert_eq!((g.memory[followed as usize + 16], g.u64_at(followed + 32)), (4, 5));
    let itself = g.stat(0, "link").expect("there");
    assert_eq!(g.memory[itself as usize + 16], 7);
    assert_eq!(g.open_with(3, 0, "link", 0, READ, 0), Err(errno::LOOP));
    assert!(g.open_with(3, FOLLOW, "link", 0, READ, 0).is_ok());
    assert_eq!(g.set_times(0, "link", 1_000_000_000, 2_000_000_000, 5), Ok(()));
    let itself = g.stat(0, "link").expect("there");
    assert_eq!(g.u64_at(itself + 48), 2_000_000_000);
    let followed = g.stat(FOLLOW, "link").expect("there");
    assert_ne!(g.u64_at(followed + 48), 2_000_000_000);
    assert_eq!(g.set_times(FOLLOW, "link", 3_000_000_000, 4_000_000_000, 5), Ok(()));
    let target = g.stat(0, "target").expect("there");
    assert_eq!((g.u64_at(target + 40), g.u64_at(target + 48)), (3_000_000_000, 4_000_000_000));
    assert_eq!(g.set_times(0, "target", 0, 0, 3), Err(errno::INVAL));
    assert_eq!(g.stat(2, "target"), Err(errno::INVAL));
    assert_eq!(g.at("path_unlink_file", 3, "link"), Ok(()));
    assert!(dir.path().join("target").exists());
}

#[test]
fn hard_links_share_a_file() {
    let dir = temp();
    std::fs::write(dir.path().join("a"), b"shared").expect("written");
    let mut g = Guest::with_dir(dir.path());
    assert_eq!(g.link(FOLLOW, "a", "b"), Err(errno::INVAL));
    assert_eq!(g.link(0, "a", "b"), Ok(()));
    assert_eq!(g.link(0, "a", "b"), Err(errno::EXIST));
    let (a, b) = (g.stat(0, "a").expect("there"), g.stat(0, "b").expect("there"));
    assert_eq!(g.u64_at(a + 24), 2);
    assert_eq!(g.slice(a, 16).to_vec(), g.slice(b, 16).to_vec());
    let c = g.stat(0, ".").expect("there");
    assert_ne!(g.u64_at(a + 8), g.u64_at(c + 8));
}

#[test]
fn renaming_moves_and_replaces() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    std::fs::write(dir.path().join("a"), b"A").expect("written");
    std::fs::write(dir.path().join("b"), b"B").expect("written");
    std::fs::create_dir(dir.path().join("d")).expect("made");
    assert_eq!(g.rename("a", "b"), Ok(()));
    assert_eq!(g.rename("a", "b"), Err(errno::NOENT));
    assert_eq!(g.rename("b", "d"), Err(errno::ISDIR));
    assert_eq!(g.rename("b", "d/c"), Ok(()));
    assert_eq!(std::fs::read(dir.path().join("d/c")).expect("there"), b"A");
    assert_eq!(g.rename("d", "e"), Ok(()));
    assert!(dir.path().join("e/c").exists());
}

#[test]
fn a_slash_behind_a_name_demands_a_directory() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    g.open("f", CREAT, WRITE).expect("created");
    g.at("path_create_directory", 3, "d").expect("made");
    g.symlink("f", "to-file").expect("linked");
    g.symlink("d", "to-dir").expect("linked");
    for path in ["f/", "f//", "f/.", "to-file/"] {
        assert_eq!(g.stat(0, path), Err(errno::NOTDIR), "{path}");
        assert_eq!(g.set_times(0, path, 0, 0, 0), Err(errno::NOTDIR), "{path}");
    }
    for path in ["d", "d/", "d/.", "to-dir/"] {
        let stat = g.stat(0, path).expect("there");
        assert_eq!(g.memory[stat as usize + 16], 3, "{path}");
    }
    assert_eq!(g.rename("f", "g/"), Err(errno::NOTDIR));
    assert_eq!(g.rename("f/", "g"), Err(errno::NOTDIR));
    assert_eq!(g.rename("to-dir", "g/"), Err(errno::NOTDIR));
    assert!(dir.path().join("f").exists() && !dir.path().join("g").exists());
    assert_eq!(g.rename("d", "e/"), Ok(()));
    assert_eq!(g.at("path_remove_directory", 3, "e//"), Ok(()));
    assert_eq!(g.at("path_remove_directory", 3, "/"), Err(errno::PERM));
}

#[test]
fn setting_no_time_still_needs_a_file() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    g.symlink("nowhere", "link").expect("linked");
    assert_eq!(g.set_times(0, "none", 1, 2, 0), Err(errno::NOENT));
    assert_eq!(g.set_times(FOLLOW, "link", 1, 2, 0), Err(errno::NOENT));
    assert_eq!(g.set_times(0, "link", 1, 2, 0), Ok(()));
}

#[test]
fn paths_must_be_utf8_and_without_zeros() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let [p, n] = g.bytes(b"\xff\xfe");
    assert_eq!(g.call("path_create_directory", &[3, p, n]), errno::ILSEQ);
    let [p, n] = g.bytes(b"a\0b");
    assert_eq!(g.call("path_create_directory", &[3, p, n]), errno::INVAL);
    let long = "x".repeat(300);
    assert_eq!(g.at("path_create_directory", 3, &long), Err(errno::NAMETOOLONG));
    assert_eq!(g.at("path_create_directory", 3, "höher"), Ok(()));
    assert!(dir.path().join("höher").exists());
}

#[test]
fn a_read_only_directory_refuses_every_change() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), b"data").expect("written");
    std::fs::create_dir(dir.path().join("d")).expect("made");
    let mut g = Guest::new(WasiCtxBuilder::new().preopened_dir(dir.path(), "/ro", true));
    let perm = Err(errno::PERM);
    let fd = g.open("f", 0, READ).expect("reading is allowed");
    assert_eq!(g.read(fd, 9), Ok(b"data".to_vec()));
    assert!(g.stat(0, "f").is_ok());
    assert_eq!(g.open("f", 0, WRITE), Err(errno::PERM));
    assert_eq!(g.open("f", TRUNC, READ), Err(errno::PERM));
    assert_eq!(g.open("g", CREAT, READ), Err(errno::PERM));
    assert_eq!(g.at("path_create_directory", 3, "x"), perm);
    assert_eq!(g.at("path_remove_directory", 3, "d"), perm);
    assert_eq!(g.at("path_unlink_file", 3, "f"), perm);
    assert_eq!(g.rename("f", "g"), perm);
    assert_eq!(g.link(0, "f", "g"), perm);
    assert_eq!(g.symlink("f", "g"), perm);
    assert_eq!(g.set_times(0, "f", 0, 0, 5), perm);
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 0, 0, 5]), perm);
    assert_eq!(g.done("fd_filestat_set_times", &[3, 0, 0, 5]), perm);
    assert_eq!(g.done("fd_filestat_set_size", &[fd, 0]), perm);
    // Directories opened beneath it inherit that.
    let sub = g.open("d", DIRECTORY, READ).expect("opened");
    assert_eq!(g.at("path_create_directory", sub, "x"), perm);
    assert_eq!(g.open_with(sub, 0, "x", CREAT, WRITE, 0), Err(errno::PERM));
    let names: Vec<_> = std::fs::read_dir(dir.path()).expect("there").collect();
    assert_eq!(names.len(), 2);
}
