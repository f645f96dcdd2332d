//! Reads `trjit.toml`: text to [`Config`], a function a table, defaults filled in.
//!
//! ```text
//! text -> TOML with places -> sections (keys.rs) -> values (values.rs) -> Config -> rules (rules.rs)
//! ```

use super::keys::FILE;
use super::kinds::{Choices, Word};
use super::problem::{ConfigError, Problems, What};
use super::rules::{self, Places};
use super::section::Section;
use super::values::{self, Located};
use super::{Config, Expect, Gates, Output, Run, Target, Train, Wrapped};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;
use trjit_code::{CpuFeatures, CpuLevel, MemoryStyle};

/// How long a run may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(300);
const BASELINE: &str = "trjit-baseline.json";
/// CI machines differ from those of production, so this is not that of the machine.
const LEVEL: CpuLevel = CpuLevel::V3;

/// Reads a file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let help = (error.kind() == std::io::ErrorKind::NotFound).then(|| "`trjit init` writes one, `--config FILE` names another".into());
        ConfigError::of_file(&name, What::Unreadable { reason: error.to_string() }, help)
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &name),
        Err(error) => {
            let reason = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to());
            Err(ConfigError::of_file(&name, What::Syntax { reason }, None))
        }
    }
}

/// Reads the text of a file that messages call `name`.
pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let syntax = Problems::default();
    for error in &errors {
        syntax.add(error.span().map_or(0, |span| span.start), What::Syntax { reason: error.message().to_string() });
    }
    // What was recovered around broken syntax would only bring misleading problems.
    if let Some(error) = syntax.into_error(name, text) {
        return Err(error);
    }
    let problems = Problems::default();
    let mut places = Places::default();
    let config = read_file(&Section::open(&FILE, document.get_ref(), 0, &problems), &mut places);
    // Rules look at what was read; where something was not, they would say what is not so.
    if problems.is_empty() {
        rules::check(&config, &places, text, &problems);
    }
    match problems.into_error(name, text) {
        Some(error) => Err(error),
        None => Ok(config),
    }
}

fn read_file(file: &Section<'_>, places: &mut Places) -> Config {
    let module = file.located("module", values::path).unwrap_or(Located { value: PathBuf::new(), at: 0 });
    places.input(&module, "module");
    let train = file.table("train");
    places.train = train.as_ref().map_or(0, |train| train.at);
    let train = train.map_or_else(Train::default, |train| read_train(&train, places));
    let targets = file.tables("target");
    let mut targets: Vec<Target> = targets.iter().map(|target| read_target(target, places)).collect();
    if targets.is_empty() {
        targets.push(Target::default());
        places.targets.push(0);
    }
    let gates = file.table("gates").map_or_else(Gates::default, |gates| read_gates(&gates, places));
    let output = file.table("output").map_or_else(Output::default, |output| read_output(&output, places));
    Config { module: module.value, train, targets, gates, output }
}

impl Default for Train {
    fn default() -> Train {
        Train { jobs: None, timeout: TIMEOUT, command: None, profile: None, runs: Vec::new() }
    }
}

fn read_train(train: &Section<'_>, places: &mut Places) -> Train {
    let profile = train.located("profile", values::path);
    if let Some(profile) = &profile {
        places.input(profile, rules::KEPT);
    }
    Train {
        jobs: train.get("jobs", |value| values::count(value, 1, 4096)).map(|jobs| jobs as usize),
        timeout: train.get("timeout", values::time).unwrap_or(TIMEOUT),
        command: read_command(train, places),
        profile: profile.map(|profile| profile.value),
        runs: train.tables("run").iter().enumerate().map(|(at, run)| read_run(run, at, places)).collect(),
    }
}

fn read_command(train: &Section<'_>, places: &mut Places) -> Option<Wrapped> {
    let shim = train.located("as", values::file_name);
    let inputs = train.located("inputs", |value| values::list(value, Word::Path));
    let timeout = train.located("command-timeout", values::time);
    let Some(command) = train.get("command", values::command) else {
        let at = [("as", shim.map(|key| key.at)), ("inputs", inputs.map(|key| key.at)), ("command-timeout", timeout.map(|key| key.at))];
        places.without_command.extend(at.into_iter().filter_map(|(key, at)| Some((key, at?))));
        return None;
    };
    let inputs: Vec<Located<PathBuf>> = inputs.map_or_else(Vec::new, |inputs| {
        inputs.value.into_iter().map(|path| Located { value: PathBuf::from(path.value), at: path.at }).collect()
    });
    inputs.iter().for_each(|input| places.input(input, "an input of the command"));
    Some(Wrapped {
        command,
        shim: shim.map(|shim| shim.value),
        inputs: inputs.into_iter().map(|input| input.value).collect(),
        timeout: timeout.map(|timeout| timeout.value),
    })
}

fn read_run(run: &Section<'_>, at: usize, places: &mut Places) -> Run {
    let name = run.located("name", values::name).unwrap_or_else(|| Located { value: format!("run-{}", at + 1), at: run.at });
    places.names.push(name.at);
    let stdin = run.located("stdin", values::path);
    if let Some(stdin) = &stdin {
        places.input(stdin, &format!("standard input of run `{}`", name.value));
    }
    let words = |key: &str, word: Word| run.get(key, |value| values::list(value, word)).unwrap_or_default();
    let texts = |key: &str, word: Word| words(key, word).into_iter().map(|word| word.value).collect();
    let options = words("options", Word::Any);
    places.options.push(options.iter().map(|option| option.at).collect());
    Run {
        args: texts("args", Word::Any),
        stdin: stdin.map(|stdin| stdin.value),
        dirs: texts("dirs", Word::Dir),
        scratch: texts("scratch", Word::GuestPath),
        env: texts("env", Word::Variable),
        options: options.into_iter().map(|option| option.value).collect(),
        expect: run.table("expect").map_or_else(Expect::default, |expect| read_expect(&expect, &name.value, places)),
        // The range makes it fit.
        weight: run.get("weight", |value| values::count(value, 1, u64::from(u32::MAX))).map_or(1, |weight| weight as u32),
        timeout: run.get("timeout", values::time),
        left_out: run.get("left-out", values::flag).unwrap_or(false),
        name: name.value,
    }
}

fn read_expect(expect: &Section<'_>, run: &str, places: &mut Places) -> Expect {
    let stdout = expect.located("stdout", values::path);
    if let Some(stdout) = &stdout {
        places.input(stdout, &format!("expected output of run `{run}`"));
    }
    let digest = expect.located("stdout-sha256", values::sha256);
    if let (Some(_), Some(digest)) = (&stdout, &digest) {
        places.both_outputs.push(digest.at);
    }
    Expect {
        // The range makes it fit.
        exit: expect.get("exit", |value| values::count(value, 0, 255)).map_or(0, |exit| exit as u8),
        stdout: stdout.map(|stdout| stdout.value),
        stdout_sha256: digest.map(|digest| digest.value),
        nondeterministic: expect.get("nondeterministic", values::flag).unwrap_or(false),
    }
}

impl Default for Target {
    fn default() -> Target {
        Target {
            cpu_level: LEVEL,
            memory: MemoryStyle::Reserved,
            fuel: false,
            all: false,
            recorded_only: false,
            verify: false,
            cache: None,
        }
    }
}

fn read_target(target: &Section<'_>, places: &mut Places) -> Target {
    let choice = |key: &str, choices: Choices| target.get(key, |value| values::choice(value, choices));
    let functions = choice("functions", Choices::Functions);
    let cache = target.located("cache", values::path);
    places.targets.push(cache.as_ref().map_or(target.at, |cache| cache.at));
    Target {
        cpu_level: choice("cpu-level", Choices::LevelOrNative).map_or(LEVEL, level),
        memory: choice("memory", Choices::Memory).and_then(MemoryStyle::parse).unwrap_or(MemoryStyle::Reserved),
        fuel: target.get("fuel", values::flag).unwrap_or(false),
        all: functions == Some("all"),
        recorded_only: functions == Some("recorded"),
        verify: target.get("verify", values::flag).unwrap_or(false),
        cache: cache.map(|cache| cache.value),
    }
}

/// A level by its name; of the running machine where it is `native`, the one name that is none of a level.
fn level(name: &str) -> CpuLevel {
    #[cfg(target_arch = "x86_64")]
    let host = CpuFeatures::host();
    #[cfg(not(target_arch = "x86_64"))]
    let host = CpuFeatures::NONE;
    CpuLevel::parse(name).unwrap_or_else(|| CpuLevel::best_for(host))
}

fn read_gates(gates: &Section<'_>, places: &mut Places) -> Gates {
    let share = |key: &str| gates.get(key, values::share);
    let staleness = gates.located("staleness", values::share);
    places.staleness = staleness.as_ref().map(|staleness| staleness.at);
    Gates {
        calls_covered: share("calls-covered"),
        instructions_covered: share("instructions-covered"),
        staleness: staleness.map(|staleness| staleness.value),
        coverage_loss: share("coverage-loss"),
        cache_size: gates.get("cache-size", values::size),
        accept: gates.get("accept", values::levels).unwrap_or_default().iter().map(|name| level(name.value)).collect(),
        growth: gates.get("growth", values::growth),
        time_ratio: gates.get("time-ratio", values::ratio),
    }
}

impl Default for Output {
    fn default() -> Output {
        Output { profile: None, baseline: BASELINE.into(), summary: None }
    }
}

fn read_output(output: &Section<'_>, places: &mut Places) -> Output {
    let mut file = |key: &'static str| {
        let file = output.located(key, values::path)?;
        places.output(&file, key);
        Some(file.value)
    };
    let (profile, baseline, summary) = (file("profile"), file("baseline"), file("summary"));
    Output { profile, baseline: baseline.unwrap_or_else(|| BASELINE.into()), summary }
}
