//! `trjit profile similarity`: how alike runs are, in pairs and in clusters, and which add nothing to the others.

use super::SCHEMA;
use crate::commands::profiles::read_one;
use crate::profile_args::Similarity as Options;
use crate::table::Table;
use anyhow::Result;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use trjit_cli::{exit, ui};
use trjit_trace::{Contributions, Pair, Profile, Selection, Sequences, Similarity};

pub fn execute(args: &Options) -> Result<u8> {
    let (mut runs, mut sequences, mut contributions) = (Vec::new(), Sequences::default(), Contributions::default());
    for path in &args.files {
        let profile = read_one(path)?;
        runs.extend(named(&path.display().to_string(), &profile));
        sequences.add(&profile);
        // Counters are not kept by run: the runs of one profile can be told apart by their functions only.
        if args.files.len() == 1 {
            contributions.add_runs(&profile);
        } else {
            contributions.add_profile(&profile);
        }
    }
    let similarity = sequences.compare(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let answer =
        Answer { args, clusters: similarity.clusters(args.threshold / 100.0), selection: contributions.select(), runs, similarity };
    if args.json {
        ui::line(&format!("{:#}", answer.document()));
    } else {
        answer.print();
    }
    Ok(exit::OK)
}

/// A run, for people.
struct Named {
    /// The file, and the number of the run where that has several.
    name: String,
    workload: String,
    functions: usize,
}

fn named(path: &str, profile: &Profile) -> Vec<Named> {
    let many = profile.runs().len() > 1;
    let name = |number: usize| if many { format!("{path}#{number}") } else { path.to_string() };
    let runs = profile.runs().iter().zip(1..);
    runs.map(|(run, number)| Named { name: name(number), workload: run.workload.clone(), functions: run.order.len() }).collect()
}

struct Answer<'a> {
    args: &'a Options,
    runs: Vec<Named>,
    similarity: Similarity,
    clusters: Vec<Vec<usize>>,
    selection: Selection,
}

impl Answer<'_> {
    fn run(&self, number: usize) -> String {
        self.runs[number].name.clone()
    }

    /// A member of the selection: a file, or a run of the only file.
    fn member(&self, number: usize) -> String {
        if self.args.files.len() == 1 { self.run(number) } else { self.args.files[number].display().to_string() }
    }

    /// The first names of a list, and how many more there are.
    fn listed(&self, names: &mut dyn Iterator<Item = String>) -> String {
        let first: Vec<String> = names.take(self.args.top).collect();
        match names.count() {
            0 => first.join(", "),
            more => format!("{} and {more} more", first.join(", ")),
        }
    }

    fn print(&self) {
        let Answer { similarity, selection, args, .. } = self;
        let files = args.files.len();
        ui::line(&format!(
            "runs         {} in {files} files, with {} different orders of first use",
            similarity.runs(),
            similarity.orders()
        ));
        if let Some(spread) = similarity.spread() {
            let extreme = |pair: Pair| format!("{} ({}, {})", ui::percent(pair.ratio), self.run(pair.first), self.run(pair.second));
            ui::line(&format!("similarity   average {}", ui::percent(spread.average)));
            ui::line(&format!("             min {}", extreme(spread.min)));
            ui::line(&format!("             max {}", extreme(spread.max)));
        }
        let what =
            if files == 1 { "functions; branches and calls are not kept by run" } else { "functions, branches taken, indirect callees" };
        let of = if files == 1 { similarity.runs() } else { files };
        ui::line(&format!("needed       {} of {of} know all {} facts ({what})", selection.needed.len(), selection.facts));
        let mut clusters = Table::new(&["runs", "which"]);
        for cluster in self.clusters.iter().take(args.top) {
            clusters.row([cluster.len().to_string(), self.listed(&mut cluster.iter().map(|&run| self.run(run)))]);
        }
        clusters.print(&format!("{} clusters at {} %", self.clusters.len(), args.threshold));
        let mut needed = Table::new(&["adds", "needed"]);
        for need in selection.needed.iter().take(args.top) {
            needed.row([need.adds.to_string(), self.member(need.member)]);
        }
        needed.print(&format!("{} needed, with the facts that each adds to those before it", selection.needed.len()));
        if !selection.redundant.is_empty() {
            ui::line(&format!("\n{} add nothing, and can be dropped", selection.redundant.len()));
            ui::line(&format!("  {}", self.listed(&mut selection.redundant.iter().map(|&member| self.member(member)))));
        }
        if args.pairs {
            let mut pairs = Table::new(&["similarity", "pair"]);
            for pair in similarity.pairs() {
                pairs.row([ui::percent(pair.ratio), format!("{}, {}", self.run(pair.first), self.run(pair.second))]);
            }
            pairs.print("all pairs");
        }
    }

    fn document(&self) -> Value {
        let Answer { args, similarity, selection, .. } = self;
        let pair = |pair: Pair| json!({ "first": pair.first, "second": pair.second, "ratio": pair.ratio });
        let runs = self.runs.iter().map(|run| json!({ "name": run.name, "workload": run.workload, "functions": run.functions }));
        let needed = selection.needed.iter().map(|need| json!({ "name": self.member(need.member), "adds": need.adds }));
        json!({
            "schema": SCHEMA,
            "runs": runs.collect::<Vec<_>>(),
            "orders": similarity.orders(),
            "similarity": similarity.spread().map(|spread| json!({ "min": pair(spread.min), "average": spread.average, "max": pair(spread.max) })),
            "threshold": args.threshold / 100.0,
            "clusters": self.clusters,
            "facts": selection.facts,
            "facts_of": if args.files.len() == 1 { "runs" } else { "files" },
            "needed": needed.collect::<Vec<_>>(),
            "redundant": selection.redundant.iter().map(|&member| self.member(member)).collect::<Vec<_>>(),
            "pairs": args.pairs.then(|| similarity.pairs().map(pair).collect::<Vec<_>>()),
        })
    }
}
