//! The slots of the registry of code, which signal handlers read without a lock, on the atomics of loom: in every order of steps, and with every value that each load may see. `RUSTFLAGS="--cfg loom" cargo test -p trjit-runtime --test slot_model`
#![cfg(loom)]

mod atomic {
    pub use loom::sync::atomic::{AtomicUsize, Ordering, fence};
}

#[path = "../src/sys/slot.rs"]
mod slot;

use atomic::AtomicUsize;
use loom::sync::Arc;
use loom::thread;
use slot::Slot;

fn slot() -> Arc<Slot> {
    Arc::new(Slot::new([0; 4].map(AtomicUsize::new)))
}

#[test]
fn a_reader_gets_what_was_written_in_one_piece() {
    loom::model(|| {
        let slot = slot();
        slot.write(100, 10, 1);
        let shared = Arc::clone(&slot);
        // The range goes, and another one gets its slot.
        let writer = thread::spawn(move || {
            shared.write(0, 0, 0);
            shared.write(104, 20, 2);
        });
        // In both ranges.
        let found = slot.read(107);
        assert!(matches!(found, None | Some((100, 1) | (104, 2))), "{found:?}");
        writer.join().unwrap();
        assert_eq!((slot.read(107), slot.read(101)), (Some((104, 2)), None));
    });
}

#[test]
fn a_range_that_stays_is_found_by_whoever_knows_of_it() {
    loom::model(|| {
        let slot = slot();
        let (shared, code) = (Arc::clone(&slot), Arc::new(AtomicUsize::new(0)));
        let published = Arc::clone(&code);
        let writer = thread::spawn(move || {
            shared.write(100, 10, 7);
            published.store(103, atomic::Ordering::Release);
        });
        // A thread runs code of a range only after that was registered, and published.
        let address = code.load(atomic::Ordering::Acquire);
        if address != 0 {
            assert_eq!(slot.read(address), Some((100, 7)));
        }
        writer.join().unwrap();
    });
}
