//! `docs/config.md` says what the table of keys says. `TRJIT_BLESS=1` writes its tables anew.

use trjit_ci::config::keys::{Default as Standard, FILE, Table};
use trjit_ci::config::parse;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.md");
const BEGIN: &str = "<!-- the keys, from ci/src/config/keys.rs -->\n";
const END: &str = "<!-- end of the keys -->\n";

fn page() -> String {
    std::fs::read_to_string(PAGE).expect("the page is there")
}

/// The reference: a heading, the meaning and a table for each table of the file.
fn reference() -> String {
    FILE.all().into_iter().map(section).collect::<Vec<_>>().join("\n")
}

fn section(table: &Table) -> String {
    let title = if table.name.is_empty() { "At the top".into() } else { format!("`{}`", table.title()) };
    let mut text = format!("### {title}\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n", table.meaning);
    for key in table.keys {
        let default = match key.default {
            Standard::Required => "(required)".into(),
            Standard::Value(value) => format!("`{value}`"),
            Standard::Said(words) => words.to_string(),
        };
        text += &format!("| `{}` | {}, such as `{}` | {default} | {} |\n", key.name, key.kind.short(), key.example, key.meaning);
    }
    text
}

#[test]
fn the_tables_are_those_of_the_reader() {
    let page = page();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the tables begin");
    let (found, after) = rest.split_once(END).expect("the page marks where they end");
    let expected = format!("\n{}\n", reference());
    if found != expected && std::env::var_os("TRJIT_BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{expected}{END}{after}")).expect("the page can be written");
        return;
    }
    assert_eq!(found, expected, "run this test with TRJIT_BLESS=1 and look at the difference");
}

#[test]
fn every_example_is_a_file_that_is_accepted() {
    let page = page();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4, "{}", examples.len());
    for example in examples {
        parse(example, "example").unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}
