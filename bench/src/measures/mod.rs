//! The measures, one a file, each from workshops to rows; the breakdown of a start belongs to two of them.

mod breakdown;
pub mod build;
pub mod cases;
pub mod instances;
pub mod layout;
pub mod start;
pub mod storage;

use crate::corpus::Case;
use crate::peers::Installed;
use crate::results::Results;
use crate::series::{Effort, Entry};
use crate::trjit::{Runner, Trjit};
use crate::workshop::{Training, Workshop, trjit_name};
use clap::ValueEnum;
use std::path::Path;

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The smallest program, beside /bin/true.
    Start,
    /// Every case, with caches of every training.
    Cases,
    /// Time to train, to assemble and to compile; sizes; what caches cover.
    Build,
    /// Nothing in the page cache; caches out of an archive and on overlayfs.
    Storage,
    /// Many instances in one process, and in many.
    Instances,
    /// Pages of code that a run touches, by rules of ordering the text.
    Layout,
}

/// What all measures share.
pub struct Context<'a> {
    pub trjit: &'a Trjit,
    pub peers: &'a [Installed],
    pub scratch: &'a Path,
    pub effort: Effort,
    pub only: &'a [String],
    /// How many instances, or processes, at once.
    pub counts: &'a [u64],
}

impl Context<'_> {
    /// Every peer in each of its ways.
    pub fn peer_entries(&self, workshop: &Workshop<'_>, case: &Case) -> Vec<Entry> {
        let all = self.peers.iter().flat_map(|installed| installed.peer.ways().into_iter().map(move |way| (installed, way)));
        all.map(|(installed, way)| {
            let name = format!("{} {way}", installed.about.name);
            Entry::from(name, workshop.peer_subject(installed, way, case))
        })
        .collect()
    }
}

/// The subject that stands for trjit where it is compared with peers: the leanest program, trained on the same case.
pub fn trained(results: &Results) -> String {
    let lean = trjit_name(Runner::RunOnly, Some(Training::Same("")));
    let found = results.rows.iter().any(|row| row.subject == lean);
    if found { lean } else { trjit_name(Runner::Full, Some(Training::Same(""))) }
}
