//! `path_rename` and `path_link`: what may be moved or linked onto what.

use crate::guest::*;
use crate::program::*;

fn a_directory_was_moved(p: &mut Program) {
    assert_eq!(p.open("source", DIRECTORY, 0), Err(errno::NOENT));
    let fd = p.open("target", DIRECTORY, 0).expect("there");
    assert_eq!(p.g.close(fd), Ok(()));
    assert_eq!(p.rmdir("target"), Ok(()));
}

fn directories(p: &mut Program) {
    p.mkdir("source").expect("made");
    assert_eq!(p.rename("source", "target"), Ok(()));
    a_directory_was_moved(p);
    p.mkdir("source").expect("made");
    p.mkdir("target").expect("made");
    assert_eq!(p.rename("source", "target"), Ok(()), "an empty directory is replaced");
    a_directory_was_moved(p);
    p.mkdir("source").expect("made");
    p.mkdir("target").expect("made");
    p.touch("target/file");
    assert_eq!(p.rename("source", "target"), Err(errno::NOTEMPTY));
    assert_eq!(p.rename("source", "target/file"), Err(errno::NOTDIR));
    assert_eq!(p.unlink("target/file"), Ok(()));
    assert_eq!(p.rmdir("source"), Ok(()));
    assert_eq!(p.rmdir("target"), Ok(()));
}

fn files(p: &mut Program) {
    for existing in [false, true] {
        p.touch("source");
        if existing {
            p.touch("target");
        }
        assert_eq!(p.rename("source", "target"), Ok(()));
        assert_eq!(p.open("source", 0, 0), Err(errno::NOENT));
        assert!(p.open("target", 0, 0).is_ok());
        assert_eq!(p.unlink("target"), Ok(()));
    }
    p.touch("source");
    p.mkdir("target").expect("made");
    assert_eq!(p.rename("source", "target"), Err(errno::ISDIR));
    assert_eq!(p.rmdir("target"), Ok(()));
    assert_eq!(p.unlink("source"), Ok(()));
}

#[test]
fn renaming_replaces_what_it_may() {
    on_both(|p| {
        directories(p);
        files(p);
    });
}

#[test]
fn trailing_slashes_do_not_matter_to_renaming_directories() {
    on_both(|p| {
        p.mkdir("source").expect("made");
        assert_eq!(p.rename("source/", "target"), Ok(()));
        assert_eq!(p.rename("target", "source/"), Ok(()));
        assert_eq!(p.rename("source/", "target/"), Ok(()));
        assert_eq!(p.rename("target", "source"), Ok(()));
        assert_eq!(p.rmdir("source"), Ok(()));
    });
}

/// A link is the same file: all that can be asked is equal.
fn the_same(p: &mut Program, original: u64, dirfd: u64) {
    let link = p.g.open_with(dirfd, 0, "link", 0, READ, 0).expect("opened");
    assert_eq!(p.fstat(original), p.fstat(link));
    assert_eq!(p.fdstat(original), p.fdstat(link));
    assert_eq!(p.fstat(link).expect("open").nlink, 2);
    assert_eq!(p.g.close(link), Ok(()));
    assert_eq!(p.g.at("path_unlink_file", dirfd, "link"), Ok(()));
}

fn links_to_links(p: &mut Program) {
    for target in ["nowhere", "symlink"] {
        p.symlink(target, "symlink").expect("linked");
        assert_eq!(p.link(0, "symlink", p.dir, "link"), Ok(()), "a link itself can be linked, wherever it leads");
        assert_eq!(p.stat(0, "link").expect("there").filetype, filetype::SYMLINK);
        assert_eq!(p.unlink("symlink"), Ok(()));
        assert_eq!(p.unlink("link"), Ok(()));
    }
    p.symlink("nowhere", "symlink").expect("linked");
    assert_eq!(p.link(0, "file", p.dir, "symlink"), Err(errno::EXIST));
    assert_eq!(p.link(FOLLOW, "symlink", p.dir, "link"), Err(errno::INVAL));
    assert_eq!(p.unlink("symlink"), Ok(()));
}

#[test]
fn links_are_made_where_there_is_nothing() {
    on_both(|p| {
        let file = p.open("file", CREAT, READ).expect("created");
        // The same file, through a descriptor that did not create it.
        let file_again = p.open("file", 0, READ).expect("opened");
        assert_eq!(p.g.close(file), Ok(()));
        assert_eq!(p.link(0, "file", p.dir, "link"), Ok(()));
        the_same(p, file_again, p.dir);
        p.mkdir("sub").expect("made");
        let sub = p.open("sub", DIRECTORY, READ).expect("opened");
        assert_eq!(p.link(0, "file", sub, "link"), Ok(()));
        the_same(p, file_again, sub);
        p.touch("link");
        assert_eq!(p.link(0, "file", p.dir, "link"), Err(errno::EXIST));
        assert_eq!(p.link(0, "file", p.dir, "file"), Err(errno::EXIST));
        assert_eq!(p.link(0, "file", p.dir, "sub"), Err(errno::EXIST));
        assert_eq!(p.unlink("link"), Ok(()));
        assert_eq!(p.link(0, "sub", p.dir, "link"), Err(errno::PERM));
        assert_eq!(p.link(0, "file", p.dir, "link/"), Err(errno::NOENT));
        links_to_links(p);
    });
}
