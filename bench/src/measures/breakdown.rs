//! Where the time of a start goes: what `--timings=json` of the program tells.

use super::Context;
use crate::child;
use crate::corpus::Case;
use crate::peers::Guest;
use crate::results::{Breakdown, Results};
use crate::stats;
use crate::workshop::{Training, Workshop, trjit_name};
use anyhow::Result;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;

const RUNS: usize = 21;
/// A key `map_us` has the microseconds of the phase `map`; the sum is not one.
const UNIT: &str = "_us";
const SUM: &str = "total";

/// Adds the medians of some runs on the cache of the same case, or a note when the program tells nothing.
pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, case: &Case, results: &mut Results) -> Result<()> {
    let (runner, training) = (context.trjit.production(), Training::Same(&case.id));
    let Ok(cache) = workshop.cache(training) else { return Ok(()) };
    let wasm = workshop.program.wasm_name();
    let line = context.trjit.run_with(runner, &["--timings=json"], Guest { wasm: &wasm, artifact: Some(&cache), case });
    let place = child::Place { merge_stderr: false, ..workshop.sandbox.place(case) };
    let mut runs: Vec<Vec<(String, f64)>> = Vec::new();
    for _ in 0..RUNS.min(context.effort.rounds * 2) {
        workshop.sandbox.restore(case)?;
        let (ended, _) = child::run(&line, &place)?;
        match phases(&String::from_utf8_lossy(&ended.stderr)) {
            Some(phases) => runs.push(phases),
            None => break,
        }
    }
    let Some(first) = runs.first() else {
        let note = format!("no start-up breakdown: `{runner}` tells nothing with --timings=json");
        if !results.notes.contains(&note) {
            results.notes.push(note);
        }
        return Ok(());
    };
    let median = |name: &str| {
        let values: Vec<f64> = runs.iter().flatten().filter(|(found, _)| found == name).map(|(_, value)| *value).collect();
        stats::spread(&values).map_or(0.0, |spread| spread.median)
    };
    let phases = first.iter().map(|(name, _)| (name.clone(), median(name))).collect();
    let subject = trjit_name(runner, Some(training));
    results.breakdowns.push(Breakdown { program: workshop.program.name.clone(), case: case.id.clone(), subject, phases });
    Ok(())
}

/// The phases in the last line that is a JSON object of numbers, in its order.
fn phases(text: &str) -> Option<Vec<(String, f64)>> {
    let line = text.lines().rev().map(str::trim).find(|line| line.starts_with('{') && line.ends_with('}'))?;
    let Numbers(pairs) = serde_json::from_str(line).ok()?;
    let named = pairs.into_iter().filter_map(|(key, value)| Some((key.strip_suffix(UNIT)?.to_string(), value)));
    let phases: Vec<(String, f64)> = named.filter(|(name, _)| name != SUM).collect();
    (!phases.is_empty()).then_some(phases)
}

/// An object in the order of its text.
struct Numbers(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Numbers;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Numbers(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_keep_their_order_and_the_sum_is_none() {
        let text = "a guest's words {\n{\"open_us\": 3, \"map_us\": 1.5, \"exec_us\": 2, \"total_us\": 6.5}\n";
        let expected = [("open", 3.0), ("map", 1.5), ("exec", 2.0)].map(|(name, value)| (name.to_string(), value));
        assert_eq!(phases(text).expect("phases"), expected);
        assert_eq!(phases("no object"), None);
        assert_eq!(phases("{\"other\": \"text\"}"), None);
    }
}
