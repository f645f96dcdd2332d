//! What is told of compilation: the log, the sums and what profilers read agree with each other, and their files can be read back.

use crate::support::{scratch, trjit, trjit_run};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// `run(n)` has a loop that calls `odd`; what it does is to be compiled.
const PROGRAM: &str = r#"(module
  (func $odd (param i32) (result i32) (i32.and (local.get 0) (i32.const 1)))
  (func $run (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $odd (local.get $n))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))"#;

const EAGER: [&str; 6] = ["--jit", "sync", "--call-threshold", "10", "--loop-threshold", "100"];

/// A line of the log.
#[derive(Debug)]
struct Line {
    milliseconds: f64,
    id: Option<u32>,
    tier: String,
    what: String,
    rest: String,
}

impl Line {
    /// Bytes and address of installed code.
    fn place(&self) -> (u64, u64) {
        let (_, place) = self.rest.rsplit_once(": ").expect("a place follows the name");
        let (bytes, address) = place.split_once(" bytes at 0x").expect("the place has a size and an address");
        (bytes.parse().expect("the size is a number"), u64::from_str_radix(address, 16).expect("the address is a number"))
    }
}

fn log(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).expect("the log was written");
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_string);
        let mut word = || words.next().unwrap_or_else(|| panic!("too short: {line}"));
        let [milliseconds, id, tier, what] = [word(), word(), word(), word()];
        let milliseconds = milliseconds.parse().unwrap_or_else(|_| panic!("no time: {line}"));
        Line { milliseconds, id: id.parse().ok(), tier, what, rest: words.collect::<Vec<_>>().join(" ") }
    };
    let lines: Vec<Line> = text.lines().map(line).collect();
    assert!(lines.is_sorted_by(|a, b| a.milliseconds <= b.milliseconds), "{text}");
    lines
}

/// Runs the program with a log and these options; gives the log and what was said on standard error.
fn run(folder: &Path, options: &[&str]) -> (Vec<Line>, String) {
    let (program, log_file) = (folder.join("program.wat"), folder.join("log"));
    std::fs::write(&program, PROGRAM).expect("the scratch directory is writable");
    let run = trjit(["run"]).args(EAGER).args(options).arg(format!("--log-compilation={}", log_file.display()));
    let outcome = run.args(["--invoke", "run"]).arg(&program).arg("1000").within(folder).run().exits(0).prints("500\n");
    (log(&log_file), outcome.stderr)
}

#[test]
fn the_log_tells_each_compilation_and_the_sums_are_its() {
    let folder = scratch();
    let (lines, said) = run(folder.path(), &["--stats=json"]);
    let of = |what: &str| lines.iter().filter(|line| line.what == what).collect::<Vec<_>>();
    let (compiled, installed) = (of("compiled"), of("installed"));
    assert_eq!(compiled.iter().map(|line| line.id).collect::<Vec<_>>(), installed.iter().map(|line| line.id).collect::<Vec<_>>());
    assert!(compiled.iter().all(|line| line.id.is_some()), "{lines:?}");
    assert!(installed.iter().any(|line| line.tier == "AP4" && line.rest.starts_with("0 odd: ")), "{lines:?}");
    assert!(compiled.iter().any(|line| line.tier == "AP4" && line.rest.starts_with("1 run @ 0x")), "{lines:?}");
    assert!(compiled.iter().any(|line| line.tier == "-" && line.rest.starts_with("- trampoline.to_native[")), "{lines:?}");

    let sums: serde_json::Value = serde_json::from_str(&said).expect("the sums are one line of JSON");
    let functions = compiled.iter().filter(|line| line.tier == "AP4" && !line.rest.contains(" @ 0x")).count();
    let loops = compiled.iter().filter(|line| line.rest.contains(" @ 0x")).count();
    assert_eq!((&sums["tiers"]["AP4"]["functions"], &sums["tiers"]["AP4"]["loops"]), (&functions.into(), &loops.into()), "{sums}");
    let code_bytes: u64 = installed.iter().filter(|line| line.tier == "AP4").map(|line| line.place().0).sum();
    assert_eq!(sums["tiers"]["AP4"]["code_bytes"], code_bytes);
    assert_eq!((&sums["installed"], &sums["failed"]), (&installed.len().into(), &0.into()));
    assert!(sums["calls"]["compiled"].as_u64() > Some(0) && sums["calls"]["interpreted"].as_u64() > Some(0), "{sums}");
}

#[test]
fn sums_for_people_and_logs_on_standard_error() {
    let folder = scratch();
    let (_, said) = run(folder.path(), &["--stats"]);
    let mut lines = said.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("tier  ") && line.ends_with("compile ms")), "{said}");
    assert!(lines.any(|line| line.starts_with("calls into: 0 cached, ")), "{said}");
    let program = folder.path().join("program.wat");
    let outcome = trjit(["run", "--log-compilation"]).args(EAGER).args(["--invoke", "run"]).arg(&program).arg("1000").run().exits(0);
    assert!(outcome.stderr.lines().all(|line| line.contains(" compiled ") || line.contains(" installed ")), "{outcome:?}");
    assert!(outcome.stderr.lines().count() >= 4, "{outcome:?}");
    trjit(["run", "--log-compilation=."]).arg(&program).run().refuses(1, &["the log can not be written to `.`"]);
}

/// Numbers in a dump, in their order.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at_checked(len).expect("the dump is not cut off");
        self.0 = rest;
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.bytes(4).try_into().expect("there are four"))
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.bytes(8).try_into().expect("there are eight"))
    }
}

#[test]
fn a_dump_reads_back() {
    let folder = scratch();
    let (lines, said) = run(folder.path(), &["--profile", "jitdump"]);
    assert_eq!(said, "");
    let files = std::fs::read_dir(folder.path()).expect("it is a directory").filter_map(|file| file.ok()?.file_name().into_string().ok());
    let dumps: Vec<(String, u32)> =
        files.filter_map(|name| Some((name.clone(), name.strip_prefix("jit-")?.strip_suffix(".dump")?.parse().ok()?))).collect();
    let [(name, process)] = &dumps[..] else { panic!("{dumps:?}") };
    let bytes = std::fs::read(folder.path().join(name)).expect("the dump is readable");
    let mut reader = Reader(&bytes);
    assert_eq!([reader.u32(), reader.u32(), reader.u32()], [0x4a69_5444, 1, 40]);
    let machine = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
    assert_eq!([reader.u32(), reader.u32(), reader.u32()], [machine, 0, *process]);
    let mut time = reader.u64();
    assert!(time > 0 && reader.u64() == 0);
    let mut loaded: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    while !reader.0.is_empty() {
        let mut record = Reader(&reader.0[8..]);
        assert_eq!(reader.u32(), 0);
        let len = reader.u32() as usize;
        assert!(record.u64() >= time, "times descend");
        time = reader.u64();
        assert_eq!(reader.u32(), *process);
        let _thread = reader.u32();
        let [start, again, size, number] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
        assert_eq!((start, number), (again, loaded.len() as u64));
        let name = reader.bytes(len - 56 - size as usize).strip_suffix(b"\0").expect("the name ends with a zero");
        assert!(reader.bytes(size as usize).iter().any(|&byte| byte != 0));
        loaded.insert(start, (size, String::from_utf8_lossy(name).into_owned()));
    }
    let installed: HashMap<u64, u64> =
        lines.iter().filter(|line| line.what == "installed").map(Line::place).map(|(size, at)| (at, size)).collect();
    assert_eq!(loaded.iter().map(|(&at, (size, _))| (at, *size)).collect::<HashMap<_, _>>(), installed);
    assert!(
        loaded.values().any(|(_, name)| name == "odd [AP4]") && loaded.values().any(|(_, name)| name.starts_with("run @ 0x")),
        "{loaded:?}"
    );
}

/// Address, size and name of each line; the file is removed.
fn perf_map(process: u32) -> Vec<(u64, u64, String)> {
    let path = format!("/tmp/perf-{process}.map");
    let text = std::fs::read_to_string(&path).expect("the map was written");
    let _ = std::fs::remove_file(&path);
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("`{text}` is no number"));
    let line = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let [at, size, name] = [(); 3].map(|()| parts.next().unwrap_or_else(|| panic!("too short: {line}")));
        (number(at), number(size), name.to_string())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_map_names_fresh_and_cached_code() {
    let folder = scratch();
    let [program, cache, log_file] = ["program.wat", "program.trjit", "log"].map(|name| folder.path().join(name));
    std::fs::write(&program, PROGRAM).expect("the scratch directory is writable");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(&program).run().exits(0);
    let fresh = trjit(["run", "--profile", "perfmap"]).args(EAGER);
    let cached = trjit_run(["--profile=perfmap", "--cache-mode", "require", "--cache"]).arg(&cache);
    for (run, tier) in [(fresh, "AP4"), (cached, "cached AP4")] {
        let run = run.arg(format!("--log-compilation={}", log_file.display()));
        let module = if tier == "AP4" { &program } else { &folder.path().join("program.wasm") };
        std::fs::write(folder.path().join("program.wasm"), wat::parse_str(PROGRAM).expect("the program is one")).expect("it is writable");
        let running = run.args(["--invoke", "run"]).arg(module).arg("1000").start();
        let process = running.id();
        running.end().exits(0).prints("500\n");
        let mut map = perf_map(process);
        let names: Vec<&str> = map.iter().map(|(_, _, name)| name.as_str()).collect();
        for name in ["odd", "run"] {
            assert!(names.contains(&format!("{name} [{tier}]").as_str()) || names.iter().any(|all| all.starts_with("run @")), "{names:?}");
        }
        let lines = log(&log_file);
        match tier {
            "AP4" => {
                let installed = lines.iter().filter(|line| line.what == "installed").map(Line::place);
                assert_eq!(map.iter().map(|&(at, size, _)| (size, at)).collect::<Vec<_>>(), installed.collect::<Vec<_>>());
            }
            _ => {
                let (bytes, start) = lines.iter().find(|line| line.what == "mapped").expect("the cache is told").place();
                assert!(map.iter().all(|&(at, size, _)| at >= start && at + size <= start + bytes), "{map:?}");
            }
        }
        map.sort_unstable();
        assert!(map.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{map:?}");
    }
}

/// perf names cached code by the ELF symbols of the cache file: what the file says of an address is what lies there when it is mapped.
#[test]
fn symbols_of_a_cache_lie_where_it_is_mapped() {
    let folder = scratch();
    let [program, cache] = ["program.wat", "program.trjit"].map(|name| folder.path().join(name));
    std::fs::write(&program, PROGRAM).expect("the scratch directory is writable");
    trjit(["assemble", "--all", "-o"]).arg(&cache).arg(&program).run().exits(0);
    let output = std::process::Command::new("readelf").args(["-sW"]).arg(&cache).output().expect("readelf can be started");
    let symbols = String::from_utf8_lossy(&output.stdout);
    let file = trjit_cache_format::CacheFile::parse(std::fs::read(&cache).expect("the cache is readable").into()).expect("it is a cache");
    let text = file.section_range(trjit_cache_format::SectionId::Text).start as u64;
    for piece in file.functions().iter() {
        let value = format!("{:016x}", text + u64::from(piece.offset));
        let found = symbols.lines().find(|line| line.contains(&value)).unwrap_or_else(|| panic!("{piece:?} has no symbol: {symbols}"));
        assert!(found.split_whitespace().any(|word| word == piece.len.to_string()), "{piece:?}: {found}");
    }
}
