//! Shared by the tests: modules to compile, and ways to walk them.
#![allow(dead_code)]

use std::path::Path;
use trjit_code::{
    CompileError, CompileRequest, CompiledFunction, Compiler, CpuLevel, DirectCalls, Entry, MemoryStyle, NoAssumptions, NoCounts,
    NoDirectCalls, Settings, Tier,
};
use trjit_compile::CraneliftCompiler;
use trjit_module::wasmparser::Operator;
use trjit_module::{FuncIndex, Module, body_reader};

/// All defined functions lie in one text.
pub struct AllDirect;

impl DirectCalls for AllDirect {
    fn direct(&self, _callee: FuncIndex) -> bool {
        true
    }
}

/// One way to compile.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub tier: Tier,
    pub settings: Settings,
    pub direct: bool,
}

impl Way {
    /// Every tier, memory style, kind of call, at the lowest and the highest CPU level.
    pub fn all() -> Vec<Way> {
        let mut ways = Vec::new();
        for &tier in Tier::ALL {
            for level in [CpuLevel::V1, CpuLevel::V3] {
                for memory in [MemoryStyle::Reserved, MemoryStyle::Checked] {
                    for direct in [false, true] {
                        ways.push(Way { tier, settings: Settings { features: level.features(), memory, fuel: false }, direct });
                    }
                }
            }
        }
        ways
    }

    pub fn plain(tier: Tier) -> Way {
        Way { tier, settings: Settings { features: CpuLevel::V1.features(), memory: MemoryStyle::Reserved, fuel: false }, direct: false }
    }

    pub fn compile(
        self,
        compiler: &CraneliftCompiler,
        module: &Module,
        function: FuncIndex,
        entry: Entry,
    ) -> Result<CompiledFunction, CompileError> {
        let direct_calls: &dyn DirectCalls = if self.direct { &AllDirect } else { &NoDirectCalls };
        compiler.compile(&CompileRequest {
            module,
            function,
            tier: self.tier,
            entry,
            settings: self.settings,
            direct_calls,
            counts: &NoCounts,
            assumptions: &NoAssumptions,
        })
    }
}

pub fn module(text: &str) -> Module {
    Module::parse(wat::parse_str(text).expect("the test's text is well-formed")).expect("the test's module is valid")
}

/// The text-format programs of the repository that this build can parse, by name.
pub fn fixtures() -> Vec<(String, Module)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/wat");
    let mut found: Vec<(String, Module)> = std::fs::read_dir(&folder)
        .expect("the fixtures are beside this crate")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .filter_map(|path| {
            let module = Module::parse(wat::parse_file(&path).ok()?).ok()?;
            Some((path.file_stem()?.to_string_lossy().into_owned(), module))
        })
        .collect();
    found.sort_by(|x, y| x.0.cmp(&y.0));
    assert!(found.len() > 10, "only {} fixtures were found", found.len());
    found
}

pub fn defined(module: &Module) -> impl Iterator<Item = FuncIndex> {
    (module.imported_functions()..module.function_count()).map(FuncIndex)
}

/// Calls `visit` with each instruction, its position, the position behind it, and whether validation finds it reachable.
pub fn walk(module: &Module, function: FuncIndex, mut visit: impl FnMut(&Operator<'_>, u32, u32, bool)) {
    let record = module.function(function).expect("the function is defined");
    let mut reader = body_reader(module, record).expect("a body").get_operators_reader().expect("the body is valid");
    // For each open frame: whether it was opened in reachable code.
    let mut frames = vec![true];
    let mut reachable = true;
    while !frames.is_empty() {
        let (operator, position) = reader.read_with_offset().expect("the body is valid");
        visit(&operator, position as u32, reader.original_position() as u32, reachable);
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => frames.push(reachable),
            // Behind a frame opened in reachable code there may be nothing reachable: over-approximated, as no caller minds.
            Operator::End => reachable = frames.pop().expect("a frame is open"),
            Operator::Else => reachable = *frames.last().expect("a frame is open"),
            Operator::Br { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => reachable = false,
            _ => {}
        }
    }
}

/// A module with every kind of thing that a body can refer to.
pub const EVERYTHING: &str = r#"(module
  (type $seven (func (param i32 f32 f64 i64 externref) (result i32 f32 f64 i64 externref i32 f32)))
  (type $pair (func (param i32 i64) (result i64 i32)))
  (import "env" "f" (func $imported (param i32 f64) (result f64)))
  (import "env" "g" (global $far (mut f32)))
  (memory 1 3)
  (table $t 4 8 funcref)
  (table $x 2 externref)
  (elem $e (table $t) (i32.const 0) func $swap $imported)
  (elem $p func $swap)
  (data $d "passive")
  (global $sp (mut i32) (i32.const 1024))
  (global $wide (mut f64) (f64.const 0))
  (func $swap (type $pair) local.get 1 local.get 0)
  (func $many (type $seven) local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 local.get 0 local.get 1)
  (func $calls (param i32 externref) (result f32)
    (local f32)
    i32.const 1 f32.const 2 f64.const 3 i64.const 4 local.get 1 call $many local.set 2 drop drop drop drop drop drop
    i32.const 1 f32.const 2 f64.const 3 i64.const 4 local.get 1 local.get 0 call_indirect $t (type $seven) local.set 2 drop drop drop drop drop drop
    i32.const 5 i64.const 6 local.get 0 call_indirect $t (type $pair) drop drop
    local.get 0 f64.const 1 call $imported f32.demote_f64 local.get 2 f32.add)
  (func $floats (param f32 f64) (result f64)
    (f64.add (f64.promote_f32 (f32.ceil (f32.floor (f32.trunc (f32.nearest (f32.min (local.get 0) (global.get $far)))))))
             (f64.ceil (f64.floor (f64.trunc (f64.nearest (f64.copysign (local.get 1) (global.get $wide))))))))
  (func $ints (param i32 i64) (result i64)
    (i64.add (i64.extend_i32_u (i32.div_s (local.get 0) (i32.popcnt (local.get 0))))
             (i64.rem_u (local.get 1) (i64.extend8_s (i64.trunc_f32_u (f32.convert_i64_u (local.get 1)))))))
  (func $sat (param f32 f64) (result i64)
    (i64.add (i64.extend_i32_s (i32.trunc_sat_f32_u (local.get 0))) (i64.trunc_sat_f64_s (local.get 1))))
  (func $bulk (param i32 externref)
    (memory.init $d (local.get 0) (i32.const 0) (i32.const 3))
    (memory.copy (i32.const 0) (local.get 0) (i32.const 9))
    (memory.fill (i32.const 0) (local.get 0) (memory.size))
    (drop (memory.grow (local.get 0)))
    (data.drop $d) (elem.drop $p)
    (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1))
    (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))
    (table.fill $x (i32.const 0) (local.get 1) (i32.const 2))
    (drop (table.grow $x (local.get 1) (i32.const 1)))
    (table.set $x (local.get 0) (table.get $x (table.size $x)))
    (table.set $t (i32.const 0) (ref.func $swap))
    (drop (ref.is_null (ref.null func)))
    (global.set $far (f32.const 1)) (global.set $sp (i32.sub (global.get $sp) (i32.const 16))))
  (func $memory (param i32) (result i64)
    (i64.store32 offset=0xfffffff0 (local.get 0) (i64.const 1))
    (f32.store offset=40 (local.get 0) (f32.const 1))
    (i32.store8 (i32.const 0x7ffffff0) (i32.const 1))
    (i64.add (i64.load16_s offset=0x2000000 (local.get 0)) (i64.load32_u offset=3 align=1 (local.get 0))))
  (func $control (param i32) (result i32 i64)
    i32.const 1
    i64.const 2
    (block (param i32 i64) (result i64 i32)
      (loop (param i32 i64) (result i64 i32)
        call $swap
        (br_if 1 (i32.eqz (f32.lt (f32.const 1) (global.get $far))))
        call $mirror
        (br_if 0 (i32.lt_u (local.get 0) (i32.const 3)))
        call $swap
        (if (param i64 i32) (result i64 i32) (i32.eqz (local.get 0)) (then (br_table 0 2 0 2 (local.get 0))))
      )
    )
    call $mirror)
  (func $mirror (param i64 i32) (result i32 i64) local.get 1 local.get 0)
  (func $dead (result i32)
    (block (result i32) (br 0 (i32.const 1)) (loop (br 0)) (if (i32.const 1) (then unreachable) (else nop)) unreachable))
  (func $nested (param i32) (result i32)
    (i32.add (i32.const 7)
      (i32.add (i32.eqz (local.get 0))
        (loop $outer (result i32)
          (i32.add (local.get 0)
            (loop $inner (result i32)
              (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
              (br_if $inner (i32.gt_s (local.get 0) (i32.const 10)))
              (br_if $outer (local.get 0))
              (local.get 0)))))))
  (func $around (param i32 i64) (result i64)
    (i64.const 5)
    (loop $outer (param i64) (result i64)
      (i64.const 6)
      (i32.eqz (local.get 0))
      (block $past
        (br_if $past (local.get 0))
        (if (local.get 0)
          (then (loop $first (br_if $first (i32.lt_s (local.get 0) (i32.const 3)))))
          (else (loop $second (br_if $past (i64.eqz (local.get 1))) (br_if $second (local.get 0))))))
      (if (param i64 i32) (result i64) (local.get 0) (then drop) (else i64.extend_i32_u i64.add))
      (i64.add)
      (br_if $outer (i64.eqz (local.get 1)))))
  (func (export "start") nop)
)"#;
