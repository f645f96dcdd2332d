//! Check mode: whether a cache file says what its inputs say. Nothing of the assembly is trusted but the compiler's determinism and the plan.
//!
//! ```text
//! CacheFile -> verify    digests, order, bounds, jump table and trampolines against the functions (the loader's own checks)
//!           -> whole     module, settings, the plan's functions in the plan's order, padding, edges
//!           -> compare   each unit against a second compilation: code, calls, traps, call sites     (all threads)
//!           -> decode    each instruction against the rules and the declared CPU features           (all threads)
//! ```
//! The caller reads the file back from where it was written; this crate opens no files. All violations are gathered, then told together.

mod compare;
mod decode;
mod features;
mod violation;

pub use violation::{CheckError, Fault, Violation, Violations};

use crate::assemble::{self, Inputs};
use crate::options::Options;
use crate::plan::{Plan, Planned};
use crate::progress::{Phase, Progress};
use crate::recording::Counts;
use compare::{Compared, Written};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;
use trjit_cache_format::{Architecture, CacheFile, CodeItem, Edge, PlacedFunction, SectionId, memory};
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, DirectCalls, Entry, LAZY_STUB_CODE, NoAssumptions};
use trjit_module::memory_image::Imaged;
use trjit_module::{FuncIndex, Module, TypeIndex};
use trjit_trace::Profile;

/// What fills the space between units.
const PADDING: u8 = 0xcc;

/// What was checked, where nothing was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// Functions that were compiled again and compared.
    pub functions: u32,
    pub trampolines: u32,
    /// Instructions that were read.
    pub instructions: u64,
    pub seconds: f64,
}

/// Checks a cache against the inputs that it was assembled from. They must be the same: a profile that differs gives another plan.
pub fn check(
    file: &CacheFile,
    module: &Module,
    profile: Option<&Profile>,
    options: &Options,
    compiler: &dyn Compiler,
    progress: &dyn Progress,
) -> Result<Checked, CheckError> {
    let start = Instant::now();
    file.verify_all().map_err(CheckError::Refused)?;
    let pool = assemble::pool(options).map_err(|(threads, detail)| CheckError::Threads { threads, detail })?;
    let inputs = Inputs { module, profile, options, compiler };
    let mut checked = pool.install(|| Check::new(file, inputs, progress).run())?;
    checked.seconds = start.elapsed().as_secs_f64();
    progress.end(Phase::Check, checked.seconds);
    Ok(checked)
}

/// Calls are direct where the callee has code in the file.
struct InFile(HashSet<FuncIndex>);

impl DirectCalls for InFile {
    fn direct(&self, callee: FuncIndex) -> bool {
        self.0.contains(&callee)
    }
}

struct Check<'a> {
    file: &'a CacheFile,
    inputs: Inputs<'a>,
    progress: &'a dyn Progress,
    plan: Plan,
    counts: Counts,
    placed: Vec<PlacedFunction>,
    in_file: InFile,
    written: Written<'a>,
    violations: Vec<Violation>,
}

impl<'a> Check<'a> {
    fn new(file: &'a CacheFile, inputs: Inputs<'a>, progress: &'a dyn Progress) -> Check<'a> {
        let placed: Vec<PlacedFunction> = file.functions().iter().collect();
        let functions: HashMap<FuncIndex, u32> = placed.iter().filter_map(|placed| Some((function(placed.what)?, placed.offset))).collect();
        let written = Written {
            text: file.text(),
            traps: file.traps().iter().collect(),
            calls: file.calls().iter().collect(),
            inlined: file.inlined().to_vec(),
            handlers: file.handlers().iter().collect(),
            units: placed.iter().map(|placed| placed.offset).collect(),
            functions,
        };
        let in_file = InFile(written.functions.keys().copied().collect());
        let (reading, plan) = assemble::plan(inputs.module, inputs.profile, inputs.options);
        Check { file, inputs, progress, plan, counts: reading.counts, placed, in_file, written, violations: Vec::new() }
    }

    fn run(mut self) -> Result<Checked, CheckError> {
        let missing: Vec<Planned> = self.plan.functions.iter().copied().filter(|planned| !self.in_file.direct(planned.function)).collect();
        self.progress.begin(Phase::Check, (self.placed.len() + missing.len()) as u64);
        self.check_sections();
        self.check_manifest()?;
        self.check_plan();
        self.check_trampolines();
        self.check_gaps();
        self.check_missing(&missing);
        let (instructions, edges) = self.check_units();
        self.check_edges(&edges);
        let functions = self.written.functions.len() as u32;
        let trampolines = self.placed.len() as u32 - functions;
        match Violations::new(self.violations) {
            violations if violations.total > 0 => Err(violations.into()),
            _ => Ok(Checked { functions, trampolines, instructions, seconds: 0.0 }),
        }
    }

    fn violation(&mut self, what: Option<CodeItem>, offset: Option<u32>, fault: Fault) {
        let name = what.and_then(function).and_then(|function| self.inputs.module.func_name(function)).map(str::to_string);
        self.violations.push(Violation { what, name, offset, fault });
    }

    /// The module in the file is the one that was compiled. Exhaustive: a new section does not compile until someone decided who checks it.
    fn check_sections(&mut self) {
        let image = Imaged::of(self.inputs.module);
        let module = image.as_ref().map_or(self.inputs.module, |image| &image.module);
        let extents = image.as_ref().map_or_else(Vec::new, |image| memory::encode(&image.extents));
        let packed = assemble::pack(module, &self.placed);
        for &id in SectionId::ALL {
            let expected: &[u8] = match id {
                SectionId::Module => module.flat_without_bodies(),
                SectionId::Code => packed.as_deref().unwrap_or(&[]),
                SectionId::Data => module.data(),
                SectionId::Extents => &extents,
                SectionId::Memory => image.as_ref().map_or(&[], |image| &image.pages),
                // `verify_all`, and below: the manifest, the plan's functions, each unit's rows and calls.
                SectionId::Header
                | SectionId::Digests
                | SectionId::Manifest
                | SectionId::Functions
                | SectionId::Trampolines
                | SectionId::JumpTable => continue,
                SectionId::Edges | SectionId::Traps | SectionId::Calls | SectionId::Inlined | SectionId::Handlers | SectionId::Text => {
                    continue;
                }
                // For tools only: no run reads them.
                SectionId::Symtab | SectionId::Strtab => continue,
            };
            if self.file.section(id) != expected {
                self.violation(None, None, Fault::Section { section: id.name() });
            }
        }
    }

    /// The manifest promises what the options say.
    fn check_manifest(&mut self) -> Result<(), CheckError> {
        let (options, manifest) = (self.inputs.options, self.file.manifest().map_err(CheckError::Refused)?);
        let features = options.settings().features;
        let mut settings = vec![
            ("memory style", manifest.settings.memory.clone(), options.memory.name().to_string()),
            ("fuel", manifest.settings.fuel.to_string(), options.fuel.to_string()),
            ("CPU level", manifest.settings.level.clone(), options.level.name().to_string()),
            ("architecture", self.file.architecture().name().to_string(), Architecture::X86_64.name().to_string()),
            ("profile", format!("{:?}", manifest.profile), format!("{:?}", self.inputs.profile_source())),
            ("compiler", manifest.builder.code_generator.clone(), self.inputs.compiler.version()),
        ];
        if manifest.settings.known_features() != features || manifest.settings.features.len() != features.iter().count() {
            settings.push(("CPU features", manifest.settings.features.join(", "), features.to_string()));
        }
        for (what, found, expected) in settings {
            if found != expected {
                self.violation(None, None, Fault::Manifest { what, found, expected });
            }
        }
        Ok(())
    }

    /// Functions are the plan's, with its tiers, in its order.
    fn check_plan(&mut self) {
        let planned: HashMap<FuncIndex, Planned> = self.plan.functions.iter().map(|&planned| (planned.function, planned)).collect();
        let in_order: Vec<FuncIndex> =
            self.plan.functions.iter().map(|planned| planned.function).filter(|&function| self.in_file.direct(function)).collect();
        let mut order = in_order.into_iter();
        let mut told = false;
        for placed in self.placed.clone() {
            let Some(function) = function(placed.what) else { continue };
            let Some(planned) = planned.get(&function) else {
                self.violation(Some(placed.what), None, Fault::Unplanned);
                continue;
            };
            if placed.tier != Some(planned.tier) {
                self.violation(Some(placed.what), None, Fault::Tier { found: placed.tier, expected: Some(planned.tier) });
            }
            // One misplaced function shifts all behind it: the first is told.
            if let Some(expected) = order.next().filter(|&expected| expected != function && !told) {
                told = true;
                self.violation(Some(placed.what), None, Fault::Order { expected: CodeItem::Function(expected) });
            }
        }
    }

    /// Each type has its crossings.
    fn check_trampolines(&mut self) {
        let found: HashSet<CodeItem> = self.placed.iter().map(|placed| placed.what).collect();
        for ty in (0..self.inputs.module.types().len() as u32).map(TypeIndex) {
            for what in [CodeItem::ToNative(ty), CodeItem::ToInterpreter(ty), CodeItem::TailToNative(ty)] {
                if !found.contains(&what) {
                    self.violation(Some(what), None, Fault::Missing);
                }
            }
        }
    }

    /// Between units are breakpoints, and no table speaks of what lies there.
    fn check_gaps(&mut self) {
        let mut from = LAZY_STUB_CODE.len();
        let mut gaps = Vec::new();
        for placed in &self.placed {
            gaps.push(from..placed.offset as usize);
            from = (placed.offset + placed.len) as usize;
        }
        gaps.push(from..self.written.text.len());
        for gap in gaps {
            let start = gap.start;
            let bytes = self.written.text.get(gap).unwrap_or(&[]);
            if let Some(at) = bytes.iter().position(|&byte| byte != PADDING) {
                let (offset, found) = ((start + at) as u32, bytes[at]);
                self.violation(None, None, Fault::Padding { offset, found });
            }
        }
        let traps: HashSet<u32> = self.placed.iter().flat_map(|placed| self.written.traps_of(placed)).map(|site| site.offset).collect();
        let calls: HashSet<u32> = self.placed.iter().flat_map(|placed| self.written.calls_of(placed)).map(|site| site.offset).collect();
        let trap = self.written.traps.iter().map(|site| ("traps", site.offset)).find(|(_, offset)| !traps.contains(offset));
        let call = self.written.calls.iter().map(|site| ("calls", site.offset)).find(|(_, offset)| !calls.contains(offset));
        let handlers: HashSet<u32> =
            self.placed.iter().flat_map(|placed| self.written.handlers_of(placed)).map(|site| site.offset).collect();
        let handler = self.written.handlers.iter().map(|site| ("handlers", site.offset)).find(|(_, offset)| !handlers.contains(offset));
        for (table, offset) in trap.into_iter().chain(call).chain(handler) {
            self.violation(None, None, Fault::Stray { table, offset });
        }
    }

    /// What is planned but not in the file does not compile.
    fn check_missing(&mut self, missing: &[Planned]) {
        let compiles: Vec<FuncIndex> = missing
            .par_iter()
            .filter(|planned| self.step(self.compile(CodeItem::Function(planned.function), **planned)).is_ok())
            .map(|planned| planned.function)
            .collect();
        for function in compiles {
            self.violation(Some(CodeItem::Function(function)), None, Fault::Missing);
        }
    }

    fn step<T>(&self, done: T) -> T {
        self.progress.step(1);
        done
    }

    /// Compiles everything again, large code first, and compares. Returns the number of instructions and the direct calls.
    fn check_units(&mut self) -> (u64, BTreeSet<Edge>) {
        let mut positions: Vec<usize> = (0..self.placed.len()).collect();
        positions.sort_by_key(|&position| (std::cmp::Reverse(self.placed[position].len), position));
        let mut units: Vec<(usize, Compared)> =
            positions.par_iter().with_max_len(1).map(|&position| (position, self.step(self.check_unit(&self.placed[position])))).collect();
        units.sort_by_key(|(position, _)| *position);
        let (mut instructions, mut edges) = (0, BTreeSet::new());
        for (position, unit) in units {
            instructions += unit.instructions;
            edges.extend(unit.edges);
            for (offset, fault) in unit.faults {
                self.violation(Some(self.placed[position].what), offset, fault);
            }
        }
        (instructions, edges)
    }

    fn check_unit(&self, placed: &PlacedFunction) -> Compared {
        let tier = placed.tier.unwrap_or(trjit_code::Tier::Ap4);
        match self.compile(placed.what, Planned { function: function(placed.what).unwrap_or(FuncIndex(0)), tier }) {
            Ok(compiled) => self.written.compare(placed, &compiled),
            Err(error) => Compared { faults: vec![(None, Fault::NoCode(error))], ..Compared::default() },
        }
    }

    /// A second compilation, on the same terms.
    fn compile(&self, what: CodeItem, planned: Planned) -> Result<CompiledFunction, CompileError> {
        let Inputs { module, compiler, options, .. } = self.inputs;
        let settings = options.settings();
        match what {
            CodeItem::Function(function) => {
                let (tier, direct_calls, counts) = (planned.tier, &self.in_file, &self.counts);
                compiler.compile(&CompileRequest {
                    module,
                    function,
                    tier,
                    entry: Entry::Start,
                    settings,
                    direct_calls,
                    counts,
                    assumptions: &NoAssumptions,
                })
            }
            CodeItem::ToNative(ty) => compiler.to_native(module, ty, settings),
            CodeItem::ToInterpreter(ty) => compiler.to_interpreter(module, ty, settings),
            CodeItem::TailToNative(ty) => compiler.tail_to_native(module, ty, settings),
        }
    }

    /// The file lists exactly the direct calls that the code makes.
    fn check_edges(&mut self, expected: &BTreeSet<Edge>) {
        let found: BTreeSet<Edge> = self.file.edges().iter().collect();
        for &edge in found.symmetric_difference(expected) {
            let in_file = found.contains(&edge);
            self.violation(None, None, Fault::Edge { edge, in_file });
        }
    }
}

fn function(what: CodeItem) -> Option<FuncIndex> {
    if let CodeItem::Function(function) = what { Some(function) } else { None }
}
