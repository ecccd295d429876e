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
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let group =
        |name| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok();
    let free = |limit: u64| limit.saturating_sub(group("memory.current").unwrap_or(0));
    let limit = group("memory.max").map_or(u64::MAX, free);
    Some(limit.min(kb * 1024))
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
}
