//! Reads profiles; the format is drawn in the header of [`codec`](super).
//!
//! Invariant: trusts nothing, the digest included (it detects damage, not malice). No allocation is larger than the bytes that are there can justify; what
//! is accepted fulfils the invariants of [`Profile`] and would be written as the same payload.

use super::varint::{after, parse};
use super::write::digest;
use super::{DIGESTED_HEADER_LEN, FORMAT_VERSION, FormatError, HEADER_LEN, MAGIC, MAX_PAYLOAD};
use crate::identity::FunctionIdentity;
use crate::profile::*;
use crate::recorder::FirstCall;
use std::collections::HashSet;
use std::io::Read;
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex};

/// Our level uses windows of 2^21 bytes at most; frames that ask for far more are refused.
const WINDOW_LOG_MAX: u32 = 24;

type Result<T> = std::result::Result<T, FormatError>;

impl Profile {
    /// Reads the contents of a `*.trprof` file.
    pub fn from_bytes(file: &[u8]) -> Result<Profile> {
        let payload = decompressed(file)?;
        let mut input = Input { bytes: &payload };
        let profile = read_profile(&mut input)?;
        if !input.bytes.is_empty() {
            return Err(FormatError::corrupt(format!("{} bytes after the end of the payload", input.bytes.len())));
        }
        check_references(&profile)?;
        Ok(profile)
    }
}

fn number<const N: usize>(file: &[u8], offset: usize) -> [u8; N] {
    std::array::from_fn(|index| file[offset + index])
}

/// Checks the header and opens the payload.
fn decompressed(file: &[u8]) -> Result<Vec<u8>> {
    let magic = &file[..file.len().min(MAGIC.len())];
    if magic.is_empty() || !MAGIC.starts_with(magic) {
        return Err(FormatError::NotAProfile { found: magic.to_vec() });
    }
    let truncated = |expected: u64| FormatError::Truncated { found: file.len() as u64, expected };
    if file.len() < HEADER_LEN {
        return Err(truncated(HEADER_LEN as u64));
    }
    let version = u32::from_le_bytes(number(file, 8));
    if version != FORMAT_VERSION {
        return Err(FormatError::Version { found: version, expected: FORMAT_VERSION });
    }
    let (compressed_len, len) = (u64::from_le_bytes(number(file, 16)), u64::from_le_bytes(number(file, 24)));
    let expected = compressed_len.saturating_add(HEADER_LEN as u64);
    if (file.len() as u64) < expected {
        return Err(truncated(expected));
    }
    if file.len() as u64 > expected {
        return Err(FormatError::corrupt(format!("{} bytes, expected {expected}", file.len())));
    }
    if digest(file) != file[DIGESTED_HEADER_LEN..HEADER_LEN] {
        return Err(FormatError::corrupt("its digest does not fit its contents"));
    }
    if u32::from_le_bytes(number(file, 12)) != 0 {
        return Err(FormatError::corrupt("bytes 12 to 15 are not zero"));
    }
    if len > MAX_PAYLOAD {
        return Err(FormatError::corrupt(format!("a payload of {len} bytes, at most {MAX_PAYLOAD} are read")));
    }
    decompress(&file[HEADER_LEN..], len)
}

/// The buffer grows with what comes out, never ahead of it by what the header claims.
fn decompress(compressed: &[u8], len: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| FormatError::corrupt(format!("the payload does not decompress: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(failed)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(failed)?;
    let mut payload = Vec::new();
    decoder.take(len + 1).read_to_end(&mut payload).map_err(failed)?;
    if payload.len() as u64 != len {
        return Err(FormatError::corrupt(format!("a payload of {} bytes or more, expected {len}", payload.len())));
    }
    Ok(payload)
}

/// What is left of the payload.
struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(len) else {
            return Err(FormatError::corrupt(format!("{what} needs {len} bytes, {} are left", self.bytes.len())));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        let Some((value, len)) = parse(self.bytes) else { return Err(FormatError::corrupt(format!("{what} is not a number"))) };
        self.bytes = &self.bytes[len..];
        Ok(value)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        let value = self.u64(what)?;
        u32::try_from(value).map_err(|_| FormatError::corrupt(format!("{what} is {value}, which has more than 32 bits")))
    }

    /// A number that must not be zero.
    fn count(&mut self, what: &str) -> Result<u64> {
        match self.u64(what)? {
            0 => Err(FormatError::corrupt(format!("{what} is 0, expected to be absent"))),
            count => Ok(count),
        }
    }

    /// The number of things that follow, each of `min_bytes` or more.
    fn len(&mut self, min_bytes: usize, what: &str) -> Result<usize> {
        let count = self.u64(what)?;
        let possible = (self.bytes.len() / min_bytes) as u64;
        if count > possible {
            return Err(FormatError::corrupt(format!("the count of {what} is {count}, the bytes left hold {possible} at most")));
        }
        Ok(count as usize)
    }

    fn digest(&mut self, what: &str) -> Result<Digest> {
        let bytes = self.take(32, what)?;
        Ok(Digest(number(bytes, 0)))
    }

    fn string(&mut self, what: &str) -> Result<String> {
        let len = self.len(1, what)?;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map(str::to_string).map_err(|_| FormatError::corrupt(format!("{what} is not UTF-8")))
    }

    fn list<T>(&mut self, min_bytes: usize, what: &str, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let len = self.len(min_bytes, what)?;
        // Items are larger in memory than in the file: room for many is made only when they come.
        let mut items = Vec::with_capacity(len.min(1 << 12));
        for _ in 0..len {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

/// An ascending list of numbers below `end`.
struct Gaps {
    next: u64,
    end: u32,
    what: &'static str,
}

impl Gaps {
    fn new(end: u32, what: &'static str) -> Gaps {
        Gaps { next: 0, end, what }
    }

    fn value(&mut self, gap: u64) -> Result<u32> {
        let value = self.next.saturating_add(gap);
        if value >= u64::from(self.end) {
            return Err(FormatError::corrupt(format!("{} {value}, of {}", self.what, self.end)));
        }
        self.next = value + 1;
        Ok(value as u32)
    }
}

fn read_profile(input: &mut Input<'_>) -> Result<Profile> {
    let module = ModuleIdentity {
        digest: input.digest("the module digest")?,
        wasm_len: input.u64("the module's length")?,
        imported_functions: input.u32("the number of imported functions")?,
        defined_functions: input.u32("the number of defined functions")?,
    };
    if module.imported_functions.checked_add(module.defined_functions).is_none() {
        return Err(FormatError::corrupt("more functions than 32 bits can number"));
    }
    let mut gaps = Gaps::new(module.imported_functions, "imported function");
    let imports = input.list(3, "imports", |input| read_import(input, &mut gaps))?;
    let mut gaps = Gaps::new(module.defined_functions, "defined function");
    let functions = input.list(41, "functions", |input| read_function(input, &module, &mut gaps))?;
    let runs = input.list(6, "runs", |input| read_run(input, &functions))?;
    if !runs.is_sorted() {
        return Err(FormatError::corrupt("the runs are not in order"));
    }
    Ok(Profile { module, imports, functions, runs })
}

fn read_import(input: &mut Input<'_>, gaps: &mut Gaps) -> Result<ImportName> {
    let function = FuncIndex(gaps.value(input.u64("an import")?)?);
    Ok(ImportName { function, module: input.string("an import's module")?, name: input.string("an import's name")? })
}

fn read_function(input: &mut Input<'_>, module: &ModuleIdentity, gaps: &mut Gaps) -> Result<FunctionProfile> {
    let index = DefinedFuncIndex(gaps.value(input.u64("a function")?)?);
    let match_digest = input.digest("a function's digest")?;
    let name = match input.u64("whether a function has a name")? {
        0 => None,
        1 => Some(input.string("a function's name")?),
        other => return Err(FormatError::corrupt(format!("{other} names of a function, expected 0 or 1"))),
    };
    let identity = FunctionIdentity {
        index,
        match_digest,
        rank: input.u32("a function's rank")?,
        twins: input.u32("the number of a function's twins")?,
        name,
        branch_entries: input.u32("the number of a function's branches")?,
        indirect_sites: input.u32("the number of a function's call sites")?,
    };
    if identity.rank >= identity.twins {
        return Err(FormatError::corrupt(format!("function {index} has rank {} of {}", identity.rank, identity.twins)));
    }
    let entries = input.u64("a function's entries")?;
    let mut gaps = Gaps::new(identity.branch_entries, "branch");
    let branches = input.list(2, "branches", |input| {
        let number = input.u64("a branch")?;
        let position = gaps.value(number / 2)?;
        Ok(BranchCount { position, back_edge: number % 2 == 1, taken: input.count("a branch's counter")? })
    })?;
    let mut gaps = Gaps::new(identity.indirect_sites, "call site");
    let sites = input.list(3, "call sites", |input| read_site(input, module, &mut gaps))?;
    Ok(FunctionProfile { identity, entries, branches, sites })
}

fn read_site(input: &mut Input<'_>, module: &ModuleIdentity, gaps: &mut Gaps) -> Result<SiteProfile> {
    let site = gaps.value(input.u64("a call site")?)?;
    let mut functions = Gaps::new(module.imported_functions + module.defined_functions, "target function");
    let targets = input.list(2, "targets", |input| {
        let function = FuncIndex(functions.value(input.u64("a target")?)?);
        Ok(TargetCount { function, count: input.count("a target's counter")? })
    })?;
    let other = input.u64("a site's other calls")?;
    if targets.is_empty() && other == 0 {
        return Err(FormatError::corrupt(format!("call site {site} without calls")));
    }
    Ok(SiteProfile { site, targets, other })
}

fn read_run(input: &mut Input<'_>, functions: &[FunctionProfile]) -> Result<Run> {
    let (workload, ended) = (input.string("a run's workload")?, input.string("a run's end")?);
    let weight = input.u32("a run's weight")?;
    let (micros, entries) = (input.u64("a run's time")?, input.u64("a run's entries")?);
    let (mut function, mut time, mut seen) = (0, 0, HashSet::new());
    let order = input.list(2, "first calls", |input| {
        function = after(function, input.u64("a first call")?);
        time = after(time, input.u64("the time of a first call")?);
        let known = u32::try_from(function).ok().filter(|index| find(functions, *index));
        let first = known.filter(|index| seen.insert(*index));
        let index = first.ok_or_else(|| FormatError::corrupt(format!("a first call of function {function}, unknown or repeated")))?;
        Ok(FirstCall { function: index, micros: time })
    })?;
    Ok(Run { workload, ended, weight, micros, entries, order })
}

fn find(functions: &[FunctionProfile], index: u32) -> bool {
    functions.binary_search_by_key(&index, |function| function.identity.index.0).is_ok()
}

/// Every target is a function of the profile or one of its imports.
fn check_references(profile: &Profile) -> Result<()> {
    let sites = profile.functions.iter().flat_map(|function| &function.sites);
    for TargetCount { function, .. } in sites.flat_map(|site| &site.targets) {
        let known = match profile.module.defined_index(*function) {
            Some(DefinedFuncIndex(defined)) => find(&profile.functions, defined),
            None => profile.imports.binary_search_by_key(function, |import| import.function).is_ok(),
        };
        if !known {
            return Err(FormatError::corrupt(format!("nothing is said about the target function {function}")));
        }
    }
    Ok(())
}
