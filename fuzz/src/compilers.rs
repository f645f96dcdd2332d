//! The compiler, made to do what tests want: another tier, or only some functions; and to keep note of what it refuses.

use anyhow::{Result, bail};
use std::sync::{Arc, Mutex, PoisonError};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{Module, TypeIndex};

/// What a compiler refused although nobody told it to: generated modules hold nothing that it may refuse.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<Vec<String>>>);

impl Refusals {
    fn note<T>(&self, result: Result<T, CompileError>) -> Result<T, CompileError> {
        if let Err(error) = &result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
        result
    }

    /// An error that names the first refusal.
    pub fn check(&self) -> Result<()> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).first() {
            Some(first) => bail!("the compiler refuses what it must compile: {first}"),
            None => Ok(()),
        }
    }
}

/// Compiles all functions, or those of one parity, at a tier of its own.
pub struct Steered {
    pub inner: CraneliftCompiler,
    /// Instead of the request's tier.
    pub tier: Option<Tier>,
    /// Only functions whose index has this remainder by two; the others stay interpreted.
    pub parity: Option<u32>,
    pub refusals: Refusals,
}

impl Compiler for Steered {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let function = request.function;
        if self.parity.is_some_and(|parity| function.0 % 2 != parity) {
            return Err(CompileError::Unsupported { function, what: "an index that the test leaves to the interpreter".into() });
        }
        self.refusals.note(self.inner.compile(&CompileRequest { tier: self.tier.unwrap_or(request.tier), ..*request }))
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.refusals.note(self.inner.to_native(module, ty, settings))
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.refusals.note(self.inner.to_interpreter(module, ty, settings))
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.refusals.note(self.inner.tail_to_native(module, ty, settings))
    }

    fn version(&self) -> String {
        self.inner.version()
    }
}
