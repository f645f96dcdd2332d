//! [`CraneliftCompiler`]: a request goes to the translator, the IR to Cranelift, the buffer to `output`.

use crate::fault::{Fault, Res};
use crate::heat::Walked;
use crate::isa::Targets;
use crate::stages::{Moment, Stages};
use crate::trampoline::Trampoline;
use crate::{inline, output, translate};
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::FunctionBuilderContext;
use std::cell::RefCell;
use trjit_code::{CompileError, CompileRequest, CompiledFunction, Compiler, InlinedPlace, Settings, Tier};
use trjit_module::{FuncIndex, Module, TypeIndex};

/// Memory that one compilation leaves to the next on the same thread. A failed one drops it.
struct Scratch {
    cranelift: Context,
    builder: FunctionBuilderContext,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch { cranelift: Context::new(), builder: FunctionBuilderContext::new() }
    }
}

thread_local! {
    static SCRATCH: RefCell<Option<Box<Scratch>>> = const { RefCell::new(None) };
}

/// Fills an empty function with IR.
type Translate<'a> = &'a dyn Fn(&mut Function, &mut FunctionBuilderContext, TargetFrontendConfig) -> Res<()>;

/// Puts bodies in place of calls; gives the places of what it put there.
type Inline<'a> = &'a dyn Fn(&mut Context, TargetFrontendConfig) -> Res<Vec<InlinedPlace>>;

/// Is told of a compilation while it goes on.
type Watch<'a> = &'a mut dyn FnMut(Moment<'_>);

/// Compiles with Cranelift. Cheap to make; targets are built when first used and kept.
#[derive(Default)]
pub struct CraneliftCompiler {
    targets: Targets,
}

impl CraneliftCompiler {
    pub fn new() -> CraneliftCompiler {
        CraneliftCompiler::default()
    }

    /// Fills an empty function by `translate`, then compiles it.
    fn generate(
        &self,
        settings: Settings,
        tier: Tier,
        catches: bool,
        translate: Translate<'_>,
        inline: Inline<'_>,
        watch: Watch<'_>,
    ) -> Res<CompiledFunction> {
        let target = self.targets.get(settings.features, tier, catches)?;
        let mut scratch = SCRATCH.take().unwrap_or_default();
        let Scratch { cranelift, builder } = &mut *scratch;
        translate(&mut cranelift.func, builder, target.frontend_config())?;
        watch(Moment::Translated(&cranelift.func));
        let places = inline(cranelift, target.frontend_config())?;
        watch(Moment::Inlined(&cranelift.func));
        cranelift.compile(&*target, &mut ControlPlane::default()).map_err(|error| error.inner)?;
        let code = cranelift.compiled_code().ok_or_else(|| Fault::internal("the code generator left no code"))?;
        let made = output::collect(code, &cranelift.func, settings.features, &places)?;
        watch(Moment::Compiled { optimized: &cranelift.func, code, places: &places });
        cranelift.clear();
        SCRATCH.set(Some(scratch));
        Ok(made)
    }

    fn trampoline(&self, trampoline: &Trampoline<'_>, translate: Translate<'_>) -> Result<CompiledFunction, CompileError> {
        self.generate(trampoline.settings, Tier::Ap4, false, translate, &|_, _| Ok(Vec::new()), &mut |_| {}).map_err(|fault| {
            // Errors name a function: the first one of the type stands for the others.
            let of_type = |&ty: &u32| ty == trampoline.ty.0;
            let function = trampoline.module.func_types().iter().position(of_type).map_or(u32::MAX, |index| index as u32);
            fault.at(FuncIndex(function))
        })
    }
}

impl CraneliftCompiler {
    /// As [`Compiler::compile`], and what the code was on the way.
    pub fn stages(&self, request: &CompileRequest<'_>) -> Result<Stages, CompileError> {
        let mut stages = Stages::default();
        stages.code = self.function(request, &mut |moment| stages.note(moment))?;
        Ok(stages)
    }

    fn function(&self, request: &CompileRequest<'_>, watch: Watch<'_>) -> Result<CompiledFunction, CompileError> {
        let catches = request.module.function(request.function).is_some_and(|record| record.handlers_len > 0);
        let walked = Walked::new(request.module, request.counts);
        let assumptions = RefCell::default();
        let translate: Translate<'_> = &|func, context, config| {
            assumptions.replace(translate::function(request, &walked, func, context, config, None)?);
            Ok(())
        };
        let inline: Inline<'_> = &|context, config| inline::inline(request, &walked, context, config);
        let made = self.generate(request.settings, request.tier, catches, translate, inline, watch);
        let mut made = made.map_err(|fault| fault.at(request.function))?;
        made.assumptions = assumptions.take();
        Ok(made)
    }
}

impl Compiler for CraneliftCompiler {
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunction, CompileError> {
        self.function(request, &mut |_| {})
    }

    fn to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        let trampoline = Trampoline { module, ty, settings };
        self.trampoline(&trampoline, &|func, context, config| trampoline.to_native(func, context, config))
    }

    fn to_interpreter(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        let trampoline = Trampoline { module, ty, settings };
        self.trampoline(&trampoline, &|func, context, config| trampoline.to_interpreter(func, context, config))
    }

    fn tail_to_native(&self, module: &Module, ty: TypeIndex, settings: Settings) -> Result<CompiledFunction, CompileError> {
        let trampoline = Trampoline { module, ty, settings };
        self.trampoline(&trampoline, &|func, context, config| trampoline.tail_to_native(func, context, config))
    }

    fn version(&self) -> String {
        format!("cranelift {}", cranelift_codegen::VERSION)
    }
}
