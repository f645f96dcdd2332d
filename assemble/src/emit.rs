//! Phase 3: compiled units become relocatable ELF objects, the form in which other tools can read, compare and store them.
//!
//! An object holds a batch of units, each in a section of its own, named by [`unit::symbol`]; calls of other units are relocations against
//! their symbols. The tables beside the code have no place in an object and travel in [`Tables`].

use crate::progress::Progress;
use crate::tunables;
use crate::unit::{self, Unit};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::Signature;
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_module::{FuncId, Linkage, Module as _, ModuleError, ModuleReloc, ModuleRelocTarget};
use cranelift_object::{ObjectBuilder, ObjectModule};
use rayon::prelude::*;
use std::collections::HashMap;
use trjit_cache_format::CodeItem;
use trjit_code::{CallSite, CpuFeatures, HandlerSite, InlinedPlace, Relocation, RelocationKind, Tier, TrapSite};

/// The platform of the objects, as the code generator names it.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Objects could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    #[error("the code generator does not know the target {TARGET}: {detail}")]
    Target { detail: String },
    #[error("object {object}: {symbol} can not be defined")]
    Define { object: usize, symbol: String, source: Box<ModuleError> },
    #[error("object {object} can not be written: {detail}")]
    Write { object: usize, detail: String },
}

/// What an object does not hold of a unit. Offsets count from the unit's first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    pub what: CodeItem,
    pub tier: Option<Tier>,
    pub features: CpuFeatures,
    pub traps: Vec<TrapSite>,
    pub call_sites: Vec<CallSite>,
    pub inlined: Vec<InlinedPlace>,
    pub handlers: Vec<HandlerSite>,
}

/// All objects, and the tables of their units in the order of the text.
#[derive(Debug, Default)]
pub struct Emitted {
    pub objects: Vec<Vec<u8>>,
    pub tables: Vec<Tables>,
}

/// Makes the objects on the current thread pool.
pub fn emit(units: Vec<Unit>, progress: &dyn Progress) -> Result<Emitted, EmitError> {
    let isa = target()?;
    let object = |(number, batch): (usize, &[Unit])| {
        let bytes = Batch::new(number, isa.clone())?.emit(batch);
        progress.step(batch.len() as u64);
        bytes
    };
    let objects = units.par_chunks(tunables::UNITS_PER_OBJECT).enumerate().map(object).collect::<Result<_, _>>()?;
    let tables = units.into_iter().map(|Unit { what, tier, code }| Tables {
        what,
        tier,
        features: code.features,
        traps: code.traps,
        call_sites: code.call_sites,
        inlined: code.inlined,
        handlers: code.handlers,
    });
    Ok(Emitted { objects, tables: tables.collect() })
}

/// The code generator's view of the target: only names the format and architecture here.
fn target() -> Result<OwnedTargetIsa, EmitError> {
    let unknown = |detail: String| EmitError::Target { detail };
    let mut flags = settings::builder();
    flags.set("is_pic", "false").map_err(|error| unknown(error.to_string()))?;
    let builder = isa::lookup_by_name(TARGET).map_err(|error| unknown(error.to_string()))?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| unknown(error.to_string()))
}

/// One object under construction.
struct Batch {
    number: usize,
    module: ObjectModule,
    declared: HashMap<CodeItem, FuncId>,
}

impl Batch {
    fn new(number: usize, isa: OwnedTargetIsa) -> Result<Batch, EmitError> {
        let name = format!("trjit.{number}");
        let no_libcalls = cranelift_module::default_libcall_names();
        let mut builder = ObjectBuilder::new(isa, name, no_libcalls).map_err(|source| EmitError::Target { detail: source.to_string() })?;
        builder.per_function_section(true);
        Ok(Batch { number, module: ObjectModule::new(builder), declared: HashMap::new() })
    }

    fn emit(mut self, units: &[Unit]) -> Result<Vec<u8>, EmitError> {
        // Definitions first: a symbol that is declared as imported must not turn into a local one.
        for unit in units {
            self.declare(unit.what, Linkage::Export)?;
        }
        for unit in units {
            self.define(unit)?;
        }
        let number = self.number;
        self.module.finish().emit().map_err(|error| EmitError::Write { object: number, detail: error.to_string() })
    }

    fn declare(&mut self, what: CodeItem, linkage: Linkage) -> Result<FuncId, EmitError> {
        if let Some(&id) = self.declared.get(&what) {
            return Ok(id);
        }
        // Signatures have no place in an object.
        let signature = Signature::new(CallConv::Tail);
        let id = self.module.declare_function(&unit::symbol(what), linkage, &signature).map_err(|source| self.error(what, source))?;
        self.declared.insert(what, id);
        Ok(id)
    }

    fn define(&mut self, unit: &Unit) -> Result<(), EmitError> {
        let code = &unit.code;
        let relocations = code.relocations.iter().map(|relocation| self.relocation(relocation)).collect::<Result<Vec<_>, _>>()?;
        let id = self.declare(unit.what, Linkage::Export)?;
        let align = u64::from(code.align.max(tunables::FUNCTION_ALIGN));
        self.module.define_function_bytes(id, align, &code.bytes, &relocations).map_err(|source| self.error(unit.what, source))
    }

    fn relocation(&mut self, relocation: &Relocation) -> Result<ModuleReloc, EmitError> {
        let target = self.declare(CodeItem::Function(relocation.target), Linkage::Import)?;
        let kind = match relocation.kind {
            RelocationKind::X86PcRel4 => Reloc::X86CallPCRel4,
            RelocationKind::Arm64Call => Reloc::Arm64Call,
        };
        Ok(ModuleReloc { offset: relocation.offset, kind, name: ModuleRelocTarget::from(target), addend: relocation.addend })
    }

    fn error(&self, what: CodeItem, source: ModuleError) -> EmitError {
        EmitError::Define { object: self.number, symbol: unit::symbol(what), source: Box::new(source) }
    }
}
