//! `trjit.toml` as one reads and writes it:
//!
//! | module | asks |
//! |---|---|
//! | [`accepted`] | does each key say what it is meant to, and nothing where it is not there? |
//! | [`refused`] | is each mistake named, with its place, what was found and expected, and what to do? |
//! | [`agreement`] | do schema and reader accept the same? |
//! | [`init`] | is what `trjit init` writes right, whatever a directory holds? |
//! | [`page`] | are the tables and examples of `docs/config.md` what the reader knows? |

mod accepted;
mod agreement;
mod init;
mod page;
mod refused;

use trjit_ci::config::keys::{FILE, Key, Table};

/// A file with one more line in a table: every table is there, and all that a key may need beside it.
fn with_key(table: &Table, key: &str, value: &str) -> String {
    let mut lines: Vec<(&str, &str, &str)> = vec![
        ("", "module", "\"app.wasm\""),
        ("train", "profile", "\"kept.trprof\""),
        ("train", "command", "[\"run-tests\"]"),
        ("train.run", "name", "\"first\""),
        ("train.run.expect", "exit", "7"),
        ("target", "verify", "false"),
        ("gates", "growth", "0.25"),
        ("output", "profile", "\"merged.trprof\""),
    ];
    lines.retain(|(of, name, _)| {
        (*of, *name) != (table.name, key) && (table.name, key, *name) != ("train.run.expect", "stdout", "stdout-sha256")
    });
    if !key.is_empty() {
        lines.push((table.name, key, value));
    }
    let mut text = String::new();
    for table in FILE.all() {
        if !table.name.is_empty() {
            text += &format!("{}\n", table.title());
        }
        for (_, key, value) in lines.iter().filter(|(of, ..)| *of == table.name) {
            text += &format!("{key} = {value}\n");
        }
        // The second run is left out, so that gates can be measured.
        if table.name == "train.run.expect" {
            text += "[[train.run]]\nname = \"second\"\nleft-out = true\n";
        }
    }
    text
}

/// Every key with its table.
fn keys() -> impl Iterator<Item = (&'static Table, &'static Key)> {
    FILE.all().into_iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)))
}
