//! The machine that was measured on: as far as anybody needs it to judge the figures.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub architecture: String,
    pub kernel: String,
    pub memory_mib: u64,
    /// Of the folder that programs ran in.
    pub filesystem: String,
    /// Of one minute, when the bench began and ended.
    pub load_before: f64,
    pub load_after: f64,
    /// Seconds since 1970.
    pub began: u64,
    pub ended: u64,
}

impl Machine {
    pub fn look(scratch: &Path) -> Machine {
        Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            architecture: std::env::consts::ARCH.to_string(),
            kernel: text("/proc/sys/kernel/osrelease"),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|value| value.split(' ').next()?.parse().ok())
                .map_or(0, |kib: u64| kib / 1024),
            filesystem: filesystem(scratch),
            load_before: load(),
            load_after: 0.0,
            began: now(),
            ended: 0,
        }
    }

    pub fn end(&mut self) {
        self.load_after = load();
        self.ended = now();
    }

    /// In one line.
    pub fn describe(&self) -> String {
        format!(
            "{}, {} cores, {} MiB, Linux {}, {}; load {:.2} to {:.2}",
            self.cpu, self.cores, self.memory_mib, self.kernel, self.filesystem, self.load_before, self.load_after
        )
    }

    /// The day it began, in UTC.
    pub fn date(&self) -> String {
        let (year, month, day) = civil(self.began / 86_400);
        format!("{year}-{month:02}-{day:02}")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

pub fn load() -> f64 {
    text("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// The type of the mount that holds a path: the longest mount point that begins it.
pub fn filesystem(path: &Path) -> String {
    let mounts = text("/proc/self/mountinfo");
    let mut best: (usize, &str) = (0, "unknown");
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        if path.starts_with(point) && point.len() >= best.0 {
            best = (point.len(), kind);
        }
    }
    best.1.to_string()
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin with March here, so that the day that is there in some of them only is the last one.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::look(Path::new("/"));
        assert!(machine.cores > 0 && machine.memory_mib > 0 && !machine.kernel.is_empty(), "{machine:?}");
    }
}
