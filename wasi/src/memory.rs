//! Checked access to the guest's linear memory.
//!
//! Every guest pointer passes here. Out of bounds or not aligned is a trap, as WASI's documents demand; a string
//! that is not UTF-8 is `Ilseq`. Values are little-endian. Vectored I/O hands the guest's own bytes to the kernel:
//! nothing is copied.

use std::io::{IoSlice, IoSliceMut};

use crate::errno::Errno;
use crate::error::{Fail, WasiError};

/// More ranges than this are cut off, which a partial read or write may do; the kernel takes 1024 at most.
const MAX_RANGES: usize = 1024;

/// A non-empty range of guest memory, checked.
#[derive(Clone, Copy)]
struct Range {
    start: usize,
    end: usize,
}

/// The linear memory during one call.
pub(crate) struct Memory<'a>(&'a mut [u8]);

impl<'a> Memory<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Memory<'a> {
        Memory(bytes)
    }

    fn range(&self, ptr: u32, len: usize, align: usize) -> Result<Range, Fail> {
        let start = ptr as usize;
        match start.checked_add(len) {
            Some(end) if end <= self.0.len() && start.is_multiple_of(align) => Ok(Range { start, end }),
            Some(end) if end <= self.0.len() => {
                Err(WasiError::Trap(format!("pointer not aligned: {start:#x}, expected a multiple of {align}")).into())
            }
            _ => {
                Err(WasiError::Trap(format!("pointer out of bounds: {len} bytes at {start:#x} of a memory of {:#x}", self.0.len())).into())
            }
        }
    }

    /// `len` bytes at `ptr`, of any alignment.
    pub(crate) fn bytes(&self, ptr: u32, len: u32) -> Result<&[u8], Fail> {
        self.range(ptr, len as usize, 1).map(|r| &self.0[r.start..r.end])
    }

    pub(crate) fn bytes_mut(&mut self, ptr: u32, len: u32) -> Result<&mut [u8], Fail> {
        let range = self.range(ptr, len as usize, 1)?;
        Ok(&mut self.0[range.start..range.end])
    }

    /// A path or name: UTF-8, not terminated.
    pub(crate) fn string(&self, ptr: u32, len: u32) -> Result<&str, Fail> {
        std::str::from_utf8(self.bytes(ptr, len)?).map_err(|_| Errno::Ilseq.into())
    }

    /// A structure of `N` bytes and alignment `align`.
    pub(crate) fn record<const N: usize>(&self, ptr: u32, align: usize) -> Result<&[u8; N], Fail> {
        let range = self.range(ptr, N, align)?;
        Ok(self.0[range.start..range.end].as_array().expect("the range has N bytes"))
    }

    pub(crate) fn write_record(&mut self, ptr: u32, align: usize, record: &[u8]) -> Result<(), Fail> {
        let range = self.range(ptr, record.len(), align)?;
        self.0[range.start..range.end].copy_from_slice(record);
        Ok(())
    }

    pub(crate) fn write_bytes(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), Fail> {
        self.write_record(ptr, 1, bytes)
    }

    pub(crate) fn write_u32(&mut self, ptr: u32, value: u32) -> Result<(), Fail> {
        self.write_record(ptr, 4, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, ptr: u32, value: u64) -> Result<(), Fail> {
        self.write_record(ptr, 8, &value.to_le_bytes())
    }

    /// Calls `write` with the bytes that the `count` iovecs at `iovs` name, in order.
    pub(crate) fn gather<R>(&self, iovs: u32, count: u32, write: impl FnOnce(&[IoSlice<'_>]) -> Result<R, Fail>) -> Result<R, Fail> {
        match self.ranges(iovs, count)? {
            Ranges::One(r) => write(&[IoSlice::new(&self.0[r.start..r.end])]),
            Ranges::Many(ranges) => {
                let slices: Vec<_> = ranges.iter().map(|r| IoSlice::new(&self.0[r.start..r.end])).collect();
                write(&slices)
            }
        }
    }

    /// Calls `read` with the buffers that the `count` iovecs at `iovs` name, in order. Ranges that overlap cannot be
    /// lent together: then only the first is, and the read is a partial one.
    pub(crate) fn scatter<R>(
        &mut self,
        iovs: u32,
        count: u32,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<R, Fail>,
    ) -> Result<R, Fail> {
        match self.ranges(iovs, count)? {
            Ranges::One(r) => read(&mut [IoSliceMut::new(&mut self.0[r.start..r.end])]),
            Ranges::Many(ranges) => read(&mut split(self.0, &ranges)),
        }
    }

    /// The non-empty ranges of an iovec array:
    ///
    /// ```text
    /// iovec, 8 bytes, align 4: +0 buf u32 | +4 len u32
    /// ```
    fn ranges(&self, iovs: u32, count: u32) -> Result<Ranges, Fail> {
        let array = self.range(iovs, count as usize * 8, 4)?;
        let mut first = None;
        let mut many = Vec::new();
        for iovec in self.0[array.start..array.end].as_chunks::<8>().0 {
            let len = get_u32(iovec, 4);
            if len == 0 {
                continue;
            }
            let range = self.range(get_u32(iovec, 0), len as usize, 1)?;
            match first {
                None => first = Some(range),
                Some(first) if many.is_empty() => many = vec![first, range],
                Some(_) => many.push(range),
            }
            if many.len() == MAX_RANGES {
                break;
            }
        }
        match first {
            _ if !many.is_empty() => Ok(Ranges::Many(many)),
            Some(range) => Ok(Ranges::One(range)),
            None => Ok(Ranges::One(Range { start: 0, end: 0 })),
        }
    }
}

enum Ranges {
    One(Range),
    Many(Vec<Range>),
}

/// Lends disjoint `ranges` of `memory`, in their given order; of overlapping ones, the first alone.
fn split<'m>(memory: &'m mut [u8], ranges: &[Range]) -> Vec<IoSliceMut<'m>> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_unstable_by_key(|&i| ranges[i].start);
    if order.windows(2).any(|pair| ranges[pair[0]].end > ranges[pair[1]].start) {
        return vec![IoSliceMut::new(&mut memory[ranges[0].start..ranges[0].end])];
    }
    let mut slots: Vec<Option<IoSliceMut<'m>>> = ranges.iter().map(|_| None).collect();
    let (mut rest, mut position) = (memory, 0);
    for index in order {
        let Range { start, end } = ranges[index];
        let (_, tail) = std::mem::take(&mut rest).split_at_mut(start - position);
        let (buffer, tail) = tail.split_at_mut(end - start);
        slots[index] = Some(IoSliceMut::new(buffer));
        (rest, position) = (tail, end);
    }
    slots.into_iter().flatten().collect()
}

/// Little-endian fields of a record. The offset is a constant of a layout, within the record.
pub(crate) fn get_u16(record: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([record[offset], record[offset + 1]])
}

pub(crate) fn get_u32(record: &[u8], offset: usize) -> u32 {
    u32::from(get_u16(record, offset)) | u32::from(get_u16(record, offset + 2)) << 16
}

pub(crate) fn get_u64(record: &[u8], offset: usize) -> u64 {
    u64::from(get_u32(record, offset)) | u64::from(get_u32(record, offset + 4)) << 32
}

pub(crate) fn put(record: &mut [u8], offset: usize, field: &[u8]) {
    record[offset..offset + field.len()].copy_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iovecs(bytes: &mut [u8], at: usize, list: &[(u32, u32)]) {
        for (i, (buf, len)) in list.iter().enumerate() {
            put(bytes, at + i * 8, &buf.to_le_bytes());
            put(bytes, at + i * 8 + 4, &len.to_le_bytes());
        }
    }

    fn lent(list: &[(u32, u32)]) -> Vec<usize> {
        let mut bytes = vec![0; 256];
        iovecs(&mut bytes, 0, list);
        let mut memory = Memory::new(&mut bytes);
        memory.scatter(0, list.len() as u32, |bufs| Ok(bufs.iter().map(|b| b.len()).collect())).expect("in bounds")
    }

    #[test]
    fn disjoint_ranges_keep_their_order() {
        assert_eq!(lent(&[(200, 3), (0, 0), (100, 5), (110, 7)]), [3, 5, 7]);
    }

    #[test]
    fn overlapping_ranges_lend_the_first() {
        assert_eq!(lent(&[(100, 5), (104, 7)]), [5]);
    }

    #[test]
    fn bounds_are_exact_and_zero_length_counts() {
        let mut bytes = vec![0; 16];
        let memory = Memory::new(&mut bytes);
        assert!(memory.bytes(8, 8).is_ok());
        assert!(memory.bytes(16, 0).is_ok());
        assert!(memory.bytes(17, 0).is_err());
        assert!(memory.bytes(u32::MAX, u32::MAX).is_err());
        assert!(memory.record::<8>(4, 8).is_err());
    }
}
