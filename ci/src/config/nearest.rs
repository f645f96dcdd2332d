//! Which known name is meant by an unknown one: the nearest by edits, where it is near.

/// The known name with the fewest edits (insert, drop, replace, swap neighbours) from `found`, case and `_` aside; none where more than a third of it would change.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain: Vec<char> = found.to_lowercase().replace('_', "-").chars().collect();
    let distances = known.into_iter().map(|name| (edits(&plain, &name.chars().collect::<Vec<_>>()), name));
    let (edits, name) = distances.min_by_key(|(edits, _)| *edits)?;
    let longest = plain.len().max(name.chars().count());
    (edits <= (longest / 3).max(1) && edits < longest).then_some(name)
}

/// The number of edits between two words (optimal string alignment).
fn edits(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, &a) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, &b) in other.iter().enumerate() {
            let mut least = (last[column] + usize::from(a != b)).min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && a == other[column - 1] && b == one[row - 1] {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let count = |one: &str, other: &str| edits(&one.chars().collect::<Vec<_>>(), &other.chars().collect::<Vec<_>>());
        for (one, other, edits) in
            [("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("ca", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 1)]
        {
            assert_eq!((count(one, other), count(other, one)), (edits, edits), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_only_where_it_is_near() {
        let known = ["timeout", "args", "as", "cpu-level", "fuel"];
        for (found, meant) in [
            ("timout", Some("timeout")),
            ("Timeout", Some("timeout")),
            ("cpu_level", Some("cpu-level")),
            ("cpulevel", Some("cpu-level")),
            ("agrs", Some("args")),
            ("arg", Some("args")),
            ("feul", Some("fuel")),
            ("x", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, known), meant, "{found}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
