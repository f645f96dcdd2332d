//! What code knows of its surroundings: the vmctx and what hangs on it, signatures, builtins. Each function here emits the loads for one thing.
//!
//! Flags decide how good the code gets. What never changes once an instance exists is `readonly`, `notrap` and `can_move`, so that Cranelift hoists and
//! merges its loads; what changes has an alias region, so that stores to the guest's memory do not force it to be loaded again.

use crate::fault::{Fault, Res};
use crate::signature;
use cranelift_codegen::ir::{
    AliasRegion, AliasRegionData, ExtFuncData, ExternalName, FuncRef, Function, GlobalValueData, InstBuilder, MemFlagsData, SigRef,
    TrapCode as ClifTrap, Type, UserExternalName, Value, types,
};
use cranelift_frontend::FunctionBuilder;
use std::collections::HashMap;
use std::mem::offset_of;
use trjit_code::Settings;
use trjit_module::vm::{Builtin, GlobalPlace, VmLayout, VmMemory, VmMemoryRef, header, store};
use trjit_module::{FuncIndex, Module, TrapCode, TypeIndex};

/// The namespace of user function names: functions of the module.
pub const FUNCTIONS: u32 = 0;

/// Our trap code for Cranelift; `output` decodes it.
pub fn trap(code: TrapCode) -> ClifTrap {
    ClifTrap::unwrap_user(code as u8)
}

/// Flags of the memory accesses in one function.
pub struct Flags {
    /// Constant once the instance exists, at an address that is always valid.
    pub constant: MemFlagsData,
    /// Constant, but at an address that only a preceding check makes valid.
    pub checked_constant: MemFlagsData,
    /// State of vmctx, memories' lengths and bases, jump tables.
    pub vm: MemFlagsData,
    /// Tables' lengths and elements.
    pub table: MemFlagsData,
    pub global: MemFlagsData,
    /// The guest's memory, where out of bounds is a fault.
    pub heap: MemFlagsData,
    /// The guest's memory behind an explicit check.
    pub checked_heap: MemFlagsData,
    /// Slots, payloads of exceptions.
    pub slot: MemFlagsData,
    /// Counters of the profile.
    pub profile: MemFlagsData,
}

impl Flags {
    fn new(func: &mut Function) -> Flags {
        let mut region = |user_id: u32, description: &'static str| -> Option<AliasRegion> {
            Some(func.dfg.alias_regions.insert(AliasRegionData { user_id, description: description.into() }))
        };
        let trusted = MemFlagsData::trusted();
        // A v128 in slots or globals is aligned to words only.
        let words = MemFlagsData::new().with_notrap();
        let heap = MemFlagsData::new().with_alias_region(region(3, "heap"));
        Flags {
            constant: trusted.with_readonly().with_can_move(),
            checked_constant: trusted.with_readonly(),
            vm: trusted.with_alias_region(region(0, "vm")),
            table: trusted.with_alias_region(region(1, "table")),
            global: words.with_alias_region(region(2, "global")),
            heap: heap.with_trap_code(Some(trap(TrapCode::MemoryOutOfBounds))),
            checked_heap: heap.with_notrap(),
            slot: words.with_alias_region(region(4, "slot")),
            profile: trusted.with_alias_region(region(5, "profile")),
        }
    }
}

/// Surroundings of the function that is being made.
pub struct Env<'a> {
    pub module: &'a Module,
    pub settings: Settings,
    pub flags: Flags,
    layout: VmLayout,
    vmctx: Option<Value>,
    // Looked up by key, never iterated: hash order does not reach the code.
    signatures: HashMap<u32, SigRef>,
    functions: HashMap<u32, FuncRef>,
    builtins: Vec<Option<SigRef>>,
}

impl<'a> Env<'a> {
    pub fn new(module: &'a Module, settings: Settings, func: &mut Function) -> Env<'a> {
        let env = Env {
            module,
            settings,
            flags: Flags::new(func),
            layout: VmLayout::new(module),
            vmctx: None,
            signatures: HashMap::new(),
            functions: HashMap::new(),
            builtins: vec![None; Builtin::ALL.len()],
        };
        env.check_stack(func);
        env
    }

    /// Has the prologue compare the stack pointer with the store's limit, which does not change while compiled code runs.
    fn check_stack(&self, func: &mut Function) {
        let flags = func.dfg.mem_flags.insert_unchecked(self.flags.constant);
        let vmctx = func.create_global_value(GlobalValueData::VMContext);
        let mut load = |base, offset: usize| {
            func.create_global_value(GlobalValueData::Load { base, offset: (offset as i32).into(), global_type: types::I64, flags })
        };
        let store = load(vmctx, header::STORE);
        let limit = load(store, store::STACK_LIMIT);
        func.stack_limit = Some(limit);
    }

    /// Tells which value holds the vmctx; before anything else is asked for.
    pub fn set_vmctx(&mut self, vmctx: Value) {
        self.vmctx = Some(vmctx);
    }

    pub fn vmctx(&self) -> Res<Value> {
        self.vmctx.ok_or_else(|| Fault::internal("the vmctx was asked for before the entry block"))
    }

    /// A constant of the vmctx.
    fn constant(&self, b: &mut FunctionBuilder<'_>, ty: Type, offset: usize) -> Res<Value> {
        Ok(b.ins().load(ty, self.flags.constant, self.vmctx()?, offset as i32))
    }

    /// The signature of compiled functions of a type.
    pub fn signature(&mut self, b: &mut FunctionBuilder<'_>, ty: TypeIndex) -> Res<SigRef> {
        if let Some(&known) = self.signatures.get(&ty.0) {
            return Ok(known);
        }
        let made = b.import_signature(signature::compiled(self.module.func_type(ty))?);
        self.signatures.insert(ty.0, made);
        Ok(made)
    }

    /// A function of the same text.
    pub fn function(&mut self, b: &mut FunctionBuilder<'_>, function: FuncIndex) -> Res<FuncRef> {
        if let Some(&known) = self.functions.get(&function.0) {
            return Ok(known);
        }
        let signature = self.signature(b, self.module.type_of(function))?;
        let name = b.func.declare_imported_user_function(UserExternalName { namespace: FUNCTIONS, index: function.0 });
        let made = b.import_function(ExtFuncData { name: ExternalName::user(name), signature, colocated: true, patchable: false });
        self.functions.insert(function.0, made);
        Ok(made)
    }

    /// Calls a builtin. It does not return when it traps.
    pub fn builtin(&mut self, b: &mut FunctionBuilder<'_>, builtin: Builtin, args: &[Value]) -> Res<Option<Value>> {
        let signature = match self.builtins[builtin as usize] {
            Some(known) => known,
            None => *self.builtins[builtin as usize].insert(b.import_signature(signature::builtin(builtin))),
        };
        let table = self.constant(b, types::I64, header::BUILTINS)?;
        let address = b.ins().load(types::I64, self.flags.constant, table, builtin.offset() as i32);
        let mut all = Vec::with_capacity(args.len() + 1);
        all.push(self.vmctx()?);
        all.extend_from_slice(args);
        let call = b.ins().call_indirect(signature, address, &all);
        Ok(b.inst_results(call).first().copied())
    }

    /// Calls a builtin that has a result.
    pub fn builtin_value(&mut self, b: &mut FunctionBuilder<'_>, builtin: Builtin, args: &[Value]) -> Res<Value> {
        self.builtin(b, builtin, args)?.ok_or_else(|| Fault::internal(format!("builtin {builtin:?} has no result")))
    }

    /// Base address of a memory that never moves.
    pub fn fixed_memory_base(&self, b: &mut FunctionBuilder<'_>, memory: u32) -> Res<Value> {
        self.constant(b, types::I64, self.layout.memory(memory) as usize + offset_of!(VmMemoryRef, base))
    }

    fn memory_definition(&self, b: &mut FunctionBuilder<'_>, memory: u32) -> Res<Value> {
        self.constant(b, types::I64, self.layout.memory(memory) as usize + offset_of!(VmMemoryRef, definition))
    }

    /// Base address of a memory that may move when it grows.
    pub fn memory_base(&self, b: &mut FunctionBuilder<'_>, memory: u32) -> Res<Value> {
        let definition = self.memory_definition(b, memory)?;
        Ok(b.ins().load(types::I64, self.flags.vm, definition, offset_of!(VmMemory, base) as i32))
    }

    /// Length of a memory in bytes.
    pub fn memory_len(&self, b: &mut FunctionBuilder<'_>, memory: u32) -> Res<Value> {
        let definition = self.memory_definition(b, memory)?;
        Ok(b.ins().load(types::I64, self.flags.vm, definition, offset_of!(VmMemory, len) as i32))
    }

    /// Address of a table's `VmTable`.
    pub fn table(&self, b: &mut FunctionBuilder<'_>, table: u32) -> Res<Value> {
        self.constant(b, types::I64, self.layout.table(table) as usize)
    }

    /// Offset in the vmctx of an imported function's `VmImport`.
    pub fn import_offset(&self, function: FuncIndex) -> usize {
        self.layout.import(function.0) as usize
    }

    /// A field of the vmctx that is constant: see [`header`].
    pub fn header(&self, b: &mut FunctionBuilder<'_>, offset: usize) -> Res<Value> {
        self.constant(b, types::I64, offset)
    }

    /// Address of the `VmStore`.
    pub fn store(&self, b: &mut FunctionBuilder<'_>) -> Res<Value> {
        self.header(b, header::STORE)
    }

    /// The id of a tag in the store.
    pub fn tag(&self, b: &mut FunctionBuilder<'_>, tag: u32) -> Res<Value> {
        self.constant(b, types::I64, self.layout.tag(tag) as usize)
    }

    /// A constant of 32 bits or less wide from the vmctx.
    pub fn header_i32(&self, b: &mut FunctionBuilder<'_>, offset: usize) -> Res<Value> {
        self.constant(b, types::I32, offset)
    }

    /// The engine's id of a type.
    pub fn type_id(&self, b: &mut FunctionBuilder<'_>, ty: TypeIndex) -> Res<Value> {
        let ids = self.header(b, header::TYPE_IDS)?;
        Ok(b.ins().load(types::I32, self.flags.constant, ids, ty.0 as i32 * 4))
    }

    /// Base and offset of a global's value.
    pub fn global(&self, b: &mut FunctionBuilder<'_>, global: u32) -> Res<(Value, i32)> {
        match self.layout.global(global) {
            GlobalPlace::Inline(offset) => Ok((self.vmctx()?, offset as i32)),
            GlobalPlace::Pointer(offset) => Ok((self.constant(b, types::I64, offset as usize)?, 0)),
        }
    }

    /// Address of the code that an instance has for a function now: the jump table's entry, counted from the image base.
    pub fn jump_table_entry(&self, b: &mut FunctionBuilder<'_>, jump_table: Value, image_base: Value, offset: i32) -> Value {
        let entry = b.ins().load(types::I32, self.flags.vm, jump_table, offset);
        let entry = b.ins().sextend(types::I64, entry);
        b.ins().iadd(image_base, entry)
    }
}
