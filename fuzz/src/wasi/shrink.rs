//! From many calls that show a difference to few: calls are left out as long as any difference stays.

use super::{Call, Finding};

/// Runs that shrinking may take.
const MOST_RUNS: usize = 3000;

/// The fewest calls found that `run` finds fault with, and what it finds.
pub fn shrink(mut calls: Vec<Call>, mut finding: Finding, run: impl Fn(&[Call]) -> Option<Finding>) -> (Vec<Call>, Finding) {
    calls.truncate(finding.at + 1);
    let mut runs = 0;
    let mut size = calls.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < calls.len() && runs < MOST_RUNS {
            let end = (start + size).min(calls.len());
            let fewer = [&calls[..start], &calls[end..]].concat();
            runs += 1;
            match run(&fewer) {
                Some(still) => {
                    calls = fewer;
                    calls.truncate(still.at + 1);
                    finding = still;
                    removed = true;
                }
                None => start = end,
            }
        }
        // Calls that only served removed ones go in another round of the same size.
        if !removed || runs >= MOST_RUNS {
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
    (calls, finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_stays() {
        let calls: Vec<_> = (0..100).map(|fd| Call::Close { fd }).collect();
        let run = |calls: &[Call]| {
            let has = |fd| calls.iter().position(|call| *call == Call::Close { fd });
            let at = has(17)?.max(has(63)?);
            Some(Finding { at, what: "both".to_string() })
        };
        let first = run(&calls).expect("both are there");
        let (few, finding) = shrink(calls, first, run);
        assert_eq!(few, [Call::Close { fd: 17 }, Call::Close { fd: 63 }]);
        assert_eq!(finding.at, 1);
    }
}
