//! `trjit profile export`: what viewers would read, decoded by the published schema, against what was counted.

use crate::profiles::App;
use crate::support::trjit;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A field of a Protocol Buffers message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().expect("a number ends within its message");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than ten bytes");
}

fn message(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let len = varint(&mut bytes) as usize;
                let (field, rest) = bytes.split_at(len);
                bytes = rest;
                Field::Bytes(field)
            }
            kind => panic!("field {} of kind {kind}", key >> 3),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// A field that occurs once; 0 where it is left out.
fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> u64 {
    let found = fields.iter().find_map(|(number, field)| match field {
        Field::Number(value) if *number == wanted => Some(*value),
        _ => None,
    });
    found.unwrap_or(0)
}

fn all<'a>(fields: &'a [(u64, Field<'a>)], wanted: u64) -> Vec<&'a [u8]> {
    let found = fields.iter().filter(|(number, _)| *number == wanted);
    let bytes = found.map(|(_, field)| match field {
        Field::Bytes(bytes) => *bytes,
        Field::Number(_) => panic!("field {wanted} is a number"),
    });
    bytes.collect()
}

fn packed(mut bytes: &[u8]) -> Vec<u64> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(varint(&mut bytes));
    }
    values
}

/// The contents of a gzip file, by the command of the system, which checks it.
fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a command gzip");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("gzip ends");
    writer.join().expect("the thread ends").expect("gzip reads its input");
    assert!(output.status.success(), "it is no gzip file");
    output.stdout
}

/// Calls and instructions, by the names of a stack from the outermost to the innermost.
type Samples = BTreeMap<Vec<String>, [u64; 2]>;

/// Reads a pprof file, and checks that all it refers to is there.
fn samples(file: &[u8]) -> Samples {
    let bytes = unzipped(file);
    let profile = message(&bytes);
    let texts: Vec<&str> = all(&profile, 6).into_iter().map(|text| std::str::from_utf8(text).expect("texts are UTF-8")).collect();
    assert_eq!(texts[0], "", "the first text is empty");
    let text = |number: u64| texts[number as usize];
    let types: Vec<(&str, &str)> =
        all(&profile, 1).into_iter().map(message).map(|fields| (text(number(&fields, 1)), text(number(&fields, 2)))).collect();
    assert_eq!(types, [("calls", "count"), ("instructions", "count")]);
    assert_eq!(text(number(&profile, 14)), "instructions");
    let mapping = message(all(&profile, 3)[0]);
    assert_eq!((number(&mapping, 1), text(number(&mapping, 5)), text(number(&mapping, 6)).len()), (1, "app.wat", 64));
    let functions: BTreeMap<u64, &str> =
        all(&profile, 5).into_iter().map(message).map(|fields| (number(&fields, 1), text(number(&fields, 2)))).collect();
    let location = |bytes| {
        let fields = message(bytes);
        assert_eq!(number(&fields, 2), 1, "each location is in the one mapping");
        assert!(number(&fields, 3) < number(&mapping, 3), "at an offset of the module");
        let lines = all(&fields, 4);
        (number(&fields, 1), functions[&number(&message(lines[0]), 1)])
    };
    let locations: BTreeMap<u64, &str> = all(&profile, 4).into_iter().map(location).collect();
    let sample = |bytes| {
        let fields = message(bytes);
        let mut frames: Vec<String> = packed(all(&fields, 1)[0]).iter().map(|id| locations[id].to_string()).collect();
        frames.reverse();
        let values = packed(all(&fields, 2)[0]);
        (frames, [values[0], values[1]])
    };
    all(&profile, 2).into_iter().map(sample).collect()
}

fn export(app: &App, profile: &Path, format: &str, more: &[&str]) -> Vec<u8> {
    let export = trjit(["profile", "export", "--format", format, "--module"]).arg(&app.module).arg(profile).args(more);
    export.run().succeeds().stdout
}

#[test]
fn stacks_are_of_the_calls_that_were_counted() {
    let app = App::new();
    let profile = app.train("one.trprof", ["10", "1"]);
    // Without structure (loop, end, drop) a round has ten instructions, and one follows.
    let expected = [(vec!["work"], [1, 10 * 10 + 1]), (vec!["work", "right"], [10, 30]), (vec!["work", "twice"], [10, 30])];
    let expected: Samples = expected.into_iter().map(|(frames, values)| (frames.into_iter().map(String::from).collect(), values)).collect();
    assert_eq!(samples(&export(&app, &profile, "pprof", &[])), expected);
    let folded = String::from_utf8(export(&app, &profile, "folded", &[])).expect("it is text");
    assert_eq!(folded, "work 101\nwork;twice 30\nwork;right 30\n");
    let calls = String::from_utf8(export(&app, &profile, "folded", &["--value", "calls"])).expect("it is text");
    assert_eq!(calls, "work 1\nwork;twice 10\nwork;right 10\n");
    let file = app.path("out.pb.gz");
    trjit(["profile", "export", "--format", "pprof", "-o"]).arg(&file).arg("--module").arg(&app.module).arg(&profile).run().succeeds();
    assert_eq!(std::fs::read(&file).expect("it was written"), export(&app, &profile, "pprof", &[]));
}

#[test]
fn what_can_not_be_exported_is_refused() {
    let app = App::new();
    let profile = app.train("one.trprof", ["10", "1"]);
    let other = crate::support::wat(
        app.folder.path(),
        "other.wat",
        r#"(module (func (export "work") (param i32 i32) (loop (br_if 0 (local.get 1)))))"#,
    );
    let export = |format: &str, module: &Path, profile: &Path| {
        trjit(["profile", "export", "--format", format, "--module"]).arg(module).arg(profile).run()
    };
    let refused = export("pprof", &other, &profile).exits(121).says(&["error: profile", "has nothing of module", "help: "]);
    assert!(refused.stdout.is_empty(), "{refused:?}");
    export("pprof", &app.module, &app.path("absent")).refuses(121, &["absent", "No such file"]);
    export("pprof", &app.path("absent"), &profile).refuses(1, &["absent", "No such file"]);
    export("pproff", &app.module, &profile).exits(2).says(&["pproff", "a similar value exists: 'pprof'"]);
    let full = trjit(["profile", "export", "--format", "folded", "-o", "/dev/full", "--module"]).arg(&app.module).arg(&profile);
    full.run().refuses(1, &["/dev/full", "No space left"]);
}
