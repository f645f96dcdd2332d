//! What people and programs get of the results: a table in the terminal, one JSON file, one page.

pub mod json;
mod table;

use crate::results::Results;
use anyhow::Result;
use std::path::Path;

pub fn all(results: &Results, out: &Path) -> Result<()> {
    print!("{}", table::render(results));
    json::write(results, out)?;
    println!("\n{} has every sample", out.join(json::FILE).display());
    Ok(())
}
