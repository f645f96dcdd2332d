//! The compiler, made to do what tests want: another tier, or only some functions.

use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_module::{Module, TypeIndex};

/// Compiles all functions, or those of one parity, at a tier of its own.
pub struct Steered {
    pub inner: CraneliftCompiler,
    /// Instead of the request's tier.
    pub tier: Option<Tier>,
    /// Only functions whose index has this remainder by two; the others stay interpreted.
    pub parity: Option<u32>,
}

impl Compiler for Steered {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let function = request.function;
        if self.parity.is_some_and(|parity| function.0 % 2 != parity) {
            return Err(CompileError::Unsupported { function, what: "an index that the test leaves to the interpreter".into() });
        }
        self.inner.compile(&CompileRequest { tier: self.tier.unwrap_or(request.tier), ..*request })
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_native(module, ty, settings)
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.to_interpreter(module, ty, settings)
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.inner.tail_to_native(module, ty, settings)
    }

    fn version(&self) -> String {
        self.inner.version()
    }
}
