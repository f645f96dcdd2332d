//! Value types and function types. In flat tables and types a value type is one `u32`, its *code*:
//!
//! ```text
//! bits 0..8    the byte of the binary format (i32 0x7f .. v128 0x7b, func 0x70, extern 0x6f, exn 0x69, noexn 0x74); 0 with bit 9
//! bit 8        a reference that is never null
//! bit 9        a reference to functions of one type, whose index stands in bits 12..32
//! ```

use crate::index::TypeIndex;

/// A value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType {
    I32,
    I64,
    F32,
    F64,
    V128,
    Ref(RefType),
}

/// A reference type. In slots all references are one word: 0 is null, others are the store's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    pub nullable: bool,
    pub heap: HeapType,
}

/// What a reference refers to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeapType {
    Func,
    Extern,
    Exn,
    /// No exception: null alone.
    NoExn,
    /// Functions of one type of the module.
    Concrete(TypeIndex),
}

const NON_NULL: u32 = 1 << 8;
const CONCRETE: u32 = 1 << 9;
const INDEX_SHIFT: u32 = 12;

impl HeapType {
    const fn code(self) -> u32 {
        match self {
            HeapType::Func => 0x70,
            HeapType::Extern => 0x6f,
            HeapType::Exn => 0x69,
            HeapType::NoExn => 0x74,
            // The validator allows a million types.
            HeapType::Concrete(ty) => CONCRETE | ty.0 << INDEX_SHIFT,
        }
    }

    const fn from_code(code: u32) -> Option<HeapType> {
        Some(match code {
            0x70 => HeapType::Func,
            0x6f => HeapType::Extern,
            0x69 => HeapType::Exn,
            0x74 => HeapType::NoExn,
            _ if code & ((1 << INDEX_SHIFT) - 1) == CONCRETE => HeapType::Concrete(TypeIndex(code >> INDEX_SHIFT)),
            _ => return None,
        })
    }
}

impl RefType {
    pub const FUNCREF: RefType = RefType::new(true, HeapType::Func);
    pub const EXTERNREF: RefType = RefType::new(true, HeapType::Extern);
    pub const EXNREF: RefType = RefType::new(true, HeapType::Exn);

    pub const fn new(nullable: bool, heap: HeapType) -> RefType {
        RefType { nullable, heap }
    }

    /// Whether values of this type are references to functions.
    pub const fn is_func(self) -> bool {
        matches!(self.heap, HeapType::Func | HeapType::Concrete(_))
    }
}

impl ValType {
    pub const FUNCREF: ValType = ValType::Ref(RefType::FUNCREF);
    pub const EXTERNREF: ValType = ValType::Ref(RefType::EXTERNREF);
    pub const EXNREF: ValType = ValType::Ref(RefType::EXNREF);

    /// The number in flat tables.
    pub const fn code(self) -> u32 {
        match self {
            ValType::I32 => 0x7f,
            ValType::I64 => 0x7e,
            ValType::F32 => 0x7d,
            ValType::F64 => 0x7c,
            ValType::V128 => 0x7b,
            ValType::Ref(RefType { nullable: true, heap }) => heap.code(),
            ValType::Ref(RefType { nullable: false, heap }) => heap.code() | NON_NULL,
        }
    }

    /// Decodes [`code`](ValType::code).
    pub const fn from_code(code: u32) -> Option<ValType> {
        Some(match code {
            0x7f => ValType::I32,
            0x7e => ValType::I64,
            0x7d => ValType::F32,
            0x7c => ValType::F64,
            0x7b => ValType::V128,
            _ => match HeapType::from_code(code & !NON_NULL) {
                Some(heap) => ValType::Ref(RefType { nullable: code & NON_NULL == 0, heap }),
                None => return None,
            },
        })
    }

    /// Whether values of this type are references, which a slot holds as store indices (0 is null).
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::Ref(_))
    }

    /// Whether a value of type `self` may stand where `other` is expected. Types of functions must be numbered alike in both, and the same number must mean the
    /// same type.
    pub fn is_subtype_of(self, other: ValType) -> bool {
        match (self, other) {
            (ValType::Ref(own), ValType::Ref(other)) => {
                let heap = own.heap == other.heap
                    || matches!((own.heap, other.heap), (HeapType::Concrete(_), HeapType::Func) | (HeapType::NoExn, HeapType::Exn));
                heap && (other.nullable || !own.nullable)
            }
            _ => self == other,
        }
    }
}

impl std::fmt::Display for HeapType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeapType::Func => f.write_str("func"),
            HeapType::Extern => f.write_str("extern"),
            HeapType::Exn => f.write_str("exn"),
            HeapType::NoExn => f.write_str("noexn"),
            HeapType::Concrete(ty) => write!(f, "{}", ty.0),
        }
    }
}

impl std::fmt::Display for RefType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::Func | HeapType::Extern | HeapType::Exn) => write!(f, "{}ref", self.heap),
            (true, HeapType::NoExn) => f.write_str("nullexnref"),
            (true, heap) => write!(f, "(ref null {heap})"),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

impl std::fmt::Display for ValType {
    /// The name in the text format.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(ty) => write!(f, "{ty}"),
        }
    }
}

/// A function type as a view over the module's flat tables: one code a value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FuncType<'a> {
    params: &'a [u32],
    results: &'a [u32],
}

impl<'a> FuncType<'a> {
    /// `params` and `results` hold codes that [`ValType::from_code`] knows; others read as i32.
    pub const fn new(params: &'a [u32], results: &'a [u32]) -> FuncType<'a> {
        FuncType { params, results }
    }

    pub fn params(self) -> impl ExactSizeIterator<Item = ValType> + Clone + 'a {
        self.params.iter().map(|&code| decode(code))
    }

    pub fn results(self) -> impl ExactSizeIterator<Item = ValType> + Clone + 'a {
        self.results.iter().map(|&code| decode(code))
    }

    /// The parameters' codes.
    pub const fn param_codes(self) -> &'a [u32] {
        self.params
    }

    /// The results' codes.
    pub const fn result_codes(self) -> &'a [u32] {
        self.results
    }

    /// Words (of 8 bytes) of each slot in a crossing between interpreted, compiled and host code: 2 where the type has a v128, else 1.
    pub fn slot_words(self) -> usize {
        if self.params.iter().chain(self.results).any(|&code| code == ValType::V128.code()) { 2 } else { 1 }
    }

    /// Words of each slot of results that go to memory in compiled code ([`MAX_REG_RESULTS`](crate::vm::MAX_REG_RESULTS)): 2 where one of them is a v128, else 1.
    /// The parameters do not count, so that the callee of a tail call, which has other ones, writes the slots that its caller's caller reads.
    pub fn result_words(self) -> usize {
        FuncType { params: &[], results: self.results }.slot_words()
    }

    /// Words that a crossing needs: arguments come in, results go out, in the same place.
    pub fn crossing_words(self) -> usize {
        self.params.len().max(self.results.len()) * self.slot_words()
    }
}

/// A code that no parser of ours wrote reads as `i32`: damaged metadata is caught by the digests, and must not panic here.
fn decode(code: u32) -> ValType {
    ValType::from_code(code).unwrap_or(ValType::I32)
}

impl std::fmt::Debug for FuncType<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for FuncType<'_> {
    /// As the text format writes it: `(param i32 i32) (result i64)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, word: &str, codes: &[u32]| {
            write!(f, "({word}")?;
            codes.iter().try_for_each(|&code| write!(f, " {}", decode(code)))?;
            write!(f, ")")
        };
        match (self.params.is_empty(), self.results.is_empty()) {
            (true, true) => write!(f, "(func)"),
            (false, true) => list(f, "param", self.params),
            (true, false) => list(f, "result", self.results),
            (false, false) => {
                list(f, "param", self.params)?;
                write!(f, " ")?;
                list(f, "result", self.results)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        let heaps = [
            HeapType::Func,
            HeapType::Extern,
            HeapType::Exn,
            HeapType::NoExn,
            HeapType::Concrete(TypeIndex(0)),
            HeapType::Concrete(TypeIndex(999_999)),
        ];
        let references = heaps.iter().flat_map(|&heap| [true, false].map(|nullable| ValType::Ref(RefType { nullable, heap })));
        for ty in [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128].into_iter().chain(references) {
            assert_eq!(ValType::from_code(ty.code()), Some(ty));
        }
        assert_eq!(ValType::from_code(0), None);
        assert_eq!(ValType::from_code(0x7f | NON_NULL), None);
    }

    #[test]
    fn a_typed_reference_is_a_funcref() {
        let concrete = ValType::Ref(RefType::new(false, HeapType::Concrete(TypeIndex(3))));
        assert!(concrete.is_subtype_of(ValType::FUNCREF));
        assert!(!ValType::FUNCREF.is_subtype_of(concrete));
        assert!(!concrete.is_subtype_of(ValType::EXTERNREF));
    }
}
