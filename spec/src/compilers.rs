//! The compiler as the modes want it: at one tier, perhaps for every second function only; and it notes what it could not compile, since the
//! interpreter would silently do it instead.

use std::sync::{Arc, Mutex, PoisonError};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{Module, TypeIndex};

/// What failed, as sentences.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Vec<String>>>);

impl Complaints {
    fn add(&self, error: &CompileError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
    }

    /// All so far; the list is empty afterwards.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Compiles all functions, or those of one parity, at one tier.
pub struct Steered {
    pub inner: CraneliftCompiler,
    pub tier: Tier,
    /// Only functions whose index has this remainder by two; the others stay interpreted.
    pub parity: Option<u32>,
    pub complaints: Complaints,
}

impl Steered {
    fn noted(&self, result: Result<CompiledFunction, CompileError>) -> Result<CompiledFunction, CompileError> {
        result.inspect_err(|error| self.complaints.add(error))
    }
}

impl Compiler for Steered {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let function = request.function;
        if self.parity.is_some_and(|parity| function.0 % 2 != parity) {
            return Err(CompileError::Unsupported { function, what: "an index that the mode leaves to the interpreter".into() });
        }
        self.noted(self.inner.compile(&CompileRequest { tier: self.tier, ..*request }))
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
