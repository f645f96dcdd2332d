//! `trjit init`: a file is written, told of, and not written twice.

use crate::support::{fixtures, listing, scratch, trjit};

#[test]
fn a_project_gets_a_file_and_keeps_it() {
    let folder = scratch();
    let put = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).expect("the directory is writable");
    std::fs::copy(fixtures().join("c/words.wasm"), folder.path().join("words.wasm")).expect("the fixture is there");
    put("Makefile", b"test:\n\twasmtime run words.wasm < input\n");
    put(".gitignore", b"*.o\n");
    let told = trjit(["init"]).within(folder.path()).run().succeeds();
    for text in ["./trjit.toml", "words.wasm", "`make test`, wrapped, with trjit as wasmtime", ".trjit/ to .gitignore", "trjit ci"] {
        assert!(told.text().contains(text), "{text}: {told:?}");
    }
    assert_eq!(listing(folder.path()), [".gitignore", "Makefile", "trjit.toml", "words.wasm"]);
    let written = std::fs::read_to_string(folder.path().join("trjit.toml")).expect("it was written");
    assert!(written.contains("\nmodule = \"words.wasm\"\n") && written.contains("\ncommand = \"make test\"\n"), "{written}");
    put("trjit.toml", b"mine");
    trjit(["init"]).arg(folder.path()).run().refuses(1, &["trjit.toml` is there already", "help: ", "--force"]);
    trjit(["init", "--quiet", "--force"]).arg(folder.path()).run().succeeds().prints("");
    assert_eq!(std::fs::read_to_string(folder.path().join("trjit.toml")).expect("it was written"), written);
    trjit(["init"]).arg(folder.path().join("absent")).run().refuses(1, &["is no directory", "help: "]);
}

/// What `options` of a run may hold is understood by both commands that it is handed to.
#[test]
fn options_of_runs_are_options_of_training_and_running() {
    for command in ["train", "run"] {
        let help = trjit([command, "--help"]).run().succeeds();
        let words: Vec<&str> = help.text().split([' ', ',', '\n']).collect();
        for option in trjit_ci::config::run_options::ALLOWED {
            assert!(words.contains(option), "{command} {option}");
        }
    }
}
