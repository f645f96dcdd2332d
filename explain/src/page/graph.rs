//! The body's control flow as SVG.

use super::{Heat, escaped, put};
use crate::layout::{Arrow, Line, Place, Size, layout};
use crate::model::{Block, Edge, Explanation};
use crate::text::number;
use std::collections::BTreeMap;

/// Most blocks that are drawn: of more, nobody sees anything.
const MOST_BLOCKS: usize = 160;
/// Most instructions of a block that are drawn, and characters of each; the pane beside has all.
const MOST_LINES: usize = 16;
const MOST_CHARACTERS: usize = 40;
/// Of the font.
const CHARACTER: f64 = 6.7;
const LINE: f64 = 14.0;
const PADDING: f64 = 8.0;

/// Draws it, with a note where blocks are left out.
pub fn draw(out: &mut String, explanation: &Explanation, heat: &Heat) {
    let graph = &explanation.graph;
    let shown = chosen(&graph.blocks);
    if shown.len() < graph.blocks.len() {
        let which = if explanation.training.given { "hottest" } else { "first" };
        put!(out, "<p class=\"note\">the {} {which} of {} blocks are drawn; the listings have all</p>", shown.len(), graph.blocks.len());
    }
    let number_of: BTreeMap<usize, usize> = shown.iter().enumerate().map(|(at, &block)| (block, at)).collect();
    let texts: Vec<Vec<String>> = shown.iter().map(|&block| lines(block, graph, &number_of)).collect();
    let sizes: Vec<Size> = texts.iter().map(|lines| size(lines)).collect();
    let edges: Vec<&Edge> =
        graph.edges.iter().filter(|edge| number_of.contains_key(&edge.from) && number_of.contains_key(&edge.to)).collect();
    let arrows: Vec<Arrow> = edges.iter().map(|edge| Arrow { from: number_of[&edge.from], to: number_of[&edge.to] }).collect();
    let drawn = layout(&sizes, &arrows);
    let Size { width, height } = drawn.size;
    put!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-label=\"control flow\"><defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"9\" markerHeight=\"9\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n<g id=\"edges\">"
    );
    let most = edges.iter().filter_map(|edge| edge.count).max().unwrap_or(0);
    edges.iter().zip(&drawn.lines).for_each(|(edge, line)| put_edge(out, edge, line, most));
    out.push_str("</g>\n<g id=\"blocks\">");
    for (((&block, lines), size), place) in shown.iter().zip(&texts).zip(&sizes).zip(&drawn.boxes) {
        put_block(out, block, &graph.blocks[block], lines, *size, *place, heat);
    }
    out.push_str("</g></svg>");
}

/// The blocks to draw, ascending: the hottest, and always the first.
fn chosen(blocks: &[Block]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&block| (block != 0, std::cmp::Reverse(blocks[block].count), block));
    order.truncate(MOST_BLOCKS);
    order.sort_unstable();
    order
}

/// What stands in a box: where it is and how hot, its instructions, and where else it leads.
fn lines(block: usize, graph: &crate::model::Graph, drawn: &BTreeMap<usize, usize>) -> Vec<String> {
    let Block { wasm, count, is_loop, instructions } = &graph.blocks[block];
    let count = count.map_or(String::new(), |count| format!("  x {}", number(count)));
    let looped = if *is_loop { "  loop" } else { "" };
    let mut lines = vec![format!("{wasm:#x}{count}{looped}")];
    let kept = if instructions.len() > MOST_LINES { MOST_LINES - 1 } else { instructions.len() };
    // The last instruction tells how the block ends.
    lines.extend(instructions.iter().take(kept.saturating_sub(1)).map(|instruction| cut(&instruction.text)));
    if kept < instructions.len() {
        lines.push(format!(".. {} more", instructions.len() - kept));
    }
    lines.extend(instructions.last().map(|last| cut(&last.text)));
    for edge in graph.edges.iter().filter(|edge| edge.from == block && !drawn.contains_key(&edge.to)).take(3) {
        let count = edge.count.map_or(String::new(), |count| format!(" x {}", number(count)));
        lines.push(format!("-> {:#x}{count}, not drawn", graph.blocks[edge.to].wasm));
    }
    lines
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_string(),
    }
}

fn size(lines: &[String]) -> Size {
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    Size { width: longest as f64 * CHARACTER + 2.0 * PADDING, height: lines.len() as f64 * LINE + 2.0 * PADDING }
}

fn put_block(out: &mut String, number: usize, block: &Block, lines: &[String], size: Size, place: Place, heat: &Heat) {
    let (Place { x, y }, Size { width, height }) = (place, size);
    put!(
        out,
        "<g class=\"block {}\" data-block=\"{number}\"><title>{}, {} instructions</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{height:.1}\" rx=\"4\"/><text>",
        heat.class(block.count),
        escaped(&lines[0]),
        block.instructions.len()
    );
    for (at, line) in lines.iter().enumerate() {
        let class = if at == 0 { " class=\"top\"" } else { "" };
        let (x, y) = (x + PADDING, y + PADDING + LINE * at as f64 + 10.5);
        put!(out, "<tspan x=\"{x:.1}\" y=\"{y:.1}\"{class}>{}</tspan>", escaped(line));
    }
    out.push_str("</text></g>\n");
}

fn put_edge(out: &mut String, edge: &Edge, line: &Line, most: u64) {
    let weight = match edge.count {
        Some(count) if count > 0 && most > 1 => 1.0 + 2.5 * (count as f64).ln() / (most as f64).ln(),
        _ => 1.0,
    };
    let never = if edge.count == Some(0) { " never" } else { "" };
    let count = edge.count.map_or("not counted".to_string(), |count| format!("x {}", number(count)));
    put!(
        out,
        "<g class=\"edge {}{never}\" data-from=\"{}\" data-to=\"{}\"><title>{}: {count}</title><path d=\"{}\" stroke-width=\"{weight:.1}\" \
         marker-end=\"url(#tip)\"/>",
        edge.kind,
        edge.from,
        edge.to,
        edge.kind,
        path(line)
    );
    // Beside its beginning, where it has left the box.
    if let (Some(count), Some(start)) = (edge.count, line.points.get(1)) {
        put!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", start.x + 4.0, start.y + 11.0, number(count));
    }
    out.push_str("</g>\n");
}

/// Straight within layers, bent between them. Where a line turns, it goes on in its direction first.
fn path(line: &Line) -> String {
    let mut d = String::new();
    let mut last: Option<Place> = None;
    for piece in line.points.chunks(2) {
        let [start, end] = *piece else { continue };
        match last {
            None => {
                put!(d, "M{:.1} {:.1}", start.x, start.y);
            }
            Some(last) => {
                let turns = start.y <= last.y || end.y < start.y;
                let reach = if turns { 22.0 } else { (start.y - last.y) / 2.0 };
                let arrives = if end.y < start.y { reach } else { -reach };
                let leaves = if is_rising(line, last) { -reach } else { reach };
                put!(d, "C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}", last.x, last.y + leaves, start.x, start.y + arrives, start.x, start.y);
            }
        }
        if end != start {
            put!(d, "L{:.1} {:.1}", end.x, end.y);
        }
        last = Some(end);
    }
    d
}

/// Whether the straight piece that ends at a point goes up.
fn is_rising(line: &Line, end: Place) -> bool {
    line.points.chunks(2).any(|piece| piece[1] == end && piece[0].y > end.y)
}
