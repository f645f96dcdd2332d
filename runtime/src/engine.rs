//! The engine: configuration, the compiler (if one is linked), and the function types that all stores of a process agree on.

use crate::jit::JitQueue;
use crate::tunables::Tunables;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use trjit_code::{Compiler, CpuFeatures, CpuLevel, MemoryStyle, Settings};
use trjit_module::{FuncType, HeapType, RefType, TypeIndex, ValType};

/// What an engine is made from.
#[derive(Clone)]
pub struct Config {
    /// Compiles what gets hot; `None` leaves everything without cached code to the interpreter.
    pub compiler: Option<Arc<dyn Compiler>>,
    pub tunables: Tunables,
    /// Settings of code compiled in this process.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            compiler: None,
            tunables: Tunables::default(),
            settings: Settings { features: CpuLevel::best_for(CpuFeatures::host()).features(), memory: MemoryStyle::Reserved, fuel: false },
        }
    }
}

/// Process-wide state; clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

type TypeKey = (Box<[u32]>, Box<[u32]>);

struct Inner {
    config: Config,
    /// Ids by the bytes of parameters and results.
    types: Mutex<HashMap<TypeKey, u32>>,
    jit: OnceLock<JitQueue>,
}

impl Engine {
    pub fn new(config: Config) -> Engine {
        Engine(Arc::new(Inner { config, types: Mutex::default(), jit: OnceLock::new() }))
    }

    pub fn tunables(&self) -> &Tunables {
        &self.0.config.tunables
    }

    pub fn settings(&self) -> Settings {
        self.0.config.settings
    }

    pub(crate) fn compiler(&self) -> Option<&Arc<dyn Compiler>> {
        self.0.config.compiler.as_ref()
    }

    /// The queue of functions to compile; its thread starts with the first one.
    pub(crate) fn jit(&self) -> &JitQueue {
        self.0.jit.get_or_init(JitQueue::start)
    }

    /// The number by which equal function types of all modules know each other.
    /// `earlier` holds the numbers of the module's types before this one: references to functions of a type count by its number.
    pub(crate) fn type_id(&self, ty: FuncType<'_>, earlier: &[u32]) -> u32 {
        let canonical = |codes: &[u32]| codes.iter().map(|&code| canonical(code, earlier)).collect();
        let mut types = self.0.types.lock().unwrap_or_else(PoisonError::into_inner);
        let next = types.len() as u32;
        *types.entry((canonical(ty.param_codes()), canonical(ty.result_codes()))).or_insert(next)
    }
}

/// A value type's code with the engine's number of a type in place of the module's; [`SELF`] where a type refers to itself.
fn canonical(code: u32, earlier: &[u32]) -> u32 {
    match ValType::from_code(code) {
        Some(ValType::Ref(RefType { nullable, heap: HeapType::Concrete(ty) })) => {
            let id = earlier.get(ty.index()).copied().unwrap_or(SELF);
            ValType::Ref(RefType::new(nullable, HeapType::Concrete(TypeIndex(id)))).code()
        }
        _ => code,
    }
}

/// Stands for the type that is being numbered; more than any number of a type.
const SELF: u32 = (1 << 20) - 1;
