//! A runner of GitHub, for one job: executes steps of workflows and of composite actions, with the files and variables that scripts get.
//!
//! Invariants: a step's environment has nothing of the test's own; each step has files of its own for outputs; an action, input, property or key that is not known here
//! fails the test.

use crate::expression::{Context, Value, condition, fill};
use crate::{must, pairs, root, scalar, yaml};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use yaml_rust2::Yaml;

/// How the trjit of this repository is called where it is used from another one.
const OWN: &str = "OWNER/trjit@";

/// What a step left.
#[derive(Clone, Default, Debug)]
pub struct Step {
    pub outputs: BTreeMap<String, String>,
    pub failed: bool,
    pub ran: bool,
    /// Standard output and error.
    pub log: String,
}

/// What became of a job or an action.
#[derive(Default, Debug)]
pub struct Outcome {
    /// By id; those without one by their number.
    pub steps: BTreeMap<String, Step>,
    pub outputs: BTreeMap<String, String>,
    pub failed: bool,
}

impl Outcome {
    pub fn step(&self, id: &str) -> &Step {
        self.steps.get(id).unwrap_or_else(|| panic!("there is no step `{id}`: {:?}", self.steps.keys()))
    }

    pub fn log(&self) -> String {
        self.steps.iter().map(|(id, step)| format!("--- {id}\n{}", step.log)).collect()
    }
}

/// A machine with a fresh checkout to be. What is kept between jobs, the repository's cache, is a folder of the test's.
pub struct Runner {
    pub workspace: PathBuf,
    temp: PathBuf,
    /// Entries of the repository's cache: `NUMBER-KEY/`, in the order of their making.
    pub caches: PathBuf,
    /// The folder that stands for the remote repository.
    pub origin: PathBuf,
    pub fork: bool,
    /// Before the system's own programs.
    pub path: RefCell<Vec<PathBuf>>,
    pub summary: RefCell<String>,
    pub artifacts: RefCell<Vec<String>>,
    variables: RefCell<BTreeMap<String, String>>,
    /// What is saved when the job is over: paths and key.
    posts: RefCell<Vec<(String, String)>>,
}

impl Runner {
    /// A runner with its folders in `home`, which is removed by the test, and caches that other runners have, too.
    pub fn new(home: &Path, name: &str, origin: &Path) -> Runner {
        let folder = |part: &str| {
            let path = home.join(part);
            std::fs::create_dir_all(&path).expect("the directory of the test is writable");
            path
        };
        Runner {
            workspace: folder(&format!("{name}/workspace")),
            temp: folder(&format!("{name}/temp")),
            caches: folder("caches"),
            origin: origin.to_path_buf(),
            fork: false,
            path: RefCell::default(),
            summary: RefCell::default(),
            artifacts: RefCell::default(),
            variables: RefCell::default(),
            posts: RefCell::default(),
        }
    }

    /// Runs the only job of a workflow.
    pub fn workflow(&self, path: &Path) -> Outcome {
        let file = yaml(path);
        let jobs = file["jobs"].as_hash().expect("a workflow has jobs");
        assert_eq!(jobs.len(), 1, "{}", path.display());
        let job = jobs.values().next().expect("there is one");
        let outcome = self.steps(&job["steps"], &BTreeMap::new(), None);
        self.end(&outcome);
        outcome
    }

    /// Runs the action in `folder` as the only step of a job, with these inputs.
    pub fn action(&self, folder: &Path, inputs: &[(&str, &str)]) -> Outcome {
        let given = inputs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let outcome = self.composite(folder, &given);
        self.end(&outcome);
        outcome
    }

    fn end(&self, outcome: &Outcome) {
        for (paths, key) in self.posts.take() {
            if !outcome.failed {
                self.save(&paths, &key);
            }
        }
    }

    fn composite(&self, folder: &Path, given: &BTreeMap<String, String>) -> Outcome {
        let file = yaml(&folder.join("action.yml"));
        assert_eq!(file["runs"]["using"].as_str(), Some("composite"));
        let declared = file["inputs"].as_hash().expect("the action has inputs");
        let mut inputs: BTreeMap<String, String> = declared.iter().map(|(name, input)| (scalar(name), scalar(&input["default"]))).collect();
        for (name, value) in given {
            assert!(inputs.insert(name.clone(), value.clone()).is_some(), "the action has no input `{name}`");
        }
        let mut outcome = self.steps(&file["runs"]["steps"], &inputs, Some(folder));
        let scope = Scope { runner: self, inputs: &inputs, steps: &outcome.steps, failed: outcome.failed };
        let outputs = file["outputs"].as_hash().expect("the action has outputs");
        outcome.outputs = outputs.iter().map(|(name, output)| (scalar(name), fill(&scalar(&output["value"]), &scope))).collect();
        outcome
    }

    fn steps(&self, steps: &Yaml, inputs: &BTreeMap<String, String>, action: Option<&Path>) -> Outcome {
        let mut outcome = Outcome::default();
        for (number, step) in steps.as_vec().expect("steps are a list").iter().enumerate() {
            let id = step["id"].as_str().map_or(number.to_string(), str::to_string);
            let scope = Scope { runner: self, inputs, steps: &outcome.steps, failed: outcome.failed };
            let done = match condition(step["if"].as_str(), &scope) {
                false => Step::default(),
                true => self.step(step, &scope, action),
            };
            outcome.failed |= done.failed;
            outcome.steps.insert(id, done);
        }
        outcome
    }

    fn step(&self, step: &Yaml, scope: &Scope<'_>, action: Option<&Path>) -> Step {
        for (key, _) in step.as_hash().expect("a step is a mapping") {
            let known = ["id", "name", "if", "shell", "env", "run", "working-directory", "uses", "with"];
            assert!(known.contains(&scalar(key).as_str()), "unknown key {key:?} of a step");
        }
        let with: BTreeMap<String, String> = pairs(&step["with"]).into_iter().map(|(name, value)| (name, fill(&value, scope))).collect();
        match (step["uses"].as_str(), step["run"].as_str()) {
            (Some(uses), None) => self.uses(uses, &with),
            (None, Some(run)) => {
                assert!(action.is_none() || step["shell"].as_str() == Some("bash"), "a step of an action names its shell");
                // Text of an input in a script would be a hole.
                assert!(action.is_none() || !run.contains("${{"), "`{run}` has an expression");
                let variables = pairs(&step["env"]).into_iter().map(|(name, value)| (name, fill(&value, scope)));
                let folder = step["working-directory"].as_str().map_or(String::new(), |folder| fill(folder, scope));
                self.run(&fill(run, scope), variables.collect(), &self.workspace.join(folder), action)
            }
            other => panic!("a step uses or runs something, found {other:?}"),
        }
    }

    /// Runs a script as the runner does, with `bash --noprofile --norc -eo pipefail`.
    fn run(&self, script: &str, variables: Vec<(String, String)>, folder: &Path, action: Option<&Path>) -> Step {
        let files = tempfile::tempdir_in(&self.temp).expect("the directory of the test is writable");
        let file = |name: &str| {
            let path = files.path().join(name);
            std::fs::write(&path, "").expect("the directory of the test is writable");
            path
        };
        let (outputs, env, paths, summary) = (file("output"), file("env"), file("path"), file("summary"));
        let own = self.path.borrow();
        let path = own.iter().map(|path| path.display().to_string()).chain(["/usr/bin:/bin".to_string()]).collect::<Vec<_>>().join(":");
        drop(own);
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(folder).env_clear();
        command.env("PATH", path).env("HOME", &self.temp).env("CI", "true").env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_WORKSPACE", &self.workspace).env("RUNNER_TEMP", &self.temp).env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64");
        command.env("GITHUB_OUTPUT", &outputs).env("GITHUB_ENV", &env).env("GITHUB_PATH", &paths).env("GITHUB_STEP_SUMMARY", &summary);
        if let Some(action) = action {
            command.env("GITHUB_ACTION_PATH", action);
        }
        command.envs(self.variables.borrow().iter()).envs(variables);
        let done = command.output().expect("bash can be started");
        let read = |path: &Path| crate::text(path);
        self.variables.borrow_mut().extend(settings(&read(&env)));
        self.path.borrow_mut().splice(0..0, read(&paths).lines().map(PathBuf::from));
        *self.summary.borrow_mut() += &read(&summary);
        let log = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        Step { outputs: settings(&read(&outputs)), failed: !done.status.success(), ran: true, log }
    }

    /// The actions that these files use.
    fn uses(&self, uses: &str, with: &BTreeMap<String, String>) -> Step {
        let only = |names: &[&str]| with.keys().for_each(|name| assert!(names.contains(&name.as_str()), "{uses} has no input `{name}`"));
        let input = |name: &str| with.get(name).map_or("", String::as_str);
        let mut step = Step { ran: true, ..Step::default() };
        match uses {
            "actions/checkout@v4" => {
                only(&[]);
                must(Command::new("git").args(["clone", "--quiet"]).arg(&self.origin).arg(&self.workspace));
            }
            "actions/cache@v4" => {
                only(&["path", "key"]);
                let found = self.restore(input("path"), &[input("key")]);
                let exact = found.as_deref() == Some(input("key"));
                if !exact {
                    self.posts.borrow_mut().push((input("path").to_string(), input("key").to_string()));
                }
                step.outputs.insert("cache-hit".into(), exact.to_string());
            }
            "actions/cache/restore@v4" => {
                only(&["path", "key", "restore-keys"]);
                let keys: Vec<&str> =
                    [input("key")].into_iter().chain(input("restore-keys").lines()).filter(|key| !key.is_empty()).collect();
                step.outputs.insert("cache-matched-key".into(), self.restore(input("path"), &keys).unwrap_or_default());
            }
            "actions/cache/save@v4" => {
                only(&["path", "key"]);
                self.save(input("path"), input("key"));
            }
            "actions/upload-artifact@v4" => {
                only(&["name", "path"]);
                for path in input("path").lines().map(str::trim).filter(|path| !path.is_empty()) {
                    assert!(self.workspace.join(path).is_file(), "`{path}` is to be uploaded, and is not there");
                    self.artifacts.borrow_mut().push(path.to_string());
                }
            }
            _ if uses.starts_with(OWN) => {
                let inner = self.composite(&root(), with);
                step = Step { log: inner.log(), failed: inner.failed, outputs: inner.outputs, ran: true };
            }
            _ => panic!("unknown action `{uses}`"),
        }
        step
    }

    /// The entries of the cache: keys and folders, the newest first.
    pub fn entries(&self) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(&self.caches).expect("the folder is readable");
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("the entry is readable").path()).collect();
        found.sort_by(|one, other| other.cmp(one));
        let key =
            |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.split_once('-')).expect("a number and a key").1.to_string();
        found.into_iter().map(|path| (key(&path), path)).collect()
    }

    /// Restores the first entry that has one of these keys, or begins with it; the key that was found.
    fn restore(&self, paths: &str, keys: &[&str]) -> Option<String> {
        let entries = self.entries();
        let exact = keys.first().and_then(|key| entries.iter().find(|(known, _)| known == key));
        let (key, entry) = exact.or_else(|| keys.iter().find_map(|key| entries.iter().find(|(known, _)| known.starts_with(key))))?;
        for (number, path) in lines(paths).enumerate() {
            let (from, to) = (entry.join(number.to_string()), self.workspace.join(path));
            if from.exists() {
                std::fs::create_dir_all(to.parent().expect("a path of the workspace")).expect("the workspace is writable");
                must(Command::new("cp").args(["-aT"]).arg(from).arg(to));
            }
        }
        Some(key.clone())
    }

    fn save(&self, paths: &str, key: &str) {
        assert!(!self.fork, "a fork saves to the cache");
        assert!(!key.is_empty() && !key.contains('/') && key.len() < 512, "`{key}` is no key");
        let entries = self.entries();
        if entries.iter().any(|(known, _)| known == key) {
            return;
        }
        let entry = self.caches.join(format!("{:03}-{key}", entries.len()));
        std::fs::create_dir(&entry).expect("the folder is writable");
        let mut saved = 0;
        for (number, path) in lines(paths).enumerate() {
            let from = self.workspace.join(path);
            if from.exists() {
                must(Command::new("cp").args(["-aT"]).arg(from).arg(entry.join(number.to_string())));
                saved += 1;
            }
        }
        assert!(saved > 0, "nothing of `{paths}` is there to be saved");
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// `NAME=VALUE`, or `NAME<<END`, lines, `END`.
fn settings(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, value) = match (line.split_once("<<"), line.split_once('=')) {
            (Some((name, end)), plain) if plain.is_none_or(|(before, _)| before.len() > name.len()) => {
                (name, lines.by_ref().take_while(|line| *line != end).collect::<Vec<_>>().join("\n"))
            }
            (_, Some((name, value))) => (name, value.to_string()),
            _ => panic!("`{line}` sets nothing"),
        };
        found.insert(name.to_string(), value);
    }
    found
}

/// What names of expressions mean at a step.
struct Scope<'a> {
    runner: &'a Runner,
    inputs: &'a BTreeMap<String, String>,
    steps: &'a BTreeMap<String, Step>,
    failed: bool,
}

impl Context for Scope<'_> {
    fn get(&self, path: &[&str]) -> Value {
        let text = |text: &str| Value::Text(text.to_string());
        match path {
            ["inputs", name] => text(self.inputs.get(*name).unwrap_or_else(|| panic!("there is no input `{name}`"))),
            // A step that was left out has no outputs; one that does not exist is a mistake.
            ["steps", id, "outputs", name] => {
                let step = self.steps.get(*id).unwrap_or_else(|| panic!("there is no step `{id}` before"));
                step.outputs.get(*name).map_or(Value::Null, |value| text(value))
            }
            ["github", "server_url"] => text("https://github.example"),
            ["github", "repository"] => text("USER/app"),
            ["github", "action_repository"] => text("OWNER/trjit"),
            ["github", "event", "pull_request", "head", "repo", "fork"] => {
                if self.runner.fork {
                    Value::Flag(true)
                } else {
                    Value::Null
                }
            }
            _ => panic!("unknown name `{}`", path.join(".")),
        }
    }

    fn failed(&self) -> bool {
        self.failed
    }
}
