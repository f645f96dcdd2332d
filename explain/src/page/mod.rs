//! The explanation as one page: the control flow drawn, blocks coloured by heat, beside machine code, body, sites and IR.
//!
//! Invariant: the page needs nothing else: styles, script and drawing are in it, and it asks for no other resource. It is well-formed as XML but for script and styles, and
//! reads without the script, which only connects the parts.

mod graph;
mod panes;

use crate::model::Explanation;
use crate::text::{counted, number};

/// Adds to a string.
macro_rules! put {
    ($out:expr, $($part:tt)*) => { $out.push_str(&format!($($part)*)); };
}
pub(crate) use put;

/// The whole page.
pub fn page(explanation: &Explanation) -> String {
    let heat = Heat::of(explanation);
    let name = escaped(&explanation.function.name);
    let mut out = String::new();
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>\
         <title>{name} - trjit explain</title>\n<style>{}</style></head>\n<body>\n",
        include_str!("page.css")
    );
    head(&mut out, explanation);
    legend(&mut out, &heat);
    out.push_str("<main>\n<div id=\"graph\" tabindex=\"0\">");
    graph::draw(&mut out, explanation, &heat);
    out.push_str("</div>\n<div id=\"side\">");
    panes::put_all(&mut out, explanation, &heat);
    put!(out, "</div>\n</main>\n<script>{}</script>\n</body></html>\n", include_str!("page.js"));
    out
}

fn head(out: &mut String, explanation: &Explanation) {
    let crate::Explanation { function, code, training, why, notes, cold, .. } = explanation;
    put!(out, "<header><h1>{} <small>function {}</small></h1><dl>", escaped(&function.name), function.index);
    let mut row = |term: &str, text: String| {
        put!(out, "<div><dt>{term}</dt><dd>{}</dd></div>", escaped(&text));
    };
    row("type", function.signature.clone());
    row("tier", why.clone());
    row(
        "wasm",
        format!("{} bytes at {:#x}, {}", number(function.wasm_bytes), function.wasm, counted(function.instructions, "instruction")),
    );
    if let Some(code) = code {
        row("code", format!("{} bytes", number(code.bytes)));
    }
    if let (Some(entries), Some(back_edges)) = (training.entries, training.back_edges) {
        row("training", format!("{}, {}", counted(entries, "entry").replace("entrys", "entries"), counted(back_edges, "back-edge")));
    }
    if let Some(cold) = cold {
        let code = if code.is_some() { format!(", {} bytes of code", number(cold.bytes)) } else { String::new() };
        row("cold", format!("{} of {} instructions never executed{code}", number(cold.never_executed), number(cold.instructions)));
    }
    out.push_str("</dl>");
    for note in notes {
        put!(out, "<p class=\"note\">{}</p>", escaped(note));
    }
    out.push_str("</header>\n");
}

fn legend(out: &mut String, heat: &Heat) {
    out.push_str("<div id=\"legend\">");
    match heat.most {
        None => out.push_str("<span class=\"key hu\">executions are not known</span>"),
        Some(_) => {
            out.push_str("executions <span class=\"key h0\">never</span>");
            for level in 1..=LEVELS {
                put!(out, "<span class=\"key h{level}\">{}</span>", escaped(&heat.range(level)));
            }
        }
    }
    out.push_str("<span class=\"line back\"></span>back-edge <span class=\"line catches\"></span>exception<i>drag to move, ctrl and wheel or + and - to zoom, click a block</i></div>\n");
}

/// Colours beside that of what was never executed.
const LEVELS: u32 = 9;

/// From counts to colours, in equal steps of the logarithm.
pub(crate) struct Heat {
    most: Option<u64>,
}

impl Heat {
    fn of(explanation: &Explanation) -> Heat {
        let blocks = explanation.graph.blocks.iter().filter_map(|block| block.count);
        let machine = explanation.machine.iter().filter_map(|block| block.count);
        Heat { most: blocks.chain(machine).max() }
    }

    /// The class of a count.
    pub fn class(&self, count: Option<u64>) -> String {
        match (count, self.most) {
            (Some(0), _) => "h0".into(),
            (Some(count), Some(most)) => format!("h{}", level(count, most)),
            _ => "hu".into(),
        }
    }

    /// The counts of a level, in words.
    fn range(&self, of: u32) -> String {
        let most = self.most.unwrap_or(1).max(1);
        let least = |of: u32| (most as f64).powf(f64::from(of - 1) / f64::from(LEVELS)).ceil() as u64;
        // Rounding may lie a step off.
        let mut from = least(of);
        while from > 1 && level(from - 1, most) >= of {
            from -= 1;
        }
        while level(from, most) < of && from < most {
            from += 1;
        }
        if level(from, most) == of { format!("{}+", number(from)) } else { "-".into() }
    }
}

fn level(count: u64, most: u64) -> u32 {
    let share = if most > 1 { (count.max(1) as f64).ln() / (most as f64).ln() } else { 1.0 };
    (1 + (share * f64::from(LEVELS)) as u32).min(LEVELS)
}

/// Text in an element or an attribute. Control characters, which names may hold, are none of XML's.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_ascend_with_counts_and_the_legend_tells_where_they_begin() {
        for most in [1, 2, 10, 1_000_000, u64::MAX] {
            let heat = Heat { most: Some(most) };
            assert_eq!((heat.class(Some(0)), heat.class(Some(most)), heat.class(None)), ("h0".into(), format!("h{LEVELS}"), "hu".into()));
            let levels: Vec<u32> = (0..64).map(|shift| most >> shift).filter(|&count| count > 0).map(|count| level(count, most)).collect();
            assert!(levels.is_sorted_by(|one, next| one >= next), "{levels:?}");
        }
        let heat = Heat { most: Some(1_000_000_000) };
        let ranges: Vec<String> = (1..=LEVELS).map(|level| heat.range(level)).collect();
        assert_eq!(ranges[..4], ["1+", "10+", "100+", "1,000+"]);
    }

    #[test]
    fn text_does_not_end_elements() {
        assert_eq!(escaped("a<b>&\"'\u{1}"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}");
    }
}
