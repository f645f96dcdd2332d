//! The module `spectest` that scripts import: functions of the host that do nothing, and a memory, tables and globals.
//!
//! It is a module like any other, whose functions are re-exported imports, so that every mode meets host functions through another instance, too.

use anyhow::{Context, Result};
use trjit_module::ValType::{self, F32, F64, I32, I64};
use trjit_runtime::{Linker, OwnedFuncType};

const FUNCTIONS: &[(&str, &[ValType])] = &[
    ("print", &[]),
    ("print_i32", &[I32]),
    ("print_i64", &[I64]),
    ("print_f32", &[F32]),
    ("print_f64", &[F64]),
    ("print_i32_f32", &[I32, F32]),
    ("print_f64_f64", &[F64, F64]),
];

/// The name under which the host's own functions are defined.
const HOST: &str = "spectest host";

const FIELDS: &[&str] = &[
    r#"(global (export "global_i32") i32 (i32.const 666))"#,
    r#"(global (export "global_i64") i64 (i64.const 666))"#,
    r#"(global (export "global_f32") f32 (f32.const 666.6))"#,
    r#"(global (export "global_f64") f64 (f64.const 666.6))"#,
    r#"(table (export "table") 10 20 funcref)"#,
    r#"(table (export "table64") i64 10 20 funcref)"#,
    r#"(memory (export "memory") 1 2)"#,
    r#"(memory (export "shared_memory") 1 2 shared)"#,
];

/// The module's bytes.
pub fn module() -> Result<Vec<u8>> {
    let functions = FUNCTIONS.iter().map(|(name, params)| {
        let params: String = params.iter().map(|ty| format!(" {ty}")).collect();
        format!("(func (export {name:?}) (import {HOST:?} {name:?}) (param{params}))")
    });
    let text: String = functions.chain(FIELDS.iter().map(|field| field.to_string())).collect();
    wat::parse_str(format!("(module {text})")).context("the module `spectest`")
}

/// Defines what the module imports.
pub fn define(linker: &mut Linker<()>) {
    for (name, params) in FUNCTIONS {
        linker.func_raw(HOST, name, OwnedFuncType::new(params.iter().copied(), []), |_, _| Ok(()));
    }
}
