//! The mixes of tiers that the tests of the language run on.

use std::sync::Arc;
use trjit_code::{Compiler, Entry, ScatteredExits, Steered, Tier};
use trjit_compile::CraneliftCompiler;
use trjit_runtime::{Config, Engine, Instance, Linker, Module, Store, Tunables, Val};

/// Which functions are compiled, and whether loops of the others are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    pub name: &'static str,
    even: bool,
    odd: bool,
    loops: bool,
    tier: Tier,
    /// Speculative code leaves before one instruction in so many.
    exits: Option<u64>,
    /// Each exit has its bridge at once.
    bridges: bool,
    /// Nothing is compiled before it runs; all climbs at its first use, loops included.
    climbs: bool,
    /// The ladder begins with T2.
    light: bool,
}

const fn mix(name: &'static str, even: bool, odd: bool, loops: bool) -> Mix {
    Mix { name, even, odd, loops, tier: Tier::Ap4, exits: None, bridges: false, climbs: false, light: false }
}

const fn climbing(name: &'static str, tier: Tier) -> Mix {
    Mix { tier, climbs: true, ..mix(name, true, true, true) }
}

const fn exits(name: &'static str, one_in: u64, functions: bool) -> Mix {
    Mix { tier: Tier::T4, exits: Some(one_in), ..mix(name, functions, functions, true) }
}

pub const MIXES: &[Mix] = &[
    mix("interpreted", false, false, false),
    mix("compiled", true, true, false),
    Mix { tier: Tier::A1, ..mix("compiled by A1", true, true, false) },
    mix("even compiled", true, false, false),
    mix("odd compiled", false, true, false),
    mix("loops compiled", false, false, true),
    mix("even and loops compiled", true, false, true),
    mix("odd and loops compiled", false, true, true),
    exits("one exit in 8 instructions", 8, true),
    exits("one exit in 2 instructions", 2, true),
    exits("one exit in 8 instructions, in loops", 8, false),
    exits("exits before all instructions but the first", 1, true),
    Mix { bridges: true, ..exits("one exit in 4 instructions, with bridges", 4, true) },
    Mix { bridges: true, ..exits("one exit in 4 instructions of loops, with bridges", 4, false) },
    Mix { bridges: true, ..exits("bridges of one instruction", 1, true) },
    climbing("climbing", Tier::Ap4),
    climbing("climbing to speculative code", Tier::T4),
    Mix { light: true, ..climbing("climbing from T2", Tier::Ap4) },
];

impl Mix {
    fn compiler(self) -> Arc<Steered<CraneliftCompiler>> {
        let steered = Steered::new(CraneliftCompiler::new(), move |request| {
            let wanted = match request.entry {
                Entry::Start if request.function.0.is_multiple_of(2) => self.even,
                Entry::Start => self.odd,
                Entry::At(_) => self.loops,
            };
            // The rungs below the last one are as they are asked for.
            let counts = matches!(request.tier, Tier::T2 | Tier::T3);
            wanted.then_some(if counts { request.tier } else { self.tier })
        });
        Arc::new(match self.exits {
            Some(one_in) => steered.counting(ScatteredExits { seed: 1, one_in }),
            None => steered,
        })
    }
}

/// A store of one mix.
pub struct World {
    pub engine: Engine,
    pub store: Store<()>,
    pub linker: Linker<()>,
    compiler: Arc<Steered<CraneliftCompiler>>,
    climbs: bool,
}

impl Mix {
    /// What makes an engine of this mix, and the compiler in it, which tells what it could not compile.
    pub fn config(self) -> (Config, Arc<Steered<CraneliftCompiler>>) {
        let steered = self.compiler();
        let compiler = (self.even || self.odd || self.loops).then(|| steered.clone() as Arc<dyn Compiler>);
        let tunables = Tunables {
            background: false,
            call_threshold: if self.climbs { 1 } else { u32::MAX },
            loop_threshold: if self.loops { 2 } else { u32::MAX },
            tiered: self.climbs,
            profile_calls: 1,
            profile_loops: 1,
            trivial_wasm: 0,
            light_queue: if self.light { 0 } else { usize::MAX },
            bridge_threshold: if self.bridges { 0 } else { u32::MAX },
            renewal_threshold: u32::MAX,
            recheck_interval: 1,
            ..Tunables::default()
        };
        (Config { compiler, tunables, ..Config::default() }, steered)
    }
}

impl World {
    pub fn new(mix: Mix) -> World {
        let (config, compiler) = mix.config();
        let engine = Engine::new(config);
        let store = Store::new(&engine, ()).unwrap();
        World { engine, store, linker: Linker::new(), compiler, climbs: mix.climbs }
    }

    pub fn module(&self, wat: &str) -> Module {
        let module = Module::new(&self.engine, wat::parse_str(wat).unwrap()).unwrap();
        if !self.climbs {
            module.compile_all();
        }
        module
    }

    pub fn instance(&mut self, wat: &str) -> Instance {
        let module = self.module(wat);
        self.linker.instantiate(&mut self.store, &module).unwrap()
    }

    pub fn call(&mut self, instance: &Instance, name: &str, arguments: &[Val]) -> Result<Vec<Val>, trjit_runtime::Error> {
        instance.func(&mut self.store, name).unwrap().call(&mut self.store, arguments)
    }
}

/// Runs a test on every mix, on a thread with a small stack.
pub fn on_every_mix(test: fn(&mut World)) {
    on_mixes(|_| true, test);
}

/// The same without functions that go from bridge to bridge: each of those loads and stores the whole frame, which takes minutes where it has thousands of slots.
#[allow(dead_code)]
pub fn on_mixes_for_large_frames(test: fn(&mut World)) {
    on_mixes(|mix| !(mix.bridges && mix.even), test);
}

fn on_mixes(wanted: fn(Mix) -> bool, test: fn(&mut World)) {
    for mix in MIXES.iter().copied().filter(|&mix| wanted(mix)) {
        let run = move || {
            let mut world = World::new(mix);
            test(&mut world);
            assert_eq!(world.compiler.take_failures(), [], "what the mix wants compiled is interpreted");
        };
        let thread = std::thread::Builder::new().name(mix.name.to_string()).stack_size(512 << 10).spawn(run).unwrap();
        assert!(thread.join().is_ok(), "mix: {}", mix.name);
    }
}
