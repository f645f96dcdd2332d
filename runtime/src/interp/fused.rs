//! The sequences of instructions that have an opcode of their own in quickened code (see [`super::quicken`]), with their handlers: one line each.
//!
//! The list was chosen by how often sequences run in compiled C, C++, Rust and interpreters written in them. Opcodes are bytes that no accepted
//! proposal of WebAssembly uses as first bytes. In a handler `ip` stands behind the first opcode, so that `get(fp, ip, 0)` is the local of a leading `local.get`, and so on along
//! the bytes of the original instructions.

use super::control::*;
use super::cx::{Cx, Exit};
use super::dispatch::{Handler, Probe, Table};
use super::handlers::*;
use super::leb::small;
use super::quicken::Part::{self, Memory as memory, Op, Short};
use trjit_module::TrapCode;
use trjit_module::flat::SideTableEntry;

/// A sequence and its opcode in quickened code.
pub struct Sequence {
    pub opcode: u8,
    pub parts: &'static [Part],
}

impl Sequence {
    /// Whether it loads or stores.
    pub fn has_memory(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Memory(_)))
    }
}

/// Returns, by number of results; they stand for `return` and for the last `end`.
pub const RETURN_NONE: u8 = 0x18;
pub const RETURN_ONE: u8 = 0x19;
pub const RETURN_MANY: u8 = 0x16;
/// A run of `block` and `loop` with block types of one byte; the first block type is replaced by their number.
pub const BLOCKS: u8 = 0x17;

const GET: Part = Short(0x20);
const SET: Part = Short(0x21);
const TEE: Part = Short(0x22);
const CONST: Part = Short(0x41);
const BR_IF: Part = Short(0x0d);

/// The local whose index is the byte at `ip + at`.
///
/// # Safety
/// The byte is a local index of the running function, whose frame `fp` is.
#[inline(always)]
unsafe fn get<C>(fp: *mut C, ip: *const u8, at: usize) -> u64 {
    // SAFETY: by contract.
    unsafe { word!(fp.add(*ip.add(at) as usize)) }
}

/// # Safety
/// As [`get`].
#[inline(always)]
unsafe fn set<C>(fp: *mut C, ip: *const u8, at: usize, value: u64) {
    // SAFETY: by contract.
    unsafe { word!(fp.add(*ip.add(at) as usize)) = value }
}

/// The whole slot of the local whose index is the byte at `ip + at`, whatever its type.
///
/// # Safety
/// As [`get`].
#[inline(always)]
unsafe fn local<C>(fp: *mut C, ip: *const u8, at: usize) -> *mut C {
    // SAFETY: by contract.
    unsafe { fp.add(*ip.add(at) as usize) }
}

/// The constant whose only byte is at `ip + at`.
///
/// # Safety
/// The byte belongs to the code.
#[inline(always)]
unsafe fn small_i32(ip: *const u8, at: usize) -> i32 {
    // SAFETY: by contract.
    i32::from(small(unsafe { *ip.add(at) }))
}

/// # Safety
/// As [`small_i32`].
#[inline(always)]
unsafe fn small_u32(ip: *const u8, at: usize) -> u32 {
    // SAFETY: by contract.
    unsafe { small_i32(ip, at) as u32 }
}

/// A `br_if` that ends a sequence, its immediate at `ip + $at`.
macro_rules! br_if_at {
    ($at:literal, $condition:expr; $ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident) => {{
        if $condition {
            branch!($st, $ip.add($at); $ip, $sp, $fp, $st, $cx, $mem);
        } else {
            $ip = $ip.add($at + 1);
            $st = $st.add(1);
        }
    }};
}

/// A load whose opcode is at `ip + $at`: gives the value, extended to a slot, to `$take`.
macro_rules! load {
    ($memory:ty => $slot:ty, $base:expr, $at:literal; $ip:ident, $sp:ident, $cx:ident, $mem:ident, |$value:ident| $take:expr) => {{
        let address = u64::from($base as u32) + u64::from(*$ip.add($at + 2));
        if address + size_of::<$memory>() as u64 > (*$cx).mem_len {
            return trap($ip.add($at + 1), $sp, $cx, TrapCode::MemoryOutOfBounds);
        }
        let $value = Slot::to_slot((*$mem.add(address as usize).cast::<Unaligned<$memory>>()).0 as $slot);
        $take;
    }};
}

/// A store whose opcode is at `ip + $at`.
macro_rules! store {
    ($value:expr => $memory:ty, $base:expr, $at:literal; $ip:ident, $sp:ident, $cx:ident, $mem:ident) => {{
        let address = u64::from($base as u32) + u64::from(*$ip.add($at + 2));
        if address + size_of::<$memory>() as u64 > (*$cx).mem_len {
            return trap($ip.add($at + 1), $sp, $cx, TrapCode::MemoryOutOfBounds);
        }
        (*$mem.add(address as usize).cast::<Unaligned<$memory>>()).0 = $value as $memory;
    }};
}

/// Defines [`SEQUENCES`], the handlers, and [`install`].
macro_rules! sequences {
    (($ip:ident, $sp:ident, $fp:ident, $st:ident, $cx:ident, $mem:ident); $($opcode:literal $name:ident [$($part:expr),*] $body:block)*) => {
        /// Those with the same first opcode stand together; of several that match, the first one is taken.
        pub const SEQUENCES: &[Sequence] = &[$(Sequence { opcode: $opcode, parts: &[$($part),*] }),*];

        handlers! { ($ip, $sp, $fp, $st, $cx, $mem); $($name $body)* }

        /// Puts the handlers of quickened code into a table of handlers.
        pub const fn install<P: Probe>(mut table: [Handler<P::Cell>; 256]) -> [Handler<P::Cell>; 256] {
            $(table[$opcode] = $name::<P>;)*
            table[BLOCKS as usize] = blocks::<P>;
            table[RETURN_NONE as usize] = return_none::<P>;
            table[RETURN_ONE as usize] = return_one::<P>;
            table[RETURN_MANY as usize] = return_many::<P>;
            table
        }
    };
}

#[rustfmt::skip]
sequences! {
    (ip, sp, fp, st, cx, mem);
    // local.get, ...: the longest first.
    0xd3 get_load_set [GET, memory(0x28), SET] { load!(u32 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| set(fp, ip, 5, value)); ip = ip.add(6); }
    0x06 get_load_tee [GET, memory(0x28), TEE] { load!(u32 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| { set(fp, ip, 5, value); push(&mut sp, value); }); ip = ip.add(6); }
    0x07 get_load_get_load [GET, memory(0x28), GET, memory(0x28)] { load!(u32 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); load!(u32 => u32, get(fp, ip, 5), 6; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(9); }
    0x09 get_load_load [GET, memory(0x28), memory(0x28)] { load!(u32 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |first| load!(u32 => u32, first, 4; ip, sp, cx, mem, |value| push(&mut sp, value))); ip = ip.add(7); }
    0xd7 get_const_add_set [GET, CONST, Op(0x6a), SET] { let sum = (get(fp, ip, 0) as u32).wrapping_add(small_u32(ip, 2)); set(fp, ip, 5, u64::from(sum)); ip = ip.add(6); }
    0xd8 get_const_add_tee [GET, CONST, Op(0x6a), TEE] { let sum = (get(fp, ip, 0) as u32).wrapping_add(small_u32(ip, 2)); set(fp, ip, 5, u64::from(sum)); push(&mut sp, sum); ip = ip.add(6); }
    0xd9 get_get_ge_u_br_if [GET, GET, Op(0x4f), BR_IF] { br_if_at!(5, (get(fp, ip, 0) as u32) >= get(fp, ip, 2) as u32; ip, sp, fp, st, cx, mem); }
    0xda get_const_lt_u_br_if [GET, CONST, Op(0x49), BR_IF] { br_if_at!(5, (get(fp, ip, 0) as u32) < small_u32(ip, 2); ip, sp, fp, st, cx, mem); }
    0xdb get_const_gt_s_br_if [GET, CONST, Op(0x4a), BR_IF] { br_if_at!(5, (get(fp, ip, 0) as i32) > small_i32(ip, 2); ip, sp, fp, st, cx, mem); }
    0xdc get_const_lt_s_br_if [GET, CONST, Op(0x48), BR_IF] { br_if_at!(5, (get(fp, ip, 0) as i32) < small_i32(ip, 2); ip, sp, fp, st, cx, mem); }
    0xdd get_get_i32_store [GET, GET, memory(0x36)] { store!(get(fp, ip, 2) => u32, get(fp, ip, 0), 3; ip, sp, cx, mem); ip = ip.add(6); }
    0xde get_get_i64_store [GET, GET, memory(0x37)] { store!(get(fp, ip, 2) => u64, get(fp, ip, 0), 3; ip, sp, cx, mem); ip = ip.add(6); }
    0xdf get_get_i32_store8 [GET, GET, memory(0x3a)] { store!(get(fp, ip, 2) => u8, get(fp, ip, 0), 3; ip, sp, cx, mem); ip = ip.add(6); }
    0xe0 get_const_i32_store [GET, CONST, memory(0x36)] { store!(small_u32(ip, 2) => u32, get(fp, ip, 0), 3; ip, sp, cx, mem); ip = ip.add(6); }
    0xe1 get_get_add [GET, GET, Op(0x6a)] { let (a, b) = (get(fp, ip, 0) as u32, get(fp, ip, 2) as u32); push(&mut sp, a.wrapping_add(b)); ip = ip.add(4); }
    0xe2 get_const_add [GET, CONST, Op(0x6a)] { let (a, b) = (get(fp, ip, 0) as u32, small_u32(ip, 2)); push(&mut sp, a.wrapping_add(b)); ip = ip.add(4); }
    0xe3 get_const_and [GET, CONST, Op(0x71)] { let (a, b) = (get(fp, ip, 0) as u32, small_u32(ip, 2)); push(&mut sp, a & b); ip = ip.add(4); }
    0xe4 get_const_shl [GET, CONST, Op(0x74)] { let (a, b) = (get(fp, ip, 0) as u32, small_u32(ip, 2)); push(&mut sp, a.wrapping_shl(b)); ip = ip.add(4); }
    0xe5 get_eqz_br_if [GET, Op(0x45), BR_IF] { br_if_at!(3, get(fp, ip, 0) as u32 == 0; ip, sp, fp, st, cx, mem); }
    0xe6 get_br_if [GET, BR_IF] { br_if_at!(2, get(fp, ip, 0) as u32 != 0; ip, sp, fp, st, cx, mem); }
    0xe7 get_i32_load [GET, memory(0x28)] { load!(u32 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(4); }
    0xe8 get_i64_load [GET, memory(0x29)] { load!(u64 => u64, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(4); }
    0xe9 get_i32_load8_u [GET, memory(0x2d)] { load!(u8 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(4); }
    0xea get_i32_load8_s [GET, memory(0x2c)] { load!(i8 => i32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(4); }
    0xeb get_i32_load16_u [GET, memory(0x2f)] { load!(u16 => u32, get(fp, ip, 0), 1; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(4); }
    0xec get_i32_store [GET, memory(0x36)] { store!(get(fp, ip, 0) => u32, word!(sp.sub(1)), 1; ip, sp, cx, mem); sp = sp.sub(1); ip = ip.add(4); }
    0xed get_add [GET, Op(0x6a)] { let (a, b) = (word!(sp.sub(1)) as u32, get(fp, ip, 0) as u32); word!(sp.sub(1)) = u64::from(a.wrapping_add(b)); ip = ip.add(2); }
    0xee get_sub [GET, Op(0x6b)] { let (a, b) = (word!(sp.sub(1)) as u32, get(fp, ip, 0) as u32); word!(sp.sub(1)) = u64::from(a.wrapping_sub(b)); ip = ip.add(2); }
    0xef get_and [GET, Op(0x71)] { let (a, b) = (word!(sp.sub(1)) as u32, get(fp, ip, 0) as u32); word!(sp.sub(1)) = u64::from(a & b); ip = ip.add(2); }
    0xf0 get_get_i32_load [GET, GET, memory(0x28)] { *sp = *local(fp, ip, 0); sp = sp.add(1); load!(u32 => u32, get(fp, ip, 2), 3; ip, sp, cx, mem, |value| push(&mut sp, value)); ip = ip.add(6); }
    0xf1 get_get_get [GET, GET, GET] { *sp = *local(fp, ip, 0); *sp.add(1) = *local(fp, ip, 2); *sp.add(2) = *local(fp, ip, 4); sp = sp.add(3); ip = ip.add(5); }
    0xf2 get_get [GET, GET] { *sp = *local(fp, ip, 0); *sp.add(1) = *local(fp, ip, 2); sp = sp.add(2); ip = ip.add(3); }
    0xf3 get_const [GET, CONST] { *sp = *local(fp, ip, 0); word!(sp.add(1)) = u64::from(small_u32(ip, 2)); sp = sp.add(2); ip = ip.add(3); }
    0xf4 get_set [GET, SET] { *local(fp, ip, 2) = *local(fp, ip, 0); ip = ip.add(3); }
    // i32.const
    0xf5 const_shl_add [CONST, Op(0x74), Op(0x6a)] { let b = (word!(sp.sub(1)) as u32).wrapping_shl(small_u32(ip, 0)); sp = sp.sub(1); word!(sp.sub(1)) = u64::from((word!(sp.sub(1)) as u32).wrapping_add(b)); ip = ip.add(3); }
    0xf6 const_add [CONST, Op(0x6a)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a.wrapping_add(b)); ip = ip.add(2); }
    0xf7 const_sub [CONST, Op(0x6b)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a.wrapping_sub(b)); ip = ip.add(2); }
    0xf8 const_and [CONST, Op(0x71)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a & b); ip = ip.add(2); }
    0xfa const_shl [CONST, Op(0x74)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a.wrapping_shl(b)); ip = ip.add(2); }
    0xfb const_shr_u [CONST, Op(0x76)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a.wrapping_shr(b)); ip = ip.add(2); }
    0xc5 const_mul [CONST, Op(0x6c)] { let (a, b) = (word!(sp.sub(1)) as u32, small_u32(ip, 0)); word!(sp.sub(1)) = u64::from(a.wrapping_mul(b)); ip = ip.add(2); }
    // local.set, local.tee
    0xc6 set_get [SET, GET] { *local(fp, ip, 0) = *sp.sub(1); *sp.sub(1) = *local(fp, ip, 2); ip = ip.add(3); }
    0xc7 tee_br_if [TEE, BR_IF] { let value = pop::<u64, _>(&mut sp); set(fp, ip, 0, value); br_if_at!(2, value as u32 != 0; ip, sp, fp, st, cx, mem); }
    0xc8 tee_get [TEE, GET] { *local(fp, ip, 0) = *sp.sub(1); *sp = *local(fp, ip, 2); sp = sp.add(1); ip = ip.add(3); }
    // Comparisons and br_if.
    0xc9 eqz_br_if [Op(0x45), BR_IF] { let value = pop::<u32, _>(&mut sp); br_if_at!(1, value == 0; ip, sp, fp, st, cx, mem); }
    0xca eq_br_if [Op(0x46), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a == b; ip, sp, fp, st, cx, mem); }
    0xcb ne_br_if [Op(0x47), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a != b; ip, sp, fp, st, cx, mem); }
    0xcc lt_s_br_if [Op(0x48), BR_IF] { let b = pop::<i32, _>(&mut sp); let a = pop::<i32, _>(&mut sp); br_if_at!(1, a < b; ip, sp, fp, st, cx, mem); }
    0xcd lt_u_br_if [Op(0x49), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a < b; ip, sp, fp, st, cx, mem); }
    0xce gt_s_br_if [Op(0x4a), BR_IF] { let b = pop::<i32, _>(&mut sp); let a = pop::<i32, _>(&mut sp); br_if_at!(1, a > b; ip, sp, fp, st, cx, mem); }
    0xcf gt_u_br_if [Op(0x4b), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a > b; ip, sp, fp, st, cx, mem); }
    0xf9 le_s_br_if [Op(0x4c), BR_IF] { let b = pop::<i32, _>(&mut sp); let a = pop::<i32, _>(&mut sp); br_if_at!(1, a <= b; ip, sp, fp, st, cx, mem); }
    0xff le_u_br_if [Op(0x4d), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a <= b; ip, sp, fp, st, cx, mem); }
    0x27 ge_s_br_if [Op(0x4e), BR_IF] { let b = pop::<i32, _>(&mut sp); let a = pop::<i32, _>(&mut sp); br_if_at!(1, a >= b; ip, sp, fp, st, cx, mem); }
    0x1d ge_u_br_if [Op(0x4f), BR_IF] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); br_if_at!(1, a >= b; ip, sp, fp, st, cx, mem); }
    // Arithmetic and local.set.
    0x1e add_set [Op(0x6a), SET] { let b = pop::<u32, _>(&mut sp); let a = pop::<u32, _>(&mut sp); set(fp, ip, 1, u64::from(a.wrapping_add(b))); ip = ip.add(2); }
}
