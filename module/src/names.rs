//! The name section: the module's name and functions' names. It is not part of what validation checks, so a malformed one is ignored as a whole.

use crate::builder::Builder;
use wasmparser::{BinaryReader, Name, NameSectionReader};

/// Adds the names of `section` to the builder, which must hold all functions already.
pub(crate) fn read(section: BinaryReader<'_>, builder: &mut Builder<'_>) {
    let Ok(names) = collect(section) else { return };
    if let Some(name) = names.module {
        builder.name = builder.add_string(name);
    }
    let count = builder.func_types.len() as u32;
    for (function, name) in names.functions.into_iter().filter(|&(function, _)| function < count) {
        builder.add_func_name(function, name);
    }
}

#[derive(Default)]
struct Names<'a> {
    module: Option<&'a str>,
    /// Sorted by function: wasmparser refuses another order.
    functions: Vec<(u32, &'a str)>,
}

fn collect(section: BinaryReader<'_>) -> Result<Names<'_>, wasmparser::Error> {
    let mut names = Names::default();
    for subsection in NameSectionReader::new(section) {
        match subsection? {
            Name::Module { name, .. } => names.module = Some(name),
            Name::Function(map) => {
                for naming in map {
                    let naming = naming?;
                    names.functions.push((naming.index, naming.name));
                }
            }
            _ => {}
        }
    }
    Ok(names)
}
