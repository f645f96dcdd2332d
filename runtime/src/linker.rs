//! The linker: definitions by module and name, matched with what a module imports.
//!
//! ```text
//! Linker + Module -> [Definition] in the module's order (names found, host functions' types checked) = InstancePre
//!        + Store  -> Imports (types of the store's things checked) -> instantiate -> start function -> Instance
//! ```

use crate::code::Module;
use crate::context::{AsContext, AsContextMut, StoreContext};
use crate::engine::Engine;
use crate::error::{Error, LinkError};
use crate::exports::{Extern, Instance};
use crate::func::{Func, enter_guest};
use crate::host::{Caller, HostFunction, OwnedFuncType};
use crate::instance::ImportedFunction;
use crate::instantiate::{Imports, Limits, instantiate, start_function};
use crate::offers::{Wanted, host_matches, item_matches};
use crate::store::StoreInner;
use crate::trap::HostTrap;
use crate::typed::IntoFunc;
use crate::value::Val;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// Definitions for imports. `T` is the type of the stores' data. Host functions serve any store; everything else is of one store, and so is then what
/// is linked with it. A later definition of a name takes the place of an earlier one.
pub struct Linker<T> {
    /// By module, then by name.
    definitions: HashMap<String, HashMap<String, Definition>>,
    /// Asked, the latest first, where there is no definition.
    on_demand: Vec<Arc<OnDemand>>,
    instances: HashMap<String, Instance>,
    limits: Limits,
    data: PhantomData<fn(T)>,
}

/// Makes the host function of a module and name.
type OnDemand = dyn Fn(&str, &str) -> Option<HostFunction> + Send + Sync;

#[derive(Clone)]
enum Definition {
    Host(HostFunction),
    Item(Extern),
    /// An instance defines the module name: what it exports under this name.
    Export(Instance, String),
}

impl<T> Default for Linker<T> {
    fn default() -> Linker<T> {
        Linker {
            definitions: HashMap::new(),
            on_demand: Vec::new(),
            instances: HashMap::new(),
            limits: Limits::default(),
            data: PhantomData,
        }
    }
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Linker<T> {
        Linker {
            definitions: self.definitions.clone(),
            on_demand: self.on_demand.clone(),
            instances: self.instances.clone(),
            limits: self.limits,
            data: PhantomData,
        }
    }
}

impl<T: 'static> Linker<T> {
    /// Nothing is defined.
    pub fn new() -> Linker<T> {
        Linker::default()
    }

    /// Limits for memories and tables of the instances to come. See [`Store::limiter`](crate::Store::limiter) for all of a store.
    pub fn limits(&mut self, limits: Limits) -> &mut Linker<T> {
        self.limits = limits;
        self
    }

    /// Defines a host function by a closure, whose types say which; see [`IntoFunc`].
    pub fn func_wrap<P, R>(&mut self, module: &str, name: &str, function: impl IntoFunc<T, P, R>) -> &mut Linker<T> {
        self.insert(module, name, Definition::Host(function.into_host().0))
    }

    /// Defines a host function by a closure on values. The closure finds zeros and nulls in its results and sets them.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> &mut Linker<T> {
        self.insert(module, name, Definition::Host(HostFunction::on_values(ty, function)))
    }

    /// Defines a host function on slots, without conversions and checks: it gets its arguments in slots (see [`Val::to_raw`]) and leaves its
    /// results there. There are as many slots as the larger of both; with a v128 among them each has two words. A result that is no reference of the store ends
    /// the guest with an error.
    pub fn func_raw(
        &mut self,
        module: &str,
        name: &str,
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, T>, &mut [u64]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> &mut Linker<T> {
        self.insert(module, name, Definition::Host(HostFunction::raw(ty, function)))
    }

    /// Defines host functions on slots (see [`func_raw`](Self::func_raw)) that are made when a module imports them: `find` gives type and code of those that it
    /// has, by module and name. For large sets, of which a module uses few.
    pub fn funcs_on_demand<F>(&mut self, find: impl Fn(&str, &str) -> Option<(OwnedFuncType, F)> + Send + Sync + 'static) -> &mut Linker<T>
    where
        F: Fn(Caller<'_, T>, &mut [u64]) -> Result<(), HostTrap> + Send + Sync + 'static,
    {
        // These are later definitions than what is there.
        for (module, names) in &mut self.definitions {
            names.retain(|name, _| find(module, name).is_none());
        }
        self.on_demand.push(Arc::new(move |module, name| find(module, name).map(|(ty, function)| HostFunction::raw(ty, function))));
        self
    }

    /// Defines anything of a store.
    ///
    /// # Panics
    /// When a module is then instantiated in another store.
    pub fn define(&mut self, _store: &impl AsContext<Data = T>, module: &str, name: &str, item: impl Into<Extern>) -> &mut Linker<T> {
        self.insert(module, name, Definition::Item(item.into()))
    }

    /// Makes everything that an instance exports available under a module name.
    pub fn instance(&mut self, name: &str, instance: Instance) -> &mut Linker<T> {
        self.instances.insert(name.to_string(), instance);
        self
    }

    /// Instantiates a module, runs its `_initialize` function where it exports one (a reactor's), and makes its exports available under a module name.
    pub fn module(&mut self, store: &mut impl AsContextMut<Data = T>, name: &str, module: &Module) -> Result<&mut Linker<T>, Error> {
        let instance = self.instantiate(store, module)?;
        if let Some(initialize) = instance.get_func(store, "_initialize") {
            initialize.call(store, &[])?;
        }
        Ok(self.instance(name, instance))
    }

    /// What is defined under a name. A host function becomes one of the store.
    pub fn get(&self, store: &mut impl AsContextMut<Data = T>, module: &str, name: &str) -> Option<Extern> {
        match self.find(module, name)? {
            Definition::Host(function) => Some(Func::of_host(store.as_context_mut().inner, function).into()),
            Definition::Item(item) => Some(item),
            Definition::Export(instance, name) => instance.get_export(store, &name),
        }
    }

    /// Defines each function that a module imports and nobody defined as one that fails when it is called, and tells its name then.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> &mut Linker<T> {
        let parsed = module.parsed();
        for import in parsed.imports().iter().filter(|import| import.kind == trjit_module::flat::kind::FUNC) {
            let (of, name) = (parsed.string(import.module), parsed.string(import.name));
            if self.find(of, name).is_none() {
                let ty = parsed.func_type(parsed.type_of(trjit_module::FuncIndex(import.index)));
                let message = format!("the import `{of}::{name}` was called, which has not been defined");
                let ty = OwnedFuncType::new(ty.params(), ty.results());
                self.func_raw(of, name, ty, move |_, _| Err(HostTrap::new(message.clone())));
            }
        }
        self
    }

    /// Makes an instance and runs its start function.
    pub fn instantiate(&self, store: &mut impl AsContextMut<Data = T>, module: &Module) -> Result<Instance, Error> {
        self.instantiate_pre(module)?.instantiate(store)
    }

    /// Finds the definitions of all imports, so that instances can then be made without a look at names.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>, Error> {
        let mut definitions = Vec::new();
        for import in module.parsed().imports() {
            let parsed = module.parsed();
            let wanted = || Wanted::new(parsed, import);
            let definition = self.find(parsed.string(import.module), parsed.string(import.name)).ok_or_else(|| wanted().unknown())?;
            if let Definition::Host(host) = &definition {
                host_matches(&module.code, import, host).map_err(|found| wanted().incompatible(found))?;
            }
            definitions.push(definition);
        }
        Ok(InstancePre { module: module.clone(), definitions: definitions.into(), limits: self.limits, data: PhantomData })
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> &mut Linker<T> {
        self.definitions.entry(module.to_string()).or_default().insert(name.to_string(), definition);
        self
    }

    fn find(&self, module: &str, name: &str) -> Option<Definition> {
        if let Some(instance) = self.instances.get(module) {
            return Some(Definition::Export(*instance, name.to_string()));
        }
        let defined = self.definitions.get(module).and_then(|names| names.get(name)).cloned();
        defined.or_else(|| self.on_demand.iter().rev().find_map(|find| find(module, name)).map(Definition::Host))
    }
}

/// A module whose imports are found: what [`Linker::instantiate_pre`] makes. Clones are cheap, and threads can share it.
pub struct InstancePre<T> {
    module: Module,
    definitions: Arc<[Definition]>,
    limits: Limits,
    data: PhantomData<fn(T)>,
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> InstancePre<T> {
        InstancePre { module: self.module.clone(), definitions: Arc::clone(&self.definitions), limits: self.limits, data: PhantomData }
    }
}

impl<T: 'static> InstancePre<T> {
    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Makes an instance and runs its start function.
    ///
    /// # Panics
    /// When the linker had definitions of another store.
    pub fn instantiate(&self, store: &mut impl AsContextMut<Data = T>) -> Result<Instance, Error> {
        // SAFETY: the store is borrowed for this call, and its data is a `T`.
        unsafe { make(store.as_context_mut().inner, &self.module, &self.definitions, self.limits) }
    }
}

/// For [`Instance::new`].
pub(crate) fn instantiate_with(store: *mut StoreInner, module: &Module, imports: &[Extern], limits: Limits) -> Result<Instance, Error> {
    let expected = module.parsed().imports().len();
    if expected != imports.len() {
        return Err(LinkError::Count { expected, found: imports.len() }.into());
    }
    let definitions: Vec<Definition> = imports.iter().map(|item| Definition::Item(*item)).collect();
    // SAFETY: the caller has the store from a context; there are no host functions among the definitions.
    unsafe { make(store, module, &definitions, limits) }
}

/// # Safety
/// `store` is alive and borrowed, host functions are for its type of data, and there is a definition for each import.
unsafe fn make(store: *mut StoreInner, module: &Module, definitions: &[Definition], limits: Limits) -> Result<Instance, Error> {
    // SAFETY: by contract; the imports are matched by type.
    unsafe {
        if !Engine::same(module.code.engine(), &(*store).engine) {
            return Err(LinkError::OtherEngine.into());
        }
        let imports = resolve(store, module, definitions)?;
        let instance = instantiate(store, &module.code, imports, limits)?;
        if let Some(start) = start_function(&*instance) {
            enter_guest(store, instance, start, [0u64; 1].as_mut_ptr())?;
        }
        Ok(Instance::new_handle(store, instance))
    }
}

/// # Safety
/// As [`make`].
unsafe fn resolve(store: *mut StoreInner, module: &Module, definitions: &[Definition]) -> Result<Imports, LinkError> {
    let mut imports = Imports::default();
    for (import, definition) in module.parsed().imports().iter().zip(definitions) {
        let wanted = || Wanted::new(module.parsed(), import);
        let item = match definition {
            Definition::Host(host) => {
                // SAFETY: by contract.
                let functions = unsafe { &mut (*store).host_functions };
                imports.functions.push(ImportedFunction::Host(functions.len()));
                functions.push(host.clone());
                continue;
            }
            Definition::Item(item) => *item,
            // SAFETY: by contract.
            Definition::Export(instance, name) => unsafe { instance.export_of(store, name) }.ok_or_else(|| wanted().unknown())?,
        };
        // SAFETY: by contract.
        unsafe {
            item_matches(store, &module.code, import, &item).map_err(|found| wanted().incompatible(found))?;
            add(store, &mut imports, item);
        }
    }
    Ok(imports)
}

/// # Safety
/// As [`make`]; `item` is of the store and has the type of the import.
unsafe fn add(store: *mut StoreInner, imports: &mut Imports, item: Extern) {
    // SAFETY: by contract; only looked at.
    let context: StoreContext<'_, ()> = unsafe { StoreContext::new(store) };
    match item {
        Extern::Func(func) => imports.functions.push(func.as_import(&context)),
        Extern::Table(table) => imports.tables.push(table.inner().address()),
        Extern::Memory(memory) => imports.memories.push(memory.inner().address()),
        Extern::Global(global) => imports.globals.push(global.cell()),
        Extern::Tag(tag) => imports.tags.push(tag.inner(&context)),
    }
}
