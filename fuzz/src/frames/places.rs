//! What a frame holds before each instruction, and what the instruction does with locals, by wasmparser's validator.

use anyhow::{Context, Result};
use trjit_module::vm::EXIT_WORDS;
use trjit_module::{FuncIndex, Module};
use wasmparser::{AbstractHeapType, HeapType, Operator, Parser, RefType, ValType, ValidPayload};
use wasmparser::{FuncValidator, FuncValidatorAllocations, FunctionBody, Validator, ValidatorResources};

/// How values in a slot are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Integers and references: a word.
    Word,
    /// A reference to an exception: a number that each run gives anew.
    Exception,
    F32,
    F64,
    V128,
}

impl From<ValType> for Kind {
    fn from(ty: ValType) -> Kind {
        match ty {
            ValType::Ref(ty) if is_exception(ty) => Kind::Exception,
            ValType::I32 | ValType::I64 | ValType::Ref(_) => Kind::Word,
            ValType::F32 => Kind::F32,
            ValType::F64 => Kind::F64,
            ValType::V128 => Kind::V128,
        }
    }
}

fn is_exception(ty: RefType) -> bool {
    matches!(ty.heap_type(), HeapType::Abstract { ty: AbstractHeapType::Exn | AbstractHeapType::NoExn, .. })
}

/// What an instruction does with a local.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read(u32),
    Write(u32),
}

/// An instruction that control can come to.
pub struct Place {
    pub function: FuncIndex,
    position: u32,
    /// The operand stack before it, from below.
    pub operands: Vec<Kind>,
    pub access: Option<Access>,
    /// Whether code may leave before it.
    pub may_leave: bool,
    /// Position of the first instruction in the outermost loop around it, in which it may be executed again.
    pub again: Option<u32>,
    /// Whether it is the first one inside of a loop, where code is entered.
    is_loop_body: bool,
}

/// Of a function.
struct Function {
    /// Position of the first instruction.
    first: u32,
    locals: Vec<Kind>,
    /// By position from the first one: number of the place, or [`NOWHERE`].
    numbers: Vec<u32>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

/// Of a module.
pub struct Places {
    imported: u32,
    functions: Vec<Function>,
    /// By number: in the order of the code.
    all: Vec<Place>,
}

impl Places {
    /// Of a valid module.
    pub fn of(wasm: &[u8], module: &Module) -> Result<Places> {
        let mut validator = Validator::new_with_features(trjit_module::FEATURES);
        let (mut functions, mut all, mut memory) = (Vec::new(), Vec::new(), FuncValidatorAllocations::default());
        let imported = module.imported_functions();
        for payload in Parser::new(0).parse_all(wasm) {
            if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
                let index = FuncIndex(imported + functions.len() as u32);
                let record = module.function(index).context("a function for each body")?;
                let fits = record.frame_slots as usize * module.slot_words() <= EXIT_WORDS;
                let mut validator = function.into_validator(memory);
                functions.push(Function::of(index, record.code_start, fits, &mut validator, &body, &mut all)?);
                memory = validator.into_allocations();
            }
        }
        Ok(Places { imported, functions, all })
    }

    fn function(&self, function: FuncIndex) -> Option<&Function> {
        self.functions.get(function.0.checked_sub(self.imported)? as usize)
    }

    pub fn at(&self, function: FuncIndex, position: u32) -> Option<&Place> {
        self.all.get(self.number(function, position)? as usize)
    }

    /// Which of [`all`](Self::all) that is.
    pub fn number(&self, function: FuncIndex, position: u32) -> Option<u32> {
        let function = self.function(function)?;
        let number = *function.numbers.get(position.checked_sub(function.first)? as usize)?;
        (number != NOWHERE).then_some(number)
    }

    /// All places, in the order of the code.
    pub fn all(&self) -> &[Place] {
        &self.all
    }

    /// Kinds of the locals, parameters first.
    pub fn locals(&self, function: FuncIndex) -> &[Kind] {
        self.function(function).map_or(&[], |function| &function.locals)
    }

    /// Whether a frame of the function begins there.
    pub fn is_entry(&self, function: FuncIndex, position: u32) -> bool {
        self.function(function).is_some_and(|function| function.first == position)
    }

    pub fn may_leave(&self, function: FuncIndex, position: u32) -> bool {
        self.at(function, position).is_some_and(|place| place.may_leave)
    }

    /// Where code of loops is entered.
    pub fn loop_bodies(&self) -> Vec<(FuncIndex, u32)> {
        let bodies = self.all.iter().filter(|place| place.is_loop_body);
        bodies.map(|place| (place.function, place.position)).collect()
    }

    /// From now on code may only leave where it could, and where this is true, by number.
    pub fn leave_only(&mut self, chosen: &[bool]) {
        self.all.iter_mut().zip(chosen).for_each(|(place, &chosen)| place.may_leave &= chosen);
    }
}

impl Function {
    /// `first` is the position of the body's first instruction; `fits`: exits have room for its frame. Its places go to `all`.
    fn of(
        function: FuncIndex,
        first: u32,
        fits: bool,
        validator: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
        all: &mut Vec<Place>,
    ) -> Result<Function> {
        validator.read_locals(&mut body.get_binary_reader())?;
        let locals = (0..validator.len_locals()).map(|local| Ok(validator.get_local_type(local).context("a local")?.into()));
        let locals = locals.collect::<Result<Vec<Kind>>>()?;
        let mut reader = body.get_operators_reader()?;
        let start = reader.original_position();
        let mut numbers = vec![NOWHERE; (body.range().end - start) as usize];
        let (mut is_loop_body, mut again) = (false, Again::default());
        while !reader.eof() {
            let at = reader.original_position();
            let operator = reader.read()?;
            let position = first + (at - start) as u32;
            let again = again.step(&operator, position, is_loop_body);
            if let Some(operands) = operands(validator) {
                // A trap is shorter than an exit; branches that return come to the last `end` past where code leaves.
                let may_leave = fits && !matches!(operator, Operator::Unreachable) && !reader.eof();
                numbers[(at - start) as usize] = all.len() as u32;
                all.push(Place { function, position, operands, access: access(&operator), may_leave, again, is_loop_body });
            }
            is_loop_body = matches!(operator, Operator::Loop { .. });
            validator.op(at, &operator)?;
        }
        Ok(Function { first, locals, numbers })
    }
}

/// The outermost loop around an instruction.
#[derive(Default)]
struct Again {
    /// Blocks that are open.
    depth: u32,
    /// How many there are around the loop, and the position of its first instruction.
    outermost: Option<(u32, u32)>,
}

impl Again {
    /// That around the next instruction.
    fn step(&mut self, operator: &Operator<'_>, position: u32, is_loop_body: bool) -> Option<u32> {
        if is_loop_body && self.outermost.is_none() {
            self.outermost = Some((self.depth - 1, position));
        }
        let around = self.outermost.map(|(_, position)| position);
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => self.depth += 1,
            Operator::End => {
                self.depth = self.depth.saturating_sub(1);
                self.outermost = self.outermost.filter(|&(depth, _)| depth < self.depth);
            }
            _ => {}
        }
        around
    }
}

/// The operand stack, from below; `None` where nothing can come.
fn operands(validator: &FuncValidator<ValidatorResources>) -> Option<Vec<Kind>> {
    let frames = 0..validator.control_stack_height() as usize;
    if !frames.into_iter().all(|depth| validator.get_control_frame(depth).is_some_and(|frame| !frame.unreachable)) {
        return None;
    }
    let operands = (0..validator.operand_stack_height() as usize).rev();
    operands.map(|depth| Some(validator.get_operand_type(depth)??.into())).collect()
}

fn access(operator: &Operator<'_>) -> Option<Access> {
    match *operator {
        Operator::LocalGet { local_index } => Some(Access::Read(local_index)),
        Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => Some(Access::Write(local_index)),
        _ => None,
    }
}
