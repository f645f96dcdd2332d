//! The JSON Schema (draft 2020-12) of `trjit.toml`, for editors and other checkers: made from the table of keys.
//!
//! It says all that can be said of a file without looking at several values at once; beyond that it says what a schema can: that there is something to train on.

use super::keys::{Default, FILE, Key, Table};
use serde_json::{Map, Value, json};

/// The schema of the file.
pub fn schema() -> Value {
    let mut schema = table_schema(&FILE);
    if let Value::Object(fields) = &mut schema {
        fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".into(), "trjit.toml".into());
        fields.insert("required".into(), json!(["module", "train"]));
    }
    schema
}

fn table_schema(table: &'static Table) -> Value {
    let keys = table.keys.iter().map(|key| (key.name.to_string(), key_schema(key)));
    let tables = table.tables.iter().map(|table| {
        let schema = table_schema(table);
        let schema = if table.repeated { json!({ "type": "array", "description": table.meaning, "items": schema }) } else { schema };
        (table.last_name().to_string(), schema)
    });
    let properties: Map<String, Value> = keys.chain(tables).collect();
    let required: Vec<&str> = table.keys.iter().filter(|key| key.default == Default::Required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "description": table.meaning, "additionalProperties": false, "properties": properties });
    if let Value::Object(fields) = &mut schema {
        if !required.is_empty() {
            fields.insert("required".into(), required.into());
        }
        fields.extend(rules(table.name));
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = key.kind.schema();
    if let Value::Object(fields) = &mut schema {
        let description = match key.default {
            Default::Said(words) => format!("{}. Default: {words}.", key.meaning),
            Default::Required | Default::Value(_) => format!("{}.", key.meaning),
        };
        fields.insert("description".into(), description.into());
        if let Default::Value(value) = key.default {
            fields.insert("default".into(), from_toml(value));
        }
        fields.insert("examples".into(), json!([from_toml(key.example)]));
    }
    schema
}

/// What a schema can say of several keys of a table at once.
fn rules(table: &str) -> Map<String, Value> {
    let rules = match table {
        "train" => json!({
            "anyOf": [
                { "required": ["command"] },
                { "required": ["profile"] },
                { "required": ["run"], "properties": { "run": { "contains": { "not": { "required": ["left-out"], "properties": { "left-out": { "const": true } } } } } } },
            ],
            "dependentRequired": { "as": ["command"], "inputs": ["command"], "command-timeout": ["command"] },
        }),
        "train.run.expect" => json!({ "not": { "required": ["stdout", "stdout-sha256"] } }),
        _ => json!({}),
    };
    match rules {
        Value::Object(rules) => rules,
        _ => Map::new(),
    }
}

/// A value of the table of keys as JSON. The table's values are plain; a test reads each.
fn from_toml(value: &str) -> Value {
    let document: Result<Map<String, Value>, _> = toml::from_str(&format!("value = {value}"));
    document.ok().and_then(|mut document| document.remove("value")).unwrap_or(Value::Null)
}
