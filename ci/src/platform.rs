//! What pipelines read: GitHub's step summary, outputs and annotations; GitLab's metrics and dotenv reports.
//!
//! | variable | what is done |
//! |---|---|
//! | `GITHUB_STEP_SUMMARY` | the Markdown page is appended to that file |
//! | `GITHUB_OUTPUT` | outputs are appended to that file |
//! | `GITHUB_ACTIONS` = `true` | failures are annotations, too |
//! | `GITLAB_CI` = `true` | `.trjit/gitlab/metrics.txt` and `trjit.env` are written, for `artifacts:reports` |

use crate::outcome::Failure;
use crate::pipeline::Request;
use crate::report::{ProfileOrigin, Report, Status};
use crate::summary::markdown;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Looks up a variable of the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Tells the pipeline. Paths in outputs are absolute, for later steps may work elsewhere. What can not be told is an error, since others wait for it.
/// The result is what is to be printed: annotations.
pub fn tell(report: &Report, request: &Request, profile: Option<&Path>, variables: Variables<'_>) -> Result<String, Failure> {
    let outputs = outputs(report, request, profile);
    if let Some(path) = variables("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        append(Path::new(&path), &markdown(report))?;
    }
    if let Some(path) = variables("GITHUB_OUTPUT").filter(|path| !path.is_empty()) {
        append(Path::new(&path), &outputs.iter().fold(String::new(), |text, (name, value)| text + &format!("{name}={}\n", line(value))))?;
    }
    if variables("GITLAB_CI").as_deref() == Some("true") {
        let directory = request.root.join(&request.state).join("gitlab");
        fs::create_dir_all(&directory).map_err(crate::files::unwritable(&directory))?;
        write(&directory.join("metrics.txt"), &metrics(report))?;
        let variable = |name: &str| format!("TRJIT_CI_{}", name.replace('-', "_").to_uppercase());
        write(
            &directory.join("trjit.env"),
            &outputs.iter().fold(String::new(), |text, (name, value)| text + &format!("{}={}\n", variable(name), line(value))),
        )?;
    }
    Ok(if variables("GITHUB_ACTIONS").as_deref() == Some("true") { annotations(report) } else { String::new() })
}

/// A value that stays on its line.
fn line(value: &str) -> String {
    value.replace(['\n', '\r'], " ")
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = crate::files::unwritable(path);
    let mut file = File::options().append(true).create(true).open(path).map_err(&failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    trjit_cache_format::write_file(path, text.as_bytes())
        .map_err(|error| Failure::of(crate::Kind::Failed, "a report can not be written", &error))
}

/// Names and values.
fn outputs(report: &Report, request: &Request, profile: Option<&Path>) -> Vec<(&'static str, String)> {
    let root = &request.root;
    let absolute = |path: &Path| std::path::absolute(root.join(path)).unwrap_or_else(|_| root.join(path)).display().to_string();
    let passed = matches!(report.status, Status::Passed | Status::Unchanged);
    let mut outputs = vec![("status", report.status.name().to_string()), ("report", absolute(&request.state.join("report.json")))];
    let Some(measured) = &report.measured else { return outputs };
    outputs.push(("changed", (report.status == Status::Passed).to_string()));
    if let Some(profile) = profile.filter(|_| passed && measured.profile.origin == ProfileOrigin::Trained) {
        outputs.push(("profile", absolute(profile)));
    }
    let caches: Vec<String> = measured.targets.iter().map(|target| absolute(Path::new(&target.cache))).collect();
    if let (Some(first), Some(target)) = (caches.first(), measured.targets.first()) {
        let share = |share: f64| format!("{share:.4}");
        if passed {
            outputs.push(("cache", first.clone()));
            outputs.push(("caches", serde_json::Value::from(caches.clone()).to_string()));
        }
        outputs.push(("cache-size", target.bytes.to_string()));
        outputs.push(("calls-covered", share(target.coverage.calls_covered)));
        outputs.push(("instructions-covered", share(target.coverage.instructions_covered)));
    }
    outputs
}

/// Workflow commands: one line a failure.
fn annotations(report: &Report) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let mut out = String::new();
    for failure in &report.failures {
        let help = failure.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let _ = writeln!(out, "::error title=trjit ci::{}", escape(&format!("{}{help}", failure.message)));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "::warning title=trjit ci::{}", escape(warning));
    }
    out
}

/// OpenMetrics.
fn metrics(report: &Report) -> String {
    let mut out = format!("trjit_passed {}\n", u8::from(report.exit_code == 0));
    for target in report.measured.iter().flat_map(|measured| &measured.targets) {
        let of = format!("{{cache=\"{}\"}}", target.cache.replace('\\', "\\\\").replace('"', "\\\""));
        let _ = writeln!(out, "trjit_cache_bytes{of} {}", target.bytes);
        let _ = writeln!(out, "trjit_functions_compiled{of} {}", target.tiers.values().sum::<u32>());
        let _ = writeln!(out, "trjit_calls_covered{of} {:.4}", target.coverage.calls_covered);
        let _ = writeln!(out, "trjit_instructions_covered{of} {:.4}", target.coverage.instructions_covered);
    }
    out + "# EOF\n"
}
