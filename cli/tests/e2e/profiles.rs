//! `trjit profile`: merging, showing, comparing; what it tells against what was run, and what it refuses.

use crate::support::damage::mutations;
use crate::support::{each, listing, scratch, trjit, wat};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `$work` calls `$twice` as often as it is told; which of two others it calls through the table is told by the second argument.
const APP: &str = r#"(module
  (type $t (func (param i32) (result i32)))
  (table 2 funcref) (elem (i32.const 0) $left $right)
  (func $left (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $right (type $t) (i32.sub (local.get 0) (i32.const 1)))
  (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $work (export "work") (param $n i32) (param $which i32) (result i32)
    (loop $again
      (drop (call $twice (local.get $n)))
      (drop (call_indirect (type $t) (local.get $n) (local.get $which)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $n)))"#;

/// Another build: a function more in front, `$twice` with another body, `$right` gone.
const REBUILT: &str = r#"(module
  (type $t (func (param i32) (result i32)))
  (table 2 funcref) (elem (i32.const 0) $left $left)
  (func $new (param f64) (result f64) (f64.neg (local.get 0)))
  (func $left (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $twice (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $work (export "work") (param $n i32) (param $which i32) (result i32)
    (loop $again
      (drop (call $twice (local.get $n)))
      (drop (call_indirect (type $t) (local.get $n) (local.get $which)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $n)))"#;

/// A program, and a directory for what is made of it.
pub struct App {
    pub folder: tempfile::TempDir,
    pub module: PathBuf,
}

impl App {
    pub fn new() -> App {
        let folder = scratch();
        let module = wat(folder.path(), "app.wat", APP);
        App { folder, module }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trains a module with these arguments of `work`.
    fn train_on(&self, module: &Path, name: &str, args: [&str; 2]) -> PathBuf {
        let profile = self.path(name);
        let train = trjit(["train", "--workload", name, "--invoke", "work", "-o"]).arg(&profile).arg(module).args(args);
        train.run().exits(0);
        profile
    }

    pub fn train(&self, name: &str, args: [&str; 2]) -> PathBuf {
        self.train_on(&self.module, name, args)
    }
}

fn profile(command: &str) -> crate::support::Trjit {
    trjit(["profile", command])
}

fn show(path: &Path) -> Value {
    profile("show").args(["--json", "--top", "100"]).arg(path).run().succeeds().json()
}

fn calls(shown: &Value, name: &str) -> u64 {
    let hottest = shown["hottest"].as_array().expect("`hottest` is a list");
    hottest.iter().find(|function| function["name"] == name).map_or(0, |function| function["calls"].as_u64().expect("a count"))
}

#[test]
fn merging_adds_up_and_a_weight_multiplies() {
    let app = App::new();
    let (one, two) = (app.train("one.trprof", ["10", "0"]), app.train("two.trprof", ["7", "1"]));
    let (both, swapped, heavy) = (app.path("both.trprof"), app.path("swapped.trprof"), app.path("heavy.trprof"));
    let told = profile("merge").args(["--json", "-o"]).arg(&both).args([&one, &two]).run().succeeds().json();
    assert_eq!((&told["profiles"], &told["runs"], &told["functions"]), (&2.into(), &2.into(), &4.into()), "{told}");
    profile("merge").arg("-o").arg(&swapped).args([&two, &one]).run().exits(0).says(&[]);
    assert_eq!(std::fs::read(&both).expect("it was written"), std::fs::read(&swapped).expect("it was written"));
    let shown = show(&both);
    let counts = ["twice", "left", "right", "work"].map(|name| calls(&shown, name));
    assert_eq!(counts, [17, 10, 7, 2], "{shown}");

    profile("merge").arg("-o").arg(&heavy).arg(format!("3:{}", one.display())).arg(&two).run().exits(0);
    let shown = show(&heavy);
    let counts = ["twice", "left", "right", "work"].map(|name| calls(&shown, name));
    assert_eq!(counts, [37, 30, 7, 4], "{shown}");
    let mut weights: Vec<u64> =
        shown["runs"].as_array().expect("a list").iter().map(|run| run["weight"].as_u64().expect("a number")).collect();
    weights.sort_unstable();
    assert_eq!(weights, [1, 3], "{shown}");
    // What was merged is a profile like any other.
    trjit(["assemble", "-o"]).arg(app.path("app.trjit")).arg("--profile").arg(&heavy).arg(&app.module).run().exits(0);
}

#[test]
fn names_come_from_a_file_or_from_standard_input() {
    let app = App::new();
    let (one, two) = (app.train("one.trprof", ["10", "0"]), app.train("two.trprof", ["7", "1"]));
    let list = format!("2:{}\n\n{}\n", one.display(), two.display());
    std::fs::write(app.path("list"), &list).expect("the scratch directory is writable");
    let (from_file, from_stdin) = (app.path("a.trprof"), app.path("b.trprof"));
    profile("merge").arg("--files-from").arg(app.path("list")).arg("-o").arg(&from_file).run().exits(0);
    profile("merge").args(["--files-from", "-", "-o"]).arg(&from_stdin).stdin(list.as_bytes()).run().exits(0);
    assert_eq!(std::fs::read(&from_file).expect("it was written"), std::fs::read(&from_stdin).expect("it was written"));
    assert_eq!(calls(&show(&from_file), "twice"), 27);
    profile("merge").args(["--files-from", "-", "-o"]).arg(&from_stdin).run().refuses(2, &["no profile to merge"]);
    profile("merge").args(["--files-from", "/nowhere/list", "-o"]).arg(&from_stdin).run().refuses(1, &["/nowhere/list", "No such file"]);
}

#[test]
fn profiles_of_another_program_are_refused_and_of_another_build_carried_over() {
    let app = App::new();
    let rebuilt = wat(app.folder.path(), "rebuilt.wat", REBUILT);
    let other = wat(app.folder.path(), "other.wat", r#"(module (func (export "work") (param i32 i32) (loop (br_if 0 (local.get 1)))))"#);
    let (one, new) = (app.train("one.trprof", ["10", "0"]), app.train_on(&rebuilt, "new.trprof", ["5", "0"]));
    let foreign = app.train_on(&other, "foreign.trprof", ["1", "0"]);
    let out = app.path("out.trprof");
    let merge = |inputs: &[&PathBuf]| profile("merge").arg("-o").arg(&out).args(inputs);
    merge(&[&one, &new]).run().refuses(121, &["new.trprof", "expected", "one.trprof", "--module"]);
    merge(&[&one, &foreign]).arg("--module").arg(&app.module).run().refuses(121, &["foreign.trprof", "another program"]);
    assert!(!out.exists());
    let merged = merge(&[&one, &new]).arg("--module").arg(&rebuilt).run().exits(0);
    merged.says(&["warning: profile", "one.trprof", "another build: 2 of 3 functions"]);
    let shown = show(&out);
    assert_eq!(["twice", "left", "work"].map(|name| calls(&shown, name)), [5, 15, 2], "{shown}");
    assert_eq!(shown["runs"].as_array().map(Vec::len), Some(2), "{shown}");
}

#[test]
fn a_module_tells_what_is_covered_and_what_is_lost() {
    let app = App::new();
    let rebuilt = wat(app.folder.path(), "rebuilt.wat", REBUILT);
    let one = app.train("one.trprof", ["10", "1"]);
    let against =
        |module: &Path| profile("show").args(["--json", "--module"]).arg(module).arg(&one).run().succeeds().json()["against"].clone();
    let same = against(&app.module);
    assert_eq!(
        (&same["same_module"], &same["share_of_calls"], &same["lost"]),
        (&true.into(), &1.0.into(), &Value::Array(vec![])),
        "{same}"
    );
    let stale = against(&rebuilt);
    assert_eq!((&stale["same_module"], &stale["functions"], &stale["functions_same"]), (&false.into(), &3.into(), &1.into()), "{stale}");
    assert_eq!((&stale["changed"]["functions"], &stale["changed"]["calls"]), (&1.into(), &10.into()), "{stale}");
    assert_eq!((&stale["gone"]["functions"], &stale["gone"]["calls"]), (&1.into(), &10.into()), "{stale}");
    let fates: Vec<&str> = stale["lost"].as_array().expect("a list").iter().map(|lost| lost["fate"].as_str().expect("a word")).collect();
    assert_eq!(fates, ["gone", "changed, same shape"], "{stale}");
    let text = profile("show").arg("--module").arg(&rebuilt).arg(&one).run().succeeds();
    for part in
        ["covered      1 of 3 functions", "1 functions changed (10 calls), 1 gone (10 calls)", "right: gone", "twice: changed, same shape"]
    {
        assert!(text.text().contains(part), "no `{part}` in {text:?}");
    }
}

#[test]
fn differences_are_told_by_numbers_factors_and_places() {
    let app = App::new();
    let (before, after) = (app.train("before.trprof", ["10", "0"]), app.train("after.trprof", ["40", "1"]));
    let told = profile("diff").arg("--json").arg(&before).arg(&after).run().succeeds().json();
    assert_eq!(
        (&told["functions_in_both"], &told["functions_only_before"], &told["functions_only_after"]),
        (&2.into(), &1.into(), &1.into())
    );
    let find = |list: &str, name: &str| {
        told[list].as_array().and_then(|all| all.iter().find(|change| change["name"] == name)).cloned().unwrap_or_default()
    };
    let twice = find("by_difference", "twice");
    assert_eq!((&twice["difference"], &twice["factor"]), (&30.0.into(), &4.0.into()), "{told}");
    assert_eq!((&twice["before"]["calls"], &twice["after"]["calls"]), (&10.into(), &40.into()), "{told}");
    assert_eq!(find("only_before", "left")["before"]["calls"], 10, "{told}");
    assert_eq!(find("only_after", "right")["after"]["calls"], 40, "{told}");
    assert_eq!(find("only_after", "right")["factor"], Value::Null, "{told}");
    // work, twice, left against work, twice, right.
    assert_eq!(told["first_use_similarity"].as_f64(), Some(2.0 * 2.0 / 6.0), "{told}");
    let same = profile("diff").arg("--json").arg(&before).arg(&before).run().succeeds().json();
    assert_eq!((&same["by_difference"], &same["first_use_similarity"]), (&Value::Array(vec![]), &1.0.into()), "{same}");
    let text = profile("diff").arg(&before).arg(&after).run().succeeds();
    assert!(text.text().contains("changed most") && text.text().contains("twice"), "{text:?}");
}

#[test]
fn alike_runs_are_one_cluster_and_what_adds_nothing_is_named() {
    let app = App::new();
    let files = [("a", ["10", "0"]), ("b", ["20", "0"]), ("c", ["5", "1"]), ("d", ["1", "1"])].map(|(name, args)| app.train(name, args));
    let told = profile("similarity").args(["--json", "--pairs"]).args(&files).run().succeeds().json();
    assert_eq!((told["runs"].as_array().map(Vec::len), &told["orders"]), (Some(4), &2.into()), "{told}");
    let ratios: Vec<f64> = told["pairs"].as_array().expect("a list").iter().map(|pair| pair["ratio"].as_f64().expect("a number")).collect();
    let different = 2.0 * 2.0 / 6.0;
    assert_eq!(ratios, [1.0, different, different, different, different, 1.0], "{told}");
    assert_eq!(told["similarity"]["average"].as_f64(), Some(ratios.iter().sum::<f64>() / 6.0), "{told}");
    assert_eq!(told["clusters"], serde_json::json!([[0, 1], [2, 3]]), "{told}");
    // One of each pair is needed, the quicker one.
    let mut needed: Vec<char> =
        told["needed"].as_array().expect("a list").iter().filter_map(|need| need["name"].as_str()?.chars().last()).collect();
    needed.sort_unstable();
    assert!(matches!(needed[..], ['a' | 'b', 'c' | 'd']), "{told}");
    assert_eq!(told["redundant"].as_array().map(Vec::len), Some(2), "{told}");
    let loose = profile("similarity").args(["--json", "--threshold", "60"]).args(&files).run().succeeds().json();
    assert_eq!((loose["clusters"].as_array().map(Vec::len), &loose["pairs"]), (Some(1), &Value::Null), "{loose}");

    let merged = app.path("all.trprof");
    profile("merge").arg("-o").arg(&merged).args(&files).run().exits(0);
    let text = profile("similarity").arg(&merged).run().succeeds();
    for part in ["4 in 1 files, with 2 different orders", "min 66.7 %", "2 clusters at 80 %", "needed       2 of 4", "2 add nothing", "#1"]
    {
        assert!(text.text().contains(part), "no `{part}` in {text:?}");
    }
}

#[test]
fn what_can_not_be_used_is_refused_and_nothing_is_written() {
    let app = App::new();
    let good = app.train("good.trprof", ["10", "0"]);
    let bytes = std::fs::read(&good).expect("it was written");
    let damaged: Vec<(usize, Vec<u8>)> = mutations(&bytes, 12, 5).into_iter().enumerate().collect();
    let out = scratch();
    each(&damaged, |(number, bytes)| {
        let path = app.path(&format!("damaged-{number}"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        let merged = out.path().join(format!("{number}.trprof"));
        profile("merge").arg("-o").arg(&merged).arg(&good).arg(&path).run().refuses(121, &["damaged-", "help: "]);
        profile("show").arg(&path).run().refuses(121, &["damaged-", "help: "]);
        profile("diff").arg(&good).arg(&path).run().refuses(121, &["damaged-", "help: "]);
        profile("similarity").arg(&good).arg(&path).run().refuses(121, &["damaged-", "help: "]);
        Vec::new()
    });
    let merged = out.path().join("x.trprof");
    let absent = app.path("absent");
    profile("merge").arg("-o").arg(&merged).arg(&good).arg(&absent).run().refuses(121, &["absent", "No such file"]);
    profile("merge").arg("-o").arg(&merged).arg(format!("0:{}", good.display())).run().refuses(2, &["weight 0, expected 1 to"]);
    profile("merge").arg("-o").arg(&merged).arg("--module").arg(&good).arg(&good).run().refuses(1, &["good.trprof"]);
    profile("show").arg("--module").arg(&absent).arg(&good).run().refuses(1, &["absent", "No such file"]);
    assert!(listing(out.path()).is_empty(), "{:?}", listing(out.path()));
    profile("merge").arg("-o").arg(app.path("no/where.trprof")).arg(&good).run().refuses(1, &["no/where.trprof", "No such file"]);
    // A full disk, and a device that takes nothing.
    profile("merge").args(["-o", "/dev/full"]).arg(&good).run().refuses(1, &["/dev/full", "No space left"]);
    let wrong = profile("merg").run().exits(2).says(&["unrecognized subcommand", "merge"]);
    assert!(wrong.stdout.is_empty(), "{wrong:?}");
    profile("similarity").args(["--threshold", "101"]).arg(&good).run().exits(2).says(&["from 0 to 100, found `101`"]);
}
