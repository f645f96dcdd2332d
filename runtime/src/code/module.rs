//! A module as embedders have it: parsed, or from a cache.

use super::ModuleCode;
use crate::engine::Engine;
use crate::error::Error;
use crate::exits::TakenExit;
use crate::sys;
use std::path::Path;
use std::sync::Arc;
use trjit_code::BranchCounts;
use trjit_module::vm::VmTrampolines;
use trjit_runtime_loader::{Expectations, Image, MappedCache, ModuleId, Refusal};

/// A module that can be instantiated in this engine; clones share it.
#[derive(Clone)]
pub struct Module {
    pub(crate) code: Arc<ModuleCode>,
}

impl Module {
    /// Parses and validates wasm bytes. Nothing is compiled until it gets hot.
    pub fn new(engine: &Engine, wasm: impl Into<bytes::Bytes>) -> Result<Module, Error> {
        Module::from_parsed(engine, trjit_module::Module::parse(wasm)?)
    }

    /// A module that was parsed before, from wasm bytes.
    pub fn from_parsed(engine: &Engine, parsed: trjit_module::Module) -> Result<Module, Error> {
        if parsed.is_imaged() {
            let detail = "it comes from a cache, which holds what its memories begin with; use Module::from_cache".to_string();
            return Err(Error::Resource { what: "module", detail });
        }
        let image = match engine.compiler() {
            Some(_) if sys::NATIVE_CODE_SUPPORTED => Some(Image::with_room(engine.address_space().code_room())),
            Some(_) | None => None,
        };
        let (image, refusal) = image.map_or((None, None), |image| match image {
            Ok(image) => (Some(image), None),
            // All goes on in the interpreter.
            Err(error) => (None, Some(error.to_string())),
        });
        let trampolines = vec![VmTrampolines::default(); parsed.types().len()];
        let code = ModuleCode::new(engine, parsed, image, None, trampolines);
        refusal.into_iter().for_each(|reason| code.refuse_code(reason));
        Ok(Module { code })
    }

    /// A module that only holds things of the host: no code will ever be in it.
    pub(crate) fn of_host(engine: &Engine, wasm: Vec<u8>) -> Result<Module, Error> {
        let parsed = trjit_module::Module::parse(wasm)?;
        let trampolines = vec![VmTrampolines::default(); parsed.types().len()];
        let module = Module { code: ModuleCode::new(engine, parsed, None, None, trampolines) };
        module.keep_out_of_spool();
        Ok(module)
    }

    /// A module from a mapped cache: nothing is parsed, and what was assembled is compiled already.
    pub fn from_cache(engine: &Engine, cache: Arc<MappedCache>) -> Result<Module, Refusal> {
        let module = Module::of_cache(engine, cache);
        engine.count_cache(&module);
        module
    }

    /// The same from a file, which must be of this build, fit this machine, and belong to `wasm` where that is given. The refusal tells why not; what to do then,
    /// as [`Module::new`], is up to the embedder.
    pub fn from_cache_file(engine: &Engine, path: &Path, wasm: Option<&[u8]>) -> Result<Module, Refusal> {
        let module = MappedCache::open(path, &engine.expectations(wasm.map(ModuleId::of_wasm)))
            .and_then(|cache| Module::of_cache(engine, Arc::new(cache)));
        engine.count_cache(&module);
        module
    }

    /// The engine is asked again: the cache may have been opened for another one.
    fn of_cache(engine: &Engine, cache: Arc<MappedCache>) -> Result<Module, Refusal> {
        cache.check(&engine.expectations(None))?;
        let parsed = cache.module()?;
        // Without a compiler nothing will be placed behind the cache's text.
        let room = engine.compiler().map_or(0, |_| engine.address_space().code_room());
        let image = Image::from_cache_with_room(&cache, room)?;
        let trampolines = cache.trampolines().to_vec();
        Ok(Module { code: ModuleCode::new(engine, parsed, Some(image), Some(cache), trampolines) })
    }

    /// Types, imports, exports and bodies.
    pub fn parsed(&self) -> &trjit_module::Module {
        self.code.module()
    }

    /// Functions that have code from a cache.
    pub fn cached_functions(&self) -> usize {
        self.code.cached_functions()
    }

    /// Why nothing (more) is compiled for this module although there is a compiler: the system gives no executable memory. What has no code is interpreted.
    pub fn code_refusal(&self) -> Option<&str> {
        self.code.refusal.get().map(String::as_str)
    }

    /// Gives counts of earlier runs, by which functions are compiled in this process from now on: what they say is hot is inlined, what is never executed stands apart, or is
    /// left out where the engine's tunables let code speculate. Wrong counts cost speed and nothing else. False where some were given before, which stay.
    pub fn compile_by(&self, counts: Arc<dyn BranchCounts + Send>) -> bool {
        self.code.counts.set(counts).is_ok()
    }

    /// The side exits that code of this process has taken so far, by function and place. Counted where a compiler is linked.
    pub fn side_exits(&self) -> Vec<TakenExit> {
        self.code.exits().all()
    }

    /// Functions compiled in this process so far.
    pub fn compiled_functions(&self) -> usize {
        self.code.lock().installed.len()
    }
}

impl Engine {
    /// What this engine asks of a cache on this machine; `module` is the one that shall run, where it is known.
    pub fn expectations(&self, module: Option<ModuleId>) -> Expectations {
        let settings = self.settings();
        Expectations { fuel: settings.fuel, ..Expectations::of_host(module, settings.memory) }
    }
}
