//! Fuel: a case with so much of it ends at the same point, in the same state and with the same rest in every mix of tiers, from a cache and while recording.

use crate::case::Case;
use crate::observation::{Observation, Outcome};
use crate::oracle::{Agreement, Difference};
use crate::rng::Rng;
use crate::subject::{self, Fuel};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::sync::Arc;
use trjit_code::{Compiler, Entry, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::TrapCode;
use trjit_runtime::{Config, Engine, Module, Tunables};

/// Amounts that each case runs with.
const AMOUNTS: usize = 4;
/// Most of the smaller amounts, and of the larger ones.
const FEW: u64 = 60;
const MANY: u64 = 3000;

/// How a case runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Interpreted,
    Recorded,
    Compiled(Tier),
    /// Functions of one parity compiled when they are called, loops of the others at their first back-edge.
    Half(u32),
    Cached,
}

const WAYS: &[Way] =
    &[Way::Interpreted, Way::Recorded, Way::Compiled(Tier::Ap4), Way::Compiled(Tier::A1), Way::Half(0), Way::Half(1), Way::Cached];

type Chosen = Steered<CraneliftCompiler>;

impl Way {
    fn compiler(self) -> Option<Arc<Chosen>> {
        let chosen = |choose: fn(u32, Entry) -> bool, tier| {
            let choose = move |request: &trjit_code::CompileRequest<'_>| choose(request.function.0, request.entry).then_some(tier);
            Some(Arc::new(Steered::new(CraneliftCompiler::new(), choose)))
        };
        match self {
            Way::Interpreted | Way::Recorded | Way::Cached => None,
            Way::Compiled(tier) => chosen(|_, _| true, tier),
            Way::Half(0) => chosen(|function, entry| (function % 2 == 0) == (entry == Entry::Start), Tier::Ap4),
            Way::Half(_) => chosen(|function, entry| (function % 2 == 1) == (entry == Entry::Start), Tier::Ap4),
        }
    }

    fn engine(self, compiler: Option<Arc<Chosen>>) -> Engine {
        let tunables = Tunables { call_threshold: 1, loop_threshold: 1, recheck_interval: 1, background: false, ..Tunables::default() };
        let compiler = compiler.map(|compiler| compiler as Arc<dyn Compiler>);
        let mut config = Config { compiler, tunables, record_profile: self == Way::Recorded, ..Config::default() };
        Engine::new(config.consume_fuel(true))
    }

    fn module(self, engine: &Engine, parsed: &trjit_module::Module, scratch: &Path) -> Result<Module> {
        if self == Way::Cached {
            let path = scratch.join("fuel.trjit");
            let options = trjit_assemble::Options { threads: Some(1), all: true, fuel: true, ..trjit_assemble::Options::default() };
            let assembled = trjit_assemble::assemble(parsed, None, &options, &CraneliftCompiler::new(), &trjit_assemble::Silent);
            trjit_cache_format::write_file(&path, &assembled.context("assembly")?.bytes)?;
            return Ok(Module::from_cache_file(engine, &path, None)?);
        }
        let module = Module::from_parsed(engine, parsed.clone())?;
        if matches!(self, Way::Compiled(_)) {
            module.compile_all();
        }
        Ok(module)
    }

    /// Runs the case with each amount: what was seen, and what was left.
    fn run(self, case: &Case, parsed: &trjit_module::Module, amounts: &[u64], scratch: &Path) -> Result<Vec<(Observation, Vec<u64>)>> {
        let compiler = self.compiler();
        let engine = self.engine(compiler.clone());
        let module = self.module(&engine, parsed, scratch)?;
        let mut runs = Vec::new();
        for &amount in amounts {
            let mut fuel = Some(Fuel { amount, left: Vec::new() });
            let observation = subject::observe(case, &engine, &module, &mut fuel)?;
            runs.push((observation, fuel.map_or(Vec::new(), |fuel| fuel.left)));
        }
        let failures = compiler.map_or(Vec::new(), |compiler| compiler.take_failures());
        ensure!(failures.is_empty(), "the compiler refuses what it must compile: {}", failures[0]);
        Ok(runs)
    }
}

/// Runs a case with several amounts in all ways. `calls` are the compared ones, `returned` those of one way that used up their fuel.
pub fn check(case: &Case, seed: u64, scratch: &Path) -> Result<Agreement, Difference> {
    let mut rng = Rng::new(seed ^ 0xf0e1);
    let amounts: Vec<u64> = (0..AMOUNTS).map(|at| rng.below(if at % 2 == 0 { FEW } else { MANY })).collect();
    let broken = |way: Way, error: &anyhow::Error| Difference { mode: format!("fuel, {way:?}"), what: format!("{error:#}") };
    let parsed = trjit_module::Module::parse(case.wasm.clone()).map_err(|error| broken(WAYS[0], &error.into()))?;
    let run = |way: Way| way.run(case, &parsed, &amounts, scratch).map_err(|error| broken(way, &error));
    let expected = run(WAYS[0])?;
    let out = |outcome: &&Outcome| **outcome == Outcome::Trapped(TrapCode::OutOfFuel);
    let returned = expected.iter().flat_map(|(observation, _)| &observation.outcomes).filter(out).count() as u64;
    let mut agreement = Agreement { calls: 0, returned };
    for &way in &WAYS[1..] {
        for ((amount, expected), found) in amounts.iter().zip(&expected).zip(run(way)?) {
            if let Some(what) = difference(expected, &found) {
                return Err(Difference { mode: format!("fuel {amount}, {way:?}"), what });
            }
            agreement.calls += found.1.len() as u64;
        }
    }
    Ok(agreement)
}

/// As far as none of the two has exhausted its stack.
fn difference((expected, expected_left): &(Observation, Vec<u64>), (found, found_left): &(Observation, Vec<u64>)) -> Option<String> {
    if let Some(what) = expected.difference(found) {
        return Some(what);
    }
    let at = expected_left.iter().zip(found_left).position(|(expected, found)| expected != found)?;
    Some(format!("call {at} (0 is the instantiation): expected {} of the fuel left, found {}", expected_left[at], found_left[at]))
}
