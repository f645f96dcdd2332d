//! The order of the text: how many pages a run touches that the cache was not trained on, by each rule of merging the orders of several runs.
//!
//! Nothing is run and no time is taken: the functions of the cache of the other cases are laid out anew by each rule, in the sizes that they have, and those
//! that the left-out case enters are marked. So the figures are the same on every machine.

use super::Context;
use crate::corpus::{Case, is_wanted};
use crate::results::{Layout, Results};
use crate::workshop::{Training, Workshop};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use trjit_cache_format::CacheFile;
use trjit_cache_format::text::CodeItem;
use trjit_module::FuncIndex;
use trjit_trace::{MergeRule, Profile};

/// Bytes of a page, and of what the kernel maps around a fault.
const UNITS: [u64; 2] = [4 << 10, 64 << 10];
/// Functions begin at multiples of this.
const ALIGN: u64 = 16;

pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    let cases = &workshop.program.cases;
    // With two cases there is nothing to merge.
    for case in cases.iter().filter(|case| cases.len() > 2 && is_wanted(context.only, &workshop.program.name, &case.id)) {
        match layouts(workshop, case) {
            Ok(found) => results.layouts.extend(found),
            Err(error) => results.notes.push(format!("{} {}: no layout: {error:#}", workshop.program.name, case.id)),
        }
    }
    Ok(())
}

fn layouts(workshop: &Workshop<'_>, case: &Case) -> Result<Vec<Layout>> {
    let sizes = sizes(workshop, case)?;
    let profiles = workshop.profiles(Training::Others(&case.id))?;
    let merged = Profile::merge(profiles.iter().map(Profile::read).collect::<Result<Vec<_>, _>>()?)?;
    let run = Profile::read(workshop.profile(case)?)?;
    let imported = run.module().imported_functions;
    let entered: BTreeSet<FuncIndex> = run.functions().iter().map(|function| FuncIndex(function.identity.index.0 + imported)).collect();
    let by_rule = |rule| merged.first_use_order_by(rule);
    let mut module_order: Vec<FuncIndex> = sizes.keys().copied().collect();
    module_order.sort_unstable();
    let orders = [
        ("common first", by_rule(MergeRule::CommonFirst)),
        ("earliest first", by_rule(MergeRule::EarliestFirst)),
        ("order of the module", module_order),
    ];
    let layout = |(rule, order): (&str, Vec<FuncIndex>)| {
        let (bytes, [pages, windows]) = touched(&order, &sizes, &entered);
        Layout { program: workshop.program.name.clone(), case: case.id.clone(), rule: rule.into(), bytes, pages, windows }
    };
    Ok(orders.into_iter().map(layout).collect())
}

/// Bytes of code by function, in the cache of the other cases.
fn sizes(workshop: &Workshop<'_>, case: &Case) -> Result<BTreeMap<FuncIndex, u64>> {
    let bytes = std::fs::read(workshop.cache(Training::Others(&case.id))?)?;
    let file = CacheFile::parse(bytes.into()).map_err(|refusal| anyhow::anyhow!("{refusal}")).context("reading the cache")?;
    let functions = file.functions().iter().filter_map(|placed| match placed.what {
        CodeItem::Function(function) => Some((function, u64::from(placed.len))),
        _ => None,
    });
    Ok(functions.collect())
}

/// Bytes of the functions that were entered, and how many units of each size they lie on.
fn touched(order: &[FuncIndex], sizes: &BTreeMap<FuncIndex, u64>, entered: &BTreeSet<FuncIndex>) -> (u64, [u64; 2]) {
    let (mut at, mut bytes, mut units) = (0u64, 0, [BTreeSet::new(), BTreeSet::new()]);
    for function in order {
        let Some(&size) = sizes.get(function) else { continue };
        if entered.contains(function) {
            bytes += size;
            for (set, unit) in units.iter_mut().zip(UNITS) {
                set.extend(at / unit..(at + size).div_ceil(unit));
            }
        }
        at = (at + size).next_multiple_of(ALIGN);
    }
    (bytes, units.map(|set| set.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_counted_once_and_by_what_lies_on_them() {
        let [a, b, c] = [FuncIndex(1), FuncIndex(2), FuncIndex(3)];
        let sizes = BTreeMap::from([(a, 4000), (b, 70_000), (c, 10)]);
        let entered = BTreeSet::from([a, c]);
        assert_eq!(touched(&[a, c, b], &sizes, &entered), (4010, [1, 1]));
        assert_eq!(touched(&[a, b, c], &sizes, &entered), (4010, [2, 2]));
        assert_eq!(touched(&[b], &sizes, &BTreeSet::from([b])), (70_000, [18, 2]));
        assert_eq!(touched(&[FuncIndex(9)], &sizes, &BTreeSet::from([FuncIndex(9)])), (0, [0, 0]));
    }
}
