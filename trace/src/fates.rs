//! What became of each recorded function in another build of its module, for people: what [`Profile::rebase`] carries over, and why it does not carry the rest.

use crate::identity::Shape;
use crate::profile::Profile;
use crate::staleness::matches;
use std::collections::{HashMap, HashSet};
use trjit_module::{DefinedFuncIndex, Module};

/// What became of a recorded function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The module has its body: its counters are carried over.
    Same { index: DefinedFuncIndex },
    /// The module has a function of its name with another body: its counters are lost.
    Changed {
        index: DefinedFuncIndex,
        /// It has as many side table entries and indirect call sites as before: constants or straight code changed.
        same_shape: bool,
    },
    /// The module has neither.
    Gone,
}

impl Profile {
    /// The fates of the recorded functions, in their order.
    pub fn fates(&self, module: &Module) -> Vec<Fate> {
        let matched = matches(self, module);
        let taken: HashSet<DefinedFuncIndex> = matched.iter().flatten().copied().collect();
        let mut named: HashMap<&str, DefinedFuncIndex> = HashMap::new();
        for index in (0..module.functions().len() as u32).map(DefinedFuncIndex).filter(|index| !taken.contains(index)) {
            if let Some(name) = module.func_name(module.func_index(index)) {
                named.entry(name).or_insert(index);
            }
        }
        let fate = |(function, matched): (&crate::FunctionProfile, Option<DefinedFuncIndex>)| {
            let name = || function.identity.name.as_deref().and_then(|name| named.remove(name));
            match (matched, matched.is_none().then(name).flatten()) {
                (Some(index), _) => Fate::Same { index },
                (None, Some(index)) => {
                    Fate::Changed { index, same_shape: Shape::of(&module.functions()[index.index()]) == function.identity.shape() }
                }
                (None, None) => Fate::Gone,
            }
        };
        self.functions.iter().zip(matched).map(fate).collect()
    }
}
