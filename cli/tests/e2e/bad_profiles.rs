//! Profiles that can not be used: status 121, and no cache is written.

use crate::support::damage::{mutations, truncations};
use crate::support::{each, fixtures, listing, scratch, trjit};
use std::path::Path;

fn trained(folder: &Path) -> Vec<u8> {
    let profile = folder.join("good.trprof");
    trjit(["train", "--invoke", "agree", "-o"]).arg(&profile).arg(fixtures().join("wat/fib.wat")).arg("12").run().exits(0);
    std::fs::read(profile).expect("the profile is readable")
}

#[test]
fn damaged_profiles_are_refused_and_nothing_is_written() {
    let folder = scratch();
    let bytes = trained(folder.path());
    let mut damaged = truncations(&bytes, 30);
    damaged.extend(mutations(&bytes, 150, 21));
    let damaged: Vec<(usize, Vec<u8>)> = damaged.into_iter().enumerate().collect();
    let out = scratch();
    each(&damaged, |(number, bytes)| {
        let path = folder.path().join(format!("{number}.trprof"));
        std::fs::write(&path, bytes).expect("the scratch directory is writable");
        let cache = out.path().join(format!("{number}.trjit"));
        let assembled = trjit(["assemble", "-o"]).arg(&cache).arg("--profile").arg(&path).arg(fixtures().join("wat/fib.wat")).run();
        assembled.refuses(121, &["help: "]);
        trjit(["inspect"]).arg(&path).run().refuses(121, &["help: "]);
        Vec::new()
    });
    assert!(listing(out.path()).is_empty(), "{:?}", listing(out.path()));
}

#[test]
fn what_is_no_profile_is_told() {
    let folder = scratch();
    let fib = fixtures().join("wat/fib.wat");
    let assemble =
        |profile: &Path| trjit(["assemble", "-o"]).arg(folder.path().join("x.trjit")).arg("--profile").arg(profile).arg(&fib).run();
    assemble(&folder.path().join("absent.trprof")).refuses(121, &["No such file"]);
    assemble(folder.path()).refuses(121, &["directory"]);
    assemble(&fib).refuses(121, &["not a trjit profile"]);
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn profiles_of_different_modules_do_not_merge() {
    let folder = scratch();
    let train = |name: &str, function: &str| {
        let profile = folder.path().join(name).with_extension("trprof");
        trjit(["train", "--invoke", function, "-o"]).arg(&profile).arg(fixtures().join("wat").join(name)).arg("5").run().exits(0);
        profile
    };
    let (one, two) = (train("fib.wat", "fib"), train("collatz.wat", "longest"));
    let cache = folder.path().join("x.trjit");
    let both =
        trjit(["assemble", "-o"]).arg(&cache).arg("--profile").arg(one).arg("--profile").arg(two).arg(fixtures().join("wat/fib.wat"));
    both.run().refuses(121, &["help: "]);
    assert!(!cache.exists());
}
