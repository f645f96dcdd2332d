//! The one table of the keys of `trjit.toml`. The reader's messages, the schema, the file that `trjit init` writes and the tables of `docs/config.md` all come from it.
//!
//! Invariant: a key that is here is read, and one that is read is here; tests compare them.

use super::kinds::{Choices, Kind, Word};

/// A table of the file: its top, `[NAME]`, or `[[NAME]]` where it is repeated.
#[derive(Debug)]
pub struct Table {
    /// As in its header; empty: the top of the file.
    pub name: &'static str,
    pub repeated: bool,
    pub meaning: &'static str,
    pub keys: &'static [Key],
    /// Tables within it.
    pub tables: &'static [&'static Table],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    /// One line.
    pub meaning: &'static str,
    /// A value, as TOML.
    pub example: &'static str,
}

/// What holds where a key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// It must be there.
    Required,
    /// This value, as TOML.
    Value(&'static str),
    /// What the words say.
    Said(&'static str),
}

impl Table {
    /// How messages name it.
    pub fn title(&self) -> String {
        match (self.name, self.repeated) {
            ("", _) => "the top of the file".into(),
            (name, true) => format!("[[{name}]]"),
            (name, false) => format!("[{name}]"),
        }
    }

    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The table within this one whose last name is `name`.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().copied().find(|table| table.last_name() == name)
    }

    /// The name within the table around it.
    pub fn last_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// This table and those within, in the order of the file.
    pub fn all(&'static self) -> Vec<&'static Table> {
        std::iter::once(self).chain(self.tables.iter().flat_map(|table| table.all())).collect()
    }
}

/// The whole file.
pub static FILE: Table = Table {
    name: "",
    repeated: false,
    meaning: "What `trjit ci` does. Paths are relative to the directory of this file.",
    keys: &[Key {
        name: "module",
        kind: Kind::Path,
        default: Default::Required,
        meaning: "the module, in the binary or the text format",
        example: "\"build/app.wasm\"",
    }],
    tables: &[&TRAIN, &TARGET, &GATES, &OUTPUT],
};

static TRAIN: Table = Table {
    name: "train",
    repeated: false,
    meaning: "Where the profile comes from: runs and a wrapped command, which are merged, or a kept profile.",
    keys: &[
        Key {
            name: "jobs",
            kind: Kind::Count { least: 1, most: 4096 },
            default: Default::Said("one a CPU"),
            meaning: "training runs at once",
            example: "2",
        },
        Key {
            name: "timeout",
            kind: Kind::Time,
            default: Default::Value("\"300s\""),
            meaning: "how long one run may take",
            example: "\"60s\"",
        },
        Key {
            name: "profile",
            kind: Kind::Path,
            default: Default::Said("none"),
            meaning: "a profile that is kept, such as that of a nightly training; used with --no-train, or where there is nothing else to train on",
            example: "\"app.trprof\"",
        },
        Key {
            name: "command",
            kind: Kind::Command,
            default: Default::Said("none"),
            meaning: "a test command (a list of words, or a line for `sh -c`); every `trjit run` beneath it is recorded",
            example: "[\"make\", \"test\"]",
        },
        Key {
            name: "as",
            kind: Kind::FileName,
            default: Default::Said("none"),
            meaning: "the name under which trjit stands first on PATH while the command runs",
            example: "\"wasmtime\"",
        },
        Key {
            name: "inputs",
            kind: Kind::List(Word::Path),
            default: Default::Value("[]"),
            meaning: "what the command depends on beside the module; while these files and directories are the same, it is not run again",
            example: "[\"tests\"]",
        },
        Key {
            name: "command-timeout",
            kind: Kind::Time,
            default: Default::Said("no limit"),
            meaning: "how long the command may take",
            example: "\"10m\"",
        },
    ],
    tables: &[&RUN],
};

static RUN: Table = Table {
    name: "train.run",
    repeated: true,
    meaning: "A run of the module: recorded, and repeated on the cache.",
    keys: &[
        Key {
            name: "name",
            kind: Kind::Name,
            default: Default::Said("`run-N`, by its place in the file"),
            meaning: "what the run is called in messages and in the profile; no two are the same",
            example: "\"report\"",
        },
        Key {
            name: "args",
            kind: Kind::List(Word::Any),
            default: Default::Value("[]"),
            meaning: "the guest's arguments",
            example: "[\"report\", \"/data/year.csv\"]",
        },
        Key {
            name: "stdin",
            kind: Kind::Path,
            default: Default::Said("nothing to read"),
            meaning: "a file for standard input",
            example: "\"tests/report.in\"",
        },
        Key {
            name: "dirs",
            kind: Kind::List(Word::Dir),
            default: Default::Value("[]"),
            meaning: "directories that the guest sees: `HOST` or `HOST::GUEST`",
            example: "[\"tests/data::/data\"]",
        },
        Key {
            name: "scratch",
            kind: Kind::List(Word::GuestPath),
            default: Default::Value("[]"),
            meaning: "the guest's paths of directories that are empty when the run begins, and gone after it",
            example: "[\"/out\"]",
        },
        Key {
            name: "env",
            kind: Kind::List(Word::Variable),
            default: Default::Value("[]"),
            meaning: "the guest's environment: `NAME=VALUE`",
            example: "[\"LANG=C\"]",
        },
        Key {
            name: "options",
            kind: Kind::List(Word::Any),
            default: Default::Value("[]"),
            meaning: "further options of `trjit run`: -W, -S, -C, -O, --invoke, --argv0, --preload",
            example: "[\"-W\", \"max-memory-size=100000000\"]",
        },
        Key {
            name: "weight",
            kind: Kind::Count { least: 1, most: u32::MAX as u64 },
            default: Default::Value("1"),
            meaning: "by what the run's counts are multiplied",
            example: "10",
        },
        Key {
            name: "timeout",
            kind: Kind::Time,
            default: Default::Said("that of [train]"),
            meaning: "how long this run may take",
            example: "\"20s\"",
        },
        Key {
            name: "left-out",
            kind: Kind::Flag,
            default: Default::Value("false"),
            meaning: "not trained on: coverage is measured on such runs",
            example: "true",
        },
    ],
    tables: &[&EXPECT],
};

static EXPECT: Table = Table {
    name: "train.run.expect",
    repeated: false,
    meaning: "What the run must do, else the step fails.",
    keys: &[
        Key {
            name: "exit",
            kind: Kind::Count { least: 0, most: 255 },
            default: Default::Value("0"),
            meaning: "the exit status; 134: it traps",
            example: "3",
        },
        Key {
            name: "stdout",
            kind: Kind::Path,
            default: Default::Said("any output"),
            meaning: "a file with what the run prints on standard output",
            example: "\"tests/report.expected\"",
        },
        Key {
            name: "stdout-sha256",
            kind: Kind::Sha256,
            default: Default::Said("any output"),
            meaning: "or the SHA-256 of that, in hexadecimal digits",
            example: "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        },
        Key {
            name: "nondeterministic",
            kind: Kind::Flag,
            default: Default::Value("false"),
            meaning: "output differs from run to run: it is not compared with that of the run on the cache",
            example: "true",
        },
    ],
    tables: &[],
};

static TARGET: Table = Table {
    name: "target",
    repeated: true,
    meaning: "A cache to make. Without any: one, with the defaults.",
    keys: &[
        Key {
            name: "cpu-level",
            kind: Kind::Choice(Choices::LevelOrNative),
            default: Default::Value("\"x86-64-v3\""),
            meaning: "the CPUs that the code is for; native: the best level of the machine that assembles",
            example: "\"x86-64-v2\"",
        },
        Key {
            name: "memory",
            kind: Kind::Choice(Choices::Memory),
            default: Default::Value("\"reserved\""),
            meaning: "how memories are laid out where the program runs; checked: where address space is limited",
            example: "\"checked\"",
        },
        Key {
            name: "fuel",
            kind: Kind::Flag,
            default: Default::Value("false"),
            meaning: "code counts fuel, for `trjit run -W fuel=N`",
            example: "true",
        },
        Key {
            name: "functions",
            kind: Kind::Choice(Choices::Functions),
            default: Default::Value("\"default\""),
            meaning: "what is compiled: all, only what was recorded, or that and, in small modules, the rest",
            example: "\"all\"",
        },
        Key {
            name: "verify",
            kind: Kind::Flag,
            default: Default::Value("false"),
            meaning: "compile a second time and compare, and read each instruction (`assemble --verify`)",
            example: "true",
        },
        Key {
            name: "cache",
            kind: Kind::Path,
            default: Default::Said("the module's path with the extension `trjit`; `LEVEL.trjit` where there are several targets"),
            meaning: "the file to write",
            example: "\"build/app.trjit\"",
        },
    ],
    tables: &[],
};

static GATES: Table = Table {
    name: "gates",
    repeated: false,
    meaning: "What must hold for the step to pass. What is not said is not asked.",
    keys: &[
        Key {
            name: "calls-covered",
            kind: Kind::Share,
            default: Default::Said("not asked"),
            meaning: "least share of the calls of left-out runs that reach compiled code; without such runs of all",
            example: "\"95%\"",
        },
        Key {
            name: "instructions-covered",
            kind: Kind::Share,
            default: Default::Said("not asked"),
            meaning: "least share of the instructions that these runs execute in compiled code",
            example: "\"99%\"",
        },
        Key {
            name: "cache-size",
            kind: Kind::Size,
            default: Default::Said("not asked"),
            meaning: "largest cache, as a number of bytes or with a unit",
            example: "\"4MiB\"",
        },
        Key {
            name: "staleness",
            kind: Kind::Share,
            default: Default::Said("not asked"),
            meaning: "largest share of the kept profile's calls that the module has no function for any more",
            example: "\"20%\"",
        },
        Key {
            name: "accept",
            kind: Kind::Levels,
            default: Default::Value("[]"),
            meaning: "CPU levels for which one of the caches must be accepted; each target's own level always is asked",
            example: "[\"x86-64-v2\", \"x86-64-v3\"]",
        },
        Key {
            name: "growth",
            kind: Kind::Growth,
            default: Default::Said("not asked"),
            meaning: "largest growth of a cache against the baseline",
            example: "\"10%\"",
        },
        Key {
            name: "coverage-loss",
            kind: Kind::Share,
            default: Default::Said("not asked"),
            meaning: "largest loss of covered calls or instructions against the baseline, as a share of all",
            example: "\"1%\"",
        },
        Key {
            name: "time-ratio",
            kind: Kind::Ratio,
            default: Default::Said("not asked: shared runners are noisy"),
            meaning: "largest wall time of the runs on the cache, by that without it",
            example: "0.8",
        },
    ],
    tables: &[],
};

static OUTPUT: Table = Table {
    name: "output",
    repeated: false,
    meaning: "Where results go, beside the caches.",
    keys: &[
        Key {
            name: "profile",
            kind: Kind::Path,
            default: Default::Said("not written"),
            meaning: "the merged profile",
            example: "\"build/app.trprof\"",
        },
        Key {
            name: "baseline",
            kind: Kind::Path,
            default: Default::Value("\"trjit-baseline.json\""),
            meaning: "what growth and loss are measured against; `trjit ci --accept` writes it, and it is kept with the sources",
            example: "\"tests/trjit-baseline.json\"",
        },
        Key {
            name: "summary",
            kind: Kind::Path,
            default: Default::Said("not written"),
            meaning: "the summary in Markdown",
            example: "\"build/summary.md\"",
        },
    ],
    tables: &[],
};
