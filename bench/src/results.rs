//! What a run of the bench found: the content of its JSON file, from which tables and page are made.

use crate::child::Sample;
use crate::machine::Machine;
use crate::peers::About;
use crate::stats::{self, Ratio, Spread};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    /// The command line of the bench.
    pub command: Vec<String>,
    pub engines: Vec<About>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    pub programs: Vec<ProgramFacts>,
    pub rows: Vec<Row>,
    pub coverage: Vec<Coverage>,
    #[serde(default)]
    pub layouts: Vec<Layout>,
    pub breakdowns: Vec<Breakdown>,
    pub instances: Vec<Instances>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramFacts {
    pub name: String,
    pub wasm_bytes: u64,
    pub functions: u32,
}

/// One subject in one place: the same command, run in turns with others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    pub measure: String,
    pub program: String,
    pub case: String,
    pub subject: String,
    /// Of the file or folder that it runs on, or that it made.
    pub artifact_bytes: Option<u64>,
    /// The most memory that it had at once, of a run beside the timed ones.
    pub peak_kib: Option<u64>,
    /// In order of the rounds; empty when something failed.
    pub samples: Vec<Sample>,
    /// A run that did not give the recorded results, or could not be prepared.
    pub failed: Option<String>,
    /// Not run at all.
    pub skipped: Option<String>,
}

impl Row {
    pub fn wall_ms(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.wall_ns as f64 / 1e6).collect()
    }

    pub fn cpu_ms(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| (sample.user_us + sample.system_us) as f64 / 1e3).collect()
    }

    pub fn faults(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.minor_faults as f64).collect()
    }

    pub fn wall(&self) -> Option<Spread> {
        stats::spread(&self.wall_ms())
    }
}

/// What share of a case's work has compiled code in a cache that was not trained on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Coverage {
    pub program: String,
    pub case: String,
    /// Calls of functions that the cache has, of all calls.
    pub calls: f64,
    /// Executed instructions in such functions, of all.
    pub instructions: f64,
}

/// Where a left-out case finds its code in a text that is ordered by one of the rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Layout {
    pub program: String,
    pub case: String,
    pub rule: String,
    /// Of the functions that it enters.
    pub bytes: u64,
    /// Of 4 KiB, and of 64 KiB, that these lie on.
    pub pages: u64,
    pub windows: u64,
}

/// What `--timings` told: microseconds a phase, the median of some runs, in the order it has them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Breakdown {
    pub program: String,
    pub case: String,
    pub subject: String,
    pub phases: Vec<(String, f64)>,
}

/// Many instances at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instances {
    pub program: String,
    pub engine: String,
    /// Of one process, or processes of one each.
    pub processes: bool,
    pub count: u64,
    /// Instantiation, in microseconds; only in one process.
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
    /// Proportional set size, in KiB: of one more instance in a process that has had one, or of a whole process among so many.
    pub pss_kib_each: Option<f64>,
    pub failed: Option<String>,
}

/// What a worker tells of the instances in its process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Footprint {
    pub p50_us: f64,
    pub p99_us: f64,
    pub pss_kib_each: f64,
}

impl Results {
    pub fn rows_of<'a>(&'a self, measure: &str) -> impl Iterator<Item = &'a Row> + use<'a> {
        let measure = measure.to_string();
        self.rows.iter().filter(move |row| row.measure == measure)
    }

    pub fn find(&self, measure: &str, program: &str, case: &str, subject: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.measure == measure && row.program == program && row.case == case && row.subject == subject)
    }

    /// Whether a subject was timed anywhere.
    pub fn find_any(&self, measure: &str, subject: &str) -> bool {
        self.rows_of(measure).any(|row| row.subject == subject && !row.samples.is_empty())
    }

    /// Wall time of one subject by that of another, in the same place.
    pub fn ratio(&self, measure: &str, program: &str, case: &str, above: &str, below: &str) -> Option<Ratio> {
        let [above, below] = [above, below].map(|subject| self.find(measure, program, case, subject));
        stats::ratio(&above?.wall_ms(), &below?.wall_ms())
    }

    /// Each once, in order.
    pub fn measures(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !found.contains(&row.measure.as_str()) {
                found.push(&row.measure);
            }
        }
        found
    }

    /// (program, case) of a measure, each once, in order.
    pub fn places(&self, measure: &str) -> Vec<(&str, &str)> {
        let mut places: Vec<(&str, &str)> = Vec::new();
        for row in self.rows_of(measure) {
            if !places.contains(&(&row.program, &row.case)) {
                places.push((&row.program, &row.case));
            }
        }
        places
    }

    /// Subjects of a measure, each once, in the order they first come.
    pub fn subjects(&self, measure: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for row in self.rows_of(measure) {
            if !found.contains(&row.subject.as_str()) {
                found.push(&row.subject);
            }
        }
        found
    }

    /// Ratios of all cases of a program, by their medians; empty when a subject has none.
    pub fn ratios_by_program(&self, measure: &str, above: &str, below: &str) -> BTreeMap<&str, Vec<f64>> {
        let mut found: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (program, case) in self.places(measure) {
            if let Some(ratio) = self.ratio(measure, program, case, above, below) {
                found.entry(program).or_default().push(ratio.median);
            }
        }
        found
    }
}
