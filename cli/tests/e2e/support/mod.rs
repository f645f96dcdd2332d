//! What the tests share: running the command ([`command`]), the modes in which a program can run ([`modes`]), reading fixtures
//! ([`text`], [`case`]), what traps say ([`traps`]), processes with less than usual ([`restricted`]), damaging files ([`damage`]), and working through many jobs ([`each`]).

pub mod case;
pub mod command;
pub mod damage;
pub mod modes;
pub mod restricted;
pub mod text;
pub mod traps;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use command::{Outcome, Trjit, trjit, trjit_run, trjit_with_default_signals};

/// A directory that is gone at the end of the test.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("the tests need a directory for temporary files")
}

/// The folder `fixtures` of the repository.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").canonicalize().expect("the repository has fixtures")
}

/// The files of a folder whose names end with `end`, sorted. `TRJIT_FIXTURE=TEXT` leaves those that contain the text.
pub fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let wanted = std::env::var("TRJIT_FIXTURE").unwrap_or_default();
    let entries = std::fs::read_dir(fixtures().join(folder)).expect("the folder of fixtures is readable");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("the entry is readable").path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(end) && path.to_string_lossy().contains(&wanted));
    found.sort();
    found
}

/// Does the job for every item on as many threads as there are CPUs. A job returns its complaints; all are told together at the end.
pub fn each<T: Sync>(items: &[T], job: impl Fn(&T) -> Vec<String> + Sync) {
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // A panic is a complaint, too: the other items are still worth their answers.
                    let found =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(item))).unwrap_or_else(|panic| vec![told(&*panic)]);
                    faults.lock().expect("no job panics while it holds the lock").extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no job panics while it holds the lock");
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// What a panic said.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string())).unwrap_or_else(|| "a panic without a text".to_string())
}

/// Writes a module in the text format and returns its path.
pub fn wat(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the scratch directory is writable");
    path
}

/// All that a profile tells of its run but how long it took.
pub fn recorded(profile: &Path) -> serde_json::Value {
    let mut told = trjit(["inspect", "--json", "--top", "1000000"]).arg(profile).run().succeeds().json();
    told["runs"][0]["seconds"] = serde_json::Value::Null;
    told
}

/// The names in a folder, sorted: to see that nothing was left behind.
pub fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("the entry is readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
