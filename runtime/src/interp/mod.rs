//! Tier 0: the in-place interpreter. It runs the wasm bytes as they are; the side table tells where branches go.
//!
//! Every opcode has a handler with the interpreter's registers as parameters; it does its work and calls the next opcode's handler as
//! its last act, which the optimizer turns into a jump. So handlers must own nothing with a destructor and let no address of a local escape: what needs more
//! goes to an outlined function. `cli/tests/e2e/native_stack.rs` keeps watch that no handler uses up native stack.
//!
//! | register | meaning |
//! |---|---|
//! | `ip` | behind the opcode being executed |
//! | `sp` | first free slot of the operand stack, which grows upwards |
//! | `fp` | the frame: locals, then operand stack |
//! | `st` | the next side table entry in program order |
//! | `cx` | everything else ([`cx::Cx`]) |
//! | `mem` | start of memory 0 |
//!
//! The handlers exist eight times: `Training` records the profile and runs the original bytes; `Plain` counts only what tier-up needs (as `Training` does, too), and runs a [quickened](quicken)
//! copy in which frequent sequences are one instruction; `Metered` is either of them with fuel, on the original bytes; each over slots of one word, or of two for modules
//! with v128.
//!
//! | file | concept |
//! |---|---|
//! | [`run`] | one activation: first frame, start, how it ends |
//! | [`handlers`], [`dispatch`] | what handlers are made of; the tables by opcode |
//! | [`arithmetic`], [`memory`], [`control`], [`variables`] | the handlers, by family |
//! | [`fuel`] | what engines that consume fuel count |
//! | [`frame_log`] | frames shown to tests |
//! | [`copies`] | the bytes that run, where they are not the module's own |
//! | [`quicken`], [`fused`] | the quickened copy; its sequences and their handlers |
//! | [`memarg`], [`atomics`], [`simd`] | accesses of any memory; what stands behind the prefixes 0xFE and 0xFD |
//! | [`exceptions`] | throwing, and the search for a handler in the frames of an activation |
//! | [`crossing`] | values between slots of different width |
//! | [`out`] | everything that leaves the interpreter |

mod arithmetic;
mod atomics;
mod control;
pub(crate) mod copies;
mod crossing;
pub mod cx;
mod dispatch;
mod exceptions;
pub(crate) mod frame_log;
mod fuel;
mod fused;
mod handlers;
mod leb;
mod length;
mod memarg;
mod memory;
pub mod numeric;
mod out;
mod quicken;
pub mod run;
mod simd;
mod variables;

pub(crate) use out::instance_of;
pub(crate) use run::{interpret, resume};
