//! `path_open`: which combinations of flags, rights and paths open what.

use crate::guest::*;
use crate::program::*;
use trjit_wasi::WasiCtxBuilder;

#[test]
fn a_file_given_is_opened() {
    on_both(|p| {
        std::fs::write(p.root.path().join("file"), b"x").expect("written");
        let fd = p.open_followed("file", 0).expect("opened");
        assert_eq!(p.g.close(fd), Ok(()));
    });
}

#[test]
fn without_a_directory_nothing_is_opened() {
    guests(WasiCtxBuilder::new, |g| {
        assert_eq!(g.done("fd_prestat_get", &[3, RESULT]), Err(errno::BADF));
        assert_eq!(g.open("file", 0, READ), Err(errno::BADF));
    });
}

#[test]
fn an_existing_file_is_not_created_again() {
    on_both(|p| {
        p.touch("file");
        assert_eq!(p.open("file", CREAT | EXCL, 0), Err(errno::EXIST));
        assert_eq!(p.unlink("file"), Ok(()));
        assert!(p.open("file", CREAT | EXCL, 0).is_ok());
    });
}

#[test]
fn a_file_is_no_base_for_paths() {
    on_both(|p| {
        let fd = p.open("file", CREAT, 0).expect("created");
        assert_eq!(p.g.open_with(fd, 0, "foo", CREAT, 0, 0), Err(errno::NOTDIR));
    });
}

#[test]
fn a_missing_file_is_missing() {
    on_both(|p| assert_eq!(p.open("file", 0, 0), Err(errno::NOENT)));
}

#[test]
fn a_directory_opens_without_blocking() {
    on_both(|p| assert!(p.g.open_with(p.dir, 0, ".", 0, 0, 4).is_ok()));
}

/// What a preopened directory must offer for itself, and, beside those, for what is opened through it.
const BASE: u64 = 0b111 << 9 | 0b111_1111 << 12 | 1 << 20 | 1 << 21 | 0b111 << 24;
const INHERITED: u64 = 0b111_1111 | 0b11 << 7 | 1 << 22 | 1 << 23 | 1 << 27;

#[test]
fn a_preopened_directory_opens_with_its_own_rights() {
    on_both(|p| {
        let stat = p.fdstat(3).expect("open");
        assert_eq!(stat.base & BASE, BASE);
        assert_eq!(stat.inheriting & (BASE | INHERITED), BASE | INHERITED);
        let with = [(0, stat.base), (0, 0), (DIRECTORY, 0), (DIRECTORY, READ)];
        for (oflags, rights) in with {
            assert!(p.g.open_with(3, 0, ".", oflags, rights, 0).is_ok(), "{oflags} {rights:#x}");
        }
        assert_eq!(p.g.open_with(3, 0, ".", DIRECTORY, READ | WRITE, 0), Err(errno::ISDIR));
    });
}

#[test]
fn rights_choose_between_reading_and_writing() {
    on_both(|p| {
        p.touch("file");
        let both = READ | WRITE;
        let fd = p.open("file", 0, READ).expect("opened");
        assert_eq!(p.fdstat(fd).expect("open").base & both, READ);
        assert_eq!(p.g.read(fd, 100), Ok(vec![]));
        assert_eq!(p.g.write(fd, &[1; 50]), Err(errno::BADF));
        let fd = p.open("file", 0, WRITE).expect("opened");
        assert_eq!(p.fdstat(fd).expect("open").base & both, WRITE);
        assert_eq!(p.g.read(fd, 100), Err(errno::BADF));
        assert_eq!(p.g.write(fd, &[1; 50]), Ok(50));
        let fd = p.open("file", 0, both).expect("opened");
        assert_eq!(p.fdstat(fd).expect("open").base & both, both);
        assert_eq!(p.g.read(fd, 100), Ok(vec![1; 50]));
        assert_eq!(p.g.write(fd, &[2; 25]), Ok(25));
        assert_eq!(p.size(fd), 75);
    });
}

#[test]
fn directories_have_no_size_to_set() {
    on_both(|p| {
        p.touch("file");
        let stat = p.fdstat(p.dir).expect("open");
        assert_eq!((stat.filetype, stat.flags), (filetype::DIRECTORY, 0));
        assert_eq!(stat.base & (rights::FD_FILESTAT_SET_SIZE | rights::PATH_FILESTAT_SET_SIZE), 0);
        let fd = p.open("file", TRUNC, WRITE).expect("truncating needs no right but that to write");
        assert_eq!(p.size(fd), 0);
    });
}
