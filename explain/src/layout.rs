//! Where the boxes of a graph go, and the lines between them: a layered drawing, from above to below.
//!
//! ```text
//! layers    a box stands below all that lead to it; arrows back are left out of this
//! lanes     an arrow that passes a layer keeps a narrow column free in it; one that goes back has a lane in all layers from its end up to its start
//! order     boxes and lanes of a layer are sorted by where their neighbours stand, in sweeps down and up
//! places    each gets as near to its neighbours as the order and its width allow: the least squares, by pooling those that are in each other's way
//! ```
//! Invariant: boxes do not overlap, and lines cross none: within a layer they run in columns of their own, between layers there are no boxes. Every line begins at the lower
//! edge of its first box and ends at the upper edge of its last one.

/// Space between boxes of a layer, and between lanes.
const BOX_GAP: f64 = 26.0;
const LANE_GAP: f64 = 5.0;
const LANE: f64 = 7.0;
/// Space between layers, and how much more for each line there.
const LAYER_GAP: f64 = 42.0;
const GAP_OF_LINE: f64 = 1.5;
const MOST_GAP: f64 = 130.0;
const MARGIN: f64 = 24.0;
/// Sweeps of each kind: more change little.
const SWEEPS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub width: f64,
    pub height: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: usize,
    pub to: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub x: f64,
    pub y: f64,
}

/// The points of a line, in pairs: a straight piece down (or up) each pair, a bent one from pair to pair.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Line {
    pub points: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub size: Size,
    /// The upper left corners, in the order of the boxes.
    pub boxes: Vec<Place>,
    /// In the order of the arrows.
    pub lines: Vec<Line>,
}

/// A box or a lane.
#[derive(Clone, Debug)]
struct Node {
    layer: usize,
    width: f64,
    /// Center.
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    /// Of the ends of a way back: the box of the same layer that it belongs to.
    beside: Option<usize>,
}

/// Places boxes. Layers follow from the arrows to boxes with higher numbers.
pub fn layout(boxes: &[Size], arrows: &[Arrow]) -> Layout {
    let mut drawing = Drawing::new(boxes, arrows);
    drawing.sort();
    drawing.place();
    drawing.finish(boxes, arrows)
}

struct Drawing {
    /// First the boxes, then the lanes.
    nodes: Vec<Node>,
    /// Of each layer its nodes, from left to right.
    layers: Vec<Vec<usize>>,
    /// Of each arrow its lanes, in its direction.
    lanes: Vec<Vec<usize>>,
}

impl Drawing {
    /// Whether an arrow leads to no lower layer.
    fn goes_back(&self, arrow: &Arrow) -> bool {
        self.nodes[arrow.to].layer <= self.nodes[arrow.from].layer
    }
}

impl Drawing {
    fn new(boxes: &[Size], arrows: &[Arrow]) -> Drawing {
        let layer_of = layers(boxes.len(), arrows);
        let count = layer_of.iter().max().map_or(0, |last| last + 1);
        let node = |layer: usize, width: f64| Node { layer, width, x: 0.0, above: Vec::new(), below: Vec::new(), beside: None };
        let nodes: Vec<Node> = boxes.iter().zip(&layer_of).map(|(size, &layer)| node(layer, size.width)).collect();
        let mut drawing = Drawing { nodes, layers: vec![Vec::new(); count], lanes: Vec::new() };
        for (number, &layer) in layer_of.iter().enumerate() {
            drawing.layers[layer].push(number);
        }
        for arrow in arrows {
            let (from, to) = (layer_of[arrow.from], layer_of[arrow.to]);
            let passed = if drawing.goes_back(arrow) { to..from + 1 } else { from + 1..to };
            let mut lanes: Vec<usize> = Vec::new();
            for layer in passed {
                drawing.layers[layer].push(drawing.nodes.len());
                lanes.push(drawing.nodes.len());
                drawing.nodes.push(node(layer, LANE));
            }
            drawing.link(arrow, &mut lanes);
            drawing.lanes.push(lanes);
        }
        drawing
    }

    /// Makes neighbours of what an arrow connects; puts its lanes in its direction.
    fn link(&mut self, arrow: &Arrow, lanes: &mut [usize]) {
        if self.goes_back(arrow) {
            for pair in lanes.windows(2) {
                self.neighbours(pair[0], pair[1]);
            }
            if let (Some(&first), Some(&last)) = (lanes.first(), lanes.last()) {
                self.nodes[first].beside = Some(arrow.to);
                self.nodes[last].beside = Some(arrow.from);
            }
            lanes.reverse();
            return;
        }
        let mut before = arrow.from;
        for &next in lanes.iter().chain([&arrow.to]) {
            self.neighbours(before, next);
            before = next;
        }
    }

    fn neighbours(&mut self, upper: usize, lower: usize) {
        self.nodes[upper].below.push(lower);
        self.nodes[lower].above.push(upper);
    }

    /// Sorts the layers by the mean place of neighbours, sweeping down and up.
    fn sort(&mut self) {
        let mut position = vec![0.0; self.nodes.len()];
        self.note_positions(&mut position);
        for sweep in 0..SWEEPS {
            let is_down = sweep % 2 == 0;
            for at in 0..self.layers.len() {
                let layer = if is_down { at } else { self.layers.len() - 1 - at };
                let mut keys: Vec<(f64, usize)> = self.layers[layer]
                    .iter()
                    .map(|&node| (self.wanted(node, is_down, |other| position[other]).unwrap_or(position[node]), node))
                    .collect();
                keys.sort_by(|one, other| one.0.total_cmp(&other.0));
                self.layers[layer] = keys.into_iter().map(|(_, node)| node).collect();
                let nodes = &self.layers[layer];
                let count = nodes.len() as f64;
                nodes.iter().enumerate().for_each(|(at, &node)| position[node] = (at as f64 + 0.5) / count);
            }
        }
    }

    fn note_positions(&self, position: &mut [f64]) {
        for layer in &self.layers {
            let count = layer.len() as f64;
            layer.iter().enumerate().for_each(|(at, &node)| position[node] = (at as f64 + 0.5) / count);
        }
    }

    /// The mean of a node's neighbours on one side; an end of a way back wants to stand right of its box.
    fn wanted(&self, node: usize, is_down: bool, place: impl Fn(usize) -> f64) -> Option<f64> {
        let node = &self.nodes[node];
        let neighbours = if is_down { &node.above } else { &node.below };
        let beside = node.beside.map(|other| place(other) + 1e-6);
        let all: Vec<f64> = neighbours.iter().map(|&other| place(other)).chain(beside).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    fn separation(&self, left: usize, right: usize) -> f64 {
        let is_lane = |node: usize| self.nodes[node].width == LANE;
        let gap = if is_lane(left) && is_lane(right) { LANE_GAP } else { BOX_GAP };
        (self.nodes[left].width + self.nodes[right].width) / 2.0 + gap
    }

    /// Gives centers.
    fn place(&mut self) {
        for layer in 0..self.layers.len() {
            self.settle(layer, |_| 0.0);
        }
        for sweep in 0..2 * SWEEPS {
            let is_down = sweep % 2 == 0;
            for at in 0..self.layers.len() {
                let layer = if is_down { at } else { self.layers.len() - 1 - at };
                let centers: Vec<f64> = self.nodes.iter().map(|node| node.x).collect();
                let wanted: Vec<f64> = self.layers[layer]
                    .iter()
                    .map(|&node| self.wanted(node, is_down, |other| centers[other]).unwrap_or(centers[node]))
                    .collect();
                self.settle(layer, |at| wanted[at]);
            }
        }
    }

    /// Puts a layer's nodes as near to the wanted centers as they can stand beside each other.
    fn settle(&mut self, layer: usize, wanted: impl Fn(usize) -> f64) {
        let nodes = self.layers[layer].clone();
        // Without the widths in front of each, centers need only ascend.
        let mut before = vec![0.0; nodes.len()];
        for at in 1..nodes.len() {
            before[at] = before[at - 1] + self.separation(nodes[at - 1], nodes[at]);
        }
        let targets = nodes.iter().enumerate().map(|(at, &node)| {
            let is_lane = self.nodes[node].width == LANE;
            (wanted(at) - before[at], if is_lane { 4.0 } else { 1.0 })
        });
        let settled = ascending(targets);
        for (at, &node) in nodes.iter().enumerate() {
            self.nodes[node].x = settled[at] + before[at];
        }
    }

    fn finish(mut self, boxes: &[Size], arrows: &[Arrow]) -> Layout {
        let left = self.nodes.iter().map(|node| node.x - node.width / 2.0).fold(f64::INFINITY, f64::min);
        let shift = if left.is_finite() { MARGIN - left } else { 0.0 };
        self.nodes.iter_mut().for_each(|node| node.x += shift);
        let right = self.nodes.iter().map(|node| node.x + node.width / 2.0).fold(0.0, f64::max);
        let rows = self.rows(boxes, arrows);
        let places: Vec<Place> = boxes
            .iter()
            .enumerate()
            .map(|(number, size)| Place { x: self.nodes[number].x - size.width / 2.0, y: rows[self.nodes[number].layer].0 })
            .collect();
        let lines = self.lines(boxes, arrows, &rows);
        let height = rows.last().map_or(0.0, |row| row.1) + LAYER_GAP;
        Layout { size: Size { width: right + MARGIN, height: height + MARGIN }, boxes: places, lines }
    }

    /// Where each layer begins and ends.
    fn rows(&self, boxes: &[Size], arrows: &[Arrow]) -> Vec<(f64, f64)> {
        // Lines that bend in the gap below each layer, and above the first.
        let mut bends = vec![0usize; self.layers.len() + 1];
        for (arrow, lanes) in arrows.iter().zip(&self.lanes) {
            let at = |node: usize| self.nodes[node].layer;
            if self.goes_back(arrow) {
                bends[at(arrow.from) + 1] += 1;
                bends[at(arrow.to)] += 1;
            } else {
                (at(arrow.from) + 1..at(arrow.from) + 2 + lanes.len()).for_each(|gap| bends[gap] += 1);
            }
        }
        let gap = |bends: usize| (LAYER_GAP + GAP_OF_LINE * bends as f64).min(MOST_GAP);
        let mut y = MARGIN;
        let mut rows = Vec::with_capacity(self.layers.len());
        for (layer, nodes) in self.layers.iter().enumerate() {
            y += if layer == 0 && bends[0] == 0 { 0.0 } else { gap(bends[layer]) };
            let height = nodes.iter().filter_map(|&node| boxes.get(node)).map(|size| size.height).fold(0.0, f64::max);
            rows.push((y, y + height));
            y += height;
        }
        rows
    }

    fn lines(&self, boxes: &[Size], arrows: &[Arrow], rows: &[(f64, f64)]) -> Vec<Line> {
        let towards = |number: usize, is_end: bool| {
            let (arrow, lanes) = (&arrows[number], &self.lanes[number]);
            let (lane, other) = if is_end { (lanes.last(), arrow.from) } else { (lanes.first(), arrow.to) };
            self.nodes[lane.copied().unwrap_or(other)].x
        };
        let starts = self.ports(boxes.len(), arrows, |arrow| arrow.from, |number| towards(number, false));
        let ends = self.ports(boxes.len(), arrows, |arrow| arrow.to, |number| towards(number, true));
        let line = |(number, arrow): (usize, &Arrow)| {
            let (top, bottom) = rows[self.nodes[arrow.from].layer];
            let mut points = vec![Place { x: starts[number], y: top + boxes[arrow.from].height }, Place { x: starts[number], y: bottom }];
            for &lane in &self.lanes[number] {
                let (top, bottom) = rows[self.nodes[lane].layer];
                let (enters, leaves) = if self.goes_back(arrow) { (bottom, top) } else { (top, bottom) };
                points.extend([enters, leaves].map(|y| Place { x: self.nodes[lane].x, y }));
            }
            let top = rows[self.nodes[arrow.to].layer].0;
            points.extend([top, top].map(|y| Place { x: ends[number], y }));
            Line { points }
        };
        arrows.iter().enumerate().map(line).collect()
    }

    /// Where along the edges of their boxes lines begin, or end: spread evenly, in the order of where they lead.
    fn ports(&self, boxes: usize, arrows: &[Arrow], of: impl Fn(&Arrow) -> usize, towards: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut of_box: Vec<Vec<usize>> = vec![Vec::new(); boxes];
        arrows.iter().enumerate().for_each(|(number, arrow)| of_box[of(arrow)].push(number));
        let mut ports = vec![0.0; arrows.len()];
        for (number, mut lines) in of_box.into_iter().enumerate() {
            lines.sort_by(|&one, &other| towards(one).total_cmp(&towards(other)));
            let node = &self.nodes[number];
            let step = node.width / (lines.len() + 1) as f64;
            lines.iter().enumerate().for_each(|(at, &line)| ports[line] = node.x - node.width / 2.0 + step * (at + 1) as f64);
        }
        ports
    }
}

/// One below the lowest of those that lead here.
fn layers(boxes: usize, arrows: &[Arrow]) -> Vec<usize> {
    let mut down: Vec<&Arrow> = arrows.iter().filter(|arrow| arrow.from < arrow.to).collect();
    down.sort_by_key(|arrow| arrow.from);
    let mut layers = vec![0; boxes];
    for arrow in down {
        layers[arrow.to] = layers[arrow.to].max(layers[arrow.from] + 1);
    }
    layers
}

/// The ascending numbers next to the given ones (with their weights), by least squares.
fn ascending(wanted: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    // Pools of neighbours that got the same number: its mean, its weight, how many there are.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (number, weight) in wanted {
        let mut pool = (number, weight, 1);
        while let Some(last) = pools.pop_if(|last| last.0 > pool.0) {
            let weight = last.1 + pool.1;
            pool = ((last.0 * last.1 + pool.0 * pool.1) / weight, weight, last.2 + pool.2);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(number, _, count)| std::iter::repeat_n(number, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are always the same.
    fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        }
    }

    /// A graph such as bodies have: each block is reached from one before it; some edges go on, some back.
    fn sample(seed: u64) -> (Vec<Size>, Vec<Arrow>) {
        let mut number = numbers(seed);
        let count = 1 + number(60);
        let boxes = (0..count).map(|_| Size { width: 40.0 + number(200) as f64, height: 20.0 + number(150) as f64 }).collect();
        let mut arrows: Vec<Arrow> = (1..count).map(|to| Arrow { from: to - 1 - number(to.min(4)), to }).collect();
        for _ in 0..number(count) {
            arrows.push(Arrow { from: number(count), to: number(count) });
        }
        (boxes, arrows)
    }

    /// Whether a vertical piece of a line runs through a box.
    fn crosses(one: Place, other: Place, corner: Place, size: Size) -> bool {
        let (top, bottom) = (one.y.min(other.y), one.y.max(other.y));
        let within = |value: f64, from: f64, to: f64| value > from + 0.01 && value < to - 0.01;
        within(one.x, corner.x, corner.x + size.width) && top < corner.y + size.height - 0.01 && bottom > corner.y + 0.01
    }

    #[test]
    fn boxes_do_not_overlap_and_lines_end_at_boxes_and_cross_none() {
        for seed in 0..200 {
            let (boxes, arrows) = sample(seed);
            let found = layout(&boxes, &arrows);
            for (one, (place, size)) in found.boxes.iter().zip(&boxes).enumerate() {
                assert!(place.x >= 0.0 && place.x + size.width <= found.size.width, "{seed}: box {one} is outside");
                assert!(place.y >= 0.0 && place.y + size.height <= found.size.height, "{seed}: box {one} is outside");
                for (other, (below, lower)) in found.boxes.iter().zip(&boxes).enumerate().skip(one + 1) {
                    let apart = place.x + size.width <= below.x
                        || below.x + lower.width <= place.x
                        || place.y + size.height <= below.y
                        || below.y + lower.height <= place.y;
                    assert!(apart, "{seed}: boxes {one} and {other} overlap");
                }
            }
            for (arrow, line) in arrows.iter().zip(&found.lines) {
                check_line(seed, arrow, line, &found, &boxes);
            }
        }
    }

    fn check_line(seed: u64, arrow: &Arrow, line: &Line, found: &Layout, boxes: &[Size]) {
        let (start, end) = (line.points[0], line.points[line.points.len() - 1]);
        let (from, to) = (found.boxes[arrow.from], found.boxes[arrow.to]);
        assert!(start.x > from.x && start.x < from.x + boxes[arrow.from].width, "{seed}: {arrow:?}");
        assert!((start.y - from.y - boxes[arrow.from].height).abs() < 0.01, "{seed}: {arrow:?}");
        assert!(end.x > to.x && end.x < to.x + boxes[arrow.to].width && (end.y - to.y).abs() < 0.01, "{seed}: {arrow:?}");
        assert!(line.points.len().is_multiple_of(2));
        for piece in line.points.chunks(2) {
            assert_eq!(piece[0].x, piece[1].x, "straight pieces are vertical");
            for (corner, size) in found.boxes.iter().zip(boxes) {
                assert!(!crosses(piece[0], piece[1], *corner, *size), "{seed}: {arrow:?} runs through a box");
            }
        }
        // Bent pieces stay between layers.
        for bend in line.points[1..line.points.len() - 1].chunks(2) {
            let (top, bottom) = (bend[0].y.min(bend[1].y), bend[0].y.max(bend[1].y));
            for (corner, size) in found.boxes.iter().zip(boxes) {
                let beside = corner.y + size.height <= top + 0.01 || corner.y >= bottom - 0.01;
                assert!(beside, "{seed}: {arrow:?} bends beside a box");
            }
        }
    }

    #[test]
    fn the_same_graph_has_the_same_drawing() {
        let (boxes, arrows) = sample(7);
        assert_eq!(layout(&boxes, &arrows), layout(&boxes, &arrows));
        assert_eq!(layout(&[], &[]).boxes, []);
    }

    #[test]
    fn numbers_are_moved_no_more_than_needed() {
        let even = |numbers: &[f64]| ascending(numbers.iter().map(|&number| (number, 1.0)));
        assert_eq!(even(&[1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(even(&[1.0, 4.0, 2.0, 9.0]), [1.0, 3.0, 3.0, 9.0]);
        assert_eq!(even(&[3.0, 2.0, 1.0]), [2.0, 2.0, 2.0]);
    }
}
