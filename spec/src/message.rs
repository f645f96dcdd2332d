//! Whether an error is of the class that a script's message names. Scripts name errors by the beginnings of the reference interpreter's messages.

use trjit_module::TrapCode;

/// Messages of scripts that are not the beginning of ours, or of which ours is not the beginning.
const TRAPS: &[(TrapCode, &[&str])] = &[
    (TrapCode::TableOutOfBounds, &["out of bounds table access", "undefined"]),
    (TrapCode::Unreachable, &["unreachable"]),
    (TrapCode::NullReference, &["null function reference", "null exception reference", "null reference"]),
];

/// Whether a trap is what `expected` names.
pub fn is_trap(code: TrapCode, expected: &str) -> bool {
    // Some older scripts do not say of what.
    if expected == "out of bounds" {
        return matches!(code, TrapCode::MemoryOutOfBounds | TrapCode::TableOutOfBounds);
    }
    let others = TRAPS.iter().filter(|(known, _)| *known == code).flat_map(|(_, messages)| messages.iter());
    expected.starts_with(code.message())
        || code.message().starts_with(expected)
        || others.into_iter().any(|other| expected.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_of_other_classes_are_told_apart() {
        assert!(is_trap(TrapCode::IndirectCallToNull, "uninitialized element 7"));
        assert!(is_trap(TrapCode::TableOutOfBounds, "undefined element"));
        assert!(is_trap(TrapCode::TableOutOfBounds, "out of bounds table access"));
        assert!(is_trap(TrapCode::Unreachable, "unreachable"));
        assert!(!is_trap(TrapCode::MemoryOutOfBounds, "out of bounds table access"));
        assert!(!is_trap(TrapCode::IntegerOverflow, "integer divide by zero"));
        assert!(!is_trap(TrapCode::TableOutOfBounds, "uninitialized element"));
    }
}
