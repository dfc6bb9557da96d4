//! The rate of learning over the steps.

use serde::{Deserialize, Serialize};
use tilewright_core::{Error, Result};

/// A straight rise, then half a cosine down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The highest rate. Default 3e-3.
    pub peak: f64,
    /// The rate at the end, as a part of the highest. Default 0.1.
    pub floor: f64,
    /// Steps of the rise. Default 20.
    pub warmup: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { peak: 3e-3, floor: 0.1, warmup: 20 }
    }
}

impl Schedule {
    pub(super) fn check(&self) -> Result<()> {
        if !(self.peak > 0.0 && self.peak.is_finite()) {
            return Err(Error::range("train", "peak rate", "a finite number > 0", self.peak));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            return Err(Error::range("train", "floor of the rate", "0 to 1", self.floor));
        }
        Ok(())
    }

    /// The rate of step `step`, from 1, of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        if step <= self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let fall = steps.saturating_sub(self.warmup).max(1);
        let done = ((step - self.warmup) as f64 / fall as f64).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn it_rises_and_falls() {
        let schedule = Schedule { peak: 2.0, floor: 0.25, warmup: 4 };
        let rates: Vec<f64> = (1..=12).map(|step| schedule.rate(step, 12)).collect();
        assert_eq!(&rates[..4], [0.5, 1.0, 1.5, 2.0]);
        assert!(rates[4..].is_sorted_by(|a, b| a > b));
        assert!((rates[7] - 1.25).abs() < 1e-12 && (rates[11] - 0.5).abs() < 1e-12, "{rates:?}");
        assert!((schedule.rate(99, 12) - 0.5).abs() < 1e-12);
        let at_once = Schedule { warmup: 0, ..schedule };
        assert!(at_once.rate(1, 1) == 0.5 && at_once.rate(1, 0) == 0.5);
    }
}
