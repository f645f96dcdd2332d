//! The image: one reserved address range that holds all code of a module, cached and fresh, and the tables to it.
//!
//! ```text
//! base                                                                                   base + len, at most 2 GiB
//! | text of the cache (mapped from the file), or one page with the lazy stub | batch | batch | .. | still inaccessible |
//! ```
//! Offsets count from the base, fit an `i32`, and mean the same in jump tables, tables and relocations. A batch is what one
//! [`publish`](Image::publish) makes executable: whole fresh pages, so publish several functions at once where possible.

use crate::batches::{Batch, Batches, FRESH};
use crate::mapped::MappedCache;
use crate::mmap::{PAGE, Reservation, SealError};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use trjit_cache_format::{CacheFile, CodeItem, Damaged, PlacedFunction, Refusal, SectionId};
use trjit_code::place;
use trjit_code::unit::OutOfReach;
use trjit_code::{CallSite, CompiledFunction, HandlerSite, InlinedPlace, LAZY_STUB_CODE, TrapSite};
use trjit_module::{FuncIndex, TrapCode};

/// Room for code made at run time, in bytes; address space only. Less is taken where the system grants less.
pub const JIT_ROOM: usize = 1 << 30;
/// The least room that an image is made with.
pub const MIN_JIT_ROOM: usize = 1 << 20;
/// All offsets of an image are below this.
pub const MAX_IMAGE: usize = 1 << 31;
/// Alignment of the base: that of `.text` in the file and more, so that the kernel may use huge pages.
const BASE_ALIGN: usize = 2 << 20;
/// `int3`.
const BREAKPOINT: u8 = 0xcc;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("no address space for an image of {len} bytes: {reason}")]
    Reserve { len: usize, reason: io::Error },
    #[error("no memory for code: {reason}")]
    Memory { reason: io::Error },
    #[error("the system does not allow executable mappings here (a file system mounted noexec, or a security policy): {reason}")]
    Executable { reason: io::Error },
    #[error("a text of {len} bytes at {offset} in the file can not be mapped with pages of {PAGE} bytes")]
    Pages { offset: usize, len: usize },
    /// The text does not have its digest.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
}

/// The cache can not be used here, for those who then go on without it.
impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Refusal {
        match error {
            ImageError::Refused(refusal) => *refusal,
            error => Refusal::Unreadable { reason: error.to_string() },
        }
    }
}

/// Why code was not published. The code can be left out: nothing refers to it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the image has room for {free} bytes of code, {needed} are needed")]
    Full { needed: usize, free: usize },
    #[error("a call of function {callee}, which has no code to call directly")]
    Unresolved { callee: FuncIndex },
    #[error(transparent)]
    OutOfReach(#[from] OutOfReach),
    #[error("code that wants an alignment of {align}, expected a power of two up to {PAGE}")]
    Align { align: u32 },
    #[error("no memory for code: {reason}")]
    Memory { reason: io::Error },
    #[error("the system does not allow executable memory (a security policy): {reason}")]
    Executable { reason: io::Error },
}

/// Code to publish.
#[derive(Clone, Copy, Debug)]
pub struct PublishUnit<'a> {
    pub code: &'a CompiledFunction,
    /// What backtraces call it: for code that enters a function elsewhere than at its start that function, too.
    pub kind: CodeItem,
    /// Whether direct calls of the same batch may reach it: it is the function, from its start.
    pub callable: bool,
}

/// See the module's header. Shared by all instances of a module; freed with the last of them.
#[derive(Debug)]
pub struct Image {
    reservation: Reservation,
    /// The cache whose text lies at the base.
    cached: Option<CacheFile>,
    batches: Batches,
    /// Offset of the first page that was not handed out; the lock also orders publications.
    free: Mutex<usize>,
}

impl Image {
    /// An image without a cache, with [`JIT_ROOM`].
    pub fn new_empty() -> Result<Image, ImageError> {
        Image::with_room(JIT_ROOM)
    }

    /// An image without a cache: offset 0 holds the lazy stub, and `room` bytes are reserved for code.
    pub fn with_room(room: usize) -> Result<Image, ImageError> {
        let reservation = reserve(PAGE, room)?;
        reservation.seal(0, &LAZY_STUB_CODE, BREAKPOINT).map_err(image_error)?;
        Ok(Image { reservation, cached: None, batches: Batches::new(), free: Mutex::new(PAGE) })
    }

    /// An image with the cache's text, mapped private and read-execute from the file, and verified there: nothing can run it before there is an image. Behind it is
    /// [`JIT_ROOM`].
    pub fn from_cache(cache: &MappedCache) -> Result<Image, ImageError> {
        Image::from_cache_with_room(cache, JIT_ROOM)
    }

    /// The same with `room` bytes for code behind the text, [`MIN_JIT_ROOM`] at least.
    pub fn from_cache_with_room(cache: &MappedCache, room: usize) -> Result<Image, ImageError> {
        let Range { start, end } = cache.file().section_range(SectionId::Text);
        let len = end - start;
        if !start.is_multiple_of(PAGE) || !len.is_multiple_of(PAGE) {
            return Err(ImageError::Pages { offset: start, len });
        }
        let mut reservation = reserve(len, room)?;
        let text = reservation.map_file(cache.fd(), start as u64, len).map_err(image_error)?;
        cache.file().ensure_mapped(SectionId::Text, text).map_err(Box::new)?;
        Ok(Image { reservation, cached: Some(cache.file().clone()), batches: Batches::new(), free: Mutex::new(len) })
    }

    /// What [`VmHeader::image_base`](trjit_module::vm::VmHeader) holds.
    pub fn base(&self) -> *const u8 {
        self.reservation.base()
    }

    /// Addresses of the image: a program counter in this range is in this image's code, or nowhere.
    pub fn addresses(&self) -> Range<usize> {
        let base = self.base().addr();
        base..base + self.reservation.len()
    }

    /// Bytes of the reserved range.
    pub fn len(&self) -> usize {
        self.reservation.len()
    }

    /// Never: there is always the lazy stub.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The offset of an address of the image.
    pub fn offset_of(&self, address: usize) -> Option<u32> {
        let range = self.addresses();
        // The image is at most 2 GiB long.
        range.contains(&address).then(|| (address - range.start) as u32)
    }

    /// The address of an offset, as jump tables hold it.
    pub fn address_of(&self, offset: i32) -> *const u8 {
        self.base().wrapping_offset(offset as isize)
    }

    /// The cache whose text is in the image.
    pub fn cache(&self) -> Option<&CacheFile> {
        self.cached.as_ref()
    }

    /// [`publish_linked`](Image::publish_linked) of code whose direct calls stay within the batch.
    pub fn publish(&self, units: &[PublishUnit<'_>]) -> Result<Vec<i32>, PublishError> {
        self.publish_linked(units, &|_| None)
    }

    /// Makes code executable: places the units one after another on fresh pages, applies their relocations, copies, seals. Returns the offset of each.
    /// Direct calls go to units of the same call first, else to the offset that `resolve` gives for the callee.
    ///
    /// The code is reachable once its offset is stored to a jump table; all of its tables can be asked before that.
    pub fn publish_linked(&self, units: &[PublishUnit<'_>], resolve: &dyn Fn(FuncIndex) -> Option<i32>) -> Result<Vec<i32>, PublishError> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *free;
        let offsets = place(units, start)?;
        // `place` gave one offset a unit, and there is one.
        let end = offsets.last().map_or(start, |&last| last as usize) + units.last().map_or(0, |unit| unit.code.bytes.len());
        let room = self.reservation.len().min(MAX_IMAGE) - start;
        let needed = (end - start).next_multiple_of(PAGE);
        if needed > room {
            return Err(PublishError::Full { needed, free: room });
        }
        let code = link(units, &offsets, start, end, resolve)?;
        // Pages that failed half-way are not handed out again.
        *free = start + needed;
        self.reservation.seal(start, &code, BREAKPOINT).map_err(|error| match error {
            SealError::Range => PublishError::Full { needed, free: room },
            SealError::Writable(errno) => PublishError::Memory { reason: errno.into() },
            SealError::Executable(errno) => PublishError::Executable { reason: errno.into() },
        })?;
        self.batches.push(tables(units, &offsets, start as u32..(start + needed) as u32, self.batches.next_inlined()));
        // Offsets are below 2 GiB.
        Ok(offsets.into_iter().map(|offset| offset as i32).collect())
    }

    /// Bytes of pages that hold code made at run time.
    pub fn published_bytes(&self) -> usize {
        let first = self.cached.as_ref().map_or(PAGE, |cache| cache.text().len());
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) - first
    }

    /// Number of publications.
    pub fn published_batches(&self) -> usize {
        self.batches.len()
    }

    /// Reason and wasm [place](trjit_code::place) of the trap of the instruction at exactly that offset; where a cache's table is damaged, any
    /// instruction of its text is one of [`TrapCode::DamagedCache`]. Neither allocates nor locks.
    pub fn trap_at(&self, offset: u32) -> Option<(TrapCode, u32)> {
        let site = match self.cached_at(offset) {
            Some(cache) => match cache.lookup_trap(offset) {
                Ok(site) => site,
                Err(Damaged) => return Some((TrapCode::DamagedCache, u32::MAX)),
            },
            None => self.batches.at(offset)?.trap_at(offset),
        };
        site.map(|site| (site.code, site.wasm))
    }

    /// Wasm [place](trjit_code::place) of the call that returns to exactly that offset. Neither allocates nor locks.
    pub fn call_at(&self, return_offset: u32) -> Option<u32> {
        // A call at a batch's very end returns to the next batch's first byte: the call's own last byte tells whose it is.
        let inside = return_offset.checked_sub(1)?;
        let site = match self.cached_at(inside) {
            Some(cache) => cache.lookup_call(return_offset),
            None => self.batches.at(inside)?.call_at(return_offset),
        };
        site.map(|site| site.wasm)
    }

    /// What an inlined [place](trjit_code::place) refers to. Neither allocates nor locks.
    pub fn inlined_at(&self, number: u32) -> Option<InlinedPlace> {
        if number >= FRESH { self.batches.inlined_at(number) } else { self.cached.as_ref()?.lookup_inlined(number) }
    }

    /// Where an exception goes that leaves the callee of the call which returns to exactly that offset: the landing's offset, and the distance of the stack
    /// pointer below the calling frame's frame pointer there. Neither allocates nor locks.
    pub fn handler_at(&self, return_offset: u32) -> Option<(u32, u32)> {
        let inside = return_offset.checked_sub(1)?;
        let site = match self.cached_at(inside) {
            Some(cache) => cache.lookup_handler(return_offset),
            None => self.batches.at(inside)?.handler_at(return_offset),
        };
        site.map(|site| (site.landing, site.frame_offset))
    }

    /// The function whose code holds the byte at that offset. For return addresses ask for the byte before. Neither allocates nor locks.
    pub fn function_at(&self, offset: u32) -> Option<FuncIndex> {
        match self.code_at(offset)?.what {
            CodeItem::Function(function) => Some(function),
            CodeItem::ToNative(_) | CodeItem::ToInterpreter(_) | CodeItem::TailToNative(_) => None,
        }
    }

    /// The code that holds the byte at that offset; its tier is not known for code made at run time. Neither allocates nor locks.
    pub fn code_at(&self, offset: u32) -> Option<PlacedFunction> {
        match self.cached_at(offset) {
            Some(cache) => cache.function_at(offset),
            None => self.batches.at(offset)?.function_at(offset),
        }
    }

    fn cached_at(&self, offset: u32) -> Option<&CacheFile> {
        self.cached.as_ref().filter(|cache| (offset as usize) < cache.text().len())
    }
}

/// Reserves the text and room for code behind it: less room where address space is limited.
fn reserve(text: usize, room: usize) -> Result<Reservation, ImageError> {
    let mut room = room.max(MIN_JIT_ROOM).next_multiple_of(PAGE).min(MAX_IMAGE - text);
    loop {
        match Reservation::new(text + room, BASE_ALIGN) {
            Ok(reservation) => return Ok(reservation),
            Err(_) if room / 2 >= MIN_JIT_ROOM => room = (room / 2).next_multiple_of(PAGE),
            Err(errno) => return Err(ImageError::Reserve { len: text + room, reason: errno.into() }),
        }
    }
}

fn image_error(error: SealError) -> ImageError {
    match error {
        SealError::Range => ImageError::Memory { reason: io::ErrorKind::InvalidInput.into() },
        SealError::Writable(errno) => ImageError::Memory { reason: errno.into() },
        SealError::Executable(errno) => ImageError::Executable { reason: errno.into() },
    }
}

/// The offset of each unit from the image's base, the first at `start`.
fn place(units: &[PublishUnit<'_>], start: usize) -> Result<Vec<u32>, PublishError> {
    let mut at = start;
    let mut offsets = Vec::with_capacity(units.len());
    for PublishUnit { code, .. } in units {
        let align = code.align.max(16);
        if !align.is_power_of_two() || align as usize > PAGE {
            return Err(PublishError::Align { align });
        }
        at = at.next_multiple_of(align as usize);
        let end = at + code.bytes.len();
        if end > MAX_IMAGE {
            return Err(PublishError::Full { needed: end - start, free: MAX_IMAGE - start });
        }
        offsets.push(at as u32);
        at = end;
    }
    Ok(offsets)
}

/// The bytes of a batch with all relocations applied.
fn link(
    units: &[PublishUnit<'_>],
    offsets: &[u32],
    start: usize,
    end: usize,
    resolve: &dyn Fn(FuncIndex) -> Option<i32>,
) -> Result<Vec<u8>, PublishError> {
    let within: HashMap<CodeItem, u32> =
        units.iter().zip(offsets).filter(|(unit, _)| unit.callable).map(|(unit, &offset)| (unit.kind, offset)).collect();
    let target = |callee| {
        let fresh = within.get(&CodeItem::Function(callee)).copied().map(u64::from);
        let offset = fresh.or_else(|| u64::try_from(resolve(callee)?).ok().filter(|&offset| offset != 0));
        offset.ok_or(PublishError::Unresolved { callee })
    };
    let mut bytes = vec![BREAKPOINT; end - start];
    for (PublishUnit { code, .. }, &offset) in units.iter().zip(offsets) {
        let body = &mut bytes[offset as usize - start..][..code.bytes.len()];
        body.copy_from_slice(&code.bytes);
        for relocation in &code.relocations {
            relocation.apply(body, u64::from(offset), target(relocation.target)?)?;
        }
    }
    Ok(bytes)
}

fn tables(units: &[PublishUnit<'_>], offsets: &[u32], range: Range<u32>, first_inlined: u32) -> Batch {
    let mut batch = Batch { range, first_inlined, ..Batch::default() };
    for (&PublishUnit { code, kind: what, .. }, &offset) in units.iter().zip(offsets) {
        batch.functions.push(PlacedFunction { offset, len: code.bytes.len() as u32, what, tier: None, features: code.features });
        let before = first_inlined + batch.inlined.len() as u32;
        batch.inlined.extend(code.inlined.iter().map(|at| InlinedPlace { caller: place::moved(at.caller, before), ..*at }));
        let trap = |site: &TrapSite| TrapSite { offset: site.offset + offset, wasm: place::moved(site.wasm, before), ..*site };
        batch.traps.extend(code.traps.iter().map(trap));
        let moved = |site: &HandlerSite| HandlerSite { offset: site.offset + offset, landing: site.landing + offset, ..*site };
        batch.handlers.extend(code.handlers.iter().map(moved));
        let call = |site: &CallSite| CallSite { offset: site.offset + offset, wasm: place::moved(site.wasm, before) };
        batch.calls.extend(code.call_sites.iter().map(call));
    }
    batch
}
