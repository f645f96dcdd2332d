//! Who runs what between exits, and where code leaves.

use super::places::Places;
use crate::compilers::Refusals;
use std::sync::Arc;
use trjit_code::{BranchCounts, Compiler, Entry, ScatteredExits, SiteTargets, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_compile::planted::{ExitBug, Planted};
use trjit_module::FuncIndex;
use trjit_runtime::{Config, Engine, Tunables};

/// Bytes of stack for compiled code: enough for the steps that cases allow.
const WASM_STACK: usize = 24 << 20;

/// Who runs what between exits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// All functions are compiled; what has left goes on in the interpreter to its end.
    Called,
    /// Functions are interpreted, loops compiled at their first back-edge.
    Looping,
    /// All functions are compiled, and what has left enters code again at the next back-edge.
    Mixed,
    /// The same, and each exit has its bridge at once.
    Bridged,
}

/// Code leaves where both agree: some of the places where it can.
pub struct Leaving {
    pub exits: ScatteredExits,
    pub places: Arc<Places>,
}

impl BranchCounts for Leaving {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        self.exits.entries(function)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.exits.taken(function, entry)
    }

    fn leaves(&self, function: FuncIndex, position: u32, executed: u64) -> bool {
        self.places.may_leave(function, position) && self.exits.leaves(function, position, executed)
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        self.exits.targets(function, site)
    }
}

impl Way {
    pub const ALL: &'static [Way] = &[Way::Called, Way::Looping, Way::Mixed, Way::Bridged];

    pub fn tunables(self) -> Tunables {
        Tunables {
            background: false,
            call_threshold: u32::MAX,
            loop_threshold: if self == Way::Called { u32::MAX } else { 1 },
            recheck_interval: 1,
            bridge_threshold: if self == Way::Bridged { 0 } else { u32::MAX },
            renewal_threshold: u32::MAX,
            max_wasm_stack: WASM_STACK,
            ..Tunables::default()
        }
    }

    /// An engine whose compiler knows only functions of which `runs` is true.
    pub fn engine(
        self,
        leaving: Leaving,
        runs: impl Fn(FuncIndex) -> bool + Send + Sync + 'static,
        bug: Option<ExitBug>,
        has_fuel: bool,
        refusals: &Refusals,
    ) -> Engine {
        let inner = Planted { inner: CraneliftCompiler::new(), bug };
        let compiler = Steered::new(inner, move |request| {
            let wanted = self != Way::Looping || matches!(request.entry, Entry::At(_));
            (wanted && runs(request.function)).then_some(Tier::T4)
        });
        let compiler: Arc<dyn Compiler> = Arc::new(refusals.noting(compiler).counting(leaving));
        let mut config = Config { compiler: Some(compiler), tunables: self.tunables(), ..Config::default() };
        Engine::new(config.consume_fuel(has_fuel))
    }
}
