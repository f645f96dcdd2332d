//! Paths that look odd, what they lead to, and metadata by path.

use crate::guest::*;
use crate::program::*;

#[test]
fn odd_paths_lead_where_they_should() {
    on_both(|p| {
        p.mkdir("dir").expect("made");
        p.mkdir("dir/nested").expect("made");
        p.touch("dir/nested/file");
        assert_eq!(p.open("/dir/nested/file", 0, 0), Err(errno::PERM));
        assert!(p.open("dir/.//nested/../../dir/nested/../nested///./file", 0, 0).is_ok());
        assert_eq!(p.open("dir/nested/file\0", 0, 0), Err(errno::INVAL));
        assert_eq!(p.open("dir/nested/file/", 0, 0), Err(errno::NOTDIR));
        assert_eq!(p.open("dir/nested/file///", 0, 0), Err(errno::NOTDIR));
        assert!(p.open("dir/nested/", 0, 0).is_ok());
        assert!(p.open("dir/nested///", 0, 0).is_ok());
        assert_eq!(p.open("dir/nested/../../../dir/nested/file", 0, 0), Err(errno::PERM));
        assert_eq!(p.unlink("dir/nested/file"), Ok(()));
        assert_eq!(p.rmdir("dir/nested"), Ok(()));
        assert_eq!(p.rmdir("dir"), Ok(()));
    });
}

#[test]
fn what_exists_has_a_type() {
    on_both(|p| {
        p.mkdir("sub").expect("made");
        p.touch("sub/file");
        p.symlink("sub/file", "to-file").expect("linked");
        p.symlink("sub", "to-sub").expect("linked");
        let mut types = |path| (p.stat(0, path).expect("there").filetype, p.stat(FOLLOW, path).expect("there").filetype);
        assert_eq!(types("sub"), (filetype::DIRECTORY, filetype::DIRECTORY));
        assert_eq!(types("sub/file"), (filetype::REGULAR, filetype::REGULAR));
        assert_eq!(types("to-file"), (filetype::SYMLINK, filetype::REGULAR));
        assert_eq!(types("to-sub"), (filetype::SYMLINK, filetype::DIRECTORY));
    });
}

#[test]
fn times_are_set_by_path() {
    on_both(|p| {
        assert_ne!(p.fdstat(p.dir).expect("open").base & rights::PATH_FILESTAT_GET, 0);
        let flags = APPEND | 16;
        let fd = p.g.open_with(p.dir, 0, "file", CREAT, READ | WRITE, flags).expect("created");
        assert_eq!(u64::from(p.fdstat(fd).expect("open").flags), flags);
        let before = p.stat(0, "file").expect("there");
        assert_eq!(before.size, 0);
        let mtim = before.mtim - 100;
        assert_eq!(p.set_times(0, "file", 0, mtim, MTIM), Ok(()));
        assert_eq!(p.stat(0, "file").expect("there").mtim, mtim);
        assert_eq!(p.set_times(0, "file", 0, 5, MTIM | MTIM_NOW), Err(errno::INVAL));
        assert_eq!(p.set_times(0, "file", 0, 0, ATIM | ATIM_NOW), Err(errno::INVAL));
        let after = p.stat(0, "file").expect("there");
        assert_eq!((after.mtim, after.atim), (mtim, before.atim), "a refused call changes nothing");
    });
}

#[test]
fn times_of_a_link_are_its_own() {
    on_both(|p| {
        p.touch("file");
        p.symlink("file", "link").expect("linked");
        let (file, link) = (p.stat(0, "file").expect("there"), p.stat(0, "link").expect("there"));
        assert_eq!(p.set_times(0, "link", 0, link.mtim - 200, MTIM), Ok(()));
        assert_eq!(p.stat(0, "link").expect("there").mtim, link.mtim - 200);
        assert_eq!(p.stat(0, "file").expect("there").mtim, file.mtim);
        assert_eq!(p.stat(FOLLOW, "link").expect("there").mtim, file.mtim);
        assert_eq!(p.set_times(FOLLOW, "link", 0, 77, MTIM), Ok(()));
        assert_eq!(p.stat(0, "file").expect("there").mtim, 77);
        assert_eq!(p.stat(0, "link").expect("there").mtim, link.mtim - 200);
    });
}
