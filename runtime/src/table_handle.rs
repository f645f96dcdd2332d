//! Tables at the border of the embedding API.

use crate::context::{AsContext, AsContextMut};
use crate::error::Error;
use crate::handle::Handle;
use crate::host_module;
use crate::limits;
use crate::planted::{self, WatchBug};
use crate::table::{self, TableInner};
use crate::value::Val;
use trjit_module::flat::TableRecord;
use trjit_module::{RefType, TrapCode, ValType};

/// Element type and limits of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// The type of its elements.
    pub element: RefType,
    /// Elements that it begins with.
    pub minimum: u64,
    /// Elements that it may grow to.
    pub maximum: Option<u64>,
    /// Indices have 64 bits.
    pub is_64: bool,
}

impl TableType {
    /// A table with indices of 32 bits.
    pub const fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> TableType {
        let maximum = match maximum {
            Some(elements) => Some(elements as u64),
            None => None,
        };
        TableType { element, minimum: minimum as u64, maximum, is_64: false }
    }
}

/// A table of a store.
#[derive(Clone, Copy)]
pub struct Table {
    inner: Handle<TableInner>,
}

impl Table {
    pub(crate) fn of(inner: Handle<TableInner>) -> Table {
        Table { inner }
    }

    /// Makes a table whose elements are all `init`.
    pub fn new(store: &mut impl AsContextMut, ty: TableType, init: Val) -> Result<Table, Error> {
        check(store, ValType::Ref(ty.element), init)?;
        let instance = host_module::table(store.as_context_mut().inner, ty)?;
        let table = instance.get_table(store, "");
        let table = table.ok_or_else(|| Error::Resource { what: "table", detail: "it was not made".to_string() })?;
        table.fill(store, 0, init, ty.minimum)?;
        Ok(table)
    }

    /// The type; its minimum is the present size.
    ///
    /// # Panics
    /// This and the other functions here: when the table is of another store.
    pub fn ty(&self, store: &impl AsContext) -> TableType {
        let table = self.inner.get(store);
        TableType {
            element: self.element(store),
            minimum: table.len(),
            maximum: table.declared_max,
            is_64: table.flags & TableRecord::TABLE64 != 0,
        }
    }

    fn element(&self, store: &impl AsContext) -> RefType {
        match self.inner.get(store).element {
            ValType::Ref(element) => element,
            _ => RefType::FUNCREF,
        }
    }

    /// The number of elements.
    pub fn size(&self, store: &impl AsContext) -> u64 {
        self.inner.get(store).len()
    }

    /// An element; none outside of the table.
    pub fn get(&self, store: &mut impl AsContextMut, index: u64) -> Option<Val> {
        let element = ValType::Ref(self.element(store));
        // SAFETY: tables live as long as their store, which is borrowed mutably.
        let word = unsafe { (*self.inner.pointer(store)).get(index) }?;
        Some(Val::from_raw(store, &[word], element))
    }

    /// Changes an element.
    pub fn set(&self, store: &mut impl AsContextMut, index: u64, value: Val) -> Result<(), Error> {
        self.fill(store, index, value, 1)
    }

    /// Changes `len` elements from `start`. Nothing is changed where not all of them exist.
    pub fn fill(&self, store: &mut impl AsContextMut, start: u64, value: Val, len: u64) -> Result<(), Error> {
        check(store, ValType::Ref(self.element(store)), value)?;
        let [reference, _] = value.to_raw(store);
        let range = range(start, len, self.elements(store).len())?;
        let elements = self.elements_to_change(store);
        elements[range].fill(table::encode(reference));
        Ok(())
    }

    /// Copies `len` elements from one table to another or the same one. Nothing is changed where not all of them exist.
    pub fn copy(store: &mut impl AsContextMut, to: &Table, to_index: u64, from: &Table, from_index: u64, len: u64) -> Result<(), Error> {
        if !ValType::Ref(from.element(store)).is_subtype_of(ValType::Ref(to.element(store))) {
            let (found, expected) = (from.element(store), to.element(store).to_string());
            return Err(Error::ArgumentType { position: 1, found: format!("has elements of type {found}"), expected });
        }
        range(from_index, len, from.elements(store).len())?;
        // SAFETY: tables live as long as their store, which is borrowed mutably.
        let copied = unsafe { (*from.inner.pointer(store)).filled(from_index, len) }.map_or_else(Vec::new, |elements| elements.to_vec());
        let target = range(to_index, len, to.elements(store).len())?;
        let elements = to.elements_to_change(store);
        elements[target].copy_from_slice(&copied);
        Ok(())
    }

    /// Adds `delta` elements and returns the old size, as `table.grow` does.
    pub fn grow(&self, store: &mut impl AsContextMut, delta: u64, init: Val) -> Result<u64, Error> {
        check(store, ValType::Ref(self.element(store)), init)?;
        let table = self.inner.pointer(store);
        let [reference, _] = init.to_raw(store);
        // SAFETY: tables live as long as their store, which is borrowed.
        let grown = unsafe { limits::grow_table(store.as_context_mut().inner, table, delta, reference) };
        grown.map_err(Error::Limiter)?.ok_or_else(|| {
            let size = self.size(store);
            Error::Resource { what: "table", detail: format!("{size} elements can not grow by {delta}") }
        })
    }

    fn elements<'a>(&self, store: &'a mut impl AsContextMut) -> &'a mut [u64] {
        // SAFETY: tables live as long as their store, which is borrowed mutably.
        unsafe { (*self.inner.pointer(store)).stored() }
    }

    fn elements_to_change<'a>(&self, store: &'a mut impl AsContextMut) -> &'a mut [u64] {
        if !planted::has(WatchBug::UnwatchedTables) {
            // SAFETY: tables live as long as their store, which is borrowed mutably.
            unsafe { (*self.inner.pointer(store)).changes() };
        }
        self.elements(store)
    }

    pub(crate) fn inner(&self) -> &Handle<TableInner> {
        &self.inner
    }
}

fn range(start: u64, len: u64, size: usize) -> Result<std::ops::Range<usize>, Error> {
    let end = start.checked_add(len).filter(|&end| end <= size as u64);
    end.map(|end| start as usize..end as usize).ok_or_else(|| {
        let trap = crate::trap::Trap { reason: crate::trap::Reason::Trap(TrapCode::TableOutOfBounds), backtrace: Default::default() };
        Error::from(trap)
    })
}

/// Whether the elements of a table may be this value; `element` has the engine's numbers for types of functions.
fn check(store: &impl AsContext, element: ValType, value: Val) -> Result<(), Error> {
    // SAFETY: contexts are of living stores.
    match unsafe { value.fault(store.as_context().inner, element) } {
        Some(found) => Err(Error::ArgumentType { position: 1, found, expected: element.to_string() }),
        None => Ok(()),
    }
}
