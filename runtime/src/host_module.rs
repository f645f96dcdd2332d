//! What the host makes by itself (functions, memories, tables, globals) is of tiny modules that export it, so that everything in a store belongs to an instance
//! and there is one way to link, to refer to and to call it.
//!
//! ```text
//! (module (import "" "" (func (type 0))) (export "" (func 0)))        the import is the host function
//! (module (memory 1 2) (export "" (memory 0)))                         and so on
//! ```

use crate::code::Module;
use crate::error::Error;
use crate::exports::Instance;
use crate::global_handle::GlobalType;
use crate::host::HostFunction;
use crate::instance::{ImportedFunction, InstanceInner};
use crate::instantiate::{Imports, Limits, instantiate};
use crate::memory_handle::MemoryType;
use crate::store::StoreInner;
use crate::table_handle::TableType;
use trjit_module::flat::kind;
use trjit_module::{HeapType, RefType, ValType};

/// An instance whose function 0 is a function of the host.
///
/// # Safety
/// `store` is alive and borrowed; the function is one for stores with its type of data.
pub(crate) unsafe fn function(store: *mut StoreInner, function: HostFunction) -> Result<*mut InstanceInner, Error> {
    let mut ty = vec![1, 0x60];
    for codes in [&function.ty.params, &function.ty.results] {
        leb(&mut ty, codes.len() as u64);
        codes.iter().try_for_each(|&code| value_type(&mut ty, ValType::from_code(code).unwrap_or(ValType::I32)))?;
    }
    let bytes = module(&[(1, ty), (2, vec![1, 0, 0, 0, 0])], kind::FUNC);
    let mut imports = Imports::default();
    // SAFETY: by contract; the import has the type that the module asks for.
    unsafe {
        let functions = &mut (*store).host_functions;
        imports.functions.push(ImportedFunction::Host(functions.len()));
        functions.push(function);
        instantiate(store, &Module::of_host(&(*store).engine, bytes)?.code, imports, Limits::default())
    }
}

/// An instance that exports a memory.
pub(crate) fn memory(store: *mut StoreInner, ty: MemoryType) -> Result<Instance, Error> {
    let mut section = vec![1];
    limits(&mut section, ty.minimum, ty.maximum, u8::from(ty.shared) << 1 | u8::from(ty.is_64) << 2);
    instance(store, &[(5, section)], kind::MEMORY)
}

/// An instance that exports a table of null references.
pub(crate) fn table(store: *mut StoreInner, ty: TableType) -> Result<Instance, Error> {
    let mut section = vec![1];
    value_type(&mut section, ValType::Ref(RefType { nullable: true, ..ty.element }))?;
    limits(&mut section, ty.minimum, ty.maximum, u8::from(ty.is_64) << 2);
    instance(store, &[(4, section)], kind::TABLE)
}

/// An instance that exports a global, which is zero or null.
pub(crate) fn global(store: *mut StoreInner, ty: GlobalType) -> Result<Instance, Error> {
    let mut section = vec![1];
    let content = match ty.content {
        ValType::Ref(reference) => ValType::Ref(RefType { nullable: true, ..reference }),
        content => content,
    };
    value_type(&mut section, content)?;
    section.push(ty.mutable.into());
    match content {
        ValType::I32 => section.extend([0x41, 0]),
        ValType::I64 => section.extend([0x42, 0]),
        ValType::F32 => section.extend([0x43, 0, 0, 0, 0]),
        ValType::F64 => section.extend([0x44, 0, 0, 0, 0, 0, 0, 0, 0]),
        ValType::V128 => section.extend([0xfd, 12].into_iter().chain([0; 16])),
        ValType::Ref(reference) => {
            section.push(0xd0);
            section.push(heap_type(reference.heap)?);
        }
    }
    section.push(0x0b);
    instance(store, &[(6, section)], kind::GLOBAL)
}

fn instance(store: *mut StoreInner, sections: &[(u8, Vec<u8>)], exported: u32) -> Result<Instance, Error> {
    // SAFETY: the callers have the store from a context, so it is alive and borrowed; the modules have no imports.
    unsafe {
        let module = Module::of_host(&(*store).engine, module(sections, exported))?;
        let instance = instantiate(store, &module.code, Imports::default(), Limits::default())?;
        Ok(Instance::new_handle(store, instance))
    }
}

/// A module of these sections that exports item 0 of a kind without a name.
fn module(sections: &[(u8, Vec<u8>)], exported: u32) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections.iter().chain([&(7, vec![1, 0, exported as u8, 0])]) {
        bytes.push(*id);
        leb(&mut bytes, content.len() as u64);
        bytes.extend(content);
    }
    bytes
}

fn limits(bytes: &mut Vec<u8>, minimum: u64, maximum: Option<u64>, flags: u8) {
    bytes.push(flags | u8::from(maximum.is_some()));
    leb(bytes, minimum);
    maximum.iter().for_each(|&maximum| leb(bytes, maximum));
}

fn leb(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn value_type(bytes: &mut Vec<u8>, ty: ValType) -> Result<(), Error> {
    match ty {
        ValType::Ref(RefType { nullable: false, heap }) => bytes.extend([0x64, heap_type(heap)?]),
        ValType::Ref(RefType { nullable: true, heap }) => bytes.push(heap_type(heap)?),
        // The codes of other types are the bytes of the binary format.
        number => bytes.push(number.code() as u8),
    }
    Ok(())
}

fn heap_type(heap: HeapType) -> Result<u8, Error> {
    match heap {
        HeapType::Func => Ok(0x70),
        HeapType::Extern => Ok(0x6f),
        HeapType::Exn => Ok(0x69),
        HeapType::NoExn => Ok(0x74),
        HeapType::Concrete(_) => {
            let detail = "a type of one module's functions can not be one of the host; use funcref".to_string();
            Err(Error::Resource { what: "reference type", detail })
        }
    }
}
