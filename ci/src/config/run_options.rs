//! The options of `trjit run` that a training run may be given: those that say what the guest gets and that training and running share.
//!
//! Whatever else there is, `trjit ci` sets itself, or it has a key of its own.

/// Options that may stand in `options`, each with a value.
pub const ALLOWED: &[&str] = &["-W", "--wasm", "-S", "--wasi", "-C", "--codegen", "-O", "--optimize", "--invoke", "--argv0", "--preload"];

pub(super) const HELP: &str = "options are those of the guest: -W, -S, -C, -O, --invoke, --argv0, --preload, each with a value";

/// Options that have a key of their own.
const KEYS: &[(&str, &str)] = &[("--dir", "dirs"), ("--env", "env"), ("--workload", "name"), ("--for", "timeout")];

/// Options with which `trjit ci` itself trains and runs.
const OWN: &[&str] =
    &["--cache", "--cache-mode", "--allow-precompiled", "--output", "-o", "--counts", "--jit", "--verbose", "-v", "--spool"];

/// The words that may not stand there, by position, each with the reason.
pub(super) fn refused(words: &[String]) -> Vec<(usize, String)> {
    let mut refused = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let (name, glued) = split(word);
        let value = words.get(at + 1).filter(|value| !glued && !value.starts_with('-'));
        if !ALLOWED.contains(&name) {
            refused.push((at, reason(name)));
        } else if !glued && value.is_none() {
            refused.push((at, "it has no value".into()));
        }
        at += 1 + usize::from(value.is_some() && name.starts_with('-'));
    }
    refused
}

/// The option's name, and whether its value is in the same word: `--name=value`, `-Wvalue`.
fn split(word: &str) -> (&str, bool) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, false), |(name, _)| (name, true));
    }
    match word.char_indices().nth(2) {
        Some((end, _)) if word.starts_with('-') => (&word[..end], true),
        _ => (word, false),
    }
}

fn reason(name: &str) -> String {
    if let Some((_, key)) = KEYS.iter().find(|(option, _)| *option == name) {
        return format!("the key `{key}` says that");
    }
    if OWN.contains(&name) {
        return "trjit ci sets it itself".into();
    }
    if !name.starts_with('-') {
        return "it is no option; the guest's arguments are `args`".into();
    }
    "it is no option of both training and running".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_guest_pass_in_every_form_and_others_are_refused_by_position() {
        let found = |words: &[&str]| refused(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        let allowed: [&[&str]; 6] = [
            &[],
            &["-W", "fuel=10"],
            &["-Wfuel=10", "-O", "a=1"],
            &["--wasm=fuel=10", "--invoke", "f"],
            &["--argv0", "x", "--preload=a=b"],
            &["--invoke", "f", "-S", "cli"],
        ];
        for words in allowed {
            assert_eq!(found(words), [], "{words:?}");
        }
        let positions = |words: &[&str]| found(words).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(positions(&["--cache", "x", "y"]), [0, 2]);
        assert_eq!(positions(&["-W", "fuel=1", "--dir=a", "--cache=b"]), [2, 3]);
        assert_eq!(positions(&["--invoke"]), [0]);
        assert_eq!(positions(&["-W", "-S", "cli"]), [0]);
        assert_eq!(positions(&["x"]), [0]);
        assert_eq!(positions(&["-ofile", "-v", "--no-such"]), [0, 1, 2]);
        assert_eq!(positions(&["-"]), [0]);
        assert!(found(&["--dir=a"])[0].1.contains("`dirs`"));
        assert!(found(&["--cache=a"])[0].1.contains("itself"));
    }
}
