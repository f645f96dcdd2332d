//! `Module::parse`: walks the sections of a wasm module once, validates everything on the way, and leaves the flat tables.
//!
//! ```text
//! wasm bytes -> prefix check -> walk: for each section  validator, then sections.rs (records)
//!                                     for each body     body.rs (validator and side table in one pass)
//!            -> names.rs -> builder.rs (flat buffer) -> Module::from_flat
//! refused bytes -> features.rs (which feature is missing?) -> ParseError
//! ```

use crate::body::Scratch;
use crate::builder::Builder;
use crate::error::ParseError;
use crate::flat::Range;
use crate::module::Module;
use crate::{features, names, sections};
use bytes::Bytes;
use wasmparser::{BinaryReader, Parser, Payload, Validator};

const MAGIC: &[u8; 4] = b"\0asm";

impl Module {
    /// Parses and validates a core module in the binary format. `code` and `data` of the module share the given bytes.
    pub fn parse(wasm: impl Into<Bytes>) -> Result<Module, ParseError> {
        let wasm = wasm.into();
        check_prefix(&wasm)?;
        let builder = walk(&wasm).map_err(|error| match error {
            ParseError::Invalid { .. } => features::diagnose(&wasm, error),
            other => other,
        })?;
        let (code, data) = (slice(&wasm, builder.code_range), slice(&wasm, builder.data_range));
        let image = builder.finish(&wasm)?;
        Ok(Module::from_flat(image, code, data)?)
    }
}

fn slice(wasm: &Bytes, range: Range) -> Bytes {
    wasm.slice(range.offset as usize..range.offset as usize + range.len as usize)
}

/// Tells what is no module at all.
fn check_prefix(wasm: &[u8]) -> Result<(), ParseError> {
    if !wasm.starts_with(MAGIC) {
        let hex: Vec<String> = wasm.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let found = match wasm.len() {
            0 => "it is empty".to_string(),
            _ => format!("begins with {}", hex.join(" ")),
        };
        return Err(ParseError::NotWasm { found });
    }
    // Bytes 4 and 5 are the version, 6 and 7 the layer: 0 for modules, 1 for components.
    if wasm.get(6..8) == Some(&[1, 0]) {
        return Err(ParseError::Component);
    }
    match u32::try_from(wasm.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ParseError::TooLarge { what: "bytes", found: wasm.len() as u64 }),
    }
}

fn walk(wasm: &[u8]) -> Result<Builder<'_>, ParseError> {
    let mut validator = Validator::new_with_features(features::FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(features::FEATURES);
    let mut builder = Builder::default();
    let mut scratch = Scratch::default();
    let mut name_section = None;
    for payload in parser.parse_all(wasm) {
        let payload = payload?;
        match payload {
            Payload::CodeSectionEntry(body) => {
                let function = validator.code_section_entry(&body)?;
                builder.function_body(function, &body, &mut scratch)?;
            }
            Payload::CustomSection(section) => {
                if section.name() == "name" && name_section.is_none() {
                    name_section = Some(BinaryReader::new(section.data(), section.data_offset()));
                }
            }
            payload => {
                validator.payload(&payload)?;
                section(&mut builder, payload)?;
            }
        }
    }
    if let Some(section) = name_section {
        names::read(section, &mut builder);
    }
    Ok(builder)
}

/// Adds the records of a validated section.
fn section<'a>(builder: &mut Builder<'a>, payload: Payload<'a>) -> Result<(), ParseError> {
    match payload {
        Payload::TypeSection(section) => builder.type_section(section),
        Payload::ImportSection(section) => builder.import_section(section),
        Payload::FunctionSection(section) => builder.function_section(section),
        Payload::TableSection(section) => builder.table_section(section),
        Payload::MemorySection(section) => builder.memory_section(section),
        Payload::TagSection(section) => builder.tag_section(section),
        Payload::GlobalSection(section) => builder.global_section(section),
        Payload::ExportSection(section) => builder.export_section(section),
        Payload::ElementSection(section) => builder.element_section(section),
        Payload::DataSection(section) => builder.data_section(section),
        Payload::StartSection { func, .. } => {
            builder.start = Some(func);
            Ok(())
        }
        Payload::CodeSectionStart { unchecked_range, .. } => {
            // A section that goes past the end of the file makes its last body fail; without bodies it has contents that are read already.
            builder.code_range = sections::range(unchecked_range);
            Ok(())
        }
        _ => Ok(()),
    }
}
