//! How the step tells what it is doing: the command line draws bars or prints lines, tests listen to nothing.

use trjit_assemble::Progress;

/// Listens to a step. [`did`](Listener::did) is called from many threads. Assembly tells its progress by [`Progress`].
pub trait Listener: Progress {
    /// A part of the flow begins, with so many things to do (0 where they are not counted).
    fn part(&self, name: &'static str, things: u64);
    /// One of them is done.
    fn did(&self, line: &str);
}
