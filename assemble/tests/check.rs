//! Check mode: what is right passes, and each way in which a cache can be wrong is found. The wrong ones are well-formed files: every digest fits.

mod common;

use bytes::Bytes;
use common::{cache, fixtures, module, options, profile};
use trjit_assemble::check::{CheckError, Checked, Fault, Violation, check};
use trjit_assemble::{Options, Silent};
use trjit_cache_format::{Builder, CacheBuilder, CacheFile, CodeItem, Edge, LinkedText, PlacedFunction, ProfileSource, write};
use trjit_code::{
    CallSite, CompileError, CompileRequest, CompiledFunction, Compiler, CpuFeatures, CpuLevel, HandlerSite, MemoryStyle, Settings, Tier,
    TrapSite,
};
use trjit_compile::CraneliftCompiler;
use trjit_module::{FuncIndex, Module, TrapCode, TypeIndex};

/// Functions 1 and 2 are of one shape, 3 has a jump table, 4 constants, 5 what higher CPU levels do better.
const PROGRAM: &str = r#"(module
  (import "env" "log" (func $log (param i32)))
  (memory 1)
  (func $one (param i32) (result i32) LONG (i32.div_u (i32.const 11) (local.get 0)))
  (func $two (param i32) (result i32) LONG (i32.div_u (i32.const 22) (local.get 0)))
  (func $table (param i32) (result i32)
    (block (block (block (block (block (br_table 0 1 2 3 4 (local.get 0)))
      (return (call $one (i32.const 1)))) (return (i32.load (local.get 0)))) (return (i32.const 3))) (call $log (i32.const 4)))
    (call $two (local.get 0)))
  (func $constants (param f64) (result f64)
    (f64.add (f64.const 0.1) (f64.abs (f64.mul (local.get 0) (f64.const 123.456)))))
  (func $level (param i64 f64) (result f64)
    (f64.add (f64.nearest (local.get 1))
      (f64.convert_i64_u (i64.add (i64.popcnt (local.get 0)) (i64.add (i64.clz (local.get 0)) (i64.shl (local.get 0) (i64.clz (local.get 0)))))))))"#;

fn judge(file: &CacheFile, module: &Module, options: &Options, compiler: &dyn Compiler) -> Result<Checked, Vec<Violation>> {
    match check(file, module, None, options, compiler, &Silent) {
        Ok(checked) => Ok(checked),
        Err(CheckError::Violations(violations)) => {
            assert!(violations.total >= violations.found.len() && !violations.found.is_empty());
            Err(violations.found)
        }
        Err(other) => panic!("{other}"),
    }
}

fn faults(result: Result<Checked, Vec<Violation>>) -> Vec<Fault> {
    result.expect_err("the cache is wrong").into_iter().map(|violation| violation.fault).collect()
}

/// What the file's text and tables are, to change them.
fn text_of(file: &CacheFile) -> LinkedText {
    LinkedText {
        bytes: file.text().to_vec(),
        functions: file.functions().iter().collect(),
        traps: file.traps().iter().collect(),
        calls: file.calls().iter().collect(),
        inlined: file.inlined().to_vec(),
        handlers: file.handlers().iter().collect(),
        edges: file.edges().iter().collect(),
    }
}

/// A file with another text, its digests made anew.
fn forge(file: &CacheFile, module: &Module, level: CpuLevel, change: impl FnOnce(&mut LinkedText)) -> CacheFile {
    let mut text = text_of(file);
    change(&mut text);
    let settings = Settings { features: level.features(), memory: MemoryStyle::Reserved, fuel: false };
    let builder = Builder::current(CraneliftCompiler::default().version());
    let code = trjit_cache_format::code::encode(module).expect("the module is whole");
    let bytes = write(CacheBuilder { module, settings, level, text, code, profile: ProfileSource::All, builder }).expect("well-formed");
    CacheFile::parse(Bytes::from(bytes)).expect("the cache parses")
}

/// The faults of a forged file of [`PROGRAM`].
fn forged(change: impl FnOnce(&mut LinkedText)) -> Vec<Fault> {
    forged_from(PROGRAM, change)
}

fn forged_from(program: &str, change: impl FnOnce(&mut LinkedText)) -> Vec<Fault> {
    let (module, compiler) = (module(program), CraneliftCompiler::default());
    let options = options(CpuLevel::V2);
    let file = forge(&cache(&module, None, &options, &compiler), &module, CpuLevel::V2, change);
    faults(judge(&file, &module, &options, &compiler))
}

fn position(text: &LinkedText, function: u32) -> usize {
    let is = |placed: &PlacedFunction| placed.what == CodeItem::Function(FuncIndex(function));
    text.functions.iter().position(is).expect("the function has code")
}

#[test]
fn what_was_assembled_passes_on_every_level_and_memory_style() {
    let compiler = CraneliftCompiler::default();
    let mut instructions = 0;
    for (name, module) in fixtures().into_iter().chain([("program".to_string(), module(PROGRAM))]) {
        for (level, memory) in
            [(CpuLevel::V1, MemoryStyle::Checked), (CpuLevel::V2, MemoryStyle::Reserved), (CpuLevel::V3, MemoryStyle::Reserved)]
        {
            let options = Options { memory, ..options(level) };
            let file = cache(&module, None, &options, &compiler);
            let checked = judge(&file, &module, &options, &compiler).unwrap_or_else(|found| panic!("{name} on {level:?}: {found:#?}"));
            assert_eq!(checked.functions as usize + checked.trampolines as usize, file.functions().len());
            instructions += checked.instructions;
        }
    }
    assert!(instructions > 10_000, "{instructions}");
    // The cheap tier's code looks different.
    let cheap = Liar::new(CpuLevel::V2, Tier::A1);
    for (name, module) in fixtures().into_iter().chain([("program".to_string(), module(PROGRAM))]) {
        let file = cache(&module, None, &options(CpuLevel::V2), &cheap);
        judge(&file, &module, &options(CpuLevel::V2), &cheap).unwrap_or_else(|found| panic!("{name} in A1: {found:#?}"));
    }
}

#[test]
fn what_a_profile_selects_passes_in_both_tiers_and_any_number_of_threads() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let recorded = profile(&module, &[(5, 1), (4, 9), (3, 1), (1, 3)]);
    let options = Options { all: false, ..options(CpuLevel::V3) };
    let file = cache(&module, Some(&recorded), &options, &compiler);
    for threads in [1, 3] {
        let options = Options { threads: Some(threads), ..options.clone() };
        let checked = check(&file, &module, Some(&recorded), &options, &compiler, &Silent).expect("the cache is right");
        assert_eq!((checked.functions, checked.trampolines), (4, 3 * module.types().len() as u32));
    }
    // With another profile the plan is another.
    let other = profile(&module, &[(4, 9), (5, 9), (2, 1)]);
    let Err(CheckError::Violations(differs)) = check(&file, &module, Some(&other), &options, &compiler, &Silent) else {
        panic!("the plan differs");
    };
    let has = |fault: fn(&Fault) -> bool| differs.found.iter().any(|violation| fault(&violation.fault));
    assert!(has(|fault| matches!(fault, Fault::Unplanned)) && has(|fault| matches!(fault, Fault::Missing)), "{differs}");
    assert!(
        has(|fault| matches!(fault, Fault::Order { .. })) && has(|fault| matches!(fault, Fault::Manifest { what: "profile", .. })),
        "{differs}"
    );
}

#[test]
fn every_byte_of_code_is_guarded() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let options = options(CpuLevel::V2);
    let file = cache(&module, None, &options, &compiler);
    let units: Vec<PlacedFunction> = file.functions().iter().collect();
    let end = units.iter().map(|unit| unit.offset + unit.len).max().expect("there is code");
    let mut flips = 0;
    for offset in (16..end).step_by(5) {
        let bit = 1 << (offset % 8);
        let wrong = forge(&file, &module, CpuLevel::V2, |text| text.bytes[offset as usize] ^= bit);
        let Err(found) = judge(&wrong, &module, &options, &compiler) else { panic!("bit {bit} at {offset} was not found") };
        let owner = units.iter().find(|unit| (unit.offset..unit.offset + unit.len).contains(&offset)).map(|unit| unit.what);
        assert!(found.iter().any(|violation| violation.what == owner), "{offset} of {owner:?}: {found:?}");
        flips += 1;
    }
    assert!(flips > 100, "{flips}");
}

#[test]
fn swapped_functions_are_found() {
    // In the code.
    let found = forged(|text| {
        let [one, two] = [1, 2].map(|function| text.functions[position(text, function)]);
        assert_eq!(one.len, two.len, "the test wants functions of one length");
        for at in 0..one.len as usize {
            text.bytes.swap(one.offset as usize + at, two.offset as usize + at);
        }
    });
    assert_eq!(found.iter().filter(|fault| matches!(fault, Fault::Code { .. })).count(), 2, "{found:?}");
    // In the table.
    let found = forged(|text| {
        let [one, two] = [1, 2].map(|function| position(text, function));
        (text.functions[one].what, text.functions[two].what) = (text.functions[two].what, text.functions[one].what);
    });
    assert!(found.iter().any(|fault| matches!(fault, Fault::Order { .. })), "{found:?}");
    assert!(found.iter().any(|fault| matches!(fault, Fault::Code { .. })), "{found:?}");
    assert!(found.iter().any(|fault| matches!(fault, Fault::Call { .. })), "calls still go to the old places: {found:?}");
}

#[test]
fn a_call_of_another_function_is_found() {
    let found = forged(|text| {
        let [one, two, table] = [1, 2, 3].map(|function| text.functions[position(text, function)]);
        let code = table.offset as usize..(table.offset + table.len) as usize;
        let call = (code.start..code.end - 5).find(|&at| {
            let field = i32::from_le_bytes(text.bytes[at + 1..at + 5].try_into().expect("four bytes"));
            text.bytes[at] == 0xe8 && at as i64 + 5 + i64::from(field) == i64::from(one.offset)
        });
        let call = call.expect("function 3 calls function 1");
        text.bytes[call + 1..call + 5].copy_from_slice(&(two.offset as i32 - call as i32 - 5).to_le_bytes());
    });
    assert!(matches!(&found[..], [Fault::Call { callee: FuncIndex(1), .. }]), "{found:?}");
}

#[test]
fn wrong_tables_are_found() {
    let only = |found: Vec<Fault>| -> Fault {
        let [fault] = &found[..] else { panic!("expected one fault: {found:?}") };
        fault.clone()
    };
    let division = |text: &LinkedText| {
        let found = text.traps.iter().position(|site| site.code == TrapCode::IntegerDivisionByZero);
        found.expect("functions 1 and 2 divide")
    };
    let wrong = only(forged(|text| {
        let at = division(text);
        text.traps[at].code = TrapCode::MemoryOutOfBounds;
    }));
    assert!(matches!(wrong, Fault::Trap { found: Some(TrapSite { code: TrapCode::MemoryOutOfBounds, .. }), .. }), "{wrong:?}");
    let position = only(forged(|text| {
        let at = division(text);
        text.traps[at].wasm += 1;
    }));
    assert!(matches!(position, Fault::Trap { .. }), "{position:?}");
    let missing = only(forged(|text| {
        let at = division(text);
        text.traps.remove(at);
    }));
    assert!(matches!(missing, Fault::Trap { .. }), "{missing:?}");
    let moved = only(forged(|text| text.calls[0].offset += 1));
    assert!(matches!(moved, Fault::CallSite { found: Some(_), expected: Some(_) }), "{moved:?}");
    let added = only(forged(|text| {
        let last = text.functions.last().expect("there is code");
        let offset = last.offset + last.len + 1;
        text.calls.push(CallSite { offset, wasm: 0 });
    }));
    assert!(matches!(added, Fault::Stray { table: "calls", .. }), "{added:?}");
    let edge = Edge { caller: FuncIndex(3), callee: FuncIndex(1) };
    let lost = only(forged(|text| text.edges.retain(|found| *found != edge)));
    assert_eq!(lost, Fault::Edge { edge, in_file: false });
    let edge = Edge { caller: FuncIndex(5), callee: FuncIndex(1) };
    assert_eq!(only(forged(|text| text.edges.push(edge))), Fault::Edge { edge, in_file: true });
}

#[test]
fn wrong_handlers_are_found() {
    let program = r#"(module (tag $e) (func $throw (throw $e))
      (func (export "catch") (block $h (try_table (catch $e $h) (call $throw)))))"#;
    let changes: [fn(&mut HandlerSite); 3] = [|site| site.landing += 1, |site| site.frame_offset += 16, |site| site.offset += 1];
    for change in changes {
        let found = forged_from(program, |text| change(text.handlers.first_mut().expect("a call has a handler")));
        assert!(matches!(&found[..], [Fault::Handler { found: Some(_), expected: Some(_) }]), "{found:?}");
    }
    let lost = forged_from(program, |text| text.handlers.clear());
    assert!(matches!(&lost[..], [Fault::Handler { found: None, expected: Some(_) }]), "{lost:?}");
}

#[test]
fn functions_that_are_missing_or_too_many_or_of_another_tier_are_found() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let options = options(CpuLevel::V2);
    let tier = forged(|text| {
        let at = position(text, 4);
        text.functions[at].tier = Some(Tier::A1);
    });
    assert!(tier.contains(&Fault::Tier { found: Some(Tier::A1), expected: Some(Tier::Ap4) }), "{tier:?}");
    // 5 is called by nobody, so that only its own absence tells.
    let missing = forged(|text| {
        let at = position(text, 5);
        let gone = text.functions.remove(at);
        text.traps.retain(|site| site.offset < gone.offset || site.offset >= gone.offset + gone.len);
        text.bytes[gone.offset as usize..(gone.offset + gone.len) as usize].fill(0xcc);
    });
    assert!(missing.contains(&Fault::Missing), "{missing:?}");
    let crossing = forged(|text| {
        let gone = text.functions.pop().expect("a crossing is last");
        text.calls.retain(|site| site.offset <= gone.offset);
        text.traps.retain(|site| site.offset < gone.offset);
        text.bytes[gone.offset as usize..(gone.offset + gone.len) as usize].fill(0xcc);
    });
    assert_eq!(crossing, [Fault::Missing]);
    // A cache of everything is too much for a profile.
    let recorded = profile(&module, &[(1, 9)]);
    let all = cache(&module, None, &options, &compiler);
    let error = check(&all, &module, Some(&recorded), &Options { all: false, ..options }, &compiler, &Silent).expect_err("too many");
    assert!(error.to_string().contains("function 2 (two): the file has code of it"), "{error}");
}

#[test]
fn a_file_of_another_module_or_other_settings_is_found() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let file = cache(&module, None, &options(CpuLevel::V2), &compiler);
    let other = common::module(&PROGRAM.replace("i32.const 11", "i32.const 12"));
    let found = faults(judge(&file, &other, &options(CpuLevel::V2), &compiler));
    assert!(found.contains(&Fault::Section { section: ".trjit.code" }), "{found:?}");
    let found = faults(judge(&file, &module, &options(CpuLevel::V3), &compiler));
    assert!(found.iter().any(|fault| matches!(fault, Fault::Manifest { what: "CPU features", .. })), "{found:?}");
    let checked = Options { memory: MemoryStyle::Checked, ..options(CpuLevel::V2) };
    let found = faults(judge(&file, &module, &checked, &compiler));
    assert!(found.iter().any(|fault| matches!(fault, Fault::Manifest { what: "memory style", .. })), "{found:?}");
}

#[test]
fn damage_is_refused_before_anything_else() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let options = options(CpuLevel::V2);
    let mut bytes = cache(&module, None, &options, &compiler).bytes().to_vec();
    let file = CacheFile::parse(Bytes::from(bytes.clone())).expect("the cache parses");
    bytes[file.section_range(trjit_cache_format::SectionId::Text).start + 40] ^= 1;
    let damaged = CacheFile::parse(Bytes::from(bytes)).expect("the manifest is whole");
    let error = check(&damaged, &module, None, &options, &compiler, &Silent).expect_err("a digest is wrong");
    assert!(matches!(&error, CheckError::Refused(refusal) if refusal.code() == "corrupt"), "{error}");
}

#[test]
fn code_of_a_higher_level_under_a_lower_manifest_is_found() {
    let (module, compiler) = (module(PROGRAM), CraneliftCompiler::default());
    let high = cache(&module, None, &options(CpuLevel::V3), &compiler);
    let low = forge(&high, &module, CpuLevel::V1, |text| {
        text.functions.iter_mut().for_each(|placed| placed.features = CpuFeatures::NONE);
    });
    let found = faults(judge(&low, &module, &options(CpuLevel::V1), &compiler));
    let needs: Vec<&str> =
        found.iter().filter_map(|fault| if let Fault::Feature { needs, .. } = fault { Some(needs.as_str()) } else { None }).collect();
    for expected in ["popcnt", "lzcnt", "bmi2", "avx"] {
        assert!(needs.contains(&expected), "{expected} of {needs:?}");
    }
}

/// Compiles in another tier, or for more than it was asked to, and does not say so.
struct Liar {
    tier: Tier,
    level: CpuLevel,
    compiler: CraneliftCompiler,
}

impl Liar {
    fn new(level: CpuLevel, tier: Tier) -> Liar {
        Liar { tier, level, compiler: CraneliftCompiler::default() }
    }

    fn more(&self, settings: Settings) -> Settings {
        Settings { features: self.level.features(), ..settings }
    }
}

fn claim(code: CompiledFunction, settings: Settings) -> CompiledFunction {
    CompiledFunction { features: settings.features, ..code }
}

impl Compiler for Liar {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        let code = self.compiler.compile(&CompileRequest { tier: self.tier, settings: self.more(request.settings), ..*request })?;
        Ok(claim(code, request.settings))
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(claim(self.compiler.to_native(module, ty, self.more(settings))?, settings))
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(claim(self.compiler.to_interpreter(module, ty, self.more(settings))?, settings))
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        Ok(claim(self.compiler.tail_to_native(module, ty, self.more(settings))?, settings))
    }

    fn version(&self) -> String {
        self.compiler.version()
    }
}

#[test]
fn a_compiler_that_uses_more_than_it_declares_is_found_by_the_disassembler_alone() {
    let module = module(PROGRAM);
    let liar = Liar::new(CpuLevel::V3, Tier::Ap4);
    let file = cache(&module, None, &options(CpuLevel::V2), &liar);
    let error = check(&file, &module, None, &options(CpuLevel::V2), &liar, &Silent).expect_err("it lies");
    assert!(error.help().contains("--cpu-level"), "{}", error.help());
    let CheckError::Violations(violations) = error else { panic!("{error}") };
    for violation in &violations.found {
        assert!(matches!(violation.fault, Fault::Feature { .. }) && violation.offset.is_some(), "{violation:?}");
    }
    let level = violations.found.iter().find(|violation| violation.what == Some(CodeItem::Function(FuncIndex(5)))).expect("uses lzcnt");
    let told = level.to_string();
    assert!(told.starts_with("function 5 (level) at +0x"), "{told}");
    assert!(told.contains(" needs ") && told.contains("but the code declares sse3, ssse3, sse4.1"), "{told}");
    let honest = Liar::new(CpuLevel::V2, Tier::Ap4);
    assert!(judge(&cache(&module, None, &options(CpuLevel::V2), &honest), &module, &options(CpuLevel::V2), &honest).is_ok());
}

/// Gives every function the same code.
struct Fixed(CompiledFunction, CraneliftCompiler);

impl Compiler for Fixed {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        Ok(claim(self.0.clone(), request.settings))
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.1.to_native(module, ty, settings)
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.1.to_interpreter(module, ty, settings)
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        self.1.tail_to_native(module, ty, settings)
    }

    fn version(&self) -> String {
        self.1.version()
    }
}

/// What is said of a function with this code between its frame's beginning and end.
fn said(body: &[u8], tables: impl FnOnce(&mut CompiledFunction)) -> String {
    let bytes = [&[0x55, 0x48, 0x89, 0xe5], body, &[0x5d, 0xc3]].concat();
    let mut code = CompiledFunction { bytes, align: 16, ..CompiledFunction::default() };
    tables(&mut code);
    let compiler = Fixed(code, CraneliftCompiler::default());
    let (module, options) = (module("(module (func $f))"), options(CpuLevel::V3));
    match judge(&cache(&module, None, &options, &compiler), &module, &options, &compiler) {
        Ok(_) => String::new(),
        Err(found) => found.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn instructions_that_compiled_code_must_not_have_are_named() {
    assert_eq!(said(&[0x90], |_| {}), "");
    let cases: &[(&[u8], &str)] = &[
        (&[0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2], "`vaddps` (62 f1 74 48 58 c2) needs avx512f, but the code declares sse3"),
        (&[0x0f, 0xc7, 0xf0], "`rdrand` (0f c7 f0) needs rdrand"),
        (&[0xd9, 0xee], "`fldz` (d9 ee) needs fpu"),
        (&[0x0f, 0x05], "`syscall` (0f 05) is not allowed in compiled code: it calls the system"),
        (&[0x0f, 0x34], "`sysenter`"),
        (&[0xcd, 0x80], "`int` (cd 80) is not allowed in compiled code: it is an interrupt"),
        (&[0xcc], "`int3` (cc) is not allowed"),
        (&[0xec], "`in` (ec) is not allowed in compiled code: it is privileged"),
        (&[0xee], "`out` (ee) is not allowed"),
        (&[0xf4], "`hlt` (f4) is not allowed in compiled code: it is privileged"),
        (&[0xfa], "`cli` (fa) is not allowed"),
        (&[0x0f, 0x22, 0xd8], "`mov` (0f 22 d8) is not allowed in compiled code: it is privileged"),
        (&[0x0f, 0x32], "`rdmsr` (0f 32) is not allowed"),
        (&[0x0f, 0x31], "`rdtsc` (0f 31) is not allowed in compiled code: its result depends on the machine"),
        (&[0x64, 0x48, 0x8b, 0x00], "`mov` (64 48 8b 00) is not allowed in compiled code: it uses a segment"),
        (&[0x8e, 0xd8], "`mov` (8e d8) is not allowed in compiled code: it uses a segment"),
        (&[0xcb], "`retf` (cb) is not allowed"),
        (&[0x48, 0xcf], "`iretq` (48 cf) is not allowed"),
        (&[0xff, 0x28], "`jmp` (ff 28) is not allowed in compiled code: it is a far branch"),
        (&[0x06], "the bytes 06 5d are no instruction"),
        (&[0x0f, 0x0b], "`ud2` is not in the table of traps"),
        (&[0xff, 0xd0], "`call` is not in the table of return addresses"),
        (&[0xeb, 0xff], "`jmp` goes to +0x5, expected the start of an instruction"),
        (&[0x74, 0x7f], "`je` goes to text offset 0x"),
        (&[0xe9, 0x00, 0x00, 0x10, 0x00], "expected the start of a function"),
        (&[0x48, 0x8b, 0x05, 0x00, 0x00, 0x10, 0x00], "`mov` goes to +0x10000b, expected data behind it in the same function"),
        (&[0xff, 0xe0, 0x5d, 0x48, 0xb8], "are no instruction"),
    ];
    for (body, expected) in cases {
        let told = said(body, |_| {});
        assert!(told.starts_with("function 0 (f) at +0x") && told.contains(expected), "{body:02x?}: {told}");
    }
}

#[test]
fn code_that_runs_on_and_tables_that_point_nowhere_are_named() {
    let ends = said(&[], |code| code.bytes.truncate(5));
    assert!(ends.contains("control runs on behind `pop`, where its code ends"), "{ends}");
    // movsd xmm0, [rip + 0]: the constant is what should be executed next.
    let constants = said(&[0xf2, 0x0f, 0x10, 0x05, 0, 0, 0, 0], |_| {});
    assert!(constants.contains("control runs on behind `movsd`, where constants lie"), "{constants}");
    let frame = said(&[], |code| drop(code.bytes.drain(..4)));
    assert!(frame.contains("the code begins with 5d c3, expected the frame's"), "{frame}");
    let trap = |offset| move |code: &mut CompiledFunction| code.traps.push(TrapSite { offset, code: TrapCode::Unreachable, wasm: 0 });
    assert_eq!(said(&[0x0f, 0x0b], trap(4)), "");
    assert!(said(&[0x90], trap(2)).contains("a trap is listed here, where an instruction is in its middle"));
    let call = |offset| move |code: &mut CompiledFunction| code.call_sites.push(CallSite { offset, wasm: 0 });
    assert_eq!(said(&[0xff, 0xd0], call(6)), "");
    assert!(said(&[0x90], call(5)).contains("a return address is listed here, where no call ends"));
    // call rax, which returns to +6; the frame's end there serves as the handler.
    let handler = |offset, landing| {
        move |code: &mut CompiledFunction| {
            code.call_sites.push(CallSite { offset: 6, wasm: 0 });
            code.handlers.push(HandlerSite { offset, landing, frame_offset: 0 });
        }
    };
    assert_eq!(said(&[0xff, 0xd0], handler(6, 7)), "");
    let inside = said(&[0xff, 0xd0], handler(6, 5));
    assert!(inside.contains("at +0x5: a handler is listed here, where an instruction is in its middle"), "{inside}");
    let nowhere = said(&[0xff, 0xd0], handler(7, 6));
    assert!(nowhere.contains("at +0x7: a call with a handler is listed here, where no call ends"), "{nowhere}");
    // A handler in a jump table: lea rax, [rip + 2]; jmp rax; the table's one entry, to pop rbp.
    let table = [0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xe0, 6, 0, 0, 0, 0xff, 0xd0];
    let data = said(&table, |code| {
        code.blocks = vec![0, 17];
        code.call_sites.push(CallSite { offset: 19, wasm: 0 });
        code.handlers.push(HandlerSite { offset: 19, landing: 13, frame_offset: 0 });
    });
    assert!(data.contains("at +0xd: a handler is listed here, where no code lies"), "{data}");
}

#[test]
fn jump_tables_are_read_and_their_entries_checked() {
    // lea rax, [rip + 2]; jmp rax; a table of two entries; pop rbp; ret.
    let table =
        |first: i32, second: i32| [&[0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xe0][..], &first.to_le_bytes(), &second.to_le_bytes()].concat();
    let blocks = |code: &mut CompiledFunction| code.blocks = vec![0, 21];
    assert_eq!(said(&table(8, 9), blocks), "");
    assert!(said(&table(8, 4), blocks).contains("entry 1 of the jump table leads to +0x11, which is no instruction"));
    assert!(said(&table(1 << 20, 8), blocks).contains("entry 0 of the jump table leads to +0x10000d"));
    // A branch into the table is no branch to an instruction.
    let into = [&[0x74, 0x0b][..], &table(8, 9)].concat();
    assert!(said(&into, |code| code.blocks = vec![0, 23]).contains("`je` goes to +0x11, expected the start of an instruction"));
}
