//! WASI commands: real programs with arguments and files. trjit trains them; the [outside engine](crate::reference::command) runs them with the same host functions.

use crate::compilers::Refusals;
use crate::instrument::{Counter, Instrumented};
use crate::mode::Training;
use crate::observation::Outcome;
use crate::outside::{By, Counts};
use crate::{outside, reference, subject};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use trjit_runtime::{Engine, Linker, Module, Store};
use trjit_trace::{Profile, RunInfo};
use trjit_wasi::{Output, OutputBuffer, WasiCtx, WasiCtxBuilder};

/// A program and what it is given.
#[derive(Clone, Debug)]
pub struct Command {
    pub wasm: Vec<u8>,
    /// Without the program's name.
    pub args: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// Directories of the home, and what the guest calls them.
    pub dirs: Vec<(String, String)>,
    pub stdin: Vec<u8>,
    /// What a copy of becomes the home's directory `in`; `out` is empty.
    pub inputs: Option<PathBuf>,
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub stdout: Vec<u8>,
}

impl Command {
    /// The export that is called.
    pub const START: &'static str = "_start";

    /// A program with arguments and nothing else.
    pub fn new(wasm: Vec<u8>, args: Vec<String>) -> Command {
        Command { wasm, args, env: Vec::new(), dirs: Vec::new(), stdin: Vec::new(), inputs: None }
    }

    /// What the guest holds, in a home of its own, and what it will have written.
    pub(crate) fn context(&self, home: &Path) -> Result<(WasiCtx, OutputBuffer)> {
        std::fs::create_dir(home.join("out"))?;
        std::fs::create_dir(home.join("in"))?;
        for entry in self.inputs.iter().flat_map(std::fs::read_dir).flatten() {
            let entry = entry?;
            ensure!(entry.file_type()?.is_file(), "{}: inputs are plain files", entry.path().display());
            std::fs::copy(entry.path(), home.join("in").join(entry.file_name()))?;
        }
        let output = OutputBuffer::default();
        let mut builder = WasiCtxBuilder::new();
        builder.arg("program").args(&self.args).stdin(trjit_wasi::Input::bytes(self.stdin.clone())).stdout(Output::Buffer(output.clone()));
        for (name, value) in self.env.iter().filter_map(|variable| variable.split_once('=')) {
            builder.env(name, value);
        }
        for (host, guest) in &self.dirs {
            builder.preopened_dir(home.join(host), guest, false);
        }
        Ok((builder.build()?, output))
    }

    /// Trains it.
    pub fn train(&self, training: Training) -> Result<(Answer, Profile)> {
        let refusals = Refusals::default();
        let engine = training.engine(&refusals);
        let module = Module::new(&engine, self.wasm.clone())?;
        let answer = self.run(&module, &engine, |_, _| Ok(()))?;
        refusals.check()?;
        Ok((answer, engine.take_profile(&module, RunInfo::default())?))
    }

    /// Runs it on trjit, in a store and with a linker that somebody may prepare.
    pub(crate) fn run(
        &self,
        module: &Module,
        engine: &Engine,
        prepare: impl FnOnce(&mut Store<WasiCtx>, &mut Linker<WasiCtx>) -> Result<()>,
    ) -> Result<Answer> {
        let home = tempfile::tempdir()?;
        let (context, output) = self.context(home.path())?;
        let mut store = Store::new(engine, context)?;
        let mut linker = Linker::new();
        trjit_wasi::add_to_linker(&mut linker, |context| context);
        prepare(&mut store, &mut linker)?;
        let instance = linker.instantiate(&mut store, module)?;
        let outcome = match instance.func(&mut store, Command::START)?.call(&mut store, &[]) {
            Ok(_) => Outcome::Returned(Vec::new()),
            Err(error) => subject::outcome_of(error)?,
        };
        Ok(Answer { outcome, stdout: output.contents() })
    }

    /// Runs the program, which counts itself, on the outside engine.
    pub fn count(&self, module: Instrumented) -> Result<(Answer, Counts)> {
        let counting = Command { wasm: module.wasm.clone(), ..self.clone() };
        let exports: Vec<String> = (0..module.counters.len()).map(Counter::export).collect();
        let (answer, mut counts, pending) = reference::command::run(&counting, &exports)?;
        outside::take_back(&mut counts, &answer.outcome, pending);
        Ok((answer, Counts { module, counts, by: By::OtherEngine }))
    }
}
