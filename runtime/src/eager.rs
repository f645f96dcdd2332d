//! Compiling a whole module before it runs: for embedders who would rather wait once than warm up, and for tests of compiled code.

use crate::batch::Batch;
use crate::code::{Module, Purpose};
use crate::jit;
use crate::ladder::Rung;
use std::time::Duration;
use trjit_module::FuncIndex;

impl Module {
    /// Compiles every function that has no code and was not asked for yet, on this thread, and publishes all of them together. Functions that
    /// the compiler refuses stay with the interpreter; without a compiler, or where the engine records, nothing happens: the first call of each function has to be seen. Returns the number of functions compiled.
    ///
    /// The code generator needs up to some hundred KiB of stack.
    pub fn compile_all(&self) -> usize {
        let code = &self.code;
        if code.engine().compiler().is_none() || code.engine().records() {
            return 0;
        }
        let before = self.compiled_functions();
        let Ok(cached) = code.new_jump_table() else { return 0 };
        let defined = code.module().imported_functions()..code.module().function_count();
        let mut batch = Batch::default();
        for function in
            defined.map(FuncIndex).filter(|&function| cached.get(function) == 0 && code.request(Rung::Last, function, 0).is_some())
        {
            jit::compile(code, jit::task(code, Purpose::Function(function), Rung::Last), Duration::ZERO, &mut batch);
        }
        code.publish(&batch);
        self.compiled_functions() - before
    }
}
