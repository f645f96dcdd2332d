//! Bad pointers trap, and nothing a guest passes makes the host panic.

mod guest;
use guest::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use trjit_wasi::{Input, ValType, WasiCtxBuilder, WasiError, functions};

fn traps(g: &mut Guest, name: &str, args: &[u64]) {
    match g.try_call(name, args) {
        Err(WasiError::Trap(text)) => assert!(text.contains("pointer"), "{name}: {text}"),
        other => panic!("{name} {args:?}: {other:?}"),
    }
}

#[test]
fn pointers_out_of_bounds_trap() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut g = Guest::new(WasiCtxBuilder::new().arg("x").env("a", "b").preopened_dir(dir.path(), "/", false));
    let end = g.memory.len() as u64;
    let file = g.open("f", CREAT, READ | WRITE).expect("created");
    for bad in [end, end - 3, 0xffff_fff8, 0xffff_ffff] {
        let bad4 = bad & !3;
        let bad4 = if bad4 + 4 <= end { end } else { bad4 };
        traps(&mut g, "args_sizes_get", &[bad4, 16]);
        traps(&mut g, "args_get", &[bad4, 16]);
        traps(&mut g, "environ_get", &[16, 0xffff_ffff]);
        traps(&mut g, "fd_write", &[1, bad4, 1, 16]);
        traps(&mut g, "fd_write", &[1, 1024, 0x2000_0000, 16]);
        traps(&mut g, "fd_read", &[file, 1024, 0, bad4]);
        traps(&mut g, "random_get", &[bad, 4]);
        traps(&mut g, "path_create_directory", &[3, bad, 4]);
        traps(&mut g, "fd_prestat_get", &[3, bad4]);
        traps(&mut g, "fd_filestat_get", &[file, (end - 56) & !7]);
        traps(&mut g, "poll_oneoff", &[end - 40, 0, 1, 16]);
    }
    let [iovs, n] = g.iovec(&[[end - 2, 4]]);
    traps(&mut g, "fd_write", &[1, iovs, n, 16]);
    traps(&mut g, "fd_read", &[0, iovs, n, 16]);
}

#[test]
fn misaligned_pointers_trap() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut g = Guest::with_dir(dir.path());
    traps(&mut g, "args_sizes_get", &[18, 32]);
    traps(&mut g, "clock_time_get", &[1, 0, 20]);
    traps(&mut g, "fd_fdstat_get", &[1, 12]);
    traps(&mut g, "fd_filestat_get", &[1, 12]);
    traps(&mut g, "fd_write", &[1, 1026, 1, 16]);
    traps(&mut g, "poll_oneoff", &[1028, 2048, 1, 16]);
    // Bytes have no alignment.
    assert_eq!(g.done("random_get", &[1025, 3]), Ok(()));
}

/// xorshift64*: repeatable, good enough to wander about.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// An argument: small numbers, pointers near and beyond the ends, all bits.
    fn argument(&mut self, memory: u64) -> u64 {
        match self.next() % 8 {
            0..=2 => self.next() % 8,
            3 => (self.next() % memory) & !7,
            4 => self.next() % memory,
            5 => (memory + 16).wrapping_sub(self.next() % 64),
            6 => 0xffff_ffff - self.next() % 16,
            _ => self.next(),
        }
    }
}

fn fill(random: &mut Random, memory: &mut [u8]) {
    for word in memory.chunks_exact_mut(8) {
        let value = if random.next().is_multiple_of(2) { random.next() } else { random.next() % 256 };
        word.copy_from_slice(&value.to_le_bytes());
    }
    // Names that a random pointer may meet.
    for (i, name) in
        [&b"a\0\0\0\0\0\0\0"[..], b"b/a\0\0\0\0\0", b"../a/b/c", b"./././.b", b"/etc/a/b"].into_iter().cycle().take(200).enumerate()
    {
        memory[i * 16..i * 16 + 8].copy_from_slice(name);
    }
}

#[test]
fn random_calls_never_panic() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let inside = dir.path().join("inside");
    std::fs::create_dir(&inside).expect("made");
    let mut random = Random(0x7472_6a69_7457_4153);
    let mut successes = 0;
    for _ in 0..60 {
        // A raised flag ends every wait at once.
        let flag = Arc::new(AtomicBool::new(true));
        let mut ctx = WasiCtxBuilder::new()
            .args(["a", "b"])
            .stdin(Input::bytes([7; 300]))
            .preopened_dir(&inside, "/", false)
            .preopened_dir(&inside, "x", true)
            .interrupt_flag(flag)
            .build()
            .expect("the context builds");
        let mut memory = vec![0; 8192];
        fill(&mut random, &mut memory);
        for _ in 0..1000 {
            let function = &functions()[random.next() as usize % functions().len()];
            // Too many closed descriptors would leave little to call.
            if function.name == "fd_close" && !random.next().is_multiple_of(8) {
                continue;
            }
            let argument = |ty: &ValType| match ty {
                ValType::I32 => random.argument(8192) & 0xffff_ffff,
                ValType::I64 => random.argument(8192),
            };
            let args: Vec<u64> = function.params.iter().map(argument).collect();
            if let Ok(0) = (function.call)(&mut ctx, &mut memory, &args) {
                successes += 1;
            }
        }
        assert_eq!(memory.len(), 8192);
    }
    assert!(successes > 1000, "{successes} calls succeeded");
    let above: Vec<_> = std::fs::read_dir(dir.path()).expect("listable").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(above, ["inside"], "nothing appeared outside");
}

#[test]
fn an_empty_memory_is_no_exception() {
    let flag = Arc::new(AtomicBool::new(true));
    for function in functions() {
        let mut ctx = WasiCtxBuilder::new().interrupt_flag(flag.clone()).build().expect("the context builds");
        let args = vec![0; function.params.len()];
        let outcome = (function.call)(&mut ctx, &mut [], &args);
        if function.name == "proc_exit" {
            assert_eq!(outcome, Err(WasiError::Exit(0)));
        }
    }
}
