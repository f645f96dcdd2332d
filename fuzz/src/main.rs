//! `trjit-fuzz`: runs targets for some minutes, each worker a process of its own, so that a crash is a finding like any other.
//!
//! A worker tests seeds one after another and writes each to a file before it begins; who finds the worker dead, or at one seed for too long, knows
//! the seed.

use anyhow::{Context, Result};
use clap::Parser;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};
use trjit_fuzz::case::Case;
use trjit_fuzz::mode::Mode;
use trjit_fuzz::oracle::{Agreement, Verdict};
use trjit_fuzz::reference::{self, Reference};
use trjit_fuzz::target::Target;

/// Tests all modes of trjit against an outside engine with generated modules.
#[derive(Parser, Debug)]
struct Args {
    /// Minutes to run, divided among the targets.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// First seed; the following ones are tested in order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this target.
    #[arg(long)]
    target: Option<Target>,
    /// Tests one seed of the target in this process, writes its module (or its calls) here.
    #[arg(long, value_name = "WASM")]
    keep: Option<PathBuf>,
    /// With `--keep`: makes the module of a difference as small as possible first.
    #[arg(long, requires = "keep")]
    shrink: bool,
    /// Stops after so many differences.
    #[arg(long, default_value_t = 10)]
    most: usize,
    /// The outside engine.
    #[arg(long, value_enum, default_value_t)]
    reference: Reference,
    /// The file in which a worker notes its seed (used between processes).
    #[arg(long, hide = true)]
    note: Option<PathBuf>,
}

/// Stack of the testing thread: deep guests run on it.
const STACK: usize = 256 << 20;
/// One case takes well below a second.
const HANGS_AFTER: Duration = Duration::from_secs(60);
/// A worker's status when it found a difference.
const FOUND: u8 = 3;

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    reference::choose(args.reference);
    let worker = std::thread::Builder::new().stack_size(STACK);
    if let (Some(target), Some(note)) = (args.target, args.note.clone()) {
        let thread = worker.spawn(move || work(target, args.seed, args.minutes, &note)).context("a thread for the worker")?;
        return thread.join().map_err(|_| anyhow::anyhow!("the worker panicked"))?;
    }
    if let (Some(target), Some(keep)) = (args.target, args.keep.clone()) {
        let thread = worker.spawn(move || explain(target, args.seed, args.shrink, &keep)).context("a thread for the case")?;
        return thread.join().map_err(|_| anyhow::anyhow!("the case panicked"))?;
    }
    supervise(&args)
}

/// Tests one seed, mode by mode, and tells all.
fn explain(target: Target, seed: u64, shrink: bool, keep: &Path) -> Result<ExitCode> {
    let scratch = tempfile::tempdir()?;
    if target == Target::Wasi {
        let text = trjit_fuzz::wasi::explain(seed, scratch.path());
        print!("{text}");
        return Ok(std::fs::write(keep, text).map(|()| ExitCode::SUCCESS)?);
    }
    let mut case = target.case(seed).context("the generator makes nothing of this seed")?;
    if shrink {
        case = trjit_fuzz::shrink::shrink(&case, &differing(&case, scratch.path()), scratch.path())?;
    }
    std::fs::write(keep, &case.wasm)?;
    for (at, (name, wasm)) in case.providers.iter().enumerate() {
        println!("imports from `{name}`: {at}.provider.wasm");
        std::fs::write(keep.with_extension(format!("{at}.provider.wasm")), wasm)?;
    }
    match reference::run(&case) {
        Ok(expected) => {
            for (at, outcome) in expected.outcomes.iter().enumerate() {
                let call = at.checked_sub(1).map(|at| &case.calls[at]);
                println!("{at}: {call:?} -> {outcome:?}");
            }
        }
        Err(error) => println!("the outside engine does not run it: {error:#}"),
    }
    if target == Target::Fuel {
        println!("fuel: {:?}", target.run(seed, &[], scratch.path()));
        return Ok(ExitCode::SUCCESS);
    }
    for &mode in Mode::ALL {
        print!("{mode:?}: ");
        std::io::stdout().flush()?;
        match Target::judge(&case, &[mode], scratch.path()) {
            Ok(verdict) => println!("{verdict:?}"),
            Err(difference) => println!("{difference}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The first mode that differs; in a dispute one is as good as another.
fn differing(case: &Case, scratch: &Path) -> Vec<Mode> {
    let first = Mode::ALL.iter().find(|&&mode| trjit_fuzz::oracle::check(case, &[mode], scratch).is_err());
    vec![first.copied().unwrap_or(Mode::Interpreter)]
}

/// What a worker did, as its note holds it: numbers, then what it found.
#[derive(Clone, Copy, Default)]
struct Counts {
    cases: u64,
    calls: u64,
    returned: u64,
    /// Cases without a reference, beside the others.
    alone: u64,
    settled: u64,
    disputed: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.cases += other.cases;
        self.calls += other.calls;
        self.returned += other.returned;
        self.alone += other.alone;
        self.settled += other.settled;
        self.disputed += other.disputed;
    }

    fn write(self, note: &Path, seed: u64, found: &str) -> Result<()> {
        let Counts { cases, calls, returned, alone, settled, disputed } = self;
        Ok(std::fs::write(note, format!("{seed} {cases} {calls} {returned} {alone} {settled} {disputed} {found}"))?)
    }

    /// Counts, the seed of the note, and what was found.
    fn read(note: &Path) -> Result<(Counts, u64, String)> {
        let text = std::fs::read_to_string(note).context("the worker wrote no note")?;
        let mut fields = text.splitn(8, ' ');
        let mut number = || -> Result<u64> { Ok(fields.next().context("the worker's note is short")?.parse()?) };
        let seed = number()?;
        let [cases, calls, returned] = [number()?, number()?, number()?];
        let counts = Counts { cases, calls, returned, alone: number()?, settled: number()?, disputed: number()? };
        Ok((counts, seed, fields.next().unwrap_or_default().to_string()))
    }
}

/// Tests seeds until the time is over or a difference is found.
fn work(target: Target, first: u64, minutes: f64, note: &Path) -> Result<ExitCode> {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let scratch = tempfile::tempdir()?;
    let mut counts = Counts::default();
    let mut seed = first;
    while Instant::now() < end {
        counts.write(note, seed, "")?;
        match target.run(seed, Mode::ALL, scratch.path()) {
            Ok(Verdict::Agree(Agreement { calls, returned })) => counts.add(Counts { cases: 1, calls, returned, ..Counts::default() }),
            Ok(Verdict::Alone(Agreement { calls, returned })) => counts.add(Counts { alone: 1, calls, returned, ..Counts::default() }),
            Ok(Verdict::Settled(_)) => counts.settled += 1,
            Ok(Verdict::Disputed(difference, _)) => {
                counts.disputed += 1;
                println!("{target:?} seed {seed}: the reference alone differs, and V8 can not be asked: {difference}");
            }
            Ok(Verdict::Skipped) => {}
            Err(difference) => {
                counts.write(note, seed, &difference.to_string())?;
                return Ok(ExitCode::from(FOUND));
            }
        }
        seed += 1;
    }
    counts.write(note, seed, "")?;
    Ok(ExitCode::SUCCESS)
}

/// Totals of a target.
#[derive(Default)]
struct Totals {
    counts: Counts,
    findings: Vec<String>,
}

fn supervise(args: &Args) -> Result<ExitCode> {
    let targets = args.target.map_or(Target::ALL.to_vec(), |target| vec![target]);
    let minutes = args.minutes / targets.len() as f64;
    let mut found = 0;
    for target in targets {
        let totals = run_target(target, minutes, args)?;
        let Totals { counts, findings } = totals;
        let Counts { cases, calls, returned, alone, settled, disputed } = counts;
        println!(
            "{target:?}: {cases} cases and {alone} without the reference, {calls} calls compared, {returned} of one mode returned; the reference alone differed \
             {settled} times by V8's word, {disputed} times undecided; {} differences",
            findings.len()
        );
        found += findings.len();
    }
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_target(target: Target, minutes: f64, args: &Args) -> Result<Totals> {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let scratch = tempfile::tempdir()?;
    let note = scratch.path().join("note");
    let mut totals = Totals::default();
    let mut seed = args.seed;
    while Instant::now() < end && totals.findings.len() < args.most {
        let left = (end - Instant::now()).as_secs_f64() / 60.0;
        let mut child = worker(target, seed, left, args.reference, &note)?;
        let ended = wait(&mut child, &note)?;
        let (counts, last, finding) = Counts::read(&note)?;
        totals.counts.add(counts);
        let finding = match ended.as_str() {
            "" => None,
            "difference" => Some(finding),
            other => Some(other.to_string()),
        };
        if let Some(finding) = finding {
            println!("{target:?} seed {last}: {finding}");
            totals.findings.push(finding);
        }
        seed = last + 1;
    }
    Ok(totals)
}

fn worker(target: Target, seed: u64, minutes: f64, reference: Reference, note: &Path) -> Result<Child> {
    let name = clap::ValueEnum::to_possible_value(&target).context("every target has a name")?;
    let reference = clap::ValueEnum::to_possible_value(&reference).context("every reference has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--reference", reference.get_name()]);
    command.args(["--target", name.get_name(), "--seed", &seed.to_string(), "--minutes", &minutes.to_string(), "--note"]).arg(note);
    command.spawn().context("a worker process")
}

/// Waits for a worker; the answer is empty when it ended well, `difference`, or what happened to it.
fn wait(child: &mut Child, note: &Path) -> Result<String> {
    let mut last = (String::new(), Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.code() {
                Some(0) => String::new(),
                Some(code) if code == i32::from(FOUND) => "difference".to_string(),
                _ => format!("the worker died: {status}"),
            });
        }
        let now = std::fs::read_to_string(note).unwrap_or_default();
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > HANGS_AFTER {
            child.kill()?;
            child.wait()?;
            return Ok("it hangs".to_string());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
