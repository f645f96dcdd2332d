//! How many instructions a recorded run executed, function by function, from what its profile counted: [`trjit_compile::work`] weighs them as
//! fuel is ([`trjit_module::fuel`]): structure is free.

use anyhow::Result;
use trjit_code::{BranchCounts, SiteTargets};
use trjit_compile::work::work;
use trjit_module::{FuncIndex, Module};
use trjit_trace::FunctionProfile;

/// The counters of one function.
struct Counters<'a>(&'a FunctionProfile);

impl BranchCounts for Counters<'_> {
    fn entries(&self, _function: FuncIndex) -> Option<u64> {
        Some(self.0.entries)
    }

    fn taken(&self, _function: FuncIndex, entry: u32) -> u64 {
        self.0.taken(entry)
    }

    fn targets(&self, _function: FuncIndex, _site: u32) -> SiteTargets {
        SiteTargets::default()
    }
}

/// Executed instructions of one function, without entering it.
pub fn instructions(module: &Module, profile: &FunctionProfile) -> Result<u64> {
    Ok(work(module, module.func_index(profile.identity.index), &Counters(profile))?.instructions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trjit_runtime::{Config, Engine, Linker, Store};

    /// Loops, both arms, tables of branches, dead code, indirect and tail calls, recursion.
    const PROGRAM: &str = r#"(module
      (type $unary (func (param i32) (result i32)))
      (table funcref (elem $even $odd))
      (func $even (type $unary)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (call $odd (i32.sub (local.get 0) (i32.const 1))))))
      (func $odd (type $unary)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (return_call $even (i32.sub (local.get 0) (i32.const 1))))
      (func $choose (type $unary)
        (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 30)))
          (drop (i32.const 7)) (br $a) (drop (i32.const 8)) (block (br 0)))
        (i32.const 10))
      (func $never (type $unary) (if (result i32) (local.get 0) (then (unreachable)) (else (i32.const 3))))
      (func (export "run") (param $n i32) (result i32) (local $sum i32)
        (loop $again
          (local.set $sum (i32.add (local.get $sum) (call_indirect (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1)))))
          (local.set $sum (i32.add (local.get $sum) (call $choose (i32.rem_u (local.get $n) (i32.const 4)))))
          (block $out
            (br_if $out (i32.eq (local.get $n) (i32.const 5)))
            (local.set $sum (i32.add (local.get $sum) (call $never (i32.const 0)))))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

    #[test]
    fn the_sum_over_all_functions_is_the_fuel_that_the_run_consumed() {
        let mut config = Config::new();
        config.record_profile(true).consume_fuel(true);
        let engine = Engine::new(&config);
        let wasm = wat::parse_str(PROGRAM).expect("a module");
        let module = trjit_runtime::Module::new(&engine, wasm.clone()).expect("it is valid");
        let mut store = Store::new(&engine, ()).expect("a store");
        store.set_fuel(1 << 40).expect("fuel is counted");
        let instance = Linker::new().instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("the export");
        run.call(&mut store, 23).expect("it returns");
        let consumed = (1 << 40) - store.get_fuel().expect("fuel is counted");
        let profile = engine.take_profile(&module, "test").expect("a profile");
        let parsed = Module::parse(wasm).expect("it is valid");
        let executed: u64 = profile.functions().iter().map(|function| instructions(&parsed, function).expect("it can be walked")).sum();
        assert_eq!(executed + profile.total_calls(), consumed);
        assert!(executed > 1000, "{executed}");
    }
}
