//! The bench from outside: two small programs, one round, trjit and whatever peers are on PATH. Times are not looked at.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAMS: &[&str] = &["words", "files"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program `trjit` of the same build. `cargo test --workspace` has built it before; `cargo test -p trjit-bench` alone has not.
fn trjit() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_trjit-bench")).with_file_name("trjit");
    if !path.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--package", "trjit-cli"]).current_dir(root());
        assert!(build.status().expect("cargo can be started").success());
    }
    path
}

/// A corpus of fixtures, in the form that the README tells. The last case expects an output that no engine gives.
fn corpus(folder: &Path) {
    let mut programs = Vec::new();
    for name in PROGRAMS {
        let home = folder.join(name);
        std::fs::create_dir_all(home.join("in")).expect("a folder");
        for (from, to) in [(format!("{name}.wasm"), format!("{name}.wasm")), ("in/words.txt".into(), "in/words.txt".into())] {
            std::fs::copy(root().join("fixtures/c").join(from), home.join(to)).expect("a fixture");
        }
        let text = std::fs::read_to_string(root().join(format!("fixtures/c/{name}.case.json"))).expect("a fixture");
        let fixture: Value = serde_json::from_str(&text).expect("JSON");
        let cases = fixture["cases"].as_array().expect("cases").iter().take(2).cloned().map(with_digest);
        programs.push(json!({ "name": name, "wasm": format!("{name}/{name}.wasm"), "cases": cases.collect::<Vec<_>>() }));
    }
    let mut wrong = programs[0]["cases"][0].clone();
    wrong["id"] = json!("wrong");
    wrong["stdout_sha256"] = json!("0".repeat(64));
    programs[0]["cases"].as_array_mut().expect("cases").push(wrong);
    let text = json!({ "programs": programs }).to_string();
    std::fs::write(folder.join("corpus.json"), text).expect("written");
}

fn with_digest(mut case: Value) -> Value {
    let digest = Sha256::digest(case["stdout"].as_str().expect("recorded output"));
    case["stdout_sha256"] = json!(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    case["outfiles_sha256"] = json!("-");
    case["deterministic"] = json!(true);
    case
}

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trjit-bench")).args(args).output().expect("the bench can be started")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a temporary folder")
}

fn rows<'a>(results: &'a Value, measure: &str, program: &str, case: &str) -> Vec<&'a Value> {
    let all = results["rows"].as_array().expect("rows").iter();
    all.filter(|row| row["measure"] == measure && row["program"] == program && row["case"] == case).collect()
}

#[test]
fn two_programs_give_rows_a_page_and_checked_outputs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (corpus_folder, out) = (folder.path().join("corpus"), folder.path().join("out"));
    corpus(&corpus_folder);
    let trjit = trjit();
    let counts = ["--runs", "1", "--counts", "1,3"];
    let mut args = vec!["--trjit", text(&trjit), "--corpus", text(&corpus_folder), "--out", text(&out)];
    args.extend(counts);
    let output = bench(&args);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&std::fs::read(out.join("results.json")).expect("the file")).expect("JSON");

    for (program, case) in [("words", "1"), ("words", "2"), ("files", "1"), ("files", "2")] {
        let rows = rows(&results, "cases", program, case);
        let own: Vec<&&Value> = rows.iter().filter(|row| row["subject"].as_str().is_some_and(|name| name.starts_with("trjit"))).collect();
        assert!(own.len() >= 4, "{program} {case}: {rows:?}");
        for row in own {
            assert_eq!(row["samples"].as_array().map(Vec::len), Some(1), "{row}");
            assert!(row["failed"].is_null() && row["samples"][0]["minor_faults"].as_u64() > Some(0), "{row}");
        }
    }
    let wrong = rows(&results, "cases", "words", "wrong");
    assert!(!wrong.is_empty());
    for row in wrong {
        assert!(row["failed"].is_string() && row["samples"] == json!([]), "what is wrong is not timed: {row}");
    }
    for measure in ["start", "build", "training", "storage-warm"] {
        assert!(
            results["rows"].as_array().expect("rows").iter().any(|row| row["measure"] == measure && row["failed"].is_null()),
            "{measure}"
        );
    }
    assert!(results["coverage"].as_array().is_some_and(|coverage| coverage.len() >= 4), "{}", results["coverage"]);
    assert!(table.contains("FAILED: standard output differs") && table.contains("cases: files 2") && table.contains("goals"), "{table}");
    let page = std::fs::read_to_string(out.join("index.html")).expect("the page");
    assert!(page.contains("<svg") && page.contains("words") && page.contains("standard output differs") && !page.contains("<script"));
    let instances = results["instances"].as_array().expect("instances");
    assert!(instances.iter().any(|row| row["count"] == 3 && row["failed"].is_null() && row["pss_kib_each"].is_number()), "{instances:?}");

    // The report can be made again, and is the same.
    let again = folder.path().join("again");
    assert!(bench(&["--from", text(&out.join("results.json")), "--out", text(&again)]).status.success());
    assert_eq!(std::fs::read_to_string(again.join("index.html")).expect("the page"), page);
}

#[test]
fn mistakes_are_told() {
    for (args, message) in [
        (vec!["--peers", "nobody"], "there is no peer `nobody`"),
        (vec!["--trjit", "no-such-program"], "no program `trjit`"),
        (vec!["--from", "no-such-file"], "cannot read no-such-file"),
    ] {
        let trjit = trjit();
        let mut all = args.clone();
        if args[0] == "--peers" {
            all.extend(["--trjit", text(&trjit)]);
        }
        let output = bench(&all);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(message), "{args:?}: {stderr}");
    }
}
