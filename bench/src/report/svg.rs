//! The plots of the page, as SVG text: plain shapes, no script.

use std::fmt::Write;

/// Colours that are told apart by people who see few of them; trjit's is the first.
pub const COLOURS: &[&str] =
    &["#0b6e4f", "#d1495b", "#3d7ebf", "#e0a030", "#7b5ea7", "#5c6b73", "#a0522d", "#2a9d8f", "#b83280", "#8aa000", "#4a4e9e", "#c06014"];

/// What belongs to one subject, in one colour.
pub struct Mark {
    pub colour: &'static str,
    pub value: f64,
    /// Shown when the pointer rests on it.
    pub title: String,
}

/// A line of marks on one axis.
pub struct Lane {
    pub name: String,
    pub marks: Vec<Mark>,
}

const LEFT: f64 = 170.0;
const WIDTH: f64 = 960.0;
const LANE: f64 = 24.0;
const TOP: f64 = 34.0;

/// Dots on a logarithmic axis, a lane for each name; `one`, where trjit is as fast, has a line of its own.
pub fn ratios(lanes: &[Lane], left_side: &str, right_side: &str) -> String {
    let values = lanes.iter().flat_map(|lane| &lane.marks).map(|mark| mark.value).filter(|value| *value > 0.0);
    let (low, high) = values.fold((0.8f64, 1.25f64), |(low, high), value| (low.min(value), high.max(value)));
    let scale = Log { low: low * 0.9, high: high * 1.1, from: LEFT, to: WIDTH - 20.0 };
    let height = TOP + lanes.len() as f64 * LANE + 30.0;
    let mut out = open(height);
    for tick in ticks(scale.low, scale.high) {
        let x = scale.at(tick);
        let class = if tick == 1.0 { "one" } else { "grid" };
        let _ = write!(out, r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{:.1}"/>"#, height - 28.0);
        let _ = write!(out, r#"<text class="tick" x="{x:.1}" y="{:.1}">{}</text>"#, height - 12.0, short(tick));
    }
    let one = scale.at(1.0);
    let _ = write!(out, r#"<text class="side end" x="{:.1}" y="20">{}</text>"#, one - 8.0, escape(left_side));
    let _ = write!(out, r#"<text class="side" x="{:.1}" y="20">{}</text>"#, one + 8.0, escape(right_side));
    for (at, lane) in lanes.iter().enumerate() {
        let y = TOP + (at as f64 + 0.5) * LANE;
        let _ = write!(out, r#"<text class="name" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 12.0, y + 4.0, escape(&lane.name));
        let _ = write!(out, r#"<line class="lane" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#, WIDTH - 20.0);
        for mark in &lane.marks {
            out.push_str(&dot(scale.at(mark.value), y, mark));
        }
    }
    out + "</svg>"
}

/// Horizontal bars on a linear axis that begins at zero, one a lane.
pub fn bars(lanes: &[Lane], unit: &str) -> String {
    let high = lanes.iter().flat_map(|lane| &lane.marks).map(|mark| mark.value).fold(f64::MIN_POSITIVE, f64::max);
    let scale = |value: f64| value / high * (WIDTH - LEFT - 150.0);
    let mut out = open(lanes.len() as f64 * LANE + 8.0);
    for (at, lane) in lanes.iter().enumerate() {
        let y = 4.0 + at as f64 * LANE;
        let _ = write!(out, r#"<text class="name" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 12.0, y + 16.0, escape(&lane.name));
        for mark in &lane.marks {
            let (width, title) = (scale(mark.value).max(1.0), escape(&mark.title));
            let _ = write!(
                out,
                r#"<rect x="{LEFT}" y="{:.1}" width="{width:.1}" height="{}" fill="{}"><title>{title}</title></rect>"#,
                y + 3.0,
                LANE - 6.0,
                mark.colour
            );
            let _ =
                write!(out, r#"<text class="value" x="{:.1}" y="{:.1}">{} {unit}</text>"#, LEFT + width + 8.0, y + 16.0, short(mark.value));
        }
    }
    out + "</svg>"
}

/// A bar a lane, its marks one behind the other, with the sum and a remark at its end.
pub fn stacks(lanes: &[(Lane, String)], unit: &str) -> String {
    let sum = |lane: &Lane| lane.marks.iter().map(|mark| mark.value).sum::<f64>();
    let high = lanes.iter().map(|(lane, _)| sum(lane)).fold(f64::MIN_POSITIVE, f64::max);
    let mut out = open(lanes.len() as f64 * LANE + 8.0);
    for (at, (lane, remark)) in lanes.iter().enumerate() {
        let (y, mut x) = (4.0 + at as f64 * LANE, LEFT);
        let _ = write!(out, r#"<text class="name" x="{:.1}" y="{:.1}">{}</text>"#, LEFT - 12.0, y + 16.0, escape(&lane.name));
        for mark in &lane.marks {
            let (width, title) = (mark.value / high * (WIDTH - LEFT - 210.0), escape(&mark.title));
            let _ = write!(
                out,
                r#"<rect x="{x:.1}" y="{:.1}" width="{width:.1}" height="{}" fill="{}"><title>{title}</title></rect>"#,
                y + 3.0,
                LANE - 6.0,
                mark.colour
            );
            x += width;
        }
        let text = format!("{} {unit} {remark}", short(sum(lane)));
        let _ = write!(out, r#"<text class="value" x="{:.1}" y="{:.1}">{}</text>"#, x + 8.0, y + 16.0, escape(&text));
    }
    out + "</svg>"
}

/// A point of a plane: horizontal, vertical.
pub struct Point {
    pub across: f64,
    pub mark: Mark,
}

/// Points on two logarithmic axes.
pub fn plane(points: &[Point], across: &str, up: &str) -> String {
    let bounds =
        |values: &mut dyn Iterator<Item = f64>| values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let (left, right) = bounds(&mut points.iter().map(|point| point.across));
    let (bottom, top) = bounds(&mut points.iter().map(|point| point.mark.value));
    const HEIGHT: f64 = 420.0;
    let x = Log { low: left * 0.8, high: right * 1.25, from: 90.0, to: WIDTH - 20.0 };
    let y = Log { low: bottom * 0.8, high: top * 1.25, from: HEIGHT - 50.0, to: 16.0 };
    let mut out = open(HEIGHT);
    for tick in ticks(x.low, x.high) {
        let at = x.at(tick);
        let _ = write!(out, r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="16" y2="{:.1}"/>"#, y.from);
        let _ = write!(out, r#"<text class="tick" x="{at:.1}" y="{:.1}">{}</text>"#, HEIGHT - 32.0, short(tick));
    }
    for tick in ticks(y.low, y.high) {
        let at = y.at(tick);
        let _ = write!(out, r#"<line class="grid" x1="90" x2="{:.1}" y1="{at:.1}" y2="{at:.1}"/>"#, x.to);
        let _ = write!(out, r#"<text class="tick end" x="82" y="{:.1}">{}</text>"#, at + 4.0, short(tick));
    }
    let _ = write!(out, r#"<text class="tick" x="{:.1}" y="{:.1}">{}</text>"#, WIDTH / 2.0, HEIGHT - 10.0, escape(across));
    let _ = write!(out, r#"<text class="tick" transform="translate(18 {:.1}) rotate(-90)">{}</text>"#, HEIGHT / 2.0, escape(up));
    for point in points {
        out.push_str(&dot(x.at(point.across), y.at(point.mark.value), &point.mark));
    }
    out + "</svg>"
}

fn dot(x: f64, y: f64, mark: &Mark) -> String {
    format!(
        r#"<circle cx="{x:.1}" cy="{y:.1}" r="5.5" fill="{}" fill-opacity="0.85"><title>{}</title></circle>"#,
        mark.colour,
        escape(&mark.title)
    )
}

fn open(height: f64) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img">"#)
}

/// A logarithmic axis.
struct Log {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Log {
    fn at(&self, value: f64) -> f64 {
        let share = (value.max(self.low).ln() - self.low.ln()) / (self.high.ln() - self.low.ln());
        self.from + share * (self.to - self.from)
    }
}

/// 1, 2 and 5 of each power of ten; only the ones where that would be many.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let steps: &[f64] = if (high / low).log10() > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

/// With as many digits as a person reads.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => trim(format!("{value:.1}")),
        size if size >= 0.0995 => trim(format!("{value:.2}")),
        _ => trim(format!("{value:.4}")),
    }
}

fn trim(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// For text and for attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 0.5, 1.0, 12.34, 1234.5, 0.031].map(short), ["0", "0.5", "1", "12.3", "1234", "0.031"]);
    }

    #[test]
    fn ticks_lie_on_the_axis() {
        assert_eq!(ticks(0.4, 12.0), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert_eq!(ticks(0.9, 2000.0), [1.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn what_others_wrote_is_text() {
        let mark = Mark { colour: COLOURS[0], value: 2.0, title: "<script>".into() };
        let plot = ratios(&[Lane { name: "a & \"b\"".into(), marks: vec![mark] }], "l", "r");
        assert!(plot.contains("&lt;script&gt;") && plot.contains("a &amp; &quot;b&quot;") && !plot.contains("<script"), "{plot}");
    }
}
