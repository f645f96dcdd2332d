//! Handles: how the embedder names what lives in a store. A handle knows its store, so that one that is used with another store is found out
//! before anything is touched; what it points to lives exactly as long as the store.

use crate::context::AsContext;
use crate::store::StoreInner;

/// A thing of one store.
pub(crate) struct Handle<P> {
    /// [`StoreInner::id`], which no two stores of a process share.
    store: u64,
    at: *mut P,
}

impl<P> Clone for Handle<P> {
    fn clone(&self) -> Handle<P> {
        *self
    }
}

impl<P> Copy for Handle<P> {}

impl<P> std::fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:p} of store {}", short_name::<P>(), self.at, self.store)
    }
}

impl<P> PartialEq for Handle<P> {
    fn eq(&self, other: &Handle<P>) -> bool {
        self.store == other.store && std::ptr::eq(self.at, other.at)
    }
}

impl<P> Eq for Handle<P> {}

// SAFETY: a handle gives access through a store only, which is used by one thread at a time.
unsafe impl<P> Send for Handle<P> {}
// SAFETY: as above.
unsafe impl<P> Sync for Handle<P> {}

impl<P> Handle<P> {
    /// # Safety
    /// `store` is alive, and `at` belongs to it and lives as long.
    pub unsafe fn new(store: *mut StoreInner, at: *mut P) -> Handle<P> {
        // SAFETY: by contract.
        Handle { store: unsafe { (*store).id }, at }
    }

    /// The thing, for code that is about to run or change the store.
    ///
    /// # Panics
    /// When the handle is of another store: a mistake of the embedder that must not reach freed memory.
    pub fn pointer(&self, store: &impl AsContext) -> *mut P {
        // SAFETY: contexts are of living stores.
        let given = unsafe { (*store.as_context().inner).id };
        assert_eq!(given, self.store, "a {} was used with a store that it is not of", short_name::<P>());
        self.at
    }

    /// The thing, to look at.
    ///
    /// # Panics
    /// As [`pointer`](Self::pointer).
    pub fn get<'a>(&self, store: &'a impl AsContext) -> &'a P {
        // SAFETY: it lives as long as the store, which is borrowed: no guest runs meanwhile.
        unsafe { &*self.pointer(store) }
    }

    /// For uses that have checked the store.
    pub fn address(&self) -> *mut P {
        self.at
    }
}

/// `MemoryInner` is `memory` to people.
fn short_name<P>() -> String {
    let name = std::any::type_name::<P>().rsplit("::").next().unwrap_or_default();
    name.trim_end_matches("Inner").to_lowercase()
}
