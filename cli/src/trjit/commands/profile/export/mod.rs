//! `trjit profile export`: a profile as other tools read it.
//!
//! ```text
//! profile + module -> counts of the module (rebased) -> work of each function (instructions, calls) -> stacks -> pprof, folded
//! ```

mod folded;
mod order;
mod pprof;
mod stacks;

use crate::commands::profiles::read_one;
use crate::profile_args::{Export, Format, Value};
use anyhow::Result;
use stacks::Node;
use std::collections::{BTreeMap, HashMap, HashSet};
use trjit_assemble::plan::Recorded;
use trjit_cli::exit::{self, Failure, PROFILE_REFUSED};
use trjit_cli::ui;
use trjit_compile::work::{Work, work};
use trjit_module::flat::kind;
use trjit_module::{FuncIndex, Module};
use trjit_trace::Profile;

const COMMENT: &str = "Stacks are not recorded: the work of a function is divided among its callers by how often each called it. What is told of a function without its callees is exact.";

pub fn execute(args: &Export) -> Result<u8> {
    let module = super::module(&args.module)?;
    let profile = read_one(&args.file)?;
    let program = Called::new(&module, &profile)?;
    if program.functions.is_empty() {
        let failure =
            Failure::new(PROFILE_REFUSED, format!("profile `{}` has nothing of module `{}`", args.file.display(), args.module.display()));
        return Err(failure.with_help("give the module that was recorded, or another build of it").into());
    }
    let stacks = stacks::stacks(&program.nodes);
    let names: Vec<String> = program.functions.iter().map(|&function| trjit_explain::label(&module, function)).collect();
    let bytes = match args.format {
        Format::Folded => folded::encode(&names, &stacks, if args.value == Value::Calls { 0 } else { 1 }).into_bytes(),
        Format::Pprof => {
            let offset = |&function: &FuncIndex| module.function(function).map_or(0, |record| module.wasm_offset(record.code_start).into());
            let functions: Vec<(String, u64)> = names.into_iter().zip(program.functions.iter().map(offset)).collect();
            let described = pprof::Program {
                module: &args.module.file_name().unwrap_or_default().to_string_lossy(),
                build: &module.digest().to_string(),
                wasm_len: module.header().wasm_len,
                nanos: profile.runs().iter().fold(0, |sum: u64, run| sum.saturating_add(run.micros.saturating_mul(1000))),
                functions: &functions,
                values: [("calls", "count"), ("instructions", "count")],
                shown: if args.value == Value::Calls { 0 } else { 1 },
                comment: COMMENT,
            };
            pprof::encode(&described, &stacks)
        }
    };
    match &args.output {
        Some(path) => trjit_trace::write_file(path, &bytes)?,
        None => ui::output(&bytes),
    }
    Ok(exit::OK)
}

/// What was called, in order of first use, imported functions last.
struct Called {
    functions: Vec<FuncIndex>,
    nodes: Vec<Node>,
}

impl Called {
    fn new(module: &Module, profile: &Profile) -> Result<Called> {
        let reading = trjit_assemble::recording::read(module, profile);
        reading.warnings.iter().for_each(|warning| ui::warning(warning));
        let entered: Vec<&Recorded> = reading.recording.functions.iter().filter(|known| known.entries != 0).collect();
        let work = entered.iter().map(|known| work(module, known.function, &reading.counts)).collect::<Result<Vec<_>, _>>()?;
        let mut functions: Vec<FuncIndex> = entered.iter().map(|known| known.function).collect();
        let mut values: Vec<[u64; 2]> = entered.iter().zip(&work).map(|(known, work)| [known.entries, work.instructions]).collect();
        for (function, calls) in imported(module, &work) {
            functions.push(function);
            values.push([calls, 0]);
        }
        let numbers: HashMap<FuncIndex, usize> = functions.iter().copied().zip(0..).collect();
        let calls = work.iter().map(|work| work.calls.iter().filter_map(|(callee, &count)| Some((*numbers.get(callee)?, count))).collect());
        let calls = calls.chain(std::iter::repeat_with(Vec::new));
        let exports = module.exports().iter().filter(|export| export.kind == kind::FUNC);
        let exported: HashSet<u32> = exports.map(|export| export.index).collect();
        let exported = functions.iter().map(|function| exported.contains(&function.0));
        let nodes =
            values.into_iter().zip(calls).zip(exported).map(|((values, calls), exported)| Node { values, calls, exported }).collect();
        Ok(Called { functions, nodes })
    }
}

/// The imported functions that were called, in order of their indices.
fn imported(module: &Module, work: &[Work]) -> BTreeMap<FuncIndex, u64> {
    let mut found: BTreeMap<FuncIndex, u64> = BTreeMap::new();
    let calls = work.iter().flat_map(|work| &work.calls);
    for (&callee, &count) in calls.filter(|(callee, count)| **count != 0 && module.function(**callee).is_none()) {
        let sum = found.entry(callee).or_default();
        *sum = sum.saturating_add(count);
    }
    found
}
