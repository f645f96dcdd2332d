//! Similarities against those that Python's difflib gave (`data/similarity.py` writes them).

use trjit_trace::SequenceMatcher;

fn sequence(text: &str) -> Vec<u32> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().expect("the data has numbers")).collect()
}

#[test]
fn ratios_are_difflibs_to_the_last_bit() {
    let data = include_str!("data/similarity.tsv");
    let mut compared = 0;
    for (line, number) in data.lines().zip(1..) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [first, second, expected] = columns[..] else { panic!("line {number} has {} columns", columns.len()) };
        let expected: f64 = expected.parse().expect("the data has ratios");
        let found = SequenceMatcher::new(&sequence(first)).ratio(&sequence(second));
        assert_eq!(found.to_bits(), expected.to_bits(), "line {number}: {found}, expected {expected}");
        compared += 1;
    }
    assert!(compared > 1000, "{compared} pairs are too few to be the data");
}
