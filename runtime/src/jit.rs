//! Tier-up in the process: what has become hot in the interpreter is compiled, on threads of their own or at once, and published. While an engine records, it is
//! compiled with the recording's counters in it.

use crate::batch::{Batch, Reachable};
use crate::code::{Asked, EntryCode, ModuleCode, Purpose};
use crate::events::{CompilationEvent, Stopwatch, Task};
use crate::instance::InstanceInner;
use crate::ladder::{self, Rung};
use crate::queue::{Heat, Job};
use std::sync::Arc;
use std::time::Duration;
use trjit_code::{Assumptions, CompileError, CompileRequest, CompiledFunction, Entry, NoAssumptions, Tier};
use trjit_module::FuncIndex;

/// Makes a crossing on another thread, and waits for it.
pub(crate) fn make_crossing(code: &ModuleCode, purpose: Purpose) {
    compile_elsewhere(code, task(code, purpose, Rung::Last));
}

/// Compiles and publishes on another thread, and waits for it: the code generator needs more stack than a guest may have left.
fn compile_elsewhere(code: &ModuleCode, task: Task) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("trjit-compile".to_string());
        // Without a thread there is no code; the callers can do without.
        let _ = thread.spawn_scoped(scope, || {
            let mut batch = Batch::default();
            compile(code, task, Duration::ZERO, &mut batch);
            code.publish(&batch);
        });
    });
}

/// A new task for a purpose, which has rungs where it is a function or a loop.
pub(crate) fn task(code: &ModuleCode, purpose: Purpose, rung: Rung) -> Task {
    let tier = match purpose {
        Purpose::Function(_) | Purpose::Loop(..) | Purpose::Bridge(..) if code.recording().is_some() => Some(Tier::A3),
        Purpose::Function(_) | Purpose::Loop(..) if rung == Rung::Light => Some(Tier::T2),
        Purpose::Function(_) | Purpose::Loop(..) if rung == Rung::Counting => Some(Tier::T3),
        Purpose::Function(function) | Purpose::Loop(function, _) if speculates(code, function) => Some(Tier::T4),
        Purpose::Function(_) | Purpose::Loop(..) | Purpose::Bridge(..) => Some(Tier::Ap4),
        Purpose::ToNative(_) | Purpose::ToInterpreter(_) | Purpose::TailToNative(_) => None,
    };
    Task { id: code.engine().next_task(), purpose, tier }
}

/// Whether a function is compiled speculatively.
fn speculates(code: &ModuleCode, function: FuncIndex) -> bool {
    let tunables = code.engine().tunables();
    tunables.speculate && code.has_counts() && code.exits().may_speculate(function, tunables.renewals)
}

/// Does one task, and what its code needs to be entered: a trampoline. What comes out is added to the batch; `waited` is told to the hook.
pub(crate) fn compile(code: &ModuleCode, task: Task, waited: Duration, batch: &mut Batch<'_>) {
    if let Purpose::Function(function) = task.purpose
        && !add_trampoline(code, function, batch)
    {
        return code.failed(task, "the crossing to its code can not be made");
    }
    let clock = Stopwatch::start(code.engine());
    match translate(code, task, batch) {
        Some(Ok(unit)) => {
            let code_bytes = unit.bytes.len();
            code.tell(|| CompilationEvent::Compiled { task, code_bytes, took: clock.elapsed(), waited });
            batch.push(task, unit);
        }
        Some(Err(error)) => code.failed(task, &error.to_string()),
        None => code.failed(task, "there is no compiler"),
    }
}

/// Adds the trampoline that a function's code needs before it can be entered, where it is missing. False where it can not be made.
fn add_trampoline(code: &ModuleCode, function: FuncIndex, batch: &mut Batch<'_>) -> bool {
    let ty = code.module().type_of(function);
    let trampoline = Purpose::ToNative(ty);
    if !code.misses_to_native(ty) || batch.has(trampoline) {
        return true;
    }
    compile(code, task(code, trampoline, Rung::Last), Duration::ZERO, batch);
    batch.has(trampoline)
}

/// The compiler's answer; none without a compiler.
fn translate(code: &ModuleCode, task: Task, batch: &Batch<'_>) -> Option<Result<CompiledFunction, CompileError>> {
    let compiler = code.engine().compiler()?;
    let (module, settings, counts) = (code.module(), code.engine().settings(), code.counts());
    let function = |function, entry| {
        let tier = task.tier.unwrap_or(Tier::Ap4);
        let direct_calls = &Reachable { code, batch, task };
        // Whatever a compiler makes of it: code of other tiers can be called directly.
        let may_assume = tier == Tier::T4 && code.engine().tunables().assume;
        let assumptions: &dyn Assumptions = if may_assume { code.broken() } else { &NoAssumptions };
        compiler.compile(&CompileRequest { module, function, tier, entry, settings, direct_calls, counts: &counts, assumptions })
    };
    Some(match task.purpose {
        Purpose::Function(index) => function(index, Entry::Start),
        Purpose::Loop(index, offset) | Purpose::Bridge(index, offset) => function(index, Entry::At(offset)),
        Purpose::ToNative(ty) => compiler.to_native(module, ty, settings),
        Purpose::ToInterpreter(ty) => compiler.to_interpreter(module, ty, settings),
        Purpose::TailToNative(ty) => compiler.tail_to_native(module, ty, settings),
    })
}

/// Has something done, by the threads or at once.
fn submit(code: &Arc<ModuleCode>, purpose: Purpose, rung: Rung, heat: Heat) {
    let task = task(code, purpose, rung);
    if code.engine().tunables().background {
        code.tell(|| CompilationEvent::Requested { task, heat: heat.get() });
        let job = Job { code: Arc::downgrade(code), task, heat, waiting: Stopwatch::start(code.engine()) };
        if code.engine().jit().submit(job) {
            return;
        }
    }
    compile_elsewhere(code, task);
}

/// A function has become hot in the interpreter: `heat` more calls and back-edges were counted. Asks for its code the first time; it appears in the jump tables when it is ready.
pub(crate) fn request_function(instance: &InstanceInner, function: FuncIndex, heat: u32) {
    let code = &instance.code;
    if code.engine().compiler().is_some() && code.takes_code() {
        request_at(code, function, ladder::first_rung(code, function), heat);
    }
}

fn request_at(code: &Arc<ModuleCode>, function: FuncIndex, rung: Rung, heat: u32) {
    if let Some(heat) = code.request(rung, function, heat) {
        submit(code, Purpose::Function(function), rung, heat);
    }
}

/// Counting code of a function at a tier was entered often once more.
pub(crate) fn climb(instance: &InstanceInner, function: FuncIndex, tier_number: u32) {
    let code = &instance.code;
    if code.takes_code() {
        request_at(code, function, Rung::above(tier_number), code.engine().tunables().profile_calls);
    }
}

/// Counting code of a function at a tier went often once more to a loop whose first instruction stands at `position`: better code to go on in there, or null.
pub(crate) fn climb_loop(instance: &InstanceInner, function: FuncIndex, position: u32, tier_number: u32) -> *const u8 {
    let code = &instance.code;
    if !code.takes_code() {
        return std::ptr::null();
    }
    let (purpose, above) = (Purpose::Loop(function, position), Rung::above(tier_number));
    if let Some(best) = code.ready_entry(purpose, Rung::Last) {
        return best;
    }
    let heat = code.engine().tunables().profile_loops;
    let has_next = || code.has_installed(function, above) || code.has_failed(function, above);
    if ladder::is_entered_often(code, function) && !has_next() {
        request_at(code, function, above, heat);
        return std::ptr::null();
    }
    loop_at(code, purpose, above, heat)
}

/// As [`entry_at`] for a loop; notes where counting code is entered.
fn loop_at(code: &Arc<ModuleCode>, purpose: Purpose, rung: Rung, heat: u32) -> *const u8 {
    let found = entry_at(code, purpose, rung, heat);
    if let Purpose::Loop(function, position) = purpose
        && rung == Rung::Counting
        && !found.is_null()
    {
        code.exits().entered(function, position);
    }
    found
}

/// Has a function's code made anew, which replaces the old one in the jump tables.
pub(crate) fn renew(code: &Arc<ModuleCode>, function: FuncIndex) {
    submit(code, Purpose::Function(function), Rung::Last, Heat::alone(code.engine().tunables().renewal_threshold));
}

/// Code for the loop whose first instruction stands at `offset`, or null; see [`entry_at`].
pub(crate) fn loop_entry(instance: &InstanceInner, function: FuncIndex, offset: u32, heat: u32) -> *const u8 {
    let code = &instance.code;
    if code.engine().compiler().is_none() || !code.takes_code() {
        return std::ptr::null();
    }
    let purpose = Purpose::Loop(function, offset);
    let rung = ladder::first_rung(code, function);
    if rung < Rung::Last
        && let Some(best) = code.ready_entry(purpose, Rung::Last)
    {
        return best;
    }
    loop_at(code, purpose, rung, heat)
}

/// Code of a loop or a bridge, or null; asks for it the first time. `heat` more calls, back-edges and exits of its function were counted.
pub(crate) fn entry_at(code: &Arc<ModuleCode>, purpose: Purpose, rung: Rung, heat: u32) -> *const u8 {
    let mut asked = code.request_entry(purpose, rung, heat);
    if let Asked::First(heat) = asked {
        submit(code, purpose, rung, heat);
        asked = match code.engine().tunables().background {
            true => Asked::Before(EntryCode::Requested),
            false => code.request_entry(purpose, rung, 0),
        };
    }
    match asked {
        Asked::Before(EntryCode::Ready(offset)) => code.address(offset),
        Asked::Before(EntryCode::Requested | EntryCode::Failed) | Asked::First(_) => std::ptr::null(),
    }
}
