//! Instances, and what they export.

use crate::code::Module;
use crate::context::{AsContext, AsContextMut, StoreContext};
use crate::error::Error;
use crate::exception::TagInner;
use crate::func::Func;
use crate::global_handle::Global;
use crate::handle::Handle;
use crate::instance::InstanceInner;
use crate::instantiate::Limits;
use crate::linker;
use crate::memory_handle::Memory;
use crate::store::StoreInner;
use crate::table_handle::Table;
use crate::typed::{TypedFunc, WasmValues};
use trjit_module::flat::kind;
use trjit_module::{DefinedFuncIndex, FuncIndex, ValType};

/// An instance of a module in a store.
#[derive(Clone, Copy)]
pub struct Instance {
    inner: Handle<InstanceInner>,
}

/// A tag of a store: the kind of an exception.
#[derive(Clone, Copy)]
pub struct Tag {
    /// Which one, as for handles.
    store: u64,
    inner: TagInner,
}

/// Anything that can be exported and imported.
#[derive(Clone, Copy)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A global.
    Global(Global),
    /// The kind of an exception.
    Tag(Tag),
}

macro_rules! externs {
    ($($name:ident $into:ident;)*) => {
        impl Extern {
            $(
                #[doc = concat!("The [`", stringify!($name), "`], where it is one.")]
                pub const fn $into(self) -> Option<$name> {
                    match self {
                        Extern::$name(item) => Some(item),
                        _ => None,
                    }
                }
            )*
        }

        $(
            impl From<$name> for Extern {
                fn from(item: $name) -> Extern {
                    Extern::$name(item)
                }
            }
        )*
    };
}

externs! {
    Func into_func;
    Table into_table;
    Memory into_memory;
    Global into_global;
    Tag into_tag;
}

impl Tag {
    /// The tag, for a store that it is of.
    pub(crate) fn inner(&self, store: &impl AsContext) -> TagInner {
        // SAFETY: contexts are of living stores.
        let given = unsafe { (*store.as_context().inner).id };
        assert_eq!(given, self.store, "a tag was used with a store that it is not of");
        self.inner
    }
}

impl Instance {
    /// Instantiates a module with these definitions for its imports, in their order, and runs its start function. See [`Linker`](crate::Linker) for
    /// definitions by name.
    pub fn new(store: &mut impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Instance, Error> {
        linker::instantiate_with(store.as_context_mut().inner, module, imports, Limits::default())
    }

    /// # Safety
    /// `inner` is an instance of the living `store`.
    pub(crate) unsafe fn new_handle(store: *mut StoreInner, inner: *mut InstanceInner) -> Instance {
        // SAFETY: by contract.
        Instance { inner: unsafe { Handle::new(store, inner) } }
    }

    /// The exported function of that name.
    ///
    /// # Panics
    /// This and the other functions here: when the instance is of another store.
    pub fn get_func(&self, store: &mut impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported function of that name, or an error that names those that exist.
    pub fn func(&self, store: &mut impl AsContextMut, name: &str) -> Result<Func, Error> {
        if let Some(func) = self.get_func(store, name) {
            return Ok(func);
        }
        let module = self.inner.get(store).code.module();
        let names = module.exports().iter().filter(|export| export.kind == kind::FUNC).map(|export| module.string(export.name).to_string());
        Err(Error::NoSuchExport { name: name.to_string(), names: names.collect() })
    }

    /// The exported function of that name with Rust types: an error where there is none, or where it has another type.
    pub fn get_typed_func<P: WasmValues, R: WasmValues>(
        &self,
        store: &mut impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>, Error> {
        self.func(store, name)?.typed(store)
    }

    /// The exported memory of that name.
    pub fn get_memory(&self, store: &mut impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported table of that name.
    pub fn get_table(&self, store: &mut impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global of that name.
    pub fn get_global(&self, store: &mut impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// What is exported under that name.
    pub fn get_export(&self, store: &mut impl AsContextMut, name: &str) -> Option<Extern> {
        // SAFETY: the store is borrowed.
        unsafe { self.export_of(store.as_context_mut().inner, name) }
    }

    /// # Safety
    /// `store` is alive and borrowed.
    pub(crate) unsafe fn export_of(&self, store: *mut StoreInner, name: &str) -> Option<Extern> {
        // SAFETY: by contract; only looked at.
        let context: StoreContext<'_, ()> = unsafe { StoreContext::new(store) };
        let export = self.inner.get(&context).code.module().export(name)?;
        self.item(store, export.kind, export.index)
    }

    /// All exports by name, in the module's order.
    pub fn exports(&self, store: &mut impl AsContextMut) -> Vec<(String, Extern)> {
        let module = self.inner.get(store).code.module();
        let exports: Vec<_> =
            module.exports().iter().map(|export| (module.string(export.name).to_string(), export.kind, export.index)).collect();
        let store = store.as_context_mut().inner;
        exports.into_iter().filter_map(|(name, kind, index)| Some((name, self.item(store, kind, index)?))).collect()
    }

    /// The handle of one of the instance's things. The store was checked.
    fn item(&self, store: *mut StoreInner, of_kind: u32, index: u32) -> Option<Extern> {
        let at = index as usize;
        // SAFETY: instances, and what they refer to, live as long as their store.
        unsafe {
            let instance = &*self.inner.address();
            Some(match of_kind {
                kind::FUNC => Extern::Func(Func::of_instance(self.inner, FuncIndex(index)).defined(store)),
                kind::TABLE => Extern::Table(Table::of(Handle::new(store, *instance.tables.get(at)?))),
                kind::MEMORY => Extern::Memory(Memory::of(Handle::new(store, *instance.memories.get(at)?))),
                kind::GLOBAL => {
                    let record = instance.code.module().globals().get(at)?;
                    Extern::Global(Global::of(self.inner, index, ValType::from_code(record.ty)?, record.mutable != 0))
                }
                kind::TAG => Extern::Tag(Tag { store: (*store).id, inner: *instance.tags.get(at)? }),
                _ => return None,
            })
        }
    }

    /// The functions that were interpreted at least once in this instance, in order: with a cache, those that are used and that the cache lacks.
    pub fn interpreted_functions(&self, store: &impl AsContext) -> Vec<FuncIndex> {
        let instance = self.inner.get(store);
        let module = instance.code.module();
        let defined = (0..module.functions().len() as u32).map(DefinedFuncIndex).filter(|&function| instance.was_interpreted(function));
        defined.map(|function| module.func_index(function)).collect()
    }

    /// The module that it is an instance of.
    pub fn module(&self, store: &impl AsContext) -> Module {
        Module { code: std::sync::Arc::clone(&self.inner.get(store).code) }
    }

    pub(crate) fn handle(&self) -> Handle<InstanceInner> {
        self.inner
    }
}
