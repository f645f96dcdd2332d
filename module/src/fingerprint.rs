//! The ABI fingerprint: a digest over every layout that a cache file's code and tables rely on, computed from the definitions themselves, by the compiler: a
//! start reads a constant.

use crate::digest::Digest;
use crate::flat;
use crate::fuel;
use crate::trap::TrapCode;
use crate::vm::*;
use std::mem::offset_of;

/// Digests in constant expressions: four lanes of FNV-1a (64 bits) with a multiplier each. It tells builds apart; it need not, and does not, withstand an attacker.
struct Lanes([u64; 4]);

/// Odd, and unlike each other.
const MULTIPLIERS: [u64; 4] = [0x0000_0100_0000_01b3, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x8cb9_2ba7_2f3d_8dd7];

impl Lanes {
    const fn new() -> Lanes {
        Lanes([0xcbf2_9ce4_8422_2325; 4])
    }

    const fn bytes(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let mut lane = 0;
            while lane < self.0.len() {
                self.0[lane] = (self.0[lane] ^ bytes[at] as u64).wrapping_mul(MULTIPLIERS[lane]);
                lane += 1;
            }
            at += 1;
        }
    }

    const fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// With its length, so that no two lists of texts have the same bytes.
    const fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    const fn finish(self) -> Digest {
        let mut out = [0; 32];
        let mut at = 0;
        while at < out.len() {
            // The low bits of a product know the low bits of what came before only: the high half is folded in.
            let lane = self.0[at / 8];
            out[at] = (lane ^ (lane >> 32)).to_le_bytes()[at % 8];
            at += 1;
        }
        Digest(out)
    }
}

macro_rules! describe {
    ($out:ident, $($ty:path { $($field:ident),* $(,)? })*) => {$(
        // Destructured, so that a new field does not compile until it is listed here.
        #[allow(dead_code)]
        const _: fn($ty) = |value| { let $ty { $($field: _),* } = value; };
        $out.text(stringify!($ty));
        $out.number(size_of::<$ty>() as u64);
        $( $out.text(stringify!($field)); $out.number(offset_of!($ty, $field) as u64); )*
    )*};
}

/// Equal fingerprints mean that code and tables of one build work in the other.
pub const ABI_FINGERPRINT: Digest = {
    let mut out = Lanes::new();
    describe! { out,
        VmHeader { magic, callee, store, image_base, jump_table, lazy_stub, builtins, type_ids, func_types, trampolines, instance, func_refs, func_ref_base, profile_entries, profile_branches, profile_sites, entries_mask, back_edges_mask, broken }
        VmStore { stack_limit, entry_sp, exit_fp, exit_pc, unwind, interrupt, trap_code, trap_pc, trap_fp, exn_tag, exn_payload, exn_ref, tail_vmctx, tail_code, tail_args, tail_function, fuel, exit_slots, exit_place, exit_spent, exit_of, exit_pending, exit_code, reserved }
        VmMemoryRef { base, definition }
        VmMemory { base, len }
        VmTable { elements, len }
        VmImport { entry, vmctx, index, reserved }
        VmFuncRef { vmctx, function, type_id }
        VmCallTargets { counts, other, functions, len, reserved }
        VmTrampolines { to_native, to_interpreter, tail_to_native, reserved }
        flat::Header { magic, version, total_len, module_digest, wasm_len, code, data, start, imported_functions, imported_tables, imported_memories, imported_globals, imported_tags, flags, name, indirect_sites, sections }
        flat::TypeRecord { params, results }
        flat::FunctionRecord { type_index, body, code_start, params, results, locals, frame_slots, side_table_start, side_table_len, indirect_sites_start, indirect_sites_len, handlers_start, handlers_len, flags }
        crate::bodies::BlockStart { code, side_table, handlers, at }
        flat::ImportRecord { module, name, kind, index }
        flat::ExportRecord { name, kind, index }
        flat::TableRecord { element, has_max, flags, filling, min, max, init }
        flat::MemoryRecord { flags, has_max, min, max }
        flat::GlobalRecord { ty, mutable, init }
        flat::ConstExpr { kind, reserved, value }
        flat::ElemRecord { mode, table, ty, items_start, items_len, reserved, offset }
        flat::DataRecord { mode, memory, bytes, offset }
        flat::SideTableEntry { delta_ip, delta_st, keep, height }
        flat::HandlerRecord { start, end, at, kind, tag, entry }
        flat::NameRecord { function, name }
    }
    out.number(flat::VERSION as u64);
    out.number(flat::SECTIONS as u64);
    out.number(MEMORY_RESERVATION);
    out.number(MEMORY_GUARD);
    out.number(PAGE_SIZE);
    out.number(MAX_REG_RESULTS as u64);
    fuel_costs(&mut out);
    out.text("further results in slots of their own width");
    builtins(&mut out);
    traps(&mut out);
    out.finish()
};

const fn fuel_costs(out: &mut Lanes) {
    out.number(fuel::ENTRY as u64);
    let mut opcode = 0;
    while opcode < fuel::STEPS.len() {
        out.bytes(&[fuel::STEPS[opcode].cost, fuel::STEPS[opcode].settles as u8]);
        opcode += 1;
    }
}

const fn builtins(out: &mut Lanes) {
    let mut at = 0;
    while at < Builtin::ALL.len() {
        let (name, params, result) = Builtin::ALL[at].signature();
        out.text(name);
        out.number(params.len() as u64);
        let mut param = 0;
        while param < params.len() {
            out.number(params[param] as u64);
            param += 1;
        }
        match result {
            Some(ty) => out.number(1 + ty as u64),
            None => out.number(0),
        }
        at += 1;
    }
}

const fn traps(out: &mut Lanes) {
    let mut at = 0;
    while at < TrapCode::ALL.len() {
        out.number(TrapCode::ALL[at] as u64);
        out.text(TrapCode::ALL[at].message());
        at += 1;
    }
}

/// [`ABI_FINGERPRINT`].
pub fn abi_fingerprint() -> Digest {
    ABI_FINGERPRINT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(texts: &[&str], number: u64) -> Digest {
        let mut lanes = Lanes::new();
        texts.iter().for_each(|text| lanes.text(text));
        lanes.number(number);
        lanes.finish()
    }

    #[test]
    fn each_text_each_border_and_each_number_counts() {
        let all =
            [digest(&["ab", "c"], 0), digest(&["a", "bc"], 0), digest(&["abc"], 0), digest(&["ab", "d"], 0), digest(&["ab", "c"], 1 << 63)];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(all[0], digest(&["ab", "c"], 0));
    }

    #[test]
    fn every_lane_and_byte_takes_part() {
        let bits =
            |digest: Digest| digest.0.chunks(8).map(|lane| lane.iter().map(|byte| byte.count_ones()).sum::<u32>()).collect::<Vec<_>>();
        assert!(bits(ABI_FINGERPRINT).iter().all(|&ones| (8..56).contains(&ones)), "{ABI_FINGERPRINT}");
        let lanes: Vec<&[u8]> = ABI_FINGERPRINT.0.chunks(8).collect();
        assert!((0..4).all(|at| !lanes[at + 1..].contains(&lanes[at])), "{ABI_FINGERPRINT}");
    }
}
