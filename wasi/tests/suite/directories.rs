//! Descriptors of directories: what they refuse, listings, preopened ones, removal.

use crate::guest::*;
use crate::program::*;

#[test]
fn a_listing_has_the_numbers_that_metadata_has() {
    on_both(|p| {
        p.mkdir("sub").expect("made");
        p.touch("sub/file-0");
        p.touch("sub/file-1");
        let fd = p.open("sub", DIRECTORY, READ).expect("opened");
        let (mut entries, end) = p.readdir(fd, 4096, 0);
        assert!(end);
        entries.retain(|entry| !entry.name.starts_with('.'));
        entries.sort_by_key(|entry| entry.name.clone());
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["file-0", "file-1"]);
        for entry in &entries {
            assert_eq!(p.stat_at(fd, 0, &entry.name).expect("there").ino, entry.ino);
        }
        assert_ne!(entries[0].ino, entries[1].ino);
    });
}

#[test]
fn a_preopened_directory_can_be_closed() {
    on_both(|p| {
        assert_eq!(p.g.close(3), Ok(()));
        assert_eq!(p.fdstat(p.dir).expect("open").filetype, filetype::DIRECTORY);
        assert_eq!(p.fdstat(3), Err(errno::BADF));
        p.touch("still-there");
    });
}

#[test]
fn a_preopened_directory_can_be_replaced() {
    on_both(|p| {
        let before = p.fstat(p.dir).expect("open");
        assert_eq!(p.g.done("fd_renumber", &[p.dir, 3]), Ok(()));
        let after = p.fstat(3).expect("open");
        assert_eq!((before.dev, before.ino), (after.dev, after.ino));
        assert_eq!(p.fdstat(p.dir), Err(errno::BADF));
        assert_eq!(p.g.done("fd_prestat_get", &[3, RESULT]), Err(errno::BADF), "what replaced it has no name");
        assert_eq!(p.g.close(3), Ok(()));
    });
}

#[test]
fn calls_for_files_refuse_a_directory() {
    on_both(|p| {
        let dir = p.dir;
        assert_eq!(p.fstat(dir).expect("open").filetype, filetype::DIRECTORY);
        assert_eq!(p.g.done("fd_prestat_get", &[3, RESULT]), Ok(()));
        assert_eq!(p.g.u32_at(RESULT + 4), 1);
        let at = p.g.alloc(8);
        assert_eq!(p.g.done("fd_prestat_dir_name", &[3, at, 0]), Err(errno::NAMETOOLONG));
        assert_eq!(p.g.done("fd_prestat_dir_name", &[3, at, 2]), Ok(()));
        assert_eq!(p.g.slice(at, 2), b"/\0");
        assert_eq!(p.g.read(dir, 128), Err(errno::BADF));
        assert_eq!(p.pread(dir, &[128], 0), Err(errno::BADF));
        assert_eq!(p.g.write(dir, &[0; 128]), Err(errno::BADF));
        assert_eq!(p.pwrite(dir, &[&[0; 128]], 0), Err(errno::BADF));
        for whence in [SET, CUR, END] {
            assert_eq!(p.g.seek(dir, 0, whence), Err(errno::BADF));
        }
        assert_eq!(p.tell(dir), Err(errno::BADF));
        assert_eq!(p.g.done("fd_allocate", &[dir, 0, 1]), Err(errno::BADF));
        assert_eq!(p.g.done("fd_filestat_set_size", &[dir, 0]), Err(errno::BADF));
    });
}

#[test]
fn a_directory_gets_no_right_to_seek() {
    on_both(|p| {
        p.mkdir("sub").expect("made");
        let fd = p.open("sub", DIRECTORY, rights::SEEK).expect("opened");
        assert_eq!(p.g.seek(fd, 0, CUR), Err(errno::BADF));
        let stat = p.fdstat(fd).expect("open");
        assert_eq!((stat.filetype, stat.base & rights::SEEK), (filetype::DIRECTORY, 0));
        assert_eq!(p.g.close(fd), Ok(()));
        assert_eq!(p.rmdir("sub"), Ok(()));
    });
}

#[test]
fn a_listing_follows_the_directory() {
    on_both(|p| {
        let own = p.fstat(p.dir).expect("open").ino;
        let (entries, end) = p.readdir(p.dir, 256, 0);
        let seen: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.filetype)).collect();
        assert_eq!((seen, end), (vec![(".", filetype::DIRECTORY), ("..", filetype::DIRECTORY)], true));
        assert_eq!(entries[0].ino, own);
        let fd = p.open("file", CREAT, READ | WRITE).expect("created");
        let number = p.fstat(fd).expect("open").ino;
        let (entries, end) = p.readdir(p.dir, 256, 0);
        assert_eq!((entries.len(), end), (3, true));
        let file = entries.iter().find(|entry| entry.name == "file").expect("listed");
        assert_eq!((file.filetype, file.ino), (filetype::REGULAR, number));
        let (rest, end) = p.readdir(p.dir, 256, entries[1].next);
        assert_eq!((rest, end), (vec![entries[2].clone()], true));
        many_entries(p);
    });
}

fn many_entries(p: &mut Program) {
    for i in 0..100 {
        p.touch(&format!("file.{i}"));
    }
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let (entries, end) = p.readdir(p.dir, 256, cookie);
        names.extend(entries.iter().map(|entry| entry.name.clone()));
        if end {
            break;
        }
        cookie = entries.last().expect("a buffer holds several entries").next;
    }
    assert_eq!(names.len(), 103);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 103, "each once");
}

#[test]
fn a_name_is_free_again_after_removal() {
    on_both(|p| {
        p.touch("file");
        let fd = p.open("file", 0, 0).expect("opened");
        assert_eq!(p.unlink("file"), Ok(()));
        p.touch("file");
        assert_eq!(p.fstat(fd).expect("still open").nlink, 0);
        assert_eq!(p.unlink("file"), Ok(()));
        assert_eq!(p.g.close(fd), Ok(()));
        p.mkdir("sub").expect("made");
        let fd = p.open("sub", DIRECTORY, 0).expect("opened");
        assert_eq!(p.rmdir("sub"), Ok(()));
        assert_eq!(p.mkdir("sub"), Ok(()));
        assert_eq!(p.g.at("path_create_directory", fd, "beneath-the-removed"), Err(errno::NOENT));
        assert_eq!(p.g.close(fd), Ok(()));
    });
}

#[test]
fn trailing_slashes_do_not_matter_to_removing_directories() {
    on_both(|p| {
        p.mkdir("dir").expect("made");
        assert_eq!(p.rmdir("dir"), Ok(()));
        p.mkdir("dir").expect("made");
        p.touch("file");
        assert_eq!(p.rmdir("file"), Err(errno::NOTDIR));
        assert_eq!(p.rmdir("file/"), Err(errno::NOTDIR));
        assert_eq!(p.unlink("file"), Ok(()));
        assert_eq!(p.rmdir("dir/"), Ok(()));
        assert_eq!(p.stat(0, "dir"), Err(errno::NOENT));
    });
}

#[test]
fn only_empty_directories_are_removed() {
    on_both(|p| {
        p.mkdir("dir").expect("made");
        p.mkdir("dir/nested").expect("made");
        assert_eq!(p.rmdir("dir"), Err(errno::NOTEMPTY));
        assert_eq!(p.rmdir("dir/nested"), Ok(()));
        assert_eq!(p.rmdir("dir"), Ok(()));
    });
}

#[test]
fn unlinking_is_for_files() {
    on_both(|p| {
        p.mkdir("dir").expect("made");
        assert_eq!(p.unlink("dir"), Err(errno::ISDIR));
        assert_eq!(p.unlink("dir/"), Err(errno::ISDIR));
        assert_eq!(p.rmdir("dir"), Ok(()));
        p.touch("file");
        assert_eq!(p.unlink("file/"), Err(errno::NOTDIR));
        assert_eq!(p.unlink("file"), Ok(()));
    });
}
