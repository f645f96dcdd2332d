//! Counters: how much of the work is done by which tier, and why caches were refused.

use std::collections::BTreeMap;

/// Calls that came into guest functions from outside of compiled code (from the host, or from interpreted code into another tier), by what ran them. Calls among
/// compiled functions are not counted: nothing is added to their code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Code of a cache.
    pub cached: u64,
    /// Code compiled in this process.
    pub compiled: u64,
    /// The interpreter.
    pub interpreted: u64,
    /// Host functions.
    pub host: u64,
}

impl Counters {
    /// The share of calls of guest functions that ran cached code, 0 to 1; 0 where there were none.
    pub fn cached_share(&self) -> f64 {
        let all = self.cached + self.compiled + self.interpreted;
        if all == 0 { 0.0 } else { self.cached as f64 / all as f64 }
    }

    pub(crate) fn add(&mut self, other: &Counters) {
        let Counters { cached, compiled, interpreted, host } = *other;
        self.cached += cached;
        self.compiled += compiled;
        self.interpreted += interpreted;
        self.host += host;
    }
}

/// What an engine has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// Calls in stores that are gone; [`Store::counters`](crate::Store::counters) has those of a living one.
    pub calls: Counters,
    /// Caches in use, by [`Module::from_cache`](crate::Module::from_cache) and [`Module::from_cache_file`](crate::Module::from_cache_file).
    pub caches_used: u64,
    /// Caches refused, by the code of the refusal.
    pub refusals: BTreeMap<&'static str, u64>,
}
