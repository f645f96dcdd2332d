//! Every number of this crate that is a choice, with its reason.

/// A profiled function whose body has no loop and that was entered at most this often in a run gets A1 instead of AP4. Compiling for AP4 takes twice the
/// time of A1; but code of A1 is 1.5x larger and 1.5-1.8x slower, and the machine that assembles is not the one that waits. So A1 is
/// only for what runs once: initialization, where even reading the code from disk costs more than running it.
pub const A1_ENTRIES_PER_RUN: u64 = 1;

/// Modules whose bodies together have at most this many bytes are compiled whole by the command line, the functions that no training run entered last. They cost
/// a second or two of assembly and some file, and what production does differently than the tests is then compiled, too: in programs of this size one mode of use tells little of
/// the others (a compressor that was trained on compressing has seen nothing of what decompressing runs; a formatter of 3 MiB, trained on two inputs, had code for 68 % of what
/// a third one executed). In larger ones most code is never run by anybody, and of the rest only kernels are compiled, functions that loop and call nothing: 1.8 % of python's code, and in them over half of the instructions by which one of
/// its cases goes beyond the others. Compiling what recorded functions call directly is no way out: calls through tables are what is missed.
pub const UNSEEN_BELOW: u64 = 4 << 20;

/// Functions begin at multiples of this many bytes at least: what the fetch unit of current CPUs reads at once.
pub const FUNCTION_ALIGN: u32 = 16;

/// Units (functions and trampolines) in one relocatable object. An object costs about 1 KB of headers and symbols, and
/// a section number must stay below 65280 (with relocations each function has two sections).
pub const UNITS_PER_OBJECT: usize = 1024;

/// Stack of a compiling thread. The code generator recurses over expression trees, so deep ones need more than the usual 2 MiB.
pub const THREAD_STACK: usize = 16 << 20;

/// A profile that covers less than this share of its own recorded calls in the module is reported as stale.
pub const STALE_BELOW: f64 = 0.95;
