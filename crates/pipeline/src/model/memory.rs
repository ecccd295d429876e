//! Whether a training fits the memory, before anything is allocated.

use std::fs;

use crate::error::TrainingError;
use crate::systems::LearnedSize;

/// Bytes of a parameter in training: itself, its gradient and both moments of Adam.
const PARAMETER: usize = 16;

/// Bytes of an entry of a covariance while statistics become whitening matrices: its sum and its matrix.
const COVARIANCE: usize = 12;

/// Refuses a training whose networks, statistics and features take more memory than there is. `features` are the
/// bytes of those that are kept in memory.
///
/// An estimate from below, since what a step takes for its gradients is left out.
pub(crate) fn check(size: LearnedSize, features: u64) -> Result<(), TrainingError> {
    let Some(available) = available() else { return Ok(()) };
    let LearnedSize { parameters, statistics } = size;
    let needed = parameters
        .saturating_mul(PARAMETER)
        .saturating_add(statistics.saturating_mul(COVARIANCE)) as u64;
    let needed = needed.saturating_add(features);
    match needed > available {
        true => {
            let mb = |bytes: u64| bytes / 1_000_000;
            let (needed, available) = (mb(needed), mb(available));
            Err(TrainingError::Memory { needed, available })
        }
        false => Ok(()),
    }
}

/// Memory that a new allocation can have, in bytes, where the system tells: Linux does, and its control
/// groups may allow less.
fn available() -> Option<u64> {
    let free = mem_available(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let (max, current) = (group("memory.max"), group("memory.current"));
    let stat = group("memory.stat");
    let allowed = allowed(max.as_deref(), current.as_deref(), stat.as_deref());
    Some(free.min(allowed.unwrap_or(u64::MAX)))
}

/// `MemAvailable` of `/proc/meminfo`, which is in kB, in bytes.
fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kb: u64 = line.split_whitespace().next()?.parse().ok()?;
    kb.checked_mul(1024)
}

/// What a control group still allows by its `memory.max`, `memory.current` and `memory.stat`; `None` without a limit.
/// What the kernel gives back by itself when memory gets short counts as free: files that were read lately.
fn allowed(max: Option<&str>, current: Option<&str>, stat: Option<&str>) -> Option<u64> {
    // Without a limit it is `max`.
    let max: u64 = max?.trim().parse().ok()?;
    let current: u64 = current.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let used = current.saturating_sub(stat.map_or(0, reclaimable));
    Some(max.saturating_sub(used))
}

/// The bytes of a `memory.stat` that can be had back.
fn reclaimable(stat: &str) -> u64 {
    const KEYS: [&str; 3] = ["active_file", "inactive_file", "slab_reclaimable"];
    let value = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        KEYS.contains(&key).then(|| value.trim().parse::<u64>().ok())?
    };
    stat.lines().filter_map(value).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_that_cannot_fit_is_refused() {
        let small = LearnedSize { parameters: 1000, statistics: 1000 };
        check(small, 0).unwrap();
        if available().is_none() {
            return;
        }
        for (size, features) in [
            (small, u64::MAX),
            (LearnedSize { parameters: usize::MAX, ..small }, 0),
            (LearnedSize { statistics: usize::MAX, ..small }, 0),
        ] {
            let error = check(size, features).unwrap_err();
            assert!(matches!(error, TrainingError::Memory { .. }), "{error}");
        }
    }
    const STAT: &str = "anon 300\nfile 600\nactive_file 100\ninactive_file 200\nshmem 250\n\
                        slab_reclaimable 50\nslab_unreclaimable 40\nworkingset_activate_file 9\n";

    #[test]
    fn what_the_kernel_gives_back_counts_as_free() {
        assert_eq!(allowed(Some("1000\n"), Some("950\n"), Some(STAT)), Some(400));
        assert_eq!(allowed(Some("1000\n"), Some("950\n"), Some("anon 950\n")), Some(50));
        // Numbers of different moments.
        assert_eq!(allowed(Some("1000\n"), Some("300\n"), Some(STAT)), Some(1000));
        assert_eq!(allowed(Some("1000\n"), Some("1200\n"), Some("")), Some(0));
    }

    #[test]
    fn what_a_group_does_not_say_limits_nothing() {
        assert_eq!(allowed(Some("max\n"), Some("950\n"), Some(STAT)), None);
        assert_eq!(allowed(None, Some("950\n"), Some(STAT)), None);
        assert_eq!(allowed(Some("much"), None, None), None);
        assert_eq!(allowed(Some("1000\n"), None, None), Some(1000));
        assert_eq!(allowed(Some("1000\n"), Some("?"), Some(STAT)), Some(1000));
        let garbage = "active_file\ninactive_file x\nslab_reclaimable -5\n\n= 7\nactive_file 7";
        assert_eq!(allowed(Some("1000"), Some("950"), Some(garbage)), Some(57));
        assert_eq!(reclaimable(&format!("active_file {0}\ninactive_file {0}", u64::MAX)), u64::MAX);
    }

    #[test]
    fn available_memory_is_read_in_kilobytes() {
        let meminfo = "MemTotal:       16000 kB\nMemAvailable:    2 kB\nSwapFree: 1 kB\n";
        assert_eq!(mem_available(meminfo), Some(2048));
        let max = format!("MemAvailable: {} kB", u64::MAX);
        for text in ["", "MemTotal: 1 kB", "MemAvailable:", "MemAvailable: many kB", &max] {
            assert_eq!(mem_available(text), None, "{text}");
        }
    }
}
