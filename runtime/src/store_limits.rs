//! Fixed limits, for most embedders.

use crate::limits::ResourceLimiter;
use crate::trap::HostError;

/// A [`ResourceLimiter`] with fixed limits; [`StoreLimitsBuilder`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of each memory.
    pub memory_size: Option<usize>,
    /// Elements of each table.
    pub table_elements: Option<usize>,
    /// Most instances, with those that hold what the host itself makes.
    pub instances: usize,
    /// Most memories.
    pub memories: usize,
    /// Most tables.
    pub tables: usize,
    /// A guest whose memory or table can not grow traps, instead of getting -1.
    pub trap_on_grow_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits {
            memory_size: None,
            table_elements: None,
            instances: 10_000,
            memories: 10_000,
            tables: 10_000,
            trap_on_grow_failure: false,
        }
    }
}

/// Makes [`StoreLimits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// No limits but for many instances, memories and tables.
    pub fn new() -> StoreLimitsBuilder {
        StoreLimitsBuilder::default()
    }

    /// Most bytes of each memory.
    pub fn memory_size(mut self, limit: usize) -> StoreLimitsBuilder {
        self.0.memory_size = Some(limit);
        self
    }

    /// Most elements of each table.
    pub fn table_elements(mut self, limit: usize) -> StoreLimitsBuilder {
        self.0.table_elements = Some(limit);
        self
    }

    /// Most instances.
    pub fn instances(mut self, limit: usize) -> StoreLimitsBuilder {
        self.0.instances = limit;
        self
    }

    /// Most memories.
    pub fn memories(mut self, limit: usize) -> StoreLimitsBuilder {
        self.0.memories = limit;
        self
    }

    /// Most tables.
    pub fn tables(mut self, limit: usize) -> StoreLimitsBuilder {
        self.0.tables = limit;
        self
    }

    /// Whether a guest whose memory or table can not grow traps, instead of getting -1.
    pub fn trap_on_grow_failure(mut self, trap: bool) -> StoreLimitsBuilder {
        self.0.trap_on_grow_failure = trap;
        self
    }

    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

impl StoreLimits {
    fn judge(&self, what: &str, desired: usize, limit: Option<usize>) -> Result<bool, HostError> {
        match limit {
            Some(limit) if desired > limit && self.trap_on_grow_failure => {
                Err(format!("a {what} can not grow to {desired}: the limit is {limit}").into())
            }
            Some(limit) => Ok(desired <= limit),
            None => Ok(true),
        }
    }

    fn failed(&self, error: HostError) -> Result<(), HostError> {
        if self.trap_on_grow_failure { Err(error) } else { Ok(()) }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool, HostError> {
        self.judge("memory", desired, self.memory_size)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool, HostError> {
        self.judge("table", desired, self.table_elements)
    }

    fn memory_grow_failed(&mut self, error: HostError) -> Result<(), HostError> {
        self.failed(error)
    }

    fn table_grow_failed(&mut self, error: HostError) -> Result<(), HostError> {
        self.failed(error)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}
