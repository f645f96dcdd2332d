//! How a piece of code is called in logs and by profilers.

use trjit_cache_format::CodeItem;
use trjit_module::{FuncIndex, Module};
use trjit_runtime::{Purpose, Task};

/// A function's name, on one line whatever it contains; those without one are called as in backtraces.
pub fn function(module: &Module, function: FuncIndex) -> String {
    match module.func_name(function) {
        Some(name) if !name.is_empty() => name.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        _ => format!("<wasm function {function}>"),
    }
}

/// What code is for: `function`, `function @ 0x1a2b` for a loop and `function from 0x1a2b` for a bridge (offsets in the wasm file), or a crossing.
pub fn purpose(module: &Module, purpose: Purpose) -> String {
    match purpose {
        Purpose::Function(index) => function(module, index),
        Purpose::Loop(index, offset) => format!("{} @ {:#x}", function(module, index), module.wasm_offset(offset)),
        Purpose::Bridge(index, offset) => format!("{} from {:#x}", function(module, index), module.wasm_offset(offset)),
        Purpose::ToNative(ty) => format!("trampoline.to_native[{ty}]"),
        Purpose::ToInterpreter(ty) => format!("trampoline.to_interpreter[{ty}]"),
        Purpose::TailToNative(ty) => format!("trampoline.tail_to_native[{ty}]"),
        other => format!("{other:?}"),
    }
}

/// The symbol of code made in this process: as above, with its tier.
pub fn symbol(module: &Module, task: Task) -> String {
    let name = purpose(module, task.purpose);
    task.tier.map_or_else(|| name.clone(), |tier| format!("{name} [{}]", tier.name()))
}

/// The symbol of a piece of a cache's text, as its ELF symbol table has it, with the tier.
pub fn cached_symbol(module: &Module, what: CodeItem, tier: Option<trjit_code::Tier>) -> String {
    let name = match what {
        CodeItem::Function(index) => function(module, index),
        CodeItem::ToNative(ty) => purpose(module, Purpose::ToNative(ty)),
        CodeItem::ToInterpreter(ty) => purpose(module, Purpose::ToInterpreter(ty)),
        CodeItem::TailToNative(ty) => purpose(module, Purpose::TailToNative(ty)),
    };
    tier.map_or_else(|| name.clone(), |tier| format!("{name} [cached {}]", tier.name()))
}
