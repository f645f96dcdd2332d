//! The linker: definitions by module and name, matched with what a module imports.

use crate::code::{Module, ModuleCode};
use crate::error::{Error, LinkError};
use crate::func::{Instance, enter_guest};
use crate::host::{Caller, HostFunction, OwnedFuncType};
use crate::instance::{ImportedFunction, InstanceInner};
use crate::instantiate::{Imports, Limits, instantiate, start_function};
use crate::matching::{canonical, global_matches, memory_matches, table_matches};
use crate::store::{Store, StoreInner};
use crate::trap::HostTrap;
use std::collections::HashMap;
use std::sync::Arc;
use trjit_module::flat::{ImportRecord, kind};
use trjit_module::{FuncIndex, TableIndex, TypeIndex, ValType};

/// Definitions for imports. `T` is the type of the stores' data.
pub struct Linker<T> {
    functions: HashMap<(String, String), HostFunction>,
    instances: HashMap<String, Instance>,
    limits: Limits,
    data: std::marker::PhantomData<fn(T)>,
}

impl<T> Default for Linker<T> {
    fn default() -> Linker<T> {
        Linker { functions: HashMap::new(), instances: HashMap::new(), limits: Limits::default(), data: std::marker::PhantomData }
    }
}

impl<T: 'static> Linker<T> {
    pub fn new() -> Linker<T> {
        Linker::default()
    }

    /// Limits for memories and tables of the instances to come.
    pub fn limits(&mut self, limits: Limits) -> &mut Linker<T> {
        self.limits = limits;
        self
    }

    /// Defines a host function. It gets its arguments in slots (see [`Val::to_slot`](crate::Val::to_slot)) and leaves its results there; there are as many
    /// slots as the larger of both.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: OwnedFuncType,
        function: impl Fn(Caller<'_, T>, &mut [u64]) -> Result<(), HostTrap> + Send + Sync + 'static,
    ) -> &mut Linker<T> {
        // SAFETY: `instantiate` takes stores of this `T` only.
        let call =
            Arc::new(move |context: &mut crate::host::HostContext, slots: &mut [u64]| function(unsafe { Caller::new(context) }, slots));
        self.functions.insert((module.to_string(), name.to_string()), HostFunction { ty: Arc::new(ty), call });
        self
    }

    /// Makes everything that an instance exports available under a module name. All instances of a linker are of one store.
    pub fn instance(&mut self, name: &str, instance: Instance) -> &mut Linker<T> {
        self.instances.insert(name.to_string(), instance);
        self
    }

    /// Makes an instance and runs its start function.
    pub fn instantiate(&self, store: &mut Store<T>, module: &Module) -> Result<Instance, Error> {
        let store = store.inner();
        // SAFETY: the store is borrowed for this call; the imports were matched by type.
        unsafe {
            let imports = self.resolve(store, module)?;
            let instance = instantiate(store, &module.code, imports, self.limits)?;
            if let Some(start) = start_function(&*instance) {
                enter_guest(store, instance, start, [0u64; 1].as_mut_ptr())?;
            }
            Ok(Instance { inner: instance })
        }
    }

    /// # Safety
    /// `store` is alive; instances that were defined are of this store.
    unsafe fn resolve(&self, store: *mut StoreInner, module: &Module) -> Result<Imports, LinkError> {
        let mut imports = Imports::default();
        for import in module.parsed().imports() {
            let wanted = Wanted::new(module, import);
            if let Some(instance) = self.instances.get(&wanted.module) {
                // SAFETY: by contract.
                unsafe { resolve_export(&mut imports, &mut *instance.inner, &module.code, import, &wanted)? };
                continue;
            }
            let host = (import.kind == kind::FUNC).then(|| self.functions.get(&(wanted.module.clone(), wanted.name.clone()))).flatten();
            let Some(host) = host else { return Err(wanted.unknown()) };
            let type_ids = module.code.type_ids();
            if type_ids[module.parsed().type_of(FuncIndex(import.index)).index()] != module.code.engine().type_id(host.ty.view(), &[]) {
                return Err(wanted.incompatible(format!("function {}", host.ty.view())));
            }
            // SAFETY: by contract.
            let functions = unsafe { &mut (*store).host_functions };
            imports.functions.push(ImportedFunction::Host(functions.len()));
            functions.push(host.clone());
        }
        Ok(imports)
    }
}

/// What a module asks for, in words.
struct Wanted {
    module: String,
    name: String,
    expected: String,
}

impl Wanted {
    fn new(module: &Module, import: &ImportRecord) -> Wanted {
        let parsed = module.parsed();
        Wanted {
            module: parsed.string(import.module).to_string(),
            name: parsed.string(import.name).to_string(),
            expected: describe(parsed, import.kind, import.index),
        }
    }

    fn unknown(self) -> LinkError {
        LinkError::Unknown { module: self.module, name: self.name, expected: self.expected }
    }

    fn incompatible(&self, found: String) -> LinkError {
        LinkError::Incompatible { module: self.module.clone(), name: self.name.clone(), expected: self.expected.clone(), found }
    }
}

/// An import's or export's type in words.
fn describe(module: &trjit_module::Module, of_kind: u32, index: u32) -> String {
    let limits = |min: u64, has_max: u32, max: u64| if has_max != 0 { format!("{min}..{max}") } else { format!("{min}..") };
    match of_kind {
        kind::FUNC => format!("function {}", module.func_type(module.type_of(FuncIndex(index)))),
        kind::TABLE => {
            let table = &module.tables()[index as usize];
            format!("table of {} with {} elements", module.table_type(TableIndex(index)), limits(table.min, table.has_max, table.max))
        }
        kind::MEMORY => {
            let memory = &module.memories()[index as usize];
            format!("memory of {} pages", limits(memory.min, memory.has_max, memory.max))
        }
        kind::TAG => format!("tag of type {}", module.func_type(TypeIndex(module.tags()[index as usize]))),
        _ => {
            let global = &module.globals()[index as usize];
            let mutability = if global.mutable != 0 { "mutable " } else { "" };
            format!("{mutability}global of type {}", ValType::from_code(global.ty).map_or("?".to_string(), |ty| ty.to_string()))
        }
    }
}

/// Takes an import from another instance's exports.
///
/// # Safety
/// `exporter` is alive, and nobody else refers to it now.
unsafe fn resolve_export(
    imports: &mut Imports,
    exporter: &mut InstanceInner,
    importer: &ModuleCode,
    import: &ImportRecord,
    wanted: &Wanted,
) -> Result<(), LinkError> {
    let code = Arc::clone(&exporter.code);
    let (module, wanted_module) = (code.module(), importer.module());
    let Some(export) = module.export(&wanted.name) else {
        return Err(LinkError::Unknown { module: wanted.module.clone(), name: wanted.name.clone(), expected: wanted.expected.clone() });
    };
    let index = export.index as usize;
    let matches = export.kind == import.kind
        && match import.kind {
            kind::TABLE => {
                // SAFETY: by contract; tables live as long as their store.
                let table = unsafe { &*exporter.tables[index] };
                table_matches(importer, &wanted_module.tables()[import.index as usize], table)
            }
            kind::MEMORY => {
                // SAFETY: by contract; memories live as long as their store.
                let memory = unsafe { &*exporter.memories[index] };
                memory_matches(&wanted_module.memories()[import.index as usize], memory)
            }
            kind::FUNC => {
                let type_of = |code: &ModuleCode, index: u32| code.type_ids()[code.module().type_of(FuncIndex(index)).index()];
                type_of(&code, export.index) == type_of(importer, import.index)
            }
            kind::GLOBAL => global_matches(global_type(importer, import.index), global_type(&code, export.index)),
            kind::TAG => exporter.tags[index].type_id == importer.type_ids()[wanted_module.tags()[import.index as usize] as usize],
            _ => false,
        };
    if !matches {
        return Err(wanted.incompatible(describe(module, export.kind, export.index)));
    }
    match import.kind {
        kind::FUNC => imports.functions.push(match exporter.imported_function(FuncIndex(export.index)) {
            Some(imported) => imported,
            None => ImportedFunction::Wasm { instance: exporter, function: FuncIndex(export.index) },
        }),
        kind::TABLE => imports.tables.push(exporter.tables[index]),
        kind::MEMORY => imports.memories.push(exporter.memories[index]),
        kind::TAG => imports.tags.push(exporter.tags[index]),
        _ => imports.globals.push(exporter.global(export.index)),
    }
    Ok(())
}

/// A global's canonical type, and whether it may change.
fn global_type(code: &ModuleCode, index: u32) -> (ValType, bool) {
    let record = &code.module().globals()[index as usize];
    (canonical(code, ValType::from_code(record.ty).unwrap_or(ValType::I64)), record.mutable != 0)
}
