//! Symbolic links: making, reading, following, and refusing to follow.

use crate::guest::*;
use crate::program::*;

#[test]
fn a_dangling_link_is_not_opened() {
    on_both(|p| {
        p.symlink("target", "link").expect("linked");
        assert_eq!(p.open("link", DIRECTORY, 0), Err(errno::LOOP));
        assert_eq!(p.open("link", 0, 0), Err(errno::LOOP));
        assert_eq!(p.open_followed("link", 0), Err(errno::NOENT));
        assert_eq!(p.unlink("link"), Ok(()));
    });
}

#[test]
fn links_are_followed_only_when_asked() {
    on_both(|p| {
        p.mkdir("target").expect("made");
        p.symlink("target", "link").expect("linked");
        assert_eq!(p.open("link", DIRECTORY, 0), Err(errno::LOOP));
        assert_eq!(p.open("link", 0, 0), Err(errno::LOOP));
        assert!(p.open_followed("link", DIRECTORY).is_ok());
        assert_eq!(p.unlink("link"), Ok(()));
        assert_eq!(p.rmdir("target"), Ok(()));
        p.touch("target");
        p.symlink("target", "link").expect("linked");
        assert_eq!(p.open("link", DIRECTORY, 0), Err(errno::LOOP));
        assert_eq!(p.open("link", 0, 0), Err(errno::LOOP));
        assert_eq!(p.open_followed("link", DIRECTORY), Err(errno::NOTDIR));
        assert!(p.open_followed("link", 0).is_ok());
    });
}

#[test]
fn a_link_is_not_made_behind_a_slash() {
    on_both(|p| {
        assert_eq!(p.symlink("source", "target/"), Err(errno::NOENT));
        assert_eq!(p.symlink("source", "target"), Ok(()));
        assert_eq!(p.unlink("target"), Ok(()));
        p.mkdir("target").expect("made");
        assert_eq!(p.symlink("source", "target/"), Err(errno::EXIST));
        assert_eq!(p.symlink("source", "target"), Err(errno::EXIST));
        assert_eq!(p.rmdir("target"), Ok(()));
        p.touch("target");
        assert_eq!(p.symlink("source", "target/"), Err(errno::NOTDIR));
        assert_eq!(p.symlink("source", "target"), Err(errno::EXIST));
    });
}

#[test]
fn a_link_is_read_as_far_as_there_is_room() {
    on_both(|p| {
        p.touch("target");
        p.symlink("target", "link").expect("linked");
        let ([path, len], buf) = (p.g.bytes(b"link"), p.g.alloc(16));
        p.g.set(buf, &[b'.'; 16]);
        assert_eq!(p.g.done("path_readlink", &[p.dir, path, len, buf, 10, RESULT]), Ok(()));
        assert_eq!((p.g.u32_at(RESULT), p.g.slice(buf, 10)), (6, &b"target...."[..]));
        p.g.set(buf, &[b'.'; 16]);
        assert_eq!(p.g.done("path_readlink", &[p.dir, path, len, buf, 4, RESULT]), Ok(()));
        assert_eq!((p.g.u32_at(RESULT), p.g.slice(buf, 10)), (4, &b"targ......"[..]));
        assert_eq!(p.unlink("target"), Ok(()));
        assert_eq!(p.unlink("link"), Ok(()));
    });
}

#[test]
fn links_lead_to_files_and_directories_but_not_to_the_root() {
    on_both(|p| {
        p.touch("target");
        p.symlink("target", "link").expect("linked");
        assert!(p.open_followed("link", 0).is_ok());
        assert_eq!(p.unlink("link"), Ok(()));
        assert_eq!(p.unlink("target"), Ok(()));
        p.mkdir("target").expect("made");
        p.symlink("target", "link").expect("linked");
        assert!(p.open_followed("link", DIRECTORY).is_ok());
        assert_eq!(p.unlink("link"), Ok(()));
        assert_eq!(p.symlink("/", "link"), Err(errno::PERM));
        assert_eq!(p.stat(0, "link"), Err(errno::NOENT));
    });
}

#[test]
fn a_loop_of_links_ends() {
    on_both(|p| {
        p.symlink("link", "link").expect("linked");
        assert_eq!(p.open("link", 0, 0), Err(errno::LOOP));
        assert_eq!(p.open_followed("link", 0), Err(errno::LOOP));
        assert_eq!(p.unlink("link"), Ok(()));
    });
}
