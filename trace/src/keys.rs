//! `Keys`: functions of several profiles by numbers, the same number for what is the same function, in whatever build of the program.
//!
//! A function with a body is known by its match digest and its rank among those that have the same; an imported one by its names.

use crate::identity::FunctionIdentity;
use crate::profile::Profile;
use std::collections::HashMap;
use trjit_module::{Digest, FuncIndex};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Defined(Digest, u32),
    Imported(String, String),
}

/// Numbers from 0 on, in the order in which functions are asked for.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    numbers: HashMap<Key, u32>,
}

impl Keys {
    fn number(&mut self, key: Key) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(key).or_insert(next)
    }

    pub fn defined(&mut self, identity: &FunctionIdentity) -> u32 {
        self.number(Key::Defined(identity.match_digest, identity.rank))
    }

    /// The numbers of a profile's functions, in its order.
    pub fn of(&mut self, profile: &Profile) -> Vec<u32> {
        profile.functions.iter().map(|function| self.defined(&function.identity)).collect()
    }

    /// The number of any function that a profile says something about; `numbers` are [of](Self::of) it.
    pub fn target(&mut self, profile: &Profile, numbers: &[u32], function: FuncIndex) -> Option<u32> {
        match profile.module.defined_index(function) {
            Some(defined) => {
                let found = profile.functions.binary_search_by_key(&defined, |function| function.identity.index).ok()?;
                numbers.get(found).copied()
            }
            None => {
                let import = profile.imports.iter().find(|import| import.function == function)?;
                Some(self.number(Key::Imported(import.module.clone(), import.name.clone())))
            }
        }
    }
}
