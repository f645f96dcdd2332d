//! Small changes of a module's bytes, section by section.

use anyhow::{Context, Result, ensure};

const HEADER_LEN: usize = 8;
const MEMORY_SECTION: u8 = 5;
const GLOBAL_SECTION: u8 = 6;
const EXPORT_SECTION: u8 = 7;
const ELEMENT_SECTION: u8 = 9;
const CODE_SECTION: u8 = 10;
const DATA_COUNT_SECTION: u8 = 12;
const TAG_SECTION: u8 = 13;
const EXPORT_OF_GLOBAL: u8 = 3;

/// Adds an export of a global.
pub fn export_global(wasm: &[u8], name: &str, global: u32) -> Result<Vec<u8>> {
    export_globals(wasm, [(name.to_string(), global)])
}

/// Adds exports of globals.
pub fn export_globals(wasm: &[u8], exports: impl IntoIterator<Item = (String, u32)>) -> Result<Vec<u8>> {
    let entry = |(name, global): (String, u32)| {
        let mut entry = Vec::new();
        write_u32(&mut entry, name.len() as u32);
        entry.extend(name.as_bytes());
        entry.push(EXPORT_OF_GLOBAL);
        write_u32(&mut entry, global);
        entry
    };
    append(wasm, EXPORT_SECTION, exports.into_iter().map(entry))
}

/// Adds globals behind the others, each as its type and what it begins with.
pub fn append_globals(wasm: &[u8], globals: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>> {
    append(wasm, GLOBAL_SECTION, globals)
}

/// Adds entries at the end of a section, which is made where there is none.
fn append(wasm: &[u8], section: u8, entries: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>> {
    let mut sections = sections(wasm)?;
    let place = sections.iter().position(|(id, _)| rank(*id) >= rank(section)).unwrap_or(sections.len());
    if sections.get(place).is_none_or(|(id, _)| *id != section) {
        sections.insert(place, (section, vec![0]));
    }
    let (count, rest) = read_u32(&sections[place].1).context("the number of entries")?;
    let (mut count, mut behind) = (count, rest.to_vec());
    for entry in entries {
        count += 1;
        behind.extend(entry);
    }
    let mut contents = Vec::new();
    write_u32(&mut contents, count);
    contents.extend(behind);
    sections[place].1 = contents;
    Ok(join(wasm, sections))
}

/// Where a section stands among the others; custom sections (0) may stand anywhere. Two came later than their neighbours, and have higher ids.
fn rank(id: u8) -> u8 {
    match id {
        TAG_SECTION => 2 * MEMORY_SECTION + 1,
        DATA_COUNT_SECTION => 2 * ELEMENT_SECTION + 1,
        _ => 2 * id,
    }
}

/// Replaces each function body (local declarations and code, without its length).
pub fn map_bodies(wasm: &[u8], mut change: impl FnMut(&[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let mut sections = sections(wasm)?;
    for (_, contents) in sections.iter_mut().filter(|(id, _)| *id == CODE_SECTION) {
        let (count, mut rest) = read_u32(contents).context("the number of bodies")?;
        let mut made = Vec::new();
        write_u32(&mut made, count);
        for _ in 0..count {
            let (len, behind) = read_u32(rest).context("the length of a body")?;
            let (body, next) = behind.split_at_checked(len as usize).context("a body ends within its section")?;
            let body = change(body)?;
            write_u32(&mut made, body.len() as u32);
            made.extend(body);
            rest = next;
        }
        *contents = made;
    }
    Ok(join(wasm, sections))
}

/// The module of these sections.
fn join(wasm: &[u8], sections: Vec<(u8, Vec<u8>)>) -> Vec<u8> {
    let mut made = wasm[..HEADER_LEN].to_vec();
    for (id, contents) in sections {
        made.push(id);
        write_u32(&mut made, contents.len() as u32);
        made.extend(contents);
    }
    made
}

/// Ids and contents.
fn sections(wasm: &[u8]) -> Result<Vec<(u8, Vec<u8>)>> {
    let mut sections = Vec::new();
    let mut rest = wasm.get(HEADER_LEN..).context("a module begins with 8 bytes")?;
    while let Some((&id, behind)) = rest.split_first() {
        let (len, contents) = read_u32(behind).context("the length of a section")?;
        ensure!(len as usize <= contents.len(), "section {id} ends after the module");
        let (contents, next) = contents.split_at(len as usize);
        sections.push((id, contents.to_vec()));
        rest = next;
    }
    Ok(sections)
}

/// A LEB128 number and what follows it.
fn read_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let len = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let value = bytes[..len].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((u32::try_from(value).ok()?, &bytes[len..]))
}

fn write_u32(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}
