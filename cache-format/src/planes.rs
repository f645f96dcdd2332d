//! Records by planes: first byte 0 of every record, then byte 1 of every record, and so on. In tables of small numbers most planes are zeros and the others alike, which
//! compresses far better than the records do.

/// The planes of records of `N` bytes; what is no whole record is left out.
pub(crate) fn split<const N: usize>(records: &[u8]) -> Vec<u8> {
    let records = records.as_chunks::<N>().0;
    (0..N).flat_map(|byte| records.iter().map(move |record| record[byte])).collect()
}

/// Writes the records whose planes these are to `records`, which has the same length.
pub(crate) fn join<const N: usize>(planes: &[u8], records: &mut [u8]) {
    let records = records.as_chunks_mut::<N>().0;
    for (byte, plane) in planes.chunks_exact(records.len().max(1)).take(N).enumerate() {
        for (record, &value) in records.iter_mut().zip(plane) {
            record[byte] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_the_same_records() {
        let records: Vec<u8> = (0..6 * 100).map(|at| (at * 7 / 3) as u8).collect();
        let planes = split::<6>(&records);
        assert_eq!(planes[..3], [records[0], records[6], records[12]]);
        let mut joined = vec![0; records.len()];
        join::<6>(&planes, &mut joined);
        assert_eq!(joined, records);
        join::<6>(&split::<6>(&[]), &mut []);
    }
}
