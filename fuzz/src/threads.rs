//! One module in several stores at once: guests run on threads of their own, while other threads compile what is hot, publish it to all of them, make bridges for its side exits, and make it
//! anew. Instances come and go meanwhile. Each run must be the interpreter's.
//!
//! Which code a call meets depends on the machine's load, and no two runs are alike; a difference is one all the same.

use crate::case::Case;
use crate::compilers::{Refusals, steered};
use crate::oracle::{Agreement, Difference};
use crate::subject;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use trjit_code::{Compiler, MadeUpCounts, ScatteredExits, Tier};
use trjit_runtime::{CompilationEvent, CompilationHook, Config, Engine, Module, Tunables};

/// Guests at once.
const GUESTS: usize = 4;
/// Stores that each guest's thread has, one after another.
const STORES: usize = 5;
/// Stack of a guest's thread, and how much of it compiled code gets.
const STACK: usize = 128 << 20;
const WASM_STACK: usize = 24 << 20;

/// Everything happens after a few calls and exits, and code is made anew several times.
fn tunables() -> Tunables {
    Tunables {
        background: true,
        compile_threads: 3,
        publish_batch: 3,
        call_threshold: 2,
        loop_threshold: 3,
        recheck_interval: 1,
        bridge_threshold: 4,
        renewal_threshold: 6,
        renewals: 6,
        speculate: true,
        max_wasm_stack: WASM_STACK,
        ..Tunables::default()
    }
}

/// An engine that compiles by made-up counts, and the number of times that it withdrew code. Every second seed has exits at places that are hot, too.
fn engine(seed: u64, refusals: &Refusals) -> (Engine, Arc<AtomicU64>) {
    let withdrawn = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&withdrawn);
    let hook: CompilationHook = Arc::new(move |_, event| {
        if let CompilationEvent::Withdrawn { .. } = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let compiler: Arc<dyn Compiler> = match seed.is_multiple_of(2) {
        true => Arc::new(steered(None, None, refusals)),
        false => Arc::new(steered(Some(Tier::T4), None, refusals).counting(ScatteredExits { seed, one_in: 12 })),
    };
    let config = Config { compiler: Some(compiler), tunables: tunables(), compilation_hook: Some(hook), ..Config::default() };
    (Engine::new(config), withdrawn)
}

/// Runs a case; `calls` are compared ones, `returned` tells how often code was withdrawn.
pub fn check(case: &Case, seed: u64) -> Result<Agreement, Difference> {
    run(case, seed).map_err(|error| Difference { mode: "threads".to_string(), what: format!("{error:#}") })
}

fn run(case: &Case, seed: u64) -> Result<Agreement> {
    let parsed = trjit_module::Module::parse(case.wasm.clone())?;
    let alone = Engine::new(Config::default());
    let expected = subject::observe(case, &alone, &Module::from_parsed(&alone, parsed.clone())?, &mut None)?;
    let refusals = Refusals::default();
    let (engine, withdrawn) = engine(seed, &refusals);
    let module = Module::from_parsed(&engine, parsed)?;
    ensure!(module.compile_by(Arc::new(MadeUpCounts { seed })), "somebody gave counts before");
    let guest = |number: usize| -> Result<u64> {
        let mut calls = 0;
        for store in 0..STORES {
            let found = subject::observe(case, &engine, &module, &mut None)?;
            if let Some(what) = expected.difference(&found) {
                anyhow::bail!("guest {number}, store {store}: {what}");
            }
            calls += found.outcomes.len() as u64;
        }
        Ok(calls)
    };
    let mut agreement = Agreement::default();
    std::thread::scope(|scope| -> Result<()> {
        let guest = &guest;
        let thread = |number| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || guest(number));
        let threads: Vec<_> = (0..GUESTS).map(thread).collect::<Result<_, _>>().context("a thread for a guest")?;
        for thread in threads {
            agreement.calls += thread.join().map_err(|_| anyhow::anyhow!("a guest's thread panicked"))??;
        }
        Ok(())
    })?;
    refusals.check()?;
    agreement.returned = withdrawn.load(Ordering::Relaxed);
    Ok(agreement)
}
