//! The explanation for a terminal: a head, tables of what was counted, then the machine code.

use crate::model::*;
use std::fmt::Write;

/// What to print.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// Rows of the table of sites; 0: all.
    pub top: usize,
    pub asm: bool,
    pub clif: bool,
}

/// Writing to a string does not fail.
macro_rules! line {
    ($text:expr) => { $text.push('\n'); };
    ($text:expr, $($part:tt)*) => { let _ = writeln!($text, $($part)*); };
}

/// All of it, lines ended by a newline each.
pub fn text(explanation: &Explanation, show: Show) -> String {
    let mut out = String::new();
    head(&mut out, explanation);
    sites(&mut out, explanation, show.top);
    if !explanation.inlined.is_empty() {
        line!(out, "\ninlined");
        explanation.inlined.iter().for_each(|inlined| put_inlined(&mut out, inlined, 1));
    }
    guards(&mut out, explanation);
    exits(&mut out, explanation);
    reached(&mut out, explanation, show.top);
    if show.asm && !explanation.machine.is_empty() {
        line!(out, "\nmachine code");
        machine(&mut out, explanation);
    }
    if let Some(clif) = explanation.clif.as_ref().filter(|_| show.clif) {
        put_clif(&mut out, clif);
    }
    out
}

/// The IR, each stage with a title; a stage that changed nothing is only named.
fn put_clif(out: &mut String, clif: &Clif) {
    let Clif { translated, inlined, optimized } = clif;
    line!(out, "\nCranelift IR of the body\n{}", translated.trim_end());
    if inlined == translated {
        line!(out, "\nCranelift IR after inlining: the same");
    } else {
        line!(out, "\nCranelift IR after inlining\n{}", inlined.trim_end());
    }
    line!(out, "\nCranelift IR after optimization\n{}", optimized.trim_end());
}

fn head(out: &mut String, explanation: &Explanation) {
    let Explanation { of, function, training, code, why, notes, .. } = explanation;
    let exports: Vec<String> = function.exports.iter().map(|name| format!(" (export {name:?})")).collect();
    line!(out, "function {} {}{}", function.index, function.name, exports.concat());
    line!(out, "  signature  {}", function.signature);
    line!(
        out,
        "  wasm       {} bytes at {:#x}: {} instructions, {} locals, {}, {}",
        number(function.wasm_bytes),
        function.wasm,
        number(function.instructions),
        number(function.locals),
        counted(function.loops, "loop"),
        counted(function.indirect_call_sites, "indirect call site")
    );
    line!(out, "  tier       {why}");
    if let Some(code) = code {
        let ratio = f64::from(code.bytes) / f64::from(function.wasm_bytes.max(1));
        let place = code.text_offset.map_or(String::new(), |offset| format!(", at {offset:#x} in the cache's text"));
        line!(out, "  code       {} bytes, {ratio:.1} for each of wasm{place}", number(code.bytes));
        if let Some(callers) = code.direct_callers {
            line!(out, "  callers    {} of the cache call it directly", counted(callers, "function"));
        }
        let features = if code.features.is_empty() { "nothing beyond x86-64".to_string() } else { code.features.join(" ") };
        line!(out, "  may use    {features}");
        code.assumptions.iter().for_each(|assumption| {
            line!(out, "  assumes    {assumption}");
        });
    }
    let fuel = if of.fuel { ", counting fuel" } else { "" };
    line!(out, "  made for   {}, memory {}{fuel}, by {}", of.cpu_level, of.memory_style, of.compiler);
    if let (Some(entries), Some(back_edges)) = (training.entries, training.back_edges) {
        let whose = match training.is_the_caches {
            Some(true) => " (the profile that the cache was assembled with)",
            Some(false) => " (not the profile that the cache was assembled with)",
            None => "",
        };
        line!(out, "  training   entered {} times, {} back-edges{whose}", number(entries), number(back_edges));
    }
    if let Some(cold) = &explanation.cold {
        let code = if explanation.code.is_some() { format!(", {} bytes of machine code", number(cold.bytes)) } else { String::new() };
        line!(out, "  cold       {} of {} instructions were never executed{code}", number(cold.never_executed), number(cold.instructions));
    }
    notes.iter().for_each(|note| {
        line!(out, "note: {note}");
    });
}

fn sites(out: &mut String, explanation: &Explanation, top: usize) {
    let all = &explanation.sites;
    let mut order: Vec<&Site> = all.iter().collect();
    order.sort_by_key(|site| std::cmp::Reverse(site.count));
    let shown = if top == 0 { all.len() } else { top.min(all.len()) };
    order.truncate(shown);
    order.sort_by_key(|site| (site.wasm, site.kind));
    let which = match (shown < all.len(), explanation.training.given) {
        (false, _) => String::new(),
        (true, true) => format!(" (the {shown} hottest of {}; --top 0 shows all)", all.len()),
        (true, false) => format!(" (the first {shown} of {}; --top 0 shows all)", all.len()),
    };
    line!(out, "\nsites{which}");
    line!(out, "  {:<10} {:<14} {:>15} {:>9}  instruction", "wasm", "kind", "executed", "taken");
    for site in order {
        let count = site.count.map_or("-".to_string(), number);
        line!(
            out,
            "  {:<10} {:<14} {count:>15} {:>9}  {}",
            format!("{:#x}", site.wasm),
            kind(site.kind),
            taken(site),
            shortened(&site.text)
        );
        for target in &site.targets {
            line!(out, "  {:<25} {:>15} {:>9}    -> {}", "", number(target.count), share(target.count, site_calls(site)), target.name);
        }
        if site.other > 0 {
            line!(out, "  {:<25} {:>15} {:>9}    -> others", "", number(site.other), share(site.other, site_calls(site)));
        }
    }
}

fn site_calls(site: &Site) -> u64 {
    site.targets.iter().fold(site.other, |sum, target| sum.saturating_add(target.count))
}

pub(crate) fn kind(kind: SiteKind) -> &'static str {
    match kind {
        SiteKind::Entry => "entry",
        SiteKind::Loop => "loop",
        SiteKind::Branch => "branch",
        SiteKind::Call => "call",
        SiteKind::IndirectCall => "indirect call",
    }
}

/// Of a branch its share, of a loop its back-edges for one entry of it.
pub(crate) fn taken(site: &Site) -> String {
    match (site.kind, site.taken, site.count) {
        (SiteKind::Loop, Some(back), Some(entered)) if entered > 0 => format!("{:.1} x", back as f64 / entered as f64),
        (SiteKind::Branch, Some(taken), Some(executed)) if executed > 0 => share(taken, executed),
        _ => String::new(),
    }
}

pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 / whole as f64 * 100.0) }
}

/// A table of branches can name a thousand labels.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_string(),
    }
}

fn put_inlined(out: &mut String, inlined: &Inlined, depth: usize) {
    let calls = inlined.calls.map_or(String::new(), |calls| format!(", executed {} times", number(calls)));
    let bytes = inlined.bytes.map_or(String::new(), |bytes| format!(", {} bytes of code", number(bytes)));
    let guarded = if inlined.is_guarded { " behind a guard" } else { "" };
    let Inlined { name, wasm, wasm_bytes, .. } = inlined;
    line!(out, "{}{name}, called at {wasm:#x}{guarded}{calls}: {} bytes of wasm{bytes}", "  ".repeat(depth), number(*wasm_bytes));
    inlined.inlined.iter().for_each(|inner| put_inlined(out, inner, depth + 1));
}

fn guards(out: &mut String, explanation: &Explanation) {
    if explanation.guards.is_empty() {
        return;
    }
    line!(out, "\nguarded indirect calls (what is none of these takes the generic path)");
    for guard in &explanation.guards {
        let target = |target: &GuardTarget| {
            let calls = target.calls.map_or(String::new(), |calls| format!(" x {}", number(calls)));
            format!("{} {}{calls}", target.name, target.how)
        };
        let targets: Vec<String> = guard.targets.iter().map(target).collect();
        let by = guard.index_of.map_or(String::new(), |table| format!(" by the index into table {table}"));
        line!(out, "  {:#x}  {}{by}", guard.wasm, targets.join(", "));
    }
}

fn exits(out: &mut String, explanation: &Explanation) {
    if !explanation.exits.is_empty() {
        line!(out, "\nside exits (the interpreter goes on)");
    }
    for exit in &explanation.exits {
        let inner =
            if exit.function == explanation.function.index { String::new() } else { format!(" of {}", names(explanation, exit.function)) };
        let taken = exit.taken.map_or_else(String::new, |times| format!(", taken {}", counted(times, "time")));
        line!(out, "  {:#x}{inner}, from +{:#06x}{taken}", exit.wasm, exit.offset);
    }
}

fn reached(out: &mut String, explanation: &Explanation, top: usize) {
    let calls = &explanation.calls;
    if !calls.is_empty() {
        let shown = if top == 0 { calls.len() } else { top.min(calls.len()) };
        let which = if shown < calls.len() { format!(" (the first {shown} of {}; --top 0 shows all)", calls.len()) } else { String::new() };
        line!(out, "\ncalls in the machine code{which}");
        for call in &calls[..shown] {
            line!(out, "  {:<11} {} ({})", call.kind, call.name, counted(call.sites, "site"));
        }
    }
    if !explanation.traps.is_empty() {
        line!(out, "\ntraps");
        for trap in &explanation.traps {
            line!(out, "  {} ({})", trap.trap, counted(trap.sites, "site"));
        }
    }
}

fn machine(out: &mut String, explanation: &Explanation) {
    let name = |function: u32| names(explanation, function);
    let mut last: &[From] = &[];
    for block in &explanation.machine {
        if block.instructions.is_empty() {
            let targets: Vec<String> = block.table.iter().map(|target| format!("+{target:#06x}")).collect();
            let what = if targets.is_empty() { "constants".to_string() } else { format!("jump table to {}", targets.join(" ")) };
            line!(out, "+{:#06x}  {} bytes: {what}", block.offset, block.bytes);
            continue;
        }
        let heat = block
            .count
            .map_or(String::new(), |count| if count == 0 { "  never executed".into() } else { format!("  x {}", number(count)) });
        line!(out, "+{:#06x}:{heat}", block.offset);
        for instruction in &block.instructions {
            let from = &instruction.from;
            let at =
                if from.as_slice() == last { String::new() } else { from.first().map_or("-".into(), |from| format!("{:#x}", from.wasm)) };
            let mut notes: Vec<String> = instruction.note.iter().cloned().collect();
            notes.extend(instruction.trap.map(|trap| format!("traps: {trap}")));
            if from.as_slice() != last && from.len() > 1 {
                notes.extend(from.windows(2).map(|pair| format!("in {} from {:#x}", name(pair[0].function), pair[1].wasm)));
            }
            let notes = if notes.is_empty() { String::new() } else { format!(" ; {}", notes.join("; ")) };
            line!(out, "{}", format!("  +{:#06x}  {at:<9} {:<44}{notes}", instruction.offset, instruction.text).trim_end());
            last = from;
        }
    }
}

/// The name of a function that was inlined, or the function's own.
pub(crate) fn names(explanation: &Explanation, function: u32) -> String {
    fn within(inlined: &[Inlined], function: u32) -> Option<&str> {
        inlined.iter().find_map(|one| if one.function == function { Some(one.name.as_str()) } else { within(&one.inlined, function) })
    }
    match within(&explanation.inlined, function) {
        _ if function == explanation.function.index => explanation.function.name.clone(),
        Some(name) => name.to_string(),
        None => format!("func[{function}]"),
    }
}

/// With commas between thousands.
pub(crate) fn number(value: impl Into<u64>) -> String {
    let digits = value.into().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn counted(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}
