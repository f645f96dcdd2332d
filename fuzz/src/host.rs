//! What the host answers when a generated module calls it: a function of the import and the arguments alone, the same in each engine.

use crate::observation::HostCall;
use crate::rng::{Rng, mix};
use crate::value::Value;
use trjit_module::ValType;

/// The status with which a host function ends a program.
pub const EXIT_STATUS: i32 = 7;

/// A function that a module imports from the host.
#[derive(Clone, Debug)]
pub struct HostImport {
    pub module: String,
    pub name: String,
    pub params: Vec<ValType>,
    pub results: Vec<ValType>,
}

/// Calls of a run, in the store's data.
pub type Log = Vec<HostCall>;

/// Notes a call of import `index` and answers it; `None` is a wish to end the program.
pub fn answer(log: &mut Log, index: usize, import: &HostImport, arguments: Vec<Value>) -> Option<Vec<Value>> {
    let digest = arguments.iter().fold(index as u64, |digest, value| mix(digest.wrapping_mul(31) ^ value.bits()));
    log.push((index, arguments));
    let mut rng = Rng::new(digest);
    if rng.one_in(16) {
        return None;
    }
    Some(import.results.iter().map(|&ty| Value::arbitrary(ty, &mut rng)).collect())
}
