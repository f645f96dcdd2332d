//! Index newtypes: one for each index space of a module, so that an index can not be used in another space.

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The index as a position in an array.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

index_types! {
    /// A function of the module's index space: imported functions first, then defined ones.
    FuncIndex;
    /// A function with a body; `FuncIndex` less the number of imported functions.
    DefinedFuncIndex;
    /// A function type of the module.
    TypeIndex;
    /// A table, imported ones first.
    TableIndex;
    /// A memory, imported ones first.
    MemoryIndex;
    /// A global, imported ones first.
    GlobalIndex;
    /// An element segment.
    ElemIndex;
    /// A data segment.
    DataIndex;
}
