//! Memories, tables and globals that an instance exports, at the border of the embedding API.

use crate::error::Error;
use crate::func::Instance;
use crate::instance::InstanceInner;
use crate::memory::MemoryInner;
use crate::store::Store;
use crate::table::TableInner;
use crate::value::Val;
use trjit_module::ValType;
use trjit_module::flat::kind;

impl Instance {
    /// The exported memory of that name.
    pub fn get_memory<T>(&self, store: &mut Store<T>, name: &str) -> Option<Memory> {
        let instance = self.alive_in(store);
        let index = export_of(instance, name, kind::MEMORY)?;
        Some(Memory { inner: *instance.memories.get(index as usize)? })
    }

    /// The exported table of that name.
    pub fn get_table<T>(&self, store: &mut Store<T>, name: &str) -> Option<Table> {
        let instance = self.alive_in(store);
        let index = export_of(instance, name, kind::TABLE)?;
        Some(Table { inner: *instance.tables.get(index as usize)? })
    }

    /// The exported global of that name.
    pub fn get_global<T>(&self, store: &mut Store<T>, name: &str) -> Option<Global> {
        let index = export_of(self.alive_in(store), name, kind::GLOBAL)?;
        Some(Global { instance: *self, index })
    }
}

fn export_of(instance: &InstanceInner, name: &str, of_kind: u32) -> Option<u32> {
    instance.code.module().export(name).filter(|export| export.kind == of_kind).map(|export| export.index)
}

/// A memory of a store.
#[derive(Clone, Copy)]
pub struct Memory {
    inner: *mut MemoryInner,
}

impl Memory {
    /// All bytes.
    pub fn data<'a, T>(&self, store: &'a mut Store<T>) -> &'a [u8] {
        let memory = self.alive_in(store);
        match memory.definition.len {
            0 => &[],
            // SAFETY: so many bytes lie at the base; guests and growth need the store, which is borrowed.
            len => unsafe { std::slice::from_raw_parts(memory.definition.base, len as usize) },
        }
    }

    /// The size in pages of 64 KiB.
    pub fn size<T>(&self, store: &mut Store<T>) -> u64 {
        self.alive_in(store).pages()
    }

    /// # Panics
    /// When the memory is of another store.
    fn alive_in<'a, T>(&self, store: &'a mut Store<T>) -> &'a MemoryInner {
        // SAFETY: the store is alive, and so are its memories.
        let memories = unsafe { &(*store.inner()).memories };
        let found = memories.iter().find(|memory| std::ptr::eq(&raw const ***memory, self.inner));
        found.expect("a memory was used with a store that it is not of")
    }
}

/// A table of a store.
#[derive(Clone, Copy)]
pub struct Table {
    inner: *mut TableInner,
}

impl Table {
    /// The number of elements.
    ///
    /// # Panics
    /// When the table is of another store.
    pub fn size<T>(&self, store: &mut Store<T>) -> u64 {
        // SAFETY: the store is alive, and so are its tables.
        let tables = unsafe { &(*store.inner()).tables };
        let found = tables.iter().find(|table| std::ptr::eq(&raw const ***table, self.inner));
        found.expect("a table was used with a store that it is not of").len()
    }
}

/// A global that an instance exports.
#[derive(Clone, Copy)]
pub struct Global {
    instance: Instance,
    index: u32,
}

impl Global {
    /// The value.
    pub fn get<T>(&self, store: &mut Store<T>) -> Val {
        let instance = self.instance.alive_in(store);
        // SAFETY: the cell lives as long as the store, and guests need the store, which is borrowed.
        Val::from_words(self.ty(instance).0, unsafe { &*instance.global(self.index).cast::<[u64; 2]>() })
    }

    /// Changes the value. Fails where the global is constant or of another type.
    pub fn set<T>(&self, store: &mut Store<T>, value: Val) -> Result<(), Error> {
        let instance = self.instance.alive_in(store);
        let (ty, mutable) = self.ty(instance);
        if !mutable || !(value.ty() == ty || value.may_be(ty)) {
            let expected = if mutable { ty.to_string() } else { "no change of a constant global".to_string() };
            return Err(Error::ArgumentType { position: 1, found: value.ty().to_string(), expected });
        }
        // SAFETY: as in `get`.
        unsafe { instance.global(self.index).cast::<[u64; 2]>().write([value.to_slot(), value.high_word()]) };
        Ok(())
    }

    fn ty(&self, instance: &InstanceInner) -> (ValType, bool) {
        let record = &instance.code.module().globals()[self.index as usize];
        (ValType::from_code(record.ty).unwrap_or(ValType::I64), record.mutable != 0)
    }
}
