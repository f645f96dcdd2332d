//! A small module with hand-made machine code, shared by the tests of this crate and of the loader.
#![allow(dead_code)]

use bytes::Bytes;
use trjit_cache_format::*;
use trjit_code::{CallSite, CpuFeatures, CpuLevel, HandlerSite, InlinedPlace, LAZY_STUB_CODE, MemoryStyle, Settings, Tier, TrapSite};
use trjit_module::{FuncIndex, Module, TrapCode, TypeIndex};

/// Functions: 0 imported, 1 `answer`, 2 without code, 3 without a name.
pub const WAT: &str = r#"(module $sample
  (import "host" "print" (func $print (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "some initial bytes")
  (data $passive "some other bytes")
  (func $answer (export "answer") (result i32) (i32.const 42))
  (func $cold (param i32) (result i32) (local.get 0))
  (func (result i32) (call $answer)))"#;

pub const ANSWER: FuncIndex = FuncIndex(1);
pub const COLD: FuncIndex = FuncIndex(2);
pub const CALLER: FuncIndex = FuncIndex(3);

pub fn module() -> Module {
    Module::parse(wat::parse_str(WAT).unwrap()).unwrap()
}

pub fn settings() -> Settings {
    Settings { features: CpuFeatures::NONE, memory: MemoryStyle::Reserved, fuel: false }
}

/// `extern "C"` bodies: `answer` returns 42, `caller` calls it directly and adds 1; a crossing that only returns.
pub fn text() -> LinkedText {
    let mut text = LinkedText { bytes: LAZY_STUB_CODE.to_vec(), ..LinkedText::default() };
    let mut place = |code: &[u8], what, tier| {
        text.bytes.resize(text.bytes.len().next_multiple_of(16), 0xcc);
        let offset = text.bytes.len() as u32;
        text.bytes.extend_from_slice(code);
        text.functions.push(PlacedFunction { offset, len: code.len() as u32, what, tier, features: CpuFeatures::NONE });
    };
    // At 16: mov eax, 42; ret; ud2.
    place(&[0xb8, 42, 0, 0, 0, 0xc3, 0x0f, 0x0b], CodeItem::Function(ANSWER), Some(Tier::Ap4));
    // At 32: call 16; add eax, 1; ret.
    place(&[0xe8, 0xeb, 0xff, 0xff, 0xff, 0x83, 0xc0, 1, 0xc3], CodeItem::Function(CALLER), Some(Tier::A1));
    // At 48: xor eax, eax; ret.
    place(&[0x31, 0xc0, 0xc3], CodeItem::ToNative(TypeIndex(1)), None);
    text.traps = vec![
        TrapSite { offset: 22, code: TrapCode::Unreachable, wasm: 4 },
        TrapSite { offset: 32, code: TrapCode::StackOverflow, wasm: u32::MAX },
    ];
    text.calls = vec![CallSite { offset: 37, wasm: 13 }];
    // As if the body of `answer` had been put into `caller`, too.
    text.inlined = vec![InlinedPlace { wasm: 4, caller: 13 }];
    // As if the call stood in a `try_table` whose handler returns.
    text.handlers = vec![HandlerSite { offset: 37, landing: 40, frame_offset: 16 }];
    text.edges = vec![Edge { caller: CALLER, callee: ANSWER }];
    text
}

pub fn builder(module: &Module) -> CacheBuilder<'_> {
    CacheBuilder {
        module,
        settings: settings(),
        level: CpuLevel::V1,
        text: text(),
        code: code::encode(module).unwrap(),
        profile: ProfileSource::All,
        builder: Builder::current("hand 1.0".into()),
    }
}

/// The sample's cache.
pub fn cache() -> Bytes {
    Bytes::from(write(builder(&module())).unwrap())
}

/// The sample with a text that begins with a chunk, as those of large programs do, so that opening the file does not verify it.
pub fn large_cache() -> Bytes {
    let mut text = text();
    text.bytes.resize(section::LARGE_TEXT, 0xcc);
    Bytes::from(write(CacheBuilder { text, ..builder(&module()) }).unwrap())
}

pub fn expectations() -> Expectations {
    Expectations::of_host(Some(ModuleId::of(&module())), MemoryStyle::Reserved)
}

/// A small generator of repeatable numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A byte that is not 0: what to flip.
    pub fn flip(&mut self) -> u8 {
        self.below(255) as u8 + 1
    }
}
