//! Recording without an interpreter: tests say what happened.
// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::sync::atomic::Ordering;
use trjit_module::{DefinedFuncIndex, FuncIndex, Module};
use trjit_trace::{FunctionProfile, Profile, Recorder, RunInfo};

pub fn parse(text: &str) -> Module {
    Module::parse(wat::parse_str(text).expect("the test's text is right")).expect("the test's module is valid")
}

/// The function of that name.
pub fn index(module: &Module, name: &str) -> FuncIndex {
    let named = (0..module.function_count()).map(FuncIndex).find(|&function| module.func_name(function) == Some(name));
    named.unwrap_or_else(|| panic!("no function {name}"))
}

pub fn defined(module: &Module, name: &str) -> DefinedFuncIndex {
    module.defined_index(index(module, name)).expect("a defined function")
}

/// What the profile says about the function of that name.
pub fn of<'a>(profile: &'a Profile, module: &Module, name: &str) -> Option<&'a FunctionProfile> {
    profile.function(defined(module, name))
}

/// Enters functions `times`, and takes each of their branches (not call sites) once more than its position says for each entry.
pub fn enter(recorder: &Recorder, module: &Module, name: &str, times: u64) {
    let function = defined(module, name);
    let record = module.functions()[function.index()];
    for _ in 0..times {
        recorder.count_entry(function);
        for position in 0..record.side_table_len {
            recorder.branches()[(record.side_table_start + position) as usize].fetch_add(1 + u64::from(position), Ordering::Relaxed);
        }
    }
}

/// A run with some name that ended well.
pub fn info(workload: &str) -> RunInfo {
    RunInfo { workload: workload.into(), weight: 1, seconds: 0.25, ended: "exit 0".into() }
}
