//! Crash parity: what a guest does to its stack ends in the same trap in every mode, and never in the death of the process, however much native stack it has.

use crate::support::modes::{Mode, Program};
use crate::support::text::blocks;
use crate::support::traps::told;
use crate::support::{each, fixtures, scratch, trjit};

/// KiB of native stack: less than guests may use, about as much, the usual, and none at all.
const STACKS: [&str; 4] = ["400", "1100", "8192", "unlimited"];

#[test]
fn native_stacks_of_every_size_end_in_the_trap() {
    let names = ["overflow-frames.wat", "overflow-exceptions.wat", "overflow-start.wat"];
    each(&names, |name| {
        let folder = scratch();
        let path = fixtures().join("wat").join(name);
        let program = Program::new(&path, folder.path());
        let mut faults = Vec::new();
        for block in blocks(&path).iter().filter(|block| block.trap.is_some()) {
            let mut first = None;
            for mode in [Mode::Interpreter, Mode::Jit, Mode::Train, Mode::Cached, Mode::MixedEven, Mode::MixedJit] {
                for size in STACKS {
                    let outcome = program.command(mode, &block.options, &block.guest).stack(size).run();
                    let told = told(&outcome, &[&program.module]);
                    if outcome.code() != 134 || *first.get_or_insert_with(|| told.clone()) != told {
                        faults.push(format!("{name}:{} in mode {mode:?} with {size} KiB: expected {first:?}\n{outcome:?}", block.line));
                    }
                }
            }
        }
        faults
    });
}

/// First recursions that Python stops itself, then one whose C frames use up the memory that Python has for them.
const DEEP: &str = "import sys
def f(n): return f(n + 1) + 1
try: f(0)
except RecursionError: print('calls', flush=True)
sys.setrecursionlimit(10 ** 7)
x = []
for i in range(100000): x = [x]
try: repr(x)
except RecursionError: print('repr', flush=True)
class A:
    def __getattr__(self, name): return getattr(A(), name)
A().missing
";

#[test]
fn python_recurses_to_the_same_end_in_every_mode() {
    let module = fixtures().join("fetched/python.wasm");
    if !module.exists() {
        assert!(std::env::var_os("CI").is_none(), "fixtures/fetched/python.wasm is not here: run fixtures/fetch python");
        return eprintln!("SKIPPED: fixtures/fetched/python.wasm is not here: run fixtures/fetch python");
    }
    let folder = scratch();
    let (profile, cache) = (folder.path().join("deep.trprof"), folder.path().join("deep.trjit"));
    let guest = ["-c", DEEP];
    let run = |command: crate::support::Trjit| command.arg(&module).args(guest).run().exits(134).prints("calls\nrepr\n");
    let trained = run(trjit(["train", "-o"]).arg(&profile));
    let expected = told(&trained, &[&module]);
    assert!(expected.contains("out of bounds memory access") && expected.contains("more frames"), "{trained:?}");
    trjit(["assemble", "-o"]).arg(&cache).arg("--profile").arg(&profile).arg(&module).run().exits(0);
    for options in
        [&["--jit", "off"][..], &[], &["--cache-mode", "require", "--jit", "off", "--cache"], &["--cache-mode", "require", "--cache"]]
    {
        let command = trjit(["run"]).args(options);
        let outcome = run(if options.last() == Some(&"--cache") { command.arg(&cache) } else { command });
        // As deep in every mode: it is the guest's own stack that ends.
        assert_eq!(told(&outcome, &[&module]), expected, "{options:?}");
    }
}
