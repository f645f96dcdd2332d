//! What people and programs get of the results: a table in the terminal, one JSON file, one page.

mod html;
pub mod json;
mod svg;
mod table;

use crate::results::{Results, Row};
use crate::stats::{self, Ratio, Spread};
use anyhow::Result;
use std::path::Path;

pub fn all(results: &Results, out: &Path) -> Result<()> {
    print!("{}", table::render(results));
    json::write(results, out)?;
    html::write(results, out)?;
    println!("\n{} has every sample, {} is for people", out.join(json::FILE).display(), out.join(html::FILE).display());
    Ok(())
}

/// What a row shows, in table and page alike.
struct Figures {
    wall: Spread,
    cpu_ms: f64,
    faults: f64,
    peak: String,
    size: String,
    /// By the row that others are compared with.
    ratio: Option<Ratio>,
}

/// `None` for a row without times.
fn row_figures(row: &Row, base: Option<&Row>) -> Option<Figures> {
    let middle = |values: Vec<f64>| stats::spread(&values).map_or(0.0, |spread| spread.median);
    Some(Figures {
        wall: row.wall()?,
        cpu_ms: middle(row.cpu_ms()),
        faults: middle(row.faults()),
        peak: row.peak_kib.map_or("-".to_string(), |kib| format!("{:.1}", kib as f64 / 1024.0)),
        size: row.artifact_bytes.map_or("-".to_string(), table::bytes),
        ratio: base.and_then(|base| stats::ratio(&row.wall_ms(), &base.wall_ms())),
    })
}
