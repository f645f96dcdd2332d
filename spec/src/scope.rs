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

/// Features that are being built; the list ends empty.
pub const PENDING: &[&str] = &[
    "SIMD",
    "relaxed SIMD",
    "exception handling",
    "tail calls",
    "threads (atomics)",
    "multi-memory",
    "memory64",
    "extended constant expressions",
    "typed function references",
];

/// The features for which a module is refused, if all of them are listed.
pub fn skipped_for(error: &ParseError) -> Option<&str> {
    let ParseError::Unsupported { feature, .. } = error else { return None };
    let listed = |name: &str| OUT.contains(&name) || PENDING.contains(&name);
    feature.split(" and ").all(listed).then_some(feature)
}

/// Whether a refusal names a feature that is being built: it says nothing about the module then.
pub fn pending(error: &ParseError) -> Option<&str> {
    let ParseError::Unsupported { feature, .. } = error else { return None };
    feature.split(" and ").any(|name| PENDING.contains(&name)).then_some(feature)
}
