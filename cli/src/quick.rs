//! The command line of a run without clap, for those that say nothing unusual: clap reads 80 pages of code and makes a hundred allocations, a fifth of a small program's
//! start.
//!
//! Invariant: what comes out is what clap makes of the same words. Whatever is not plainly right (an error, help, an abbreviation, a value that looks like an option) is
//! left to clap, which answers or complains; so nothing here has messages. The tests compare both.

use crate::args::{CacheMode, Guest, Jit, Observe, PerfFormat, Run, StatsFormat, TimingsFormat};
use crate::compilation_log::STANDARD_ERROR;
use crate::ui::{Colour, Say};
use clap::ValueEnum;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options and module of `trjit-run`, or of `trjit run` behind these words, and how to speak; none where clap must see them.
pub fn parse(words: impl Iterator<Item = OsString>) -> Option<(Say, Run)> {
    let mut words = words;
    let mut found = Found::default();
    loop {
        let word = words.next()?;
        let Some(text) = word.to_str().filter(|text| text.starts_with('-')) else {
            found.module_and_args.push(word);
            found.module_and_args.extend(words);
            return Some(found.split());
        };
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        found.option(name, value, &mut words)?;
    }
}

/// What was said so far; options that may be said once are `None` until then.
#[derive(Default)]
struct Found {
    cache: Option<PathBuf>,
    cache_mode: Option<CacheMode>,
    allow_precompiled: Option<()>,
    jit: Option<Jit>,
    counts: Vec<PathBuf>,
    call_threshold: Option<u32>,
    loop_threshold: Option<u32>,
    verbose: Option<()>,
    quiet: Option<()>,
    color: Option<Colour>,
    timings: Option<TimingsFormat>,
    log_compilation: Option<PathBuf>,
    stats: Option<StatsFormat>,
    profile: Option<PerfFormat>,
    dirs: Vec<String>,
    env: Vec<String>,
    invoke: Option<String>,
    argv0: Option<String>,
    preloads: Vec<String>,
    wasm: Vec<String>,
    wasi: Vec<String>,
    codegen: Vec<String>,
    optimize: Vec<String>,
    module_and_args: Vec<OsString>,
}

impl Found {
    /// Takes one option; `None` where it is not plainly right.
    fn option(&mut self, name: &str, given: Option<&str>, words: &mut impl Iterator<Item = OsString>) -> Option<()> {
        let mut value = || value(name, given, words);
        let mut text = || value()?.into_string().ok();
        match name {
            "--cache" => once(&mut self.cache, value()?.into()),
            "--cache-mode" => once(&mut self.cache_mode, choice(&text()?)?),
            "--allow-precompiled" if given.is_none() => once(&mut self.allow_precompiled, ()),
            "--jit" => once(&mut self.jit, choice(&text()?)?),
            "--call-threshold" => once(&mut self.call_threshold, number(&text()?)?),
            "--loop-threshold" => once(&mut self.loop_threshold, number(&text()?)?),
            "-v" | "--verbose" if given.is_none() => once(&mut self.verbose, ()),
            "-q" | "--quiet" if given.is_none() => once(&mut self.quiet, ()),
            "--color" => once(&mut self.color, choice(&text()?)?),
            "--timings" => once(&mut self.timings, given.map_or(Some(TimingsFormat::Text), choice)?),
            "--log-compilation" => once(&mut self.log_compilation, given.map_or(Some(STANDARD_ERROR), plain)?.into()),
            "--stats" => once(&mut self.stats, given.map_or(Some(StatsFormat::Text), choice)?),
            "--profile" => once(&mut self.profile, choice(&text()?)?),
            "--counts" => many(&mut self.counts, value()?.into()),
            "--dir" => many(&mut self.dirs, text()?),
            "--env" => many(&mut self.env, text()?),
            "--invoke" => once(&mut self.invoke, text()?),
            "--argv0" => once(&mut self.argv0, text()?),
            "--preload" => many(&mut self.preloads, text()?),
            "-W" | "--wasm" => many(&mut self.wasm, text()?),
            "-S" | "--wasi" => many(&mut self.wasi, text()?),
            "-C" | "--codegen" => many(&mut self.codegen, text()?),
            "-O" | "--optimize" => many(&mut self.optimize, text()?),
            _ => None,
        }
    }

    fn split(self) -> (Say, Run) {
        let Found { dirs, env, invoke, argv0, preloads, wasm, wasi, codegen, optimize, module_and_args, .. } = self;
        let say = Say { quiet: self.quiet.is_some(), color: self.color };
        let run = Run {
            cache: self.cache,
            cache_mode: self.cache_mode,
            allow_precompiled: self.allow_precompiled.is_some(),
            jit: self.jit,
            counts: self.counts,
            call_threshold: self.call_threshold,
            loop_threshold: self.loop_threshold,
            verbose: self.verbose.is_some(),
            timings: self.timings,
            observe: Observe { log_compilation: self.log_compilation, stats: self.stats, profile: self.profile },
            guest: Guest { dirs, env, invoke, argv0, preloads, wasm, wasi, codegen, optimize, module_and_args },
        };
        (say, run)
    }
}

/// The value of an option, behind `=` or the next word. Empty ones, and those that look like an option, are clap's to judge.
fn value(name: &str, given: Option<&str>, words: &mut impl Iterator<Item = OsString>) -> Option<OsString> {
    let value = match given {
        Some(given) if name.starts_with("--") => OsString::from(given),
        Some(_) => return None,
        None => words.next()?,
    };
    let bytes = value.as_encoded_bytes();
    (!bytes.is_empty() && !bytes.starts_with(b"-")).then_some(value)
}

/// A value behind `=` where it does not look like an option.
fn plain(value: &str) -> Option<&str> {
    (!value.is_empty() && !value.starts_with('-')).then_some(value)
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn many<T>(list: &mut Vec<T>, value: T) -> Option<()> {
    list.push(value);
    Some(())
}

fn choice<T: ValueEnum>(text: &str) -> Option<T> {
    T::from_str(text, false).ok()
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser, Debug)]
    #[command(disable_version_flag = true)]
    struct Cli {
        #[command(flatten)]
        say: Say,
        #[command(flatten)]
        run: Run,
    }

    fn quick(words: &[&str]) -> Option<String> {
        parse(words.iter().map(OsString::from)).map(|(say, run)| format!("{say:?} {run:?}"))
    }

    fn clap(words: &[&str]) -> Option<String> {
        let all = ["trjit-run"].iter().chain(words);
        Cli::try_parse_from(all).ok().map(|cli| format!("{:?} {:?}", cli.say, cli.run))
    }

    /// Values for each option, right and wrong, odd and plain.
    const VALUES: [&str; 18] = [
        "x",
        "auto",
        "always",
        "off",
        "sync",
        "json",
        "text",
        "perfmap",
        "7",
        "+7",
        "4294967296",
        "",
        "-",
        "-x",
        "--",
        "a=b",
        "OFF",
        "a::b",
    ];

    #[test]
    fn each_option_that_clap_knows_means_the_same_in_every_form() {
        let mut taken = 0;
        for argument in Cli::command().get_arguments().filter(|argument| !argument.is_positional()) {
            let long = argument.get_long().map(|name| format!("--{name}"));
            let names = long.into_iter().chain(argument.get_short().map(|name| format!("-{name}")));
            for name in names.collect::<Vec<_>>() {
                for value in VALUES {
                    let (glued, short) = (format!("{name}={value}"), format!("{name}{value}"));
                    let forms: [&[&str]; 8] = [
                        &[&name, value, "m"],
                        &[&glued, "m"],
                        &[&short, "m"],
                        &[&name, "m", value],
                        &[&name, value, &name, value, "m"],
                        &[&glued, "-v", "m", "-v", "--cache"],
                        &["--cache", "c", &name, value],
                        &[&name],
                    ];
                    for words in forms {
                        let found = quick(words);
                        taken += usize::from(found.is_some());
                        assert!(found.is_none() || found == clap(words), "{words:?}: {found:?}, clap: {:?}", clap(words));
                    }
                }
            }
        }
        assert!(taken > 500, "{taken}");
    }

    /// Otherwise the quick way would quietly stop being one.
    #[test]
    fn plain_command_lines_need_no_clap() {
        let plain: [&[&str]; 9] = [
            &["m"],
            &["--allow-precompiled", "m.trjit", "--help"],
            &["--cache", "c", "--cache-mode", "require", "--jit=off", "m", "a", "-b", ""],
            &["--dir", "a", "--dir=b::c", "--env", "A=1", "-W", "timeout=1s,fuel=5", "-S", "inherit-env", "-C", "cache=n", "m"],
            &["--invoke", "f", "--argv0=x", "--preload", "a=b", "-v", "--timings", "m", "1"],
            &["--stats", "--log-compilation", "--profile", "perfmap", "m"],
            &["--stats=json", "--log-compilation=log", "--profile=jitdump", "m"],
            &["-q", "--color", "never", "m", "-q"],
            &["--timings=json", "--call-threshold", "1", "--loop-threshold=2", "m"],
        ];
        for words in plain {
            assert!(quick(words).is_some() && quick(words) == clap(words), "{words:?}: {:?}, clap: {:?}", quick(words), clap(words));
        }
        for option in Cli::command().get_arguments().filter_map(|argument| argument.get_long()).filter(|name| *name != "help") {
            let name = format!("--{option}");
            let taken = VALUES.iter().any(|value| quick(&[&name, value, "m"]).is_some()) || quick(&[&name, "m"]).is_some();
            assert!(taken, "{name} is always left to clap");
        }
    }

    #[test]
    fn what_is_no_text_is_taken_where_it_may_stand() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(vec![b'm', 0xff]);
        let (_, run) = parse([OsString::from("--cache"), odd(), odd(), odd()].into_iter()).expect("files and arguments are any bytes");
        assert_eq!((run.cache, run.guest.module_and_args), (Some(odd().into()), vec![odd(), odd()]));
        assert!(parse([OsString::from("--dir"), odd(), odd()].into_iter()).is_none());
    }
}
