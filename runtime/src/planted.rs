//! Bugs that tests plant into the watch over assumptions, to see that they are found. Only with the feature `planted-bugs` can there be any.

/// What goes wrong, in the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum WatchBug {
    /// The embedding API changes tables and tells nobody.
    UnwatchedTables = 1,
    /// An instance that imports a table counts as nobody else.
    UnwatchedLinks,
    /// Code whose assumptions broke stays in the jump tables.
    Entered,
    /// Code that was being made when its assumptions broke is installed.
    Installed,
}

#[cfg(feature = "planted-bugs")]
mod with_bugs {
    use super::WatchBug;
    use std::sync::atomic::{AtomicU8, Ordering};

    static BUG: AtomicU8 = AtomicU8::new(0);

    impl WatchBug {
        /// All of them.
        pub const ALL: &'static [WatchBug] = &[WatchBug::UnwatchedTables, WatchBug::UnwatchedLinks, WatchBug::Entered, WatchBug::Installed];

        /// From now on.
        pub fn plant(self) {
            BUG.store(self as u8, Ordering::Relaxed);
        }
    }

    pub(crate) fn has(bug: WatchBug) -> bool {
        BUG.load(Ordering::Relaxed) == bug as u8
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use with_bugs::has;

/// Whether this process has that bug.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn has(_bug: WatchBug) -> bool {
    false
}
