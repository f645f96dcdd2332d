//! Writes profiles; the format is drawn in the header of [`codec`](super).

use super::varint::{push, step};
use super::{DIGESTED_HEADER_LEN, FORMAT_VERSION, HEADER_LEN, MAGIC, MAX_PAYLOAD};
use crate::profile::{FunctionProfile, ImportName, Profile, Run, SiteProfile};

/// A compromise: profiles are written at the end of each training run, read and merged a few times.
const COMPRESSION_LEVEL: i32 = 6;

impl Profile {
    /// The contents of a `*.trprof` file. Equal profiles give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        sealed(&payload(self))
    }

    /// As [`to_bytes`](Self::to_bytes); refuses what no reader would accept, with the payload's length.
    pub(crate) fn to_readable_bytes(&self) -> Result<Vec<u8>, u64> {
        let payload = payload(self);
        let len = payload.len() as u64;
        if len > MAX_PAYLOAD { Err(len) } else { Ok(sealed(&payload)) }
    }
}

/// A file with this payload.
pub(super) fn sealed(payload: &[u8]) -> Vec<u8> {
    let compressed =
        zstd::bulk::compress(payload, COMPRESSION_LEVEL).expect("zstd fails only where the output buffer, made to its bound, is too small");
    let mut out = Vec::with_capacity(HEADER_LEN + compressed.len());
    out.extend(MAGIC);
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend((compressed.len() as u64).to_le_bytes());
    out.extend((payload.len() as u64).to_le_bytes());
    out.extend([0; HEADER_LEN - DIGESTED_HEADER_LEN]);
    out.extend(compressed);
    seal(&mut out);
    out
}

/// Puts the digest of a complete file into its place.
pub(super) fn seal(file: &mut [u8]) {
    let digest = digest(file);
    file[DIGESTED_HEADER_LEN..HEADER_LEN].copy_from_slice(&digest);
}

/// The digest of a complete file (at least a header): all but the digest itself.
pub(super) fn digest(file: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(&file[..DIGESTED_HEADER_LEN]).update(&file[HEADER_LEN..]).finalize().as_bytes()
}

pub(super) fn payload(profile: &Profile) -> Vec<u8> {
    let Profile { module, imports, functions, runs } = profile;
    let mut out = Vec::new();
    out.extend(module.digest.0);
    push(&mut out, module.wasm_len);
    push(&mut out, module.imported_functions.into());
    push(&mut out, module.defined_functions.into());
    write_imports(&mut out, imports);
    write_functions(&mut out, functions);
    push(&mut out, runs.len() as u64);
    runs.iter().for_each(|run| write_run(&mut out, run));
    out
}

/// The gaps of an ascending list.
#[derive(Default)]
struct Gaps {
    next: u64,
}

impl Gaps {
    fn gap(&mut self, value: u32) -> u64 {
        let gap = u64::from(value) - self.next;
        self.next = u64::from(value) + 1;
        gap
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    push(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn write_imports(out: &mut Vec<u8>, imports: &[ImportName]) {
    push(out, imports.len() as u64);
    let mut gaps = Gaps::default();
    for ImportName { function, module, name } in imports {
        push(out, gaps.gap(function.0));
        write_string(out, module);
        write_string(out, name);
    }
}

fn write_functions(out: &mut Vec<u8>, functions: &[FunctionProfile]) {
    push(out, functions.len() as u64);
    let mut gaps = Gaps::default();
    for FunctionProfile { identity, entries, branches, sites } in functions {
        push(out, gaps.gap(identity.index.0));
        out.extend(identity.match_digest.0);
        push(out, identity.name.is_some().into());
        if let Some(name) = &identity.name {
            write_string(out, name);
        }
        for number in [identity.rank, identity.twins, identity.branch_entries, identity.indirect_sites] {
            push(out, number.into());
        }
        push(out, *entries);
        push(out, branches.len() as u64);
        let mut positions = Gaps::default();
        for branch in branches {
            push(out, positions.gap(branch.position) * 2 + u64::from(branch.back_edge));
            push(out, branch.taken);
        }
        write_sites(out, sites);
    }
}

fn write_sites(out: &mut Vec<u8>, sites: &[SiteProfile]) {
    push(out, sites.len() as u64);
    let mut numbers = Gaps::default();
    for SiteProfile { site, targets, other } in sites {
        push(out, numbers.gap(*site));
        push(out, targets.len() as u64);
        let mut functions = Gaps::default();
        for target in targets {
            push(out, functions.gap(target.function.0));
            push(out, target.count);
        }
        push(out, *other);
    }
}

fn write_run(out: &mut Vec<u8>, run: &Run) {
    let Run { workload, ended, weight, micros, entries, order } = run;
    write_string(out, workload);
    write_string(out, ended);
    push(out, u64::from(*weight));
    push(out, *micros);
    push(out, *entries);
    push(out, order.len() as u64);
    let (mut function, mut time) = (0, 0);
    for call in order {
        push(out, step(function, call.function.into()));
        push(out, step(time, call.micros));
        (function, time) = (call.function.into(), call.micros);
    }
}
