//! One script on one mode: its directives, in order, against one store.
//!
//! A module that is out of scope leaves a gap: what refers to it later is skipped, and so is every module that imports from it. A module that should
//! have come to life and did not fails everything that refers to it.

use crate::host;
use crate::message;
use crate::mode::{Mode, Workshop};
use crate::report::{Outcome, Report};
use crate::scope;
use crate::suite::{Script, TODAY};
use crate::value;
use anyhow::{Context, Result, anyhow};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use trjit_module::wasmparser::{Validator, WasmFeatures};
use trjit_runtime::{Error, Instance, InterruptHandle, Linker, Module, Reason, Store, Val};
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

/// Stack of the thread that runs a script: the default limit of compiled code, and room for the code generator and the parsers.
const STACK: usize = 64 << 20;

/// A script that runs for so long is stopped: none takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a script on a thread of its own.
pub fn run(script: &Script, mode: Mode) -> Result<Report> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).name(script.path.clone());
        let thread = thread.spawn_scoped(scope, || run_here(script, mode)).context("a thread for the script")?;
        thread.join().map_err(|_| anyhow!("{}: panicked outside of its directives", script.path))?
    })
}

fn run_here(script: &Script, mode: Mode) -> Result<Report> {
    let lines = Lines::new(&script.text);
    let describe = |error: wast::Error| anyhow!("{}:{}: {}", script.path, lines.of(error.span()), error.message());
    let mut lexer = wast::lexer::Lexer::new(&script.text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(describe)?;
    let directives = parser::parse::<Wast<'_>>(&buffer).map_err(describe)?.directives;
    let workshop = Workshop::new(mode)?;
    let mut runner = Runner::new(&workshop)?;
    let handle = runner.store.interrupt_handle();
    while_watched(handle, || {
        for directive in directives {
            runner.step(script, &lines, directive);
        }
    });
    Ok(runner.report)
}

/// Runs `work`, and interrupts the guest when it takes too long, again and again, since every call that follows may take as long.
fn while_watched(handle: InterruptHandle, work: impl FnOnce()) {
    std::thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        scope.spawn(move || {
            let mut patience = PATIENCE;
            while wait.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt_within(Duration::ZERO);
                patience = Duration::from_millis(100);
            }
        });
        work();
        drop(done);
    });
}

/// Offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line, counted from 1.
    fn of(&self, span: Span) -> usize {
        self.0.partition_point(|&start| start <= span.offset())
    }
}

/// What a name of the script stands for.
#[derive(Clone)]
enum Slot {
    Alive(Instance),
    /// Out of scope, for this reason.
    Gap(String),
    /// Should live and does not.
    Dead,
}

/// A module in hand, or why there is none.
enum Made<T> {
    Ready(T),
    Gap(String),
    Refused(Refused),
}

/// Who refused a module, and how.
enum Refused {
    /// The text parser of the tests.
    Text(String),
    /// The parser under test.
    Module(String),
    /// A mode could not get it ready.
    Preparation(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Text(error) => write!(f, "the text is refused: {error}"),
            Refused::Module(error) => write!(f, "the module is refused: {error}"),
            Refused::Preparation(error) => f.write_str(error),
        }
    }
}

/// How an instantiation or a call ended, beside its results.
enum Stopped {
    /// The directive ends here: with a gap, or with what no script expects.
    Outcome(Outcome),
    /// An error of the embedding API, which a script may expect.
    Error(Error),
}

impl From<anyhow::Error> for Stopped {
    fn from(error: anyhow::Error) -> Stopped {
        Stopped::Outcome(Outcome::Failed(format!("{error:#}")))
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Error(error)
    }
}

impl Stopped {
    /// The outcome where nothing may go wrong.
    fn unexpected(self) -> Outcome {
        match self {
            Stopped::Outcome(outcome) => outcome,
            Stopped::Error(error) => Outcome::Failed(error.to_string()),
        }
    }
}

struct Runner<'a> {
    workshop: &'a Workshop,
    store: Store<()>,
    linker: Linker<()>,
    /// By name; the last module has none.
    slots: HashMap<Option<String>, Slot>,
    registered: HashMap<String, Slot>,
    definitions: HashMap<Option<String>, Made<Module>>,
    report: Report,
    /// After a panic nothing of the store can be relied on.
    broken: bool,
}

impl<'a> Runner<'a> {
    fn new(workshop: &'a Workshop) -> Result<Runner<'a>> {
        let mut store = Store::new(workshop.engine(), ())?;
        let mut linker = Linker::new();
        host::define(&mut linker);
        let wasm = host::module()?;
        let module = workshop.module(&wasm, trjit_module::Module::parse(wasm.clone())?)?;
        let spectest = linker.instantiate(&mut store, &module)?;
        linker.instance("spectest", spectest);
        let registered = HashMap::from([("spectest".to_string(), Slot::Alive(spectest))]);
        let (slots, definitions) = (HashMap::new(), HashMap::new());
        Ok(Runner { workshop, store, linker, slots, registered, definitions, report: Report::default(), broken: false })
    }

    /// Runs one directive and notes its outcome.
    fn step(&mut self, script: &Script, lines: &Lines, directive: WastDirective<'_>) {
        let line = lines.of(directive.span());
        let asserts = asserts(&directive);
        let outcome = if self.broken {
            Outcome::Failed("the script panicked before".into())
        } else if let Some(reason) = script.superseded(line) {
            Outcome::Skipped(format!("superseded: {reason}"))
        } else {
            catch_unwind(AssertUnwindSafe(|| self.directive(directive, script.era))).unwrap_or_else(|panic| {
                self.broken = true;
                Outcome::Failed(format!("panic: {}", panic_message(&*panic)))
            })
        };
        self.report.add(&script.path, line, asserts, outcome);
    }

    fn directive(&mut self, directive: WastDirective<'_>, era: WasmFeatures) -> Outcome {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.definition(module),
            WastDirective::ModuleInstance { instance, module, .. } => self.instance_of(name(instance), &name(module)),
            WastDirective::Register { name: registered, module, .. } => self.register(registered, &name(module)),
            WastDirective::Invoke(invoke) => self.invoke(&invoke).map_or_else(Stopped::unexpected, |_| Outcome::Passed),
            WastDirective::AssertReturn { exec, results, .. } => match self.execute(exec) {
                Ok(found) => value::check(&found, &results).map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Passed),
                Err(stopped) => stopped.unexpected(),
            },
            WastDirective::AssertTrap { exec, message, .. } => expect_trap(self.execute(exec), message),
            WastDirective::AssertExhaustion { call, message, .. } => expect_trap(self.invoke(&call), message),
            WastDirective::AssertException { exec, .. } => expect_exception(self.execute(exec)),
            WastDirective::AssertUnlinkable { module, message, .. } => self.expect_unlinkable(module, message),
            WastDirective::AssertMalformed { module, .. } | WastDirective::AssertInvalid { module, .. } => self.expect_refused(module, era),
            WastDirective::AssertMalformedCustom { .. } | WastDirective::AssertInvalidCustom { .. } => {
                Outcome::Skipped("custom sections in text form are not trjit's".into())
            }
            WastDirective::AssertSuspension { .. } => Outcome::Skipped("stack switching".into()),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Outcome::Skipped("threads of the script".into()),
        }
    }

    /// Parses a module and gets it ready.
    fn make(&self, mut module: QuoteWat<'_>) -> Made<Module> {
        let wasm = match module.encode() {
            Ok(wasm) => wasm,
            Err(error) => return Made::Refused(Refused::Text(error.message())),
        };
        let parsed = match trjit_module::Module::parse(wasm.clone()) {
            Ok(parsed) => parsed,
            Err(error) => {
                return match scope::skipped_for(&error) {
                    Some(feature) => Made::Gap(feature.to_string()),
                    None => Made::Refused(Refused::Module(error.to_string())),
                };
            }
        };
        match self.workshop.module(&wasm, parsed) {
            Ok(module) => Made::Ready(module),
            Err(error) => Made::Refused(Refused::Preparation(format!("{error:#}"))),
        }
    }

    fn module(&mut self, module: QuoteWat<'_>) -> Outcome {
        let named = module.name().map(|id| id.name().to_string());
        let made = self.make(module);
        self.bring_to_life(named, &made)
    }

    fn definition(&mut self, module: QuoteWat<'_>) -> Outcome {
        let named = module.name().map(|id| id.name().to_string());
        let made = self.make(module);
        let outcome = match &made {
            Made::Ready(_) => Outcome::Passed,
            Made::Gap(feature) => Outcome::Skipped(feature.clone()),
            Made::Refused(refused) => Outcome::Failed(refused.to_string()),
        };
        let unnamed = match &made {
            Made::Ready(module) => Made::Ready(module.clone()),
            Made::Gap(feature) => Made::Gap(feature.clone()),
            Made::Refused(_) => Made::Refused(Refused::Preparation("its definition failed".into())),
        };
        self.definitions.insert(None, unnamed);
        if named.is_some() {
            self.definitions.insert(named, made);
        }
        outcome
    }

    fn instance_of(&mut self, named: Option<String>, definition: &Option<String>) -> Outcome {
        let Some(made) = self.definitions.remove(definition) else {
            return Outcome::Failed(format!("no module definition {definition:?}"));
        };
        let outcome = self.bring_to_life(named, &made);
        self.definitions.insert(definition.clone(), made);
        outcome
    }

    /// Instantiates, and binds the name to the instance, the gap or the corpse.
    fn bring_to_life(&mut self, named: Option<String>, made: &Made<Module>) -> Outcome {
        let (slot, outcome) = match made {
            Made::Ready(module) => match self.instantiate(module) {
                Ok(instance) => (Slot::Alive(instance), Outcome::Passed),
                Err(Stopped::Outcome(Outcome::Skipped(reason))) => (Slot::Gap(reason.clone()), Outcome::Skipped(reason)),
                Err(stopped) => (Slot::Dead, stopped.unexpected()),
            },
            Made::Gap(feature) => (Slot::Gap(feature.clone()), Outcome::Skipped(feature.clone())),
            Made::Refused(refused) => (Slot::Dead, Outcome::Failed(refused.to_string())),
        };
        self.slots.insert(None, slot.clone());
        if named.is_some() {
            self.slots.insert(named, slot);
        }
        outcome
    }

    fn instantiate(&mut self, module: &Module) -> Result<Instance, Stopped> {
        for import in module.parsed().imports() {
            match self.registered.get(module.parsed().string(import.module)) {
                Some(Slot::Gap(reason)) => return Err(Stopped::Outcome(Outcome::Skipped(reason.clone()))),
                Some(Slot::Dead) => return Err(anyhow!("a module that it imports from failed").into()),
                Some(Slot::Alive(_)) | None => {}
            }
        }
        Ok(self.linker.instantiate(&mut self.store, module)?)
    }

    fn register(&mut self, registered: &str, module: &Option<String>) -> Outcome {
        let Some(slot) = self.slots.get(module).cloned() else { return Outcome::Failed(format!("no module {module:?} to register")) };
        if let Slot::Alive(instance) = &slot {
            self.linker.instance(registered, *instance);
        }
        self.registered.insert(registered.to_string(), slot);
        Outcome::Passed
    }

    /// The instance of that name.
    fn alive(&self, name: &Option<String>) -> Result<Instance, Stopped> {
        match self.slots.get(name) {
            Some(Slot::Alive(instance)) => Ok(*instance),
            Some(Slot::Gap(reason)) => Err(Stopped::Outcome(Outcome::Skipped(reason.clone()))),
            Some(Slot::Dead) => Err(anyhow!("its module failed").into()),
            None => Err(anyhow!("no module {name:?}").into()),
        }
    }

    fn execute(&mut self, execute: WastExecute<'_>) -> Result<Vec<Val>, Stopped> {
        match execute {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => match self.make(QuoteWat::Wat(module)) {
                Made::Ready(module) => self.instantiate(&module).map(|_| Vec::new()),
                Made::Gap(feature) => Err(Stopped::Outcome(Outcome::Skipped(feature))),
                Made::Refused(refused) => Err(anyhow!("{refused}").into()),
            },
            WastExecute::Get { module, global, .. } => {
                let instance = self.alive(&name(module))?;
                let global = instance.get_global(&mut self.store, global).with_context(|| format!("no global `{global}` is exported"))?;
                Ok(vec![global.get(&self.store)])
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Vec<Val>, Stopped> {
        let instance = self.alive(&name(invoke.module))?;
        let arguments = invoke.args.iter().map(value::argument).collect::<Result<Vec<Val>>>()?;
        let function = instance.func(&mut self.store, invoke.name)?;
        Ok(function.call(&mut self.store, &arguments)?)
    }

    fn expect_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Outcome {
        let module = match self.make(QuoteWat::Wat(module)) {
            Made::Ready(module) => module,
            Made::Gap(feature) => return Outcome::Skipped(feature),
            Made::Refused(refused) => return Outcome::Failed(refused.to_string()),
        };
        match self.instantiate(&module) {
            Ok(_) => Outcome::Failed(format!("the module links, expected `{message}`")),
            Err(Stopped::Error(Error::Link(error))) if error.to_string().starts_with(message) => Outcome::Passed,
            Err(Stopped::Error(error)) => Outcome::Failed(format!("{error}; expected `{message}`")),
            Err(Stopped::Outcome(outcome)) => outcome,
        }
    }

    /// A module that must not be accepted, for whatever reason, unless only its time could not know it.
    fn expect_refused(&mut self, mut module: QuoteWat<'_>, era: WasmFeatures) -> Outcome {
        let Ok(wasm) = module.encode() else {
            self.report.by_text_parser += 1;
            return Outcome::Passed;
        };
        let valid = |features| Validator::new_with_features(features).validate_all(&wasm).is_ok();
        match trjit_module::Module::parse(wasm.clone()) {
            Err(_) => Outcome::Passed,
            Ok(_) if !valid(era) && valid(TODAY) => Outcome::Skipped("superseded: the module is valid in later versions".into()),
            Ok(_) => Outcome::Failed("the module is accepted".into()),
        }
    }
}

fn name(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_string())
}

fn asserts(directive: &WastDirective<'_>) -> bool {
    match directive {
        WastDirective::Module(_)
        | WastDirective::ModuleDefinition(_)
        | WastDirective::ModuleInstance { .. }
        | WastDirective::Register { .. }
        | WastDirective::Invoke(_)
        | WastDirective::Thread(_)
        | WastDirective::Wait { .. } => false,
        WastDirective::AssertMalformed { .. }
        | WastDirective::AssertInvalid { .. }
        | WastDirective::AssertMalformedCustom { .. }
        | WastDirective::AssertInvalidCustom { .. }
        | WastDirective::AssertTrap { .. }
        | WastDirective::AssertReturn { .. }
        | WastDirective::AssertExhaustion { .. }
        | WastDirective::AssertUnlinkable { .. }
        | WastDirective::AssertException { .. }
        | WastDirective::AssertSuspension { .. } => true,
    }
}

fn expect_trap(result: Result<Vec<Val>, Stopped>, message: &str) -> Outcome {
    match result {
        Ok(values) => Outcome::Failed(format!("returned {values:?}, expected the trap `{message}`")),
        Err(Stopped::Error(Error::Trap(trap))) if trap.code().is_some_and(|code| message::is_trap(code, message)) => Outcome::Passed,
        Err(Stopped::Error(error)) => Outcome::Failed(format!("{error}; expected the trap `{message}`")),
        Err(Stopped::Outcome(outcome)) => outcome,
    }
}

fn expect_exception(result: Result<Vec<Val>, Stopped>) -> Outcome {
    match result {
        Ok(values) => Outcome::Failed(format!("returned {values:?}, expected an exception")),
        Err(Stopped::Error(Error::Trap(trap))) if matches!(trap.reason, Reason::Exception(_)) => Outcome::Passed,
        Err(Stopped::Error(error)) => Outcome::Failed(format!("{error}; expected an exception")),
        Err(Stopped::Outcome(outcome)) => outcome,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_else(|| "without a message".to_string())
}
