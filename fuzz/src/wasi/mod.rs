//! WASI against a model: random calls of a guest on a real directory, each answer compared with that of a file system in memory.
//!
//! ```text
//! seed -> call (a list of calls) -> guest (trjit-wasi in a temporary directory) -> answer -\
//!                                -> model -> table (descriptors), fs (files) -> answer --> compare -> Difference, shrunk to few calls
//! ```
//! Besides the answers: what is on disk is what the model holds, nothing beside the preopened directory ever changes, and nothing panics.

mod answer;
mod call;
mod fs;
mod guest;
mod model;
mod shrink;
mod table;
mod world;

pub use call::Call;

use crate::oracle::{Agreement, Difference};
use crate::rng::Rng;
use call::Known;
use guest::Guest;
use model::Model;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use world::World;

/// Calls of a case.
const CALLS: usize = 160;
/// The disk is compared with the model each time after so many calls.
const INSPECT_EVERY: usize = 20;

/// What was found, at which call.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its position in the list.
    pub at: usize,
    pub what: String,
}

/// The calls of a seed. Each is made after what the model holds by then, so that most meet something.
pub fn calls(seed: u64) -> Vec<Call> {
    let mut rng = Rng::new(seed);
    // Where the world lies is not part of the case.
    let mut model = Model::new(world::links(Path::new("/world")));
    let call = |_| {
        let (files, directories) = model.open_descriptors();
        let mut known = Known { rng: &mut rng, files, directories, paths: model.fs.paths() };
        let call = known.call();
        model.call(&call);
        call
    };
    (0..CALLS).map(call).collect()
}

/// Tests one seed; a difference is told with the fewest calls that show it.
pub fn check(seed: u64, scratch: &Path) -> Result<Agreement, Difference> {
    let calls = calls(seed);
    run(&calls, scratch, |_, _| {}).map_err(|finding| {
        let (calls, finding) = shrink::shrink(calls, finding, |calls| run(calls, scratch, |_, _| {}).err());
        let list: String = calls.iter().map(|call| format!("\n    {call:?},")).collect();
        Difference { mode: "wasi".to_string(), what: format!("call {}: {}; calls:{list}", finding.at, finding.what) }
    })
}

/// The calls of a seed with what they answered, and the difference at the end, if there is one.
pub fn explain(seed: u64, scratch: &Path) -> String {
    let mut text = String::new();
    let result = run(&calls(seed), scratch, |call, answer| text += &format!("{call:?} -> {answer}\n"));
    match result {
        Ok(agreement) => text += &format!("{agreement:?}\n"),
        Err(finding) => text += &format!("call {}: {}\n", finding.at, finding.what),
    }
    text
}

/// Runs a list of calls in a new world; `watch` sees each with its answer.
pub fn run(calls: &[Call], scratch: &Path, watch: impl FnMut(&Call, &str)) -> Result<Agreement, Finding> {
    let mut at = 0;
    let result = catch_unwind(AssertUnwindSafe(|| run_all(calls, scratch, watch, &mut at)));
    let what = match result {
        Ok(Ok(agreement)) => return Ok(agreement),
        Ok(Err(what)) => what,
        Err(payload) => {
            let message = payload.downcast_ref::<String>().cloned();
            let message = message.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()));
            format!("a panic: {}", message.unwrap_or_default())
        }
    };
    Err(Finding { at, what })
}

fn run_all(calls: &[Call], scratch: &Path, mut watch: impl FnMut(&Call, &str), at: &mut usize) -> Result<Agreement, String> {
    let world = World::new(scratch).map_err(|error| format!("the temporary directory: {error}"))?;
    let mut guest = Guest::new(&world);
    let mut model = Model::new(world.links());
    let mut agreement = Agreement::default();
    for (index, call) in calls.iter().enumerate() {
        *at = index;
        let found = guest.call(call)?;
        watch(call, &format!("{found:?}"));
        let expected = model.call(call);
        model.compare(&expected, &found)?;
        agreement.calls += 1;
        agreement.returned += u64::from(found.is_ok());
        if index % INSPECT_EVERY == INSPECT_EVERY - 1 || index + 1 == calls.len() {
            world.inspect(&model.fs)?;
            model.fs.forget_access();
        }
    }
    Ok(agreement)
}
