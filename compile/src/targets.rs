//! Which functions an indirect call is expected to reach, from what training counted at its site: those are compared with the reference and called directly.
//!
//! A reference that equals the one of this instance's function also tells that function's type, so only functions that surely have the call's type are taken: for others the generic
//! path has to decide. Everything else that the counts may say wrongly (functions that do not exist, that are imported, or are never called there) costs speed only.

use trjit_code::{CompileRequest, SiteTargets, Tier};
use trjit_module::{FuncIndex, FuncType, HeapType, Module, RefType, TypeIndex, ValType};

/// Calls at a site that make comparisons worth their code.
const HOT: u64 = 1000;
/// Most functions that are compared with at a site.
const MOST: usize = 3;
/// Least share of a function in the calls at its site, in hundredths. With 10 python's cache grew by three times as much, and nothing that was measured was faster.
const SHARE: u64 = 30;
/// What goes past all comparisons stands at the end of the function where it is at most one of so many calls.
const RARE: u64 = 100;

/// What to expect at a site.
#[derive(Default)]
pub struct Expected {
    /// Defined functions of the call's type, the most frequent one first.
    pub functions: Vec<FuncIndex>,
    /// Whether other ones are rare.
    pub others_are_rare: bool,
}

/// What to expect of the call of a type at a site of a function.
pub fn expected(request: &CompileRequest<'_>, function: FuncIndex, site: u32, ty: TypeIndex) -> Expected {
    if !matches!(request.tier, Tier::Ap4 | Tier::T4) {
        return Expected::default();
    }
    let SiteTargets { calls, mut functions } = request.counts.targets(function, site);
    if calls < HOT {
        return Expected::default();
    }
    functions.retain(|&(target, count)| count >= calls / 100 * SHARE && is_of_type(request.module, target, ty));
    functions.sort_unstable_by_key(|&(target, count)| (std::cmp::Reverse(count), target));
    functions.truncate(MOST);
    let met = functions.iter().fold(0, |sum: u64, target| sum.saturating_add(target.1));
    Expected {
        functions: functions.into_iter().map(|target| target.0).collect(),
        others_are_rare: calls.saturating_sub(met) <= calls / RARE,
    }
}

/// How often a site called a function.
pub fn calls_of(targets: &SiteTargets, callee: FuncIndex) -> u64 {
    targets.functions.iter().filter(|target| target.0 == callee).fold(0, |sum: u64, target| sum.saturating_add(target.1))
}

/// Whether it is a defined function whose type every engine gives the number of `ty`.
fn is_of_type(module: &Module, function: FuncIndex, ty: TypeIndex) -> bool {
    if function.0 >= module.function_count() || module.defined_index(function).is_none() {
        return false;
    }
    let own = module.type_of(function);
    let (own_type, wanted) = (module.func_type(own), module.func_type(ty));
    own == ty || own_type == wanted && !names_types(wanted)
}

/// Whether the type refers to numbered types. Where two such types are written alike they may still differ: a number may be that of the type itself.
fn names_types(ty: FuncType<'_>) -> bool {
    ty.params().chain(ty.results()).any(|ty| matches!(ty, ValType::Ref(RefType { heap: HeapType::Concrete(_), .. })))
}
