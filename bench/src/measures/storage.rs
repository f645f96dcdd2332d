//! Measure 4: where the files lie. Nothing of them in the page cache; and the cache as an image has it, out of an archive and on overlayfs.

use super::Context;
use crate::child::{self, CommandLine};
use crate::corpus::is_wanted;
use crate::peers::Way;
use crate::results::Results;
use crate::series::{self, Entry, Setting, Subject};
use crate::sys;
use crate::workshop::{Training, Workshop, trjit_name};
use anyhow::{Context as _, Result, bail};
use rustix::fs::{Advice, fadvise};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files not in the page cache, and files in it.
pub const COLD: &str = "storage-cold";
pub const WARM: &str = "storage-warm";

/// The first case that is wanted stands for the program.
pub fn measure(context: &Context<'_>, workshop: &Workshop<'_>, results: &mut Results) -> Result<()> {
    let mut cases = workshop.program.cases.iter();
    let Some(case) = cases.find(|case| is_wanted(context.only, &workshop.program.name, &case.id)) else { return Ok(()) };
    let (program, sandbox) = (workshop.program.name.as_str(), &workshop.sandbox);
    let overlay = Overlay::mount(workshop, &case.id);
    let left = Left::default();
    let drop_files = |subject: &Subject| left.drop_all(&subject.files);
    for (measure, before) in [(COLD, &drop_files as &dyn Fn(&Subject) -> Result<()>), (WARM, &series::nothing)] {
        let mut entries = own_entries(context, workshop, case, &overlay);
        for installed in context.peers {
            for way in installed.peer.ways().into_iter().filter(|way| matches!(way, Way::Precompiled | Way::Cached)) {
                let name = format!("{} {way}", installed.about.name);
                entries.push(Entry::from(name, workshop.peer_subject(installed, way, case)));
            }
        }
        let setting = Setting { measure, program, case, sandbox, effort: context.effort, before };
        results.rows.extend(series::run(entries, &setting)?);
    }
    left.tell(&mut results.notes);
    Ok(())
}

fn own_entries(context: &Context<'_>, workshop: &Workshop<'_>, case: &crate::corpus::Case, overlay: &Result<Overlay>) -> Vec<Entry> {
    let (runner, training) = (context.trjit.production(), Training::Same(&case.id));
    let name = trjit_name(runner, Some(training));
    let at = |place: &str, cache: PathBuf| workshop.trjit_with(format!("{name}, {place}"), runner, Some(cache), case);
    let written = Entry::from(name.clone(), workshop.trjit_subject(runner, Some(training), case));
    let archived = Entry::from(format!("{name}, from tar"), from_archive(workshop, &case.id).map(|cache| at("from tar", cache)));
    let overlaid = match overlay {
        Ok(overlay) => Entry::Ready(at("on overlayfs", overlay.cache.clone())),
        Err(why) => Entry::Skipped { name: format!("{name}, on overlayfs"), why: format!("{why:#}") },
    };
    vec![written, archived, overlaid]
}

/// The cache after it went through an archive, as images have it.
fn from_archive(workshop: &Workshop<'_>, case: &str) -> Result<PathBuf> {
    let cache = workshop.cache(Training::Same(case))?;
    let (Some(folder), Some(name)) = (cache.parent(), cache.file_name()) else { bail!("the cache lies nowhere") };
    let out = folder.join("unpacked");
    std::fs::create_dir_all(&out)?;
    let archive = folder.join("image.tar");
    let pack = CommandLine::new("/bin/tar").arg("-cf").arg(&archive).arg("-C").arg(folder).arg(name);
    let unpack = CommandLine::new("/bin/tar").arg("-xf").arg(&archive).arg("-C").arg(&out);
    for line in [pack, unpack] {
        let (ended, _) = child::run(&line, &workshop.sandbox.workplace())?;
        ended.expect_success("tar")?;
    }
    Ok(out.join(name))
}

/// A read-only overlay whose lower layer has the cache; unmounted when dropped.
struct Overlay {
    mounted: PathBuf,
    cache: PathBuf,
}

impl Overlay {
    fn mount(workshop: &Workshop<'_>, case: &str) -> Result<Overlay> {
        let unpacked = from_archive(workshop, case)?;
        let (Some(lower), Some(name)) = (unpacked.parent(), unpacked.file_name()) else { bail!("the cache lies nowhere") };
        let [upper, mounted] = ["overlay-upper", "overlay"].map(|name| workshop.sandbox.artifacts.join(name));
        for folder in [&upper, &mounted] {
            std::fs::create_dir_all(folder)?;
        }
        let layers = format!("lowerdir={}:{}", upper.display(), lower.display());
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "overlay", "overlay", "-o", &layers]).arg(&mounted).output().context("no `mount`")?;
        if !output.status.success() {
            bail!("it cannot be mounted here: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let cache = mounted.join(name);
        Ok(Overlay { mounted, cache })
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the folder's removal will tell.
        let _ = Command::new("umount").arg(&self.mounted).status();
    }
}

/// What stayed in the page cache, by file: the largest share, in percent.
#[derive(Default)]
struct Left {
    worst: RefCell<BTreeMap<PathBuf, usize>>,
}

impl Left {
    fn drop_all(&self, files: &[PathBuf]) -> Result<()> {
        for file in files {
            self.drop(file)?;
        }
        Ok(())
    }

    /// A file, or all files below a folder.
    fn drop(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                self.drop(&entry?.path())?;
            }
            return Ok(());
        }
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // Pages that are not on disk yet would stay.
        let _ = file.sync_data();
        fadvise(&file, 0, None, Advice::DontNeed)?;
        let (cached, pages) = sys::cached_pages(&file)?;
        if cached > 0 {
            let mut worst = self.worst.borrow_mut();
            let share = worst.entry(path.to_path_buf()).or_default();
            *share = (*share).max(cached * 100 / pages);
        }
        Ok(())
    }

    fn tell(&self, notes: &mut Vec<String>) {
        for (path, share) in self.worst.borrow().iter().filter(|(_, share)| **share > 0) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let about = format!("cold page cache: {name} stayed cached in part, since another process maps or reads it: up to ");
            let known = notes.iter().position(|note| note.starts_with(&about));
            // One note a file for the whole run: the worst.
            let before = known.map(|at| notes.remove(at)).and_then(|note| note[about.len()..].trim_end_matches(" %").parse().ok());
            notes.push(format!("{about}{} %", before.unwrap_or(0).max(*share)));
        }
    }
}
