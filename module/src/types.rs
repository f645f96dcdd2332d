//! Value types and function types, in the encoding of the binary format.

/// A value type; the discriminant is its byte in the binary format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ValType {
    I32 = 0x7f,
    I64 = 0x7e,
    F32 = 0x7d,
    F64 = 0x7c,
    V128 = 0x7b,
    FuncRef = 0x70,
    ExternRef = 0x6f,
}

impl ValType {
    /// Decodes the byte of the binary format.
    pub const fn from_byte(byte: u8) -> Option<ValType> {
        Some(match byte {
            0x7f => ValType::I32,
            0x7e => ValType::I64,
            0x7d => ValType::F32,
            0x7c => ValType::F64,
            0x7b => ValType::V128,
            0x70 => ValType::FuncRef,
            0x6f => ValType::ExternRef,
            _ => return None,
        })
    }

    /// Whether values of this type are references, which a slot holds as store indices (0 is null).
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::FuncRef | ValType::ExternRef)
    }

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::ExternRef => "externref",
        }
    }
}

impl std::fmt::Display for ValType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A function type as a view over the module's flat tables: one byte a value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FuncType<'a> {
    params: &'a [u8],
    results: &'a [u8],
}

impl<'a> FuncType<'a> {
    /// `params` and `results` hold bytes that [`ValType::from_byte`] knows; others are left out when read.
    pub const fn new(params: &'a [u8], results: &'a [u8]) -> FuncType<'a> {
        FuncType { params, results }
    }

    pub fn params(self) -> impl ExactSizeIterator<Item = ValType> + Clone + 'a {
        self.params.iter().map(|&byte| decode(byte))
    }

    pub fn results(self) -> impl ExactSizeIterator<Item = ValType> + Clone + 'a {
        self.results.iter().map(|&byte| decode(byte))
    }

    /// The parameters' bytes in the binary format.
    pub const fn param_bytes(self) -> &'a [u8] {
        self.params
    }

    /// The results' bytes in the binary format.
    pub const fn result_bytes(self) -> &'a [u8] {
        self.results
    }

    /// Slots that a crossing between interpreted and compiled code needs: arguments come in, results go out, in the same place.
    pub fn crossing_slots(self) -> usize {
        self.params.len().max(self.results.len())
    }
}

/// A byte that no parser of ours wrote reads as `i32`: damaged metadata is caught by the digests, and must not panic here.
fn decode(byte: u8) -> ValType {
    ValType::from_byte(byte).unwrap_or(ValType::I32)
}

impl std::fmt::Debug for FuncType<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for FuncType<'_> {
    /// As the text format writes it: `(param i32 i32) (result i64)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, word: &str, bytes: &[u8]| {
            write!(f, "({word}")?;
            bytes.iter().try_for_each(|&byte| write!(f, " {}", decode(byte)))?;
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
