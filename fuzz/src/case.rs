//! A test case: a module, what it imports, and the calls to make. Everything else follows from it.

use crate::host::HostImport;
use crate::provider;
use crate::rng::Rng;
use crate::value::Value;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use trjit_module::ValType;
use wasmi::ExternType;

/// The export that holds what is left of a call's steps; generators that bound their programs by it must export it under this name.
pub const FUEL: &str = "fuel-of-the-test";

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
        let module = wasmi::Module::new(&wasmi::Engine::default(), &wasm).context("the generated module")?;
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
        case.resolve_imports(&module)?;
        let functions = case.list_exports(&module);
        for _ in 0..rounds {
            for (name, params) in &functions {
                let arguments = params.iter().map(|&ty| Value::arbitrary(ty, rng)).collect();
                case.calls.push(Call { export: name.clone(), arguments });
            }
        }
        Ok(case)
    }

    /// Functions come from the host, except where something else comes from the same module: then all of it comes from an instance.
    fn resolve_imports(&mut self, module: &wasmi::Module) -> Result<()> {
        let other = |ty: &ExternType| !matches!(ty, ExternType::Func(_));
        let provided: BTreeSet<String> =
            module.imports().filter(|import| other(import.ty())).map(|import| import.module().to_string()).collect();
        for name in provided {
            let imports: Vec<_> = module.imports().filter(|import| import.module() == name).collect();
            let wasm = provider::module(&imports).with_context(|| format!("a module that provides `{name}`"))?;
            self.providers.push((name, wasm));
        }
        for import in module.imports() {
            if let (ExternType::Func(ty), false) = (import.ty(), self.providers.iter().any(|(name, _)| name == import.module())) {
                let (params, results) = (value_types(ty.params()), value_types(ty.results()));
                self.hosts.push(HostImport { module: import.module().to_string(), name: import.name().to_string(), params, results });
            }
        }
        Ok(())
    }

    fn list_exports(&mut self, module: &wasmi::Module) -> Vec<(String, Vec<ValType>)> {
        let mut functions = Vec::new();
        for export in module.exports() {
            let name = export.name().to_string();
            match export.ty() {
                ExternType::Func(ty) => functions.push((name, value_types(ty.params()))),
                ExternType::Memory(_) => self.memories.push(name),
                ExternType::Table(_) => self.tables.push(name),
                ExternType::Global(_) => self.globals.push(name),
            }
        }
        functions
    }
}

/// The outside engine's types as ours.
pub fn value_types(types: &[wasmi::ValType]) -> Vec<ValType> {
    types.iter().map(|&ty| value_type(ty)).collect()
}

pub fn value_type(ty: wasmi::ValType) -> ValType {
    match ty {
        wasmi::ValType::I32 => ValType::I32,
        wasmi::ValType::I64 => ValType::I64,
        wasmi::ValType::F32 => ValType::F32,
        wasmi::ValType::F64 => ValType::F64,
        wasmi::ValType::V128 => ValType::V128,
        wasmi::ValType::FuncRef => ValType::FUNCREF,
        wasmi::ValType::ExternRef => ValType::EXTERNREF,
    }
}
