//! Every threshold of the runtime, with its unit and the reason for its value.

/// When code moves up a tier, and how much stack guests get. Defaults suit command-line programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// Calls (plus back-edges) of an interpreted function before it is compiled. Compiling a function costs about what some thousand interpreted
    /// instructions cost, so functions called a few times are not worth it.
    pub call_threshold: u32,
    /// Back-edges (plus calls) of a running function before compiled code for the loop is asked for.
    pub loop_threshold: u32,
    /// How many more of the same pass before the interpreter looks again whether code has arrived.
    pub recheck_interval: u32,
    /// Compile on a thread of its own while the interpreter goes on; without it the guest waits, and runs are deterministic.
    pub background: bool,
    /// Functions that are waiting are published together, up to this many: pages of code are never shared by two publications.
    pub publish_batch: usize,
    /// Bytes of native stack for compiled code and the crossings between tiers.
    pub max_wasm_stack: usize,
    /// Bytes of the interpreter's value stack (locals and operands).
    pub interpreter_stack: usize,
    /// Most suspended interpreted callers.
    pub interpreter_frames: usize,
    /// Bytes of a memory's image that are copied from the cache rather than mapped: a mapping has its price, and each page that is written is copied anyway.
    pub copied_image: usize,
}

impl Default for Tunables {
    fn default() -> Tunables {
        Tunables {
            call_threshold: 400,
            loop_threshold: 3000,
            recheck_interval: 500,
            background: true,
            publish_batch: 2,
            max_wasm_stack: 1 << 20,
            interpreter_stack: 8 << 20,
            interpreter_frames: 1 << 16,
            copied_image: 16 << 10,
        }
    }
}
