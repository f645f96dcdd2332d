//! The phases one after another, each timed and told to the listener.

use crate::compile_all::{self, CompiledPlan, Job, TrampolineError};
use crate::emit::{self, EmitError};
use crate::link::{self, LinkError};
use crate::options::{self, Options};
use crate::plan::{Plan, Recording, Unseen};
use crate::progress::{Phase, Progress};
use crate::recording::{self, Reading};
use crate::summary::{Failure, PhaseTime, SectionSize, Summary, TierCount};
use crate::tunables;
use bytes::Bytes;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;
use trjit_cache_format::code::Packing;
use trjit_cache_format::manifest::ModuleId;
use trjit_cache_format::{
    Builder, CacheBuilder, CacheFile, CodeItem, Expectations, HexDigest, LinkedText, PlacedFunction, ProfileSource, Refusal, SectionId,
    WriteError, write,
};
use trjit_code::{CompileError, Compiler, Tier};
use trjit_module::{Digest, FuncIndex, Module};
use trjit_trace::Profile;

/// A cache and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The cache file.
    pub bytes: Bytes,
    pub summary: Summary,
}

/// There is no cache. A function that does not compile is no error: it is left to the interpreter and listed in the summary.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("{threads} compiling threads can not be started: {detail}")]
    Threads { threads: usize, detail: String },
    #[error(transparent)]
    Trampoline(#[from] TrampolineError),
    #[error("relocatable objects can not be made")]
    Emit(#[from] EmitError),
    #[error("the code can not be linked")]
    Link(#[from] LinkError),
    #[error("the module comes from a cache; caches are made from the wasm file")]
    Packed,
    #[error("the cache can not be written")]
    Write(#[from] WriteError),
    #[error("the cache does not pass its own check, which is a bug of trjit: {0}")]
    Verify(Refusal),
}

/// Makes a cache of a module. Without a profile and without [`Options::all`] it holds no function, but works. To use several
/// profiles, merge them first.
pub fn assemble(
    module: &Module,
    profile: Option<&Profile>,
    options: &Options,
    compiler: &dyn Compiler,
    progress: &dyn Progress,
) -> Result<Assembled, AssembleError> {
    let pool = pool(options).map_err(|(threads, detail)| AssembleError::Threads { threads, detail })?;
    let inputs = Inputs { module, profile, options, compiler };
    // The phases run inside of the pool, so that nothing uses a thread of another one.
    pool.install(|| inputs.run(Clock { progress, times: Vec::new() }))
}

/// The compiling threads. The error tells their number, and why there are none.
pub(crate) fn pool(options: &Options) -> Result<rayon::ThreadPool, (usize, String)> {
    let threads = options.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(tunables::THREAD_STACK).build();
    pool.map_err(|error| (threads, error.to_string()))
}

/// Times phases.
struct Clock<'a> {
    progress: &'a dyn Progress,
    times: Vec<PhaseTime>,
}

impl Clock<'_> {
    fn time<T>(&mut self, phase: Phase, steps: u64, work: impl FnOnce() -> T) -> T {
        self.progress.begin(phase, steps);
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        self.progress.end(phase, seconds);
        self.times.push(PhaseTime { phase: phase.name(), seconds });
        result
    }
}

/// What an assembly is made of.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub module: &'a Module,
    pub profile: Option<&'a Profile>,
    pub options: &'a Options,
    pub compiler: &'a dyn Compiler,
}

impl Inputs<'_> {
    fn run(self, mut clock: Clock<'_>) -> Result<Assembled, AssembleError> {
        let Inputs { module, profile, options, compiler } = self;
        let progress = clock.progress;
        let (reading, plan) = clock.time(Phase::Plan, 0, || plan(module, profile, options));
        let job = Job { module, settings: options.settings(), compiler, counts: &reading.counts, progress };
        let steps = compile_all::steps(module, &plan);
        let CompiledPlan { units, failed } = clock.time(Phase::Compile, steps, || compile_all::compile_all(job, &plan))?;
        let count = units.len() as u64;
        let emitted = clock.time(Phase::Emit, count, || emit::emit(units, progress))?;
        let text = clock.time(Phase::Link, 0, || link::link(&emitted))?;
        drop(emitted);
        let mut summary = Summary::default();
        describe_text(&mut summary, module, &text);
        describe_plan(&mut summary, module, reading, &text, failed);
        let code = clock.time(Phase::Pack, 0, || pack(module, &text.functions)).ok_or(AssembleError::Packed)?;
        let bytes = clock.time(Phase::Write, 0, || self.write(text, code))?;
        let file = clock.time(Phase::Verify, 0, || self.verify(&bytes)).map_err(AssembleError::Verify)?;
        self.describe_file(&mut summary, &file);
        summary.seconds = clock.times;
        Ok(Assembled { bytes, summary })
    }

    /// What the manifest says of the choice of functions.
    pub fn profile_source(&self) -> ProfileSource {
        let digest = |profile: &Profile| HexDigest(Digest::of(&profile.to_bytes()));
        match self.options.all {
            true => ProfileSource::All,
            false => ProfileSource::Profiles(self.profile.map(digest).into_iter().collect()),
        }
    }

    fn write(&self, text: LinkedText, code: Vec<u8>) -> Result<Bytes, WriteError> {
        let profile = self.profile_source();
        let builder = Builder::current(self.compiler.version());
        let (settings, level) = (self.options.settings(), self.options.level);
        write(CacheBuilder { module: self.module, settings, level, text, code, profile, builder }).map(Bytes::from)
    }

    /// Opens the file as the loader will, on a CPU that has just what the level promises.
    fn verify(&self, bytes: &Bytes) -> Result<CacheFile, Refusal> {
        let settings = self.options.settings();
        let expected = Expectations::of_host(Some(ModuleId::of(self.module)), settings.memory);
        CacheFile::open(bytes.clone(), &Expectations { fuel: settings.fuel, host: settings.features, ..expected })
    }

    fn describe_file(&self, summary: &mut Summary, file: &CacheFile) {
        summary.cache_bytes = file.bytes().len() as u64;
        let section = |&id: &SectionId| SectionSize { name: id.name().to_string(), bytes: file.section(id).len() as u64 };
        summary.sections = SectionId::ALL.iter().map(section).collect();
        summary.cpu_level = self.options.level.name().to_string();
        summary.memory_style = self.options.memory.name().to_string();
        summary.fuel = self.options.fuel;
        summary.compiler = self.compiler.version();
        summary.threads = rayon::current_num_threads() as u32;
    }
}

/// What a profile says of a module, and which of its functions an assembly compiles.
pub fn plan(module: &Module, profile: Option<&Profile>, options: &Options) -> (Reading, Plan) {
    let reading = profile.map_or_else(Reading::default, |profile| recording::read(module, profile));
    let plan = Plan::new(module, &reading.recording, options.all, options.tiers);
    let unseen = if profile.is_some() { options.unseen(module) } else { Unseen::None };
    let plan = plan.with(module, unseen);
    (reading, plan)
}

/// The section with the bodies of all functions, given what has machine code; none where the module comes from a cache itself.
pub(crate) fn pack(module: &Module, placed: &[PlacedFunction]) -> Option<Vec<u8>> {
    let with_code = with_code(placed);
    let packing = Packing::new(module, |function| with_code.contains(&function))?;
    let frames: Vec<Vec<u8>> = (0..packing.blocks()).into_par_iter().map(|block| packing.pack(block)).collect();
    Some(packing.finish(&frames))
}

/// Functions that have code.
fn with_code(placed: &[PlacedFunction]) -> HashSet<FuncIndex> {
    placed.iter().filter_map(|placed| if let CodeItem::Function(function) = placed.what { Some(function) } else { None }).collect()
}

/// What the text holds.
fn describe_text(summary: &mut Summary, module: &Module, text: &LinkedText) {
    let mut tiers: BTreeMap<Tier, TierCount> = BTreeMap::new();
    let (mut code, mut trampolines) = (0, 0);
    for placed in &text.functions {
        match (placed.what, placed.tier) {
            (CodeItem::Function(function), Some(tier)) => {
                let count = tiers.entry(tier).or_insert(TierCount { tier: tier.name(), functions: 0, code_bytes: 0 });
                count.functions += 1;
                count.code_bytes += u64::from(placed.len);
                code += module.function(function).map_or(0, |record| u64::from(record.body.len));
            }
            _ => trampolines += 1,
        }
    }
    let all = options::body_bytes(module);
    summary.functions = module.functions().len() as u32;
    summary.compiled = tiers.into_values().collect();
    summary.trampolines = trampolines;
    summary.direct_edges = text.edges.len() as u64;
    summary.share_of_code = if all == 0 { 0.0 } else { code as f64 / all as f64 };
}

/// What became of the profile and the plan.
fn describe_plan(summary: &mut Summary, module: &Module, reading: Reading, text: &LinkedText, failed: BTreeMap<FuncIndex, CompileError>) {
    let Reading { recording: Recording { functions, runs: _ }, counts: _, calls, warnings } = reading;
    let with_code = with_code(&text.functions);
    let covered = functions.iter().filter(|recorded| with_code.contains(&recorded.function));
    let covered: u128 = covered.map(|recorded| u128::from(recorded.entries)).sum();
    summary.recorded = functions.iter().filter(|recorded| recorded.entries > 0).count() as u32;
    summary.share_of_calls = (calls > 0).then(|| covered as f64 / calls as f64);
    summary.warnings = warnings;
    summary.failed = failed
        .into_iter()
        .map(|(function, error)| Failure {
            function: function.0,
            name: module.func_name(function).map(str::to_string),
            reason: error.to_string(),
        })
        .collect();
}
