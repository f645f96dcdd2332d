//! WASI without the machine: what differs from run to run (clocks, randomness, numbers and times of files) is overwritten, so that two runs of a program are the same to the last bit.
//!
//! The functions are those of trjit-wasi; of what a successful call wrote to the guest's memory these bytes follow from the calls before it alone.

use crate::rng::Rng;
use std::sync::atomic::{AtomicU64, Ordering};
use trjit_runtime::{Caller, HostTrap, Linker, OwnedFuncType};
use trjit_wasi::{WasiCtx, WasiFunction, functions};

const MODULE: &str = "wasi_snapshot_preview1";
/// What passes from one look at a clock to the next, in nanoseconds.
const TICK: u64 = 1_000_000;
/// The number of each file.
const INODE: u64 = 1;

/// Overwrites what a call with these arguments has written; `number`: of the call.
type Fix = fn(memory: &mut [u8], arguments: &[u64], number: u64) -> Option<()>;

const FIXES: &[(&str, Fix)] = &[
    ("clock_res_get", |memory, arguments, _| put(memory, arguments[1], TICK)),
    ("clock_time_get", |memory, arguments, number| put(memory, arguments[2], number * TICK)),
    ("random_get", |memory, arguments, number| {
        let bytes = Rng::new(number).bytes(arguments[1] as usize);
        slice(memory, arguments[0], bytes.len())?.copy_from_slice(&bytes);
        Some(())
    }),
    ("fd_filestat_get", |memory, arguments, _| fix_status(memory, arguments[1])),
    ("path_filestat_get", |memory, arguments, _| fix_status(memory, arguments[4])),
    ("fd_readdir", |memory, arguments, _| fix_listing(memory, arguments[1], arguments[4])),
];

/// Puts these functions before those that the linker has.
pub fn add_to_linker(linker: &mut Linker<WasiCtx>) {
    for &(name, fix) in FIXES {
        let known = functions().iter().find(|function| function.module == MODULE && function.name == name);
        known.into_iter().for_each(|function| define(linker, function, fix));
    }
}

fn define(linker: &mut Linker<WasiCtx>, function: &'static WasiFunction, fix: Fix) {
    use trjit_wasi::ValType as Wasi;
    let value_type = |ty: &Wasi| match ty {
        Wasi::I32 => trjit_module::ValType::I32,
        Wasi::I64 => trjit_module::ValType::I64,
    };
    let ty = OwnedFuncType::new(function.params.iter().map(value_type), function.results.iter().map(value_type));
    let calls = AtomicU64::new(0);
    linker.func_raw(function.module, function.name, ty, move |mut caller: Caller<'_, WasiCtx>, slots: &mut [u64]| {
        let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (memory, context) = caller.memory_and_data();
        let arguments = &slots[..function.params.len()];
        let answer = (function.call)(context, memory, arguments).map_err(|error| HostTrap::Error(error.to_string().into()))?;
        if answer == 0 {
            fix(memory, arguments, number).ok_or_else(|| HostTrap::Error("a result outside of the memory".into()))?;
        }
        slots[0] = answer;
        Ok(())
    });
}

fn slice(memory: &mut [u8], at: u64, bytes: usize) -> Option<&mut [u8]> {
    memory.get_mut(at as usize..)?.get_mut(..bytes)
}

fn put(memory: &mut [u8], at: u64, value: u64) -> Option<()> {
    slice(memory, at, 8)?.copy_from_slice(&value.to_le_bytes());
    Some(())
}

/// `filestat`: device, number, type, links, size, and three times.
fn fix_status(memory: &mut [u8], at: u64) -> Option<()> {
    [(0, 0), (8, INODE), (40, 0), (48, 0), (56, 0)].into_iter().try_for_each(|(offset, value)| put(memory, at + offset, value))
}

/// Each `dirent` (next one, number, length of the name, type) with its name; the last one may be cut off.
fn fix_listing(memory: &mut [u8], at: u64, used: u64) -> Option<()> {
    let used = u32::from_le_bytes(slice(memory, used, 4)?.try_into().ok()?);
    let end = at + u64::from(used);
    let mut entry = at;
    while entry + 24 <= end {
        put(memory, entry + 8, INODE)?;
        entry += 24 + u64::from(u32::from_le_bytes(slice(memory, entry + 16, 4)?.try_into().ok()?));
    }
    Some(())
}
