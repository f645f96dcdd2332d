//! Where `wasi_unstable` differs from preview 1.

mod guest;
use guest::*;
use trjit_wasi::{ValType, WasiCtxBuilder, WasiError, functions};

fn unstable(dir: &std::path::Path) -> Guest {
    let mut g = Guest::with_dir(dir);
    g.module = UNSTABLE;
    g
}

#[test]
fn the_generations_have_the_same_functions_but_one() {
    let of = |module| functions().iter().filter(move |f| f.module == module);
    assert_eq!((of(PREVIEW1).count(), of(UNSTABLE).count()), (46, 45));
    for old in of(UNSTABLE) {
        let new = function(PREVIEW1, old.name);
        assert_eq!((old.params, old.results), (new.params, new.results), "{}", old.name);
    }
    let only: Vec<_> = of(PREVIEW1).filter(|f| !of(UNSTABLE).any(|g| g.name == f.name)).map(|f| f.name).collect();
    assert_eq!(only, ["sock_accept"]);
    use ValType::{I32, I64};
    assert_eq!(function(PREVIEW1, "path_open").params, [I32, I32, I32, I32, I32, I64, I64, I32, I32]);
    assert_eq!(function(PREVIEW1, "fd_seek").params, [I32, I64, I32, I32]);
    assert_eq!(function(PREVIEW1, "fd_readdir").params, [I32, I32, I32, I64, I32]);
    assert_eq!(function(PREVIEW1, "clock_time_get").params, [I32, I64, I32]);
}

#[test]
fn whence_is_numbered_otherwise() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("f"), b"0123456789").expect("written");
    let mut g = unstable(dir.path());
    let fd = g.open("f", 0, READ).expect("opened");
    assert_eq!(g.seek(fd, 4, 2), Ok(4), "set");
    assert_eq!(g.seek(fd, 1, 0), Ok(5), "current");
    assert_eq!(g.seek(fd, -1, 1), Ok(9), "end");
    assert_eq!(g.seek(fd, 0, 3), Err(errno::INVAL));
}

#[test]
fn filestat_has_a_short_link_count() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("f"), b"0123456789").expect("written");
    let mut g = unstable(dir.path());
    let fd = g.open("f", 0, READ | WRITE).expect("opened");
    assert_eq!(g.done("fd_filestat_set_times", &[fd, 7, 8_000_000_000, 5]), Ok(()));
    let by_path = g.stat(0, "f").expect("there");
    let by_fd = g.alloc(64);
    g.set(by_fd, &[0xee; 64]);
    assert_eq!(g.done("fd_filestat_get", &[fd, by_fd]), Ok(()));
    assert_eq!(g.slice(by_fd, 56).to_vec(), g.slice(by_path, 56).to_vec());
    assert_eq!((g.memory[by_fd as usize + 16], g.u32_at(by_fd + 20), g.u64_at(by_fd + 24)), (4, 1, 10));
    assert_eq!((g.u64_at(by_fd + 32), g.u64_at(by_fd + 40)), (7, 8_000_000_000));
    assert_eq!(g.slice(by_fd + 56, 8), [0xee; 8], "56 bytes, no more");
}

#[test]
fn subscriptions_are_longer() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut g = unstable(dir.path());
    let at = g.alloc(112);
    g.set(at, &[0; 112]);
    g.set(at, &1u64.to_le_bytes());
    g.set(at + 24, &1u32.to_le_bytes());
    g.set(at + 32, &u64::MAX.to_le_bytes());
    g.set(at + 56, &2u64.to_le_bytes());
    g.set(at + 56 + 8, &[2]);
    g.set(at + 56 + 16, &1u32.to_le_bytes());
    let before = g.slice(at, 112).to_vec();
    let out = g.alloc(64);
    assert_eq!(g.done("poll_oneoff", &[at, out, 2, RESULT]), Ok(()));
    assert_eq!((g.u32_at(RESULT), g.u64_at(out), g.memory[out as usize + 10]), (1, 2, 2));
    assert_eq!(g.slice(at, 112), before);
    g.set(at + 48, &2u16.to_le_bytes());
    assert_eq!(g.call("poll_oneoff", &[at, out, 2, RESULT]), errno::INVAL);
}

#[test]
fn rights_know_no_accepting() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut g = unstable(dir.path());
    let fd = g.open("f", CREAT, READ | WRITE).expect("created");
    let out = g.alloc(24);
    assert_eq!(g.done("fd_fdstat_get", &[fd, out]), Ok(()));
    assert_eq!(g.u64_at(out + 8), (1 << 29) - 1);
    assert_eq!(g.open("f", 0, 1 << 29), Err(errno::INVAL));
    g.module = PREVIEW1;
    assert!(g.open("f", 0, 1 << 29).is_ok());
}

#[test]
fn sockets_trap() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    g.module = UNSTABLE;
    let calls: [(&str, &[u64]); 3] = [("sock_recv", &[0; 6]), ("sock_send", &[0; 5]), ("sock_shutdown", &[0; 2])];
    for (name, args) in calls {
        assert_eq!(g.try_call(name, args), Err(WasiError::Trap(format!("{name} unsupported"))));
    }
}
