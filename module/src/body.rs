//! One pass over a function body: validates each operator and writes the side table, the frame's size and the flags.

use crate::bodies::CodeError;
use crate::builder::Builder;
use crate::error::ParseError;
use crate::flat::{FunctionRecord, HandlerRecord, Range};
use crate::module::Module;
use crate::side_table::{LabelKind, Labels, Shape, SideTable};
use crate::{features, sections};
use wasmparser::{BinaryReader, BlockType, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, ValidatorResources};

/// The opcodes that this pass looks at.
mod opcode {
    pub const UNREACHABLE: u8 = 0x00;
    pub const BLOCK: u8 = 0x02;
    pub const LOOP: u8 = 0x03;
    pub const IF: u8 = 0x04;
    pub const ELSE: u8 = 0x05;
    pub const END: u8 = 0x0b;
    pub const BR: u8 = 0x0c;
    pub const BR_IF: u8 = 0x0d;
    pub const BR_TABLE: u8 = 0x0e;
    pub const RETURN: u8 = 0x0f;
    pub const CALL: u8 = 0x10;
    pub const CALL_INDIRECT: u8 = 0x11;
    pub const THROW: u8 = 0x08;
    pub const THROW_REF: u8 = 0x0a;
    pub const RETURN_CALL: u8 = 0x12;
    pub const RETURN_CALL_INDIRECT: u8 = 0x13;
    pub const CALL_REF: u8 = 0x14;
    pub const RETURN_CALL_REF: u8 = 0x15;
    pub const TRY_TABLE: u8 = 0x1f;
    pub const BR_ON_NULL: u8 = 0xd5;
    pub const BR_ON_NON_NULL: u8 = 0xd6;
    pub const TABLE_SET: u8 = 0x26;
    pub const MISC: u8 = 0xfc;
    pub const SIMD: u8 = 0xfd;
}

/// Those behind [`opcode::MISC`] that change elements of a table. `table.grow` only adds some.
mod misc {
    pub const TABLE_INIT: u32 = 12;
    pub const TABLE_COPY: u32 = 14;
    pub const TABLE_FILL: u32 = 17;
}

/// Memory that is used again from body to body.
#[derive(Default)]
pub(crate) struct Scratch {
    validator: FuncValidatorAllocations,
    labels: Labels,
}

/// The body of `record`, to be read with wasmparser. Positions (`original_position`, errors' offsets) are offsets in [`Module::code`].
pub fn body_reader<'m>(module: &'m Module, record: &FunctionRecord) -> Result<FunctionBody<'m>, CodeError> {
    let code = module.body(record)?.code;
    Ok(FunctionBody::new(BinaryReader::new_features(code, record.body.offset.into(), features::FEATURES)))
}

impl<'a> Builder<'a> {
    /// Validates the next body and adds its record and side table.
    pub(crate) fn function_body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'a>,
        scratch: &mut Scratch,
    ) -> Result<(), ParseError> {
        let type_index = function.ty;
        let mut validator = function.into_validator(std::mem::take(&mut scratch.validator));
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        let (params, results) = self.arity(type_index);
        let range = sections::range(body.range());
        let first = reader.original_position() as u32;
        let side_table_start = self.side_table.len() as u32;
        let mut sites = self.indirect_sites;
        let handlers_start = self.handlers.len() as u32;
        // Taken out so that the pass can look at types while it writes entries.
        let mut entries = std::mem::take(&mut self.side_table);
        let locals = validator.len_locals();
        let shape = Shape { params: results, results, base: locals };
        let table = SideTable::new(&mut entries, std::mem::take(&mut scratch.labels), shape);
        let mut pass = Pass {
            builder: self,
            validator,
            table,
            wasm: body.as_bytes(),
            start: range.offset,
            first,
            locals,
            deepest: 0,
            sites: &mut sites,
            flags: 0,
            uses_v128: false,
            written_tables: Vec::new(),
        };
        pass.run(reader)?;
        let Pass { validator, table, deepest, flags, mut uses_v128, written_tables, .. } = pass;
        uses_v128 |= (0..locals).any(|local| validator.get_local_type(local) == Some(wasmparser::ValType::V128));
        scratch.validator = validator.into_allocations();
        scratch.labels = table.into_labels();
        self.uses_v128 |= uses_v128;
        self.written_tables.extend(written_tables);
        self.handlers.append(&mut scratch.labels.handlers);
        self.side_table = entries;
        self.functions.push(FunctionRecord {
            type_index,
            body: Range { offset: range.offset - self.code_range.offset, len: range.len },
            code_start: first - self.code_range.offset,
            params,
            results,
            locals,
            frame_slots: (locals + deepest).max(results),
            side_table_start,
            side_table_len: self.side_table.len() as u32 - side_table_start,
            indirect_sites_start: self.indirect_sites,
            indirect_sites_len: sites - self.indirect_sites,
            handlers_start,
            handlers_len: self.handlers.len() as u32 - handlers_start,
            flags,
        });
        self.indirect_sites = sites;
        Ok(())
    }
}

struct Pass<'p, 'a> {
    builder: &'p Builder<'a>,
    validator: FuncValidator<ValidatorResources>,
    table: SideTable<'p>,
    /// The body.
    wasm: &'a [u8],
    /// Positions in the wasm file: of the body, and of its first instruction.
    start: u32,
    first: u32,
    locals: u32,
    /// The operand stack at its deepest.
    deepest: u32,
    sites: &'p mut u32,
    flags: u32,
    /// Whether an instruction of SIMD was seen.
    uses_v128: bool,
    /// Tables whose elements instructions change.
    written_tables: Vec<u32>,
}

impl<'a> Pass<'_, 'a> {
    fn run(&mut self, mut reader: BinaryReader<'a>) -> Result<(), ParseError> {
        while !reader.eof() {
            let at = reader.original_position();
            reader.visit_operator(&mut self.validator.visitor(at))??;
            self.deepest = self.deepest.max(self.validator.operand_stack_height());
            let position = (at as u32 - self.start) as usize;
            let opcode = self.wasm[position];
            let is_control = opcode <= opcode::RETURN_CALL_REF || opcode == opcode::TRY_TABLE;
            if is_control || opcode == opcode::BR_ON_NULL || opcode == opcode::BR_ON_NON_NULL {
                self.control(opcode, at as u32 - self.first, reader.original_position() as u32 - self.first, position + 1)?;
            }
            if opcode == opcode::TABLE_SET || opcode == opcode::MISC {
                self.written_tables.extend(self.written_table(opcode, position + 1)?);
            }
            self.uses_v128 |= opcode == opcode::SIMD;
        }
        let at = reader.original_position();
        reader.finish_expression(&self.validator.visitor(at))?;
        Ok(())
    }

    /// Follows a control instruction at `ip` that was just validated; its immediates begin at `operands` in the body.
    fn control(&mut self, opcode: u8, ip: u32, next_ip: u32, operands: usize) -> Result<(), ParseError> {
        match opcode {
            opcode::BLOCK => self.table.open(LabelKind::Block, self.shape(), next_ip),
            opcode::LOOP => {
                self.flags |= FunctionRecord::HAS_LOOP;
                self.table.open(LabelKind::Loop, self.shape(), next_ip);
            }
            opcode::IF => self.table.open_if(self.shape(), ip),
            opcode::ELSE => self.table.otherwise(ip, next_ip),
            opcode::END => self.table.end(ip, next_ip),
            opcode::BR => {
                self.table.branch(ip, self.immediates(operands).read_var_u32()?);
                self.table.stop();
            }
            opcode::BR_IF | opcode::BR_ON_NULL | opcode::BR_ON_NON_NULL => self.table.branch(ip, self.immediates(operands).read_var_u32()?),
            opcode::BR_TABLE => {
                let mut immediates = self.immediates(operands);
                // The default label follows the others.
                for _ in 0..=immediates.read_var_u32()? {
                    self.table.branch(ip, immediates.read_var_u32()?);
                }
                self.table.stop();
            }
            opcode::RETURN | opcode::UNREACHABLE | opcode::THROW | opcode::THROW_REF => self.table.stop(),
            opcode::TRY_TABLE => self.try_table(ip, next_ip, operands)?,
            opcode::CALL => self.flags |= FunctionRecord::HAS_CALL,
            opcode::CALL_INDIRECT | opcode::CALL_REF => {
                self.flags |= FunctionRecord::HAS_CALL;
                self.table.indirect_call(self.sites);
            }
            opcode::RETURN_CALL => {
                self.flags |= FunctionRecord::HAS_CALL;
                self.table.stop();
            }
            opcode::RETURN_CALL_INDIRECT | opcode::RETURN_CALL_REF => {
                self.flags |= FunctionRecord::HAS_CALL;
                self.table.indirect_call(self.sites);
                self.table.stop();
            }
            _ => {}
        }
        Ok(())
    }

    /// The clauses' entries, whose labels count from outside of the block, then the block.
    fn try_table(&mut self, ip: u32, next_ip: u32, operands: usize) -> Result<(), ParseError> {
        let mut immediates = self.immediates(operands);
        skip_block_type(&mut immediates)?;
        let clauses = immediates.read_var_u32()?;
        for _ in 0..clauses {
            let kind = u32::from(immediates.read_u8()?);
            let has_tag = kind <= HandlerRecord::CATCH_REF;
            let tag = if has_tag { immediates.read_var_u32()? } else { 0 };
            self.table.catch(ip, kind, tag, immediates.read_var_u32()?);
        }
        self.table.open_try(self.shape(), next_ip, clauses as usize);
        Ok(())
    }

    /// The table whose elements an instruction changes, where it does.
    fn written_table(&self, opcode: u8, operands: usize) -> Result<Option<u32>, ParseError> {
        let mut immediates = self.immediates(operands);
        if opcode == opcode::MISC {
            match immediates.read_var_u32()? {
                // The segment comes first.
                misc::TABLE_INIT => immediates.read_var_u32()?,
                misc::TABLE_COPY | misc::TABLE_FILL => 0,
                _ => return Ok(None),
            };
        }
        Ok(Some(immediates.read_var_u32()?))
    }

    fn immediates(&self, operands: usize) -> BinaryReader<'a> {
        BinaryReader::new(&self.wasm[operands..], u64::from(self.start) + operands as u64)
    }

    /// The shape of the block that the validator has just entered.
    fn shape(&self) -> Shape {
        // A block was just entered, so there is a frame.
        let (block_type, height) =
            self.validator.get_control_frame(0).map_or((BlockType::Empty, 0), |frame| (frame.block_type, frame.height));
        let (params, results) = match block_type {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.builder.arity(ty),
        };
        Shape { params, results, base: self.locals + height as u32 }
    }
}

/// Steps over a block type: a signed number, or the prefix of a reference type with its heap type behind it.
fn skip_block_type(reader: &mut BinaryReader<'_>) -> Result<(), ParseError> {
    let mut byte = reader.read_u8()?;
    if byte == 0x63 || byte == 0x64 {
        byte = reader.read_u8()?;
    }
    while byte & 0x80 != 0 {
        byte = reader.read_u8()?;
    }
    Ok(())
}
