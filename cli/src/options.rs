//! The grouped options of `wasmtime run`: `-W`, `-S`, `-C` and `-O`, each a list of `KEY[=VALUE]`.

use crate::args::{Guest, duration};
use crate::exit::{FAILURE, Failure};
use crate::ui;
use anyhow::{Context, Result, bail};
use std::time::Duration;
use trjit_code::MemoryStyle;
use trjit_module::vm::MEMORY_RESERVATION;
use trjit_runtime::{Tunable, Tunables};

/// What the groups say, together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Options {
    pub max_wasm_stack: Option<usize>,
    pub max_memory_size: Option<u64>,
    pub max_table_elements: Option<u64>,
    pub timeout: Option<Duration>,
    pub fuel: Option<u64>,
    pub inherit_env: bool,
    /// Memories are checked, though they could be reserved.
    pub checked_memories: bool,
    /// The runtime's thresholds, each a key of `-O`.
    pub tunables: Tunables,
}

/// A key of a group, and what it does.
struct Key {
    name: &'static str,
    help: &'static str,
    apply: fn(&mut Options, &str) -> Result<(), String>,
}

/// A feature that is always on.
const fn always(name: &'static str) -> Key {
    Key { name, help: "always on", apply: |_, value| if flag(value)? { Ok(()) } else { Err("it can not be switched off".into()) } }
}

/// A feature that does not exist yet.
const fn absent(name: &'static str) -> Key {
    Key { name, help: "not supported yet", apply: |_, value| if flag(value)? { Err("it is not supported yet".into()) } else { Ok(()) } }
}

const WASM: &[Key] = &[
    Key {
        name: "timeout",
        help: "stop the guest with a trap after this time (such as 10s)",
        apply: |options, value| {
            options.timeout = Some(duration(value)?);
            Ok(())
        },
    },
    Key {
        name: "fuel",
        help: "stop the guest with a trap when it has executed so many instructions",
        apply: |options, value| {
            options.fuel = Some(number(value)?);
            Ok(())
        },
    },
    Key {
        name: "max-wasm-stack",
        help: "bytes of stack that compiled code may use",
        apply: |options, value| {
            options.max_wasm_stack = Some(number(value)? as usize);
            Ok(())
        },
    },
    Key {
        name: "max-memory-size",
        help: "most bytes of a memory",
        apply: |options, value| {
            options.max_memory_size = Some(number(value)?);
            Ok(())
        },
    },
    Key {
        name: "max-table-elements",
        help: "most elements of a table",
        apply: |options, value| {
            options.max_table_elements = Some(number(value)?);
            Ok(())
        },
    },
    always("bulk-memory"),
    always("multi-value"),
    always("reference-types"),
    always("simd"),
    always("relaxed-simd"),
    always("exceptions"),
    always("tail-call"),
    always("multi-memory"),
    always("memory64"),
    always("threads"),
    always("function-references"),
    absent("gc"),
    absent("component-model"),
    always("extended-const"),
];

const WASI: &[Key] = &[
    always("cli"),
    always("common"),
    Key {
        name: "inherit-env",
        help: "give the guest the whole environment of the host",
        apply: |options, value| {
            options.inherit_env = flag(value)?;
            Ok(())
        },
    },
    absent("preview2"),
    absent("inherit-network"),
    absent("tcp"),
    absent("udp"),
    absent("http"),
    absent("nn"),
    absent("threads"),
];

const CODEGEN: &[Key] = &[Key {
    name: "cache",
    help: "accepted for compatibility: nothing is ever cached implicitly, see --cache",
    apply: |_, value| flag(value).map(|_| ()),
}];

const OPTIMIZE: &[Key] = &[Key {
    name: "memory-reservation",
    help: "0: memories are not reserved whole, and accesses are checked; 4294967296: reserved",
    apply: |options, value| {
        options.checked_memories = match number(value)? {
            0 => true,
            MEMORY_RESERVATION => false,
            other => return Err(format!("{other} bytes can not be chosen, only 0 or {MEMORY_RESERVATION}")),
        };
        Ok(())
    },
}];

impl Options {
    /// How memories are to be laid out, where address space permits.
    pub fn memory_style(&self) -> MemoryStyle {
        if self.checked_memories { MemoryStyle::Checked } else { MemoryStyle::Reserved }
    }

    pub fn parse(guest: &Guest) -> Result<Options> {
        let mut options = Options::default();
        let groups = [
            ("-W", &guest.wasm, WASM),
            ("-S", &guest.wasi, WASI),
            ("-C", &guest.codegen, CODEGEN),
            (OPTIMIZE_LETTER, &guest.optimize, OPTIMIZE),
        ];
        for (letter, texts, keys) in groups {
            for item in texts.iter().flat_map(|text| text.split(',')).filter(|item| !item.is_empty()) {
                apply(&mut options, letter, item, keys).with_context(|| {
                    Failure::new(FAILURE, format!("option {letter} {item}"))
                        .with_help(format!("`{letter} help` lists the keys with their meaning"))
                })?;
            }
        }
        Ok(options)
    }
}

fn apply(options: &mut Options, letter: &str, item: &str, keys: &[Key]) -> Result<()> {
    let (name, value) = item.split_once('=').unwrap_or((item, ""));
    let tunables = if letter == OPTIMIZE_LETTER { Tunables::ALL } else { &[] };
    if name == "help" {
        list(letter, keys, tunables);
        std::process::exit(0);
    }
    if let Some(tunable) = tunables.iter().find(|tunable| tunable.is_named(name)) {
        return tunable.set(&mut options.tunables, value).map_err(anyhow::Error::msg);
    }
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let known = keys.iter().map(|key| key.name.to_string()).chain(tunables.iter().map(key_of));
        bail!("unknown key `{name}`; known keys: {}", known.collect::<Vec<_>>().join(", "));
    };
    (key.apply)(options, value).map_err(anyhow::Error::msg)
}

/// The letter of the group that tunables belong to.
const OPTIMIZE_LETTER: &str = "-O";

/// A tunable as a key.
fn key_of(tunable: &Tunable) -> String {
    tunable.name.replace('_', "-")
}

fn list(letter: &str, keys: &[Key], tunables: &[Tunable]) {
    keys.iter().for_each(|key| ui::line(&format!("{letter} {:<20} {}", key.name, key.help)));
    let defaults = Tunables::default();
    for tunable in tunables {
        let Tunable { unit, help, .. } = tunable;
        ui::line(&format!("{letter} {:<20}{help} [{unit}; default: {}]", key_of(tunable), tunable.get(&defaults)));
    }
}

fn flag(value: &str) -> Result<bool, String> {
    match value {
        "" | "y" | "yes" | "true" => Ok(true),
        "n" | "no" | "false" => Ok(false),
        _ => Err(format!("`{value}` is neither y nor n")),
    }
}

fn number(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("`{value}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page of the command line has a row for each key, with its unit and default as the code has them.
    #[test]
    fn each_tunable_is_documented_as_it_is() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).expect("the page is there");
        let defaults = Tunables::default();
        let row = |tunable: &Tunable| format!("| `-O {}` | {} | {} |", key_of(tunable), tunable.unit, tunable.get(&defaults));
        let missing: Vec<String> = Tunables::ALL.iter().map(row).filter(|row| !page.contains(row.as_str())).collect();
        assert!(missing.is_empty(), "docs/cli.md lacks rows that begin with {missing:#?}");
        let table = page.split_once("### Tunables").and_then(|(_, rest)| rest.split_once("\n#")).expect("the page has the section").0;
        assert_eq!(table.matches("\n| `-O ").count(), Tunables::ALL.len(), "a row is left of a tunable that is gone");
    }
}
