//! The import table: every function by module, name and signature.
//!
//! A handler takes its arguments typed; the table unpacks the raw slots in order. Signatures are the lowered ones of
//! WASI's documents: pointers and lengths are i32, results go to pointers, the errno is the function's result.

use crate::ctx::WasiCtx;
use crate::error::{Fail, Outcome, WasiError};
use crate::memory::Memory;
use crate::{clocks, directory, environment, files, metadata, paths, preview1, process, random, sock, unstable};

/// The type of a parameter or result. A value is a raw 64-bit slot: i32 zero-extended in the low half, i64 as is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
}

/// The code of a function: context, linear memory, argument slots; gives the result slot (the errno), or 0 where
/// the function has no result.
pub type HostCall = fn(&mut WasiCtx, memory: &mut [u8], args: &[u64]) -> Result<u64, WasiError>;

/// A function that a guest can import.
#[derive(Debug, Clone, Copy)]
pub struct WasiFunction {
    /// `wasi_snapshot_preview1` or `wasi_unstable`.
    pub module: &'static str,
    /// The name in that module.
    pub name: &'static str,
    /// The parameters in order.
    pub params: &'static [ValType],
    /// The results: the errno, or none.
    pub results: &'static [ValType],
    /// The code.
    pub call: HostCall,
}

/// Every function of both modules, `wasi_snapshot_preview1` first.
pub fn functions() -> &'static [WasiFunction] {
    &FUNCTIONS
}

const PREVIEW1_COUNT: usize = 46;
const UNSTABLE_COUNT: usize = 45;

static FUNCTIONS: [WasiFunction; PREVIEW1_COUNT + UNSTABLE_COUNT] = {
    let mut all = [PREVIEW1[0]; PREVIEW1_COUNT + UNSTABLE_COUNT];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < PREVIEW1_COUNT { PREVIEW1[i] } else { UNSTABLE[i - PREVIEW1_COUNT] };
        i += 1;
    }
    all
};

/// The argument slots of one call, taken in order. Slots that a caller left out read as 0.
struct Slots<'a>(std::slice::Iter<'a, u64>);

impl Slots<'_> {
    fn i32(&mut self) -> u32 {
        self.i64() as u32
    }

    fn i64(&mut self) -> u64 {
        self.0.next().copied().unwrap_or(0)
    }
}

fn finish(outcome: Outcome) -> Result<u64, WasiError> {
    match outcome {
        Ok(()) => Ok(0),
        Err(Fail::Errno(errno)) => Ok(errno as u64),
        Err(Fail::Stop(error)) => Err(error),
    }
}

macro_rules! val_type {
    (i32) => {
        ValType::I32
    };
    (i64) => {
        ValType::I64
    };
}

macro_rules! function {
    ($module:literal, $results:expr, $path:ident :: $name:ident ( $($ty:ident),* )) => {
        WasiFunction {
            module: $module,
            name: stringify!($name),
            params: &[$(val_type!($ty)),*],
            results: $results,
            call: |ctx, memory, args| {
                const PARAMS: &[ValType] = &[$(val_type!($ty)),*];
                debug_assert_eq!(args.len(), PARAMS.len(), "argument slots of {}", stringify!($name));
                #[allow(unused_mut, unused_variables)]
                let mut slots = Slots(args.iter());
                finish($path::$name(ctx, &mut Memory::new(memory) $(, slots.$ty())*))
            },
        }
    };
}

/// The functions of a module. `$abi` holds those that the generations have in forms of their own; `$extra` are those
/// that only this generation has.
macro_rules! functions {
    ($module:literal, $abi:ident; $($extra:ident :: $extra_name:ident ( $($extra_ty:ident),* );)*) => {
        functions! { @list $module;
            environment::args_get(i32, i32);
            environment::args_sizes_get(i32, i32);
            environment::environ_get(i32, i32);
            environment::environ_sizes_get(i32, i32);
            clocks::clock_res_get(i32, i32);
            clocks::clock_time_get(i32, i64, i32);
            files::fd_advise(i32, i64, i64, i32);
            files::fd_allocate(i32, i64, i64);
            files::fd_close(i32);
            files::fd_datasync(i32);
            $abi::fd_fdstat_get(i32, i32);
            metadata::fd_fdstat_set_flags(i32, i32);
            $abi::fd_fdstat_set_rights(i32, i64, i64);
            $abi::fd_filestat_get(i32, i32);
            metadata::fd_filestat_set_size(i32, i64);
            metadata::fd_filestat_set_times(i32, i64, i64, i32);
            files::fd_pread(i32, i32, i32, i64, i32);
            directory::fd_prestat_get(i32, i32);
            directory::fd_prestat_dir_name(i32, i32, i32);
            files::fd_pwrite(i32, i32, i32, i64, i32);
            files::fd_read(i32, i32, i32, i32);
            directory::fd_readdir(i32, i32, i32, i64, i32);
            files::fd_renumber(i32, i32);
            $abi::fd_seek(i32, i64, i32, i32);
            files::fd_sync(i32);
            files::fd_tell(i32, i32);
            files::fd_write(i32, i32, i32, i32);
            paths::path_create_directory(i32, i32, i32);
            $abi::path_filestat_get(i32, i32, i32, i32, i32);
            paths::path_filestat_set_times(i32, i32, i32, i32, i64, i64, i32);
            paths::path_link(i32, i32, i32, i32, i32, i32, i32);
            $abi::path_open(i32, i32, i32, i32, i32, i64, i64, i32, i32);
            paths::path_readlink(i32, i32, i32, i32, i32, i32);
            paths::path_remove_directory(i32, i32, i32);
            paths::path_rename(i32, i32, i32, i32, i32, i32);
            paths::path_symlink(i32, i32, i32, i32, i32);
            paths::path_unlink_file(i32, i32, i32);
            $abi::poll_oneoff(i32, i32, i32, i32);
            process::proc_raise(i32);
            process::sched_yield();
            random::random_get(i32, i32);
            $abi::sock_recv(i32, i32, i32, i32, i32, i32);
            $abi::sock_send(i32, i32, i32, i32, i32);
            $abi::sock_shutdown(i32, i32);
            $($extra::$extra_name($($extra_ty),*);)*
        }
    };
    (@list $module:literal; $($path:ident :: $name:ident ( $($ty:ident),* );)*) => {
        [
            function!($module, &[], process::proc_exit(i32)),
            $(function!($module, &[ValType::I32], $path::$name($($ty),*)),)*
        ]
    };
}

const PREVIEW1: [WasiFunction; PREVIEW1_COUNT] = functions! { "wasi_snapshot_preview1", preview1;
    sock::sock_accept(i32, i32, i32);
};

const UNSTABLE: [WasiFunction; UNSTABLE_COUNT] = functions! { "wasi_unstable", unstable; };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_each_module() {
        let mut names: Vec<_> = functions().iter().map(|f| (f.module, f.name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PREVIEW1_COUNT + UNSTABLE_COUNT);
    }
}
