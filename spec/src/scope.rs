//! Which language features are in scope. A module that trjit refuses by the name of a feature listed here is skipped, with all that depends on it.

use trjit_module::ParseError;

/// Features that trjit does not have, by the names in [`ParseError::Unsupported`].
pub const OUT: &[&str] = &[
    "GC",
    "legacy exception handling",
    "stack switching",
    "custom page sizes",
    "wide arithmetic",
    "shared-everything threads",
    "memory control",
    "compact imports",
];

/// The features for which a module is refused, if all of them are listed.
pub fn skipped_for(error: &ParseError) -> Option<&str> {
    let ParseError::Unsupported { feature, .. } = error else { return None };
    feature.split(" and ").all(|name| OUT.contains(&name)).then_some(feature)
}
