//! Opening a cache: map it read-only, run every check in order, hand out what is inside without copying.

use crate::jump_table::{JumpTable, JumpTableError};
use crate::mmap::FileMapping;
use bytes::Bytes;
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use trjit_cache_format::{CacheFile, Expectations, Refusal, SectionId};
use trjit_module::Module;
use trjit_module::memory_image::Extent;
use trjit_module::vm::VmTrampolines;

/// Pages that a fresh memory begins with.
#[derive(Clone, Copy, Debug)]
pub struct ImagePart<'a> {
    /// Where they stand in the memory, in bytes.
    pub at: usize,
    pub bytes: &'a [u8],
    /// Where they stand in the file. All are multiples of [`IMAGE_PAGE`](trjit_module::memory_image::IMAGE_PAGE).
    pub offset: u64,
}

/// A cache file that passed all checks. Clones share the mapping, which lives as long as anything that came from it (the module, an image).
#[derive(Clone, Debug)]
pub struct MappedCache {
    file: CacheFile,
    /// Kept open: each image maps the text, each instance the jump table.
    fd: Arc<File>,
}

impl MappedCache {
    /// Opens, maps and checks all but the text, which the image verifies. The first check that fails is the refusal.
    pub fn open(path: &Path, expected: &Expectations) -> Result<MappedCache, Refusal> {
        let (fd, bytes) = map(path)?;
        Ok(MappedCache { file: CacheFile::open(bytes, expected)?, fd: Arc::new(fd) })
    }

    /// Opens and maps a file only to look at it: nothing but its header is verified, and no image can be made of it.
    pub fn inspect(path: &Path) -> Result<CacheFile, Refusal> {
        CacheFile::parse(map(path)?.1)
    }

    /// Whether the cache fits these expectations, too.
    pub fn check(&self, expected: &Expectations) -> Result<(), Refusal> {
        self.file.check(expected)
    }

    /// The module, in place: slices of the mapping.
    pub fn module(&self) -> Result<Module, Refusal> {
        self.file.module()
    }

    /// Sections and tables.
    pub fn file(&self) -> &CacheFile {
        &self.file
    }

    /// Crossings by type of the module.
    pub fn trampolines(&self) -> &[VmTrampolines] {
        self.file.trampolines()
    }

    /// A jump table for a fresh instance.
    pub fn jump_table(&self) -> Result<JumpTable, JumpTableError> {
        JumpTable::from_cache(self)
    }

    /// The parts of a memory that an instance begins with. Empty where the sections are damaged.
    pub fn memory_image(&self, memory: u32) -> impl Iterator<Item = ImagePart<'_>> {
        let Range { start, end } = self.file.section_range(SectionId::Memory);
        let extents = self.file.extents().iter().filter(move |extent| extent.memory == memory);
        extents.filter_map(move |Extent { memory: _, at, from, len }| {
            let from = start.checked_add(usize::try_from(from).ok()?)?;
            let to = from.checked_add(usize::try_from(len).ok()?).filter(|&to| to <= end)?;
            let bytes = self.file.bytes().get(from..to)?;
            Some(ImagePart { at: usize::try_from(at).ok()?, bytes, offset: from as u64 })
        })
    }

    /// The file; positions are those of [`CacheFile::section_range`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn map(path: &Path) -> Result<(File, Bytes), Refusal> {
    let unreadable = |error: std::io::Error| Refusal::Unreadable { reason: format!("{}: {error}", path.display()) };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Refusal::Unreadable { reason: format!("{} is no regular file", path.display()) });
    }
    let len = usize::try_from(metadata.len()).map_err(|_| Refusal::Unreadable { reason: "it is larger than the address space".into() })?;
    // Nothing can be mapped of an empty file; the check of the magic refuses it.
    if len == 0 {
        return Ok((file, Bytes::new()));
    }
    let mapping = FileMapping::new(&file, len).map_err(|errno| unreadable(errno.into()))?;
    Ok((file, Bytes::from_owner(mapping)))
}
