//! The store: one isolation unit. Everything that guests of one program share lives here, and one thread uses it.

use crate::activation::Activation;
use crate::counters::Counters;
use crate::deadline::Watch;
use crate::engine::Engine;
use crate::error::Error;
use crate::exception::Exceptions;
use crate::host::HostFunction;
use crate::instance::InstanceInner;
use crate::interp::cx::Frame;
use crate::limits::{Limiter, ResourceLimiter};
use crate::memory::MemoryInner;
use crate::sys::{self, InterruptHandle, Interruptible, ReservedArray};
use crate::table::TableInner;
use crate::trap::Trap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use trjit_module::vm::{EXIT_WORDS, VmFuncRef, VmStore};

/// Most references to functions in one store: address space only, 16 bytes each.
const MAX_FUNC_REFS: usize = 1 << 26;

/// A store with the embedder's data. Not `Sync`, and used by one thread at a time.
pub struct Store<T> {
    /// Owned; a pointer, since guests and handles point into it, too.
    inner: *mut StoreInner,
    /// Owned: the same as [`StoreInner::data`].
    data: *mut T,
}

// SAFETY: what is in a store belongs to no thread: a thread's own things (signal stack, stack limit, the current store) are set at each entry into the
// guest. Host functions and limiters are `Send`, and so is the data.
unsafe impl<T: Send> Send for Store<T> {}

static NEXT_STORE: AtomicU64 = AtomicU64::new(1);

/// What the runtime itself needs; the address of it, and of everything in it that is boxed, stays the same.
#[repr(C)]
#[expect(clippy::vec_box, reason = "guests and vmctxs point to these: their addresses must stay")]
pub(crate) struct StoreInner {
    /// First, so that a pointer to it is one to the store.
    pub vm: VmStore,
    /// Different for all stores of a process: handles know their store by it.
    pub id: u64,
    pub engine: Engine,
    pub instances: Vec<Box<InstanceInner>>,
    pub memories: Vec<Box<MemoryInner>>,
    pub tables: Vec<Box<TableInner>>,
    pub host_functions: Vec<HostFunction>,
    /// Funcrefs by store index; index 0 stays unused, it is null.
    pub func_refs: ReservedArray<VmFuncRef>,
    pub func_refs_used: u64,
    /// Hold the memory of the four pointers below.
    _stack: ReservedArray<u64>,
    _frames: ReservedArray<Frame>,
    /// Where the next activation's frame goes.
    pub stack_top: *mut u64,
    pub stack_end: *mut u64,
    pub frame_top: *mut Frame,
    pub frame_end: *mut Frame,
    pub activations: *const Activation,
    /// Why the guest is being left.
    pub pending: Option<Trap>,
    pub exceptions: Exceptions,
    /// The embedder's data; its type is known to the typed wrappers.
    pub data: *mut (),
    interruptible: Option<Interruptible>,
    /// Asks the embedder before memories and tables grow.
    pub limiter: Option<Limiter>,
    /// When the guest shall stop.
    pub watch: Option<Arc<Watch>>,
    pub counters: Counters,
    /// Fuel beyond what `vm.fuel` holds.
    pub fuel_reserve: u64,
    /// Who is shown the interpreter's frames.
    #[cfg(feature = "frame-log")]
    pub frame_hook: Option<crate::interp::frame_log::FrameHook>,
}

impl<T> Store<T> {
    /// Reserves the interpreter's stack and installs the signal handlers of the process.
    pub fn new(engine: &Engine, data: T) -> Result<Store<T>, Error> {
        let tunables = engine.tunables();
        let resource = |what| move |error: sys::MemoryError| Error::Resource { what, detail: error.to_string() };
        // Behind the stack are the slots for side exits: what is never written costs no memory.
        let stack =
            ReservedArray::<u64>::new("the interpreter's stack", tunables.interpreter_stack / 8 + EXIT_WORDS).map_err(resource("store"))?;
        // SAFETY: within the array.
        let stack_end: *mut u64 = unsafe { stack.base().add(stack.capacity() - EXIT_WORDS) };
        let frames = ReservedArray::new("the interpreter's frames", tunables.interpreter_frames).map_err(resource("store"))?;
        let func_refs = ReservedArray::new("function references", engine.address_space().array(MAX_FUNC_REFS, size_of::<VmFuncRef>()))
            .map_err(resource("store"))?;
        sys::signals::install(Some(crate::driver::trap_hook))
            .map_err(|error| Error::Resource { what: "signal handlers", detail: error.to_string() })?;
        let data = Box::into_raw(Box::new(data));
        let inner = StoreInner {
            vm: VmStore { exit_slots: stack_end, ..VmStore::default() },
            id: NEXT_STORE.fetch_add(1, Ordering::Relaxed),
            engine: engine.clone(),
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            host_functions: Vec::new(),
            func_refs,
            func_refs_used: 1,
            stack_top: stack.base(),
            stack_end,
            frame_top: frames.base(),
            // SAFETY: the array's end.
            frame_end: unsafe { frames.base().add(frames.capacity()) },
            _stack: stack,
            _frames: frames,
            activations: ptr::null(),
            pending: None,
            exceptions: Exceptions::default(),
            data: data.cast(),
            interruptible: None,
            limiter: None,
            watch: None,
            counters: Counters::default(),
            fuel_reserve: 0,
            #[cfg(feature = "frame-log")]
            frame_hook: None,
        };
        let mut inner = Box::new(inner);
        // SAFETY: the store is boxed and drops its `Interruptible` with itself; `interrupt` is accessed atomically, or by reads of its own thread.
        inner.interruptible = Some(unsafe { Interruptible::new(&raw mut inner.vm) });
        Ok(Store { inner: Box::into_raw(inner), data })
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        // SAFETY: owned, and borrowed through `self`.
        unsafe { &*self.data }
    }

    /// The embedder's data.
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: owned, and borrowed through `self`.
        unsafe { &mut *self.data }
    }

    /// Ends the store, and gives its data back.
    pub fn into_data(self) -> T {
        let store = std::mem::ManuallyDrop::new(self);
        // SAFETY: both were made by `new`, and nobody drops them again.
        unsafe {
            drop(Box::from_raw(store.inner));
            *Box::from_raw(store.data)
        }
    }

    /// The engine that the store was made for.
    pub fn engine(&self) -> &Engine {
        &self.shared().engine
    }

    /// Stops this store's guest from another thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.shared().interruptible().handle()
    }

    /// Where blocking host functions look whether the guest shall stop: not 0.
    pub fn interrupt_requested(&self) -> bool {
        self.shared().interrupted()
    }

    /// Sets who is asked before memories and tables grow: something in the store's data.
    pub fn limiter(&mut self, find: impl (Fn(&mut T) -> &mut dyn ResourceLimiter) + Send + 'static)
    where
        T: 'static,
    {
        // SAFETY: the data is a `T`, and the runtime uses the result at once.
        self.exclusive().limiter = Some(Box::new(move |data| std::ptr::from_mut(find(unsafe { &mut *data.cast::<T>() }))));
    }

    /// Guests stop with `TrapCode::Interrupt` at this time, and do not start after it, until another deadline is set; `None`: never.
    pub fn set_deadline(&mut self, time: Option<Instant>) {
        self.watch().set_time(time);
    }

    /// Guests stop with `TrapCode::Interrupt` once [`Engine::increment_epoch`] was called so many times from now on.
    pub fn set_epoch_deadline(&mut self, ticks_beyond_current: u64) {
        let epoch = self.engine().clock().epoch().saturating_add(ticks_beyond_current);
        self.watch().set_epoch(epoch);
    }

    fn watch(&mut self) -> &Watch {
        let handle = self.interrupt_handle();
        let clock = Arc::clone(self.engine().clock());
        self.exclusive().watch.get_or_insert_with(|| clock.watch(handle))
    }

    /// Which tiers this store's guests ran in so far.
    pub fn counters(&self) -> Counters {
        self.shared().counters
    }

    pub(crate) fn inner(&self) -> *mut StoreInner {
        self.inner
    }

    pub(crate) fn shared(&self) -> &StoreInner {
        // SAFETY: owned, and borrowed through `self`: no guest runs.
        unsafe { &*self.inner }
    }

    pub(crate) fn exclusive(&mut self) -> &mut StoreInner {
        // SAFETY: as above.
        unsafe { &mut *self.inner }
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        // SAFETY: both were made by `new`; the data goes last, since host functions of the store may know of it.
        unsafe {
            drop(Box::from_raw(self.inner));
            drop(Box::from_raw(self.data));
        }
    }
}

impl StoreInner {
    /// Whether no guest may start.
    pub fn deadline_passed(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.passed())
    }

    /// Whether somebody is shown the interpreter's frames.
    pub fn shows_frames(&self) -> bool {
        #[cfg(feature = "frame-log")]
        return self.frame_hook.is_some();
        #[cfg(not(feature = "frame-log"))]
        false
    }

    /// Where the stack of slots begins.
    pub fn stack_base(&self) -> *mut u64 {
        self._stack.base()
    }

    pub fn interruptible(&self) -> &Interruptible {
        // Set by `Store::new`, the only maker of stores.
        self.interruptible.as_ref().expect("a store is interruptible from its first moment")
    }

    pub fn interrupted(&self) -> bool {
        // SAFETY: the field lives as long as the store and is accessed atomically by other threads.
        unsafe { std::sync::atomic::AtomicU32::from_ptr((&raw const self.vm.interrupt).cast_mut()) }.load(Ordering::Acquire) != 0
    }

    /// Room for `count` references to functions; the first one's index.
    pub fn reserve_func_refs(&mut self, count: u32) -> Option<u64> {
        let first = self.func_refs_used;
        let end = first + u64::from(count);
        (end <= self.func_refs.capacity() as u64).then(|| {
            self.func_refs_used = end;
            first
        })
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        // Before the memory that they point to goes.
        self.interruptible = None;
        self.engine.count_calls(&self.counters);
        self.instances.clear();
    }
}
