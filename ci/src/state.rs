//! Whether anything has changed since the last run that got through: `.trjit/state.json`.
//!
//! ```text
//! key      digest of all that the result depends on: this build of trjit, trjit.toml but for its gates and outputs, the module, the files that runs read
//! after    the same once the runs were over, where they wrote into directories that they share with the host
//! measured what came out; the caches themselves are in `.trjit/out/`, the profile in `.trjit/profile.trprof`
//! ```
//! Gates and baseline are not in the key: they are judged on the report anew each time, which costs nothing.

use crate::config::Config;
use crate::files;
use crate::outcome::Failure;
use crate::pipeline::Pipeline;
use crate::report::Measured;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trjit_module::Digest;

/// The file's version; others are as none.
const SCHEMA: u32 = 1;
const FILE: &str = "state.json";

/// What the last run that got through to its gates left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    schema: u32,
    key: String,
    after: String,
    /// Whether all gates held.
    pub passed: bool,
    pub measured: Measured,
}

impl Pipeline<'_> {
    /// The key of the inputs as they are now; `None` where it can not be told what the wrapped command depends on.
    pub(crate) fn key(&self) -> Result<Option<String>, Failure> {
        let Config { module, train, targets, gates, output } = self.config;
        if train.command.as_ref().is_some_and(|command| command.inputs.is_empty()) && !self.request.no_train {
            return Ok(None);
        }
        // What the step writes itself is no input.
        let mut written: Vec<PathBuf> = self.config.targets.iter().map(|target| self.place.path(&self.config.cache_of(target))).collect();
        written.extend(
            [Some(&output.baseline), self.profile_output(), output.summary.as_ref()]
                .into_iter()
                .flatten()
                .map(|path| self.place.path(path)),
        );
        let mut text = format!(
            "{} {}\n{:?}\n{module:?} {train:?} {targets:?} {:?} {:?}\n",
            self.request.version,
            trjit_module::fingerprint::abi_fingerprint(),
            self.request.no_train,
            gates.accept,
            gates.time_ratio
        );
        let mut add = |path: &Path, without: &[PathBuf]| -> Result<(), Failure> {
            text += &format!("{} {}\n", path.display(), files::tree_digest(&self.place.path(path), without)?);
            Ok(())
        };
        add(module, &[])?;
        self.kept_profile().into_iter().try_for_each(|path| add(path, &[]))?;
        train.command.iter().flat_map(|command| &command.inputs).try_for_each(|path| add(path, &written))?;
        for run in &train.runs {
            run.stdin.iter().chain(&run.expect.stdout).try_for_each(|path| add(path, &[]))?;
            for dir in &run.dirs {
                add(Path::new(dir.split_once("::").map_or(dir.as_str(), |(host, _)| host)), &written)?;
            }
            for path in preloads(&run.options) {
                add(Path::new(path), &[])?;
            }
        }
        Ok(Some(Digest::of(text.as_bytes()).to_string()))
    }

    /// The last state, if it can be read.
    pub(crate) fn last(&self) -> Option<State> {
        let bytes = std::fs::read(self.place.state(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|state: &State| state.schema == SCHEMA)
    }

    /// Whether the last state is of these inputs and what it made is still there, undamaged.
    pub(crate) fn holds(&self, state: &State, key: &str) -> bool {
        let same = state.key == key || state.after == key;
        let whole = |(number, target): (usize, &crate::report::TargetFacts)| {
            let path = self.place.out().join(format!("{number}.trjit"));
            files::digest(&path).is_ok_and(|digest| digest.to_string() == target.digest)
        };
        same && state.measured.targets.len() == self.config.targets.len()
            && self.place.state(PROFILE).is_file()
            && state.measured.targets.iter().enumerate().all(whole)
    }

    /// Whether the last state is of the same inputs, so that the training should have told the same.
    pub(crate) fn same_inputs(state: &State, key: &str) -> bool {
        state.key == key || state.after == key
    }

    /// Keeps the state; without a key there is none to keep.
    pub(crate) fn keep(&self, key: Option<String>, measured: &Measured, passed: bool) -> Result<(), Failure> {
        let path = self.place.state(FILE);
        let Some(key) = key else {
            let _ = std::fs::remove_file(path);
            return Ok(());
        };
        let after = self.key()?.unwrap_or_else(|| key.clone());
        let state = State { schema: SCHEMA, key, after, passed, measured: measured.clone() };
        self.write(&path, serde_json::to_string_pretty(&state).unwrap_or_default().as_bytes())
    }
}

/// The last training, in the state directory.
pub const PROFILE: &str = "profile.trprof";

/// The modules that a run's options preload.
fn preloads(options: &[String]) -> impl Iterator<Item = &str> {
    let values = options.iter().zip(options.iter().skip(1)).filter(|(option, _)| *option == "--preload").map(|(_, value)| value.as_str());
    let joined = options.iter().filter_map(|option| option.strip_prefix("--preload="));
    values.chain(joined).filter_map(|value| Some(value.split_once('=')?.1))
}
