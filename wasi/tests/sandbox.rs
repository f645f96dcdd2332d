//! No path leaves its preopened directory, whatever it is made of and whatever changes meanwhile.

mod guest;
use guest::*;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use trjit_wasi::WasiCtxBuilder;

const SECRET: &[u8] = b"secret of the host";

/// `outside/` with things that must stay untouched and unread, `inside/` for the guest with links to them.
struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (outside, inside) = (root.path().join("outside"), root.path().join("inside"));
        std::fs::create_dir_all(outside.join("empty")).expect("made");
        std::fs::write(outside.join("secret"), SECRET).expect("written");
        symlink("secret", outside.join("link")).expect("linked");
        std::fs::create_dir_all(inside.join("sub/deep")).expect("made");
        std::fs::write(inside.join("file"), b"mine").expect("written");
        let links = [
            ("relative", "../outside/secret"),
            ("updir", "../outside"),
            ("sub/updir", "../../outside"),
            ("sub/deep/twice", "../updir"),
            ("dangling", "../outside/new"),
            ("root", "/"),
            ("self", "."),
            ("parent", ".."),
            ("loop-a", "loop-b"),
            ("loop-b", "loop-a"),
        ];
        for (name, target) in links {
            symlink(target, inside.join(name)).expect("linked");
        }
        symlink(outside.join("secret"), inside.join("absolute")).expect("linked");
        symlink(&outside, inside.join("absolute-dir")).expect("linked");
        symlink(inside.join("file"), inside.join("absolute-inside")).expect("linked");
        World { root }
    }

    fn inside(&self) -> PathBuf {
        self.root.path().join("inside")
    }

    fn outside(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    /// Everything about `outside` that a guest could change.
    fn snapshot(&self) -> Vec<String> {
        let mut seen = Vec::new();
        describe(&self.outside(), &mut seen);
        seen
    }
}

fn describe(path: &Path, seen: &mut Vec<String>) {
    let meta = std::fs::symlink_metadata(path).expect("there");
    let content = if meta.is_file() { std::fs::read(path).expect("readable") } else { vec![] };
    let mtime = meta.modified().expect("a time");
    seen.push(format!("{} {:?} {mtime:?} {content:?}", path.display(), meta.file_type()));
    if meta.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path).expect("listable").map(|e| e.expect("an entry").path()).collect();
        names.sort();
        names.iter().for_each(|name| describe(name, seen));
    }
}

fn escapes(world: &World) -> Vec<String> {
    let outside = world.outside();
    let mut paths: Vec<String> = [
        "../outside/secret",
        "sub/../../outside/secret",
        "sub/deep/../../../outside/secret",
        "./../outside/secret",
        "self/self/../../outside/secret",
        "self/../outside/secret",
        "relative",
        "relative/",
        "updir/secret",
        "updir/../outside/secret",
        "sub/updir/secret",
        "sub/deep/twice/secret",
        "sub/deep/twice/../outside/secret",
        "parent/outside/secret",
        "parent/../outside/secret",
        "absolute",
        "absolute-dir/secret",
        "absolute-inside",
        "root/etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "..",
        "../",
        "../outside",
        "../outside/",
        "updir/",
        "updir/.",
        "updir/empty",
        "updir/link",
        "loop-a",
        "loop-a/x",
        "file/../../outside/secret",
        "none/../../outside/secret",
    ]
    .map(String::from)
    .to_vec();
    paths.push(outside.join("secret").display().to_string());
    paths.push(format!("{}/../outside/secret", world.inside().display()));
    paths
}

#[test]
fn no_call_reaches_outside() {
    let world = World::new();
    let before = world.snapshot();
    let mut g = Guest::with_dir(&world.inside());
    for path in escapes(&world) {
        let p = path.as_str();
        for (oflags, rights) in [(0, READ), (0, WRITE), (CREAT, READ | WRITE), (TRUNC, WRITE), (CREAT | EXCL, WRITE), (DIRECTORY, READ)] {
            let opened = g.open_with(3, FOLLOW, p, oflags, rights, 0);
            assert!(opened.is_err(), "open {p} {oflags} {rights}: {opened:?}");
        }
        assert!(g.stat(FOLLOW, p).is_err(), "stat {p}");
        assert!(g.set_times(FOLLOW, p, 0, 0, 5).is_err(), "set_times {p}");
        assert!(g.at("path_create_directory", 3, p).is_err(), "mkdir {p}");
        assert!(g.at("path_create_directory", 3, &format!("{p}/x")).is_err(), "mkdir {p}/x");
        assert!(g.open(&format!("{p}/x"), CREAT, WRITE).is_err(), "create {p}/x");
        assert!(g.at("path_remove_directory", 3, p).is_err(), "rmdir {p}");
        assert!(g.rename("file", &format!("{p}/x")).is_err(), "rename to {p}/x");
        assert!(g.link(0, "file", &format!("{p}/x")).is_err(), "link to {p}/x");
        assert!(g.symlink("file", &format!("{p}/x")).is_err(), "symlink {p}/x");
    }
    assert_eq!(world.snapshot(), before);
}

#[test]
fn links_out_can_be_seen_but_not_used() {
    let world = World::new();
    let before = world.snapshot();
    let mut g = Guest::with_dir(&world.inside());
    // A link itself is the guest's: it may look at it, move it and remove it.
    assert!(g.stat(0, "relative").is_ok());
    assert_eq!(g.readlink("relative", 100), Ok("../outside/secret".into()));
    assert_eq!(g.readlink("absolute", 100), Err(errno::PERM));
    // Creating through a dangling link would create outside.
    assert!(g.open("dangling", CREAT, WRITE).is_err());
    assert!(g.open_with(3, 0, "dangling", CREAT, WRITE, 0).is_err());
    assert!(!world.outside().join("new").exists());
    // A file moved out of the way of a link, and links moved about, stay links.
    assert_eq!(g.rename("relative", "sub/moved"), Ok(()));
    assert!(g.open("sub/moved", 0, READ).is_err());
    for name in ["sub/moved", "absolute", "updir", "dangling", "loop-a", "parent"] {
        assert_eq!(g.at("path_unlink_file", 3, name), Ok(()), "{name}");
    }
    assert!(g.at("path_unlink_file", 3, "sub/updir/secret").is_err());
    assert_eq!(world.snapshot(), before);
}

#[test]
fn links_out_cannot_be_made_absolute_and_made_ones_do_not_lead_out() {
    let world = World::new();
    let mut g = Guest::with_dir(&world.inside());
    assert_eq!(g.symlink("/etc/passwd", "mine"), Err(errno::PERM));
    assert_eq!(g.symlink("../outside/secret", "mine"), Ok(()));
    assert!(g.open("mine", 0, READ).is_err());
    // A hard link to the link is a link still.
    assert_eq!(g.link(0, "mine", "hard"), Ok(()));
    assert!(g.open("hard", 0, READ).is_err());
    // Descriptors of directories are capabilities of their own: their parents are not in them.
    let sub = g.open("sub", DIRECTORY, READ).expect("opened");
    assert_eq!(g.open_with(sub, FOLLOW, "../file", 0, READ, 0), Err(errno::PERM));
    assert_eq!(g.open_with(3, FOLLOW, "sub/../file", 0, READ, 0).map(|_| ()), Ok(()));
}

#[test]
fn escaping_is_reported_as_perm() {
    let world = World::new();
    let mut g = Guest::with_dir(&world.inside());
    for path in ["../outside/secret", "/etc/passwd", "relative", "absolute", "updir/secret"] {
        assert_eq!(g.open(path, 0, READ), Err(errno::PERM), "{path}");
    }
    assert_eq!(g.open("loop-a", 0, READ), Err(errno::LOOP));
}

#[test]
fn magic_links_of_proc_lead_nowhere() {
    let mut g = Guest::new(WasiCtxBuilder::new().preopened_dir("/proc/self", "/self", true));
    for path in ["root/etc/passwd", "root", "cwd", "cwd/Cargo.toml", "exe", "fd/0", "task/self/root/etc/passwd"] {
        assert!(g.open(path, 0, READ).is_err(), "{path}");
    }
    assert!(g.open("status", 0, READ).is_ok());
}

#[test]
fn a_moved_directory_does_not_open_its_new_surroundings() {
    let world = World::new();
    let mut g = Guest::with_dir(&world.inside());
    let deep = g.open("sub/deep", DIRECTORY, READ).expect("opened");
    std::fs::rename(world.inside().join("sub/deep"), world.outside().join("deep")).expect("moved");
    assert!(g.open_with(deep, FOLLOW, "../secret", 0, READ, 0).is_err());
    assert!(g.open_with(deep, FOLLOW, "twice/secret", 0, READ, 0).is_err());
}

/// A thread exchanges a directory and a link to the outside as fast as it can while the guest works through them.
#[test]
fn a_race_between_directory_and_link_is_never_won() {
    let world = World::new();
    let (inside, outside) = (world.inside(), world.outside());
    std::fs::create_dir(inside.join("x")).expect("made");
    std::fs::write(inside.join("x/secret"), b"harmless").expect("written");
    symlink("../outside", inside.join("y")).expect("linked");
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swapper = {
        let (stop, swaps, inside) = (stop.clone(), swaps.clone(), inside.clone());
        std::thread::spawn(move || {
            let dir = std::fs::File::open(inside).expect("opened");
            let mut pause = 1u32;
            while !stop.load(Ordering::Relaxed) {
                // Pauses of changing length: in lockstep with the guest's own calls one side would hardly be seen.
                pause = pause.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (0..pause >> 18).for_each(|_| std::hint::spin_loop());
                rustix::fs::renameat_with(&dir, "x", &dir, "y", rustix::fs::RenameFlags::EXCHANGE).expect("exchanged");
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let mut g = Guest::with_dir(&inside);
    let (mut reads, mut refusals) = (0, 0);
    let started = Instant::now();
    for round in 0u64.. {
        let enough = round >= 6000 && reads >= 200 && refusals >= 200;
        if enough || started.elapsed() > Duration::from_secs(60) {
            break;
        }
        match g.open("x/secret", 0, READ) {
            Ok(fd) => {
                assert_eq!(g.read(fd, 64), Ok(b"harmless".to_vec()));
                g.close(fd).expect("open");
                reads += 1;
            }
            Err(_) => refusals += 1,
        }
        if let Ok(stat) = g.stat(FOLLOW, "x/secret") {
            assert_eq!(g.u64_at(stat + 32), 8);
        }
        match round % 6 {
            0 => drop(g.open("x/made", CREAT, WRITE).map(|fd| g.close(fd))),
            1 => drop(g.at("path_unlink_file", 3, "x/link")),
            2 => drop(g.at("path_remove_directory", 3, "x/empty")),
            3 => drop(g.at("path_create_directory", 3, "x/made-dir")),
            4 => drop(g.rename("file", "x/file").and_then(|()| g.rename("x/file", "file"))),
            _ => drop(g.open("x/secret", TRUNC, WRITE).map(|fd| (g.write(fd, b"harmless"), g.close(fd)))),
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().expect("the swapper ends");
    assert!(swaps.load(Ordering::Relaxed) > 0 && reads > 0 && refusals > 0, "{swaps:?} {reads} {refusals}");
    assert_eq!(std::fs::read(outside.join("secret")).expect("there"), SECRET);
    assert!(outside.join("empty").exists() && outside.join("link").symlink_metadata().is_ok());
    let mut left: Vec<_> = std::fs::read_dir(&outside).expect("listable").map(|e| e.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["empty", "link", "secret"]);
}
