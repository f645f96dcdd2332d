//! Trap codes: why guest code stopped. The interpreter, compiled code's trap tables and the embedder share them.

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $message:literal;)*) => {
        /// The reason of a trap. The discriminants are part of the cache format (trap tables hold them).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum TrapCode { $($(#[$doc])* $name = $value,)* }

        impl TrapCode {
            /// Every code, in the order of the discriminants.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// Decodes a discriminant.
            pub const fn from_byte(byte: u8) -> Option<TrapCode> {
                match byte { $($value => Some(TrapCode::$name),)* _ => None }
            }

            /// The sentence that users see, the same as wasmtime's.
            pub const fn message(self) -> &'static str {
                match self { $(TrapCode::$name => $message,)* }
            }
        }
    };
}

trap_codes! {
    /// The native stack or the interpreter's stack is used up.
    StackOverflow = 1, "call stack exhausted";
    /// An address outside of a memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// `table.get`, `table.set`, `table.init` and the like outside of a table.
    TableOutOfBounds = 3, "undefined element: out of bounds table access";
    /// `call_indirect` of a null element.
    IndirectCallToNull = 4, "uninitialized element";
    /// `call_indirect` of a function with another type.
    BadSignature = 5, "indirect call type mismatch";
    /// Integer arithmetic overflowed.
    IntegerOverflow = 6, "integer overflow";
    /// Division or remainder by zero.
    IntegerDivisionByZero = 7, "integer divide by zero";
    /// A float that is no integer (NaN), or none of that range.
    BadConversionToInteger = 8, "invalid conversion to integer";
    /// The `unreachable` instruction.
    Unreachable = 9, "wasm `unreachable` instruction executed";
    /// Stopped from outside: a signal or a deadline.
    Interrupt = 10, "interrupt";
    /// An atomic access that is not aligned.
    HeapMisaligned = 11, "unaligned atomic";
    /// A null reference where an object was needed.
    NullReference = 12, "null reference";
    /// `memory.atomic.wait` on a memory that is not shared.
    ExpectedShared = 13, "expected shared memory";
    /// `memory.atomic.wait` without a timeout, where no other thread exists that could end it.
    WouldBlockForever = 14, "atomic wait would block forever";
    /// The store's fuel is used up.
    OutOfFuel = 15, "all fuel consumed by WebAssembly";
    /// Compiled code trapped, and the cache's table that tells why does not have its digest. Never in a trap table.
    DamagedCache = 16, "the cache is damaged: what this trap means can not be read from it; copy the file again, or assemble the module again";
}

impl std::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TrapCode {}
