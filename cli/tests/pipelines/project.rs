//! A program with tests, as a repository: what a user of the pipelines has.

use crate::{must, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Counts words of standard input. `GATES` is replaced.
const CONFIG: &str = r#"# What `trjit ci` does here.
module = "app.wasm"

[train]
profile = "app.trprof"

[[train.run]]
name = "words"
stdin = "tests/words.txt"
expect = { stdout = "tests/words.expected" }

[[train.run]]
name = "nothing"

[[train.run]]
name = "other words"
stdin = "tests/other.txt"
left-out = true

[[target]]
cpu-level = "x86-64-v2"

[gates]
GATES

[output]
profile = "app.trprof"
"#;

/// A gate that holds, and one that does not.
pub const HOLDS: &str = r#"calls-covered = "50%""#;
pub const FAILS: &str = r#"cache-size = "1KiB""#;

/// Writes the files of the project, the module built.
pub fn write(folder: &Path, gates: &str) {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a path in the folder")).expect("the directory of the test is writable");
        std::fs::write(path, bytes).expect("the directory of the test is writable");
    };
    let module = std::fs::read(root().join("fixtures/c/words.wasm")).expect("the fixture is there");
    let words = "the quick brown fox jumps over the lazy dog\n";
    put("trjit.toml", CONFIG.replace("GATES", gates).as_bytes());
    put("src/app.wasm", &module);
    put("app.wasm", &module);
    put("Makefile", b"app.wasm: src/app.wasm\n\tcp src/app.wasm app.wasm\n");
    put("tests/words.txt", words.as_bytes());
    put("tests/other.txt", words.repeat(50).as_bytes());
    put("tests/words.expected", b"9 words, 8 distinct\n   2 the\n   1 brown\n   1 dog\n   1 fox\n   1 jumps\n");
}

/// The same as a repository that can be cloned and pushed to.
pub fn repository(folder: &Path, gates: &str) -> PathBuf {
    let (work, bare) = (folder.join("project"), folder.join("project.git"));
    write(&work, gates);
    std::fs::write(work.join(".gitignore"), "/app.wasm\n/app.trjit\n").expect("the directory of the test is writable");
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    git(&work, &["add", "--all"]);
    git(&work, &["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=A program"]);
    must(Command::new("git").args(["clone", "--quiet", "--bare"]).arg(&work).arg(&bare));
    bare
}

pub fn git(folder: &Path, words: &[&str]) -> String {
    must(Command::new("git").args(words).current_dir(folder))
}
