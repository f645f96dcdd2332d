//! What stands beside the drawing: machine code, body, sites, what was inlined, IR. A line of machine code names the block of the body that it comes from.

use super::{Heat, escaped, put};
use crate::model::*;
use crate::text::{kind, names, number, share, taken};

/// All panes, the machine code first.
pub fn put_all(out: &mut String, explanation: &Explanation, heat: &Heat) {
    let has_machine = !explanation.machine.is_empty();
    let tabs = [
        ("machine", "machine code", has_machine),
        ("body", "body", true),
        ("sites", "sites", true),
        ("inlined", "inlined", !explanation.inlined.is_empty()),
        ("reached", "calls and traps", has_machine),
        ("clif", "IR", explanation.clif.is_some()),
    ];
    out.push_str("<nav>");
    for (id, title, _) in tabs.iter().filter(|(_, _, has)| *has) {
        put!(out, "<a href=\"#{id}\">{title}</a>");
    }
    out.push_str("</nav>\n");
    for (id, title, _) in tabs.iter().filter(|(_, _, has)| *has) {
        put!(out, "<section id=\"{id}\" class=\"pane\"><h2>{title}</h2>");
        match *id {
            "machine" => machine(out, explanation, heat),
            "body" => body(out, explanation, heat),
            "sites" => sites(out, explanation),
            "inlined" => inlined(out, &explanation.inlined),
            "reached" => reached(out, explanation),
            _ => explanation.clif.iter().for_each(|clif| ir(out, clif)),
        }
        out.push_str("</section>\n");
    }
}

fn machine(out: &mut String, explanation: &Explanation, heat: &Heat) {
    let starts: Vec<u32> = explanation.graph.blocks.iter().map(|block| block.wasm).collect();
    for block in &explanation.machine {
        let count = block.count.map_or(String::new(), |count| format!(" x {}", number(count)));
        put!(out, "<div class=\"code {}\" id=\"m{:x}\"><h3>+{:#06x}{count}</h3>", heat.class(block.count), block.offset, block.offset);
        if block.instructions.is_empty() {
            let targets: Vec<String> = block.table.iter().map(|target| format!("<a href=\"#m{target:x}\">+{target:#06x}</a>")).collect();
            let what = if targets.is_empty() { "constants".to_string() } else { format!("jump table: {}", targets.join(" ")) };
            put!(out, "<div class=\"i\">{} bytes, {what}</div>", block.bytes);
        }
        block.instructions.iter().for_each(|instruction| put_instruction(out, explanation, &starts, instruction));
        out.push_str("</div>\n");
    }
}

fn put_instruction(out: &mut String, explanation: &Explanation, starts: &[u32], instruction: &MachineInstruction) {
    let MachineInstruction { offset, text, from, note, trap } = instruction;
    let of_block = from.last().and_then(|outermost| starts.partition_point(|&start| start <= outermost.wasm).checked_sub(1));
    let data = of_block.map_or(String::new(), |block| format!(" data-block=\"{block}\""));
    let chain: Vec<String> =
        from.windows(2).map(|pair| format!("in {} from {:#x}", names(explanation, pair[0].function), pair[1].wasm)).collect();
    let title = if chain.is_empty() { String::new() } else { format!(" title=\"{}\"", escaped(&chain.join(", "))) };
    let inner = if from.len() > 1 { " inner" } else { "" };
    let wasm = from.first().map_or(String::new(), |from| format!("{:#x}", from.wasm));
    let mut notes: Vec<String> = note.iter().map(|note| escaped(note)).collect();
    notes.extend(trap.map(|trap| format!("<b>{}</b>", escaped(trap))));
    let branch = text.split_once(" +0x").and_then(|(name, target)| Some((name, u32::from_str_radix(target, 16).ok()?)));
    let text = match branch {
        Some((name, target)) => format!("{} <a href=\"#m{target:x}\">+{target:#06x}</a>", escaped(name)),
        None => escaped(text),
    };
    put!(
        out,
        "<div class=\"i{inner}\"{data}{title}><span>+{offset:#06x}</span><span>{wasm}</span><code>{text}</code><em>{}</em></div>",
        notes.join(", ")
    );
}

fn body(out: &mut String, explanation: &Explanation, heat: &Heat) {
    for (number_of, block) in explanation.graph.blocks.iter().enumerate() {
        let count = block.count.map_or(String::new(), |count| format!(" x {}", number(count)));
        let edges = explanation.graph.edges.iter().filter(|edge| edge.from == number_of);
        let leads: Vec<String> = edges
            .map(|edge| {
                let count = edge.count.map_or(String::new(), |count| format!(" x {}", number(count)));
                format!("{} <a href=\"#b{}\">{:#x}</a>{count}", edge.kind, edge.to, explanation.graph.blocks[edge.to].wasm)
            })
            .collect();
        put!(
            out,
            "<div class=\"code {}\" id=\"b{number_of}\" data-block=\"{number_of}\"><h3>{:#x}{count}</h3>",
            heat.class(block.count),
            block.wasm
        );
        for instruction in &block.instructions {
            let Instruction { wasm, depth, text } = instruction;
            put!(
                out,
                "<div class=\"i\"><span>{wasm:#x}</span><code>{}{}</code></div>",
                "  ".repeat((*depth).min(20) as usize),
                escaped(text)
            );
        }
        put!(out, "<p>{}</p></div>\n", leads.join(", "));
    }
}

fn sites(out: &mut String, explanation: &Explanation) {
    out.push_str("<table><tr><th>wasm</th><th>kind</th><th>executed</th><th>taken</th><th>instruction</th></tr>");
    for site in &explanation.sites {
        let count = site.count.map_or(String::new(), number);
        put!(
            out,
            "<tr><td>{:#x}</td><td>{}</td><td class=\"n\">{count}</td><td class=\"n\">{}</td><td><code>{}</code>",
            site.wasm,
            kind(site.kind),
            taken(site),
            escaped(&site.text)
        );
        let guard = explanation.guards.iter().find(|guard| guard.wasm == site.wasm);
        let all = site.targets.iter().fold(site.other, |sum, target| sum.saturating_add(target.count));
        for target in &site.targets {
            let guarded = guard.and_then(|guard| guard.targets.iter().find(|guarded| guarded.function == target.function));
            let how = guarded.map_or(String::new(), |guarded| format!(" ({} behind a guard)", guarded.how));
            put!(out, "<div>{} <b>{}</b> {}{how}</div>", share(target.count, all), escaped(&target.name), number(target.count));
        }
        if site.other > 0 {
            put!(out, "<div>{} others {}</div>", share(site.other, all), number(site.other));
        }
        out.push_str("</td></tr>\n");
    }
    out.push_str("</table>");
}

fn inlined(out: &mut String, all: &[Inlined]) {
    out.push_str("<ul>");
    for one in all {
        let calls = one.calls.map_or(String::new(), |calls| format!(", executed {} times", number(calls)));
        let guarded = if one.is_guarded { " behind a guard" } else { "" };
        let bytes = one.bytes.map_or(String::new(), |bytes| format!(", {} bytes of code", number(bytes)));
        put!(
            out,
            "<li><b>{}</b>, called at {:#x}{guarded}{calls}: {} bytes of wasm{bytes}",
            escaped(&one.name),
            one.wasm,
            number(one.wasm_bytes)
        );
        if !one.inlined.is_empty() {
            inlined(out, &one.inlined);
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>");
}

fn reached(out: &mut String, explanation: &Explanation) {
    out.push_str("<table><tr><th>kind</th><th>what</th><th>sites</th></tr>");
    for call in &explanation.calls {
        put!(out, "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n", call.kind, escaped(&call.name), call.sites);
    }
    for exit in &explanation.exits {
        let taken = exit.taken.map_or_else(String::new, |times| format!(", taken {} times", number(times)));
        put!(
            out,
            "<tr><td>side exit</td><td>{:#x} of {}{taken}</td><td class=\"n\">+{:#06x}</td></tr>\n",
            exit.wasm,
            escaped(&names(explanation, exit.function)),
            exit.offset
        );
    }
    for trap in &explanation.traps {
        put!(out, "<tr><td>trap</td><td>{}</td><td class=\"n\">{}</td></tr>\n", escaped(trap.trap), trap.sites);
    }
    out.push_str("</table>");
}

fn ir(out: &mut String, clif: &Clif) {
    let Clif { translated, inlined, optimized } = clif;
    let mut stage = |title: &str, text: &str, open: &str| {
        put!(out, "<details{open}><summary>{title}</summary><pre>{}</pre></details>\n", escaped(text));
    };
    stage("after optimization", optimized, " open=\"open\"");
    if inlined != translated {
        stage("after inlining", inlined, "");
    }
    stage("of the body", translated, "");
}
