//! Phase 2: compiles the plan's functions and the module's trampolines in parallel. Which thread compiles what has no influence on the result.
//!
//! Planned functions call each other directly. A function that fails stays with the interpreter, so its callers must reach it through the jump
//! table: each pass ends when all its compilations have ended, then the next one compiles the direct callers of what failed again,
//! until no call reaches a function without code.

use crate::plan::{Plan, Planned};
use crate::progress::Progress;
use crate::unit::Unit;
use rayon::prelude::*;
use std::collections::BTreeMap;
use trjit_cache_format::CodeItem;
use trjit_code::{BranchCounts, CompileError, CompileRequest, CompiledFunction, Compiler, DirectCalls, Entry, NoAssumptions, Settings};
use trjit_module::{FuncIndex, Module, TypeIndex};

/// What compilation needs to know.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub module: &'a Module,
    pub settings: Settings,
    pub compiler: &'a dyn Compiler,
    pub counts: &'a dyn BranchCounts,
    pub progress: &'a dyn Progress,
}

/// What came out.
#[derive(Debug, Default)]
pub struct CompiledPlan {
    /// Functions in the order of the plan, then trampolines in the order of the types.
    pub units: Vec<Unit>,
    /// Functions without code, by index, and why.
    pub failed: BTreeMap<FuncIndex, CompileError>,
}

/// A crossing could not be compiled: without it no function of that type could be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no trampoline for type {ty}")]
pub struct TrampolineError {
    pub ty: TypeIndex,
    pub source: CompileError,
}

/// Steps of [`compile_all`] for progress displays, when nothing fails.
pub fn steps(module: &Module, plan: &Plan) -> u64 {
    plan.functions.len() as u64 + module.types().len() as u64
}

/// Compiles everything on the current thread pool.
pub fn compile_all(job: Job<'_>, plan: &Plan) -> Result<CompiledPlan, TrampolineError> {
    let mut functions = Functions::new(job, plan);
    functions.compile((0..plan.functions.len()).collect());
    while functions.compile_callers_of_failed() {}
    let trampolines = trampolines(job)?;
    let Functions { done, failed, .. } = functions;
    let functions = plan
        .functions
        .iter()
        .zip(done)
        .filter_map(|(planned, code)| Some(Unit { what: CodeItem::Function(planned.function), tier: Some(planned.tier), code: code? }));
    Ok(CompiledPlan { units: functions.chain(trampolines).collect(), failed })
}

/// The functions with code in this text, as far as is known.
struct Reachable(Vec<bool>);

impl DirectCalls for Reachable {
    fn direct(&self, callee: FuncIndex) -> bool {
        self.0.get(callee.index()).copied().unwrap_or(false)
    }
}

/// The state between passes.
struct Functions<'a> {
    job: Job<'a>,
    plan: &'a [Planned],
    reachable: Reachable,
    /// One slot for each planned function.
    done: Vec<Option<CompiledFunction>>,
    failed: BTreeMap<FuncIndex, CompileError>,
}

impl<'a> Functions<'a> {
    fn new(job: Job<'a>, plan: &'a Plan) -> Functions<'a> {
        let mut reachable = vec![false; job.module.function_count() as usize];
        plan.functions.iter().for_each(|planned| reachable[planned.function.index()] = true);
        Functions {
            job,
            plan: &plan.functions,
            reachable: Reachable(reachable),
            done: vec![None; plan.functions.len()],
            failed: BTreeMap::new(),
        }
    }

    /// One pass over some positions of the plan. Large bodies come first, so that no thread ends on one alone.
    fn compile(&mut self, mut positions: Vec<usize>) {
        let body_len = |&position: &usize| self.job.module.function(self.plan[position].function).map_or(0, |record| record.body.len);
        positions.sort_by_key(|position| (std::cmp::Reverse(body_len(position)), *position));
        let results: Vec<_> =
            positions.par_iter().with_max_len(1).map(|&position| (position, self.compile_one(self.plan[position]))).collect();
        for (position, result) in results {
            let function = self.plan[position].function;
            match result {
                Ok(code) => self.done[position] = Some(code),
                Err(error) => {
                    self.done[position] = None;
                    self.reachable.0[function.index()] = false;
                    self.failed.insert(function, error);
                }
            }
        }
    }

    fn compile_one(&self, planned: Planned) -> Result<CompiledFunction, CompileError> {
        let Job { module, settings, compiler, counts, progress } = self.job;
        let Planned { function, tier } = planned;
        let direct_calls = &self.reachable;
        let result = compiler.compile(&CompileRequest {
            module,
            function,
            tier,
            entry: Entry::Start,
            settings,
            direct_calls,
            counts,
            assumptions: &NoAssumptions,
        });
        progress.step(1);
        // Nobody watches assumptions for a cache's code.
        let wrong = |code: CompiledFunction| match code.assumptions.first() {
            Some(assumption) => Err(CompileError::Internal { function, detail: format!("its code assumes that {assumption}") }),
            None => Ok(code),
        };
        result.and_then(wrong)
    }

    /// Compiles again what calls a function without code; says whether there was any.
    fn compile_callers_of_failed(&mut self) -> bool {
        let stale = |position: &usize| self.done[*position].as_ref().is_some_and(|code| wrong_target(code, &self.reachable.0).is_some());
        let again: Vec<usize> = (0..self.plan.len()).filter(stale).collect();
        let before = self.reachable.0.clone();
        self.compile(again.clone());
        self.drop_stubborn(&again, &before);
        !again.is_empty()
    }

    /// Drops code that still calls directly what was known to have no code: its compiler would keep us here for ever.
    fn drop_stubborn(&mut self, again: &[usize], reachable_before: &[bool]) {
        for &position in again {
            let Some(target) = self.done[position].as_ref().and_then(|code| wrong_target(code, reachable_before)) else { continue };
            let function = self.plan[position].function;
            let detail = format!("it calls function {target} directly, which has no code");
            self.done[position] = None;
            self.reachable.0[function.index()] = false;
            self.failed.insert(function, CompileError::Internal { function, detail });
        }
    }
}

/// A function that the code calls directly though it has no code.
fn wrong_target(code: &CompiledFunction, reachable: &[bool]) -> Option<FuncIndex> {
    let has_code = |target: FuncIndex| reachable.get(target.index()).copied().unwrap_or(false);
    code.relocations.iter().map(|relocation| relocation.target).find(|&target| !has_code(target))
}

/// The crossings of every type.
fn trampolines(job: Job<'_>) -> Result<Vec<Unit>, TrampolineError> {
    let types = 0..job.module.types().len() as u32;
    let each: Vec<Result<[Unit; 3], TrampolineError>> = types.into_par_iter().map(|ty| trampolines_of(job, TypeIndex(ty))).collect();
    // Collected in order first: the first type that fails is the one reported, whichever thread came first.
    Ok(each.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn trampolines_of(job: Job<'_>, ty: TypeIndex) -> Result<[Unit; 3], TrampolineError> {
    let unit = |what, code: Result<CompiledFunction, CompileError>| match code {
        Ok(code) => Ok(Unit { what, tier: None, code }),
        Err(source) => Err(TrampolineError { ty, source }),
    };
    let all = [
        unit(CodeItem::ToNative(ty), job.compiler.to_native(job.module, ty, job.settings))?,
        unit(CodeItem::ToInterpreter(ty), job.compiler.to_interpreter(job.module, ty, job.settings))?,
        unit(CodeItem::TailToNative(ty), job.compiler.tail_to_native(job.module, ty, job.settings))?,
    ];
    job.progress.step(1);
    Ok(all)
}
