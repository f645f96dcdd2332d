//! Puts bodies in place of direct calls: hot ones by what training counted, and small ones. Cranelift does it; here is decided where, and told where the instructions came from.
//!
//! Backtraces show what was inlined as if it had been called: each instruction of an inlined body has a [place](trjit_code::place) that also tells the call. A function
//! with tail calls is left alone, since its frame would have to vanish; and one that catches exceptions, whose handlers are found by the frame.

use crate::env::FUNCTIONS;
use crate::fault::{Fault, Res};
use crate::heat::Walked;
use crate::targets;
use crate::translate::{self, Caller};
use cranelift_codegen::Context;
use cranelift_codegen::inline::{Inline, InlineCommand};
use cranelift_codegen::ir::{DebugTag, ExternalName, FuncRef, Function, Inst, Opcode, SourceLoc, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::FunctionBuilderContext;
use std::borrow::Cow;
use std::cell::RefCell;
use trjit_code::place;
use trjit_code::{CompileRequest, InlinedPlace, Tier};
use trjit_module::FuncIndex;

/// Executions that make a call worth a body: fewer can not be felt, whatever they do.
const HOT: u64 = 1000;
/// Bytes of wasm that may be inlined at one call. With 300 the programs that were measured grew, and were not faster.
const LIMIT: u32 = 100;
/// The same where the call is [`MOST`] of all calls of its callee: then there is hardly another copy.
const LIMIT_OF_MOST: u32 = 400;
/// The same where the call was executed at all.
const LIMIT_OF_COLD: u32 = 40;
/// The same in functions that training did not enter: there is nothing to choose by, and they may be what another input runs.
const LIMIT_OF_UNKNOWN: u32 = 80;
/// In tenths of all calls.
const MOST: u64 = 9;
/// Bytes of wasm that may be inlined in a function, all in all.
const BUDGET: u32 = 2000;
/// Most bodies within each other.
const DEPTH: usize = 6;

/// Inlines what is worth it in the function of a request, whose IR stands in `context`; the places of what was put there.
pub fn inline(
    request: &CompileRequest<'_>,
    walked: &Walked<'_>,
    context: &mut Context,
    config: TargetFrontendConfig,
) -> Res<Vec<InlinedPlace>> {
    let catches = request.module.function(request.function).is_some_and(|record| record.handlers_len > 0);
    if !matches!(request.tier, Tier::Ap4 | Tier::T4) || request.entry != trjit_code::Entry::Start || catches {
        return Ok(Vec::new());
    }
    let places = RefCell::new(Vec::new());
    let mut inliner = Inliner { request, walked, config, places: &places, budget: BUDGET, fault: None };
    let has_inlined = context.inline(&mut inliner)?;
    if let Some(fault) = inliner.fault {
        return Err(fault);
    }
    if has_inlined {
        settle_places(&mut context.func);
    }
    Ok(places.into_inner())
}

// Cranelift gives what it copies no source location, but keeps debug tags: behind those of the call it puts the instruction's own. So a body's places travel as tags.

/// Gives every instruction of a body its place as a tag.
fn tag_places(body: &mut Function) {
    let instructions: Vec<Inst> = body.layout.blocks().flat_map(|block| body.layout.block_insts(block)).collect();
    for inst in instructions {
        let place = body.srcloc(inst).bits();
        body.debug_tags.set(inst, [DebugTag::User(place)]);
    }
}

/// The place of an instruction: its last tag, where it has some.
fn place_of(func: &Function, inst: Inst) -> u32 {
    match func.debug_tags.get(inst).last() {
        Some(DebugTag::User(place)) => *place,
        _ => func.srcloc(inst).bits(),
    }
}

/// Turns tags into source locations.
fn settle_places(func: &mut Function) {
    let instructions = func.layout.blocks().flat_map(|block| func.layout.block_insts(block));
    let copied: Vec<Inst> = instructions.filter(|&inst| !func.debug_tags.get(inst).is_empty()).collect();
    for inst in copied {
        func.set_srcloc(inst, SourceLoc::new(place_of(func, inst)));
        func.debug_tags.set(inst, []);
    }
}

struct Inliner<'a> {
    request: &'a CompileRequest<'a>,
    walked: &'a Walked<'a>,
    config: TargetFrontendConfig,
    places: &'a RefCell<Vec<InlinedPlace>>,
    /// Bytes of wasm that may still be inlined.
    budget: u32,
    fault: Option<Fault>,
}

impl Inliner<'_> {
    /// The body for a call, where it is worth it.
    fn body(&mut self, caller: &Function, call: Inst, callee: FuncRef) -> Res<Option<Function>> {
        let Some(function) = called(caller, callee) else { return Ok(None) };
        let place = place_of(caller, call);
        if !self.is_worth_it(function, place)? {
            return Ok(None);
        }
        let request = CompileRequest { function, ..*self.request };
        let mut body = Function::new();
        let known = self.places.borrow().len();
        translate::function(
            &request,
            self.walked,
            &mut body,
            &mut FunctionBuilderContext::new(),
            self.config,
            Some(Caller { root: self.request.function, place, places: self.places }),
        )?;
        if has_tail_calls(&body) {
            self.places.borrow_mut().truncate(known);
            return Ok(None);
        }
        tag_places(&mut body);
        // The frame is the caller's, whose prologue has checked.
        body.stack_limit = None;
        self.budget -= self.request.module.function(function).map_or(0, |record| record.body.len);
        Ok(Some(body))
    }

    fn is_worth_it(&self, callee: FuncIndex, place: u32) -> Res<bool> {
        let module = self.request.module;
        let Some(record) = module.function(callee).filter(|record| record.handlers_len == 0) else { return Ok(false) };
        let len = record.body.len;
        if len > self.budget.min(LIMIT_OF_MOST) {
            return Ok(false);
        }
        let chain: Vec<u32> = place::positions(place, |number| self.places.borrow().get(number as usize).copied()).collect();
        let within = |position: &u32| module.function_at(*position) == Some(callee);
        if chain.len() > DEPTH || chain.iter().any(within) {
            return Ok(false);
        }
        let Some(&position) = chain.first() else { return Ok(false) };
        let all = self.request.counts.entries(callee).unwrap_or(0);
        let limit = match self.calls(position, callee)? {
            None => LIMIT_OF_UNKNOWN,
            Some(0) => return Ok(false),
            Some(calls) if calls < HOT => LIMIT_OF_COLD,
            Some(calls) if calls >= all / 10 * MOST => LIMIT_OF_MOST,
            Some(_) => LIMIT,
        };
        Ok(len <= limit)
    }

    /// How often the instruction at a position, which may be an indirect call, called that function. `None` where training did not enter the function around.
    fn calls(&self, position: u32, callee: FuncIndex) -> Res<Option<u64>> {
        let module = self.request.module;
        let Some(function) = module.function_at(position) else { return Ok(Some(0)) };
        let Some(record) = module.function(function) else { return Ok(Some(0)) };
        let Some(steps) = self.walked.executed(function)? else { return Ok(None) };
        let ip = position - record.code_start;
        let Ok(found) = steps.binary_search_by_key(&ip, |step| step.ip) else { return Ok(Some(0)) };
        Ok(Some(match steps[found].site {
            None => steps[found].count,
            Some(site) => targets::calls_of(&self.request.counts.targets(function, site), callee),
        }))
    }
}

/// The function of the module that a direct call reaches.
fn called(caller: &Function, callee: FuncRef) -> Option<FuncIndex> {
    let ExternalName::User(name) = caller.dfg.ext_funcs[callee].name else { return None };
    let name = &caller.params.user_named_funcs()[name];
    (name.namespace == FUNCTIONS).then_some(FuncIndex(name.index))
}

fn has_tail_calls(body: &Function) -> bool {
    let instructions = body.layout.blocks().flat_map(|block| body.layout.block_insts(block));
    instructions.into_iter().any(|inst| matches!(body.dfg.insts[inst].opcode(), Opcode::ReturnCall | Opcode::ReturnCallIndirect))
}

impl Inline for Inliner<'_> {
    fn inline(&mut self, caller: &Function, call: Inst, opcode: Opcode, callee: FuncRef, _args: &[Value]) -> InlineCommand<'_> {
        // The caller's frame vanishes at a tail call.
        if opcode != Opcode::Call || self.fault.is_some() {
            return InlineCommand::KeepCall;
        }
        match self.body(caller, call, callee) {
            Ok(Some(body)) => InlineCommand::Inline { callee: Cow::Owned(body), visit_callee: true },
            Ok(None) => InlineCommand::KeepCall,
            // The callee itself can not be translated: the call stays one.
            Err(Fault::Unsupported(_)) => InlineCommand::KeepCall,
            Err(fault) => {
                self.fault = Some(fault);
                InlineCommand::KeepCall
            }
        }
    }
}
