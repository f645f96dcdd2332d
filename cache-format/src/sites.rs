//! The encoding that `.trjit.traps` and `.trjit.calls` share: text offsets in ascending order, each with a wasm position and a code of one byte.
//!
//! ```text
//! count    u32
//! anchors  { offset u32, at u32 } x ceil(count / 64)    offset of the group's first site; where its bytes begin, counted from behind the anchors
//! groups   64 sites each, the last group may have fewer:
//!          forward  LEB128   text offset less that of the site before; 0 for the group's first one, and only there
//!          step     LEB128   2 * zigzag of the wasm position less that of the site before, + 1 where a code follows
//!          code     u8       only where it is not that of the site before; 0x80 is added, and the step is 0, where there is no wasm position
//! ```
//! A group begins as if the site before it were at wasm position 0 with code [`USUAL`]. Steps and codes are relative to the last site that has a
//! position. Nothing is stored where there are no sites. Positions count from the start of the wasm code section's contents.
//!
//! A lookup searches the anchors and reads one group at most. It neither allocates nor locks, since signal handlers do it, and stays within bounds
//! whatever the bytes are; what it says is right where [`check`](Sites::check) holds.

use trjit_trace::varint;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Sites of a group: what a lookup reads at most.
const GROUP: usize = 64;
/// The code that groups begin with: of most traps, and of all calls. [`MemoryOutOfBounds`](trjit_module::TrapCode).
const USUAL: u8 = 2;
/// In a code: there is no wasm position.
const NO_POSITION: u8 = 0x80;
/// A site's position where it has none.
const NONE: u32 = u32::MAX;

/// A place in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Site {
    /// From the start of the text.
    pub offset: u32,
    /// In the wasm code section's contents, or `u32::MAX`.
    pub wasm: u32,
    pub code: u8,
}

impl Site {
    /// A site of a table that has no codes.
    pub fn without_code(offset: u32, wasm: u32) -> Site {
        Site { offset, wasm, code: USUAL }
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Anchor {
    offset: u32,
    at: u32,
}

/// What a site is told relative to.
struct Before {
    offset: u32,
    wasm: u32,
    code: u8,
}

impl Before {
    fn first_of_group(anchor: u32) -> Before {
        Before { offset: anchor, wasm: 0, code: USUAL }
    }
}

/// Writes a section; `sites` ascend by offset, codes are below [`NO_POSITION`].
pub(crate) fn encode(sites: &[Site]) -> Vec<u8> {
    if sites.is_empty() {
        return Vec::new();
    }
    let (mut anchors, mut groups) = (Vec::new(), Vec::new());
    for group in sites.chunks(GROUP) {
        let mut before = Before::first_of_group(group[0].offset);
        anchors.push(Anchor { offset: before.offset, at: groups.len() as u32 });
        group.iter().for_each(|site| push(&mut groups, &mut before, site));
    }
    [(sites.len() as u32).as_bytes(), anchors.as_bytes(), &groups].concat()
}

fn push(out: &mut Vec<u8>, before: &mut Before, site: &Site) {
    varint::push(out, u64::from(site.offset.wrapping_sub(before.offset)));
    let step = if site.wasm == NONE { 0 } else { varint::step(before.wasm.into(), site.wasm.into()) };
    let tells_code = site.code != before.code || site.wasm == NONE;
    varint::push(out, step << 1 | u64::from(tells_code));
    if tells_code {
        out.push(if site.wasm == NONE { site.code | NO_POSITION } else { site.code });
    }
    before.remember(site);
}

impl Before {
    fn remember(&mut self, site: &Site) {
        self.offset = site.offset;
        if site.wasm != NONE {
            (self.wasm, self.code) = (site.wasm, site.code);
        }
    }
}

/// A section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sites<'a> {
    count: usize,
    anchors: &'a [Anchor],
    groups: &'a [u8],
}

impl<'a> Sites<'a> {
    /// A view of a section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Sites<'a>, String> {
        if bytes.is_empty() {
            return Ok(Sites::default());
        }
        let shape = |_| format!("{} bytes are too few for what they count, or not aligned", bytes.len());
        let (&count, rest) = u32::ref_from_prefix(bytes).map_err(|_| shape(()))?;
        let count = count as usize;
        let (anchors, groups) = <[Anchor]>::ref_from_prefix_with_elems(rest, count.div_ceil(GROUP)).map_err(|_| shape(()))?;
        Ok(Sites { count, anchors, groups })
    }

    /// Checks that every group is whole and fills its place, that offsets ascend, and that the last one is below `end`.
    pub fn check(&self, end: u64) -> Result<(), String> {
        if self.count == 0 && !self.groups.is_empty() {
            return Err("bytes behind a table without entries".into());
        }
        let mut least = 0;
        for group in 0..self.anchors.len() {
            let mut reader = self.group(group);
            for position in 0..self.group_len(group) {
                let at = group * GROUP + position;
                let site = reader.next().ok_or_else(|| format!("record {at} is damaged"))?;
                if u64::from(site.offset) < least {
                    return Err(format!("record {at} is not behind the one before it"));
                }
                least = u64::from(site.offset) + 1;
            }
            if !reader.bytes.is_empty() {
                return Err(format!("{} bytes behind the records of group {group}", reader.bytes.len()));
            }
        }
        match least > end {
            true => Err(format!("text offset {} where less than {end} are allowed", least - 1)),
            false => Ok(()),
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The site at exactly that offset.
    pub fn lookup(&self, offset: u32) -> Option<Site> {
        let group = self.anchors.partition_point(|anchor| anchor.offset <= offset).checked_sub(1)?;
        self.group(group).take_while(|site| site.offset <= offset).find(|site| site.offset == offset)
    }

    /// All sites, up to the first that is damaged in each group.
    pub fn iter(&self) -> impl Iterator<Item = Site> + 'a {
        let sites = *self;
        (0..sites.anchors.len()).flat_map(move |group| sites.group(group))
    }

    fn group_len(&self, group: usize) -> usize {
        (self.count - group * GROUP).min(GROUP)
    }

    /// A reader of a group, which exists.
    fn group(&self, group: usize) -> Reader<'a> {
        let at = |group: usize| self.anchors.get(group).map_or(self.groups.len(), |anchor| anchor.at as usize);
        let anchor = self.anchors.get(group).map_or(0, |anchor| anchor.offset);
        let bytes = self.groups.get(at(group)..at(group + 1)).unwrap_or(&[]);
        Reader { bytes, left: self.group_len(group), first: true, before: Before::first_of_group(anchor) }
    }
}

/// Reads the sites of one group; ends at the first that makes no sense.
struct Reader<'a> {
    bytes: &'a [u8],
    left: usize,
    first: bool,
    before: Before,
}

impl Iterator for Reader<'_> {
    type Item = Site;

    fn next(&mut self) -> Option<Site> {
        self.left = self.left.checked_sub(1)?;
        let site = self.site();
        if site.is_none() {
            self.left = 0;
        }
        site
    }
}

impl Reader<'_> {
    fn site(&mut self) -> Option<Site> {
        let forward = u32::try_from(self.number()?).ok()?;
        if (forward == 0) != std::mem::take(&mut self.first) {
            return None;
        }
        let offset = self.before.offset.checked_add(forward)?;
        let step = self.number()?;
        let told = if step & 1 == 0 { self.before.code } else { self.byte()? };
        let wasm = match told & NO_POSITION {
            0 => u32::try_from(varint::after(self.before.wasm.into(), step >> 1)).ok()?,
            _ if step >> 1 == 0 => NONE,
            _ => return None,
        };
        let site = Site { offset, wasm, code: told & !NO_POSITION };
        self.before.remember(&site);
        Some(site)
    }

    fn number(&mut self) -> Option<u64> {
        let (number, len) = varint::parse(self.bytes)?;
        self.bytes = self.bytes.get(len..)?;
        Some(number)
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of every size, forwards and backwards, with and without position, several groups.
    fn samples(count: u32) -> Vec<Site> {
        let mut offset = 0u32;
        let site = |n: u32| {
            offset += 1 + n * n % 301;
            let wasm = if n.is_multiple_of(13) { NONE } else { (n * 7).wrapping_sub(n % 3 * 5000) & 0x00ff_ffff };
            Site { offset, wasm, code: if n.is_multiple_of(5) { n as u8 & 0x7f } else { USUAL } }
        };
        (0..count).map(site).collect()
    }

    /// A copy whose bytes begin at a multiple of 4, as sections do.
    fn aligned(bytes: &[u8]) -> Vec<u32> {
        bytes.chunks(4).map(|chunk| u32::from_le_bytes(std::array::from_fn(|at| chunk.get(at).copied().unwrap_or(0)))).collect()
    }

    fn with_view<R>(bytes: &[u8], use_it: impl FnOnce(Result<Sites<'_>, String>) -> R) -> R {
        let words = aligned(bytes);
        use_it(Sites::view(&words.as_bytes()[..bytes.len()]))
    }

    #[test]
    fn exactly_what_was_written_is_found() {
        for count in [0, 1, 2, 63, 64, 65, 128, 1000] {
            let sites = samples(count);
            with_view(&encode(&sites), |view| {
                let view = view.unwrap();
                let end = sites.last().map_or(0, |last| u64::from(last.offset) + 1);
                assert_eq!(view.check(end), Ok(()), "{count}");
                assert_eq!(view.check(end.saturating_sub(1)).is_err(), count > 0, "{count}");
                assert_eq!((view.len(), view.iter().collect::<Vec<_>>()), (sites.len(), sites.clone()));
                for offset in 0..=end as u32 + 2 {
                    let listed = sites.binary_search_by_key(&offset, |site| site.offset).ok().map(|at| sites[at]);
                    assert_eq!(view.lookup(offset), listed, "{count}, {offset}");
                }
                assert_eq!(view.lookup(u32::MAX), None);
            });
        }
    }

    #[test]
    fn extremes_fit() {
        let sites = [
            Site { offset: 0, wasm: NONE - 1, code: 0x7f },
            Site { offset: 1, wasm: 0, code: 0 },
            Site { offset: u32::MAX, wasm: NONE, code: 0 },
        ];
        with_view(&encode(&sites), |view| {
            let view = view.unwrap();
            assert_eq!(view.check(1 << 32), Ok(()));
            assert!(sites.iter().all(|site| view.lookup(site.offset) == Some(*site)));
        });
    }

    #[test]
    fn what_does_not_ascend_is_noticed() {
        let mut sites = samples(200);
        sites.swap(70, 71);
        assert!(with_view(&encode(&sites), |view| view.unwrap().check(1 << 32)).is_err());
        let mut twice = samples(3);
        twice[2].offset = twice[1].offset;
        assert!(with_view(&encode(&twice), |view| view.unwrap().check(1 << 32)).is_err());
        // At the border of groups, too.
        let mut groups = samples(65);
        groups[64].offset = groups[63].offset;
        assert!(with_view(&encode(&groups), |view| view.unwrap().check(1 << 32)).is_err());
    }

    #[test]
    fn any_damage_stays_within_bounds() {
        let sites = samples(150);
        let whole = encode(&sites);
        for len in 0..whole.len() {
            let noticed = with_view(&whole[..len], |view| view.and_then(|view| view.check(1 << 32)).is_err());
            assert!(noticed || len == 0, "{len}");
        }
        for at in 0..whole.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                with_view(&bytes, |view| {
                    let Ok(view) = view else { return };
                    let _ = view.check(1 << 32);
                    assert!(view.iter().count() <= view.len());
                    assert!((0..300).all(|offset| view.lookup(offset).is_none_or(|site| site.offset == offset)));
                });
            }
        }
    }
}
