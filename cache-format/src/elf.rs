//! The ELF frame around the sections: writer and reader.
//!
//! ```text
//! 0      Elf64_Ehdr: ET_DYN, little-endian; one Elf64_Phdr: PT_LOAD of .text, read and execute
//! 128    .trjit.header
//! ..     the sections in the order of SectionId, each aligned to SectionId::align_for its length, zeros between
//! ..     .shstrtab, then the section headers: null, SectionId::ALL, .shstrtab
//! ```
//! Addresses equal file offsets. The reader finds sections by name and accepts no section that it does not know.

use crate::header::{Architecture, HEADER_OFFSET};
use crate::refusal::Refusal;
use crate::section::{SECTIONS, SectionId};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, Ident, ProgramHeader64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{U16, U32, U64, pod};
use std::ops::Range;

const SECTION_NAMES: &str = ".shstrtab";

/// Position of a section in the ELF section table: the null section stands before all.
pub(crate) const fn elf_index(id: SectionId) -> u16 {
    id as u16 + 1
}

/// Where each section will lie, given the lengths.
pub(crate) fn layout(lens: &[usize; SECTIONS]) -> [Range<usize>; SECTIONS] {
    let mut at = HEADER_OFFSET;
    std::array::from_fn(|index| {
        let start = at.next_multiple_of(SectionId::ALL[index].align_for(lens[index]));
        at = start + lens[index];
        start..at
    })
}

/// The whole file from the contents of the sections, at the places that [`layout`] gave them. `symbols` counts `.symtab`'s.
pub(crate) fn emit(architecture: Architecture, contents: &[&[u8]; SECTIONS], symbols: u32) -> Vec<u8> {
    let places = layout(&std::array::from_fn(|index| contents[index].len()));
    let mut names = vec![0];
    let mut headers = vec![section_header(0, elf::SHT_NULL, 0..0)];
    for (id, place) in SectionId::ALL.iter().zip(&places) {
        let mut header = section_header(add_name(&mut names, id.name()), elf::SHT_PROGBITS, place.clone());
        header.sh_addralign = U64::new(LE, id.align_for(place.len()) as u64);
        describe(&mut header, *id, place.start, symbols);
        headers.push(header);
    }
    let name = add_name(&mut names, SECTION_NAMES);
    // The layout of no sections at all ends at the header, so there is a last one.
    let names_start = places.last().map_or(HEADER_OFFSET, |place| place.end);
    headers.push(section_header(name, elf::SHT_STRTAB, names_start..names_start + names.len()));
    let table = (names_start + names.len()).next_multiple_of(8);

    let mut out = Vec::with_capacity(table + size_of_val(headers.as_slice()));
    out.extend(pod::bytes_of(&file_header(architecture, table, headers.len())));
    out.extend(pod::bytes_of(&text_segment(&places[SectionId::Text as usize])));
    for (place, content) in places.iter().zip(contents) {
        out.resize(place.start, 0);
        out.extend_from_slice(content);
    }
    out.extend(names);
    out.resize(table, 0);
    out.extend(pod::bytes_of_slice(&headers));
    out
}

fn add_name(names: &mut Vec<u8>, name: &str) -> u32 {
    let at = names.len() as u32;
    names.extend(name.bytes());
    names.push(0);
    at
}

fn file_header(architecture: Architecture, sections: usize, count: usize) -> FileHeader64<LE> {
    FileHeader64 {
        e_ident: Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_DYN),
        e_machine: U16::new(LE, architecture.machine()),
        e_version: U32::new(LE, u32::from(elf::EV_CURRENT.0)),
        e_entry: U64::new(LE, 0),
        e_phoff: U64::new(LE, size_of::<FileHeader64<LE>>() as u64),
        e_shoff: U64::new(LE, sections as u64),
        e_flags: U32::new(LE, elf::FileFlags(0)),
        e_ehsize: U16::new(LE, size_of::<FileHeader64<LE>>() as u16),
        e_phentsize: U16::new(LE, size_of::<ProgramHeader64<LE>>() as u16),
        e_phnum: U16::new(LE, 1),
        e_shentsize: U16::new(LE, size_of::<SectionHeader64<LE>>() as u16),
        e_shnum: U16::new(LE, count as u16),
        e_shstrndx: U16::new(LE, elf::SymbolSection(count as u16 - 1)),
    }
}

fn text_segment(place: &Range<usize>) -> ProgramHeader64<LE> {
    ProgramHeader64 {
        p_type: U32::new(LE, elf::PT_LOAD),
        p_flags: U32::new(LE, elf::ProgramFlags(elf::PF_R.0 | elf::PF_X.0)),
        p_offset: U64::new(LE, place.start as u64),
        p_vaddr: U64::new(LE, place.start as u64),
        p_paddr: U64::new(LE, place.start as u64),
        p_filesz: U64::new(LE, place.len() as u64),
        p_memsz: U64::new(LE, place.len() as u64),
        p_align: U64::new(LE, SectionId::Text.align_for(place.len()) as u64),
    }
}

fn section_header(name: u32, kind: elf::SectionType, place: Range<usize>) -> SectionHeader64<LE> {
    SectionHeader64 {
        sh_name: U32::new(LE, name),
        sh_type: U32::new(LE, kind),
        sh_flags: U64::new(LE, elf::SectionFlags(0)),
        sh_addr: U64::new(LE, 0),
        sh_offset: U64::new(LE, place.start as u64),
        sh_size: U64::new(LE, place.len() as u64),
        sh_link: U32::new(LE, 0),
        sh_info: U32::new(LE, 0),
        sh_addralign: U64::new(LE, 1),
        sh_entsize: U64::new(LE, 0),
    }
}

/// What tools want to know of the sections that ELF defines.
fn describe(header: &mut SectionHeader64<LE>, id: SectionId, start: usize, symbols: u32) {
    match id {
        SectionId::Text => {
            header.sh_addr = U64::new(LE, start as u64);
            header.sh_flags = U64::new(LE, elf::SectionFlags(elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0));
        }
        SectionId::Symtab => {
            header.sh_type = U32::new(LE, elf::SHT_SYMTAB);
            header.sh_link = U32::new(LE, u32::from(elf_index(SectionId::Strtab)));
            header.sh_info = U32::new(LE, symbols);
            header.sh_entsize = U64::new(LE, size_of::<Sym64<LE>>() as u64);
        }
        SectionId::Strtab => header.sh_type = U32::new(LE, elf::SHT_STRTAB),
        _ => {}
    }
}

/// Where each section lies: all are there, once, within the file and aligned, and there is no other.
pub(crate) fn sections(bytes: &[u8]) -> Result<[Range<usize>; SECTIONS], Refusal> {
    let damaged = |error: object::read::Error| Refusal::corrupt("ELF section table", error.to_string());
    let file = FileHeader64::<LE>::parse(bytes).map_err(damaged)?;
    let table = file.sections(LE, bytes).map_err(damaged)?;
    let mut found: [Option<Range<usize>>; SECTIONS] = [const { None }; SECTIONS];
    for header in table.iter().skip(1) {
        let name = table.section_name(LE, header).map_err(damaged)?;
        let Some(id) = SectionId::from_name(name) else {
            if name == SECTION_NAMES.as_bytes() {
                continue;
            }
            return Err(Refusal::corrupt("ELF section table", format!("unknown section {}", name.escape_ascii())));
        };
        let place = &mut found[id as usize];
        if place.is_some() {
            return Err(Refusal::corrupt(id.name(), "the section is there twice"));
        }
        *place = Some(range(header, id, bytes.len())?);
    }
    for id in SectionId::ALL {
        if found[*id as usize].is_none() {
            return Err(Refusal::corrupt(id.name(), "the section is missing"));
        }
    }
    Ok(found.map(Option::unwrap_or_default))
}

fn range(header: &SectionHeader64<LE>, id: SectionId, file_len: usize) -> Result<Range<usize>, Refusal> {
    let Some((offset, size)) = header.file_range(LE) else {
        return Err(Refusal::corrupt(id.name(), "the section has no bytes in the file"));
    };
    let end = offset.checked_add(size).filter(|&end| end <= file_len as u64);
    let Some(end) = end else {
        let reason = format!("{size} bytes at {offset} lie outside of the file, which has {file_len}");
        return Err(Refusal::corrupt(id.name(), reason));
    };
    if !offset.is_multiple_of(id.align() as u64) {
        return Err(Refusal::corrupt(id.name(), format!("offset {offset} is no multiple of {}", id.align())));
    }
    // Both are at most `file_len`, a usize.
    Ok(offset as usize..end as usize)
}
