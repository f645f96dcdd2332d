//! A compiler that does only what it is told to: each function at a chosen tier, or not at all. It makes mixes of compiled and interpreted functions
//! for tests, fuzzing and measurements; what nobody chose is refused, and so stays with the interpreter.

use crate::compiler::{BranchCounts, CompileError, CompileRequest, Compiler, SiteTargets, Tier};
use crate::target::Settings;
use crate::unit::CompiledFunction;
use std::sync::{Arc, Mutex, PoisonError};
use trjit_module::{FuncIndex, Module, TypeIndex};

/// Says at which tier a request is compiled; `None` leaves the function (or the loop) to the interpreter.
type Choose = dyn Fn(&CompileRequest<'_>) -> Option<Tier> + Send + Sync;

/// Another compiler behind a choice. Crossings are always made: every mix needs them.
pub struct Steered<C> {
    inner: C,
    choose: Box<Choose>,
    counts: Option<Box<dyn BranchCounts + Send>>,
    failures: Failures,
}

/// Counts that no run gave, made up from the numbers of functions, branches and sites: some code seems hot, some cold, some functions seem never entered, indirect calls seem
/// to have callees, and it may not add up. What is compiled by them must do what it does
/// without.
#[derive(Clone, Copy, Debug)]
pub struct MadeUpCounts {
    pub seed: u64,
}

/// Of a function that was entered.
const ENTRIES: u64 = 1 << 40;

impl BranchCounts for MadeUpCounts {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        (!self.number(function, u32::MAX).is_multiple_of(8)).then_some(ENTRIES)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        match self.number(function, entry) % 5 {
            0 => 0,
            1 => 1 << 40,
            // A loop that turns often, if it is a back-edge.
            2 => 1 << 50,
            _ => 1 << 20,
        }
    }

    /// Nothing; or the first functions of an index space, imported ones too, and some that hardly any module has, in an order made up for the site: in a small module
    /// those of the call's type are among them. Other callees are rare at some sites.
    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        let number = self.number(function, !site);
        let calls = match number % 4 {
            0 => return SiteTargets::default(),
            1 | 2 => 1 << 30,
            _ => 3 << 39,
        };
        let functions = (0..96).chain([1 << 20, u32::MAX]);
        let count = |target: u32| 1 << 39 | mixed(number ^ u64::from(target)) >> 25;
        SiteTargets { calls, functions: functions.map(|target| (FuncIndex(target), count(target))).collect() }
    }

    /// In half of the functions, whatever the counts say.
    fn is_worth_tests(&self, function: FuncIndex, _cheaper: u64, _tested: u64) -> bool {
        self.number(function, u32::MAX - 1).is_multiple_of(2)
    }
}

impl MadeUpCounts {
    fn number(&self, function: FuncIndex, part: u32) -> u64 {
        mixed(self.seed ^ u64::from(function.0) << 32 ^ u64::from(part))
    }
}

/// The finalizer of splitmix64.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As [`MadeUpCounts`], and speculative code leaves before about one instruction in `one_in`, however often that seems to be executed.
#[derive(Clone, Copy, Debug)]
pub struct ScatteredExits {
    pub seed: u64,
    pub one_in: u64,
}

impl BranchCounts for ScatteredExits {
    /// Every function: code of what was never entered has no exits.
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(ENTRIES)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        MadeUpCounts { seed: self.seed }.taken(function, entry)
    }

    fn leaves(&self, function: FuncIndex, position: u32, _executed: u64) -> bool {
        MadeUpCounts { seed: !self.seed }.number(function, position).is_multiple_of(self.one_in)
    }

    fn is_worth_tests(&self, _function: FuncIndex, _cheaper: u64, _tested: u64) -> bool {
        true
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        MadeUpCounts { seed: self.seed }.targets(function, site)
    }
}

/// Made-up counts, with the exits that really happened.
struct Beside<'a> {
    made_up: &'a dyn BranchCounts,
    asked: &'a dyn BranchCounts,
}

impl BranchCounts for Beside<'_> {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        self.made_up.entries(function)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.made_up.taken(function, entry)
    }

    fn exits(&self, function: FuncIndex, position: u32) -> u64 {
        self.made_up.exits(function, position).saturating_add(self.asked.exits(function, position))
    }

    fn leaves(&self, function: FuncIndex, position: u32, executed: u64) -> bool {
        self.made_up.leaves(function, position, executed)
    }

    fn is_worth_tests(&self, function: FuncIndex, cheaper: u64, tested: u64) -> bool {
        self.made_up.is_worth_tests(function, cheaper, tested)
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        self.made_up.targets(function, site)
    }
}

/// What could not be compiled; clones are the same list.
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Vec<CompileError>>>);

impl Failures {
    /// All since the last call.
    pub fn take(&self) -> Vec<CompileError> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, error: &CompileError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error.clone());
    }
}

impl<C: Compiler> Steered<C> {
    pub fn new(inner: C, choose: impl Fn(&CompileRequest<'_>) -> Option<Tier> + Send + Sync + 'static) -> Steered<C> {
        Steered { inner, choose: Box::new(choose), counts: None, failures: Failures::default() }
    }

    /// Compiles as if training had counted this.
    pub fn counting(self, counts: impl BranchCounts + Send + 'static) -> Steered<C> {
        Steered { counts: Some(Box::new(counts)), ..self }
    }

    /// What the other compiler could not compile although it was chosen, since the last call: elsewhere the interpreter silently does it instead.
    pub fn take_failures(&self) -> Vec<CompileError> {
        self.failures.take()
    }

    /// Notes failures there, perhaps beside those of other compilers.
    pub fn noting(self, failures: &Failures) -> Steered<C> {
        Steered { failures: failures.clone(), ..self }
    }

    fn noted(&self, made: Result<CompiledFunction, CompileError>) -> Result<CompiledFunction, CompileError> {
        made.inspect_err(|error| self.failures.note(error))
    }
}

impl<C: Compiler> Compiler for Steered<C> {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        match (self.choose)(request) {
            Some(tier) => {
                let Some(made_up) = &self.counts else {
                    return self.noted(self.inner.compile(&CompileRequest { tier, ..*request }));
                };
                let counts = Beside { made_up: &**made_up, asked: request.counts };
                self.noted(self.inner.compile(&CompileRequest { tier, counts: &counts, ..*request }))
            }
            None => Err(CompileError::NotChosen { function: request.function }),
        }
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.noted(self.inner.to_native(module, ty, settings))
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.noted(self.inner.to_interpreter(module, ty, settings))
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.noted(self.inner.tail_to_native(module, ty, settings))
    }

    fn version(&self) -> String {
        self.inner.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assumption::NoAssumptions;
    use crate::compiler::{Entry, NoCounts, NoDirectCalls};
    use crate::target::{CpuFeatures, MemoryStyle};

    /// Compiles to one byte, the tier; fails for function 3, and for crossings to the interpreter.
    struct Small;

    impl Compiler for Small {
        fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
            match request.function {
                FuncIndex(3) => Err(failure()),
                _ => Ok(CompiledFunction { bytes: vec![request.tier as u8], ..CompiledFunction::default() }),
            }
        }

        fn to_native(&self, _: &Module, _: TypeIndex, _: Settings) -> Result<CompiledFunction, CompileError> {
            Ok(CompiledFunction::default())
        }

        fn to_interpreter(&self, _: &Module, _: TypeIndex, _: Settings) -> Result<CompiledFunction, CompileError> {
            Err(failure())
        }

        fn tail_to_native(&self, _: &Module, _: TypeIndex, _: Settings) -> Result<CompiledFunction, CompileError> {
            Ok(CompiledFunction::default())
        }

        fn version(&self) -> String {
            "small 1".into()
        }
    }

    fn failure() -> CompileError {
        CompileError::TooLarge { function: FuncIndex(3), detail: "as a test wants it".into() }
    }

    #[test]
    fn what_is_chosen_is_compiled_at_that_tier_and_failures_are_told_once() {
        // A module without anything in it.
        let module = Module::parse(b"\0asm\x01\0\0\0".to_vec()).unwrap();
        let settings = Settings { features: CpuFeatures::NONE, memory: MemoryStyle::Reserved, fuel: false };
        let steered = Steered::new(Small, |request| (request.function.0 % 2 == 1).then_some(Tier::A1));
        let compile = |function| {
            let (tier, entry) = (Tier::Ap4, Entry::Start);
            let function = FuncIndex(function);
            steered.compile(&CompileRequest {
                module: &module,
                function,
                tier,
                entry,
                settings,
                direct_calls: &NoDirectCalls,
                counts: &NoCounts,
                assumptions: &NoAssumptions,
            })
        };
        assert_eq!(compile(1).unwrap().bytes, [Tier::A1 as u8]);
        assert_eq!(compile(2), Err(CompileError::NotChosen { function: FuncIndex(2) }));
        assert_eq!(steered.take_failures(), []);
        assert_eq!(compile(3), Err(failure()));
        assert!(steered.to_interpreter(&module, TypeIndex(0), settings).is_err());
        assert_eq!(steered.take_failures(), [failure(), failure()]);
        assert_eq!(steered.take_failures(), []);
    }
}
