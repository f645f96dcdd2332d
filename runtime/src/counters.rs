//! Counters: which tiers guests ran in, and why caches were refused.

use std::collections::BTreeMap;

/// How often each tier was entered: by the host, or from another tier. Calls that stay in a tier are not counted, since nothing is added to compiled code and little to the
/// interpreter: a request that runs a million calls in cached code is one entry.
///
/// Where nothing is compiled in this process these statements are exact: with `interpreted` 0 every call of the guests ran in cached code, with `cached` 0 none
/// did. Between that, each entry of the interpreter is a call of something that the cache lacks;
/// [`Instance::interpreted_functions`](crate::Instance::interpreted_functions) tells what.
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
    /// Side exits: code that left a function in its middle for the interpreter.
    pub exits: u64,
    /// Loops that were left in their middle for better code.
    pub climbs: u64,
}

impl Counters {
    /// The share of entries that were into cached code, 0 to 1; 0 where there were none. 1 means that all calls ran in cached code; a little less than that can mean little of the
    /// calls or many of them, since calls that stay in a tier are not counted.
    pub fn cached_share(&self) -> f64 {
        let all = self.cached + self.compiled + self.interpreted;
        if all == 0 { 0.0 } else { self.cached as f64 / all as f64 }
    }

    pub(crate) fn add(&mut self, other: &Counters) {
        let Counters { cached, compiled, interpreted, host, exits, climbs } = *other;
        self.cached += cached;
        self.compiled += compiled;
        self.interpreted += interpreted;
        self.host += host;
        self.exits += exits;
        self.climbs += climbs;
    }
}

/// What an engine has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineCounters {
    /// Entries in stores that are gone; [`Store::counters`](crate::Store::counters) has those of a living one.
    pub calls: Counters,
    /// Caches in use, by [`Module::from_cache`](crate::Module::from_cache) and [`Module::from_cache_file`](crate::Module::from_cache_file).
    pub caches_used: u64,
    /// Caches refused, by the code of the refusal.
    pub refusals: BTreeMap<&'static str, u64>,
}
