//! What the commands themselves say: messages on standard error, one line each, colour on a terminal only (and not with `NO_COLOR`); output on standard output.

use crate::exit;
use std::io::{IsTerminal, Write};

fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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
    say("33", "warning", message);
}

pub fn help(message: &str) {
    say("36", "help", message);
}

/// A line without a first word.
pub fn note(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// A line of a command's own output.
pub fn line(text: &str) {
    output(format!("{text}\n").as_bytes());
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
