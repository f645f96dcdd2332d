//! The pprof format: a Protocol Buffers message `perftools.profiles.Profile`, within gzip.
//!
//! A message is a sequence of fields, each a key (number * 8 + kind) and a value: kind 0 is a LEB128 number, kind 2 a length and bytes (a string, a message, or packed numbers). The schema is so
//! small that the fields are written here, by number. The gzip member holds the bytes as they are: what reads the one must read the other, and compression can be had by `gzip`.
//!
//! ```text
//! Profile    1 sample_type 2 sample 3 mapping 4 location 5 function 6 string_table 10 duration_nanos 13 comment 14 default_sample_type
//! ValueType  1 type 2 unit              Sample    1 location_id.. (innermost first) 2 value..
//! Mapping    1 id 3 memory_limit 5 filename 6 build_id 7 has_functions
//! Location   1 id 2 mapping_id 3 address 4 line     Line  1 function_id     Function  1 id 2 name 3 system_name 4 filename
//! ```
//! Texts are numbers of the string table, whose first is empty; ids are from 1 on. Each function is one location, at its offset in the wasm file.

use super::stacks::Stack;
use std::collections::HashMap;
use trjit_trace::varint;

/// What is to be told of the program.
pub struct Program<'a> {
    pub module: &'a str,
    /// Identifies the build, in hexadecimal digits.
    pub build: &'a str,
    pub wasm_len: u64,
    /// How long the runs took.
    pub nanos: u64,
    /// Name and offset in the wasm file of each function, by the numbers in the stacks.
    pub functions: &'a [(String, u64)],
    /// What the values are: name and unit.
    pub values: [(&'a str, &'a str); 2],
    /// Which of them is to be shown first.
    pub shown: usize,
    pub comment: &'a str,
}

/// The file.
pub fn encode(program: &Program<'_>, stacks: &[Stack]) -> Vec<u8> {
    gzip(&profile(program, stacks))
}

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Left out where it is 0, as readers expect.
    fn number(&mut self, field: u64, value: u64) -> &mut Message {
        if value != 0 {
            varint::push(&mut self.0, field << 3);
            varint::push(&mut self.0, value);
        }
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Message {
        varint::push(&mut self.0, field << 3 | 2);
        varint::push(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn packed(&mut self, field: u64, values: impl IntoIterator<Item = u64>) -> &mut Message {
        let mut bytes = Vec::new();
        values.into_iter().for_each(|value| varint::push(&mut bytes, value));
        self.bytes(field, &bytes)
    }

    fn message(&mut self, field: u64, message: &Message) -> &mut Message {
        self.bytes(field, &message.0)
    }
}

/// The string table in the making.
struct Texts {
    numbers: HashMap<String, u64>,
    texts: Vec<String>,
}

impl Texts {
    fn new() -> Texts {
        Texts { numbers: HashMap::from([(String::new(), 0)]), texts: vec![String::new()] }
    }

    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as u64;
        self.numbers.insert(text.to_string(), number);
        self.texts.push(text.to_string());
        number
    }
}

fn profile(program: &Program<'_>, stacks: &[Stack]) -> Vec<u8> {
    let (mut out, mut texts) = (Message::default(), Texts::new());
    for (what, unit) in program.values {
        let mut value_type = Message::default();
        value_type.number(1, texts.number(what)).number(2, texts.number(unit));
        out.message(1, &value_type);
    }
    for stack in stacks {
        let mut sample = Message::default();
        sample.packed(1, stack.frames.iter().rev().map(|&function| function as u64 + 1));
        // The schema's numbers are signed.
        sample.packed(2, stack.values.map(|value| value.min(i64::MAX as u64)));
        out.message(2, &sample);
    }
    let file = texts.number(program.module);
    let mut mapping = Message::default();
    mapping.number(1, 1).number(3, program.wasm_len).number(5, file).number(6, texts.number(program.build)).number(7, 1);
    out.message(3, &mapping);
    for (id, (_, offset)) in (1..).zip(program.functions) {
        let (mut location, mut line) = (Message::default(), Message::default());
        line.number(1, id);
        out.message(4, location.number(1, id).number(2, 1).number(3, *offset).message(4, &line));
    }
    for (id, (name, _)) in (1..).zip(program.functions) {
        let (mut function, name) = (Message::default(), texts.number(name));
        out.message(5, function.number(1, id).number(2, name).number(3, name).number(4, file));
    }
    let (comment, shown) = (texts.number(program.comment), texts.number(program.values[program.shown].0));
    for text in &texts.texts {
        out.bytes(6, text.as_bytes());
    }
    out.number(10, program.nanos).packed(13, [comment]).number(14, shown);
    out.0
}

/// Most bytes of a block that is not compressed.
const BLOCK: usize = 0xffff;

/// A gzip member: a head without name and time, blocks of bytes as they are, CRC-32 and length.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut rest = bytes;
    loop {
        let (block, behind) = rest.split_at(rest.len().min(BLOCK));
        rest = behind;
        let len = block.len() as u16;
        out.push(u8::from(rest.is_empty()));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
        if rest.is_empty() {
            break;
        }
    }
    out.extend(crc32(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    let table: [u32; 256] = std::array::from_fn(|byte| (0..8).fold(byte as u32, |crc, _| step(crc)));
    !bytes.iter().fold(u32::MAX, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that the definition of CRC-32 gives for its check.
    #[test]
    fn the_checksum_is_gzips() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn long_contents_take_several_blocks() {
        for len in [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let file = gzip(&vec![7; len]);
            let blocks = len.div_ceil(BLOCK).max(1);
            assert_eq!(file.len(), 10 + 5 * blocks + len + 8, "{len}");
            let last = 10 + (blocks - 1) * (5 + BLOCK);
            assert_eq!((file[last], file[10] == 1), (1, blocks == 1), "{len}");
        }
    }
}
