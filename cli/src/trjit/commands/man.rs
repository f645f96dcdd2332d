//! `trjit man`: manual pages, made of what the command line knows of itself: a page a command, as `man` wants them.
//!
//! ```text
//! NAME | SYNOPSIS | DESCRIPTION | OPTIONS | SUBCOMMANDS | EXIT STATUS | ENVIRONMENT | FILES | EXAMPLES | SEE ALSO
//! ```
//! The page of a command is `trjit-COMMAND`; so `trjit run` and the program `trjit-run`, which differ in what is linked alone, share one. The date of a page is that of the
//! commit: same commit, same pages.

use crate::args::{Cli, Man as Args};
use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use std::path::Path;
use trjit_cli::environment::{self, Variable};
use trjit_cli::exit::{self, Failure, Status, USAGE};
use trjit_cli::{command_line, ui};

pub fn execute(args: &Args) -> Result<u8> {
    let pages = pages();
    let Some(folder) = &args.output else {
        let name = ["trjit".to_string()].iter().chain(&args.command).cloned().collect::<Vec<_>>().join("-");
        let page = pages.iter().find(|page| page.name == name).ok_or_else(|| unknown(&args.command.join(" "), &pages))?;
        ui::output(&page.render()?);
        return Ok(exit::OK);
    };
    std::fs::create_dir_all(folder).with_context(|| unwritable(folder))?;
    for page in &pages {
        trjit_trace::write_file(&folder.join(format!("{}.1", page.name)), &page.render()?)?;
    }
    ui::summary(&format!("manuals      {} pages in {}", pages.len(), folder.display()));
    Ok(exit::OK)
}

fn unknown(command: &str, pages: &[Page]) -> Failure {
    let known = pages.iter().filter_map(|page| page.name.strip_prefix("trjit-")).map(|name| name.replace('-', " "));
    let failure = Failure::new(USAGE, format!("there is no command `{command}`"));
    failure.with_help(format!("commands: {}", known.collect::<Vec<_>>().join(", ")))
}

fn unwritable(folder: &Path) -> Failure {
    let failure = Failure::new(exit::FAILURE, format!("the manual pages can not be written to `{}`", folder.display()));
    failure.with_help("name a directory that can be written with -o")
}

/// A command, and the names of all pages.
struct Page {
    /// Without the number of the section.
    name: String,
    command: Command,
    see: Vec<String>,
}

/// A page for each command: `trjit` first.
fn pages() -> Vec<Page> {
    let mut root = command_line::described::<Cli>().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(root, "trjit", &mut pages);
    let names: Vec<String> = pages.iter().map(|page| page.name.clone()).collect();
    for page in &mut pages {
        page.see = names.iter().filter(|name| related(&page.name, name)).cloned().collect();
    }
    pages
}

fn collect(command: Command, name: &str, pages: &mut Vec<Page>) {
    let inner: Vec<Command> = command.get_subcommands().filter(|inner| inner.get_name() != "help").cloned().collect();
    pages.push(Page { name: name.to_string(), command: adapted(command, name), see: Vec::new() });
    for command in inner {
        let name = format!("{name}-{}", command.get_name());
        collect(command, &name, pages);
    }
}

/// What stands above a page, beside it, or right below it.
fn related(page: &str, other: &str) -> bool {
    let above = |name: &str| name.rsplit_once('-').map(|(above, _)| above.to_string());
    page != other && (other == "trjit" || above(other) == above(page) || above(other).as_deref() == Some(page))
}

/// The command as its page tells it.
fn adapted(command: Command, name: &str) -> Command {
    let command = command.display_name(name.to_string());
    if name != "trjit-run" {
        return command;
    }
    let about = "Run a WebAssembly program.\n\ntrjit-run is a program of its own, for production: the same options and results, without compiler, assembler and text \
                 format. What its cache lacks is interpreted.";
    command.override_usage("trjit run [OPTIONS] <MODULE> [ARGS]...\ntrjit-run [OPTIONS] <MODULE> [ARGS]...").long_about(about)
}

impl Page {
    fn render(&self) -> Result<Vec<u8>> {
        let source = format!("trjit {}", env!("CARGO_PKG_VERSION"));
        let man =
            Man::new(self.command.clone()).title(self.name.to_uppercase()).date(env!("TRJIT_COMMIT_DATE")).source(source).manual("trjit");
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if self.command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        let mut rest = Roff::new();
        self.statuses(&mut rest);
        self.variables(&mut rest);
        self.files(&mut rest);
        self.examples(&mut rest);
        self.see_also(&mut rest);
        rest.to_writer(&mut page)?;
        Ok(page)
    }

    /// The command as its row in tables names it: `profile merge`; empty for `trjit` itself.
    fn title(&self) -> String {
        self.name.strip_prefix("trjit-").unwrap_or_default().replace('-', " ")
    }

    fn statuses(&self, roff: &mut Roff) {
        roff.control("SH", ["EXIT STATUS"]);
        let title = self.title();
        for Status { codes, meaning, .. } in exit::STATUSES.iter().filter(|status| status.concerns(&title)) {
            item(roff, codes, meaning);
        }
    }

    fn variables(&self, roff: &mut Roff) {
        roff.control("SH", ["ENVIRONMENT"]);
        roff.text(marked("The command line goes before a variable; an empty variable counts as not set."));
        for Variable(name) in environment::ALL {
            let option = Variable(name).option();
            if self.command.get_arguments().any(|arg| arg.get_long() == Some(&option)) {
                item(roff, name, &format!("stands for `--{option}`."));
            }
        }
        item(roff, "NO_COLOR", "no colour, unless `--color` or `TRJIT_COLOR` say otherwise.");
        item(roff, "CLICOLOR_FORCE", "colour also where standard error is no terminal.");
    }

    fn files(&self, roff: &mut Roff) {
        roff.control("SH", ["FILES"]);
        item(roff, "*.trprof", "profiles: what training runs recorded. Neither arguments nor environment of the runs are in them.");
        item(roff, "*.trjit", "caches: native code, made from a module and profiles. Load only those that you trust.");
        if ["", "ci", "init"].contains(&self.title().as_str()) {
            item(roff, "trjit.toml", "what `trjit ci` does: module, training runs, targets, gates. `trjit ci --schema` describes it.");
            item(roff, "trjit-baseline.json", "the figures that `trjit ci --accept` took, to be kept with the sources.");
            item(roff, ".trjit/", "what `trjit ci` keeps from run to run, beside trjit.toml. It may be removed at any time.");
        }
    }

    /// What stands below the help: examples, then perhaps a paragraph.
    fn examples(&self, roff: &mut Roff) {
        let Some(help) = self.command.get_after_help().map(ToString::to_string) else { return };
        let (examples, rest) = help.split_once("\n\n").unwrap_or((&help, ""));
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples.lines().filter(|line| *line != "Examples:") {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
        if !rest.is_empty() {
            roff.control("PP", []);
            roff.text(marked(rest));
        }
    }

    fn see_also(&self, roff: &mut Roff) {
        roff.control("SH", ["SEE ALSO"]);
        let mut words = Vec::new();
        for name in &self.see {
            let end = if Some(name) == self.see.last() { "(1)" } else { "(1), " };
            words.extend([bold(name.clone()), roman(end)]);
        }
        roff.text(words);
    }
}

/// A word, and what is said of it.
fn item(roff: &mut Roff, word: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(word)]);
    roff.text(marked(text));
}

/// Text with what stands between backticks in bold.
fn marked(text: &str) -> Vec<Inline> {
    text.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { roman(part) } else { bold(part) }).collect()
}
