//! Fresh code becomes reachable, and code whose assumptions broke leaves: both are stores to the jump tables of all instances.
//!
//! ```text
//! batch -> image (executable) -> trampolines -> functions that direct calls may reach -> jump tables
//! ```
//! Invariant: the lock on the state is held from the look at what broke to the store, here and where something breaks: code never gets into tables after it was withdrawn.

use super::{EntryCode, InstalledCode, ModuleCode, Purpose, State, name_counters};
use crate::assumptions;
use crate::batch::{self, Batch};
use crate::events::{CompilationEvent, Task};
use crate::ladder::{self, Rung};
use crate::planted::{self, WatchBug};
use std::sync::atomic::{AtomicI32, Ordering};
use trjit_code::CompiledFunction;
use trjit_module::FuncIndex;
use trjit_runtime_loader::{PublishError, PublishUnit, UnitKind};

impl ModuleCode {
    /// Makes code executable and then reachable: trampolines first, then functions in the jump tables of all instances.
    pub fn publish(&self, batch: &Batch<'_>) {
        let Some(image) = &self.image else { return };
        let units = batch.units();
        let placed: Vec<PublishUnit<'_>> = units.iter().map(publish_unit).collect();
        let offsets = match image.publish_linked(&placed, &|callee| self.direct_target(callee)) {
            Ok(offsets) => offsets,
            Err(error) => {
                if let PublishError::Executable { .. } = error {
                    self.refuse_code(error.to_string());
                }
                units.iter().for_each(|(task, _)| self.failed(*task, &error.to_string()));
                return;
            }
        };
        let late = self.install(units, &offsets);
        for ((task, unit), &offset) in units.iter().zip(&offsets) {
            if late.contains(task) {
                self.tell(|| CompilationEvent::Failed { task: *task, reason: "what it assumes broke while it was made" });
                continue;
            }
            // SAFETY: so many bytes were published at this offset; they can be read, are never written, and live as long as the image.
            let code = unsafe { std::slice::from_raw_parts(self.address(offset), unit.bytes.len()) };
            self.tell(|| CompilationEvent::Installed { task: *task, code });
        }
    }

    /// Makes published code reachable, but for functions that assume what broke while they were made, which it returns: those may be asked for again.
    fn install(&self, units: &[(Task, CompiledFunction)], offsets: &[i32]) -> Vec<Task> {
        let placed = || units.iter().map(|(task, _)| task.purpose).zip(offsets.iter().copied());
        for (purpose, offset) in placed() {
            match purpose {
                Purpose::ToNative(ty) => self.trampolines[ty.index()][0].store(offset, Ordering::Release),
                Purpose::ToInterpreter(ty) => self.trampolines[ty.index()][1].store(offset, Ordering::Release),
                Purpose::TailToNative(ty) => self.trampolines[ty.index()][2].store(offset, Ordering::Release),
                Purpose::Function(_) | Purpose::Loop(..) | Purpose::Bridge(..) => {}
            }
        }
        for ((task, _), &offset) in units.iter().zip(offsets) {
            if let Some(defined) = batch::is_callable(*task).and_then(|function| self.module.defined_index(function)) {
                let callable = self.callable.get_or_init(|| self.module.functions().iter().map(|_| AtomicI32::new(0)).collect());
                callable[defined.index()].store(offset, Ordering::Release);
            }
        }
        let mut late = Vec::new();
        let mut state = self.lock();
        if units.iter().any(|(task, _)| Rung::of(task.tier) < Rung::Last) {
            self.name_counters(&state);
        }
        for ((task, unit), &offset) in units.iter().zip(offsets) {
            let (purpose, rung) = (task.purpose, Rung::of(task.tier));
            match purpose {
                Purpose::Function(function) => {
                    let assumes = assumptions::bits(&unit.assumptions);
                    if self.broken.has_any_of(assumes) && !planted::has(WatchBug::Installed) {
                        self.forget_request(rung, function);
                        late.push(*task);
                        continue;
                    }
                    self.install_function(&mut state, function, InstalledCode { rung, offset, assumes });
                }
                Purpose::Loop(..) | Purpose::Bridge(..) => {
                    state.entries.insert((purpose, rung), EntryCode::Ready(offset));
                    state.entry_heat.remove(&(purpose, rung));
                }
                Purpose::ToNative(_) | Purpose::ToInterpreter(_) | Purpose::TailToNative(_) => {}
            }
        }
        late
    }

    /// Puts a function into the jump tables, unless something higher is there.
    fn install_function(&self, state: &mut State, function: FuncIndex, code: InstalledCode) {
        let below = state.installed.get(&function).map(|installed| installed.rung);
        if below.is_some_and(|below| below > code.rung) {
            return;
        }
        match code.rung {
            Rung::Last => self.exits.arrived(function),
            Rung::Counting if below == Some(Rung::Light) => ladder::forget_light_counts(self, function),
            Rung::Counting | Rung::Light => {}
        }
        state.installed.insert(function, code);
        state.put_into_tables(function, code.offset);
    }

    /// Has the next request for a function's code be as the first one.
    fn forget_request(&self, rung: Rung, function: FuncIndex) {
        let requested = self.requested[rung as usize].get().zip(self.module.defined_index(function));
        if let Some(place) = requested.and_then(|(requested, defined)| requested.get(defined.index())) {
            place.store(0, Ordering::Relaxed);
        }
    }

    /// Has all instances know the counters, before code that counts can be reached.
    fn name_counters(&self, state: &State) {
        let Some(counts) = self.ladder.as_ref().map(|ladder| ladder.counts(&self.module)) else { return };
        for instance in &state.instances {
            // SAFETY: instances are detached before they go.
            unsafe { name_counters(instance.vmctx.load(Ordering::Relaxed), counts) };
        }
    }

    /// Assumptions broke: what was made under them leaves the jump tables. Returns the functions, ascending.
    pub fn withdraw(&self, broken: u64) -> Vec<FuncIndex> {
        let mut state = self.lock();
        self.broken.add(broken);
        let mut withdrawn: Vec<FuncIndex> =
            state.installed.extract_if(|_, code| code.assumes & broken != 0).map(|(function, _)| function).collect();
        withdrawn.sort_unstable();
        for &function in &withdrawn {
            let below = self.cached_code(function).unwrap_or(0);
            if !planted::has(WatchBug::Entered) {
                state.put_into_tables(function, below);
            }
        }
        withdrawn
    }
}

fn publish_unit<'a>((task, code): &'a (Task, CompiledFunction)) -> PublishUnit<'a> {
    let kind = match task.purpose {
        Purpose::Function(function) | Purpose::Loop(function, _) | Purpose::Bridge(function, _) => UnitKind::Function(function),
        Purpose::ToNative(ty) => UnitKind::ToNative(ty),
        Purpose::ToInterpreter(ty) => UnitKind::ToInterpreter(ty),
        Purpose::TailToNative(ty) => UnitKind::TailToNative(ty),
    };
    PublishUnit { code, kind, callable: batch::is_callable(*task).is_some() }
}
