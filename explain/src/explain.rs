//! From a cache or a module, a profile and a function to the [`Explanation`].

use crate::clif;
use crate::guards;
use crate::heat::Heat;
use crate::inlined;
use crate::listing::{self, Listed, Listing, Places};
use crate::machine::{Placed, Unit};
use crate::model::*;
use crate::names;
use crate::sites;
use crate::text::{counted, number};
use std::collections::{BTreeMap, HashMap};
use trjit_assemble::plan::{Plan, Recorded};
use trjit_assemble::recording::Reading;
use trjit_assemble::{Options, plan};
use trjit_cache_format::{CacheFile, CodeItem, HexDigest, PlacedFunction, ProfileSource, Refusal};
use trjit_code::place;
use trjit_code::{
    AllAssumptions, CompileError, CompileRequest, CompiledFunction, Compiler, DirectCalls, Entry, InlinedPlace, Settings, Tier,
};
use trjit_compile::graph::{self, What};
use trjit_compile::{CraneliftCompiler, Stages};
use trjit_module::fingerprint::abi_fingerprint;
use trjit_module::flat::kind;
use trjit_module::{Digest, FuncIndex, Module};
use trjit_trace::{FunctionProfile, Profile};

/// Whose function.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// What is in the file.
    Cache(&'a CacheFile),
    /// What an assembly with these options would make.
    Module(&'a Options),
}

#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub subject: Subject<'a>,
    pub module: &'a Module,
    pub function: FuncIndex,
    pub profile: Option<&'a Profile>,
    /// Of a module: this tier, rather than that of the plan.
    pub tier: Option<Tier>,
}

/// There is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("{0}")]
    Cache(Refusal),
    #[error("the cache was made for {0}, which this build does not know")]
    Settings(String),
    #[error("the cache was made by another build, {0}: what its code refers to can not be told")]
    OtherBuild(String),
    #[error("the profile is of another program: none of its functions is in this module")]
    Profile,
    #[error("the function's body can not be read")]
    Body(#[from] trjit_compile::heat::WalkError),
}

/// Explains a function that has a body.
pub fn explain(input: Input<'_>) -> Result<Explanation, ExplainError> {
    let Input { subject, module, profile, .. } = input;
    let options = match subject {
        Subject::Cache(_) => Options { all: true, ..Options::default() },
        Subject::Module(options) => options.clone(),
    };
    if profile.is_some_and(|profile| profile.module().digest != module.digest() && profile.coverage(module).functions_matched == 0) {
        return Err(ExplainError::Profile);
    }
    let (reading, plan) = plan(module, profile, &options);
    // The counts know the profile in terms of this module; sites are asked of it directly.
    let rebased = profile.map(|profile| profile.rebase(module).0);
    let work = Work { input, reading: &reading, rebased: rebased.as_ref(), plan: &plan, options: &options };
    work.run()
}

/// Functions that calls may reach directly.
struct Direct(Vec<bool>);

impl DirectCalls for Direct {
    fn direct(&self, callee: FuncIndex) -> bool {
        self.0.get(callee.index()).copied().unwrap_or(false)
    }
}

struct Work<'a> {
    input: Input<'a>,
    reading: &'a Reading,
    rebased: Option<&'a Profile>,
    plan: &'a Plan,
    options: &'a Options,
}

/// The code of the function, and what is known of it.
struct Found<'a> {
    tier: Tier,
    unit: Unit,
    stages: Option<Stages>,
    /// In the cache.
    placed: Option<PlacedFunction>,
    /// What the unit's places refer to, where the stages do not tell.
    table: &'a [InlinedPlace],
}

impl<'a> Work<'a> {
    fn run(&self) -> Result<Explanation, ExplainError> {
        let Input { subject, module, function, .. } = self.input;
        let graph = graph::graph(module, function, &self.reading.counts)?;
        let heat = Heat::new(module, &self.reading.counts);
        let counted = self.counted();
        let mut explanation = Explanation {
            schema: SCHEMA,
            of: self.of()?,
            function: self.function(&graph),
            training: self.training()?,
            code: None,
            why: String::new(),
            notes: self.notes(),
            sites: sites::sites(module, function, &graph, counted),
            inlined: Vec::new(),
            guards: Vec::new(),
            exits: Vec::new(),
            cold: None,
            traps: Vec::new(),
            calls: Vec::new(),
            graph: sites::graph(module, &graph),
            machine: Vec::new(),
            clif: None,
        };
        let found = match subject {
            Subject::Cache(file) => self.in_cache(file)?,
            Subject::Module(options) => self.planned(options.settings()),
        };
        match found {
            Ok(found) => {
                explanation.why = self.why(&found, &explanation.training);
                self.add_code(&mut explanation, &found, &heat);
            }
            Err(why) => explanation.why = why,
        }
        self.add_cold(&mut explanation, &graph);
        Ok(explanation)
    }

    fn counted(&self) -> Option<&'a FunctionProfile> {
        self.rebased?.function(self.input.module.defined_index(self.input.function)?)
    }

    fn of(&self) -> Result<Of, ExplainError> {
        let module = self.input.module.digest().to_string();
        Ok(match self.input.subject {
            Subject::Cache(file) => {
                let manifest = file.manifest().map_err(ExplainError::Cache)?;
                Of {
                    kind: "cache",
                    module,
                    compiler: manifest.builder.code_generator.clone(),
                    cpu_level: manifest.settings.level.clone(),
                    memory_style: manifest.settings.memory.clone(),
                    fuel: manifest.settings.fuel,
                }
            }
            Subject::Module(options) => Of {
                kind: "module",
                module,
                compiler: CraneliftCompiler::new().version(),
                cpu_level: options.level.name().into(),
                memory_style: options.memory.name().into(),
                fuel: options.fuel,
            },
        })
    }

    fn function(&self, graph: &graph::Graph) -> Function {
        let Input { module, function, .. } = self.input;
        let exports = module.exports().iter().filter(|export| export.kind == kind::FUNC && export.index == function.0);
        let (offset, len, locals, sites) = module
            .function(function)
            .map_or((0, 0, 0, 0), |record| (record.body.offset, record.body.len, record.locals, record.indirect_sites_len));
        Function {
            index: function.0,
            name: names::label(module, function),
            exports: exports.map(|export| module.string(export.name).to_string()).collect(),
            signature: module.func_type(module.type_of(function)).to_string(),
            wasm: module.wasm_offset(offset),
            wasm_bytes: len,
            instructions: graph.instructions.len() as u32,
            loops: graph.instructions.iter().filter(|instruction| instruction.what == What::Loop).count() as u32,
            locals,
            indirect_call_sites: sites,
        }
    }

    fn training(&self) -> Result<Training, ExplainError> {
        let Some(profile) = self.input.profile else { return Ok(Training::default()) };
        let recording = &self.reading.recording;
        let entered: Vec<&Recorded> = recording.functions.iter().filter(|recorded| recorded.entries > 0).collect();
        let counted = self.counted();
        let is_the_caches = match self.input.subject {
            Subject::Module(_) => None,
            Subject::Cache(file) => {
                let digest = HexDigest(Digest::of(&profile.to_bytes()));
                Some(file.manifest().map_err(ExplainError::Cache)?.profile == ProfileSource::Profiles(vec![digest]))
            }
        };
        Ok(Training {
            given: true,
            runs: recording.runs,
            entries: Some(counted.map_or(0, |counted| counted.entries)),
            back_edges: Some(counted.map_or(0, FunctionProfile::back_edges)),
            order: entered.iter().position(|recorded| recorded.function == self.input.function).map(|at| at as u32 + 1),
            functions: entered.len() as u32,
            is_the_caches,
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.reading.warnings.clone();
        if self.input.profile.is_none() {
            notes.push(
                "no profile was given: entries, shares of branches, targets of indirect calls and heat can not be told (give --profile)"
                    .into(),
            );
        }
        notes
    }

    /// What the cache holds of the function; or why it holds nothing.
    fn in_cache(&self, file: &'a CacheFile) -> Result<Result<Found<'a>, String>, ExplainError> {
        let Input { module, function, .. } = self.input;
        let manifest = file.manifest().map_err(ExplainError::Cache)?;
        if manifest.abi != HexDigest(abi_fingerprint()) {
            return Err(ExplainError::OtherBuild(format!("{} {}", manifest.builder.name, manifest.builder.version)));
        }
        let settings = manifest.settings.decode().map_err(ExplainError::Settings)?;
        let mut direct = vec![false; module.function_count() as usize];
        let mut placed = None;
        let mut places: HashMap<FuncIndex, u32> = HashMap::new();
        for item in file.functions().iter() {
            let CodeItem::Function(other) = item.what else { continue };
            direct.get_mut(other.index()).into_iter().for_each(|direct| *direct = true);
            places.insert(other, item.offset);
            placed = placed.or(Some(item).filter(|_| other == function));
        }
        let Some(placed) = placed else { return Ok(Err(self.why_not(&manifest.profile, settings, Direct(direct)))) };
        let tier = placed.tier.unwrap_or(Tier::Ap4);
        let stages = self.compile(tier, settings, &Direct(direct)).ok();
        let stages = stages.filter(|stages| is_equal(file, &placed, stages, &places));
        let unit = unit_of(file, &placed, stages.as_ref());
        Ok(Ok(Found { tier, unit, stages, placed: Some(placed), table: file.inlined() }))
    }

    /// What an assembly would make.
    fn planned(&self, settings: Settings) -> Result<Found<'a>, String> {
        let Input { module, function, .. } = self.input;
        let planned = self.plan.functions.iter().find(|planned| planned.function == function).map(|planned| planned.tier);
        let Some(tier) = self.input.tier.or(planned) else {
            return Err(
                "no training run entered it, and the module is too large to be compiled whole, but for functions that loop and call nothing: it is left to the interpreter".into()
            );
        };
        let mut direct = vec![false; module.function_count() as usize];
        self.plan.functions.iter().for_each(|planned| direct[planned.function.index()] = true);
        match self.compile(tier, settings, &Direct(direct)) {
            Ok(stages) => {
                let code = &stages.code;
                let unit = Unit {
                    bytes: led_away(code),
                    traps: code.traps.clone(),
                    calls: code.call_sites.clone(),
                    handlers: code.handlers.clone(),
                    blocks: stages.blocks.clone(),
                };
                Ok(Found { tier, unit, stages: Some(stages), placed: None, table: &[] })
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn compile(&self, tier: Tier, settings: Settings, direct_calls: &Direct) -> Result<Stages, CompileError> {
        let Input { module, function, .. } = self.input;
        let counts = &self.reading.counts;
        CraneliftCompiler::new().stages(&CompileRequest {
            module,
            function,
            tier,
            entry: Entry::Start,
            settings,
            direct_calls,
            counts,
            assumptions: &AllAssumptions,
        })
    }

    /// Why a cache has no code of the function.
    fn why_not(&self, source: &ProfileSource, settings: Settings, direct: Direct) -> String {
        match (self.compile(Tier::Ap4, settings, &direct), source) {
            (Err(error), _) => refused(&error),
            (Ok(_), ProfileSource::All) => "the cache was made of all functions, and yet has no code of this one: it must have been refused by the build that made it".into(),
            (Ok(_), ProfileSource::Profiles(_)) => {
                "no training run of the cache's profile entered it, and what no run entered was not compiled: it is left to the interpreter until it gets hot".into()
            }
        }
    }

    fn why(&self, found: &Found<'_>, training: &Training) -> String {
        let tier = found.tier.name();
        let entered = training.entries.filter(|&entries| entries > 0);
        match (self.input.subject, entered, training.order) {
            _ if self.input.tier.is_some() => format!("{tier}: it was asked for"),
            _ if training.given && training.is_the_caches != Some(false) && entered.is_none() => {
                format!(
                    "{tier}: no training run entered it; the module is small enough to be compiled whole, the function loops and calls nothing, or --all was asked for"
                )
            }
            (_, Some(entries), Some(order)) if training.is_the_caches != Some(false) => {
                let rule = self.options.tiers.a1_entries_per_run;
                let reason = match found.tier {
                    Tier::A1 => format!("no loop, and entered at most {rule} times a run: not worth optimizing"),
                    _ => "it loops, or is entered often enough".to_string(),
                };
                format!(
                    "{tier}: entered {} times in {}, {order} of {} by first use; {reason}",
                    number(entries),
                    counted(training.runs, "training run"),
                    training.functions
                )
            }
            (Subject::Cache(_), ..) => match found.tier {
                Tier::A1 => format!("{tier}: training entered it at most once a run, and it has no loop"),
                _ => format!("{tier}: whether training entered it can not be told without the profile that the cache was assembled with"),
            },
            _ => format!("{tier}: every function is compiled where there is no profile"),
        }
    }

    fn add_code(&self, explanation: &mut Explanation, found: &Found<'_>, heat: &Heat<'_>) {
        let module = self.input.module;
        let Found { tier, unit, stages, placed, table } = found;
        let features = placed.map_or(self.options.settings().features, |placed| placed.features);
        let assumptions = stages.as_ref().map_or(&[][..], |stages| &stages.code.assumptions);
        let file = if let Subject::Cache(file) = self.input.subject { Some(file) } else { None };
        explanation.code = Some(Code {
            tier: tier.name().into(),
            bytes: unit.bytes.len() as u32,
            text_offset: placed.map(|placed| placed.offset),
            features: features.iter().map(|feature| feature.name().to_string()).collect(),
            direct_callers: file.map(|file| file.edges().direct_callers(self.input.function).count() as u32),
            assumptions: assumptions.iter().map(|assumption| assumption.to_string()).collect(),
            is_exact: stages.is_some(),
        });
        if stages.is_none() {
            explanation.notes.push(match explanation.training.is_the_caches {
                Some(true) => "this build compiles the function to other code than the cache holds: what follows is told by the cache's own tables".into(),
                _ => "the function can not be compiled to the same code without the profile that the cache was assembled with: where instructions come from is \
                      told by the cache's own tables, for traps and calls only"
                    .to_string(),
            });
        }
        let places = stages.as_ref().map_or(Places::Anchors, |stages| Places::All(&stages.places));
        let table = stages.as_ref().map_or(*table, |stages| &stages.inlined_places);
        let callee = |placed: &Placed| self.callee(placed, found);
        let listing = Listing { module, unit, places, table, heat, entries: explanation.training.entries, callee: &callee };
        let Listed { blocks, calls, reached, exits } = listing::list(&listing);
        (explanation.machine, explanation.calls, explanation.exits) = (blocks, calls, exits);
        explanation.inlined = match stages {
            Some(stages) => {
                // Also bodies that left nothing with a place: pure arithmetic has none.
                let all = (0..stages.inlined_places.len() as u32).map(|number| (place::INLINED | number, 0));
                let ranges = stages.places.iter().map(|range| (range.place, range.end - range.start));
                inlined::tree(module, heat, all.chain(ranges), table, true)
            }
            None => {
                let used = unit.traps.iter().map(|trap| trap.wasm).chain(unit.calls.iter().map(|call| call.wasm));
                inlined::tree(module, heat, used.filter(|&place| place::inlined(place).is_some()).map(|place| (place, 0)), table, false)
            }
        };
        explanation.guards = guards::guards(module, heat, &reached, &explanation.inlined, assumptions);
        let mut traps: BTreeMap<u8, u32> = BTreeMap::new();
        unit.traps.iter().for_each(|trap| *traps.entry(trap.code as u8).or_default() += 1);
        let message = |byte| trjit_module::TrapCode::from_byte(byte).map_or("unknown", |code| code.message());
        explanation.traps = traps.into_iter().map(|(byte, sites)| TrapKind { trap: message(byte), sites }).collect();
        let readable = |text: &str| clif::readable(module, table, text);
        explanation.clif = stages.as_ref().map(|stages| Clif {
            translated: readable(&stages.translated),
            inlined: readable(&stages.inlined),
            optimized: readable(&stages.optimized),
        });
    }

    /// The function that a direct call or jump reaches.
    fn callee(&self, placed: &Placed, found: &Found<'_>) -> Option<FuncIndex> {
        let target = placed.target()?;
        match (self.input.subject, found.placed) {
            (Subject::Cache(file), Some(unit)) => {
                // Only calls lead to the start: of the function itself.
                if target > 0 && target < u64::from(unit.len) {
                    return None;
                }
                let at = u32::try_from(u64::from(unit.offset).wrapping_add(target)).ok()?;
                let reached = file.function_at(at).filter(|reached| reached.offset == at)?;
                if let CodeItem::Function(function) = reached.what { Some(function) } else { None }
            }
            _ => {
                let relocations = &found.stages.as_ref()?.code.relocations;
                let first = relocations.partition_point(|relocation| relocation.offset < placed.offset);
                relocations.get(first).filter(|relocation| relocation.offset < placed.end()).map(|relocation| relocation.target)
            }
        }
    }

    fn add_cold(&self, explanation: &mut Explanation, graph: &graph::Graph) {
        let counts: Vec<u64> = graph.instructions.iter().filter_map(|instruction| instruction.count).collect();
        if counts.is_empty() {
            return;
        }
        let cold = explanation.machine.iter().filter(|block| block.count == Some(0));
        explanation.cold = Some(Cold {
            instructions: counts.len() as u32,
            never_executed: counts.iter().filter(|&&count| count == 0).count() as u32,
            bytes: cold.map(|block| block.bytes).sum(),
        });
    }
}

/// Code that was not placed: its direct calls lead far out of it, not to themselves.
fn led_away(code: &CompiledFunction) -> Vec<u8> {
    let mut bytes = code.bytes.clone();
    for relocation in &code.relocations {
        let operand = bytes.get_mut(relocation.offset as usize..).and_then(|rest| rest.first_chunk_mut::<4>());
        operand.into_iter().for_each(|operand| *operand = i32::MIN.to_le_bytes());
    }
    bytes
}

fn refused(error: &CompileError) -> String {
    format!("it does not compile, and is left to the interpreter: {error}")
}

/// Whether the compilation has the very bytes of the cache.
fn is_equal(file: &CacheFile, placed: &PlacedFunction, stages: &Stages, places: &HashMap<FuncIndex, u32>) -> bool {
    let mut bytes = stages.code.bytes.clone();
    for relocation in &stages.code.relocations {
        let Some(&target) = places.get(&relocation.target) else { return false };
        if relocation.apply(&mut bytes, u64::from(placed.offset), u64::from(target)).is_err() {
            return false;
        }
    }
    file.text().get(placed.offset as usize..).is_some_and(|text| text.get(..placed.len as usize) == Some(&bytes))
}

/// A function of a cache with its rows of the tables, all relative to its first byte.
fn unit_of(file: &CacheFile, placed: &PlacedFunction, stages: Option<&Stages>) -> Unit {
    let range = placed.offset..placed.offset + placed.len;
    let within = |offset: u32| range.contains(&offset);
    // A return address may lie at the very end.
    let returns = |offset: u32| offset > range.start && offset <= range.end;
    let bytes = file.text().get(range.start as usize..range.end as usize).unwrap_or(&[]).to_vec();
    let relative = |offset: u32| offset - range.start;
    let traps = file.traps().iter().filter(|trap| within(trap.offset));
    let calls = file.calls().iter().filter(|call| returns(call.offset));
    let handlers = file.handlers().iter().filter(|handler| returns(handler.offset));
    Unit {
        bytes,
        traps: traps.map(|trap| trjit_code::TrapSite { offset: relative(trap.offset), ..trap }).collect(),
        calls: calls.map(|call| trjit_code::CallSite { offset: relative(call.offset), ..call }).collect(),
        handlers: handlers
            .map(|handler| trjit_code::HandlerSite { offset: relative(handler.offset), landing: relative(handler.landing), ..handler })
            .collect(),
        blocks: stages.map_or_else(Vec::new, |stages| stages.blocks.clone()),
    }
}
