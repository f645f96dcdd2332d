//! Who listens to compilation events: what the options ask for, behind one hook.

use crate::args::{Observe, PerfFormat};
use crate::compilation_log::CompilationLog;
use crate::jit_dump::JitDump;
use crate::perf_map::PerfMap;
use crate::statistics::Statistics;
use anyhow::Result;
use std::sync::Arc;
use trjit_module::Module;
use trjit_runtime::{CompilationEvent, CompilationHook, Counters, TakenExit};

/// The listeners of one run.
pub struct Observer {
    log: Option<CompilationLog>,
    statistics: Option<Statistics>,
    map: Option<PerfMap>,
    dump: Option<JitDump>,
}

impl Observer {
    /// What the options ask for, and files made ready for it; none where they ask for nothing, so that no event is made.
    pub fn new(options: &Observe) -> Result<Option<Arc<Observer>>> {
        let Observe { log_compilation, stats, profile } = options;
        if log_compilation.is_none() && stats.is_none() && profile.is_none() {
            return Ok(None);
        }
        let perf = |format| *profile == Some(format);
        Ok(Some(Arc::new(Observer {
            log: log_compilation.as_deref().map(CompilationLog::new).transpose()?,
            statistics: stats.map(|_| Statistics::default()),
            map: perf(PerfFormat::Perfmap).then(PerfMap::new).transpose()?,
            dump: perf(PerfFormat::Jitdump).then(JitDump::new).transpose()?,
        })))
    }

    /// For the engine's configuration.
    pub fn hook(self: &Arc<Observer>) -> CompilationHook {
        let observer = Arc::clone(self);
        Arc::new(move |module, event| observer.observe(module, event))
    }

    fn observe(&self, module: &Module, event: &CompilationEvent<'_>) {
        let Observer { log, statistics, map, dump } = self;
        log.iter().for_each(|log| log.write(module, event));
        statistics.iter().for_each(|statistics| statistics.count(module, event));
        map.iter().for_each(|map| map.note(module, event));
        dump.iter().for_each(|dump| dump.note(module, event));
    }

    /// Tells what is told at the end, the side exits of the module that ran among it.
    pub fn finish(&self, options: &Observe, calls: Counters, ran: &trjit_runtime::Module) {
        if let Some(log) = &self.log {
            for TakenExit { function, offset, count } in ran.side_exits() {
                log.write(ran.parsed(), &CompilationEvent::SideExit { function, offset, count });
            }
        }
        if let (Some(statistics), Some(format)) = (&self.statistics, options.stats) {
            statistics.print(format, calls);
        }
    }
}
