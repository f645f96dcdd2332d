//! A unit of the text: its code, and its name in object files.

use trjit_cache_format::CodeItem;
use trjit_code::{CompiledFunction, Tier};
use trjit_module::{FuncIndex, TypeIndex};

/// A compiled unit, not yet placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub what: CodeItem,
    /// `None` for trampolines.
    pub tier: Option<Tier>,
    pub code: CompiledFunction,
}

/// The symbol of a unit in relocatable objects: `function.12`, `to_native.3`, `to_interpreter.3`, `tail_to_native.3`.
pub fn symbol(what: CodeItem) -> String {
    match what {
        CodeItem::Function(function) => format!("function.{function}"),
        CodeItem::ToNative(ty) => format!("to_native.{ty}"),
        CodeItem::TailToNative(ty) => format!("tail_to_native.{ty}"),
        CodeItem::ToInterpreter(ty) => format!("to_interpreter.{ty}"),
    }
}

/// The inverse of [`symbol`].
pub fn from_symbol(symbol: &str) -> Option<CodeItem> {
    let (kind, index) = symbol.split_once('.')?;
    let index = index.parse().ok()?;
    match kind {
        "function" => Some(CodeItem::Function(FuncIndex(index))),
        "tail_to_native" => Some(CodeItem::TailToNative(TypeIndex(index))),
        "to_native" => Some(CodeItem::ToNative(TypeIndex(index))),
        "to_interpreter" => Some(CodeItem::ToInterpreter(TypeIndex(index))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_read_back() {
        for what in [
            CodeItem::Function(FuncIndex(0)),
            CodeItem::ToNative(TypeIndex(7)),
            CodeItem::TailToNative(TypeIndex(2)),
            CodeItem::ToInterpreter(TypeIndex(u32::MAX)),
        ] {
            assert_eq!(from_symbol(&symbol(what)), Some(what));
        }
        for wrong in ["function", "function.", "function.x", "function.-1", "data.1", ""] {
            assert_eq!(from_symbol(wrong), None, "{wrong}");
        }
    }
}
