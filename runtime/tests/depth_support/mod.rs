//! How much native stack a guest uses between its calls of the host function `host` `look`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use trjit_runtime::Linker;

/// The native stack pointers between which the host function ran.
pub struct Depths {
    lowest: AtomicUsize,
    highest: AtomicUsize,
}

impl Depths {
    /// Defines the function.
    pub fn defined_in(linker: &mut Linker<()>) -> Arc<Depths> {
        let depths = Arc::new(Depths { lowest: usize::MAX.into(), highest: 0.into() });
        let seen = Arc::clone(&depths);
        linker.func_wrap("host", "look", move || seen.look());
        depths
    }

    fn look(&self) {
        let here = 0u8;
        let at = (&raw const here).addr();
        self.lowest.fetch_min(at, Ordering::Relaxed);
        self.highest.fetch_max(at, Ordering::Relaxed);
    }

    /// It was called, and always from about the same place.
    pub fn assert_constant(&self) {
        let (lowest, highest) = (self.lowest.load(Ordering::Relaxed), self.highest.load(Ordering::Relaxed));
        assert!(lowest <= highest, "the guest never called");
        assert!(highest - lowest < 4096, "{} bytes of stack", highest - lowest);
    }
}
