//! From Cranelift's buffer to a [`CompiledFunction`]: bytes, and the tables beside them. What breaks position independence is refused here.

use crate::env::FUNCTIONS;
use crate::fault::{Fault, Res};
use crate::isa::is_tail_call;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{ExternalName, Function, SourceLoc, TrapCode as ClifTrap};
use cranelift_codegen::{CompiledCode, Final, FinalizedMachExceptionHandler, FinalizedMachReloc, FinalizedRelocTarget, MachSrcLoc};
use trjit_code::place::{self, INLINED};
use trjit_code::{CallSite, CompiledFunction, CpuFeatures, HandlerSite, InlinedPlace, Relocation, RelocationKind, TrapSite};
use trjit_module::{FuncIndex, TrapCode};

/// Alignment of functions. Cranelift does not align loop headers: with functions at a multiple of a fetch line at least, a function
/// runs equally fast wherever it is put.
pub const ALIGN: u32 = 32;

pub fn collect(code: &CompiledCode, func: &Function, features: CpuFeatures, places: &[InlinedPlace]) -> Res<CompiledFunction> {
    let buffer = &code.buffer;
    let positions = buffer.get_srclocs_sorted();
    let mut relocations = buffer.relocs().iter().map(|reloc| relocation(reloc, func)).collect::<Res<Vec<_>>>()?;
    let mut traps = Vec::with_capacity(buffer.traps().len());
    for trap in buffer.traps() {
        traps.push(TrapSite { offset: trap.offset, code: trap_code(trap.code)?, wasm: position(positions, trap.offset) });
    }
    // The return address lies behind the call instruction, which is the one that has the position. Cranelift lists tail calls, too, which return to nowhere.
    let returning = buffer.call_sites().filter(|site| !is_tail_call(buffer.data(), site.ret_addr));
    let mut call_sites: Vec<CallSite> =
        returning.map(|site| CallSite { offset: site.ret_addr, wasm: position(positions, site.ret_addr - 1) }).collect();
    let mut handlers = Vec::new();
    for site in buffer.call_sites() {
        match site.exception_handlers {
            [] => {}
            [FinalizedMachExceptionHandler::Default(landing)] => {
                let frame_offset = site.frame_offset.ok_or_else(|| Fault::internal("a call with a handler has no frame offset"))?;
                handlers.push(HandlerSite { offset: site.ret_addr, landing: *landing, frame_offset });
            }
            other => return Err(Fault::internal(format!("a call has handlers {other:?}, expected one for all exceptions"))),
        }
    }
    handlers.sort_unstable_by_key(|site| site.offset);
    relocations.sort_unstable_by_key(|relocation| relocation.offset);
    traps.sort_by_key(|trap| trap.offset);
    traps.dedup_by_key(|trap| trap.offset);
    call_sites.sort_unstable_by_key(|site| site.offset);
    call_sites.dedup_by_key(|site| site.offset);
    let inlined = keep_used(places, traps.iter_mut().map(|site| &mut site.wasm).chain(call_sites.iter_mut().map(|site| &mut site.wasm)));
    let mut blocks = if func.dfg.jump_tables.is_empty() { Vec::new() } else { code.bb_starts.clone() };
    blocks.sort_unstable();
    blocks.dedup();
    let align = buffer.alignment.max(ALIGN);
    let bytes = buffer.data().to_vec();
    Ok(CompiledFunction { bytes, align, relocations, traps, call_sites, inlined, handlers, blocks, features, assumptions: Vec::new() })
}

/// Those inlined places that sites refer to, directly or through others, in their order; the sites are changed to their new numbers.
fn keep_used<'a>(places: &[InlinedPlace], sites: impl Iterator<Item = &'a mut u32>) -> Vec<InlinedPlace> {
    if places.is_empty() {
        return Vec::new();
    }
    let sites: Vec<&mut u32> = sites.collect();
    let mut is_used = vec![false; places.len()];
    for site in &sites {
        let mut next = place::inlined(**site);
        while let Some(number) = next.filter(|&number| !is_used[number as usize]) {
            is_used[number as usize] = true;
            next = place::inlined(places[number as usize].caller);
        }
    }
    // A caller stands before what was inlined for it.
    let mut numbers = vec![0; places.len()];
    let mut kept: Vec<InlinedPlace> = Vec::new();
    let renamed = |numbers: &[u32], place: u32| place::inlined(place).map_or(place, |number| INLINED | numbers[number as usize]);
    for (number, &InlinedPlace { wasm, caller }) in places.iter().enumerate().filter(|&(number, _)| is_used[number]) {
        numbers[number] = kept.len() as u32;
        kept.push(InlinedPlace { wasm, caller: renamed(&numbers, caller) });
    }
    for site in sites {
        *site = renamed(&numbers, *site);
    }
    kept
}

/// The place of the instruction at `offset`, `u32::MAX` where it has none.
fn position(positions: &[MachSrcLoc<Final>], offset: u32) -> u32 {
    let next = positions.partition_point(|range| range.start <= offset);
    positions[..next].last().filter(|range| offset < range.end).map_or(SourceLoc::default().bits(), |range| range.loc.bits())
}

fn relocation(reloc: &FinalizedMachReloc, func: &Function) -> Res<Relocation> {
    let refused = || {
        Fault::internal(format!(
            "relocation {:?} of {} is no call of a function in the same text",
            reloc.kind,
            reloc.target.display(Some(&func.params))
        ))
    };
    let kind = match reloc.kind {
        Reloc::X86CallPCRel4 => RelocationKind::X86PcRel4,
        Reloc::Arm64Call => RelocationKind::Arm64Call,
        _ => return Err(refused()),
    };
    let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else { return Err(refused()) };
    let name = &func.params.user_named_funcs()[name];
    if name.namespace != FUNCTIONS {
        return Err(refused());
    }
    Ok(Relocation { offset: reloc.offset, kind, target: FuncIndex(name.index), addend: reloc.addend })
}

fn trap_code(code: ClifTrap) -> Res<TrapCode> {
    Ok(match code {
        ClifTrap::STACK_OVERFLOW => TrapCode::StackOverflow,
        ClifTrap::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ClifTrap::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivisionByZero,
        ClifTrap::BAD_CONVERSION_TO_INTEGER => TrapCode::BadConversionToInteger,
        ClifTrap::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        other => TrapCode::from_byte(other.as_raw().get()).ok_or_else(|| Fault::internal(format!("unknown trap code {other}")))?,
    })
}
