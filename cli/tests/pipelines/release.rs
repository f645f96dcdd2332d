//! The files of a release, and where they come from: the archive is made of this build's binaries.

use crate::{binaries, must, root, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A place of downloads, as releases lie there: `vVERSION/{archive, SHA256SUMS}`. Made once for all tests; the folder is left to the system's temporary ones.
pub struct Published {
    folder: tempfile::TempDir,
}

impl Published {
    pub fn get() -> &'static Published {
        static PUBLISHED: OnceLock<Published> = OnceLock::new();
        PUBLISHED.get_or_init(|| {
            let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
            make(&folder.path().join(format!("v{}", version())), "1600000000");
            Published { folder }
        })
    }

    /// For `download`.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    pub fn archive(&self) -> PathBuf {
        self.folder.path().join(format!("v{}/{}", version(), archive_name()))
    }
}

/// A copy of the downloads in which the archive is another one than the digests say.
pub fn forged(folder: &Path) -> String {
    let place = folder.join(format!("v{}", version()));
    std::fs::create_dir_all(&place).expect("the directory of the test is writable");
    let sums = Published::get().archive().with_file_name("SHA256SUMS");
    std::fs::copy(sums, place.join("SHA256SUMS")).expect("the digests can be copied");
    std::fs::write(place.join(archive_name()), "another archive").expect("the directory of the test is writable");
    format!("file://{}", folder.display())
}

pub fn version() -> String {
    let told = must(Command::new(env!("CARGO_BIN_EXE_trjit")).arg("--version"));
    told.split(' ').nth(1).expect("the version is the second word").to_string()
}

fn archive_name() -> String {
    format!("trjit-{}-x86_64-linux.tar.gz", version())
}

/// Packs this build, without what debuggers read: that is most of a development build, and takes long to compress.
fn make(out: &Path, time: &str) {
    let stripped = tempfile::tempdir().expect("the tests need a directory for temporary files");
    for name in ["trjit", "trjit-run"] {
        must(Command::new("strip").args(["--strip-debug", "-o"]).arg(stripped.path().join(name)).arg(binaries().join(name)));
    }
    must(Command::new(root().join("pipelines/release")).arg("--binaries").arg(stripped.path()).arg(out).env("SOURCE_DATE_EPOCH", time));
}

#[test]
fn the_archive_has_what_is_promised_and_the_same_bytes_twice() {
    let published = Published::get().archive();
    let again = tempfile::tempdir().expect("the tests need a directory for temporary files");
    make(again.path(), "1600000000");
    for name in [archive_name(), "SHA256SUMS".to_string()] {
        let read = |path: PathBuf| std::fs::read(path).expect("the file was made");
        assert!(read(again.path().join(&name)) == read(published.with_file_name(&name)), "{name} differs");
    }
    must(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(again.path()));
    must(Command::new("tar").args(["-xzf", &archive_name()]).current_dir(again.path()));
    let top = again.path().join(format!("trjit-{}-x86_64-linux", version()));
    assert_eq!(text(&top.join("LICENSE")), text(&root().join("LICENSE")));
    let listed = must(Command::new("find").args([".", "-type", "f", "-printf", "%m %P\n"]).current_dir(&top));
    let files: BTreeSet<&str> = listed.lines().collect();
    for file in [
        "755 trjit",
        "755 trjit-run",
        "644 LICENSE",
        "644 completions/trjit.bash",
        "644 completions/_trjit-run",
        "644 man/man1/trjit-run.1",
    ] {
        assert!(files.contains(file), "{file} is not in {files:?}");
    }
    // What was packed runs.
    let told = must(Command::new(top.join("trjit-run")).arg("--version").env_clear());
    assert!(told.starts_with(&format!("trjit-run {}", version())), "{told}");
}

#[test]
fn a_binary_that_needs_libraries_is_not_released() {
    let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
    for name in ["trjit", "trjit-run"] {
        std::fs::copy("/bin/ls", folder.path().join(name)).expect("there is a program to copy");
    }
    let out = folder.path().join("out");
    let done = Command::new(root().join("pipelines/release")).arg("--binaries").arg(folder.path()).arg(&out).output().expect("bash starts");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && told.contains("linked dynamically"), "{told}");
    assert_eq!(std::fs::read_dir(&out).expect("the directory was made").count(), 0);
}

/// A build whose paths were not mapped away, as a development build is.
#[test]
fn a_binary_that_names_the_building_machine_is_not_released() {
    let folder = tempfile::tempdir().expect("the tests need a directory for temporary files");
    let (bin, target) = (folder.path().join("bin"), folder.path().join("target/release"));
    for made in [&bin, &target] {
        std::fs::create_dir_all(made).expect("the directory of the test is writable");
    }
    std::fs::write(bin.join("cargo"), "#!/bin/sh\necho \"$RUSTFLAGS\"\n").expect("the directory of the test is writable");
    must(Command::new("chmod").arg("755").arg(bin.join("cargo")));
    for name in ["trjit", "trjit-run"] {
        std::fs::copy(binaries().join(name), target.join(name)).expect("the binaries can be copied");
    }
    let out = folder.path().join("out");
    let done = Command::new(root().join("pipelines/release"))
        .arg(&out)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .output()
        .expect("bash starts");
    let (flags, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(flags.contains(&format!("--remap-path-prefix={}=trjit", root().display())), "{flags}");
    assert!(!done.status.success() && told.contains("differs from machine to machine"), "{told}");
    assert_eq!(std::fs::read_dir(&out).expect("the directory was made").count(), 0);
}

/// A tag is built by the recipe, and published under the names that action and template look for.
#[test]
fn tags_are_released_by_the_recipe() {
    let file = crate::yaml(&root().join(".github/workflows/release.yml"));
    let steps = file["jobs"]["release"]["steps"].as_vec().expect("the workflow has steps");
    let runs: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    let out = Published::get().archive().parent().expect("a folder").to_path_buf();
    let [build, check, publish] = runs.as_slice() else { panic!("{runs:?}") };
    assert_eq!(*build, "pipelines/release dist");
    assert!(publish.contains("gh release create \"$GITHUB_REF_NAME\"") && publish.ends_with("dist/*"), "{publish}");
    let work = tempfile::tempdir().expect("the tests need a directory for temporary files");
    std::os::unix::fs::symlink(&out, work.path().join("dist")).expect("the directory of the test is writable");
    let agrees = |tag: &str| {
        let mut command = Command::new("bash");
        command.args(["-eo", "pipefail", "-c", check]).current_dir(work.path()).env("GITHUB_REF_NAME", tag);
        command.status().expect("bash can be started").success()
    };
    assert!(agrees(&format!("v{}", version())) && !agrees("v9.9.9"));
}

/// What the recipe, the action and the template say of names and versions is one thing.
#[test]
fn names_and_versions_agree() {
    let manifest = text(&root().join("Cargo.toml"));
    let line = format!("version = \"{}\"", version());
    assert_eq!(manifest.lines().find(|found| found.starts_with("version = ")), Some(line.as_str()));
    let template = text(&root().join("pipelines/gitlab/trjit.gitlab-ci.yml"));
    assert!(template.contains(&format!("TRJIT_CI_VERSION: \"{}\"", version())), "the template has another version");
    for file in ["pipelines/github/nightly.yml", "pipelines/github/push.yml"] {
        assert!(text(&root().join(file)).contains(&format!("uses: OWNER/trjit@v{}\n", version())), "{file} has another version");
    }
}
