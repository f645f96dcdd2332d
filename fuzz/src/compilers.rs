//! The compiler, made to do what tests want: another tier, or only some functions; and to keep note of what it refuses.

use anyhow::{Result, bail};
use trjit_code::{Compiler, Failures, Steered, Tier};
use trjit_compile::CraneliftCompiler;

/// What a compiler refused although nobody told it to: generated modules hold nothing that it may refuse.
#[derive(Clone, Default)]
pub struct Refusals(Failures);

impl Refusals {
    /// Has a compiler note its refusals here.
    pub fn noting<C: Compiler>(&self, compiler: Steered<C>) -> Steered<C> {
        compiler.noting(&self.0)
    }

    /// An error that names the first refusal.
    pub fn check(&self) -> Result<()> {
        match self.0.take().first() {
            Some(first) => bail!("the compiler refuses what it must compile: {first}"),
            None => Ok(()),
        }
    }
}

/// Compiles at `tier` instead of the request's, and, with a `parity`, only functions whose index has this remainder by two; the others stay interpreted.
pub fn steered(tier: Option<Tier>, parity: Option<u32>, refusals: &Refusals) -> Steered<CraneliftCompiler> {
    let steered = Steered::new(CraneliftCompiler::new(), move |request| {
        parity.is_none_or(|parity| request.function.0 % 2 == parity).then_some(tier.unwrap_or(request.tier))
    });
    refusals.noting(steered)
}
