//! `--stats`: what compilation events and calls came to, told on standard error at the end of a run.
//!
//! ```text
//! tier          functions   loops  wasm bytes  code bytes  compile ms
//! cached AP4          803       0           0      262144         0.0
//! AP4                  12       3       18211       44120        31.9
//! crossings             4       0           0         812         0.4
//! calls into: 12 cached, 40 compiled, 103 interpreted, 9 host; 0 side exits
//! ```
//! JSON has the same numbers in one line. A compilation that is still under way, or waiting, at the end counts as requested only.

use crate::args::StatsFormat;
use crate::compilation_log::wasm_bytes;
use crate::ui;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use trjit_code::Tier;
use trjit_module::Module;
use trjit_runtime::{CompilationEvent, Counters, Purpose, Task};

/// What one tier of one origin came to.
#[derive(Default, Debug, PartialEq, serde::Serialize)]
struct Row {
    functions: u64,
    loops: u64,
    wasm_bytes: u64,
    code_bytes: u64,
    compile_us: u64,
}

/// The sums.
#[derive(Default, Debug, serde::Serialize)]
struct Sums {
    /// By what the first column of the text says.
    tiers: BTreeMap<String, Row>,
    requested: u64,
    installed: u64,
    failed: u64,
    side_exits: u64,
    withdrawn: u64,
}

/// Adds events up, from several threads.
#[derive(Default)]
pub struct Statistics(Mutex<Sums>);

impl Statistics {
    pub fn count(&self, module: &Module, event: &CompilationEvent<'_>) {
        let mut sums = self.lock();
        match event {
            CompilationEvent::Requested { .. } => sums.requested += 1,
            CompilationEvent::Compiled { task, code_bytes, took, .. } => {
                let Task { purpose, tier, .. } = task;
                let row = sums.tiers.entry(tier.map_or("crossings", Tier::name).to_string()).or_default();
                match purpose {
                    Purpose::Loop(..) | Purpose::Bridge(..) => row.loops += 1,
                    _ => row.functions += 1,
                }
                row.wasm_bytes += wasm_bytes(module, *task).unwrap_or(0) as u64;
                row.code_bytes += *code_bytes as u64;
                row.compile_us += took.as_micros() as u64;
            }
            CompilationEvent::Installed { .. } => sums.installed += 1,
            CompilationEvent::Failed { .. } => sums.failed += 1,
            CompilationEvent::Mapped { cache, .. } => {
                for piece in cache.file().functions().iter() {
                    let row = sums.tiers.entry(format!("cached {}", piece.tier.map_or("crossings", Tier::name))).or_default();
                    row.functions += 1;
                    row.code_bytes += u64::from(piece.len);
                }
            }
            CompilationEvent::SideExit { .. } => sums.side_exits += 1,
            CompilationEvent::Withdrawn { .. } => sums.withdrawn += 1,
            _ => {}
        }
    }

    /// Tells the sums, and how often each tier was entered.
    pub fn print(&self, format: StatsFormat, calls: Counters) {
        let sums = self.lock();
        match format {
            StatsFormat::Text => text(&sums, calls).iter().for_each(|line| ui::note(line)),
            StatsFormat::Json => ui::note(&json(&sums, calls)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(sums: &Sums, calls: Counters) -> Vec<String> {
    let line = |tier: &str, columns: [&str; 5]| {
        let [functions, loops, wasm, code, time] = columns;
        format!("{tier:<18} {functions:>9} {loops:>7} {wasm:>11} {code:>11} {time:>11}")
    };
    let mut lines = vec![line("tier", ["functions", "loops", "wasm bytes", "code bytes", "compile ms"])];
    for (tier, row) in &sums.tiers {
        let Row { functions, loops, wasm_bytes, code_bytes, compile_us } = row;
        let time = format!("{:.1}", *compile_us as f64 / 1e3);
        let [functions, loops, wasm, code] = [functions, loops, wasm_bytes, code_bytes].map(u64::to_string);
        lines.push(line(tier, [&functions, &loops, &wasm, &code, &time]));
    }
    let Sums { requested, installed, failed, side_exits, withdrawn, .. } = sums;
    lines.push(format!(
        "compilations: {requested} requested, {installed} installed, {failed} failed, {withdrawn} withdrawn; {side_exits} events of side exits"
    ));
    let Counters { cached, compiled, interpreted, host, exits, climbs } = calls;
    lines.push(format!("calls into: {cached} cached, {compiled} compiled, {interpreted} interpreted, {host} host; {exits} side exits; {climbs} loops left for better code"));
    lines
}

fn json(sums: &Sums, calls: Counters) -> String {
    let Counters { cached, compiled, interpreted, host, exits, climbs } = calls;
    let calls = serde_json::json!({ "cached": cached, "compiled": compiled, "interpreted": interpreted, "host": host, "exits": exits, "climbs": climbs });
    let mut all = serde_json::json!(sums);
    all["calls"] = calls;
    all.to_string()
}
