//! One store, one vmctx and one image for the tests of `sys`, and the builtins that its code calls.

use crate::blob::{self, Image, at};
use crate::sys::{self, signals, stack};
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::ptr;
use trjit_module::vm::{VMCTX_MAGIC, VmHeader, VmStore, VmTrampolines};

type Grow = Box<dyn Fn(&World, u64) -> u64>;

thread_local! {
    pub static WORLD: Cell<*const World> = const { Cell::new(ptr::null()) };
    /// What the trap hook saw: see [`World::frames`].
    pub static TRAPPED: RefCell<Vec<SeenFrame>> = const { RefCell::new(Vec::new()) };
}

/// Function, wasm offset.
pub type SeenFrame = (Option<u32>, Option<u32>);

pub struct World {
    pub image: Image,
    pub vmctx: *mut VmHeader,
    pub store: *mut VmStore,
    pub jump_table: Vec<Cell<i32>>,
    func_types: Vec<u32>,
    trampolines: Vec<VmTrampolines>,
    pub grow: RefCell<Option<Grow>>,
    /// What [`find_to_interpreter`] answers, and for which function it was asked.
    pub late_trampoline: Cell<*const u8>,
    pub asked_for: Cell<u32>,
}

impl World {
    /// A world of its own for the calling thread, ready to enter; leaked.
    pub fn new() -> &'static World {
        signals::install(Some(trap_hook)).unwrap();
        sys::alt_stack::ensure().unwrap();
        let store = VmStore { stack_limit: stack::native_stack_limit(512 << 10), ..VmStore::default() };
        let store: *mut VmStore = Box::leak(Box::new(store));
        let image = Image::new();
        let trampolines = |to_interpreter| VmTrampolines { to_native: at::blob_to_native() as i32, to_interpreter, ..Default::default() };
        let world: &'static mut World = Box::leak(Box::new(World {
            vmctx: ptr::null_mut(),
            store,
            jump_table: blob::functions().iter().map(|&offset| Cell::new(offset as i32)).collect(),
            func_types: (0..11).map(|function| u32::from(function == 9)).collect(),
            trampolines: vec![trampolines(0), trampolines(at::blob_to_interpreter() as i32)],
            grow: RefCell::new(None),
            late_trampoline: Cell::new(ptr::null()),
            asked_for: Cell::new(u32::MAX),
            image,
        }));
        world.vmctx = Box::leak(Box::new(world.header()));
        WORLD.set(world);
        // SAFETY: the store is leaked, and this thread runs code of this world only.
        unsafe { signals::set_current_store(store) };
        world
    }

    fn header(&self) -> VmHeader {
        VmHeader {
            magic: VMCTX_MAGIC,
            callee: 0,
            store: self.store,
            image_base: self.image.base,
            jump_table: self.jump_table.as_ptr().cast_mut().cast(),
            lazy_stub: sys::lazy_stub_address(),
            builtins: crate::table::builtins_table(),
            type_ids: ptr::null(),
            func_types: self.func_types.as_ptr(),
            trampolines: self.trampolines.as_ptr(),
            instance: ptr::null_mut(),
            func_refs: ptr::null(),
            func_ref_base: 0,
            profile_entries: ptr::null_mut(),
            profile_branches: ptr::null_mut(),
            profile_sites: ptr::null_mut(),
            entries_mask: 0,
            back_edges_mask: 0,
            broken: 0,
        }
    }

    /// Enters the code at `offset` with one argument: its result, or none if it trapped.
    pub fn call(&self, offset: u32, argument: u64) -> Option<u64> {
        let mut slot = argument;
        let trampoline = self.image.code(at::blob_to_native());
        // SAFETY: the blob's trampoline fits to its functions, and the world is set up for this thread.
        let result = unsafe { sys::enter(self.vmctx.cast(), self.image.code(offset), &raw mut slot, trampoline, self.store) };
        assert!(result == 0 || result == sys::UNWOUND, "{result:#x}");
        (result == 0).then_some(slot)
    }

    pub fn trap_code(&self) -> usize {
        // SAFETY: the store is leaked.
        unsafe { (*self.store).trap_code }
    }

    pub fn entry_sp(&self) -> usize {
        // SAFETY: the store is leaked.
        unsafe { (*self.store).entry_sp }
    }

    /// The frames of an activation, trampolines as (none, none).
    pub fn frames(activation: sys::Activation) -> Vec<SeenFrame> {
        let mut frames = Vec::new();
        let mut visit = |frame: &sys::unwind::Frame<'_>| {
            frames.push((frame.function().map(|function| function.0), frame.positions().next()));
            ControlFlow::<()>::Continue(())
        };
        // SAFETY: callers are builtins and the trap hook.
        let walked = unsafe { sys::walk(activation, &mut visit) };
        assert!(walked.is_continue());
        frames
    }
}

unsafe extern "C" fn trap_hook(store: *mut VmStore) {
    // SAFETY: the store of this thread's world.
    TRAPPED.set(World::frames(unsafe { sys::Activation::trapped(store) }));
}

/// The trampoline to the interpreter for a function whose type has none; spoils every register that a callee need not keep.
pub unsafe extern "C" fn find_to_interpreter(_: *mut u8, function: u32) -> *const u8 {
    // SAFETY: the world of this thread is leaked.
    let world = unsafe { &*WORLD.get() };
    world.asked_for.set(function);
    // SAFETY: changes registers only, all of them declared.
    unsafe {
        std::arch::asm!(
            "mov rsi, -1", "mov rdi, -1", "mov rdx, -1", "mov rcx, -1", "mov r8, -1", "mov r9, -1", "pcmpeqd xmm0, xmm0", "pcmpeqd xmm7, xmm7",
            out("rsi") _, out("rdi") _, out("rdx") _, out("rcx") _, out("r8") _, out("r9") _, out("xmm0") _, out("xmm7") _,
        );
    }
    world.late_trampoline.get()
}

/// Implementations; the blob calls `memory_grow` only, the others end the process.
pub mod implementations {
    use super::WORLD;

    pub unsafe extern "C" fn memory_grow(vmctx: *mut u8, memory: u32, delta: u64) -> u64 {
        // SAFETY: the world of this thread is leaked.
        let world = unsafe { &*WORLD.get() };
        assert_eq!((vmctx, memory), (world.vmctx.cast(), 7));
        let grow = world.grow.borrow();
        grow.as_ref().map_or(0, |grow| grow(world, delta))
    }

    macro_rules! others {
        ($($name:ident)*) => { $(pub unsafe extern "C" fn $name() { std::process::abort() })* };
    }

    others! {
        enter_interpreter raise memory_copy memory_fill memory_init data_drop table_get table_set table_grow table_fill table_copy table_init elem_drop
        ref_func record_indirect climb climb_loop alloc_exception activate_exception throw_ref memory_atomic_wait32 memory_atomic_wait64 memory_atomic_notify ceil_f32 floor_f32 trunc_f32 nearest_f32 ceil_f64 floor_f64 trunc_f64 nearest_f64
    }
}
