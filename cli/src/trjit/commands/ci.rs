//! `trjit ci`: reads `trjit.toml`, runs the steps of [`trjit_ci`], and tells people and pipelines what came out.

use crate::LINKED;
use crate::ci_args::Ci;
use crate::ci_progress::Listening;
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use trjit_ci::config::{self, Config};
use trjit_ci::report::Status;
use trjit_ci::{Interrupt, Kind, Report, Request, platform, state_directory, text};
use trjit_cli::exit::{self, Failure, SIGNAL_BASE};
use trjit_cli::{source, stop, ui, version};

pub fn execute(args: &Ci) -> Result<u8> {
    if args.schema {
        ui::line(&format!("{:#}", config::schema()));
        return Ok(exit::OK);
    }
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    let request = request(args)?;
    if args.dry_run {
        return dry_run(args, &config, &request);
    }
    let interrupt = Arc::new(Interrupt::default());
    let stopping = Arc::clone(&interrupt);
    stop::on_first_signal(move |signal| {
        let publishing = stopping.stop();
        ui::error("interrupted; caches, profile and baseline are as they were, unless all steps had passed");
        // While the guard is held nothing is put in place.
        std::mem::forget(publishing);
        std::process::exit(i32::from(SIGNAL_BASE) + signal);
    });
    let listener = Listening::new(args.json, args.verbose);
    let read = |path: &Path| {
        let wasm = source::read_wasm(path, &LINKED);
        wasm.map_err(|error| {
            trjit_ci::Failure::new(Kind::Failed, format!("{error:#}"))
                .with_help("build the module first, or correct `module` in trjit.toml")
        })
    };
    let report = trjit_ci::run(&config, &request, &read, &listener, &interrupt);
    listener.finish();
    if report.status == Status::Interrupted {
        wait_for_the_end();
    }
    tell(args, &config, &request, &report)?;
    Ok(report.exit_code)
}

/// Tells what would be done.
fn dry_run(args: &Ci, config: &Config, request: &Request) -> Result<u8> {
    let told = |failure: trjit_ci::Failure| {
        let own = Failure::new(failure.kind.exit_code(), failure.message);
        failure.help.into_iter().fold(own, Failure::with_help)
    };
    let planned = trjit_ci::dry_run::plan(config, request, &Listening::new(true, false)).map_err(told)?;
    if args.json {
        ui::line(&format!("{:#}", serde_json::json!({ "schema": 1, "plan": planned })));
    } else {
        planned.iter().for_each(|step| ui::line(&step.line()));
    }
    Ok(exit::OK)
}

fn request(args: &Ci) -> Result<Request> {
    let root = args.config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    let Ci { no_train, train_only, force, accept, .. } = *args;
    Ok(Request {
        root,
        state: state_directory(&args.config),
        program: std::env::current_exe()?,
        version: version::text(),
        no_train,
        train_only,
        force,
        accept,
    })
}

/// Prints what came out, and hands it to the pipeline.
fn tell(args: &Ci, config: &Config, request: &Request, report: &Report) -> Result<()> {
    let profile = config.output.profile.as_deref();
    let annotations = platform::tell(report, request, profile, &|name| std::env::var(name).ok())
        .map_err(|failure| Failure::new(exit::FAILURE, failure.message))?;
    if let Some(path) = &config.output.summary {
        write_summary(&request.root.join(path), report)?;
    }
    if args.json {
        ui::line(&serde_json::to_string_pretty(report)?);
    } else {
        text::text(report).lines().for_each(ui::summary);
    }
    for warning in &report.warnings {
        ui::warning(warning);
    }
    for failure in &report.failures {
        failure.detail.iter().for_each(|line| ui::note(&format!("  | {line}")));
        ui::error(&failure.message);
        failure.help.iter().for_each(|help| ui::help(help));
    }
    if !annotations.is_empty() {
        ui::note(annotations.trim_end());
    }
    Ok(())
}

/// The thread that took the signal ends the process.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

fn write_summary(path: &Path, report: &Report) -> Result<()> {
    Ok(trjit_cache_format::write_file(path, trjit_ci::summary::markdown(report).as_bytes())?)
}

/// Tells all that is wrong with the file.
fn refused(error: &config::ConfigError) -> u8 {
    for problem in &error.problems {
        ui::error(&problem.to_string());
        problem.help.iter().for_each(|help| ui::help(help));
    }
    Kind::Config.exit_code()
}
