//! Bugs that tests plant into side exits and entries, to see that they are found. Only with the feature `planted-bugs` can there be any.

#[cfg(feature = "planted-bugs")]
pub use with_bugs::Planted;
#[cfg(feature = "planted-bugs")]
pub(crate) use with_bugs::has;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitBug {
    /// The first two locals are put into each other's slots.
    Slots,
    /// The last live local is not stored.
    StaleLocal,
    /// The top of the operand stack is not stored.
    StaleOperand,
    /// The operand stack seems to be a slot higher.
    Height,
    /// The entry of the side table is the one after the next.
    Entry,
    /// The function goes on at its start.
    Position,
    /// A bridge takes its operands from one slot above.
    Landing,
    /// The first live local counts as dead.
    LiveLocal,
    /// What lives from one round of a loop to the next counts as dead.
    LiveAround,
    /// What only a clause of a `try_table` reads counts as dead.
    LiveInClause,
    /// The upper half of a vector is not stored.
    UpperHalf,
    /// The instruction before the exit seems to have been free.
    Fuel,
    /// No call is followed by a test of what the code assumes.
    Untested,
    /// The test looks for another assumption.
    OtherBit,
    /// An index is compared with the place behind the callee's.
    OtherIndex,
}

impl ExitBug {
    /// Those that frames show.
    pub const ALL: &'static [ExitBug] = &[
        ExitBug::Slots,
        ExitBug::StaleLocal,
        ExitBug::StaleOperand,
        ExitBug::Height,
        ExitBug::Entry,
        ExitBug::Position,
        ExitBug::Landing,
        ExitBug::LiveLocal,
        ExitBug::LiveAround,
        ExitBug::LiveInClause,
        ExitBug::UpperHalf,
        ExitBug::Fuel,
    ];

    /// Those of assumptions, which no frame shows: code goes on that should have been left, or calls another function.
    pub const OF_ASSUMPTIONS: &'static [ExitBug] = &[ExitBug::Untested, ExitBug::OtherBit, ExitBug::OtherIndex];
}

/// Whether a compilation on this thread has that bug.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn has(_bug: ExitBug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
mod with_bugs {
    use super::ExitBug;
    use std::cell::Cell;
    use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, Settings};
    use trjit_module::{Module, TypeIndex};

    thread_local! {
        static BUG: Cell<Option<ExitBug>> = const { Cell::new(None) };
    }

    /// Whether a compilation on this thread has that bug.
    pub(crate) fn has(bug: ExitBug) -> bool {
        BUG.get() == Some(bug)
    }

    /// A compiler with a bug.
    pub struct Planted<C> {
        pub inner: C,
        pub bug: Option<ExitBug>,
    }

    impl<C: Compiler> Compiler for Planted<C> {
        fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
            BUG.set(self.bug);
            let made = self.inner.compile(request);
            BUG.set(None);
            made
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
}
