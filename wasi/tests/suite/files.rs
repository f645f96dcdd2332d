//! Open files: reading, writing, positions, sizes, flags, times, descriptors.

use crate::guest::*;
use crate::program::*;

#[test]
fn a_part_is_read_at_its_offset() {
    on_both(|p| {
        std::fs::write(p.root.path().join("text"), b"text-of-the-host").expect("written");
        let fd = p.open("text", 0, READ).expect("opened");
        assert_eq!(p.pread(fd, &[3], 5), Ok(b"of-".to_vec()));
        assert_eq!(p.tell(fd), Ok(0));
        assert_eq!(p.g.close(fd), Ok(()));
    });
}

#[test]
fn a_part_is_overwritten_at_its_offset() {
    on_both(|p| {
        p.mkdir("sub").expect("made");
        assert_eq!(p.stat(FOLLOW, "sub/new"), Err(errno::NOENT));
        let fd = p.open("sub/new", CREAT, WRITE).expect("created");
        assert_eq!(p.pwrite(fd, &[b"a rather long text"], 0), Ok(18));
        assert_eq!(p.pwrite(fd, &[b"SHORT"], 2), Ok(5));
        assert_eq!(p.g.close(fd), Ok(()));
        let fd = p.open("sub/new", 0, READ).expect("opened");
        assert_eq!(p.g.read(fd, 32), Ok(b"a SHORTr long text".to_vec()));
        assert_eq!(p.g.close(fd), Ok(()));
        assert_eq!(p.unlink("sub/new"), Ok(()));
    });
}

#[test]
fn appending_ignores_the_position() {
    on_both(|p| {
        let fd = p.g.open_with(p.dir, 0, "log", CREAT | TRUNC, WRITE | rights::SEEK, APPEND).expect("created");
        assert_eq!(p.g.write(fd, b"12"), Ok(2));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.write(fd, b"34"), Ok(2));
        assert_eq!(p.g.seek(fd, 0, CUR), Ok(4));
        assert_eq!(p.pwrite(fd, &[b"567"], 0), Ok(3));
        assert_eq!(p.g.seek(fd, 0, CUR), Ok(4), "a positioned write leaves the position");
        assert_eq!(p.g.seek(fd, 0, END), Ok(7), "as on Linux, it appends too");
        assert_eq!(std::fs::read(p.root.path().join("log")).expect("there"), b"1234567");
    });
}

#[test]
fn seeking_and_reading_share_a_position() {
    on_both(|p| {
        std::fs::write(p.root.path().join("digits"), b"01234567").expect("written");
        let fd = p.open("digits", 0, READ | rights::SEEK).expect("opened");
        assert_eq!(p.g.read(fd, 4), Ok(b"0123".to_vec()));
        assert_eq!(p.g.seek(fd, 0, CUR), Ok(4));
        assert_eq!(p.g.read(fd, 1), Ok(b"4".to_vec()));
        assert_eq!(p.g.seek(fd, 0, CUR), Ok(5));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.seek(fd, 0, END), Ok(8));
    });
}

#[test]
fn files_of_a_directory_differ_in_number_alone() {
    on_both(|p| {
        p.touch("a");
        p.touch("b");
        let (a, b) = (p.open("a", 0, READ).expect("opened"), p.open("b", 0, READ).expect("opened"));
        let (a, b) = (p.fstat(a).expect("open"), p.fstat(b).expect("open"));
        assert_eq!(a.dev, b.dev);
        assert_ne!(a.ino, b.ino);
    });
}

#[test]
fn advice_leaves_the_size() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE).expect("created");
        assert_eq!(p.size(fd), 0);
        assert_eq!(p.g.done("fd_filestat_set_size", &[fd, 100]), Ok(()));
        assert_eq!(p.size(fd), 100);
        assert_eq!(p.g.done("fd_advise", &[fd, 10, 50, 0]), Ok(()));
        assert_eq!(p.size(fd), 100);
        assert_eq!(p.g.done("fd_allocate", &[fd, 100, 100]), Err(errno::NOTSUP));
        assert_eq!(p.size(fd), 100);
        assert_eq!(p.g.close(fd), Ok(()));
        assert_eq!(p.unlink("file"), Ok(()));
    });
}

#[test]
fn allocation_is_refused_and_changes_nothing() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE).expect("created");
        for (offset, len) in [(0, 100), (10, 10), (90, 20)] {
            assert_eq!(p.g.done("fd_allocate", &[fd, offset, len]), Err(errno::NOTSUP));
            assert_eq!(p.size(fd), 0);
        }
    });
}

#[test]
fn rights_cannot_be_set() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE).expect("created");
        for fd in [fd, p.dir] {
            let stat = p.fdstat(fd).expect("open");
            assert_eq!(p.g.done("fd_fdstat_set_rights", &[fd, stat.base, stat.inheriting]), Err(errno::NOTSUP));
            assert_eq!(p.fdstat(fd), Ok(stat));
        }
    });
}

#[test]
fn size_and_times_are_set() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE).expect("created");
        assert_eq!(p.size(fd), 0);
        assert_eq!(p.g.done("fd_filestat_set_size", &[fd, 100]), Ok(()));
        let before = p.fstat(fd).expect("open");
        assert_eq!(before.size, 100);
        let mtim = before.mtim - 100;
        assert_eq!(p.g.done("fd_filestat_set_times", &[fd, mtim, mtim, MTIM]), Ok(()));
        let after = p.fstat(fd).expect("open");
        assert_eq!((after.size, after.mtim, after.atim), (100, mtim, before.atim));
        assert_eq!(p.unlink("file"), Ok(()));
    });
}

#[test]
fn appending_is_switched_off() {
    on_both(|p| {
        let fd = p.g.open_with(p.dir, 0, "file", CREAT, READ | WRITE, APPEND).expect("created");
        assert_eq!(p.g.write(fd, &[0; 100]), Ok(100));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.read(fd, 100), Ok(vec![0; 100]));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.write(fd, &[1; 100]), Ok(100));
        assert_eq!(p.g.seek(fd, 100, SET), Ok(100));
        assert_eq!(p.g.read(fd, 100), Ok(vec![1; 100]));
        assert_eq!(p.g.done("fd_fdstat_set_flags", &[fd, 0]), Ok(()));
        assert_eq!(p.fdstat(fd).expect("open").flags, 0);
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.write(fd, &[2; 100]), Ok(100));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.read(fd, 100), Ok(vec![2; 100]));
        assert_eq!(p.g.close(fd), Ok(()));
        assert_eq!(p.stat(0, "file").expect("there").size, 200);
    });
}

#[test]
fn positioned_calls_take_several_buffers() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE | rights::SEEK).expect("created");
        assert_eq!(p.pwrite(fd, &[&[0, 1, 2, 3]], 0), Ok(4));
        assert_eq!(p.pread(fd, &[4], 0), Ok(vec![0, 1, 2, 3]));
        assert_eq!(p.pwrite(fd, &[&[4, 5], &[6, 7]], 0), Ok(4));
        assert_eq!(p.pread(fd, &[2, 2], 0), Ok(vec![4, 5, 6, 7]));
        assert_eq!(p.pread(fd, &[4], 2), Ok(vec![6, 7]));
        assert_eq!(p.pwrite(fd, &[&[1, 0]], 2), Ok(2));
        assert_eq!(p.pread(fd, &[4], 0), Ok(vec![4, 5, 1, 0]));
        assert_eq!(p.pread(fd, &[4], 4), Ok(vec![]));
        assert_eq!(p.tell(fd), Ok(0));
    });
}

#[test]
fn positions_move_as_told() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ | WRITE | rights::SEEK).expect("created");
        assert_eq!(p.tell(fd), Ok(0));
        assert_eq!(p.g.write(fd, &[0; 100]), Ok(100));
        assert_eq!(p.tell(fd), Ok(100));
        assert_eq!(p.g.seek(fd, -50, CUR), Ok(50));
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.seek(fd, 1000, CUR), Ok(1000));
        assert_eq!(p.g.seek(fd, -2000, CUR), Err(errno::INVAL));
        assert_eq!(p.tell(fd), Ok(1000), "a refused move is none");
        assert_eq!(p.g.seek(fd, 0, SET), Ok(0));
        assert_eq!(p.g.read(fd, 100), Ok(vec![0; 100]));
        assert_eq!(p.tell(fd), Ok(100));
    });
}

#[test]
fn opening_with_truncation_empties() {
    on_both(|p| {
        let fd = p.open("file", CREAT, WRITE).expect("created");
        assert_eq!(p.g.write(fd, b"content that goes"), Ok(17));
        assert_eq!(p.g.close(fd), Ok(()));
        let fd = p.open("file", CREAT | TRUNC, READ | WRITE).expect("opened");
        assert_eq!(p.g.read(fd, 100), Ok(vec![]));
        assert_eq!(p.size(fd), 0);
    });
}

#[test]
fn what_one_descriptor_writes_another_reads() {
    on_both(|p| {
        let reader = p.open("file", CREAT, READ).expect("created");
        let writer = p.open("file", 0, WRITE).expect("opened");
        assert_eq!(p.g.write(writer, &[1]), Ok(1));
        assert_eq!(p.g.read(reader, 1), Ok(vec![1]));
    });
}

#[test]
fn contradicting_times_are_refused() {
    on_both(|p| {
        let fd = p.open("file", CREAT, READ).expect("created");
        assert_eq!(p.g.done("fd_filestat_set_times", &[fd, 100, 200, MTIM | MTIM_NOW]), Err(errno::INVAL));
        assert_eq!(p.g.done("fd_filestat_set_times", &[fd, 100, 200, ATIM | ATIM_NOW]), Err(errno::INVAL));
    });
}

#[test]
fn a_file_is_no_terminal() {
    on_both(|p| {
        let fd = p.open("file", CREAT, 0).expect("created");
        let stat = p.fdstat(fd).expect("open");
        // The C library takes a character device without the rights to seek and tell for a terminal.
        assert_eq!((stat.filetype, stat.base & rights::SEEK), (filetype::REGULAR, rights::SEEK));
    });
}

#[test]
fn renumbering_closes_the_target_and_the_source() {
    on_both(|p| {
        let from = p.open("one", CREAT, READ | WRITE).expect("created");
        let stat = p.fdstat(from).expect("open");
        let number = p.fstat(from).expect("open").ino;
        let to = p.open("two", CREAT, READ | WRITE).expect("created");
        assert_eq!(p.g.done("fd_renumber", &[from, to]), Ok(()));
        assert_eq!(p.g.close(from), Err(errno::BADF));
        assert_eq!(p.fdstat(to), Ok(stat));
        assert_eq!(p.fstat(to).expect("open").ino, number);
        assert_eq!(p.g.done("fd_renumber", &[to, from]), Err(errno::BADF));
        assert_eq!(p.g.close(to), Ok(()));
    });
}

#[test]
fn standard_streams_can_be_renumbered() {
    on_both(|p| {
        for stream in 0..3 {
            let file = p.open("file", CREAT, 0).expect("created");
            assert_eq!(p.g.done("fd_renumber", &[stream, file]), Ok(()));
            assert_ne!(p.fdstat(file).expect("open").filetype, filetype::REGULAR);
            assert_eq!(p.fdstat(stream), Err(errno::BADF));
            assert_eq!(p.unlink("file"), Ok(()));
        }
    });
}
