//! Open files: reading, writing, positions, flags, rights, sizes, times, numbers.

mod guest;
use guest::*;
use trjit_wasi::WasiCtxBuilder;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn what_is_written_can_be_read() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("a.txt", CREAT, READ | WRITE).expect("created");
    assert_eq!(fd, 4);
    assert_eq!(g.write(fd, b"hello world"), Ok(11));
    assert_eq!(g.done("fd_tell", &[fd, RESULT]), Ok(()));
    assert_eq!(g.u64_at(RESULT), 11);
    assert_eq!(g.seek(fd, 0, 0), Ok(0));
    assert_eq!(g.read(fd, 5), Ok(b"hello".to_vec()));
    assert_eq!(g.read(fd, 100), Ok(b" world".to_vec()));
    assert_eq!(g.read(fd, 100), Ok(vec![]));
    assert_eq!(g.done("fd_sync", &[fd]), Ok(()));
    assert_eq!(g.done("fd_datasync", &[fd]), Ok(()));
    assert_eq!(g.close(fd), Ok(()));
    assert_eq!(g.close(fd), Err(errno::BADF));
    assert_eq!(std::fs::read(dir.path().join("a.txt")).expect("there"), b"hello world");
}

#[test]
fn vectors_gather_and_scatter_in_order() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("v", CREAT, READ | WRITE).expect("created");
    let (one, two, none) = (g.bytes(b"one "), g.bytes(b"two"), g.bytes(b""));
    let [iovs, n] = g.iovec(&[none, two, one, two]);
    assert_eq!(g.done("fd_write", &[fd, iovs, n, RESULT]), Ok(()));
    assert_eq!(g.u32_at(RESULT), 10);
    assert_eq!(g.seek(fd, 0, 0), Ok(0));
    let buf = g.alloc(16);
    let [iovs, n] = g.iovec(&[[buf + 8, 3], [buf, 4], [buf + 12, 4]]);
    assert_eq!(g.done("fd_read", &[fd, iovs, n, RESULT]), Ok(()));
    assert_eq!(g.u32_at(RESULT), 10);
    assert_eq!(g.slice(buf + 8, 3), b"two");
    assert_eq!(g.slice(buf, 4), b"one ");
    assert_eq!(g.slice(buf + 12, 3), b"two");
    // Overlapping buffers: a partial read into the first.
    assert_eq!(g.seek(fd, 0, 0), Ok(0));
    let [iovs, n] = g.iovec(&[[buf, 4], [buf + 2, 4]]);
    assert_eq!(g.done("fd_read", &[fd, iovs, n, RESULT]), Ok(()));
    assert_eq!((g.u32_at(RESULT), g.slice(buf, 4)), (4, &b"twoo"[..]));
}

#[test]
fn positioned_calls_leave_the_position() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("p", CREAT, READ | WRITE).expect("created");
    g.write(fd, b"0123456789").expect("written");
    let text = g.bytes(b"xy");
    let [iovs, n] = g.iovec(&[text]);
    assert_eq!(g.done("fd_pwrite", &[fd, iovs, n, 3, RESULT]), Ok(()));
    assert_eq!(g.u32_at(RESULT), 2);
    let buf = g.alloc(4);
    let [iovs, n] = g.iovec(&[[buf, 4]]);
    assert_eq!(g.done("fd_pread", &[fd, iovs, n, 2, RESULT]), Ok(()));
    assert_eq!(g.slice(buf, 4), b"2xy5");
    assert_eq!(g.done("fd_pread", &[fd, iovs, n, 100, RESULT]), Ok(()));
    assert_eq!(g.u32_at(RESULT), 0);
    assert_eq!(g.done("fd_tell", &[fd, RESULT]), Ok(()));
    assert_eq!(g.u64_at(RESULT), 10);
}

#[test]
fn seeking_counts_from_three_places() {
    let dir = temp();
    std::fs::write(dir.path().join("s"), b"0123456789").expect("written");
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("s", 0, READ).expect("opened");
    assert_eq!(g.seek(fd, 4, 0), Ok(4));
    assert_eq!(g.seek(fd, -1, 1), Ok(3));
    assert_eq!(g.seek(fd, -2, 2), Ok(8));
    assert_eq!(g.seek(fd, 5, 2), Ok(15));
    assert_eq!(g.seek(fd, -1, 0), Err(errno::INVAL));
    assert_eq!(g.seek(fd, -100, 1), Err(errno::INVAL));
    assert_eq!(g.seek(fd, 0, 3), Err(errno::INVAL));
    assert_eq!(g.seek(1, 0, 1), Err(errno::SPIPE));
    assert_eq!(g.seek(3, 0, 1), Err(errno::BADF));
    assert_eq!(g.done("fd_tell", &[0, RESULT]), Err(errno::SPIPE));
}

#[test]
fn append_writes_at_the_end() {
    let dir = temp();
    std::fs::write(dir.path().join("log"), b"start").expect("written");
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open_with(3, 0, "log", 0, READ | WRITE, APPEND).expect("opened");
    assert_eq!(g.done("fd_tell", &[fd, RESULT]), Ok(()));
    assert_eq!(g.u64_at(RESULT), 0);
    g.write(fd, b"+1").expect("written");
    g.seek(fd, 0, 0).expect("sought");
    g.write(fd, b"+2").expect("written");
    assert_eq!(std::fs::read(dir.path().join("log")).expect("there"), b"start+1+2");
    // The flag goes and comes.
    assert_eq!(g.done("fd_fdstat_set_flags", &[fd, 0]), Ok(()));
    g.seek(fd, 0, 0).expect("sought");
    g.write(fd, b"S").expect("written");
    assert_eq!(g.done("fd_fdstat_set_flags", &[fd, APPEND]), Ok(()));
    g.write(fd, b"!").expect("written");
    assert_eq!(std::fs::read(dir.path().join("log")).expect("there"), b"Start+1+2!");
    assert_eq!(g.done("fd_fdstat_set_flags", &[fd, 16]), Err(errno::INVAL));
    assert_eq!(g.done("fd_fdstat_set_flags", &[fd, 32]), Err(errno::INVAL));
    assert_eq!(g.done("fd_fdstat_set_flags", &[1, 0]), Err(errno::BADF));
}

#[test]
fn open_flags_do_what_they_say() {
    let dir = temp();
    std::fs::write(dir.path().join("old"), b"content").expect("written");
    std::fs::create_dir(dir.path().join("sub")).expect("made");
    let mut g = Guest::with_dir(dir.path());
    assert_eq!(g.open("none", 0, READ), Err(errno::NOENT));
    assert_eq!(g.open("old", CREAT | EXCL, WRITE), Err(errno::EXIST));
    let fd = g.open("old", CREAT, READ).expect("opened");
    assert_eq!(g.read(fd, 9), Ok(b"content".to_vec()));
    g.open("old", TRUNC, WRITE).expect("cut");
    assert_eq!(g.seek(fd, 0, 2), Ok(0));
    g.open_with(3, 0, "old", TRUNC, WRITE, APPEND).expect("cutting and appending go together");
    assert_eq!(g.open("old", DIRECTORY, READ), Err(errno::NOTDIR));
    assert_eq!(g.open("sub", 0, WRITE), Err(errno::ISDIR));
    assert_eq!(g.open("sub", DIRECTORY | CREAT, READ), Err(errno::INVAL));
    assert_eq!(g.open("old", 16, READ), Err(errno::INVAL));
    assert_eq!(g.open_with(3, 2, "old", 0, READ, 0), Err(errno::INVAL));
    assert_eq!(g.open_with(3, 0, "old", 0, READ, 32), Err(errno::INVAL));
    assert_eq!(g.open_with(3, 0, "old", 0, 1 << 30, 0), Err(errno::INVAL));
    assert_eq!(g.open_with(fd, 0, "old", 0, READ, 0), Err(errno::NOTDIR));
    assert_eq!(g.open_with(1, 0, "old", 0, READ, 0), Err(errno::BADF));
    assert_eq!(g.open_with(77, 0, "old", 0, READ, 0), Err(errno::BADF));
    let sub = g.open("sub", DIRECTORY, READ).expect("opened");
    let inner = g.open_with(sub, 0, "inner", CREAT, WRITE, 0).expect("created beneath it");
    g.write(inner, b"x").expect("written");
    assert_eq!(std::fs::read(dir.path().join("sub/inner")).expect("there"), b"x");
    for fdflags in [2, 4, 8, 16, 31] {
        let fd = g.open_with(3, 0, "old", 0, READ | WRITE, fdflags).expect("opened");
        let out = g.alloc(24);
        assert_eq!(g.done("fd_fdstat_get", &[fd, out]), Ok(()));
        assert_eq!(u64::from(g.u16_at(out + 2)), fdflags);
        assert_eq!(g.write(fd, b"w"), Ok(1));
    }
}

#[test]
fn rights_limit_reading_and_writing() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), b"data").expect("written");
    let mut g = Guest::with_dir(dir.path());
    let read = g.open("f", 0, READ).expect("opened");
    assert_eq!(g.write(read, b"x"), Err(errno::BADF));
    let write = g.open("f", 0, WRITE).expect("opened");
    assert_eq!(g.read(write, 4), Err(errno::BADF));
    let out = g.alloc(24);
    let rights = |g: &mut Guest, fd| {
        assert_eq!(g.done("fd_fdstat_get", &[fd, out]), Ok(()));
        (g.memory[out as usize], g.u64_at(out + 8), g.u64_at(out + 16))
    };
    let all = (1u64 << 30) - 1;
    assert_eq!(rights(&mut g, read), (4, all & !WRITE, all & !WRITE));
    assert_eq!(rights(&mut g, write), (4, all & !(READ | 1 << 14), all & !(READ | 1 << 14)));
    assert_eq!(rights(&mut g, 0), (0, READ, READ));
    assert_eq!(rights(&mut g, 1), (0, WRITE, WRITE));
    let (kind, base, inheriting) = rights(&mut g, 3);
    assert_eq!((kind, base & READ, base & (1 << 13)), (3, 0, 1 << 13));
    assert_eq!(inheriting & (READ | WRITE), READ | WRITE);
    let dirfd = g.open(".", DIRECTORY, READ).expect("opened");
    assert_eq!(rights(&mut g, dirfd).1, all & !(4 | 64 | 1 << 22 | 1 << 19));
    assert_eq!(g.done("fd_fdstat_set_rights", &[read, 0, 0]), Err(errno::NOTSUP));
    assert_eq!(g.done("fd_fdstat_set_rights", &[0, 0, 0]), Err(errno::BADF));
    assert_eq!(g.done("fd_fdstat_set_rights", &[read, 1 << 40, 0]), Err(errno::INVAL));
}

#[test]
fn truncating_gives_no_right_to_write() {
    let dir = temp();
    std::fs::write(dir.path().join("f"), b"data").expect("written");
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("f", TRUNC, READ).expect("opened");
    assert_eq!(std::fs::read(dir.path().join("f")).expect("there"), b"");
    assert_eq!(g.write(fd, b"x"), Err(errno::BADF));
    let text = g.bytes(b"x");
    let [iovs, n] = g.iovec(&[text]);
    assert_eq!(g.done("fd_pwrite", &[fd, iovs, n, 0, RESULT]), Err(errno::BADF));
    assert_eq!(g.done("fd_filestat_set_size", &[fd, 9]), Err(errno::INVAL));
    assert_eq!(g.read(fd, 9), Ok(vec![]));
}

#[test]
fn sizes_times_and_identity() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("f", CREAT, READ | WRITE).expect("created");
    g.write(fd, b"12345").expect("written");
    assert_eq!(g.done("fd_filestat_set_size", &[fd, 3]), Ok(()));
    assert_eq!(g.done("fd_filestat_set_size", &[fd, 100]), Ok(()));
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 5_000_000_007, 0, 1]), Ok(()));
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 0, 9_000_000_001, 4]), Ok(()));
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 0, 0, 3]), Err(errno::INVAL));
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 0, 0, 16]), Err(errno::INVAL));
    assert_eq!(g.done("fd_filestat_set_times", &[1, 0, 0, 1]), Err(errno::BADF));
    let out = g.alloc(64);
    assert_eq!(g.done("fd_filestat_get", &[fd, out]), Ok(()));
    assert_eq!(g.memory[out as usize + 16], 4);
    assert_eq!((g.u64_at(out + 24), g.u64_at(out + 32)), (1, 100));
    assert_eq!((g.u64_at(out + 40), g.u64_at(out + 48)), (5_000_000_007, 9_000_000_001));
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 0, 0, 8]), Ok(()));
    assert_eq!(g.done("fd_filestat_get", &[fd, out]), Ok(()));
    assert!(g.u64_at(out + 48) > 1_600_000_000_000_000_000);
    let by_path = g.stat(0, "f").expect("there");
    assert_eq!(g.slice(out, 64).to_vec(), g.slice(by_path, 64).to_vec());
    assert_eq!(g.done("fd_filestat_get", &[0, out]), Ok(()));
    assert_eq!(g.slice(out, 64), [0; 64]);
    assert_eq!(g.done("fd_filestat_get", &[3, out]), Ok(()));
    assert_eq!(g.memory[out as usize + 16], 3);
    assert_eq!(g.done("fd_filestat_set_size", &[3, 0]), Err(errno::BADF));
    assert_eq!(g.done("fd_filestat_set_times", &[3, 0, 6_000_000_000, 4]), Ok(()));
    assert_eq!(g.done("fd_filestat_get", &[3, out]), Ok(()));
    assert_eq!(g.u64_at(out + 48), 6_000_000_000);
}

#[test]
fn advice_is_taken_and_allocation_refused() {
    let dir = temp();
    let mut g = Guest::with_dir(dir.path());
    let fd = g.open("f", CREAT, READ | WRITE).expect("created");
    for advice in 0..6 {
        assert_eq!(g.done("fd_advise", &[fd, 0, 100, advice]), Ok(()));
    }
    assert_eq!(g.done("fd_advise", &[fd, 0, 100, 6]), Err(errno::INVAL));
    assert_eq!(g.done("fd_advise", &[3, 0, 100, 0]), Err(errno::BADF));
    assert_eq!(g.done("fd_allocate", &[fd, 0, 10]), Err(errno::NOTSUP));
    assert_eq!(g.done("fd_allocate", &[0, 0, 10]), Err(errno::BADF));
}

#[test]
fn renumbering_moves_a_descriptor() {
    let dir = temp();
    std::fs::write(dir.path().join("a"), b"A").expect("written");
    std::fs::write(dir.path().join("b"), b"B").expect("written");
    let mut g = Guest::with_dir(dir.path());
    let (a, b) = (g.open("a", 0, READ).expect("opened"), g.open("b", 0, READ).expect("opened"));
    assert_eq!(g.done("fd_renumber", &[a, 99]), Err(errno::BADF));
    assert_eq!(g.done("fd_renumber", &[99, a]), Err(errno::BADF));
    assert_eq!(g.done("fd_renumber", &[a, a]), Ok(()));
    assert_eq!(g.done("fd_renumber", &[b, a]), Ok(()));
    assert_eq!(g.read(a, 9), Ok(b"B".to_vec()));
    assert_eq!(g.read(b, 9), Err(errno::BADF));
    // The freed number comes next; of several, the highest.
    assert_eq!(g.open("a", 0, READ), Ok(b));
    let c = g.open("a", 0, READ).expect("opened");
    g.close(a).expect("open");
    g.close(c).expect("open");
    assert_eq!(g.open("a", 0, READ), Ok(c));
    assert_eq!(g.open("a", 0, READ), Ok(a));
    // Standard output can be replaced by a file.
    let out = g.open("out", CREAT, WRITE).expect("created");
    assert_eq!(g.done("fd_renumber", &[out, 1]), Ok(()));
    assert_eq!(g.write(1, b"redirected"), Ok(10));
    assert_eq!(std::fs::read(dir.path().join("out")).expect("there"), b"redirected");
}

#[test]
fn descriptors_are_limited() {
    let dir = temp();
    let mut g = Guest::new(WasiCtxBuilder::new().preopened_dir(dir.path(), "/", false).max_descriptors(5));
    let fd = g.open("f", CREAT, WRITE).expect("the fifth");
    assert_eq!(g.open("f", CREAT, WRITE), Err(errno::MFILE));
    g.close(fd).expect("open");
    assert_eq!(g.open("f", CREAT, WRITE), Ok(fd));
}
