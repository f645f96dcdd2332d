//! `trjit inspect`: what a profile or a cache file holds.

use crate::args::Inspect;
use anyhow::Result;
use serde_json::{Value, json};
use trjit_cache_format::{CacheFile, CodeItem, Refusal};
use trjit_cli::exit::{self, CACHE_REFUSED, FAILURE, Failure, PROFILE_REFUSED};
use trjit_cli::{source, ui};
use trjit_runtime_loader::MappedCache;
use trjit_trace::Profile;

pub fn execute(inspect: &Inspect) -> Result<u8> {
    let bytes = source::read(&inspect.file)?;
    let path = inspect.file.display();
    let document = if source::looks_precompiled(&bytes) {
        let refused = |refusal: Refusal| {
            Failure::new(CACHE_REFUSED, format!("`{path}` is refused [{}]: {refusal}", refusal.code())).with_help(refusal.help())
        };
        let cache = MappedCache::inspect(&inspect.file).map_err(refused)?;
        cache_document(&cache, inspect.top).map_err(refused)?
    } else if bytes.starts_with(b"\0asm") {
        let failure = Failure::new(FAILURE, format!("`{path}` is a WebAssembly module, neither a profile nor a cache"));
        return Err(failure.with_help("`trjit train` makes profiles, `trjit assemble` makes caches").into());
    } else {
        let profile = Profile::from_bytes(&bytes).map_err(|error| {
            Failure::new(PROFILE_REFUSED, format!("`{path}` can not be used: {error}")).with_help("give a *.trprof or a *.trjit file")
        })?;
        profile_document(&profile, inspect.top)
    };
    if inspect.json {
        ui::line(&format!("{document:#}"));
    } else {
        print(&document, 0);
    }
    Ok(exit::OK)
}

fn profile_document(profile: &Profile, top: usize) -> Value {
    let summary = profile.summary(top);
    let runs: Vec<Value> = summary
        .runs
        .iter()
        .map(|run| json!({ "workload": run.workload, "ended": run.ended, "weight": run.weight, "seconds": run.seconds, "functions": run.functions, "calls": run.entries }))
        .collect();
    let hottest: Vec<Value> = summary
        .hottest
        .iter()
        .map(|function| json!({ "function": function.function, "name": function.name, "calls": function.entries, "back_edges": function.back_edges }))
        .collect();
    json!({
        "kind": "profile",
        "module": profile.module().digest.to_string(),
        "functions_in_module": profile.module().defined_functions,
        "functions_recorded": summary.functions_entered,
        "calls": summary.entries,
        "branch_sites": summary.branches,
        "indirect_call_sites": summary.sites,
        "runs": runs,
        "hottest": hottest,
    })
}

fn cache_document(cache: &CacheFile, top: usize) -> Result<Value, Refusal> {
    cache.verify_all()?;
    let module = cache.module()?;
    let mut document = serde_json::to_value(cache.manifest()?).unwrap_or(Value::Null);
    let name = |item: CodeItem| match item {
        CodeItem::Function(function) => module.func_name(function).map_or_else(|| format!("func[{function}]"), str::to_string),
        CodeItem::ToNative(ty) => format!("trampoline into type {ty}"),
        CodeItem::ToInterpreter(ty) => format!("trampoline out of type {ty}"),
        CodeItem::TailToNative(ty) => format!("trampoline on to type {ty}"),
    };
    let largest = |mut functions: Vec<trjit_cache_format::PlacedFunction>| {
        functions.sort_by_key(|function| (std::cmp::Reverse(function.len), function.offset));
        functions.truncate(top);
        functions
    };
    let functions: Vec<trjit_cache_format::PlacedFunction> = cache.functions().iter().collect();
    let compiled = functions.iter().filter(|function| matches!(function.what, CodeItem::Function(_))).count();
    let largest: Vec<Value> = largest(functions)
        .iter()
        .map(|function| json!({ "name": name(function.what), "tier": function.tier.map(trjit_code::Tier::name), "offset": function.offset, "bytes": function.len }))
        .collect();
    if let Value::Object(fields) = &mut document {
        fields.insert("kind".into(), "cache".into());
        fields.insert("functions_in_module".into(), module.functions().len().into());
        fields.insert("functions_compiled".into(), compiled.into());
        fields.insert("largest".into(), largest.into());
    }
    Ok(document)
}

/// Prints a document for people: one line a value, lists of objects as one line each.
fn print(value: &Value, indent: usize) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields {
        let pad = " ".repeat(indent);
        match value {
            Value::Object(_) => {
                ui::line(&format!("{pad}{key}:"));
                print(value, indent + 2);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                ui::line(&format!("{pad}{key}:"));
                items.iter().for_each(|item| ui::line(&format!("{pad}  {}", line(item))));
            }
            _ => ui::line(&format!("{pad}{key}: {}", line(value))),
        }
    }
}

/// A value in one line.
fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| format!("{key} {}", line(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Array(items) => items.iter().map(line).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
