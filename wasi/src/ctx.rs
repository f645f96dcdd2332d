//! What one guest was given: arguments, environment, descriptors, clocks, limits.
//!
//! Built by [`crate::WasiCtxBuilder`], used by one guest at a time. Building opens the preopened directories and
//! does nothing else.

use crate::interrupt::Interrupt;
use crate::table::Table;

/// The state of WASI for one guest.
#[derive(Debug)]
pub struct WasiCtx {
    /// Arguments, without terminators.
    pub(crate) args: Vec<Vec<u8>>,
    /// `KEY=VALUE`, without terminators.
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) table: Table,
    pub(crate) interrupt: Interrupt,
    /// The host's monotonic clock when the context was built: the zero of the guest's, in nanoseconds.
    pub(crate) clock_start: u64,
}
