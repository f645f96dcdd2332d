//! `.trjit.functions`: which code lies where in the text, and what it needs.
//!
//! ```text
//! FunctionEntry x n   offset u32 | len u32 | index u32 | features u32 | kind u8 | tier u8 | reserved u16      20 bytes
//! ```
//! `offset` counts from the start of `.text`; entries ascend by offset and do not overlap. `kind`: 0 a function (`index` is a function index),
//! 1 a crossing to native code, 2 a crossing to the interpreter, 3 a crossing of tail calls to native code (`index` is a type index). `tier`: 0 none (crossings), 1 A1, 2 AP4. `features`: one bit for
//! each CPU feature that the code may use, bit numbers as in [`CpuFeature`].

use crate::table::records;
use crate::text::{CodeItem, PlacedFunction};
use trjit_code::{CpuFeature, CpuFeatures, Tier};
use trjit_module::{FuncIndex, TypeIndex};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct FunctionEntry {
    offset: u32,
    len: u32,
    index: u32,
    features: u32,
    kind: u8,
    tier: u8,
    reserved: u16,
}

impl FunctionEntry {
    fn encode(placed: &PlacedFunction) -> FunctionEntry {
        let PlacedFunction { offset, len, what, tier, features } = *placed;
        let (kind, index) = match what {
            CodeItem::Function(function) => (0, function.0),
            CodeItem::ToNative(ty) => (1, ty.0),
            CodeItem::ToInterpreter(ty) => (2, ty.0),
            CodeItem::TailToNative(ty) => (3, ty.0),
        };
        let tier = match tier {
            None => 0,
            Some(Tier::A1) => 1,
            Some(Tier::Ap4) => 2,
            // They count, and are for the process that made them: readers take them for damage.
            Some(Tier::T2 | Tier::A3 | Tier::T3) => 3,
            Some(Tier::T4) => 4,
        };
        let features = features.iter().fold(0, |mask, feature| mask | 1 << feature as u32);
        FunctionEntry { offset, len, index, features, kind, tier, reserved: 0 }
    }

    fn decode(&self) -> Option<PlacedFunction> {
        let what = match self.kind {
            0 => CodeItem::Function(FuncIndex(self.index)),
            1 => CodeItem::ToNative(TypeIndex(self.index)),
            2 => CodeItem::ToInterpreter(TypeIndex(self.index)),
            3 => CodeItem::TailToNative(TypeIndex(self.index)),
            _ => return None,
        };
        let tier = match self.tier {
            0 => None,
            1 => Some(Tier::A1),
            2 => Some(Tier::Ap4),
            4 => Some(Tier::T4),
            _ => return None,
        };
        let mut features = CpuFeatures::NONE;
        let mut rest = self.features;
        for &feature in CpuFeature::ALL {
            let bit = 1 << feature as u32;
            if rest & bit != 0 {
                features = features.with(feature);
                rest &= !bit;
            }
        }
        (rest == 0 && self.reserved == 0).then_some(PlacedFunction { offset: self.offset, len: self.len, what, tier, features })
    }
}

/// Writes the section; `functions` ascend by offset.
pub fn encode(functions: &[PlacedFunction]) -> Vec<u8> {
    let entries: Vec<FunctionEntry> = functions.iter().map(FunctionEntry::encode).collect();
    entries.as_bytes().to_vec()
}

/// The section, in place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Functions<'a> {
    entries: &'a [FunctionEntry],
}

impl<'a> Functions<'a> {
    /// A view of the section; the error tells what is wrong with its shape.
    pub fn view(bytes: &'a [u8]) -> Result<Functions<'a>, String> {
        records(bytes).map(|entries| Functions { entries })
    }

    /// Checks every field, the order and the bounds. `features` are those that the manifest says the file needs.
    pub fn check(&self, text_len: usize, functions: u32, types: u32, features: CpuFeatures) -> Result<(), String> {
        let mut end = 0u64;
        for (at, entry) in self.entries.iter().enumerate() {
            let placed = entry.decode().ok_or_else(|| format!("entry {at} has an unknown kind, tier or CPU feature"))?;
            if u64::from(placed.offset) < end {
                return Err(format!("entry {at} begins at {}, inside of the one before, which ends at {end}", placed.offset));
            }
            end = u64::from(placed.offset) + u64::from(placed.len);
            if placed.len == 0 || end > text_len as u64 {
                return Err(format!("entry {at} is empty or ends at {end}, but the text has {text_len} bytes"));
            }
            let (index, bound) = match placed.what {
                CodeItem::Function(function) => (function.0, functions),
                CodeItem::ToNative(ty) | CodeItem::ToInterpreter(ty) | CodeItem::TailToNative(ty) => (ty.0, types),
            };
            if index >= bound {
                return Err(format!("entry {at} has index {index}, the module has {bound}"));
            }
            if !placed.features.minus(features).is_empty() {
                return Err(format!("entry {at} uses {}, which the manifest does not list", placed.features.minus(features)));
            }
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The code that holds the byte at that offset.
    pub fn at(&self, text_offset: u32) -> Option<PlacedFunction> {
        let behind = self.entries.partition_point(|entry| entry.offset <= text_offset);
        let entry = self.entries.get(behind.checked_sub(1)?)?;
        if text_offset - entry.offset < entry.len { entry.decode() } else { None }
    }

    /// All code in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = PlacedFunction> + 'a {
        self.entries.iter().filter_map(FunctionEntry::decode)
    }
}
