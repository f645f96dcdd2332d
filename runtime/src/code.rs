//! A module's code in this process: the image that cached and fresh code share, the trampolines, and the functions whose jump-table entries point there.
//! `module.rs` is what embedders see of it, `publish.rs` how fresh code gets into the tables, and out of them.
//!
//! Fresh code and cached code go through the same place: code is in the image before a trampoline or an entry names it.

mod module;
mod publish;

pub use self::module::Module;

use crate::assumptions::Broken;
use crate::engine::Engine;
use crate::events::{CompilationEvent, Task};
use crate::exits::{Exits, WithExits};
use crate::jit;
use crate::ladder::{Gathered, Ladder, Rung};
use crate::queue::Heat;
use crate::spool::{LeavesAtEnd, Spooled};
use crate::sys::{self, Registration};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use trjit_code::{BranchCounts, InlinedPlace};
use trjit_module::vm::{VmTrampolines, header};
use trjit_module::{FuncIndex, TrapCode, TypeIndex};
use trjit_runtime_loader::{Image, JumpTable, MappedCache};
use trjit_trace::{OwnCounts, Recorder, Recording};

/// Numbers in [`VmTrampolines`].
const TRAMPOLINES: usize = size_of::<VmTrampolines>() / 4;

pub(crate) struct ModuleCode {
    engine: Engine,
    module: trjit_module::Module,
    // Before the image: the range is unregistered before it is unmapped.
    _registration: Option<Registration>,
    image: Option<Arc<Image>>,
    cache: Option<Arc<MappedCache>>,
    type_ids: Box<[u32]>,
    /// The numbers of [`VmTrampolines`], read by stubs without locks.
    trampolines: Box<[[AtomicI32; TRAMPOLINES]]>,
    /// By rung and defined function: how hot it was when that code was asked for, and since; 0 before that. Made with the first request: a start on a cache makes none.
    requested: [OnceLock<Arc<[AtomicU32]>>; Rung::COUNT],
    /// By defined function: offset of the code of this process that direct calls may reach; 0 where there is none. Made with the first such code.
    callable: OnceLock<Box<[AtomicI32]>>,
    /// Why the system gave no place for code.
    refusal: OnceLock<String>,
    /// Training only.
    recording: Option<Arc<Recording>>,
    /// Where traces are left.
    spooled: Option<LeavesAtEnd>,
    /// None where what gets hot is compiled once.
    ladder: Option<Ladder>,
    exits: Exits,
    broken: Broken,
    /// Of earlier runs.
    counts: OnceLock<Arc<dyn BranchCounts + Send>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The living instances.
    instances: Vec<Attached>,
    /// Functions compiled in this process.
    installed: HashMap<FuncIndex, InstalledCode>,
    /// Functions that have no such code, and will get none.
    failed: HashSet<(FuncIndex, Rung)>,
    /// Of loops and bridges.
    entries: HashMap<(Purpose, Rung), EntryCode>,
    /// Of those whose code was asked for.
    entry_heat: HashMap<(Purpose, Rung), Heat>,
}

impl State {
    /// Has all instances enter a function at that offset in the image; 0: nowhere.
    fn put_into_tables(&self, function: FuncIndex, offset: i32) {
        for instance in &self.instances {
            // SAFETY: instances are detached before they go; their tables have an entry for each function of the module.
            unsafe { install(instance.jump_table.load(Ordering::Relaxed), function, offset) };
        }
    }
}

/// The best code of a function that was compiled in this process.
#[derive(Clone, Copy)]
struct InstalledCode {
    rung: Rung,
    /// In the image.
    offset: i32,
    /// The bits of what it assumes of instances.
    assumes: u64,
}

/// An instance of the module.
struct Attached {
    jump_table: AtomicPtr<i32>,
    vmctx: AtomicPtr<u8>,
}

/// Code that an interpreted frame goes on in: for a loop, or a bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EntryCode {
    Requested,
    /// There will be none.
    Failed,
    /// Offset in the image.
    Ready(i32),
}

/// The answer to who asks for such code.
pub(crate) enum Asked {
    /// Nobody did before: whoever did is to see that it is made.
    First(Heat),
    Before(EntryCode),
}

/// What a compilation is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Purpose {
    /// A function, from its start.
    Function(FuncIndex),
    /// A function from the loop on whose first instruction stands at this position in the module's code.
    Loop(FuncIndex, u32),
    /// A function from the instruction on that stands at this position in the module's code, where side exits go on.
    Bridge(FuncIndex, u32),
    /// The crossing from slots to compiled code of a type.
    ToNative(TypeIndex),
    /// The crossing from compiled code of a type to slots.
    ToInterpreter(TypeIndex),
    /// The crossing of a tail call from slots to compiled code of a type.
    TailToNative(TypeIndex),
}

/// Tables of an image for signal handlers and walkers.
struct ImageTables(Arc<Image>);

impl sys::CodeTables for ImageTables {
    fn trap_at(&self, offset: u32) -> Option<(TrapCode, u32)> {
        self.0.trap_at(offset)
    }

    fn call_at(&self, offset: u32) -> Option<u32> {
        self.0.call_at(offset)
    }

    fn inlined_at(&self, number: u32) -> Option<InlinedPlace> {
        self.0.inlined_at(number)
    }

    fn handler_at(&self, offset: u32) -> Option<(u32, u32)> {
        self.0.handler_at(offset)
    }

    fn function_at(&self, offset: u32) -> Option<FuncIndex> {
        self.0.function_at(offset)
    }
}

impl ModuleCode {
    fn new(
        engine: &Engine,
        module: trjit_module::Module,
        image: Option<Image>,
        cache: Option<Arc<MappedCache>>,
        trampolines: Vec<VmTrampolines>,
    ) -> Arc<ModuleCode> {
        let image = image.map(Arc::new);
        // SAFETY: the registration is dropped before the image.
        let registration =
            image.as_ref().map(|image| unsafe { sys::register(image.base(), image.len(), Arc::new(ImageTables(Arc::clone(image)))) });
        let mut type_ids = Vec::with_capacity(module.types().len());
        for ty in 0..module.types().len() as u32 {
            type_ids.push(engine.type_id(module.func_type(TypeIndex(ty)), &type_ids));
        }
        let recording = engine.records().then(|| Recording::new(&module));
        let code = Arc::new(ModuleCode {
            engine: engine.clone(),
            _registration: registration,
            image,
            cache,
            type_ids: type_ids.into(),
            trampolines: trampolines
                .iter()
                .map(|all| zerocopy::transmute!(*all))
                .map(|all: [i32; TRAMPOLINES]| all.map(AtomicI32::new))
                .collect(),
            requested: Default::default(),
            callable: OnceLock::new(),
            refusal: OnceLock::new(),
            spooled: recording.as_ref().zip(engine.spool()).map(|(recording, spool)| LeavesAtEnd(Spooled::new(spool, &module, recording))),
            recording,
            ladder: (engine.tunables().tiered && !engine.records()).then(Ladder::default),
            exits: Exits::default(),
            broken: Broken::default(),
            counts: OnceLock::new(),
            state: Mutex::default(),
            module,
        });
        if let Some((cache, image)) = code.cache.as_deref().zip(code.image.as_ref()) {
            // SAFETY: the cache's text lies at the image's base, readable, for as long as the image lives.
            let text = unsafe { std::slice::from_raw_parts(image.base(), cache.file().text().len()) };
            code.tell(|| CompilationEvent::Mapped { cache, text });
        }
        code
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn module(&self) -> &trjit_module::Module {
        &self.module
    }

    /// Where the module comes from, if from a cache.
    pub fn cache(&self) -> Option<&MappedCache> {
        self.cache.as_deref()
    }

    /// What instances record; none where the engine is not for training.
    pub fn recording(&self) -> Option<&Arc<Recording>> {
        self.recording.as_ref()
    }

    /// What a new instance records by.
    pub fn recorder(&self) -> Option<Recorder> {
        let recording = self.recording()?;
        self.spooled().iter().for_each(|spooled| spooled.begin());
        Some(recording.recorder())
    }

    /// Where traces are left, if they are.
    pub fn spooled(&self) -> Option<&Arc<Spooled>> {
        self.spooled.as_ref().map(|spooled| &spooled.0)
    }

    pub fn type_ids(&self) -> &[u32] {
        &self.type_ids
    }

    /// What jump tables and trampolines count from. Without an image all entries are 0, and that leads to the lazy stub as well.
    pub fn image_base(&self) -> *const u8 {
        self.image.as_ref().map_or_else(sys::lazy_stub_address, |image| image.base())
    }

    /// The address of an offset in the image.
    pub fn address(&self, offset: i32) -> *const u8 {
        self.image_base().wrapping_offset(offset as isize)
    }

    /// Whether the code of a function that has some comes from a cache: what is compiled in this process was asked for before.
    pub fn is_cached(&self, entry: FuncIndex) -> bool {
        self.cache.is_some() && !self.was_requested(entry)
    }

    fn was_requested(&self, function: FuncIndex) -> bool {
        self.requested.iter().any(|rung| self.is_in(rung, function))
    }

    /// Whether that code of a function was asked for.
    pub fn was_requested_at(&self, rung: Rung, function: FuncIndex) -> bool {
        self.is_in(&self.requested[rung as usize], function)
    }

    fn is_in(&self, requested: &OnceLock<Arc<[AtomicU32]>>, function: FuncIndex) -> bool {
        let Some((requested, defined)) = requested.get().zip(self.module.defined_index(function)) else { return false };
        requested[defined.index()].load(Ordering::Relaxed) != 0
    }

    /// Whether an address lies in the image.
    pub fn contains(&self, pc: usize) -> bool {
        self.image.as_ref().is_some_and(|image| (image.base().addr()..image.base().addr() + image.len()).contains(&pc))
    }

    /// For [`VmHeader::trampolines`](trjit_module::vm::VmHeader).
    pub fn trampolines(&self) -> *const VmTrampolines {
        self.trampolines.as_ptr().cast()
    }

    /// The trampoline that enters code of a type. It exists wherever the jump table has an entry of that type.
    pub fn to_native(&self, ty: TypeIndex) -> *const u8 {
        self.address(self.trampolines[ty.index()][0].load(Ordering::Acquire))
    }

    /// The trampoline by which a tail call from the interpreter goes on in code of a type; made now where it is missing. Null where it can not be made.
    pub fn tail_to_native(&self, ty: TypeIndex) -> *const u8 {
        self.trampoline(ty, 2, Purpose::TailToNative(ty))
    }

    /// The trampoline at place `at` of a type's; made now where it is missing. Null where it can not be made.
    fn trampoline(&self, ty: TypeIndex, at: usize, purpose: Purpose) -> *const u8 {
        let offset = || self.trampolines[ty.index()][at].load(Ordering::Acquire);
        if offset() == 0 {
            jit::make_crossing(self, purpose);
        }
        match offset() {
            0 => std::ptr::null(),
            offset => self.address(offset),
        }
    }

    /// The trampoline that leaves compiled code for a function of this type of the engine, where this module has one.
    pub fn existing_to_interpreter(&self, type_id: u32) -> Option<*const u8> {
        let types = self.type_ids.iter().zip(&self.trampolines);
        let offsets = types.filter(|(known, _)| **known == type_id).map(|(_, pair)| pair[1].load(Ordering::Acquire));
        offsets.filter(|&offset| offset != 0).map(|offset| self.address(offset)).next()
    }

    /// The same, made now where this module has the type and a place for code.
    pub fn new_to_interpreter(&self, type_id: u32) -> Option<*const u8> {
        self.image.as_ref()?;
        let ty = self.type_ids.iter().position(|known| *known == type_id)?;
        Some(self.to_interpreter(TypeIndex(ty as u32))).filter(|trampoline| !trampoline.is_null())
    }

    /// The trampoline that leaves compiled code for a function of a type; made now where it is missing. Null where it can not be made.
    pub fn to_interpreter(&self, ty: TypeIndex) -> *const u8 {
        self.trampoline(ty, 1, Purpose::ToInterpreter(ty))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh jump table: from the cache where there is one, else all lazy. All lazy, too, for training.
    pub fn new_jump_table(&self) -> Result<JumpTable, String> {
        match &self.cache {
            Some(cache) if self.recording.is_none() => cache.jump_table().map_err(|error| error.to_string()),
            Some(_) | None => JumpTable::zeroed(self.module.function_count() as usize).map_err(|error| error.to_string()),
        }
    }

    fn cached_functions(&self) -> usize {
        let used = self.cache.as_ref().filter(|_| self.recording.is_none());
        used.map_or(0, |cache| cache.file().jump_table().iter().filter(|&&entry| entry != 0).count())
    }

    /// From now on an instance's jump table gets every function that is compiled; it has those compiled before already when this returns, and `vmctx`, which is filled, the
    /// counters that their code needs.
    pub fn attach(&self, table: &JumpTable, vmctx: *mut u8) {
        let mut state = self.lock();
        if let Some(counts) = self.ladder.as_ref().and_then(Ladder::known) {
            // SAFETY: `vmctx` is an instance's, which is detached before it goes.
            unsafe { name_counters(vmctx, counts) };
        }
        for (&function, code) in &state.installed {
            // SAFETY: the table has an entry for each function of the module.
            unsafe { install(table.as_ptr(), function, code.offset) };
        }
        state.instances.push(Attached { jump_table: AtomicPtr::new(table.as_ptr()), vmctx: AtomicPtr::new(vmctx) });
    }

    /// The instance with that jump table is about to go.
    pub fn detach(&self, table: &JumpTable) {
        self.lock().instances.retain(|known| known.jump_table.load(Ordering::Relaxed) != table.as_ptr());
    }

    /// Whether fresh code can have a place: whoever asks for code looks here first.
    pub fn takes_code(&self) -> bool {
        self.image.is_some() && self.refusal.get().is_none()
    }

    /// Nothing will be compiled any more; the first reason counts.
    fn refuse_code(&self, reason: String) {
        let _ = self.refusal.set(reason);
    }

    /// Counts a request for a function's code, which `heat` more calls and back-edges led to; the first one gives the place of that count.
    pub fn request(&self, rung: Rung, function: FuncIndex, heat: u32) -> Option<Heat> {
        let defined = self.module.defined_index(function)?;
        let requested = self.requested[rung as usize].get_or_init(|| self.module.functions().iter().map(|_| AtomicU32::new(0)).collect());
        let place = Heat::new(Arc::clone(requested), defined.index());
        (place.add(heat.max(1)) == 0).then_some(place)
    }

    /// Asks for code of a loop or a bridge, which `heat` more calls, back-edges and exits led to; what nobody asked for yet becomes requested.
    pub fn request_entry(&self, purpose: Purpose, rung: Rung, heat: u32) -> Asked {
        let mut state = self.lock();
        let key = (purpose, rung);
        match state.entries.get(&key) {
            Some(&known) => {
                state.entry_heat.get(&key).into_iter().for_each(|place| {
                    place.add(heat);
                });
                Asked::Before(known)
            }
            None => {
                let place = Heat::alone(heat);
                state.entries.insert(key, EntryCode::Requested);
                state.entry_heat.insert(key, place.clone());
                Asked::First(place)
            }
        }
    }

    /// That code, where there is some; nothing is asked for.
    pub fn ready_entry(&self, purpose: Purpose, rung: Rung) -> Option<*const u8> {
        match self.lock().entries.get(&(purpose, rung)) {
            Some(EntryCode::Ready(offset)) => Some(self.address(*offset)),
            _ => None,
        }
    }

    /// Forgets the code of a function's loops, so that it is asked for again; whether there was some.
    pub fn forget_loops(&self, function: FuncIndex) -> bool {
        let mut state = self.lock();
        let before = state.entries.len();
        let is_loop = |key: &(Purpose, Rung)| matches!(key, (Purpose::Loop(of, _), Rung::Last) if *of == function);
        state.entries.retain(|key, code| !(is_loop(key) && matches!(code, EntryCode::Ready(_))));
        state.entries.len() < before
    }

    /// Whether a function was compiled in this process, and so high.
    pub fn has_installed(&self, function: FuncIndex, rung: Rung) -> bool {
        self.lock().installed.get(&function).is_some_and(|installed| installed.rung >= rung)
    }

    /// Whether that code of a function could not be made.
    pub fn has_failed(&self, function: FuncIndex, rung: Rung) -> bool {
        self.lock().failed.contains(&(function, rung))
    }

    /// Where what gets hot climbs: by what it counts.
    pub fn ladder(&self) -> Option<&Ladder> {
        self.ladder.as_ref()
    }

    /// The assumptions that broke.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    /// Offset of a function's code in the cache, where it has some that is used.
    fn cached_code(&self, function: FuncIndex) -> Option<i32> {
        self.cache.as_ref().filter(|_| self.recording.is_none())?.file().jump_table().get(function.index()).copied()
    }

    /// The side exits of its code so far.
    pub fn exits(&self) -> &Exits {
        &self.exits
    }

    /// What was counted of the functions, exits included.
    pub fn counts(&self) -> WithExits<'_> {
        self.exits.counts(self.counts.get().cloned(), Gathered::of(self))
    }

    /// Counts of earlier runs, where some were given.
    pub fn earlier_counts(&self) -> Option<&(dyn BranchCounts + Send)> {
        self.counts.get().map(|counts| &**counts)
    }

    /// Whether counts of earlier runs were given, or this one counts.
    pub fn has_counts(&self) -> bool {
        self.counts.get().is_some() || self.ladder.is_some()
    }

    /// Whether the trampoline that code of this type needs before it can be entered is missing.
    pub fn misses_to_native(&self, ty: TypeIndex) -> bool {
        self.trampolines[ty.index()][0].load(Ordering::Acquire) == 0
    }

    /// Tells the engine's hook, where there is one, what happened.
    pub fn tell<'a>(&self, event: impl FnOnce() -> CompilationEvent<'a>) {
        if let Some(hook) = self.engine.compilation_hook() {
            hook(&self.module, &event());
        }
    }

    /// Notes that there will be no code from this task.
    pub fn failed(&self, task: Task, reason: &str) {
        let rung = Rung::of(task.tier);
        match task.purpose {
            Purpose::Loop(..) | Purpose::Bridge(..) => {
                self.lock().entries.insert((task.purpose, rung), EntryCode::Failed);
            }
            Purpose::Function(function) => {
                self.lock().failed.insert((function, rung));
            }
            Purpose::ToNative(_) | Purpose::ToInterpreter(_) | Purpose::TailToNative(_) => {}
        }
        self.tell(|| CompilationEvent::Failed { task, reason });
    }

    /// Offset of the published code of a function that fresh code may call without the jump table, if there is some.
    pub fn direct_target(&self, function: FuncIndex) -> Option<i32> {
        let defined = self.module.defined_index(function)?;
        let fresh = self.callable.get().map(|all| all[defined.index()].load(Ordering::Acquire));
        fresh.filter(|&offset| offset != 0).or_else(|| self.cached_code(function)).filter(|&offset| offset != 0)
    }
}

/// Has an instance count there.
///
/// # Safety
/// `vmctx` is a living instance's; `counts` live as long as its module.
unsafe fn name_counters(vmctx: *mut u8, counts: &OwnCounts) {
    let pointers: [(usize, *mut u8); 3] = [
        (header::PROFILE_ENTRIES, counts.entries().as_ptr().cast_mut().cast()),
        (header::PROFILE_BRANCHES, counts.branches().as_ptr().cast_mut().cast()),
        (header::PROFILE_SITES, counts.sites().cast()),
    ];
    for (offset, pointer) in pointers {
        // SAFETY: by contract; the fields are read by code only that is reached behind a release store which follows.
        unsafe { AtomicPtr::from_ptr(vmctx.add(offset).cast::<*mut u8>()) }.store(pointer, Ordering::Release);
    }
}

/// Stores a jump-table entry so that whoever reads it sees the code.
///
/// # Safety
/// `table` has an entry for `function`.
unsafe fn install(table: *mut i32, function: FuncIndex, offset: i32) {
    // SAFETY: by contract; entries are accessed atomically by everyone.
    unsafe { AtomicI32::from_ptr(table.add(function.index())) }.store(offset, Ordering::Release);
}
