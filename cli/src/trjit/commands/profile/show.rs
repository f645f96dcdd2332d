//! `trjit profile show`: the runs and hottest functions of a profile, and what a module has of it.

use super::{SCHEMA, label, number};
use crate::commands::profiles::read_one;
use crate::profile_args::Show;
use crate::table::Table;
use anyhow::Result;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::path::Path;
use trjit_cli::{exit, ui};
use trjit_module::{FuncIndex, Module};
use trjit_trace::{Coverage, Fate, FunctionProfile, HotFunction, Profile, Summary};

/// Most characters of a run's name that a table shows.
const NAME_LEN: usize = 60;

pub fn execute(args: &Show) -> Result<u8> {
    let profile = read_one(&args.file)?;
    let module = args.module.as_deref().map(super::module).transpose()?;
    let shown = Shown {
        profile: &profile,
        summary: profile.summary(args.top),
        against: module.as_ref().map(|module| Against::new(&profile, module)),
    };
    if args.json {
        ui::line(&format!("{:#}", shown.document(args)));
    } else {
        shown.print(args);
    }
    Ok(exit::OK)
}

struct Shown<'a> {
    profile: &'a Profile,
    summary: Summary,
    against: Option<Against<'a>>,
}

/// A profile beside a module.
struct Against<'a> {
    module: &'a Module,
    coverage: Coverage,
    /// Functions whose counters are lost, with what became of them, the hottest first.
    lost: Vec<(&'a FunctionProfile, Fate)>,
}

impl<'a> Against<'a> {
    fn new(profile: &'a Profile, module: &'a Module) -> Against<'a> {
        let fates = profile.functions().iter().zip(profile.fates(module));
        let mut lost: Vec<(&FunctionProfile, Fate)> = fates.filter(|(_, fate)| !matches!(fate, Fate::Same { .. })).collect();
        lost.sort_by_key(|(function, _)| Reverse(function.hotness()));
        Against { module, coverage: profile.coverage(module), lost }
    }

    /// Functions that the module has under their name with another body, and their calls.
    fn changed(&self) -> (usize, u64) {
        tally(self.lost.iter().filter(|(_, fate)| matches!(fate, Fate::Changed { .. })))
    }

    fn gone(&self) -> (usize, u64) {
        tally(self.lost.iter().filter(|(_, fate)| matches!(fate, Fate::Gone)))
    }
}

fn tally<'a>(lost: impl Iterator<Item = &'a (&'a FunctionProfile, Fate)>) -> (usize, u64) {
    lost.fold((0, 0), |(count, calls), (function, _)| (count + 1, calls.saturating_add(function.entries)))
}

/// What became of a function that is not the same any more.
fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Same { .. } => "same",
        Fate::Changed { same_shape: true, .. } => "changed, same shape",
        Fate::Changed { same_shape: false, .. } => "changed",
        Fate::Gone => "gone",
    }
}

impl Shown<'_> {
    /// The name in the profile, else by the module, where that is the one that was recorded.
    fn name(&self, name: Option<&str>, function: u32) -> String {
        match (name, &self.against) {
            (None, Some(against)) if against.coverage.same_module => trjit_explain::label(against.module, FuncIndex(function)),
            _ => label(name, function),
        }
    }

    fn document(&self, args: &Show) -> Value {
        let Shown { profile, summary, .. } = self;
        let runs = profile.runs().iter().zip(&summary.runs).map(|(run, told)| {
            json!({ "workload": run.workload, "weight": run.weight, "functions": told.functions, "calls": run.entries, "seconds": told.seconds, "ended": run.ended })
        });
        let hottest = summary.hottest.iter().map(|hot| {
            let name = self.name(hot.name.as_deref(), hot.function);
            json!({ "function": hot.function, "name": name, "calls": hot.entries, "back_edges": hot.back_edges, "share": self.share(hot) })
        });
        json!({
            "schema": SCHEMA,
            "module": { "digest": summary.module_digest, "bytes": summary.wasm_len, "functions": summary.defined_functions, "imported_functions": summary.imported_functions },
            "functions": summary.functions_entered,
            "calls": summary.entries,
            "back_edges": summary.back_edges,
            "branches": summary.branches,
            "indirect_call_sites": summary.sites,
            "indirect_call_sites_with_one_target": summary.sites_with_one_target,
            "indirect_calls": summary.indirect_calls,
            "runs": runs.collect::<Vec<_>>(),
            "hottest": hottest.collect::<Vec<_>>(),
            "against": self.against.as_ref().zip(args.module.as_deref()).map(|(against, path)| self.against_document(against, path, args.top)),
        })
    }

    fn against_document(&self, against: &Against<'_>, path: &Path, top: usize) -> Value {
        let Against { module, coverage, lost } = against;
        let part = |(functions, calls): (usize, u64)| json!({ "functions": functions, "calls": calls });
        let lost = lost.iter().take(top).map(|(function, fate)| {
            let index = self.profile.module().func_index(function.identity.index).0;
            let now = if let Fate::Changed { index, .. } = fate { Some(module.func_index(*index).0) } else { None };
            let name = self.name(function.identity.name.as_deref(), index);
            json!({ "function": index, "name": name, "calls": function.entries, "fate": word(*fate), "now": now })
        });
        json!({
            "module": path.display().to_string(),
            "digest": module.digest().to_string(),
            "same_module": coverage.same_module,
            "functions": coverage.functions_recorded,
            "functions_same": coverage.functions_matched,
            "share_of_functions": coverage.share_of_functions(),
            "calls_same": number(coverage.entries_matched),
            "share_of_calls": coverage.share_of_entries(),
            "share_of_code": coverage.share_of_code(),
            "changed": part(against.changed()),
            "gone": part(against.gone()),
            "lost": lost.collect::<Vec<_>>(),
        })
    }

    /// The part of a function in all calls and back-edges.
    fn share(&self, hot: &HotFunction) -> f64 {
        let total = self.profile.functions().iter().map(|function| u128::from(function.hotness())).sum::<u128>();
        (u128::from(hot.entries) + u128::from(hot.back_edges)) as f64 / total.max(1) as f64
    }

    fn print(&self, args: &Show) {
        let Shown { profile, summary, .. } = self;
        let module = profile.module();
        ui::line(&format!("module       {} ({} bytes), {} functions", module.digest.short(), module.wasm_len, module.defined_functions));
        ui::line(&format!(
            "recorded     {} functions entered, {} calls, {} back-edges; {} branches taken",
            summary.functions_entered, summary.entries, summary.back_edges, summary.branches
        ));
        ui::line(&format!(
            "indirect     {} call sites with {} calls, {} of them with one target",
            summary.sites, summary.indirect_calls, summary.sites_with_one_target
        ));
        if let (Some(against), Some(path)) = (&self.against, &args.module) {
            against.print(path);
        }
        let mut runs = Table::new(&["weight", "functions", "calls", "seconds", "workload, end"]);
        for (run, told) in profile.runs().iter().zip(&summary.runs) {
            let name = format!("{}, {}", shortened(&run.workload), shortened(&run.ended));
            let numbers = [run.weight.to_string(), told.functions.to_string(), run.entries.to_string(), format!("{:.3}", told.seconds)];
            runs.row(numbers.into_iter().chain([name]));
        }
        runs.print(&format!("{} runs", profile.runs().len()));
        let mut hottest = Table::new(&["share", "calls", "back-edges", "index", "function"]);
        for hot in &summary.hottest {
            let name = self.name(hot.name.as_deref(), hot.function);
            hottest.row([
                ui::percent(self.share(hot)),
                hot.entries.to_string(),
                hot.back_edges.to_string(),
                hot.function.to_string(),
                name,
            ]);
        }
        hottest.print("hottest functions, by calls and back-edges");
        if let Some(against) = &self.against {
            let mut lost = Table::new(&["calls", "back-edges", "index", "function: what became of it"]);
            for (function, fate) in against.lost.iter().take(args.top) {
                let index = module.func_index(function.identity.index).0;
                let name = format!("{}: {}", self.name(function.identity.name.as_deref(), index), word(*fate));
                lost.row([function.entries.to_string(), function.back_edges().to_string(), index.to_string(), name]);
            }
            lost.print("hottest functions whose counts are lost");
        }
    }
}

impl Against<'_> {
    fn print(&self, path: &Path) {
        let Coverage { same_module, functions_recorded, functions_matched, .. } = self.coverage;
        let what = if same_module { "the module that was recorded" } else { "another build or program" };
        ui::line(&format!("against      {}: {what}", path.display()));
        ui::line(&format!(
            "covered      {functions_matched} of {functions_recorded} functions, {} of the calls; {} of the module's code",
            ui::percent(self.coverage.share_of_entries()),
            ui::percent(self.coverage.share_of_code())
        ));
        if !self.lost.is_empty() {
            let ((changed, changed_calls), (gone, gone_calls)) = (self.changed(), self.gone());
            ui::line(&format!("lost         {changed} functions changed ({changed_calls} calls), {gone} gone ({gone_calls} calls)"));
        }
    }
}

/// A text of the profile in one line of a table.
fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(NAME_LEN).collect();
    if text.chars().nth(NAME_LEN).is_some() { format!("{shown}..") } else { shown }
}
