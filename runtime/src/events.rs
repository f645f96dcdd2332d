//! Compilation events: what happens to the code of modules, told to the hook of an engine's [`Config`](crate::Config).
//!
//! ```text
//! Requested -> Compiled -> Installed -> (SideExit ..) -> Withdrawn
//!           \-> Failed                     Mapped: all code of a cache, at once
//! ```
//! Invariant: without a hook nothing is made for it: no clock is read, nothing is allocated.

use crate::code::Purpose;
use crate::engine::Engine;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trjit_code::Tier;
use trjit_module::FuncIndex;
use trjit_runtime_loader::MappedCache;

/// What an engine tells events to, with the module that they are about. It is called on the threads that compile and on those that guests run on, several at once, and they wait
/// for it. It must not panic, nor call a guest.
pub type CompilationHook = Arc<dyn Fn(&trjit_module::Module, &CompilationEvent<'_>) + Send + Sync>;

/// One compilation, from its request on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Task {
    /// Ascending in the order of requests within an engine, from 1.
    pub id: u32,
    /// What the code is.
    pub purpose: Purpose,
    /// `None` for crossings.
    pub tier: Option<Tier>,
}

/// Something that happened to a module's code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CompilationEvent<'a> {
    /// Something has become hot, and waits for its code.
    Requested {
        /// Which compilation.
        task: Task,
        /// Calls and back-edges that made it so.
        heat: u32,
    },
    /// Code was made; nobody can reach it yet.
    Compiled {
        /// Which compilation.
        task: Task,
        /// Its machine code.
        code_bytes: usize,
        /// How long the compiler took.
        took: Duration,
        /// How long it waited for the compiler; nothing where it did not wait in the queue.
        waited: Duration,
    },
    /// Code can be reached.
    Installed {
        /// Which compilation.
        task: Task,
        /// The code, where it lies.
        code: &'a [u8],
    },
    /// All code of a cache can be reached.
    Mapped {
        /// The cache, which tells what lies where in its text.
        cache: &'a MappedCache,
        /// The text, where it lies.
        text: &'a [u8],
    },
    /// There will be no code.
    Failed {
        /// Which compilation.
        task: Task,
        /// Why.
        reason: &'a str,
    },
    /// A guard has failed so often that it counts: the running code was left for another tier.
    SideExit {
        /// Whose code.
        function: FuncIndex,
        /// Position in the module's code where execution went on.
        offset: u32,
        /// How often this exit was taken so far.
        count: u64,
    },
    /// Code that could be reached is not entered any more.
    Withdrawn {
        /// Whose code.
        function: FuncIndex,
        /// Which of its code.
        tier: Tier,
        /// Why.
        reason: &'a str,
    },
}

/// A clock that stands still where nobody listens.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Option<Instant>);

impl Stopwatch {
    pub fn start(engine: &Engine) -> Stopwatch {
        Stopwatch(engine.compilation_hook().map(|_| Instant::now()))
    }

    pub fn elapsed(self) -> Duration {
        self.0.map_or(Duration::ZERO, |start| start.elapsed())
    }
}
