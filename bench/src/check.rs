//! Whether a run gave the recorded results. What is wrong is never timed.

use crate::child::Ended;
use crate::corpus::Case;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What differs from the record, `None` when nothing does.
pub fn judge(case: &Case, home: &Path, ended: &Ended) -> Result<Option<String>> {
    let Some(code) = ended.code else { return Ok(Some("did not end in time".to_string())) };
    let mut faults = Vec::new();
    if code != case.exit {
        faults.push(format!("exit {code}, expected {}", case.exit));
    }
    let filtered = if case.filter.is_empty() { None } else { Some(filter(&case.filter, &ended.stdout)?) };
    if sha256(filtered.as_ref().unwrap_or(&ended.stdout)) != case.stdout_sha256 {
        faults.push("standard output differs".to_string());
    }
    if !matches!(case.outfiles_sha256.as_str(), "" | "-") && out_digest(home)? != case.outfiles_sha256 {
        faults.push("files under out differ".to_string());
    }
    if faults.is_empty() {
        return Ok(None);
    }
    let words = ended.last_words();
    Ok(Some(if words.is_empty() { faults.join(", ") } else { format!("{} ({words})", faults.join(", ")) }))
}

/// Lowercase hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 over the sorted path, relative to `home`, and the content of every file below `out`; `-` where there is none.
pub fn out_digest(home: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(&home.join("out"), &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    for file in &files {
        digest.update(file.strip_prefix(home).unwrap_or(file).as_os_str().as_encoded_bytes());
        digest.update(std::fs::read(file)?);
    }
    Ok(if files.is_empty() { "-".to_string() } else { hex(digest.finalize()) })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn filter(command: &str, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("/bin/sh").args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let pipe = child.stdin.take();
    std::thread::scope(|scope| {
        // A filter need not read everything; what it does not take is not an error.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input)));
        Ok(child.wait_with_output()?.stdout)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: Option<i32>, stdout: &str) -> Ended {
        Ended { code, stdout: stdout.into(), stderr: b"first\nlast\n".to_vec() }
    }

    #[test]
    fn every_difference_is_told() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join("out")).expect("a folder in it");
        let case = Case { stdout_sha256: sha256(b"x"), outfiles_sha256: "-".into(), ..Case::default() };
        let judged = |case: &Case, ended: Ended| judge(case, home.path(), &ended).expect("judged");
        assert_eq!(judged(&case, ended(Some(0), "x")), None);
        assert_eq!(judged(&case, ended(Some(1), "x")).as_deref(), Some("exit 1, expected 0 (last)"));
        assert_eq!(judged(&case, ended(Some(0), "y")).as_deref(), Some("standard output differs (last)"));
        assert_eq!(judged(&case, ended(None, "x")).as_deref(), Some("did not end in time"));
        let filtered = Case { filter: "tr y x".into(), ..case.clone() };
        assert_eq!(judged(&filtered, ended(Some(0), "y")), None);
        let with_files = Case { outfiles_sha256: sha256(b"out/fcontent"), ..case };
        assert_eq!(judged(&with_files, ended(Some(0), "x")).as_deref(), Some("files under out differ (last)"));
        std::fs::write(home.path().join("out/f"), "content").expect("written");
        assert_eq!(judged(&with_files, ended(Some(0), "x")), None);
    }
}
