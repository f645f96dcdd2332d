//! Why a translation stopped, before the function's index is put to it.

use crate::heat::WalkError;
use cranelift_codegen::CodegenError;
use trjit_code::CompileError;
use trjit_module::{CodeError, FuncIndex};

/// A reason without its function.
#[derive(Debug)]
pub enum Fault {
    /// Valid wasm that this compiler does not translate.
    Unsupported(String),
    /// A limit of the code generator.
    TooLarge(String),
    /// Must not happen: the body is not valid after all, or the code generator refused its input.
    Internal(String),
}

/// Result of a step of the translation.
pub type Res<T> = Result<T, Fault>;

impl Fault {
    #[cold]
    pub fn unsupported(what: impl Into<String>) -> Fault {
        Fault::Unsupported(what.into())
    }

    #[cold]
    pub fn internal(detail: impl Into<String>) -> Fault {
        Fault::Internal(detail.into())
    }

    /// The error for `function`.
    pub fn at(self, function: FuncIndex) -> CompileError {
        match self {
            Fault::Unsupported(what) => CompileError::Unsupported { function, what },
            Fault::TooLarge(detail) => CompileError::TooLarge { function, detail },
            Fault::Internal(detail) => CompileError::Internal { function, detail },
        }
    }
}

impl From<wasmparser::Error> for Fault {
    fn from(error: wasmparser::Error) -> Fault {
        Fault::internal(format!("the body can not be read: {error}"))
    }
}

impl From<CodeError> for Fault {
    fn from(error: CodeError) -> Fault {
        Fault::internal(format!("the body can not be had: {error}"))
    }
}

impl From<WalkError> for Fault {
    fn from(error: WalkError) -> Fault {
        Fault::internal(format!("its counts can not be told apart: {error}"))
    }
}

impl From<CodegenError> for Fault {
    fn from(error: CodegenError) -> Fault {
        match error {
            CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge => Fault::TooLarge(error.to_string()),
            CodegenError::Unsupported(what) => Fault::internal(format!("the code generator does not support {what}")),
            // The list of errors names the instructions; Display would only say that there are some.
            CodegenError::Verifier(errors) => Fault::internal(format!("invalid Cranelift IR: {errors}")),
            other => Fault::internal(other.to_string()),
        }
    }
}
