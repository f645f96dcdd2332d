//! The examples run, and print what is expected; the guide quotes them as they are. Cargo builds them before the tests of this crate run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The examples stand beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.ancestors().nth(2).expect("tests stand in `deps`");
    folder.join("examples").join(name)
}

fn prints(name: &str, expected: &str) {
    let path = example(name);
    let output = Command::new(&path).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; `cargo build -p trjit-runtime --examples` makes it", path.display()));
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed: {errors}\n{printed}");
    assert_eq!(printed, expected, "{errors}");
}

#[test]
fn hello() {
    prints("hello", "run(20) = 41\nrun(-1) = -1\nthe host was asked for [20, -1]\n");
}

#[test]
fn linking() {
    prints(
        "linking",
        "error: unknown import: `capitals::capitalize` has not been defined; the module expects function (param i32 i32)\n\
         HELLO from two modules\nHELLO FROM TWO MODULES\nThe end\n",
    );
}

#[test]
fn interrupt() {
    prints(
        "interrupt",
        "interrupted: wasm trap: interrupt\nthe guest was left: true\ndeadline: wasm trap: interrupt\n\
         not before the deadline is moved: wasm trap: interrupt\nepoch: wasm trap: interrupt\nit went around: true\n",
    );
}

#[test]
fn limits() {
    prints(
        "limits",
        "an instance with 1 page\nthe guest asked for 10 more and got -1\nthe guest asked for 3 more and got 1\n\
         error: memory: the store's limiter refuses a memory of 1 pages of 64 KiB\nerror: a memory can not grow to 262144: the limit is 200000\nrefused: 11 pages\ncounted: 4 pages\n\
         error: wasm trap: call stack exhausted\n",
    );
}

#[test]
fn fuel() {
    prints(
        "fuel",
        "100 rounds consumed 1301\n200 rounds consumed 2601\nwasm trap: all fuel consumed by WebAssembly, after 2000 rounds\nleft: 0\n",
    );
}

/// Lines without indentation, empty ones left out.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_guide_quotes_the_examples() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(crate_folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let guide = read("../docs/embedding.md");
    let mut quotes = 0;
    for (at, _) in guide.match_indices("```rust\n") {
        // The example that was named last before the quote.
        let before = &guide[..at];
        let name = before.rfind("](../runtime/").map(|start| &before[start + "](../runtime/".len()..]).expect("a quote names its source");
        let name = &name[..name.find(')').expect("links end")];
        let quote = guide[at..].lines().skip(1).take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
        let (quote, source) = (lines(&quote), read(name));
        assert!(lines(&source).windows(quote.len()).any(|part| part == quote), "{name} does not have this:\n{}", quote.join("\n"));
        quotes += 1;
    }
    assert_eq!(quotes, guide.matches("```").count() / 2, "all quotes are of Rust");
    assert!(quotes > 5, "{quotes}");
}

/// Three threads: each initializes its plugin, and makes 200 requests of two calls.
#[test]
fn plugin_host() {
    prints(
        "plugin_host",
        "requests were recorded while others were served: true\n\
         trained: 6 functions\n\
         \x20   say was called 3 times\n\
         \x20   remainder was called 768 times\n\
         \x20   initialize was called 3 times\n\
         \x20   place was called 600 times\n\
         \x20   step was called 1254000 times\n\
         \x20   checksum was called 600 times\n\
         assembled: 6 functions have code\n\
         served: cached code was entered 1203 times, the interpreter 0 times\n\
         checksum: cbf43926, by cached code\n\
         count: 4, by the interpreter\n\
         the cache lacks: count\n\
         plugin: ready\n\
         refused (other-module): assemble this module, or give the module that the cache was made from\n\
         checksum: cbf43926, by the interpreter\n\
         refusals: {\"other-module\": 1}\n",
    );
}
