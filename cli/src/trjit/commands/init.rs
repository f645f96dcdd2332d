//! `trjit init`: writes a first `trjit.toml`, by looking at a directory.

use crate::LINKED;
use crate::init_args::Init;
use anyhow::Result;
use std::path::Path;
use trjit_ci::config::CONFIG_FILE;
use trjit_ci::{Kind, init};
use trjit_cli::exit::{self, FAILURE, Failure};
use trjit_cli::{source, ui};

pub fn execute(args: &Init) -> Result<u8> {
    let read = |path: &Path| {
        let wasm = source::read_wasm(path, &LINKED);
        wasm.map_err(|error| trjit_ci::Failure::new(Kind::Failed, format!("{error:#}")))
    };
    let found = init::look(&args.directory, &read);
    let ignored = init::write(&args.directory, &found, args.force)
        .map_err(|error| Failure::new(FAILURE, format!("no {CONFIG_FILE} is written: {error}")).with_help(error.help()))?;
    ui::summary(&format!("wrote     {}", args.directory.join(CONFIG_FILE).display()));
    if ignored {
        ui::summary("wrote     .trjit/ to .gitignore: there `trjit ci` keeps what it makes");
    }
    found.notes().iter().for_each(|note| ui::summary(note));
    ui::summary("next      read the file, then `trjit ci --dry-run` tells what would be done, and `trjit ci` does it");
    Ok(exit::OK)
}
