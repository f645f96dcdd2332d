//! A function body to Cranelift IR, in one pass.
//!
//! The operand stack of wasm becomes a stack of SSA values, locals become variables of the builder or slots of the frame, labels become blocks. What cannot be reached is
//! skipped, so every instruction that is translated finds its operands on the stack.
//!
//! **Conditions are lazy**: a comparison pushes Cranelift's `i8`; whoever needs a number widens it ([`Translator::pop`]), branches and `select` take it as it
//! is ([`Translator::pop_condition`]).
//!
//! **Entry in the middle** ([`Entry::At`]) is in `landing.rs`, leaving there in `exits.rs`.

mod atomics;
mod calls;
mod climbing;
mod control;
mod counting;
mod exceptions;
mod exits;
mod fuel;
mod guards;
mod landing;
mod locals;
mod memory;
mod numeric;
mod operators;
mod reliance;
mod simd;
mod tables;
mod unroll;

pub use self::unroll::Copies;

use self::counting::Counting;
use self::exceptions::TryScope;
use self::exits::{Exits, Shared};
use self::landing::Landing;
use self::locals::Locals;
use self::reliance::Reliance;
use self::unroll::{Start, Walk};
use crate::env::Env;
use crate::fault::{Fault, Res};
use crate::heat::{Heat, Walked};
use crate::side_entries::SideEntries;
use crate::signature::{self, clif_type, clif_type_of, returns_by_pointer};
use crate::slots::Slots;
use crate::state::{BlockSig, Frame, FrameKind};
use cranelift_codegen::ir::{Block, BlockArg, Function, InstBuilder, SourceLoc, StackSlot, Type, UserFuncName, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::cell::RefCell;
use std::ops::Range;
use trjit_code::place::INLINED;
use trjit_code::{Assumption, CompileRequest, Entry, InlinedPlace};
use trjit_module::vm::ended;
use trjit_module::{FuncIndex, FuncType};
use wasmparser::{FunctionBody, Operator, OperatorsReader};

/// Where results go.
#[derive(Clone, Copy)]
enum Results {
    Registers,
    /// To slots behind this pointer, nothing is returned.
    Pointer(Value),
    /// To the slots of the interpreter's frame, and the driver is told that the function is done.
    Driver(Slots),
}

/// The body's bytes, of which fuel asks for opcodes.
struct Opcodes<'a> {
    bytes: &'a [u8],
    /// Position of the first byte.
    start: u32,
    /// Position of the first instruction.
    first: u32,
}

/// The state of one translation.
pub struct Translator<'a, 'b> {
    b: FunctionBuilder<'b>,
    env: Env<'a>,
    request: CompileRequest<'a>,
    ty: FuncType<'a>,
    results: Results,
    landing: Option<Landing>,
    /// Where the code may leave for the interpreter.
    exits: Option<Exits<'a>>,
    /// What the exits so far share.
    shared: Shared,
    /// What the code assumes of the instance.
    reliance: Reliance,
    locals: Locals,
    stack: Vec<Value>,
    /// For each position of the operand stack: variables that hold values below a frame where code may land.
    stack_variables: Vec<Vec<(Type, Variable)>>,
    frames: Vec<Frame<'a>>,
    /// The open `try_table`s, outermost first.
    tries: Vec<TryScope>,
    /// Whether the current instruction can be reached. If not, `dead_frames` counts the frames opened since.
    reachable: bool,
    dead_frames: u32,
    /// The block where the base of that memory was last loaded, and the base.
    known_base: Option<(Block, u32, Value)>,
    /// Slots for what is handed over in memory: results of calls that return them through a pointer, payloads of exceptions. Shared by all of them, since
    /// they are loaded right after the call, or read by it.
    scratch: Option<StackSlot>,
    opcodes: Opcodes<'a>,
    /// What training executed, where there was any.
    heat: Option<Heat>,
    /// In tiers that count.
    counting: Option<Counting<'a>>,
    /// The current instruction's entries of the function's side table.
    entries: Range<u32>,
    /// Of the current instruction.
    position: u32,
    caller: Option<Caller<'a>>,
    /// What the straight code so far costs, and was not charged yet.
    fuel_used: i64,
    /// What to go back to in the loop that the current instruction opens, where that is unrolled.
    unrolled: Option<Start<'a>>,
    /// Whether the next instruction is the first one of the innermost frame, an unrolled loop.
    goes_back: bool,
    /// Arguments of the next branch; kept for its memory.
    branch_args: Vec<BlockArg>,
}

/// The call that a body is translated for, where it will be inlined.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The function that is compiled.
    pub root: FuncIndex,
    /// The place of the call.
    pub place: u32,
    /// Those of the whole function that is compiled.
    pub places: &'a RefCell<Vec<InlinedPlace>>,
}

/// Fills `func` with the request's IR; with a caller the body's instructions have places of their own. Returns what the code assumes of the instance.
pub fn function<'a>(
    request: &CompileRequest<'a>,
    walked: &Walked<'_>,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
    caller: Option<Caller<'a>>,
) -> Res<Vec<Assumption>> {
    let module = request.module;
    let record = module.function(request.function).ok_or_else(|| Fault::internal("it has no body"))?;
    let ty = module.func_type(module.type_of(request.function));
    func.name = UserFuncName::user(crate::env::FUNCTIONS, request.function.0);
    func.signature = match request.entry {
        Entry::Start => signature::compiled(ty)?,
        Entry::At(_) => signature::from_slots(),
    };
    let env = Env::new(module, request.settings, func);
    let body = trjit_module::body_reader(module, record)?;
    let first = body.get_operators_reader()?.original_position() as u32;
    let mut translator = Translator {
        b: FunctionBuilder::new(func, context),
        env,
        request: *request,
        ty,
        results: Results::Registers,
        landing: None,
        exits: Exits::of(request),
        shared: Shared::default(),
        reliance: Reliance::default(),
        locals: Locals::none(),
        stack: Vec::new(),
        stack_variables: Vec::new(),
        frames: Vec::new(),
        tries: Vec::new(),
        reachable: true,
        dead_frames: 0,
        known_base: None,
        scratch: None,
        opcodes: Opcodes { bytes: body.as_bytes(), start: record.body.offset, first },
        heat: Heat::of(walked, request.function, first)?,
        counting: Counting::of(module, request.function, request.tier)?,
        entries: 0..0,
        position: first,
        caller,
        fuel_used: 0,
        unrolled: None,
        goes_back: false,
        branch_args: Vec::new(),
    };
    let types = local_types(ty, &body)?;
    translator.declare_locals(request.tier, &types);
    translator.look_for_reliance()?;
    match request.entry {
        Entry::Start => translator.enter_at_start(&types, first)?,
        Entry::At(offset) => translator.enter_at(&types, offset)?,
    }
    translator.body(body.get_operators_reader()?)?;
    let assumptions = translator.reliance.assumptions();
    translator.finish(config)?;
    Ok(assumptions)
}

/// Types of parameters and declared locals.
fn local_types(ty: FuncType<'_>, body: &FunctionBody<'_>) -> Res<Vec<Type>> {
    let mut types = ty.params().map(clif_type).collect::<Res<Vec<_>>>()?;
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        types.extend(std::iter::repeat_n(clif_type_of(ty)?, count as usize));
    }
    Ok(types)
}

impl<'a> Translator<'a, '_> {
    fn entry_block(&mut self) -> Vec<Value> {
        let entry = self.b.create_block();
        self.b.append_block_params_for_function_params(entry);
        self.b.switch_to_block(entry);
        self.b.seal_block(entry);
        self.b.block_params(entry).to_vec()
    }

    /// `first` is the position of the first instruction.
    fn enter_at_start(&mut self, types: &[Type], first: u32) -> Res<()> {
        let values = self.entry_block();
        self.env.set_vmctx(values[0]);
        let mut params = &values[1..];
        if returns_by_pointer(self.ty) {
            self.results = Results::Pointer(params[0]);
            params = &params[1..];
        }
        for (local, &value) in params.iter().enumerate() {
            self.local_init(local as u32, value)?;
        }
        let mut zeros: Vec<(Type, Value)> = Vec::new();
        for (local, &ty) in types.iter().enumerate().skip(params.len()) {
            let known = zeros.iter().find(|zero| zero.0 == ty).map(|zero| zero.1);
            let zero = known.unwrap_or_else(|| self.zero(ty));
            if known.is_none() {
                zeros.push((ty, zero));
            }
            self.local_init(local as u32, zero)?;
        }
        self.count_entry()?;
        self.charge_entry(first)
    }

    fn zero(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.b.ins().f32const(0.0),
            types::F64 => self.b.ins().f64const(0.0),
            _ if ty.is_vector() => self.zero_vector(ty),
            _ => self.b.ins().iconst(ty, 0),
        }
    }

    fn body(&mut self, reader: OperatorsReader<'a>) -> Res<()> {
        self.frames.push(Frame {
            kind: FrameKind::Block,
            sig: BlockSig::Func(FuncType::new(&[], self.ty.result_codes())),
            height: 0,
            next: None,
            spilled: false,
        });
        let mut walk = Walk { reader, entries: SideEntries::new() };
        while !self.frames.is_empty() {
            self.instruction(&mut walk)?;
            self.go_back(&mut walk);
        }
        Ok(())
    }

    fn instruction(&mut self, walk: &mut Walk<'a>) -> Res<()> {
        let (operator, position) = walk.reader.read_with_offset()?;
        (self.entries, _) = walk.entries.step(&operator);
        if self.reachable {
            self.begin_instruction(&operator, position as u32)?;
        }
        if !self.reachable {
            return self.skip(&operator);
        }
        self.position = position as u32;
        self.set_position(position as u32);
        self.count_fuel(position)?;
        self.unrolled = self.start_of_unrolled(walk, &operator, position as u32)?;
        let after = walk.reader.original_position() as u32;
        self.operator(&operator, after)?;
        self.test_assumptions(&operator, after)
    }

    /// Code may enter here, or leave.
    fn begin_instruction(&mut self, operator: &Operator<'_>, position: u32) -> Res<()> {
        if self.lands_at(position) {
            self.land_here()?;
        }
        self.mark_cold(position);
        self.leave_or_stay(operator, position)
    }

    /// What is emitted from now on comes from the instruction at that position.
    fn set_position(&mut self, position: u32) {
        let place = match self.caller {
            None => position,
            Some(Caller { place, places, .. }) => {
                let mut places = places.borrow_mut();
                places.push(InlinedPlace { wasm: position, caller: place });
                INLINED | (places.len() as u32 - 1)
            }
        };
        self.b.set_srcloc(SourceLoc::new(place));
    }

    /// What is emitted from now on is the end of side exits, the first of which is there. In an inlined body that is a call, whose frame stands for the code around alone: the interpreted
    /// frame shows itself.
    fn set_position_of_tail(&mut self, first: u32) {
        let place = self.caller.map_or(first, |caller| caller.place);
        self.b.set_srcloc(SourceLoc::new(place));
    }

    /// Moves the current block to the end of the function where training never executed the instruction at that position, which is then all of the block.
    fn mark_cold(&mut self, position: u32) {
        let is_cold = self.heat.as_mut().is_some_and(|heat| heat.is_cold(position));
        self.mark_block(is_cold);
    }

    /// Moves the current block to the end of the function where it is cold.
    fn mark_block(&mut self, is_cold: bool) {
        if let Some(block) = self.b.current_block().filter(|_| is_cold) {
            self.b.set_cold_block(block);
        }
    }

    fn finish(mut self, config: TargetFrontendConfig) -> Res<()> {
        if let Some(position) = self.landing.as_ref().and_then(Landing::missed) {
            return Err(Fault::internal(format!("no reachable instruction stands at position {position}")));
        }
        if self.reachable {
            let results = self.stack.split_off(self.stack.len().saturating_sub(self.ty.results().len()));
            self.emit_return(&results);
        }
        self.end_exits()?;
        self.b.finalize(config);
        Ok(())
    }

    /// Returns with `values`, which are widened already.
    fn emit_return(&mut self, values: &[Value]) {
        match self.results {
            Results::Registers => {
                self.b.ins().return_(values);
            }
            Results::Pointer(base) => {
                let slots = Slots { base, words: self.ty.result_words(), flags: self.env.flags.slot };
                slots.store_all(&mut self.b, values);
                self.b.ins().return_(&[]);
            }
            Results::Driver(slots) => {
                slots.store_all(&mut self.b, values);
                self.return_status(ended::DONE);
            }
        }
    }

    /// Returns to the driver.
    fn return_status(&mut self, status: u64) {
        let status = self.b.ins().iconst(types::I64, status as i64);
        self.b.ins().return_(&[status]);
    }
}

/// The operand stack.
impl Translator<'_, '_> {
    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// The top as it is: a comparison's result may be an `i8`.
    fn pop_condition(&mut self) -> Res<Value> {
        self.stack.pop().ok_or_else(|| Fault::internal("the operand stack is empty"))
    }

    /// The top with its wasm type.
    fn pop(&mut self) -> Res<Value> {
        let value = self.pop_condition()?;
        Ok(self.widen(value))
    }

    /// The two topmost values, the lower one first.
    fn pop2(&mut self) -> Res<(Value, Value)> {
        let y = self.pop()?;
        Ok((self.pop()?, y))
    }

    /// The `count` topmost values, the lowest one first.
    fn pop_many(&mut self, count: usize) -> Res<Vec<Value>> {
        let start = self.widen_top(count)?;
        Ok(self.stack.split_off(start))
    }

    fn widen(&mut self, value: Value) -> Value {
        match self.b.func.dfg.value_type(value) {
            types::I8 => self.b.ins().uextend(types::I32, value),
            ty if ty.is_vector() => self.as_vector(value, types::I8X16),
            _ => value,
        }
    }

    /// Gives the `count` topmost values their wasm types, in place; returns the position of the first of them.
    fn widen_top(&mut self, count: usize) -> Res<usize> {
        let start = self.stack.len().checked_sub(count).ok_or_else(|| Fault::internal("the operand stack is too short"))?;
        for at in start..self.stack.len() {
            self.stack[at] = self.widen(self.stack[at]);
        }
        Ok(start)
    }
}
