//! What a module's memories hold before anything runs: the pages that its active data segments fill, computed once, when a cache is made.
//!
//! ```text
//! Module -> Imaged { pages and where they go, the same Module with segments that are `IMAGED` and have no bytes }
//! ```
//! An instance may begin with these pages instead of copying segments only where nobody can tell the difference: where no active segment can
//! trap, whatever is imported. (A segment that traps leaves the effects of those before it, which others may see in an imported memory or table.)
//!
//! Whole pages of zeros are left out; gaps of a few of them are filled, since each extent is a mapping.

use crate::builder::Words;
use crate::flat::{DataRecord, Header, Section, mode};
use crate::module::Module;
use crate::segments;
use bytes::Bytes;
use std::collections::BTreeMap;
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a page of an image: what hosts map.
pub const IMAGE_PAGE: usize = 4096;
/// Pages of zeros between two extents that make one of them: a mapping costs about as much as these in the page cache.
const FILLED_GAP: u64 = 8;
/// Most extents of a module: each instance has so many mappings more.
const MAX_EXTENTS: usize = 64;
/// Bytes that an image may have beyond twice those of its segments: segments that are scattered over many pages are smaller as they are.
const SLACK: u64 = 64 << 10;

/// Pages that follow each other in a memory and in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub memory: u32,
    /// Where it begins in the memory, in bytes.
    pub at: u64,
    /// Where it begins in [`Imaged::pages`], in bytes.
    pub from: u64,
    /// Bytes; all three are multiples of [`IMAGE_PAGE`].
    pub len: u64,
}

/// A module whose memories begin with an image.
#[derive(Clone, Debug)]
pub struct Imaged {
    /// The module as a cache stores it: data segments that are in the image are [`mode::IMAGED`] and have no bytes.
    pub module: Module,
    /// By memory and place, without overlap.
    pub extents: Vec<Extent>,
    pub pages: Vec<u8>,
}

impl Imaged {
    /// The image of a module's own memories; none where there is nothing in it, or where segments must stay as they are.
    pub fn of(module: &Module) -> Option<Imaged> {
        let imaged = |segment: &&DataRecord| segment.mode == mode::ACTIVE && segment.memory >= module.header().imported_memories;
        let segments: Vec<&DataRecord> = module.data_segments().iter().filter(imaged).collect();
        if segments.is_empty() || !segments::none_traps(module.tables(), module.memories(), module.elems(), module.data_segments()) {
            return None;
        }
        let bytes: u64 = segments.iter().map(|segment| u64::from(segment.bytes.len)).sum();
        let most = (2 * bytes + SLACK) / IMAGE_PAGE as u64;
        let filled = fill(module, &segments, most)?;
        let (extents, pages) = extents(&filled, most)?;
        Some(Imaged { module: without_bytes(module), extents, pages })
    }
}

/// Pages by memory and number.
type Pages = BTreeMap<(u32, u64), Box<[u8; IMAGE_PAGE]>>;

/// The segments in their order, on at most so many pages.
fn fill(module: &Module, segments: &[&DataRecord], most: u64) -> Option<Pages> {
    let mut pages = Pages::new();
    for segment in segments {
        let (mut at, mut bytes) = (segment.offset.value, module.data_bytes(segment));
        while !bytes.is_empty() {
            let within = (at % IMAGE_PAGE as u64) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(IMAGE_PAGE - within));
            let page = pages.entry((segment.memory, at / IMAGE_PAGE as u64)).or_insert_with(|| Box::new([0; IMAGE_PAGE]));
            page[within..within + now.len()].copy_from_slice(now);
            (at, bytes) = (at + now.len() as u64, rest);
        }
        if pages.len() as u64 > most {
            return None;
        }
    }
    pages.retain(|_, page| page.iter().any(|&byte| byte != 0));
    Some(pages)
}

/// Pages that are not far from each other in one piece.
fn extents(filled: &Pages, most: u64) -> Option<(Vec<Extent>, Vec<u8>)> {
    let mut extents: Vec<Extent> = Vec::new();
    let mut pages = Vec::new();
    for (&(memory, number), page) in filled {
        let at = number * IMAGE_PAGE as u64;
        match extents.last_mut() {
            Some(last) if last.memory == memory && at - (last.at + last.len) <= FILLED_GAP * IMAGE_PAGE as u64 => {
                let len = at + IMAGE_PAGE as u64 - last.at;
                pages.resize(pages.len() + (len - last.len) as usize - IMAGE_PAGE, 0);
                last.len = len;
            }
            _ => extents.push(Extent { memory, at, from: pages.len() as u64, len: IMAGE_PAGE as u64 }),
        }
        pages.extend_from_slice(&page[..]);
    }
    (extents.len() <= MAX_EXTENTS && pages.len() as u64 <= most * IMAGE_PAGE as u64).then_some((extents, pages))
}

/// The module with the segments of its own memories marked, and only the bytes of the others. Marked ones behind the last other one lose their records, too:
/// nobody can tell them from dropped ones, and programs have tens of thousands.
fn without_bytes(module: &Module) -> Module {
    let mut flat = module.flat_bytes().to_vec();
    let mut words = aligned(&flat);
    let imported = module.header().imported_memories;
    let (mut data, mut active) = (Vec::new(), false);
    let range = module.header().sections[Section::Data as usize];
    let records = &mut words.as_mut_bytes()[range.offset as usize..][..range.len as usize];
    let mut kept = 0;
    // A view checked the section, and the buffer is aligned as the first one is.
    for (at, record) in <[DataRecord]>::mut_from_bytes(records).into_iter().flatten().enumerate() {
        let bytes = module.data_bytes(record);
        record.bytes.offset = data.len() as u32;
        if record.mode == mode::ACTIVE && record.memory >= imported {
            (record.mode, record.bytes.len) = (mode::IMAGED, 0);
        } else {
            data.extend_from_slice(bytes);
            active |= record.mode == mode::ACTIVE;
            kept = at + 1;
        }
    }
    if let Ok((header, _)) = Header::mut_from_prefix(words.as_mut_bytes()) {
        header.data.len = data.len() as u32;
        header.flags = if active { header.flags } else { header.flags & !Header::HAS_ACTIVE_DATA } | Header::IMAGED;
        shorten(header, Section::Data, kept * size_of::<DataRecord>());
    }
    let len = flat.len();
    flat.copy_from_slice(&words.as_bytes()[..len]);
    // What stood behind the section moves up; both lengths are multiples of 8.
    flat.drain(range.offset as usize + kept * size_of::<DataRecord>()..(range.offset + range.len) as usize);
    module.with_contents(Bytes::from_owner(Words(aligned(&flat))), Bytes::from(data))
}

/// The bytes in a buffer that begins at a multiple of 8.
fn aligned(bytes: &[u8]) -> Vec<u64> {
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
    words
}

/// Makes a section end earlier, and moves those behind it up.
fn shorten(header: &mut Header, section: Section, len: usize) {
    let changed = header.sections[section as usize];
    let less = changed.len - len as u32;
    for range in header.sections.iter_mut().filter(|range| range.offset > changed.offset) {
        range.offset -= less;
    }
    header.sections[section as usize].len = len as u32;
    header.total_len -= less;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{DefinedFuncIndex, FuncIndex};

    fn imaged(text: &str) -> Option<Imaged> {
        Imaged::of(&Module::parse(wat::parse_str(text).unwrap()).unwrap())
    }

    fn places(imaged: &Imaged) -> Vec<(u32, u64, u64, u64)> {
        imaged.extents.iter().map(|extent| (extent.memory, extent.at, extent.from, extent.len)).collect()
    }

    #[test]
    fn segments_are_applied_in_order_and_pages_of_zeros_left_out() {
        let zeros = "\\00".repeat(5000);
        let text = format!(
            r#"(module (memory 1) (memory i64 9)
                (data (i32.const 4094) "abcd") (data (i32.const 4096) "X") (data $p "passive") (data (i32.const 8192) "{zeros}")
                (data (memory 1) (i64.const 0x80000) "far") (data (memory 1) (i64.const 0x81000) "") (data (memory 1) (i64.const 0x8a000) "near")
                (func $last))"#
        );
        let imaged = imaged(&text).unwrap();
        assert_eq!(places(&imaged), [(0, 0, 0, 8192), (1, 0x80000, 8192, 4096), (1, 0x8a000, 12288, 4096)]);
        assert_eq!((imaged.pages.len(), &imaged.pages[4092..4100]), (16384, &b"\0\0abXd\0\0"[..]));
        assert_eq!(&imaged.pages[12288..12293], b"near\0");
        let modes: Vec<u32> = imaged.module.data_segments().iter().map(|record| record.mode).collect();
        // What is behind the last segment that is not in the image has no record.
        assert_eq!(modes, [3, 3, 1]);
        assert_eq!((imaged.module.is_imaged(), imaged.module.func_name(FuncIndex(0))), (true, Some("last")));
        assert_eq!((imaged.module.data().as_ref(), imaged.module.header().data.len), (&b"passive"[..], 7));
        assert_eq!(imaged.module.data_bytes(&imaged.module.data_segments()[2]), b"passive");
        assert!(imaged.module.data_bytes(&imaged.module.data_segments()[0]).is_empty());
        // There is nothing left to put into an image.
        assert!(Imaged::of(&imaged.module).is_none());
    }

    #[test]
    fn functions_match_as_before() {
        let text = r#"(module (memory 1) (data $a (i32.const 0) "a") (data $p "p")
            (func (memory.init $a (i32.const 0) (i32.const 0) (i32.const 0)) (data.drop $p)))"#;
        let module = Module::parse(wat::parse_str(text).unwrap()).unwrap();
        let imaged = Imaged::of(&module).unwrap().module;
        let [before, after] = [&module, &imaged].map(|module| crate::match_digest(module, DefinedFuncIndex(0)));
        assert_eq!(before, after);
        assert_eq!((imaged.digest(), imaged.header().wasm_len), (module.digest(), module.header().wasm_len));
    }

    #[test]
    fn small_gaps_are_filled() {
        let imaged =
            imaged(r#"(module (memory 2) (data (i32.const 0) "a") (data (i32.const 0x9fff) "b") (data (i32.const 0x13000) "c"))"#).unwrap();
        assert_eq!(places(&imaged), [(0, 0, 0, 0xa000), (0, 0x13000, 0xa000, 0x1000)]);
        assert_eq!((imaged.pages[0], imaged.pages[0x9fff], imaged.pages[0xa000]), (b'a', b'b', b'c'));
        assert!(imaged.pages[1..0x9fff].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_may_trap_keeps_its_segments() {
        for text in [
            r#"(module (memory 1) (data (i32.const 65535) "ab"))"#,
            r#"(module (memory 1) (data (i32.const 0) "a") (data (i32.const -1) "b"))"#,
            r#"(module (memory 1) (table 2 funcref) (func $f) (elem (i32.const 1) $f $f) (data (i32.const 0) "a"))"#,
            r#"(module (import "" "" (global $g i32)) (memory 1) (data (global.get $g) "a"))"#,
            r#"(module (import "" "" (global $g i32)) (memory 1) (table 2 funcref) (elem (global.get $g)) (data (i32.const 0) "a"))"#,
            r#"(module (import "" "" (memory 1)) (memory 1) (data (i32.const 65536) "a") (data (memory 1) (i32.const 0) "a"))"#,
            r#"(module (memory 1) (data "passive"))"#,
            r#"(module (import "" "" (memory 1)) (data (i32.const 0) "a"))"#,
            r#"(module (memory i64 1) (data (i64.const -1) "a"))"#,
        ] {
            assert!(imaged(text).is_none(), "{text}");
        }
    }

    #[test]
    fn segments_of_imported_memories_stay() {
        let text =
            r#"(module (import "" "" (memory 1)) (memory 1) (data (i32.const 7) "theirs") (data (memory 1) (i32.const 4096) "ours"))"#;
        let imaged = imaged(text).unwrap();
        assert_eq!(places(&imaged), [(1, 4096, 0, 4096)]);
        let modes: Vec<(u32, &[u8])> =
            imaged.module.data_segments().iter().map(|record| (record.mode, imaged.module.data_bytes(record))).collect();
        assert_eq!(modes, [(mode::ACTIVE, &b"theirs"[..])]);
    }

    #[test]
    fn scattered_segments_are_smaller_as_they_are() {
        let segments: String = (0..100).map(|at| format!(r#"(data (i32.const {}) "x")"#, at * 4096)).collect();
        assert!(imaged(&format!("(module (memory 10) {segments})")).is_none());
        let segments: String = (0..12).map(|at| format!(r#"(data (i32.const {}) "x")"#, at * 4096)).collect();
        assert_eq!(imaged(&format!("(module (memory 10) {segments})")).unwrap().pages.len(), 12 * 4096);
    }

    #[test]
    fn zeros_alone_are_an_empty_image() {
        let imaged = imaged(r#"(module (memory 1) (data (i32.const 9) "\00\00"))"#).unwrap();
        assert_eq!((imaged.extents.len(), imaged.pages.len(), imaged.module.data().len()), (0, 0, 0));
    }
}
