//! Thin targets: from a seed to a generated input to the oracle's answer.

use crate::case::Case;
use crate::mode::Mode;
use crate::oracle::{self, Agreement, Difference, Verdict};
use crate::rng::Rng;
use crate::{arbiter, bytes, fuel, programs, reference, smith, threads, wasi};
use std::path::Path;

/// What is tested, and by which generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Target {
    /// Modules of wasm-smith, in all modes.
    Smith,
    /// Programs that look like compiled ones, in all modes.
    Programs,
    /// Both of these, with little fuel, in all mixes of tiers.
    Fuel,
    /// Damaged modules, in the parser.
    Parser,
    /// Calls of WASI, against a model.
    Wasi,
    /// Programs on several threads at once, while their code is made, left and made anew.
    Threads,
    /// Frames at side exits, slot by slot.
    #[cfg(feature = "frames")]
    Frames,
}

/// Inputs of the parser for one seed: each is quick.
const MUTATIONS: usize = 64;

impl Target {
    pub const ALL: &'static [Target] = &[
        Target::Smith,
        Target::Programs,
        Target::Fuel,
        Target::Parser,
        Target::Wasi,
        Target::Threads,
        #[cfg(feature = "frames")]
        Target::Frames,
    ];

    /// The generated case, where the generator makes one of this seed; calls of WASI are no module.
    pub fn case(self, seed: u64) -> Option<Case> {
        match self {
            Target::Smith | Target::Parser => smith::case(seed).ok(),
            Target::Programs => programs::case(seed).ok(),
            Target::Fuel if seed.is_multiple_of(2) => smith::case(seed).ok(),
            Target::Fuel => programs::case(seed).ok(),
            Target::Wasi => None,
            Target::Threads => programs::case(seed).ok(),
            #[cfg(feature = "frames")]
            Target::Frames if seed.is_multiple_of(4) => smith::case(seed).ok(),
            #[cfg(feature = "frames")]
            Target::Frames => programs::case(seed).ok(),
        }
    }

    /// Tests one seed.
    pub fn run(self, seed: u64, modes: &[Mode], scratch: &Path) -> Result<Verdict, Difference> {
        if self == Target::Wasi {
            return wasi::check(seed, scratch).map(Verdict::Agree);
        }
        let Some(case) = self.case(seed) else { return Ok(Verdict::Skipped) };
        match self {
            Target::Fuel => fuel::check(&case, seed, scratch).map(Verdict::Alone),
            Target::Parser => check_parser(&case.wasm, seed),
            Target::Threads => threads::check(&case, seed).map(Verdict::Alone),
            #[cfg(feature = "frames")]
            Target::Frames => crate::frames::check(&case, seed, None).map(Verdict::Alone),
            _ => Target::judge(&case, modes, scratch),
        }
    }

    /// Runs a case. A dispute that V8 decides against trjit is a difference; one that it decides for it is an agreement.
    pub fn judge(case: &Case, modes: &[Mode], scratch: &Path) -> Result<Verdict, Difference> {
        match oracle::check(case, modes, scratch)? {
            // wasmi has known bugs; a dispute with another engine is a difference.
            Verdict::Disputed(difference, _) if !reference::is_doubtful() => Err(difference),
            Verdict::Disputed(difference, sides) => match arbiter::sides_with(case, &sides.ours, scratch) {
                Some(false) => Err(difference),
                // V8 tells how calls end: of a difference in memories or globals alone it knows nothing.
                Some(true) if sides.ours != sides.reference => Ok(Verdict::Settled(difference)),
                Some(true) | None => Ok(Verdict::Disputed(difference, sides)),
            },
            verdict => Ok(verdict),
        }
    }
}

fn check_parser(wasm: &[u8], seed: u64) -> Result<Verdict, Difference> {
    let mut rng = Rng::new(seed);
    let mut agreement = Agreement::default();
    for _ in 0..MUTATIONS {
        let accepted = bytes::check(&bytes::mutate(wasm, &mut rng))?;
        agreement.calls += 1;
        agreement.returned += u64::from(accepted);
    }
    Ok(Verdict::Agree(agreement))
}
