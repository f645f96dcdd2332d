//! The ABI fingerprint: a digest over every layout that a cache file's code and tables rely on, computed from the definitions themselves.

use crate::digest::Digest;
use crate::flat;
use crate::fuel;
use crate::trap::TrapCode;
use crate::vm::*;
use std::fmt::Write;
use std::mem::offset_of;

macro_rules! describe {
    ($out:ident, $($ty:path { $($field:ident),* $(,)? })*) => {$(
        // Destructured, so that a new field does not compile until it is listed here.
        #[allow(dead_code)]
        const _: fn($ty) = |value| { let $ty { $($field: _),* } = value; };
        // Writing to a String does not fail.
        let _ = write!($out, "{} {}:", stringify!($ty), size_of::<$ty>());
        $( let _ = write!($out, " {}@{}", stringify!($field), offset_of!($ty, $field)); )*
        $out.push('\n');
    )*};
}

/// The description that [`abi_fingerprint`] digests, one line a layout: also what `--version --json` users compare when fingerprints differ.
pub fn abi_description() -> String {
    let mut out = String::new();
    describe! { out,
        VmHeader { magic, callee, store, image_base, jump_table, lazy_stub, builtins, type_ids, func_types, trampolines, instance, func_refs, func_ref_base, reserved }
        VmStore { stack_limit, entry_sp, exit_fp, exit_pc, unwind, interrupt, trap_code, trap_pc, trap_fp, exn_tag, exn_payload, exn_ref, tail_vmctx, tail_code, tail_args, tail_function, fuel, reserved }
        VmMemoryRef { base, definition }
        VmMemory { base, len }
        VmTable { elements, len }
        VmImport { entry, vmctx, index, reserved }
        VmFuncRef { vmctx, function, type_id }
        VmTrampolines { to_native, to_interpreter, tail_to_native, reserved }
        flat::Header { magic, version, total_len, module_digest, wasm_len, code, data, start, imported_functions, imported_tables, imported_memories, imported_globals, imported_tags, flags, name, indirect_sites, sections }
        flat::TypeRecord { params, results }
        flat::FunctionRecord { type_index, body, code_start, params, results, locals, frame_slots, side_table_start, side_table_len, indirect_sites_start, indirect_sites_len, handlers_start, handlers_len, flags }
        flat::ImportRecord { module, name, kind, index }
        flat::ExportRecord { name, kind, index }
        flat::TableRecord { element, has_max, flags, reserved, min, max, init }
        flat::MemoryRecord { flags, has_max, min, max }
        flat::GlobalRecord { ty, mutable, init }
        flat::ConstExpr { kind, reserved, value }
        flat::ElemRecord { mode, table, ty, items_start, items_len, reserved, offset }
        flat::DataRecord { mode, memory, bytes, offset }
        flat::SideTableEntry { delta_ip, delta_st, keep, height }
        flat::HandlerRecord { start, end, at, kind, tag, entry }
        flat::NameRecord { function, name }
    }
    let _ = writeln!(out, "flat version {}, sections {}", flat::VERSION, flat::SECTIONS);
    let _ = writeln!(out, "memory {MEMORY_RESERVATION}+{MEMORY_GUARD}, page {PAGE_SIZE}, register results {MAX_REG_RESULTS}");
    let _ = writeln!(out, "fuel entry {}, instructions {}", fuel::ENTRY, steps());
    let _ = writeln!(out, "further results in slots of their own width");
    for builtin in Builtin::ALL {
        let _ = writeln!(out, "builtin {:?}", builtin.signature());
    }
    for code in TrapCode::ALL {
        let _ = writeln!(out, "trap {} {code:?}", *code as u8);
    }
    out
}

/// A letter an opcode: what it costs, in lower case where it settles.
fn steps() -> String {
    let letter = |step: &fuel::Step| char::from(if step.settles { b'a' } else { b'A' } + step.cost);
    fuel::STEPS.iter().map(letter).collect()
}

/// Digest of [`abi_description`]: equal fingerprints mean that code and tables of one build work in the other.
pub fn abi_fingerprint() -> Digest {
    Digest::of(abi_description().as_bytes())
}
