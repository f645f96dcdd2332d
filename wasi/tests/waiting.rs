//! Clocks and `poll_oneoff`.

mod guest;
use guest::*;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use trjit_wasi::{Input, WasiCtxBuilder, WasiError};

const MS: u64 = 1_000_000;

enum Sub {
    Clock { id: u32, timeout: u64, flags: u16 },
    Read(u32),
    Write(u32),
}

fn encode(g: &mut Guest, subs: &[Sub]) -> u64 {
    let at = g.alloc(subs.len() * 48);
    for (i, sub) in subs.iter().enumerate() {
        let p = at + i as u64 * 48;
        g.set(p, &[0; 48]);
        g.set(p, &(100 + i as u64).to_le_bytes());
        match sub {
            Sub::Clock { id, timeout, flags } => {
                g.set(p + 16, &id.to_le_bytes());
                g.set(p + 24, &timeout.to_le_bytes());
                g.set(p + 40, &flags.to_le_bytes());
            }
            Sub::Read(fd) => {
                g.set(p + 8, &[1]);
                g.set(p + 16, &fd.to_le_bytes());
            }
            Sub::Write(fd) => {
                g.set(p + 8, &[2]);
                g.set(p + 16, &fd.to_le_bytes());
            }
        }
    }
    at
}

/// The events as (userdata, errno, type, flags).
fn poll(g: &mut Guest, subs: &[Sub]) -> Result<Vec<(u64, u16, u8, u16)>, u64> {
    let at = encode(g, subs);
    let out = g.alloc(subs.len() * 32);
    g.done("poll_oneoff", &[at, out, subs.len() as u64, RESULT])?;
    let events = (0..u64::from(g.u32_at(RESULT))).map(|i| out + i * 32);
    Ok(events.map(|e| (g.u64_at(e), g.u16_at(e + 8), g.memory[e as usize + 10], g.u16_at(e + 24))).collect())
}

fn clock(id: u32, timeout: u64, flags: u16) -> Sub {
    Sub::Clock { id, timeout, flags }
}

fn now(g: &mut Guest, id: u64) -> u64 {
    assert_eq!(g.done("clock_time_get", &[id, 0, RESULT]), Ok(()));
    g.u64_at(RESULT)
}

#[test]
fn clocks_tell_the_time() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    let real = now(&mut g, 0);
    let host = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    assert!(host.abs_diff(real) < 5000 * MS);
    let first = now(&mut g, 1);
    assert!(first > 0 && first < 60_000 * MS, "the zero is the start: {first}");
    std::thread::sleep(Duration::from_millis(5));
    assert!(now(&mut g, 1) >= first + 5 * MS);
    for id in [0, 1] {
        assert_eq!(g.done("clock_res_get", &[id, RESULT]), Ok(()));
        assert!((1..=100 * MS).contains(&g.u64_at(RESULT)));
    }
    for id in [2, 3] {
        assert_eq!(g.call("clock_time_get", &[id, 0, RESULT]), errno::BADF);
        assert_eq!(g.call("clock_res_get", &[id, RESULT]), errno::BADF);
    }
    assert_eq!(g.call("clock_time_get", &[4, 0, RESULT]), errno::INVAL);
}

#[test]
fn clocks_wake_in_time() {
    let mut g = Guest::new(&mut WasiCtxBuilder::new());
    for kind in 0..4 {
        let started = Instant::now();
        let sub = match kind {
            0 => clock(1, 30 * MS, 0),
            1 => clock(0, 30 * MS, 0),
            2 => clock(1, now(&mut g, 1) + 30 * MS, 1),
            _ => clock(0, now(&mut g, 0) + 30 * MS, 1),
        };
        assert_eq!(poll(&mut g, &[sub]), Ok(vec![(100, 0, 0, 0)]));
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(29) && took < Duration::from_secs(20), "{kind}: {took:?}");
    }
    // The past is ready at once; of two clocks the earlier wakes alone.
    let started = Instant::now();
    assert_eq!(poll(&mut g, &[clock(0, 5, 1), clock(1, u64::MAX, 0)]), Ok(vec![(100, 0, 0, 0)]));
    assert_eq!(poll(&mut g, &[clock(1, u64::MAX, 0), clock(1, MS, 0)]), Ok(vec![(101, 0, 0, 0)]));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn descriptors_are_ready_when_they_are() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("f"), b"data").expect("written");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(OwnedFd::from(reader)).preopened_dir(dir.path(), "/", false));
    // Nothing to read yet: the clock wins.
    assert_eq!(poll(&mut g, &[Sub::Read(0), clock(1, 20 * MS, 0)]), Ok(vec![(101, 0, 0, 0)]));
    writer.write_all(b"x").expect("written");
    assert_eq!(poll(&mut g, &[clock(1, 20_000 * MS, 0), Sub::Read(0)]), Ok(vec![(101, 0, 1, 0)]));
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        writer.write_all(b"y").expect("written");
        writer
    });
    assert_eq!(g.read(0, 1), Ok(b"x".to_vec()));
    assert_eq!(poll(&mut g, &[Sub::Read(0)]), Ok(vec![(100, 0, 1, 0)]));
    drop(late.join().expect("the writer ends"));
    assert_eq!(g.read(0, 9), Ok(b"y".to_vec()));
    assert_eq!(poll(&mut g, &[Sub::Read(0)]), Ok(vec![(100, 0, 1, 0)]), "its end is readable");
    let fd = g.open("f", 0, READ | WRITE).expect("opened") as u32;
    let all = [Sub::Write(1), Sub::Write(2), Sub::Read(fd), Sub::Write(fd)];
    assert_eq!(poll(&mut g, &all), Ok(vec![(100, 0, 2, 0), (101, 0, 2, 0), (102, 0, 1, 0), (103, 0, 2, 0)]));
    g.seek(fd.into(), 0, 2).expect("sought");
    assert_eq!(poll(&mut g, &[Sub::Read(fd)]), Ok(vec![(100, 0, 1, 1)]), "a file at its end hangs up");
}

#[test]
fn bad_subscriptions_fail_the_call() {
    let mut g = Guest::new(WasiCtxBuilder::new().stdin(Input::bytes(*b"x")));
    assert_eq!(g.call("poll_oneoff", &[1024, 2048, 0, RESULT]), errno::INVAL);
    for (sub, expected) in [
        (Sub::Read(9), errno::BADF),
        (Sub::Read(1), errno::BADF),
        (Sub::Write(0), errno::BADF),
        (clock(2, 0, 0), errno::INVAL),
        (clock(4, 0, 0), errno::INVAL),
        (clock(1, 0, 2), errno::INVAL),
    ] {
        assert_eq!(poll(&mut g, &[Sub::Read(0), sub]), Err(expected));
    }
    let at = encode(&mut g, &[Sub::Read(0)]);
    g.set(at + 8, &[3]);
    assert_eq!(g.call("poll_oneoff", &[at, 2048, 1, RESULT]), errno::INVAL);
    assert_eq!(poll(&mut g, &[Sub::Read(0)]), Ok(vec![(100, 0, 1, 0)]));
}

#[test]
fn a_sleep_can_be_interrupted() {
    let flag = Arc::new(AtomicBool::new(false));
    let mut g = Guest::new(WasiCtxBuilder::new().interrupt_flag(flag.clone()));
    assert_eq!(poll(&mut g, &[clock(1, 150 * MS, 0)]), Ok(vec![(100, 0, 0, 0)]), "slices do not end a sleep early");
    let at = encode(&mut g, &[clock(1, 600_000 * MS, 0)]);
    let started = Instant::now();
    let raiser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        flag.store(true, Ordering::Release);
    });
    assert_eq!(g.try_call("poll_oneoff", &[at, 4096, 1, RESULT]), Err(WasiError::Interrupted));
    assert!(started.elapsed() < Duration::from_secs(60));
    raiser.join().expect("the raiser ends");
}
