//! Machine code for the tests of `sys`: assembled with the test, copied to fresh pages, registered with hand-made tables. It follows the conventions of
//! compiled code: rdi = vmctx, arguments in rsi.., frame pointers kept.

use crate::sys::{CodeTables, Registration, register};
use std::arch::global_asm;
use std::sync::Arc;
use trjit_code::InlinedPlace;
use trjit_module::vm::{header, store};
use trjit_module::{FuncIndex, TrapCode};

global_asm!(
    ".pushsection .rodata.blob, \"a\"",
    ".globl blob_start, blob_to_native, blob_answer, blob_trap, blob_trap_pc, blob_load",
    ".hidden blob_start, blob_to_native, blob_answer, blob_trap, blob_trap_pc, blob_load",
    ".globl blob_load_pc, blob_grow, blob_grow_return, blob_nest, blob_nest_return, blob_loop",
    ".hidden blob_load_pc, blob_grow, blob_grow_return, blob_nest, blob_nest_return, blob_loop",
    ".globl blob_recurse, blob_overflow_pc, blob_call, blob_call_import, blob_sum, blob_to_interpreter",
    ".hidden blob_recurse, blob_overflow_pc, blob_call, blob_call_import, blob_sum, blob_to_interpreter",
    ".globl blob_unlisted, blob_end",
    ".hidden blob_unlisted, blob_end",
    ".balign 16",
    "blob_start:",
    // Room for LAZY_STUB_CODE.
    ".skip 16",
    // to_native for (i64) -> (i64): rdi = vmctx, rsi = code, rdx = slots.
    ".balign 16",
    "blob_to_native:",
    "push rbp",
    "mov rbp, rsp",
    "push rbx",
    "sub rsp, 8",
    "mov rbx, rdx",
    "mov rax, rsi",
    "mov rsi, [rdx]",
    "call rax",
    "mov [rbx], rax",
    "xor eax, eax",
    "add rsp, 8",
    "pop rbx",
    "pop rbp",
    "ret",
    // Function 0: its argument plus 42.
    ".balign 16",
    "blob_answer:",
    "lea rax, [rsi + 42]",
    "ret",
    // Function 1: traps; spoils the saved registers first.
    ".balign 16",
    "blob_trap:",
    "push rbp",
    "mov rbp, rsp",
    "mov rbx, -1",
    "mov r12, -1",
    "mov r13, -1",
    "mov r14, -1",
    "mov r15, -1",
    "blob_trap_pc: ud2",
    // Function 2: loads from the address given.
    ".balign 16",
    "blob_load:",
    "push rbp",
    "mov rbp, rsp",
    "blob_load_pc: mov rax, [rsi]",
    "pop rbp",
    "ret",
    // Function 3: 100 plus what the builtin memory_grow(7, argument) returns.
    ".balign 16",
    "blob_grow:",
    "push rbp",
    "mov rbp, rsp",
    "mov rdx, rsi",
    "mov esi, 7",
    "mov rax, [rdi + {builtins}]",
    "call [rax + {memory_grow}]",
    "blob_grow_return:",
    "add rax, 100",
    "pop rbp",
    "ret",
    // Function 4: calls function 3 and adds 1000.
    ".balign 16",
    "blob_nest:",
    "push rbp",
    "mov rbp, rsp",
    "call blob_grow",
    "blob_nest_return:",
    "add rax, 1000",
    "pop rbp",
    "ret",
    // Function 5: never ends.
    ".balign 16",
    "blob_loop:",
    "push rbp",
    "mov rbp, rsp",
    "2: jmp 2b",
    // Function 6: recursion down to the stack limit.
    ".balign 16",
    "blob_recurse:",
    "push rbp",
    "mov rbp, rsp",
    "mov rax, [rdi + {store}]",
    "cmp rsp, [rax + {stack_limit}]",
    "jb blob_overflow_pc",
    "call blob_recurse",
    "pop rbp",
    "ret",
    "blob_overflow_pc: ud2",
    // Function 7: calls function `argument` of its own vmctx through the jump table with all argument registers and two stack arguments in use.
    ".balign 16",
    "blob_call:",
    "push rbp",
    "mov rbp, rsp",
    "mov [rdi + {callee}], esi",
    "mov rax, [rdi + {jump_table}]",
    "movsxd rax, dword ptr [rax + rsi * 4]",
    "add rax, [rdi + {image_base}]",
    "jmp 3f",
    // Function 8: the same through the import whose entry is its argument.
    ".balign 16",
    "blob_call_import:",
    "push rbp",
    "mov rbp, rsp",
    "mov dword ptr [rdi + {callee}], 9",
    "mov rax, rsi",
    "3:",
    "mov esi, 1",
    "mov edx, 2",
    "mov ecx, 4",
    "mov r8d, 8",
    "mov r9d, 16",
    "mov r11d, 32",
    "movq xmm0, r11",
    "mov r11d, 64",
    "movq xmm7, r11",
    "push 256",
    "push 128",
    "call rax",
    // The callee popped its stack arguments.
    "pop rbp",
    "ret",
    // Function 9: the sum of all its arguments.
    ".balign 16",
    "blob_sum:",
    "xor eax, eax",
    "jmp 4f",
    // to_interpreter of type 1: the same, and 1000 more.
    ".balign 16",
    "blob_to_interpreter:",
    "mov eax, 1000",
    "4:",
    "push rbp",
    "mov rbp, rsp",
    "add rax, rsi",
    "add rax, rdx",
    "add rax, rcx",
    "add rax, r8",
    "add rax, r9",
    "movq r10, xmm0",
    "add rax, r10",
    "movq r10, xmm7",
    "add rax, r10",
    "add rax, [rbp + 16]",
    "add rax, [rbp + 24]",
    "pop rbp",
    "ret 16",
    // Function 10: a trap that no table lists.
    ".balign 16",
    "blob_unlisted: ud2",
    "blob_end:",
    ".popsection",
    builtins = const header::BUILTINS,
    memory_grow = const trjit_module::vm::Builtin::MemoryGrow.offset(),
    store = const header::STORE,
    stack_limit = const store::STACK_LIMIT,
    callee = const header::CALLEE,
    jump_table = const header::JUMP_TABLE,
    image_base = const header::IMAGE_BASE,
);

macro_rules! labels {
    ($($name:ident)*) => {
        unsafe extern "C" { safe static blob_start: u8; safe static blob_end: u8; $(safe static $name: u8;)* }

        /// Offsets of the labels in the image.
        pub mod at {
            $(pub fn $name() -> u32 { (&raw const super::$name).addr() as u32 - (&raw const super::blob_start).addr() as u32 })*
        }
    };
}

labels! {
    blob_to_native blob_answer blob_trap blob_trap_pc blob_load blob_load_pc blob_grow blob_grow_return blob_nest blob_nest_return blob_loop blob_recurse
    blob_overflow_pc blob_call blob_call_import blob_sum blob_to_interpreter blob_unlisted
}

/// Starts of the functions, in the order of their indices.
pub fn functions() -> [u32; 11] {
    use at::*;
    [
        blob_answer(),
        blob_trap(),
        blob_load(),
        blob_grow(),
        blob_nest(),
        blob_loop(),
        blob_recurse(),
        blob_call(),
        blob_call_import(),
        blob_sum(),
        blob_unlisted(),
    ]
}

struct Tables;

impl CodeTables for Tables {
    fn trap_at(&self, offset: u32) -> Option<(TrapCode, u32)> {
        [
            (at::blob_trap_pc(), TrapCode::Unreachable, 11),
            (at::blob_load_pc(), TrapCode::MemoryOutOfBounds, 22),
            (at::blob_overflow_pc(), TrapCode::StackOverflow, 33),
        ]
        .iter()
        .find_map(|&(at, code, wasm)| (at == offset).then_some((code, wasm)))
    }

    fn call_at(&self, offset: u32) -> Option<u32> {
        [(at::blob_grow_return(), 44), (at::blob_nest_return(), 55)].iter().find_map(|&(at, wasm)| (at == offset).then_some(wasm))
    }

    fn inlined_at(&self, number: u32) -> Option<InlinedPlace> {
        // Place 0 is inlined at the call of `blob_nest`.
        (number == 0).then_some(InlinedPlace { wasm: 66, caller: 55 })
    }

    fn handler_at(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn function_at(&self, offset: u32) -> Option<FuncIndex> {
        // The trampoline to the interpreter lies between functions 9 and 10.
        if (at::blob_to_interpreter()..at::blob_unlisted()).contains(&offset) {
            return None;
        }
        let after = functions().iter().filter(|&&start| start <= offset).count();
        after.checked_sub(1).map(|index| FuncIndex(index as u32))
    }
}

/// The blob on executable pages, registered as code; never freed.
pub struct Image {
    pub base: *const u8,
    _registration: Registration,
}

impl Image {
    pub fn new() -> Image {
        let start = &raw const blob_start;
        let len = (&raw const blob_end).addr() - start.addr();
        // SAFETY: a fresh mapping of sufficient size, filled from the blob before it becomes executable; nothing else is registered there.
        unsafe {
            let map =
                libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            std::ptr::copy_nonoverlapping(start, map.cast::<u8>(), len);
            map.cast::<[u8; 16]>().write(trjit_code::LAZY_STUB_CODE);
            assert_eq!(libc::mprotect(map, len, libc::PROT_READ | libc::PROT_EXEC), 0);
            Image { base: map.cast(), _registration: register(map.cast(), len, Arc::new(Tables)) }
        }
    }

    pub fn code(&self, offset: u32) -> *const u8 {
        self.base.wrapping_add(offset as usize)
    }
}
