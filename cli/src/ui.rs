//! What the commands themselves say: messages on standard error, one line each; output on standard output. [`Say`] is how the user wants it.
//!
//! | said by | is | `--quiet` |
//! |---|---|---|
//! | [`error`], [`help`] | why the command failed, what to do | stays |
//! | [`refusal`] | something that was named is not used, and the command goes on without | stays |
//! | [`note`] | what an option asks for (`-v`, `--stats`, `--timings`), or more of an error | stays |
//! | [`warning`], [`progress`] | what is good to know | silent |
//! | [`summary`] | what a command did whose answer is a file | silent |
//! | [`line`], [`output`] | the answer that was asked for | stays |

use crate::environment::{COLOR, QUIET, Variable};
use crate::exit::{self, Failure};
use clap::{Args, ColorChoice, ValueEnum};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How a command speaks.
#[derive(Args, Debug, Default)]
pub struct Say {
    /// Say nothing but errors, refusals, and what other options ask for.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colour messages: auto (on a terminal, the default), always, never.
    #[arg(long, value_name = "WHEN", global = true)]
    pub color: Option<Colour>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

static SILENT: AtomicBool = AtomicBool::new(false);
/// What was chosen, a [`Colour`] as a number.
static CHOSEN: AtomicU8 = AtomicU8::new(Colour::Auto as u8);

impl Say {
    /// Sets how this process speaks from now on, with what variables say where the command line says nothing.
    pub fn apply(mut self) -> Result<(), Failure> {
        COLOR.fill_choice(&mut self.color)?;
        let quiet = self.quiet || QUIET.get_flag()?.unwrap_or(false);
        SILENT.store(quiet, Ordering::Relaxed);
        CHOSEN.store(self.color.unwrap_or(Colour::Auto) as u8, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether only what must be said is wanted.
pub fn quiet() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Whether to colour: as chosen; else `NO_COLOR` forbids it, `CLICOLOR_FORCE` asks for it, and a terminal that knows colours gets it.
pub fn coloured() -> bool {
    match CHOSEN.load(Ordering::Relaxed) {
        chosen if chosen == Colour::Always as u8 => true,
        chosen if chosen == Colour::Never as u8 => false,
        _ if NO_COLOR.get().is_some() => false,
        _ if CLICOLOR_FORCE.get().is_some_and(|value| value != "0") => true,
        _ => std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb"),
    }
}

const NO_COLOR: Variable = Variable("NO_COLOR");
const CLICOLOR_FORCE: Variable = Variable("CLICOLOR_FORCE");

/// The same for clap, which speaks before the command line is understood: the words are looked through for what they say of colour.
pub fn colour_of_clap(words: impl Iterator<Item = std::ffi::OsString>) -> ColorChoice {
    let words: Vec<_> = words.take_while(|word| word != "--").collect();
    let glued = words.iter().filter_map(|word| word.to_str()?.strip_prefix("--color="));
    let apart = words.windows(2).filter(|pair| pair[0] == "--color").filter_map(|pair| pair[1].to_str());
    let mut chosen = glued.chain(apart).find_map(|text| Colour::from_str(text, false).ok());
    // A wrong value is told later, by whom it concerns.
    let _ = COLOR.fill_choice(&mut chosen);
    match chosen {
        Some(Colour::Always) => ColorChoice::Always,
        Some(Colour::Never) => ColorChoice::Never,
        Some(Colour::Auto) | None => ColorChoice::Auto,
    }
}

/// Writes a line with a coloured first word. A closed standard error is no reason to fail.
fn say(colour: &str, word: &str, message: &str) {
    let line = if coloured() { format!("\x1b[1;{colour}m{word}:\x1b[0m {message}\n") } else { format!("{word}: {message}\n") };
    let _ = std::io::stderr().write_all(line.as_bytes());
}

pub fn error(message: &str) {
    say("31", "error", message);
}

pub fn warning(message: &str) {
    if !quiet() {
        say("33", "warning", message);
    }
}

/// What the user named is not used, though the command goes on.
pub fn refusal(message: &str, what_to_do: &str) {
    say("33", "warning", message);
    help(what_to_do);
}

pub fn help(message: &str) {
    say("36", "help", message);
}

/// A line without a first word that was asked for, or belongs to an error.
pub fn note(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// A line that tells how far the work is.
pub fn progress(message: &str) {
    if !quiet() {
        note(message);
    }
}

/// A line of a command's own output.
pub fn line(text: &str) {
    output(format!("{text}\n").as_bytes());
}

/// A line that tells of a file that was written.
pub fn summary(text: &str) {
    if !quiet() {
        line(text);
    }
}

/// A command's own output. Whoever closed the pipe has read enough: that ends the process quietly; other failures end it with a message.
pub fn output(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let Err(failure) = stdout.write_all(bytes).and_then(|()| stdout.flush()) else { return };
    if failure.kind() == std::io::ErrorKind::BrokenPipe {
        std::process::exit(exit::OK.into());
    }
    error(&format!("standard output can not be written: {failure}"));
    std::process::exit(exit::FAILURE.into());
}

/// A number of bytes for people: three significant digits, binary units.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

/// A share for people.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
