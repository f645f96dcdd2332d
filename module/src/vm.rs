//! The state that compiled code sees, and where in it each thing lies. Compiled code and Rust share these layouts: the translator takes the offsets
//! from the constants here, the runtime uses the structs. All of it counts for the ABI fingerprint.
//!
//! ```text
//! vmctx:  VmHeader | memories: VmMemoryRef.. | tables: *VmTable.. | imported functions: VmImport..
//!         | imported globals: *u64.. | tags: u64.. | (16) defined globals: 16 bytes each
//! ```
//! Compiled functions: calling convention Tail, parameters (vmctx: i64, params..), results in registers; with more than
//! [`MAX_REG_RESULTS`] results (vmctx: i64, results: i64, params..) where `results` points to one slot a result, of
//! [`FuncType::result_words`](crate::FuncType::result_words), and nothing is returned.
//! A value in a slot: i32 and f32 in the low half of the first word, the high half zero; i64, f64 as they are; references as store indices, 0 = null; v128 in both
//! words. Slots of crossings have [`FuncType::slot_words`](crate::FuncType::slot_words), those of frames [`Module::slot_words`].

use crate::module::Module;
use std::mem::offset_of;
use std::ptr;

/// Most results that a compiled function returns in registers.
pub const MAX_REG_RESULTS: usize = 6;

/// Words of the frames that compiled functions can leave in their middle; functions with larger ones have no side exits.
pub const EXIT_WORDS: usize = 2048;

/// Where the interpreter goes on after a side exit, in one word, so that code needs one constant for it:
/// ```text
/// bits 0..32   position in the module's `code` bytes of the instruction that comes next
/// bits 32..44  slots of the frame in use: locals, then operand stack
/// bits 44..64  next entry of the side table, counted from the function's first
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExitPlace {
    pub position: u32,
    pub used: u32,
    pub entry: u32,
}

impl ExitPlace {
    const USED: u32 = 32;
    const ENTRY: u32 = 44;
    /// Entries and slots from here on fit no word: functions with more have no side exits.
    pub const ENTRIES: u32 = 1 << (64 - ExitPlace::ENTRY);
    pub const SLOTS: u32 = 1 << (ExitPlace::ENTRY - ExitPlace::USED);

    pub const fn word(self) -> u64 {
        self.position as u64 | (self.used as u64) << ExitPlace::USED | (self.entry as u64) << ExitPlace::ENTRY
    }

    pub const fn of(word: u64) -> ExitPlace {
        let used = (word >> ExitPlace::USED) as u32 % ExitPlace::SLOTS;
        ExitPlace { position: word as u32, used, entry: (word >> ExitPlace::ENTRY) as u32 }
    }
}

/// What code that was entered at an offset returns to the driver.
pub mod ended {
    /// The function is done: its results are in the first slots of its frame.
    pub const DONE: u64 = 0;
    /// It goes on with the function that `VmStore::tail_function` of `tail_vmctx` names, whose arguments stand from the start of the frame, as crossing slots of its type.
    pub const TAIL_CALL: u64 = 1;
    /// The interpreter goes on with the frame where `VmStore::exit_place` says.
    pub const EXIT: u64 = 2;
}

/// Address space reserved for a 32-bit memory: all that an index can reach.
pub const MEMORY_RESERVATION: u64 = 1 << 32;
/// Inaccessible bytes behind the reservation; accesses with a larger `offset + width` are checked explicitly.
pub const MEMORY_GUARD: u64 = 32 << 20;
/// Bytes of a wasm page.
pub const PAGE_SIZE: u64 = 65536;

/// What code is reached through `call` by way of the jump table, and what the lazy stub needs to know: constant offsets of every vmctx.
#[repr(C)]
#[derive(Debug)]
pub struct VmHeader {
    /// [`VMCTX_MAGIC`].
    pub magic: u32,
    /// Function index that a call through the jump table, an import or a funcref is about to enter: written by the caller into the callee's
    /// vmctx right before the call, read by the lazy stub and by trampolines to the interpreter.
    pub callee: u32,
    pub store: *mut VmStore,
    /// Offset 0 of the image that `jump_table` and `trampolines` count from; the lazy stub `jmp [rdi + LAZY_STUB]` stands there.
    pub image_base: *const u8,
    /// One `i32` a function of the index space, imported ones included (theirs stay 0): signed offset of its code from `image_base`; 0 = the lazy stub.
    pub jump_table: *mut i32,
    /// The runtime's stub for functions without code, reached through offset 0 of the image.
    pub lazy_stub: *const u8,
    pub builtins: *const VmBuiltins,
    /// `u32` a type of the module: the engine's type id.
    pub type_ids: *const u32,
    /// `u32` a function: its type index in the module.
    pub func_types: *const u32,
    /// [`VmTrampolines`] a type of the module.
    pub trampolines: *const VmTrampolines,
    /// The runtime's instance.
    pub instance: *mut u8,
    /// All funcrefs of the store: a reference in a slot is an index into this array.
    pub func_refs: *const VmFuncRef,
    /// Store index of the reference to function 0; the others follow.
    pub func_ref_base: u64,
    /// Counters of what code of tiers that count does, null where no such code was made: `u64` a defined function; `u64` a side table entry of the module;
    /// [`VmCallTargets`] an indirect call site.
    pub profile_entries: *mut u64,
    pub profile_branches: *mut u64,
    pub profile_sites: *mut VmCallTargets,
    /// Code of tiers T2 and T3 asks for the next tier when a counter (of entries; of a branch back to a loop) has no bit of this mask set.
    pub entries_mask: u32,
    pub back_edges_mask: u32,
    /// The assumptions about this instance that have broken, a bit each: speculative code that was made under one tests it behind calls.
    pub broken: u64,
}

/// `VmHeader::magic`: "vmct".
pub const VMCTX_MAGIC: u32 = 0x7463_6d76;

/// Offsets of [`VmHeader`]'s fields.
pub mod header {
    use super::*;
    pub const CALLEE: usize = offset_of!(VmHeader, callee);
    pub const STORE: usize = offset_of!(VmHeader, store);
    pub const IMAGE_BASE: usize = offset_of!(VmHeader, image_base);
    pub const JUMP_TABLE: usize = offset_of!(VmHeader, jump_table);
    pub const LAZY_STUB: usize = offset_of!(VmHeader, lazy_stub);
    pub const BUILTINS: usize = offset_of!(VmHeader, builtins);
    pub const TYPE_IDS: usize = offset_of!(VmHeader, type_ids);
    pub const FUNC_TYPES: usize = offset_of!(VmHeader, func_types);
    pub const TRAMPOLINES: usize = offset_of!(VmHeader, trampolines);
    pub const FUNC_REFS: usize = offset_of!(VmHeader, func_refs);
    pub const FUNC_REF_BASE: usize = offset_of!(VmHeader, func_ref_base);
    pub const PROFILE_ENTRIES: usize = offset_of!(VmHeader, profile_entries);
    pub const PROFILE_BRANCHES: usize = offset_of!(VmHeader, profile_branches);
    pub const PROFILE_SITES: usize = offset_of!(VmHeader, profile_sites);
    pub const ENTRIES_MASK: usize = offset_of!(VmHeader, entries_mask);
    pub const BACK_EDGES_MASK: usize = offset_of!(VmHeader, back_edges_mask);
    pub const BROKEN: usize = offset_of!(VmHeader, broken);
}

/// What all instances of a store share.
#[repr(C)]
#[derive(Debug)]
pub struct VmStore {
    /// Compiled functions trap when their frame would go below this address.
    pub stack_limit: usize,
    /// Stack pointer that the innermost entry into compiled code saved: a trap continues there.
    pub entry_sp: usize,
    /// Frame pointer and return address of compiled code when it last called the runtime: where a backtrace begins.
    pub exit_fp: usize,
    pub exit_pc: usize,
    /// What the shim of a builtin does when that returns: 0, it returns to its caller; 1, it leaves compiled code, to `entry_sp`; 2 + n, it goes on at the address
    /// `exit_pc`, which is a landing pad of the frame `exit_fp`, with the stack pointer n bytes below `exit_fp`.
    pub unwind: u32,
    /// Not 0 when the guest shall stop ([`TrapCode::Interrupt`](crate::TrapCode)); the interpreter and host calls look at it.
    pub interrupt: u32,
    /// Filled by the signal handler for a trap in compiled code: [`TrapCode`](crate::TrapCode), program counter, frame pointer.
    pub trap_code: usize,
    pub trap_pc: usize,
    pub trap_fp: usize,
    /// The exception that a landing pad receives: its tag's id in the store, its payload (crossing slots of the tag's type) and its reference. Valid until the
    /// next call.
    pub exn_tag: u64,
    pub exn_payload: *const u64,
    pub exn_ref: u64,
    /// A pending tail call: the callee's vmctx and code, its arguments in crossing slots, its index.
    pub tail_vmctx: *mut u8,
    pub tail_code: *const u8,
    pub tail_args: *mut u64,
    pub tail_function: u64,
    /// What may still be consumed, where the settings ask for fuel (see [`fuel`](crate::fuel)). Not above 0: it is used up, and straight code has overdrawn by so much.
    pub fuel: i64,
    /// Where compiled functions put their frame when they leave for the interpreter in their middle: [`EXIT_WORDS`] words. Code that was entered at an offset leaves its frame where it is.
    pub exit_slots: *mut u64,
    /// A side exit: the word of its [`ExitPlace`]. Locals that are not read before they are written may hold anything in its frame.
    pub exit_place: u64,
    /// Fuel: what straight code before the exit has cost and was not charged yet.
    pub exit_spent: i64,
    /// The function whose code was left: not the one that goes on where that was inlined.
    pub exit_of: u32,
    /// Not 0: the function that is about to enter the interpreter goes on with the frame at `exit_slots`, and not at its start.
    pub exit_pending: u32,
    /// Not null: code was not left because it was wrong about something, but for better code, which is this, and goes on with the frame.
    pub exit_code: *const u8,
    pub reserved: [u64; 3],
}

impl Default for VmStore {
    /// No code has run, and none may run yet: `stack_limit` is set at each entry.
    fn default() -> VmStore {
        VmStore {
            stack_limit: 0,
            entry_sp: 0,
            exit_fp: 0,
            exit_pc: 0,
            unwind: 0,
            interrupt: 0,
            trap_code: 0,
            trap_pc: 0,
            trap_fp: 0,
            exn_tag: 0,
            exn_payload: ptr::null(),
            exn_ref: 0,
            tail_vmctx: ptr::null_mut(),
            tail_code: ptr::null(),
            tail_args: ptr::null_mut(),
            tail_function: 0,
            fuel: 0,
            exit_slots: ptr::null_mut(),
            exit_place: 0,
            exit_spent: 0,
            exit_of: 0,
            exit_pending: 0,
            exit_code: ptr::null(),
            reserved: [0; 3],
        }
    }
}

/// Offsets of [`VmStore`]'s fields.
pub mod store {
    use super::*;
    pub const STACK_LIMIT: usize = offset_of!(VmStore, stack_limit);
    pub const ENTRY_SP: usize = offset_of!(VmStore, entry_sp);
    pub const EXIT_FP: usize = offset_of!(VmStore, exit_fp);
    pub const EXIT_PC: usize = offset_of!(VmStore, exit_pc);
    pub const UNWIND: usize = offset_of!(VmStore, unwind);
    pub const EXN_TAG: usize = offset_of!(VmStore, exn_tag);
    pub const EXN_PAYLOAD: usize = offset_of!(VmStore, exn_payload);
    pub const EXN_REF: usize = offset_of!(VmStore, exn_ref);
    pub const TAIL_VMCTX: usize = offset_of!(VmStore, tail_vmctx);
    pub const TAIL_CODE: usize = offset_of!(VmStore, tail_code);
    pub const TAIL_ARGS: usize = offset_of!(VmStore, tail_args);
    pub const TAIL_FUNCTION: usize = offset_of!(VmStore, tail_function);
    pub const FUEL: usize = offset_of!(VmStore, fuel);
    pub const EXIT_SLOTS: usize = offset_of!(VmStore, exit_slots);
    pub const EXIT_PLACE: usize = offset_of!(VmStore, exit_place);
    pub const EXIT_PENDING: usize = offset_of!(VmStore, exit_pending);
    pub const EXIT_SPENT: usize = offset_of!(VmStore, exit_spent);
    pub const EXIT_OF: usize = offset_of!(VmStore, exit_of);
}

/// A memory as an instance sees it. `base` never moves while the memory lives when its style is a reservation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VmMemoryRef {
    pub base: *mut u8,
    pub definition: *mut VmMemory,
}

/// A memory: shared by all instances that import it.
#[repr(C)]
#[derive(Debug)]
pub struct VmMemory {
    pub base: *mut u8,
    /// Bytes, always a multiple of the page size.
    pub len: u64,
}

/// A table: shared by all instances that import it. `elements[i]` is 0 where the element is not filled yet (ask [`Builtin::TableGet`]),
/// else the reference times two plus one.
#[repr(C)]
#[derive(Debug)]
pub struct VmTable {
    pub elements: *mut u64,
    /// Elements.
    pub len: u64,
}

/// An imported function: calls store `index` to `vmctx.callee` and go to `entry` with `vmctx`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VmImport {
    pub entry: *const u8,
    pub vmctx: *mut u8,
    pub index: u32,
    pub reserved: u32,
}

/// A reference to a function: who and what, never a code address. A call stores `function` to `vmctx.callee` and goes through the jump table
/// of `vmctx`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VmFuncRef {
    pub vmctx: *mut u8,
    pub function: u32,
    /// The engine's type id.
    pub type_id: u32,
}

/// How many targets of an indirect call site are told apart.
pub const CALL_TARGETS: usize = 8;

/// The callees seen at one indirect call site. The first `len` places are taken, by functions of the own instance; the others hold [`NO_TARGET`](Self::NO_TARGET).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VmCallTargets {
    pub counts: [u64; CALL_TARGETS],
    /// Calls of targets that found no place, and of functions of other instances.
    pub other: u64,
    pub functions: [u32; CALL_TARGETS],
    pub len: u32,
    pub reserved: u32,
}

impl VmCallTargets {
    /// No function has this index.
    pub const NO_TARGET: u32 = u32::MAX;
}

/// Crossings between slots and registers for one function type: offsets from `image_base`, 0 = none.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
)]
pub struct VmTrampolines {
    /// `extern "C" fn(vmctx, code, slots) -> u64`: loads arguments from slots, calls `code`, stores the results to slots, returns 0.
    pub to_native: i32,
    /// A compiled function of this type (Tail): puts the arguments into slots on its stack, calls [`Builtin::EnterInterpreter`] with `vmctx.callee`
    /// and the slots, returns what is then in the slots, or goes on with the tail call that the builtin names.
    pub to_interpreter: i32,
    /// A Tail function (vmctx, [results: where they go when not to registers], code, slots): loads arguments from slots and leaves for `code`, which
    /// returns to this function's caller.
    pub tail_to_native: i32,
    pub reserved: i32,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident: $field:ident ($($param:ident: $ty:ident),*) $(-> $ret:ident)?;)*) => {
        /// Functions of the runtime that compiled code calls: `extern "C"`, the first parameter is the caller's vmctx. They trap by themselves (their
        /// shim unwinds): the code that calls them checks nothing.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Builtin { $($(#[$doc])* $name,)* }

        /// Addresses of the builtins' shims, in the order of [`Builtin`].
        #[repr(C)]
        #[derive(Debug)]
        pub struct VmBuiltins { $(pub $field: usize,)* }

        impl Builtin {
            /// Every builtin, in the order of the table.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name,)*];

            /// Name, parameters after the vmctx and result; part of the ABI fingerprint.
            pub const fn signature(self) -> (&'static str, &'static [BuiltinType], Option<BuiltinType>) {
                match self { $(Builtin::$name => (stringify!($field), &[$(BuiltinType::$ty,)*], builtins!(@ret $($ret)?)),)* }
            }

            /// Where its address stands in [`VmBuiltins`], in bytes.
            pub const fn offset(self) -> usize {
                self as usize * 8
            }
        }
    };
    (@ret) => { None };
    (@ret $ret:ident) => { Some(BuiltinType::$ret) };
}

/// Types of builtins' parameters and results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuiltinType {
    I32,
    I64,
}

builtins! {
    /// Runs function `callee` of this vmctx by whatever it has now (interpreter, host function, code); arguments and results in `slots`. Returns 0 when it is done, or,
    /// when it ended in a tail call of compiled code, the address of that function's [`VmTrampolines::tail_to_native`]; `VmStore::tail_*` hold the rest.
    EnterInterpreter: enter_interpreter (callee: I32, slots: I64) -> I64;
    /// Traps with a [`TrapCode`](crate::TrapCode).
    Raise: raise (code: I32);
    /// Delta in pages; returns the old size in pages, or -1 (all bits) when it can not grow.
    MemoryGrow: memory_grow (memory: I32, delta: I64) -> I64;
    MemoryCopy: memory_copy (dst_memory: I32, src_memory: I32, dst: I64, src: I64, len: I64);
    MemoryFill: memory_fill (memory: I32, dst: I64, value: I32, len: I64);
    MemoryInit: memory_init (memory: I32, segment: I32, dst: I64, src: I64, len: I64);
    DataDrop: data_drop (segment: I32);
    /// The reference at `index`; traps outside of the table. Fills lazy elements.
    TableGet: table_get (table: I32, index: I64) -> I64;
    TableSet: table_set (table: I32, index: I64, value: I64);
    /// Returns the old size, or -1 (all bits).
    TableGrow: table_grow (table: I32, value: I64, delta: I64) -> I64;
    TableFill: table_fill (table: I32, dst: I64, value: I64, len: I64);
    TableCopy: table_copy (dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64);
    TableInit: table_init (table: I32, segment: I32, dst: I64, src: I64, len: I64);
    ElemDrop: elem_drop (segment: I32);
    /// The reference to a function of this instance.
    RefFunc: ref_func (function: I32) -> I64;
    /// Counts a call at an indirect call site (its number in the module) of function `function` of the instance `callee_vmctx`, where something is recorded.
    RecordIndirect: record_indirect (site: I32, function: I32, callee_vmctx: I64);
    /// Code of a function at tier `from` (2 or 3) was entered often: the next tier's is to be made.
    Climb: climb (function: I32, from: I32);
    /// The same of a loop, by the position of its first instruction. Not 0: `VmStore::exit_code` goes on from there, and the caller leaves for it.
    ClimbLoop: climb_loop (function: I32, position: I32, from: I32) -> I32;
    /// Makes an exception of the instance's tag, its payload in `slots`; fills `VmStore::exn_*` and returns its reference. Does not unwind.
    AllocException: alloc_exception (tag: I32, slots: I64) -> I64;
    /// Fills `VmStore::exn_*`; traps on null.
    ActivateException: activate_exception (exception: I64);
    /// Unwinds to the next handler outside of the caller: never returns.
    ThrowRef: throw_ref (exception: I64);
    /// `address` is the index in the memory, offset included. The timeout counts nanoseconds, forever when negative.
    MemoryAtomicWait32: memory_atomic_wait32 (memory: I32, address: I64, expected: I32, timeout: I64) -> I32;
    MemoryAtomicWait64: memory_atomic_wait64 (memory: I32, address: I64, expected: I64, timeout: I64) -> I32;
    MemoryAtomicNotify: memory_atomic_notify (memory: I32, address: I64, count: I32) -> I32;
    /// Float operations that the CPU level has no instruction for; operands and results as bits.
    CeilF32: ceil_f32 (x: I32) -> I32;
    FloorF32: floor_f32 (x: I32) -> I32;
    TruncF32: trunc_f32 (x: I32) -> I32;
    NearestF32: nearest_f32 (x: I32) -> I32;
    CeilF64: ceil_f64 (x: I64) -> I64;
    FloorF64: floor_f64 (x: I64) -> I64;
    TruncF64: trunc_f64 (x: I64) -> I64;
    NearestF64: nearest_f64 (x: I64) -> I64;
}

/// Offsets of a module's own part of the vmctx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmLayout {
    memories: u32,
    tables: u32,
    imports: u32,
    imported_globals: u32,
    imported_global_count: u32,
    tags: u32,
    defined_globals: u32,
    size: u32,
}

impl VmLayout {
    pub fn new(module: &Module) -> VmLayout {
        let header = module.header();
        let mut at = size_of::<VmHeader>() as u32;
        let mut area = |count: usize, size: usize| {
            let start = at;
            at += count as u32 * size as u32;
            start
        };
        let memories = area(module.memories().len(), size_of::<VmMemoryRef>());
        let tables = area(module.tables().len(), 8);
        let imports = area(header.imported_functions as usize, size_of::<VmImport>());
        let imported_globals = area(header.imported_globals as usize, 8);
        let tags = area(module.tags().len(), 8);
        let defined_globals = at.next_multiple_of(16);
        let defined = module.globals().len() as u32 - header.imported_globals;
        VmLayout {
            memories,
            tables,
            imports,
            imported_globals,
            imported_global_count: header.imported_globals,
            tags,
            defined_globals,
            size: defined_globals + defined * 16,
        }
    }

    /// Bytes of the whole vmctx.
    pub const fn size(&self) -> usize {
        self.size as usize
    }

    /// Offset of a memory's [`VmMemoryRef`].
    pub const fn memory(&self, index: u32) -> u32 {
        self.memories + index * size_of::<VmMemoryRef>() as u32
    }

    /// Offset of the pointer to a table's [`VmTable`].
    pub const fn table(&self, index: u32) -> u32 {
        self.tables + index * 8
    }

    /// Offset of an imported function's [`VmImport`].
    pub const fn import(&self, function: u32) -> u32 {
        self.imports + function * size_of::<VmImport>() as u32
    }

    /// Offset of a tag's id in the store.
    pub const fn tag(&self, index: u32) -> u32 {
        self.tags + index * 8
    }

    /// Where a global's value is.
    pub const fn global(&self, index: u32) -> GlobalPlace {
        if index < self.imported_global_count {
            GlobalPlace::Pointer(self.imported_globals + index * 8)
        } else {
            GlobalPlace::Inline(self.defined_globals + (index - self.imported_global_count) * 16)
        }
    }
}

/// Where in the vmctx a global is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// The value itself stands at this offset.
    Inline(u32),
    /// A pointer to the value stands at this offset.
    Pointer(u32),
}
