//! Programs of `fixtures/` as commands: what tests run beside generated cases.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use trjit_fuzz::command::Command;

/// The folder of all fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// The files of a folder of fixtures whose names end so, in order.
pub fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures().join(folder)).expect("the fixtures are readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

/// Deep guests run on the testing thread's stack.
pub fn on_a_large_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

/// The runs of the C programs, each with a name: the program, and the number of the case.
pub fn c_programs() -> Vec<(String, Command)> {
    let folder = fixtures().join("c");
    let programs = files("c", ".case.json").into_iter().flat_map(|path| {
        let program = json(&path);
        let name = program["module"].as_str().expect("a name");
        let commands = commands(&folder.join(name), &folder.join("in"), &program["cases"]);
        commands.into_iter().map(|(id, command)| (format!("{name} {id}"), command)).collect::<Vec<_>>()
    });
    programs.collect()
}

/// The runs of QuickJS, which `fixtures/fetch` brings; `None` where nobody has fetched it, which is an error where everything is tested.
pub fn quickjs() -> Option<Vec<(String, Command)>> {
    let manifest = json(&fixtures().join("manifest.json"));
    let programs = manifest["programs"].as_array().expect("a list");
    let program = programs.iter().find(|program| program["name"] == "quickjs-ng").expect("the manifest lists it");
    let path = |key: &str| fixtures().join(program[key].as_str().expect("a path"));
    if !path("wasm").exists() {
        let missing = "fixtures/fetched/quickjs-ng.wasm is not here: run fixtures/fetch quickjs-ng";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    Some(commands(&path("wasm"), &path("inputs"), &program["cases"]))
}

/// The cases of a program as fixtures write them, by their names.
fn commands(wasm: &Path, inputs: &Path, cases: &Json) -> Vec<(String, Command)> {
    let strings = |list: &Json| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|text| text.as_str().expect("a string").to_string()).collect()
    };
    let mut commands = Vec::new();
    for case in cases.as_array().expect("a list of cases").iter().filter(|case| case["endless"] != true) {
        let stdin = case["stdin"].as_str().and_then(|name| name.strip_prefix("in/"));
        let dirs = case["dirs"].as_array().expect("a list").iter().map(strings);
        let command = Command {
            env: strings(&case["env"]),
            dirs: dirs.map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
            stdin: stdin.map_or(Vec::new(), |name| std::fs::read(inputs.join(name)).expect("the input is readable")),
            inputs: inputs.is_dir().then(|| inputs.to_path_buf()),
            ..Command::new(std::fs::read(wasm).expect("the program is readable"), strings(&case["args"]))
        };
        commands.push((case["id"].as_str().expect("a name").to_string(), command));
    }
    commands
}

fn json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).expect("the file is readable")).expect("the file is JSON")
}
