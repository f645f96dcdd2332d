//! Settings and tier to a Cranelift target. The only place that names an architecture.
//!
//! Features are added to the architecture's base one by one, never taken from the running CPU: code for a cache must not depend on where it is made.

use crate::fault::{Fault, Res};
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use trjit_code::{CpuFeatures, Tier};

/// What code is generated for. Cranelift's relocations and trap instructions are the ELF target's on every host.
const TRIPLE: &str = "x86_64-unknown-linux";

/// Targets that were asked for already: making one costs more than compiling a small function.
#[derive(Default)]
pub struct Targets {
    known: Mutex<HashMap<(CpuFeatures, Tier, bool), OwnedTargetIsa>>,
}

impl Targets {
    /// `catches`: whether the function has a `try_table`. Those get the default register allocator in every tier: the single-pass one is not made for calls that
    /// return to two places.
    pub fn get(&self, features: CpuFeatures, tier: Tier, catches: bool) -> Res<OwnedTargetIsa> {
        // A thread that panicked while it held the lock can not have left a half-made entry.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = known.get(&(features, tier, catches)) {
            return Ok(target.clone());
        }
        let target = build(features, tier, catches)?;
        known.insert((features, tier, catches), target.clone());
        Ok(target)
    }
}

/// Settings by name and value. Spectre mitigations are off: guests are not yet meant to be hostile, and the masks cost a branch-free select an access. Probes are
/// off because the stack limit check of the prologue counts the whole frame. The control flow graph's blocks tell a check of the code where jump tables end.
fn flags(tier: Tier, catches: bool) -> [(&'static str, &'static str); 13] {
    let (opt_level, regalloc) = match tier {
        Tier::A1 | Tier::T2 => ("none", if catches { "backtracking" } else { "single_pass" }),
        Tier::A3 | Tier::T3 => ("none", "backtracking"),
        Tier::Ap4 | Tier::T4 => ("speed", "backtracking"),
    };
    [
        ("opt_level", opt_level),
        ("regalloc_algorithm", regalloc),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("preserve_frame_pointers", "true"),
        ("machine_code_cfg_info", "true"),
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
        ("enable_nan_canonicalization", "false"),
        ("tls_model", "none"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    ]
}

fn build(features: CpuFeatures, tier: Tier, catches: bool) -> Res<OwnedTargetIsa> {
    let refused = |error: SetError| Fault::internal(format!("the code generator refuses a setting: {error}"));
    let mut shared = settings::builder();
    for (name, value) in flags(tier, catches) {
        shared.set(name, value).map_err(refused)?;
    }
    let mut target = isa::lookup_by_name(TRIPLE).map_err(|error| Fault::internal(format!("no code generator for {TRIPLE}: {error}")))?;
    for feature in features.iter() {
        target.enable(feature.codegen_flag()).map_err(refused)?;
    }
    Ok(target.finish(settings::Flags::new(shared))?)
}

/// Whether the call instruction that ends at `end` is a jump: Cranelift ends tail calls with `jmp rel32` or `jmp register`. Before relocation `rel32` is 0, and no
/// call has an operand that ends like the second.
pub fn is_tail_call(code: &[u8], end: u32) -> bool {
    let Some(before) = code.get(..end as usize) else { return false };
    matches!(before, [.., 0xe9, 0, 0, 0, 0] | [.., 0xff, 0xe0..=0xe7])
}
