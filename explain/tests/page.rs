//! The page: well-formed, complete in itself, and made of what the explanation says.

use std::collections::BTreeSet;
use trjit_assemble::Options;
use trjit_code::CpuLevel;
use trjit_explain::{Explanation, Input, Subject, explain, page};
use trjit_module::{DefinedFuncIndex, FuncIndex, Module};
use trjit_trace::{Profile, Recorder, RunInfo};

/// Loops within loops, a table of branches, an exception, calls; and names that would end elements.
const PROGRAM: &str = r#"(module
  (memory 1) (tag $e (param i32))
  (func $callee (export "</title><script>alert(1)</script>&amp;\01") (param i32) (result i32) (i32.load (local.get 0)))
  (func $f (param $n i32) (result i32) (local $m i32)
    (block $out (block $two (block $one
      (br_table $one $two $out (local.get $n)))
      (local.set $m (i32.const 1)))
      (loop $outer
        (local.set $m (i32.const 3))
        (loop $inner
          (drop (call $callee (local.get $m)))
          (br_if $inner (local.tee $m (i32.sub (local.get $m) (i32.const 1)))))
        (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (block $caught (result i32)
      (try_table (catch $e $caught) (throw $e (local.get $n)))
      (unreachable))))"#;

fn module() -> Module {
    Module::parse(wat::parse_str(PROGRAM).expect("the text is valid")).expect("the module is valid")
}

fn explained(module: &Module, function: u32, profile: Option<&Profile>) -> Explanation {
    let options = Options { level: CpuLevel::V2, threads: Some(1), all: true, ..Options::default() };
    explain(Input { subject: Subject::Module(&options), module, function: FuncIndex(function), profile, tier: None })
        .expect("it can be explained")
}

fn profile(module: &Module) -> Profile {
    let recorder = Recorder::new(module);
    let f = &module.functions()[1];
    (0..100).for_each(|_| recorder.count_entry(DefinedFuncIndex(1)));
    let take = |entry: u32, times: u64| {
        recorder.branches()[(f.side_table_start + entry) as usize].fetch_add(times, std::sync::atomic::Ordering::Relaxed)
    };
    take(1, 100);
    take(3, 60_000);
    take(4, 9_900);
    Profile::from_trace(module, recorder.finish(RunInfo::default())).expect("the trace is of the module")
}

/// Holds a page against XML's rules for elements and attributes (style and script are raw, as in HTML); gives the elements with their attributes.
fn elements(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("it is HTML of today");
    let (mut open, mut found): (Vec<String>, Vec<_>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at]);
        let tag = &rest[at + 1..];
        let end = tag.find('>').expect("a tag ends");
        let (tag, behind) = (&tag[..end], &tag[end + 1..]);
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closes what is open");
            continue;
        }
        let is_empty = tag.ends_with('/');
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
        found.push((name.to_string(), self::attributes(attributes)));
        if is_empty {
            continue;
        }
        open.push(name.to_string());
        if name == "style" || name == "script" {
            let end = rest.find(&format!("</{name}>")).expect("it ends");
            rest = &rest[end..];
        }
    }
    assert!(rest.trim().is_empty() && open.is_empty(), "{open:?}");
    found
}

fn check_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let entity = text[at + 1..].split(';').next().unwrap_or_default();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity};");
    }
    assert!(!text.contains('>') && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    while let Some((name, rest)) = text.trim_start().split_once("=\"") {
        let (value, behind) = rest.split_once('"').expect("a value ends");
        check_text(value);
        assert!(found.iter().all(|(other, _)| other != name), "{name} stands there twice");
        found.push((name.to_string(), value.to_string()));
        text = behind;
    }
    assert!(text.trim().is_empty(), "{text:?}");
    found
}

fn values<'a>(elements: &'a [(String, Vec<(String, String)>)], wanted: &str) -> Vec<&'a str> {
    let all = elements.iter().flat_map(|(_, attributes)| attributes);
    all.filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_page_is_well_formed_and_complete_in_itself() {
    let module = module();
    let profile = profile(&module);
    for (function, profile) in [(1, Some(&profile)), (1, None), (0, Some(&profile)), (0, None)] {
        let page = page(&explained(&module, function, profile));
        let elements = elements(&page);
        let names: BTreeSet<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
        for foreign in ["link", "img", "iframe", "object", "base"] {
            assert!(!names.contains(foreign), "<{foreign}>");
        }
        assert!(
            values(&elements, "src").is_empty() && !page.contains("@import") && !page.contains("fetch("),
            "it asks for another resource"
        );
        assert!(page.match_indices("http").all(|(at, _)| page[at..].starts_with("http://www.w3.org/2000/svg\"")), "it names another place");
        assert!(page.match_indices("url(").all(|(at, _)| page[at..].starts_with("url(#tip)")));
        assert_eq!(names.iter().filter(|name| **name == "script").count(), 1);
        assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), 1, "a name became a script");
        let ids = values(&elements, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id stands there twice");
        for target in values(&elements, "href") {
            assert!(target.strip_prefix('#').is_some_and(|id| unique.contains(id)), "{target} leads nowhere");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn the_drawing_shows_blocks_counts_and_ways_back() {
    let module = module();
    let profile = profile(&module);
    let found = explained(&module, 1, Some(&profile));
    let page = page(&found);
    let elements = elements(&page);
    let classes = values(&elements, "class");
    let count = |of: &str| classes.iter().filter(|class| class.split(' ').next() == Some(of)).count();
    assert_eq!(count("block"), found.graph.blocks.len());
    assert_eq!(count("edge"), found.graph.edges.len());
    assert_eq!(classes.iter().filter(|class| class.starts_with("edge back")).count(), 2, "two loops");
    assert_eq!(classes.iter().filter(|class| class.starts_with("edge catches")).count(), 1);
    assert!(classes.contains(&"block h9") && classes.contains(&"block h0"), "the hottest, and what was never executed: {classes:?}");
    assert!(page.contains(">60,000</text>"), "the count of the inner loop's way back");
    // Each line of machine code with a place leads to a block of the drawing.
    let blocks: BTreeSet<String> = (0..found.graph.blocks.len()).map(|block| block.to_string()).collect();
    let named: Vec<&str> = values(&elements, "data-block");
    assert!(named.len() > 3 * blocks.len() && named.iter().all(|block| blocks.contains(*block)), "{named:?}");
}

#[test]
fn large_functions_are_drawn_in_part_and_listed_whole() {
    let blocks = "(if (local.get 0) (then (local.set 0 (i32.const 5))))".repeat(200);
    let text = format!("(module (func (param i32) {blocks}))");
    let module = Module::parse(wat::parse_str(text).expect("the text is valid")).expect("the module is valid");
    let found = explained(&module, 0, None);
    let page = page(&found);
    let elements = elements(&page);
    let drawn = values(&elements, "class").iter().filter(|class| class.starts_with("block ")).count();
    assert!(found.graph.blocks.len() > 400 && drawn < found.graph.blocks.len() && drawn > 100, "{drawn} of {}", found.graph.blocks.len());
    assert!(page.contains(&format!("the {drawn} first of {} blocks are drawn", found.graph.blocks.len())) && page.contains("not drawn"));
    let listed = values(&elements, "id").iter().filter(|id| id.starts_with('b') && id[1..].parse::<u32>().is_ok()).count();
    assert_eq!(listed, found.graph.blocks.len());
}
