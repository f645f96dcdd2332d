//! `trjit profile diff`: what differs between two profiles.

use super::{SCHEMA, label, number};
use crate::commands::profiles::read_one;
use crate::profile_args::Diff;
use crate::table::Table;
use anyhow::Result;
use serde_json::{Value, json};
use trjit_cli::{exit, ui};
use trjit_trace::{Change, Difference, Profile, Side};

pub fn execute(args: &Diff) -> Result<u8> {
    let (before, after) = (read_one(&args.before)?, read_one(&args.after)?);
    let difference = Difference::of(&before, &after);
    let lists = Lists::new(&difference, args);
    if args.json {
        ui::line(&format!("{:#}", document(&before, &after, &difference, &lists)));
    } else {
        head(args, &before, &after, &difference, &lists);
        lists.print(args);
    }
    Ok(exit::OK)
}

/// The functions that are worth a line, `top` of each kind.
struct Lists<'a> {
    by_delta: Vec<&'a Change>,
    by_factor: Vec<&'a Change>,
    by_rank: Vec<&'a Change>,
    only_before: Vec<&'a Change>,
    only_after: Vec<&'a Change>,
    /// How many are in one profile only.
    missing: (usize, usize),
}

impl<'a> Lists<'a> {
    fn new(difference: &'a Difference, args: &Diff) -> Lists<'a> {
        let only = |missing: fn(&Change) -> bool| {
            let mut found: Vec<&Change> = difference.functions.iter().filter(|change| missing(change)).collect();
            found.sort_by_key(|change| std::cmp::Reverse(change.delta().unsigned_abs()));
            found
        };
        let (before, after) = (only(|change| change.after.is_none()), only(|change| change.before.is_none()));
        let first = |mut changes: Vec<&'a Change>| {
            changes.truncate(args.top);
            changes
        };
        Lists {
            missing: (before.len(), after.len()),
            by_delta: first(difference.by_delta()),
            by_factor: first(difference.by_factor(args.min_share / 100.0)),
            by_rank: first(difference.by_rank(args.top)),
            only_before: first(before),
            only_after: first(after),
        }
    }

    fn print(&self, args: &Diff) {
        changes(&self.by_delta).print("changed most, in calls and back-edges");
        changes(&self.by_factor)
            .print(&format!("changed most by factor, of those with {} % or more in one of the profiles", args.min_share));
        let mut moved = Table::new(&["place before", "after", "share before", "after", "function"]);
        for change in &self.by_rank {
            let Some((before, after)) = change.before.zip(change.after) else { continue };
            let places = [before.rank.to_string(), after.rank.to_string()];
            let shares = [ui::percent(before.share), ui::percent(after.share)];
            moved.row(places.into_iter().chain(shares).chain([name(change)]));
        }
        moved.print(&format!("moved most in the hot order, of the {} hottest of either", args.top));
        one_side(&self.only_before, |change| change.before).print("only before");
        one_side(&self.only_after, |change| change.after).print("only after");
    }
}

fn name(change: &Change) -> String {
    let index = change.after.or(change.before).map_or(0, |side| side.function);
    label(change.name.as_deref(), index)
}

fn factor(change: &Change) -> String {
    match change.factor() {
        factor if factor.is_infinite() => "new".to_string(),
        factor if factor < 0.01 && factor > 0.0 => format!("{factor:.1e}"),
        factor => format!("{factor:.2}"),
    }
}

fn changes(changes: &[&Change]) -> Table {
    let mut table = Table::new(&["before", "after", "difference", "factor", "share before", "after", "function"]);
    for change in changes {
        let hotness = |side: Option<Side>| side.map_or("-".to_string(), |side| side.hotness.to_string());
        let share = |side: Option<Side>| side.map_or("-".to_string(), |side| ui::percent(side.share));
        let (before, after) = (change.before, change.after);
        table.row([
            hotness(before),
            hotness(after),
            format!("{:+}", change.delta()),
            factor(change),
            share(before),
            share(after),
            name(change),
        ]);
    }
    table
}

fn one_side(changes: &[&Change], side: fn(&Change) -> Option<Side>) -> Table {
    let mut table = Table::new(&["calls", "and back-edges", "share", "index", "function"]);
    for change in changes {
        let Some(side) = side(change) else { continue };
        table.row([side.calls.to_string(), side.hotness.to_string(), ui::percent(side.share), side.function.to_string(), name(change)]);
    }
    table
}

fn head(args: &Diff, before: &Profile, after: &Profile, difference: &Difference, lists: &Lists<'_>) {
    let line = |what: &str, path: &std::path::Path, profile: &Profile, hotness: u128| {
        let (module, runs, functions) = (profile.module().digest.short(), profile.runs().len(), profile.functions().len());
        let path = path.display();
        ui::line(&format!("{what:<12} {path}: module {module}, {runs} runs, {functions} functions, {hotness} calls and back-edges"));
    };
    line("before", &args.before, before, difference.hotness.0);
    line("after", &args.after, after, difference.hotness.1);
    let (only_before, only_after) = lists.missing;
    let both = difference.functions.len() - only_before - only_after;
    let paired = if difference.same_module { "" } else { ", paired by body, then by name" };
    ui::line(&format!("functions    {both} in both{paired}; {only_before} only before, {only_after} only after"));
    ui::line(&format!("overlap      {} of the calls and back-edges are where they were, by shares", ui::percent(difference.overlap)));
    ui::line(&format!("first use    the orders are {} similar", ui::percent(difference.first_use)));
}

fn document(before: &Profile, after: &Profile, difference: &Difference, lists: &Lists<'_>) -> Value {
    let profile = |profile: &Profile, hotness: u128| json!({ "module": profile.module().digest.to_string(), "runs": profile.runs().len(), "functions": profile.functions().len(), "calls": profile.total_calls(), "hotness": number(hotness) });
    let list = |changes: &[&Change]| changes.iter().map(|change| change_document(change)).collect::<Vec<_>>();
    let (only_before, only_after) = lists.missing;
    json!({
        "schema": SCHEMA,
        "same_module": difference.same_module,
        "before": profile(before, difference.hotness.0),
        "after": profile(after, difference.hotness.1),
        "functions_in_both": difference.functions.len() - only_before - only_after,
        "functions_only_before": only_before,
        "functions_only_after": only_after,
        "overlap": difference.overlap,
        "first_use_similarity": difference.first_use,
        "by_difference": list(&lists.by_delta),
        "by_factor": list(&lists.by_factor),
        "by_place": list(&lists.by_rank),
        "only_before": list(&lists.only_before),
        "only_after": list(&lists.only_after),
    })
}

fn change_document(change: &Change) -> Value {
    let side = |side: Option<Side>| {
        side.map(|side| {
            json!({ "function": side.function, "calls": side.calls, "hotness": side.hotness, "share": side.share, "place": side.rank, "first_use": side.first_use })
        })
    };
    // JSON has no infinity: a factor of something new is null.
    json!({ "name": name(change), "before": side(change.before), "after": side(change.after), "difference": change.delta() as f64, "factor": change.factor() })
}
