//! The JSON file: [`Results`] as they are, with every sample and the machine.

use crate::results::Results;
use anyhow::{Context, Result};
use std::path::Path;

pub const FILE: &str = "results.json";

pub fn write(results: &Results, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(FILE);
    std::fs::write(&path, serde_json::to_vec(results)?).with_context(|| format!("cannot write {}", path.display()))
}

pub fn read(path: &Path) -> Result<Results> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no result of this bench", path.display()))
}
