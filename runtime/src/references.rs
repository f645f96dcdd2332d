//! References that come from the host: whether they are what their type promises. Guests use references without another look, so whatever the host passes
//! (arguments, results of its functions, elements of tables, values of globals) is checked here first.

use crate::exception;
use crate::store::StoreInner;
use trjit_module::{HeapType, RefType, ValType};

/// References to host data have 63 bits: elements of tables are kept times two.
const EXTERN_REFERENCES: u64 = 1 << 63;

/// What is wrong with a word that shall be a value of type `ty`, whose types of functions are the engine's numbers; none where it is one.
///
/// # Safety
/// `store` is alive and borrowed.
pub(crate) unsafe fn fault(store: *mut StoreInner, ty: ValType, word: u64) -> Option<&'static str> {
    let ValType::Ref(RefType { nullable, heap }) = ty else { return None };
    if word == 0 {
        return (!nullable).then_some("a null reference");
    }
    // SAFETY: by contract; the index is checked, and what was never written there is zero.
    unsafe {
        match heap {
            HeapType::Extern => (word >= EXTERN_REFERENCES).then_some("a reference to host data with more than 63 bits"),
            HeapType::NoExn => Some("a reference to an exception"),
            HeapType::Exn => (!exception::is_live(store, word)).then_some("a reference to no exception of this store"),
            HeapType::Func | HeapType::Concrete(_) => {
                if word >= (*store).func_refs_used {
                    return Some("a reference to no function of this store");
                }
                let record = (*store).func_refs.base().add(word as usize).read();
                match heap {
                    _ if record.vmctx.is_null() => Some("a reference to no function of this store"),
                    HeapType::Concrete(wanted) if wanted.0 != record.type_id => Some("a reference to a function of another type"),
                    _ => None,
                }
            }
        }
    }
}
