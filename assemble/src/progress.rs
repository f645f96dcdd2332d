//! How an assembly tells what it is doing: the command line draws bars or prints lines, tests listen to nothing.

/// The steps of an assembly, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    Plan,
    Compile,
    Emit,
    Link,
    Pack,
    Write,
    Verify,
    /// [`check`](crate::check), where it is asked for.
    Check,
}

impl Phase {
    /// The steps of every assembly.
    pub const ALL: &'static [Phase] = &[Phase::Plan, Phase::Compile, Phase::Emit, Phase::Link, Phase::Pack, Phase::Write, Phase::Verify];

    /// The word that people and JSON see.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Plan => "plan",
            Phase::Compile => "compile",
            Phase::Emit => "emit",
            Phase::Link => "link",
            Phase::Pack => "pack",
            Phase::Write => "write",
            Phase::Verify => "verify",
            Phase::Check => "check",
        }
    }
}

/// Listens to an assembly. [`step`](Progress::step) is called from many threads.
pub trait Progress: Sync {
    /// A phase begins; it will take `steps` steps (0 where they are not counted; more where functions are
    /// compiled again because a callee failed).
    fn begin(&self, phase: Phase, steps: u64);
    /// `count` more steps of the running phase are done.
    fn step(&self, count: u64);
    /// The phase is over.
    fn end(&self, phase: Phase, seconds: f64);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _phase: Phase, _steps: u64) {}
    fn step(&self, _count: u64) {}
    fn end(&self, _phase: Phase, _seconds: f64) {}
}
