//! Standard streams, arguments, environment, random bytes, exit, sockets.

mod guest;
use guest::*;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use trjit_wasi::{Input, OutputBuffer, WasiCtxBuilder, WasiError};

fn strings(g: &mut Guest, sizes: &str, get: &str) -> Vec<Vec<u8>> {
    assert_eq!(g.done(sizes, &[RESULT, RESULT + 4]), Ok(()));
    let (count, size) = (u64::from(g.u32_at(RESULT)), u64::from(g.u32_at(RESULT + 4)));
    let (pointers, buffer) = (g.alloc(count as usize * 4), g.alloc(size as usize));
    assert_eq!(g.done(get, &[pointers, buffer]), Ok(()));
    let mut found = Vec::new();
    for i in 0..count {
        let start = u64::from(g.u32_at(pointers + i * 4));
        let len = g.slice(start, buffer + size - start).iter().position(|b| *b == 0).expect("terminated");
        found.push(g.slice(start, len as u64).to_vec());
    }
    assert_eq!(found.iter().map(|s| s.len() + 1).sum::<usize>() as u64, size);
    found
}

#[test]
fn arguments_and_environment_arrive() {
    let mut g =
        Guest::new(WasiCtxBuilder::new().arg("prog").args(["", "two words", "ü"]).env("A", "1").env("B", "x=y").env("A", "2").env("E", ""));
    assert_eq!(strings(&mut g, "args_sizes_get", "args_get"), [&b"prog"[..], b"", b"two words", "ü".as_bytes()]);
    assert_eq!(strings(&mut g, "environ_sizes_get", "environ_get"), [&b"A=2"[..], b"B=x=y", b"E="]);
    let mut none = Guest::new(&mut WasiCtxBuilder::new());
    assert!(strings(&mut none, "args_sizes_get", "args_get").is_empty());
    let mut inherited = Guest::new(WasiCtxBuilder::new().inherit_env().env("TRJIT_TEST", "yes"));
    let all = strings(&mut inherited, "environ_sizes_get", "environ_get");
    assert_eq!(all.len(), std::env::vars_os().count() + 1);
    assert!(WasiCtxBuilder::new().arg("a\0b").build().is_err());
    assert!(WasiCtxBuilder::new().env("a", "\0").build().is_err());
}

#[test]
fn streams_are_buffers_files_or_pipes() {
    let (out, err) = (OutputBuffer::default(), OutputBuffer::default());
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(Input::bytes(*b"input text")).stdout(&out).stderr(&err));
    assert_eq!(g.read(0, 5), Ok(b"input".to_vec()));
    assert_eq!(g.read(0, 50), Ok(b" text".to_vec()));
    assert_eq!(g.read(0, 50), Ok(vec![]));
    assert_eq!((g.write(1, b"out"), g.write(2, b"err")), (Ok(3), Ok(3)));
    assert_eq!((out.contents(), err.contents()), (b"out".to_vec(), b"err".to_vec()));
    assert_eq!((g.write(0, b"x"), g.read(1, 1)), (Err(errno::BADF), Err(errno::BADF)));
    let [iovs, n] = g.iovec(&[[2048, 4]]);
    assert_eq!(g.call("fd_pread", &[0, iovs, n, 0, RESULT]), errno::SPIPE);
    assert_eq!(g.call("fd_pread", &[1, iovs, n, 0, RESULT]), errno::BADF);
    assert_eq!(g.call("fd_pwrite", &[1, iovs, n, 0, RESULT]), errno::SPIPE);
    assert_eq!(g.call("fd_pwrite", &[0, iovs, n, 0, RESULT]), errno::BADF);
    g.close(1).expect("open");
    assert_eq!(g.write(1, b"x"), Err(errno::BADF));

    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (mut out_reader, out_writer) = std::io::pipe().expect("a pipe");
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(OwnedFd::from(reader)).stdout(OwnedFd::from(out_writer)));
    writer.write_all(b"through a pipe").expect("written");
    drop(writer);
    assert_eq!(g.read(0, 100), Ok(b"through a pipe".to_vec()));
    assert_eq!(g.read(0, 100), Ok(vec![]));
    assert_eq!(g.write(1, b"back"), Ok(4));
    drop(g);
    let mut text = String::new();
    out_reader.read_to_string(&mut text).expect("read");
    assert_eq!(text, "back");
}

#[test]
fn the_default_is_silence() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    assert_eq!(g.read(0, 10), Ok(vec![]));
    assert_eq!(g.write(1, b"gone"), Ok(4));
    assert_eq!(g.call("fd_prestat_get", &[3, RESULT]), errno::BADF);
}

#[test]
fn a_stream_that_does_not_block_is_waited_for() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).expect("set");
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(OwnedFd::from(reader)));
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        writer.write_all(b"late").expect("written");
    });
    assert_eq!(g.read(0, 10), Ok(b"late".to_vec()));
    late.join().expect("the writer ends");
}

#[test]
fn a_closed_pipe_is_an_errno() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut g = Guest::new(WasiCtxBuilder::new().stdout(OwnedFd::from(writer)));
    assert_eq!(g.write(1, b"x"), Err(errno::PIPE));
}

#[test]
fn a_blocked_read_can_be_interrupted() {
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let flag = Arc::new(AtomicBool::new(false));
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(OwnedFd::from(reader)).interrupt_flag(flag.clone()));
    let raiser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.store(true, Ordering::Release);
    });
    let [iovs, n] = g.iovec(&[[2048, 16]]);
    assert_eq!(g.try_call("fd_read", &[0, iovs, n, RESULT]), Err(WasiError::Interrupted));
    raiser.join().expect("the raiser ends");
}

#[test]
fn random_bytes_are_random() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    assert_eq!(g.done("random_get", &[4096, 100_000]), Ok(()));
    let zeros = g.slice(4096, 100_000).iter().filter(|b| **b == 0).count();
    assert!((100..1000).contains(&zeros), "{zeros} zeros");
    assert_eq!(g.slice(4096 + 100_000, 64), [0; 64]);
    assert_eq!(g.done("random_get", &[4096, 0]), Ok(()));
}

#[test]
fn exit_carries_the_code() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    for code in [0, 1, 125, 126, 255, 70_000] {
        assert_eq!(g.try_call("proc_exit", &[code]), Err(WasiError::Exit(code as i32)));
    }
    assert_eq!(g.try_call("proc_exit", &[0xffff_ffff]), Err(WasiError::Exit(-1)));
    assert_eq!(g.call("proc_raise", &[6]), errno::NOTSUP);
    assert_eq!(g.call("proc_raise", &[31]), errno::INVAL);
    assert_eq!(g.call("sched_yield", &[]), 0);
    assert!(function(PREVIEW1, "proc_exit").results.is_empty());
}

#[test]
fn nothing_is_a_socket() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    for (fd, expected) in [(0, errno::NOTSOCK), (2, errno::NOTSOCK), (3, errno::BADF)] {
        assert_eq!(g.call("sock_accept", &[fd, 0, RESULT]), expected);
        assert_eq!(g.call("sock_recv", &[fd, 1024, 0, 0, RESULT, RESULT + 4]), expected);
        assert_eq!(g.call("sock_send", &[fd, 1024, 0, 0, RESULT]), expected);
        assert_eq!(g.call("sock_shutdown", &[fd, 1]), expected);
    }
    assert_eq!(g.call("sock_accept", &[0, 32, RESULT]), errno::INVAL);
    assert_eq!(g.call("sock_recv", &[0, 1024, 0, 4, RESULT, RESULT + 4]), errno::INVAL);
    assert_eq!(g.call("sock_shutdown", &[0, 4]), errno::INVAL);
}
