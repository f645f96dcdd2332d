//! Tier-up in the process: what has become hot in the interpreter is compiled, on a thread of its own or at once, and published.

use crate::code::{LoopCode, ModuleCode, Purpose};
use crate::instance::InstanceInner;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use trjit_code::{CompileRequest, CompiledFunction, Entry, NoCounts, NoDirectCalls, Tier};
use trjit_module::FuncIndex;

/// One function or loop to compile.
struct Job {
    code: Arc<ModuleCode>,
    purpose: Purpose,
}

/// The way to the compiling thread.
pub(crate) struct JitQueue(Option<Sender<Job>>);

impl JitQueue {
    /// Starts the thread. Where the system gives none, compilation happens at once.
    pub fn start() -> JitQueue {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("trjit-compile".to_string()).spawn(move || work(&receiver));
        JitQueue(thread.is_ok().then_some(sender))
    }

    /// False where nobody will do the job.
    fn send(&self, job: Job) -> bool {
        self.0.as_ref().is_some_and(|sender| sender.send(job).is_ok())
    }
}

/// Compiles what comes, and publishes together what had been waiting together.
fn work(jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let code = Arc::clone(&first.code);
        let batch = code.engine().tunables().publish_batch;
        let mut units = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            if !Arc::ptr_eq(&job.code, &code) {
                compile_and_publish(&job.code, job.purpose);
            } else {
                compile(&code, job.purpose, &mut units);
            }
            if units.len() < batch {
                next = jobs.try_recv().ok();
            }
        }
        code.publish(&units);
    }
}

fn compile_and_publish(code: &ModuleCode, purpose: Purpose) {
    let mut units = Vec::new();
    compile(code, purpose, &mut units);
    code.publish(&units);
}

/// Compiles and publishes on another thread, and waits for it: the code generator needs more stack than a guest may have left.
pub(crate) fn compile_elsewhere(code: &ModuleCode, purpose: Purpose) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("trjit-compile".to_string());
        // Without a thread there is no code; the callers can do without.
        let _ = thread.spawn_scoped(scope, || compile_and_publish(code, purpose));
    });
}

/// Compiles for one purpose, and the trampoline that its code needs to be entered.
pub(crate) fn compile(code: &ModuleCode, purpose: Purpose, units: &mut Vec<(Purpose, CompiledFunction)>) {
    let Some(compiler) = code.engine().compiler() else { return };
    let (module, settings) = (code.module(), code.engine().settings());
    let (function, entry) = match purpose {
        Purpose::Function(function) => (function, Entry::Start),
        Purpose::Loop(function, offset) => (function, Entry::At(offset)),
        Purpose::ToInterpreter(ty) => {
            units.extend(compiler.to_interpreter(module, ty, settings).map(|unit| (purpose, unit)));
            return;
        }
        Purpose::TailToNative(ty) => {
            units.extend(compiler.tail_to_native(module, ty, settings).map(|unit| (purpose, unit)));
            return;
        }
        Purpose::ToNative(ty) => {
            units.extend(compiler.to_native(module, ty, settings).map(|unit| (purpose, unit)));
            return;
        }
    };
    let ty = module.type_of(function);
    let trampoline = Purpose::ToNative(ty);
    if entry == Entry::Start && code.misses_to_native(ty) && !units.iter().any(|(known, _)| *known == trampoline) {
        compile(code, trampoline, units);
        if units.last().is_none_or(|(last, _)| *last != trampoline) {
            return;
        }
    }
    let request = CompileRequest { module, function, tier: Tier::Ap4, entry, settings, direct_calls: &NoDirectCalls, counts: &NoCounts };
    match compiler.compile(&request) {
        Ok(unit) => units.push((purpose, unit)),
        Err(_) => code.failed(purpose),
    }
}

/// Has a job done, by the thread or at once.
fn submit(code: &Arc<ModuleCode>, purpose: Purpose) {
    if code.engine().tunables().background && code.engine().jit().send(Job { code: Arc::clone(code), purpose }) {
        return;
    }
    compile_elsewhere(code, purpose);
}

/// Asks for a function's code, the first time; it appears in the jump tables when it is ready.
pub(crate) fn request_function(instance: &InstanceInner, function: FuncIndex) {
    let code = &instance.code;
    if code.engine().compiler().is_some() && code.takes_code() && code.request(function) {
        submit(code, Purpose::Function(function));
    }
}

/// Code for the loop whose first instruction stands at `offset`, or null; asks for it the first time.
pub(crate) fn loop_entry(instance: &InstanceInner, function: FuncIndex, offset: u32) -> *const u8 {
    let code = &instance.code;
    if code.engine().compiler().is_none() || !code.takes_code() {
        return std::ptr::null();
    }
    let mut state = code.request_loop(function, offset);
    if state.is_none() {
        submit(code, Purpose::Loop(function, offset));
        if !code.engine().tunables().background {
            state = code.request_loop(function, offset);
        }
    }
    match state {
        Some(LoopCode::Ready(offset)) => code.address(offset),
        Some(LoopCode::Requested | LoopCode::Failed) | None => std::ptr::null(),
    }
}
