//! What functions are called, and which one a user means.

use std::collections::BTreeSet;
use trjit_module::flat::kind;
use trjit_module::{FuncIndex, Module};

/// Most names that an error offers.
const OFFERED: usize = 5;

/// The name for people: of the name section, an export, an import, else the index.
pub fn label(module: &Module, function: FuncIndex) -> String {
    if let Some(name) = module.func_name(function) {
        return name.to_string();
    }
    let exported = module.exports().iter().find(|export| export.kind == kind::FUNC && export.index == function.0);
    let imported = || module.imports().iter().find(|import| import.kind == kind::FUNC && import.index == function.0);
    match exported {
        Some(export) => module.string(export.name).to_string(),
        None => imported().map_or_else(
            || format!("func[{function}]"),
            |import| format!("{}.{}", module.string(import.module), module.string(import.name)),
        ),
    }
}

/// Why there is no such function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("the module has no function {index}: it has {count}, of which the first {imported} are imported")]
    Index { index: u64, count: u32, imported: u32 },
    #[error("function {function} ({name}) is imported: it has no code here")]
    Imported { function: u32, name: String },
    #[error("no function is called `{wanted}`")]
    Unknown {
        wanted: String,
        /// Names that look like it, the nearest first.
        nearest: Vec<String>,
    },
    #[error("{} functions are called `{wanted}`: {}", candidates.len(), list(candidates))]
    Ambiguous { wanted: String, candidates: Vec<u32> },
}

fn list(numbers: &[u32]) -> String {
    let shown: Vec<String> = numbers.iter().take(OFFERED).map(u32::to_string).collect();
    let rest = numbers.len().saturating_sub(OFFERED);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

impl FindError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            FindError::Index { .. } | FindError::Imported { .. } => {
                "give the index of a function with a body, or its name; `trjit inspect` lists the hottest of a profile".into()
            }
            FindError::Unknown { nearest, .. } if nearest.is_empty() => {
                "give the index of a function, or the name of an export or of the name section".into()
            }
            FindError::Unknown { nearest, .. } => format!("did you mean {}?", nearest.join(", ")),
            FindError::Ambiguous { .. } => "give its index".into(),
        }
    }
}

/// The function with a body that a user means: an index, the name of an export, or one of the name section.
pub fn find(module: &Module, wanted: &str) -> Result<FuncIndex, FindError> {
    let found = match wanted.parse::<u64>() {
        Ok(index) => match u32::try_from(index).ok().filter(|&index| index < module.function_count()) {
            Some(index) => FuncIndex(index),
            None => return Err(FindError::Index { index, count: module.function_count(), imported: module.imported_functions() }),
        },
        Err(_) => named(module, wanted)?,
    };
    if module.function(found).is_none() {
        return Err(FindError::Imported { function: found.0, name: label(module, found) });
    }
    Ok(found)
}

fn named(module: &Module, wanted: &str) -> Result<FuncIndex, FindError> {
    let exported = module.exports().iter().filter(|export| export.kind == kind::FUNC);
    let named = (0..module.function_count()).map(FuncIndex);
    let mut found: BTreeSet<u32> = exported.filter(|export| module.string(export.name) == wanted).map(|export| export.index).collect();
    found.extend(named.filter(|&function| module.func_name(function) == Some(wanted)).map(|function| function.0));
    let mut all = found.iter().copied();
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(FuncIndex(one)),
        (None, _) => Err(FindError::Unknown { wanted: wanted.into(), nearest: nearest(module, wanted) }),
        _ => Err(FindError::Ambiguous { wanted: wanted.into(), candidates: found.into_iter().collect() }),
    }
}

/// Names that hold the text, or that few changes make equal; the nearest first.
fn nearest(module: &Module, wanted: &str) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let names = (module.imported_functions()..module.function_count()).map(|function| label(module, FuncIndex(function)));
    let distance = |name: String| {
        let lower = name.to_lowercase();
        let edits = edits(&lower, &wanted, wanted.chars().count() / 4 + 1);
        match (edits, lower.contains(&wanted)) {
            (Some(edits), _) => Some((edits, lower.len(), name)),
            (None, true) => Some((usize::MAX, lower.len(), name)),
            (None, false) => None,
        }
    };
    let mut found: Vec<(usize, usize, String)> = names.filter_map(distance).collect();
    found.sort();
    found.dedup();
    found.into_iter().take(OFFERED).map(|(_, _, name)| name).collect()
}

/// Characters to insert, remove or replace to make one text of the other, where there are at most `most`.
fn edits(one: &str, other: &str, most: usize) -> Option<usize> {
    let other: Vec<char> = other.chars().collect();
    if one.chars().count().abs_diff(other.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, have) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, &want) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(have != want);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().filter(|&edits| edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Module {
        Module::parse(wat::parse_str(text).expect("the text is valid")).expect("the module is valid")
    }

    #[test]
    fn functions_are_found_by_index_export_and_name() {
        let module = module(
            r#"(module (import "env" "log" (func $log)) (func $compress (export "zip")) (func $decompress) (func (export "compress2")))"#,
        );
        for (wanted, expected) in [("1", 1), ("compress", 1), ("zip", 1), ("decompress", 2), ("compress2", 3)] {
            assert_eq!(find(&module, wanted), Ok(FuncIndex(expected)), "{wanted}");
        }
        assert_eq!(find(&module, "log"), Err(FindError::Imported { function: 0, name: "log".into() }));
        assert_eq!(find(&module, "4"), Err(FindError::Index { index: 4, count: 4, imported: 1 }));
        assert_eq!(find(&module, "99999999999"), Err(FindError::Index { index: 99_999_999_999, count: 4, imported: 1 }));
    }

    #[test]
    fn near_names_are_offered_and_equal_ones_told_apart() {
        let module = module(r#"(module (func $compress) (func $decompress) (func $other) (func $one (export "x")) (func $x))"#);
        let nearest = |wanted: &str| match find(&module, wanted) {
            Err(FindError::Unknown { nearest, .. }) => nearest,
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest("comprss"), ["compress"]);
        assert_eq!(nearest("Compres"), ["compress", "decompress"]);
        assert_eq!(nearest("zzzzzz"), [""; 0]);
        assert_eq!(find(&module, "x"), Err(FindError::Ambiguous { wanted: "x".into(), candidates: vec![3, 4] }));
    }
}
