//! What a module wants of its surroundings, by its imports and exports.

use crate::pipeline::ReadModule;
use std::collections::BTreeSet;
use std::path::Path;
use trjit_module::Module;
use trjit_module::flat::kind;

/// What is known of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// It has `_start`. Else it is a library.
    pub command: bool,
    /// Functions that it exports, but for `_start` and `_initialize`.
    pub functions: Vec<String>,
    /// It asks for arguments.
    pub args: bool,
    /// It reads files that were given, such as standard input.
    pub reads: bool,
    /// It opens files.
    pub opens: bool,
    /// Modules that it imports from, but for WASI.
    pub others: BTreeSet<String>,
}

const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

impl Program {
    /// Reads a module; none where it is no module that can be used.
    pub fn of(path: &Path, read: ReadModule<'_>) -> Option<Program> {
        let module = Module::parse(read(path).ok()?).ok()?;
        let mut program = Program::default();
        for import in module.imports() {
            let (from, name) = (module.string(import.module), module.string(import.name));
            if !WASI.contains(&from) {
                program.others.insert(from.to_string());
                continue;
            }
            program.args |= name == "args_get";
            program.reads |= name == "fd_read";
            program.opens |= name == "path_open";
        }
        for export in module.exports().iter().filter(|export| export.kind == kind::FUNC) {
            match module.string(export.name) {
                "_start" => program.command = true,
                "_initialize" => {}
                name => program.functions.push(name.to_string()),
            }
        }
        Some(program)
    }
}
