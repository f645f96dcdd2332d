//! What the tests share: modules from text, and a compiler that is told what to do.
#![allow(dead_code)]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use trjit_assemble::options::TierRule;
use trjit_assemble::{Options, Silent, assemble};
use trjit_cache_format::CacheFile;
use trjit_code::*;
use trjit_module::{FuncIndex, Module, TrapCode, TypeIndex};
use trjit_trace::Profile;

/// `LONG` stands for so much code that a body is not inlined where nothing is known of the call.
pub fn module(text: &str) -> Module {
    Module::parse(wat::parse_str(text.replace("LONG", &"nop ".repeat(90))).expect("the test's text is valid"))
        .expect("the test's module is valid")
}

/// Everything gets code.
pub fn options(level: CpuLevel) -> Options {
    Options { level, memory: MemoryStyle::Reserved, fuel: false, threads: Some(2), all: true, unseen_below: 0, tiers: TierRule::default() }
}

/// The cache of a module, read again.
pub fn cache(module: &Module, profile: Option<&Profile>, options: &Options, compiler: &dyn Compiler) -> CacheFile {
    let assembled = assemble(module, profile, options, compiler, &Silent).expect("the module assembles");
    CacheFile::parse(assembled.bytes).expect("the cache parses")
}

/// `count` functions of one type, none of which does anything.
pub fn functions(count: usize) -> Module {
    module(&format!("(module {})", "(func)".repeat(count)))
}

pub const SETTINGS: Settings = Settings { features: CpuFeatures::NONE, memory: MemoryStyle::Reserved, fuel: false };

/// A compiler without translation: a function's code is one call for each of its configured callees, direct or through the jump table
/// as the request says, then its index.
#[derive(Default)]
pub struct Scripted {
    pub calls: HashMap<u32, Vec<u32>>,
    /// Fail always.
    pub fail: HashSet<u32>,
    /// Fail unless every call may be direct.
    pub fail_unless_direct: HashSet<u32>,
    /// Call directly whatever the request says.
    pub stubborn: HashSet<u32>,
    pub compilations: AtomicUsize,
}

const DIRECT: [u8; 5] = [0xe8, 0, 0, 0, 0];
const THROUGH_TABLE: [u8; 5] = [0x0f, 0x1f, 0x44, 0x00, 0x00];
/// Bytes of a call in scripted code.
pub const CALL: usize = 5;

impl Compiler for Scripted {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        self.compilations.fetch_add(1, Ordering::Relaxed);
        let function = request.function;
        let callees = self.calls.get(&function.0).map_or(&[][..], Vec::as_slice);
        let direct = |callee: u32| self.stubborn.contains(&function.0) || request.direct_calls.direct(FuncIndex(callee));
        let unhappy = self.fail_unless_direct.contains(&function.0) && !callees.iter().all(|&callee| direct(callee));
        if unhappy || self.fail.contains(&function.0) {
            return Err(CompileError::TooLarge { function, detail: "as the script says".into() });
        }
        let mut code = CompiledFunction { align: 16, features: request.settings.features, ..CompiledFunction::default() };
        for &callee in callees {
            let offset = code.bytes.len() as u32;
            code.bytes.extend(if direct(callee) { DIRECT } else { THROUGH_TABLE });
            if direct(callee) {
                let target = FuncIndex(callee);
                code.relocations.push(Relocation { offset: offset + 1, kind: RelocationKind::X86PcRel4, target, addend: -4 });
            }
            code.call_sites.push(CallSite { offset: offset + CALL as u32, wasm: function.0 });
        }
        let trap = code.bytes.len() as u32;
        code.traps.push(TrapSite { offset: trap, code: TrapCode::Unreachable, wasm: function.0 });
        code.bytes.extend([0x0f, 0x0b]);
        code.bytes.extend(function.0.to_le_bytes());
        code.bytes.push(request.tier as u8);
        Ok(code)
    }

    fn to_native(&self, _module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(trampoline(0x01, ty, settings))
    }

    fn to_interpreter(&self, _module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(trampoline(0x02, ty, settings))
    }

    fn tail_to_native(&self, _module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(trampoline(0x03, ty, settings))
    }

    fn version(&self) -> String {
        "scripted 1".into()
    }
}

fn trampoline(kind: u8, ty: TypeIndex, settings: Settings) -> CompiledFunction {
    let mut bytes = vec![kind];
    bytes.extend(ty.0.to_le_bytes());
    bytes.push(0xc3);
    CompiledFunction { bytes, align: 16, features: settings.features, ..CompiledFunction::default() }
}

/// A profile in which the functions were entered that often, first in that order.
pub fn profile(module: &Module, entries: &[(u32, u64)]) -> Profile {
    run(module, "test", entries)
}

pub fn run(module: &Module, workload: &str, entries: &[(u32, u64)]) -> Profile {
    let recorder = trjit_trace::Recorder::new(module);
    for &(function, count) in entries {
        let defined = module.defined_index(FuncIndex(function)).expect("the test names defined functions");
        (0..count).for_each(|_| recorder.count_entry(defined));
    }
    let info = trjit_trace::RunInfo { workload: workload.into(), ..trjit_trace::RunInfo::default() };
    Profile::from_trace(module, recorder.finish(info)).expect("the trace is of this module")
}

/// Programs in the text format: those of the repository's fixtures that are modules.
pub fn fixtures() -> Vec<(String, Module)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/wat");
    let files = std::fs::read_dir(directory).expect("the fixtures are part of the repository");
    let mut paths: Vec<_> = files.map(|file| file.expect("a directory entry").path()).collect();
    paths.sort();
    let texts = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "wat"));
    texts
        .filter_map(|path| {
            let wasm = wat::parse_file(path).ok()?;
            Some((path.display().to_string(), Module::parse(wasm).ok()?))
        })
        .collect()
}
