//! Puts the commit and its date into the binaries, for `--version` and manuals (a build outside of a checkout says "unknown"), and links them statically.
//!
//! A static binary that is not position-independent starts in two thirds of the time of a dynamic one: nothing is looked up, mapped or relocated. `crt-static` is no
//! way there, for it applies to procedural macros, too, unless a target is named. So the binaries alone are linked with `-static`, and the shared
//! libraries that the compiler's command line names become linker scripts that name the archives:
//!
//! ```text
//! -lc     -> OUT_DIR/libc.so     = GROUP ( -l:libc.a -l:libgcc_eh.a -l:libgcc.a )
//! -lgcc_s -> OUT_DIR/libgcc_s.so = GROUP ( -l:libgcc_eh.a -l:libgcc.a )
//! ```
//!
//! Where that can not be done (another target, no archives), the binaries are dynamic, and a warning says so.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries that the compiler asks for, and the archives that take their place.
const SCRIPTS: &[(&str, &[&str])] = &[
    ("c", &["libc.a", "libgcc_eh.a", "libgcc.a"]),
    ("gcc_s", &["libgcc_eh.a", "libgcc.a"]),
    ("m", &["libm.a"]),
    ("pthread", &["libpthread.a"]),
    ("dl", &["libdl.a"]),
    ("rt", &["librt.a"]),
    ("util", &["libutil.a"]),
];

/// Without these nothing can be linked statically.
const NEEDED: &[&str] = &["libc.a", "libgcc_eh.a", "libgcc.a", "libm.a"];

fn main() {
    println!("cargo::rustc-env=TRJIT_COMMIT={}", git(&["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=TRJIT_COMMIT_DATE={}", git(&["log", "-1", "--format=%cs"]));
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let linked = link_statically();
    println!("cargo::rustc-env=TRJIT_LINKED={}", if linked.is_ok() { "statically" } else { "dynamically" });
    if let Err(reason) = linked {
        println!("cargo::warning=the binaries are linked dynamically, and start slower: {reason}");
    }
}

/// What git says in one line, or "unknown".
fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success());
    let line = output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_else(|| "unknown".to_string());
    line.trim().to_string()
}

fn link_statically() -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let target = variable("TARGET");
    if target != "x86_64-unknown-linux-gnu" || variable("HOST") != target {
        return Err(format!("static linking is known for x86_64-unknown-linux-gnu on itself, not for {target}"));
    }
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    if let Some(missing) = NEEDED.iter().find(|archive| !exists(&cc, archive)) {
        return Err(format!("`{cc}` finds no {missing}"));
    }
    let folder = PathBuf::from(variable("OUT_DIR"));
    for (library, archives) in SCRIPTS {
        write_script(&folder, library, archives, &cc)?;
    }
    // An argument of the binaries alone, and before the linker's own folders: the tests are linked as ever.
    println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    println!("cargo::rustc-link-arg-bins=-static");
    println!("cargo::rustc-link-arg-bins=-no-pie");
    Ok(())
}

/// The C compiler prints an absolute path for an archive that it has, else the bare name.
fn exists(cc: &str, archive: &str) -> bool {
    let output = Command::new(cc).arg(format!("-print-file-name={archive}")).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}

fn write_script(folder: &Path, library: &str, archives: &[&str], cc: &str) -> Result<(), String> {
    let found: Vec<String> = archives.iter().filter(|archive| exists(cc, archive)).map(|archive| format!("-l:{archive}")).collect();
    let path = folder.join(format!("lib{library}.so"));
    std::fs::write(&path, format!("GROUP ( {} )\n", found.join(" "))).map_err(|error| format!("{}: {error}", path.display()))
}
