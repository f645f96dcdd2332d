//! `--profile jitdump`: `jit-PID.dump` in the current directory, from which `perf inject --jit` makes symbols and code of what was compiled in this process.
//!
//! ```text
//! header   magic "JiTD" as u32 | version 1 u32 | 40 u32 | ELF machine u32 | 0 u32 | process u32 | time u64 | flags 0 u64
//! record   kind 0 (code was loaded) u32 | bytes of the record u32 | time u64
//!          | process u32 | thread u32 | address u64 | address u64 | bytes of code u64 | number u64 | name, 0 | the code
//! ```
//! All in the machine's byte order; times are nanoseconds of CLOCK_MONOTONIC, so that `perf record -k mono` has the same. perf learns of the file by seeing a page of
//! it mapped executable. Code of caches is not in it: perf reads its symbols from the cache file, which is ELF.
#![allow(unsafe_code)]

use crate::code_name;
use crate::exit::{FAILURE, Failure};
use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use trjit_module::Module;
use trjit_runtime::CompilationEvent;

/// "JiTD", as the machine writes numbers: it tells readers the byte order.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_LEN: u32 = 40;
/// Bytes of a record beside the name and the code.
const RECORD_LEN: usize = 56;
const CODE_LOAD: u32 = 0;
/// `e_machine` of ELF files.
const MACHINE: u32 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
/// Of the mapping that perf sees; any length does.
const PAGE: usize = 4096;

/// The file of this process, and the number of the next piece of code.
pub struct JitDump(Mutex<(File, u64)>);

impl JitDump {
    pub fn new() -> Result<JitDump> {
        let path = PathBuf::from(format!("jit-{}.dump", std::process::id()));
        JitDump::at(&path).with_context(|| {
            let failure = Failure::new(FAILURE, format!("the dump for perf can not be written to `{}`", path.display()));
            failure.with_help("run in a directory that can be written, on a file system that is not mounted noexec")
        })
    }

    fn at(path: &Path) -> Result<JitDump> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all(&header())?;
        // SAFETY: a new mapping at a place that the system chooses; nobody accesses it.
        unsafe { mmap(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE, &file, 0) }
            .context("perf learns of the file by a mapping, which the system does not give")?;
        Ok(JitDump(Mutex::new((file, 0))))
    }

    pub fn note(&self, module: &Module, event: &CompilationEvent<'_>) {
        let CompilationEvent::Installed { task, code } = event else { return };
        let name = code_name::symbol(module, *task);
        // One writer at a time, so that times ascend.
        let mut dump = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, number) = &mut *dump;
        // A dump that can not be written is no reason to stop the guest.
        let _ = file.write_all(&record(&name, code, *number));
        *number += 1;
    }
}

fn header() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN as usize);
    for number in [MAGIC, VERSION, HEADER_LEN, MACHINE, 0, std::process::id()] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(now().to_ne_bytes());
    bytes.extend(0u64.to_ne_bytes());
    bytes
}

fn record(name: &str, code: &[u8], number: u64) -> Vec<u8> {
    let len = RECORD_LEN + name.len() + 1 + code.len();
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(CODE_LOAD.to_ne_bytes());
    bytes.extend((len as u32).to_ne_bytes());
    bytes.extend(now().to_ne_bytes());
    bytes.extend(std::process::id().to_ne_bytes());
    // SAFETY: asks for a number.
    bytes.extend(unsafe { libc::gettid() }.to_ne_bytes());
    let address = code.as_ptr().addr() as u64;
    for number in [address, address, code.len() as u64, number] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(name.as_bytes());
    bytes.push(0);
    bytes.extend(code);
    bytes
}

/// Nanoseconds of the clock that both sides use.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
