//! The image: what the Dockerfile copies is what the recipe of its context makes, and the image's files alone run the program.

use crate::release::Published;
use crate::{must, root, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An instruction: its name, its options, its words.
struct Instruction {
    name: String,
    options: Vec<String>,
    words: Vec<String>,
}

fn instructions(file: &str) -> Vec<Instruction> {
    let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let instruction = |line: &str| {
        assert!(!line.ends_with('\\'), "continued lines are not read: {line}");
        let (name, rest) = line.split_once(' ').expect("an instruction has words");
        let words: Vec<String> = match serde_json::from_str(rest) {
            Ok(words) => words,
            Err(_) => rest.split_whitespace().map(str::to_string).collect(),
        };
        let (options, words) = words.into_iter().partition(|word| word.starts_with("--") && !rest.starts_with('['));
        Instruction { name: name.to_string(), options, words }
    };
    lines.map(instruction).collect()
}

/// The root of the image, and its entry point.
fn build(context: &Path, image: &Path) -> Vec<String> {
    let mut entry = Vec::new();
    for Instruction { name, options, words } in instructions(&text(&root().join("pipelines/docker/Dockerfile"))) {
        match name.as_str() {
            "FROM" => assert_eq!(words, ["scratch"]),
            "COPY" => {
                let [from, to] = words.as_slice() else { panic!("COPY of {words:?}") };
                let (from, to) = (context.join(from), image.join(to.trim_start_matches('/')));
                std::fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
                for option in options {
                    let mode = option.strip_prefix("--chmod=").unwrap_or_else(|| panic!("unknown option {option}"));
                    must(Command::new("chmod").arg(mode).arg(&to));
                }
            }
            "USER" => assert_eq!(words, ["65534:65534"]),
            "ENTRYPOINT" => entry = words,
            _ => panic!("unknown instruction {name}"),
        }
    }
    entry
}

fn context(folder: &Path) -> PathBuf {
    let cache = folder.join("words.trjit");
    let module = root().join("fixtures/c/words.wasm");
    must(
        Command::new(env!("CARGO_BIN_EXE_trjit")).args(["assemble", "-q", "--all", "--cpu-level", "x86-64", "-o"]).arg(&cache).arg(module),
    );
    let context = folder.join("context");
    must(Command::new(root().join("pipelines/docker/context")).arg(Published::get().archive()).arg(cache).arg(&context));
    context
}

#[test]
fn the_image_is_a_static_program_and_a_cache_that_run_alone() {
    let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
    let context = context(folder.path());
    let image = folder.path().join("image");
    std::fs::create_dir(&image).expect("the directory of the test is writable");
    let entry = build(&context, &image);
    // All that is in the context is in the image, and the other way round.
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&context), names(&image));
    assert_eq!(entry.first().map(String::as_str), Some("/trjit-run"));
    let run = |words: &[String]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--user", "chroot", "--userspec=65534:65534"]);
        // Numbers that are not mapped can not be taken: then the user of the namespace does.
        let nobody = command.arg(&image).args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).output();
        let Some(output) = nobody.ok().filter(|output| output.status.code() != Some(125)) else {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--user", "chroot"]).arg(&image).args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            return command.stdin(Stdio::null()).output().expect("unshare can be started");
        };
        output
    };
    let probe = Command::new("unshare")
        .args(["--map-root-user", "--user", "chroot", "/", "true"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: a root of its own can not be had here");
        return;
    }
    let output = run(&entry);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{:?}: {told}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 words, 0 distinct\n");
    // The cache was used: without it there would be no module.
    let other = run(&["/trjit-run".to_string(), "/app.trjit".to_string()]);
    assert!(!other.status.success() && String::from_utf8_lossy(&other.stderr).contains("--allow-precompiled"), "{other:?}");
}
