//! Schema and reader accept the same, judged by a validator that is not ours.

use crate::{keys, with_key};
use serde_json::Value;
use trjit_ci::config::keys::FILE;
use trjit_ci::config::{What, parse, schema};

/// Values of every sort, right for some keys and wrong for others.
pub const SAMPLES: &[&str] = &[
    "''",
    "'a'",
    "'a/b'",
    "'.'",
    "'..'",
    "\"a\\nb\"",
    "'/out'",
    "'A=b'",
    "'=b'",
    "'a::b'",
    "'::b'",
    "'a::'",
    "'native'",
    "'x86-64'",
    "'x86-64-v3'",
    "'x86-64-v4'",
    "'reserved'",
    "'checked'",
    "'all'",
    "'default'",
    "'recorded'",
    "'60s'",
    "'60'",
    "'0s'",
    "'0.5s'",
    "'00.50m'",
    "'.5s'",
    "'5.s'",
    "'1h'",
    "'1 h'",
    "'-1s'",
    "'500ms'",
    "'1d'",
    "'95%'",
    "'95 %'",
    "'100%'",
    "'100.0%'",
    "'100.5%'",
    "'101%'",
    "'0%'",
    "'007%'",
    "'-1%'",
    "'%'",
    "'1.2.3%'",
    "'4MiB'",
    "'4 MiB'",
    "'4  MiB'",
    "'0B'",
    "'0.5kB'",
    "'1mb'",
    "'1e3B'",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "95",
    "255",
    "256",
    "4096",
    "4097",
    "4294967295",
    "4294967296",
    "0x10",
    "0.0",
    "0.5",
    "1.5",
    "-0.5",
    "inf",
    "nan",
    "[]",
    "['a']",
    "['']",
    "['', 'b']",
    "['/a']",
    "['A=b', 'C=']",
    "['=']",
    "['a::b', 'c']",
    "['x86-64', 'x86-64-v2']",
    "['native']",
    "[1]",
    "['a', 1]",
    "{}",
    "{ a = 1 }",
    "1979-05-27",
    "[[]]",
    "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
    "'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855'",
    "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85'",
    "'g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
];

/// Files as a whole, and whether they are right.
const FILES: &[(&str, bool)] = &[
    ("", false),
    ("module = 'a'", false),
    ("module = 'a'\ntrain = {}", false),
    ("module = 'a'\n[train]\nrun = []", false),
    ("module = 'a'\n[[train.run]]", true),
    ("[[train.run]]", false),
    ("module = 'a'\n[train]\ncommand = 'x'", true),
    ("module = 'a'\n[train]\nprofile = 'x'", true),
    ("module = 'a'\n[train]\ncommand = 'x'\nas = 'wasmtime'", true),
    ("module = 'a'\n[train]\nprofile = 'x'\nas = 'wasmtime'", false),
    ("module = 'a'\n[train]\nprofile = 'x'\ninputs = ['a']", false),
    ("module = 'a'\n[train]\nprofile = 'x'\ncommand-timeout = 1", false),
    ("module = 'a'\n[[train.run]]\nleft-out = true", false),
    ("module = 'a'\n[[train.run]]\nleft-out = true\n[[train.run]]\nleft-out = false", true),
    ("module = 'a'\n[[train.run]]\nleft-out = true\n[[train.run]]", true),
    ("module = 'a'\n[train]\nprofile = 'x'\n[[train.run]]\nleft-out = true", true),
    ("module = 'a'\n[train.run]", false),
    ("module = 'a'\n[[train.run]]\n[target]", false),
    ("module = 'a'\n[[train.run]]\n[[target]]\n[[target]]\ncpu-level = 'x86-64'", true),
    ("module = 'a'\n[[train.run]]\n[other]", false),
    ("module = 'a'\n[[train.run]]\n[gates]\nother = 1", false),
    ("module = 'a'\n[[train.run]]\nexpect.other = 1", false),
    (
        "module = 'a'\n[[train.run]]\nexpect.stdout = 'a'\nexpect.stdout-sha256 = '0000000000000000000000000000000000000000000000000000000000000000'",
        false,
    ),
];

struct Validator {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    fn new() -> Validator {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("file:///trjit.schema.json", schema()).expect("the schema is a resource");
        // The schema is itself checked against that of schemas.
        let index = compiler.compile("file:///trjit.schema.json", &mut schemas).expect("the schema is one");
        Validator { schemas, index }
    }

    fn accepts(&self, text: &str) -> bool {
        let document: Value = toml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        self.schemas.validate(&document, self.index).is_ok()
    }
}

/// Whether the reader accepts a file, but for rules that compare several values in a way that a schema can not.
fn reader_accepts(text: &str) -> bool {
    let beyond =
        |what: &What| matches!(what, What::SameName { .. } | What::SameFile { .. } | What::Unmeasurable { .. } | What::RunOption { .. });
    parse(text, "F").err().is_none_or(|error| error.problems.iter().all(|problem| beyond(&problem.what)))
}

#[test]
fn whole_files_are_accepted_by_both_or_none() {
    let validator = Validator::new();
    for (text, right) in FILES {
        assert_eq!((reader_accepts(text), validator.accepts(text)), (*right, *right), "reader, schema: {text}");
    }
}

#[test]
fn each_value_of_each_key_is_accepted_by_both_or_none() {
    let validator = Validator::new();
    for (table, key) in keys() {
        let (mut accepted, mut refused) = (0, 0);
        for value in SAMPLES.iter().chain([&key.example]) {
            let text = with_key(table, key.name, value);
            let (reader, schema) = (reader_accepts(&text), validator.accepts(&text));
            assert_eq!(reader, schema, "reader, schema of {} = {value} in {}: {:?}", key.name, table.title(), parse(&text, "F").err());
            *(if reader { &mut accepted } else { &mut refused }) += 1;
        }
        // The samples hold right and wrong values for it.
        assert!(accepted > 0 && refused > 0, "{}: {accepted} {refused}", key.name);
    }
}

#[test]
fn the_schema_tells_defaults_and_meanings() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["train"]["properties"]["timeout"]["default"], "300s");
    assert_eq!(schema["properties"]["target"]["items"]["properties"]["cpu-level"]["default"], "x86-64-v3");
    for table in FILE.all() {
        let pointer = table.name.split('.').filter(|name| !name.is_empty()).fold(String::new(), |pointer, name| {
            // Runs and targets are lists.
            let items = if ["run", "target"].contains(&name) { "/items" } else { "" };
            format!("{pointer}/properties/{name}{items}")
        });
        let found = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert_eq!(found["description"], table.meaning);
        for key in table.keys {
            let property = &found["properties"][key.name];
            assert!(property["description"].as_str().is_some_and(|text| text.starts_with(key.meaning)), "{}", key.name);
            assert!(!property["examples"][0].is_null(), "the example of {} is TOML", key.name);
        }
    }
}
