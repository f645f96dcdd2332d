//! A test case: a module, what it imports, and the calls to make. Everything else follows from it.

use crate::host::HostImport;
use crate::provider;
use crate::rng::Rng;
use crate::shape::{self, Import, Item, Shape};
use crate::value::Value;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use trjit_module::ValType;

/// The export that holds what is left of a call's steps; generators that bound their programs by it must export it under this name.
pub const FUEL: &str = "fuel-of-the-test";

/// The export that tells which indirect call of a module that counts itself has not reached its callee.
pub const PENDING: &str = "pending-call-of-the-test";

/// A call of an export.
#[derive(Clone, Debug)]
pub struct Call {
    pub export: String,
    pub arguments: Vec<Value>,
}

/// A module and a script.
#[derive(Clone, Debug)]
pub struct Case {
    pub wasm: Vec<u8>,
    /// Modules whose instances the module imports from, by import name.
    pub providers: Vec<(String, Vec<u8>)>,
    pub hosts: Vec<HostImport>,
    pub calls: Vec<Call>,
    /// Steps that each call may take, where the module exports [`FUEL`].
    pub fuel: i32,
    pub memories: Vec<String>,
    pub tables: Vec<String>,
    pub globals: Vec<String>,
}

impl Case {
    /// A case for a valid module: each exported function is called `rounds` times.
    pub fn new(wasm: Vec<u8>, rounds: u64, fuel: i32, rng: &mut Rng) -> Result<Case> {
        let shape = shape::of(&wasm)?;
        let mut case = Case {
            wasm,
            providers: Vec::new(),
            hosts: Vec::new(),
            calls: Vec::new(),
            fuel,
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
        };
        case.resolve_imports(&shape)?;
        let functions = case.list_exports(&shape);
        for _ in 0..rounds {
            for (name, params) in &functions {
                let arguments = params.iter().map(|&ty| Value::arbitrary(ty, rng)).collect();
                case.calls.push(Call { export: name.clone(), arguments });
            }
        }
        Ok(case)
    }

    /// Functions come from the host, except where something else comes from the same module: then all of it comes from an instance.
    fn resolve_imports(&mut self, shape: &Shape) -> Result<()> {
        let shape = &distinct(shape)?;
        let other = |import: &&Import| !matches!(import.item, Item::Func { .. });
        let provided: BTreeSet<&str> = shape.imports.iter().filter(other).map(|import| import.module.as_str()).collect();
        for name in provided {
            let imports: Vec<&Import> = shape.imports.iter().filter(|import| import.module == name).collect();
            let wasm = provider::module(&imports).with_context(|| format!("a module that provides `{name}`"))?;
            self.providers.push((name.to_string(), wasm));
        }
        for import in &shape.imports {
            if let (Item::Func { params, results }, false) = (&import.item, self.providers.iter().any(|(name, _)| *name == import.module)) {
                let (module, name) = (import.module.clone(), import.name.clone());
                self.hosts.push(HostImport { module, name, params: params.clone(), results: results.clone() });
            }
        }
        Ok(())
    }

    fn list_exports(&mut self, shape: &Shape) -> Vec<(String, Vec<ValType>)> {
        let mut functions = Vec::new();
        for (name, item) in &shape.exports {
            let name = name.clone();
            match item {
                Item::Func { params, .. } => functions.push((name, params.clone())),
                Item::Memory(_) => self.memories.push(name),
                Item::Table { .. } => self.tables.push(name),
                Item::Global { .. } => self.globals.push(name),
                // What can be seen of a tag is who catches its exceptions.
                Item::Tag { .. } => {}
            }
        }
        functions
    }
}

/// The shape with each import once. A name that is imported twice must mean the same thing both times, or nobody could provide it.
fn distinct(shape: &Shape) -> Result<Shape> {
    let mut imports: Vec<Import> = Vec::new();
    for import in &shape.imports {
        let known = imports.iter().find(|known| known.module == import.module && known.name == import.name);
        match known {
            None => imports.push(import.clone()),
            Some(known) => ensure!(known.item == import.item, "`{}` `{}` is imported with two types", import.module, import.name),
        }
    }
    Ok(Shape { imports, exports: shape.exports.clone() })
}
