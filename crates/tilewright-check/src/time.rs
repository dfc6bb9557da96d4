//! How long things take, beside each other.

use std::time::{Duration, Instant};

use serde::Serialize;
use tilewright_core::{Args, Device, Kernel, Result, Stream, Tensor};

use crate::judge::upload;

/// One measurement: milliseconds per call, the end of the work included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// By the host's clock, from before the first call to after the synchronisation.
    pub wall: f64,
    /// By the device's own timer, where it has one apart from the host's.
    pub device: Option<f64>,
}

/// Something that is timed.
pub trait Contestant {
    /// Calls the function `calls` times, waits for the end, and gives the time of one call.
    fn sample(&mut self, calls: usize) -> Result<Sample>;
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Samples of each contestant, fewer where `budget` does not allow them.
    pub samples: usize,
    /// Turns that the samples are dealt out in.
    pub rounds: usize,
    /// Warm-up of each contestant before the first turn.
    pub warm_up: Duration,
    /// A sample is of so many calls that it lasts about this long.
    pub sample_length: Duration,
    /// What one contestant may take, warm-up left out.
    pub budget: Duration,
    /// Silence before each turn: thread pools of other libraries spin for a while after their work.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            samples: 30,
            rounds: 5,
            warm_up: Duration::from_millis(100),
            sample_length: Duration::from_millis(1),
            budget: Duration::from_secs(10),
            pause: Duration::from_millis(30),
        }
    }
}

/// The centre and the spread of some measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// The median distance from the median.
    pub mad: f64,
    /// The smallest.
    pub min: f64,
}

impl Summary {
    /// Of at least one value.
    ///
    /// # Panics
    /// Where there is none.
    pub fn of(values: &[f64]) -> Self {
        let centre = median(values.to_vec());
        Summary {
            median: centre,
            mad: median(values.iter().map(|value| (value - centre).abs()).collect()),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

/// What was measured of one contestant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// Number of samples.
    pub samples: usize,
    /// Calls per sample.
    pub calls: usize,
    /// Milliseconds of one call by the host's clock.
    pub wall: Summary,
    /// The same by the device's own timer.
    pub device: Option<Summary>,
}

impl Timing {
    /// Milliseconds of one call: the device's where it has a timer, else the host's.
    pub fn best_known(&self) -> &Summary {
        self.device.as_ref().unwrap_or(&self.wall)
    }
}

/// Times all contestants in turns, so that what the machine does meanwhile (clock, heat, neighbours) hits all alike.
///
/// A turn begins with one call that is not counted, unless a call is so long that waking up is no part of it. A contestant that fails is out, with its error.
pub fn race(contestants: &mut [Box<dyn Contestant + '_>], pace: &Pace) -> Vec<Result<Timing>> {
    let mut lanes: Vec<Result<Lane>> =
        contestants.iter_mut().map(|contestant| Lane::warm_up(&mut **contestant, pace)).collect();
    for _ in 0..pace.rounds {
        for (contestant, lane) in contestants.iter_mut().zip(&mut lanes) {
            if let Ok(open) = lane
                && let Err(error) = open.turn(&mut **contestant, pace)
            {
                *lane = Err(error);
            }
        }
    }
    lanes.into_iter().map(|lane| lane.map(Lane::finish)).collect()
}

/// Waking threads up and warming caches takes below a hundredth of this.
const LONG_CALL_MS: f64 = 200.0;

struct Lane {
    /// Milliseconds of the fastest call so far.
    call: f64,
    calls: usize,
    per_round: usize,
    samples: Vec<Sample>,
}

impl Lane {
    fn warm_up(contestant: &mut dyn Contestant, pace: &Pace) -> Result<Self> {
        let start = Instant::now();
        // The first call compiles, allocates and starts threads: it says nothing about the next.
        contestant.sample(1)?;
        let mut call = contestant.sample(1)?.wall;
        while start.elapsed() < pace.warm_up {
            call = call.min(contestant.sample(1)?.wall);
        }
        let length = |duration: Duration| duration.as_secs_f64() * 1e3;
        let call = call.max(1e-5);
        let calls = (length(pace.sample_length) / call).ceil().clamp(1.0, 1000.0);
        let affordable =
            (length(pace.budget) / (call * calls)).clamp(pace.rounds as f64, pace.samples as f64);
        Ok(Self {
            call,
            calls: calls as usize,
            per_round: (affordable as usize).div_ceil(pace.rounds),
            samples: vec![],
        })
    }

    fn turn(&mut self, contestant: &mut dyn Contestant, pace: &Pace) -> Result<()> {
        std::thread::sleep(pace.pause);
        if self.call < LONG_CALL_MS {
            contestant.sample(1)?;
        }
        for _ in 0..self.per_round {
            self.samples.push(contestant.sample(self.calls)?);
        }
        Ok(())
    }

    fn finish(self) -> Timing {
        let wall: Vec<f64> = self.samples.iter().map(|sample| sample.wall).collect();
        let device: Option<Vec<f64>> = self.samples.iter().map(|sample| sample.device).collect();
        Timing {
            samples: wall.len(),
            calls: self.calls,
            wall: Summary::of(&wall),
            device: device.map(|device| Summary::of(&device)),
        }
    }
}

/// Times a function on the host that has finished when it returns.
pub fn timed(calls: usize, mut function: impl FnMut() -> Result<()>) -> Result<Sample> {
    let start = Instant::now();
    for _ in 0..calls {
        function()?;
    }
    Ok(Sample { wall: start.elapsed().as_secs_f64() * 1e3 / calls as f64, device: None })
}

/// A variant of a kernel on a stream, over several copies of its inputs in turn, so that none is found in a cache.
pub struct KernelContestant<'k> {
    kernel: &'k dyn Kernel,
    args: &'k Args,
    stream: Stream,
    variant: &'k str,
    sets: Vec<Vec<Tensor>>,
    next: usize,
}

impl<'k> KernelContestant<'k> {
    /// Uploads `sets` copies of the inputs; [`sets_beyond`](Self::sets_beyond) says how many it takes.
    pub fn new(
        kernel: &'k dyn Kernel,
        args: &'k Args,
        variant: &'k str,
        stream: &Stream,
        inputs: &[Tensor],
        sets: usize,
    ) -> Result<Self> {
        let copy = |_| inputs.iter().map(|input| upload(stream, input)).collect::<Result<_>>();
        let sets = (0..sets.max(1)).map(copy).collect::<Result<_>>()?;
        Ok(Self { kernel, args, stream: stream.clone(), variant, sets, next: 0 })
    }

    /// How many copies of these inputs together are twice as large as a cache of `cache` bytes: 1 to 256.
    pub fn sets_beyond(cache: usize, inputs: &[Tensor]) -> usize {
        let bytes: usize = inputs.iter().map(Tensor::bytes).sum();
        (2 * cache).div_ceil(bytes.max(1)).clamp(1, 256)
    }

    /// Bytes of device memory that one call has in use at most, beside all the copies of its inputs; `None` where the back end does not count.
    pub fn memory(&mut self) -> Result<Option<usize>> {
        self.stream.synchronize()?;
        let Some(before) = self.stream.driver().forget_peak_memory()? else { return Ok(None) };
        self.call()?;
        self.stream.synchronize()?;
        Ok(self.stream.driver().peak_memory()?.map(|peak| peak.saturating_sub(before)))
    }

    fn call(&mut self) -> Result<()> {
        let inputs = &self.sets[self.next % self.sets.len()];
        self.next += 1;
        std::hint::black_box(self.kernel.run(&self.stream, Some(self.variant), self.args, inputs)?);
        Ok(())
    }
}

impl Contestant for KernelContestant<'_> {
    fn sample(&mut self, calls: usize) -> Result<Sample> {
        self.stream.synchronize()?;
        let wall = Instant::now();
        let start = self.stream.record()?;
        for _ in 0..calls {
            self.call()?;
        }
        let end = self.stream.record()?;
        self.stream.synchronize()?;
        let wall = wall.elapsed().as_secs_f64() * 1e3 / calls as f64;
        let device = end.milliseconds_since(&start)?.map(|total| total / calls as f64);
        // The host's events are its clock again: no timer of its own.
        let device = device.filter(|_| self.stream.device() != Device::Cpu);
        Ok(Sample { wall, device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Vec<f64>, usize);

    impl Contestant for Script {
        fn sample(&mut self, _calls: usize) -> Result<Sample> {
            self.1 += 1;
            let wall = self.0[self.1 % self.0.len()];
            if wall < 0.0 {
                return Err(tilewright_core::Error::device("script", Device::Cpu, "broke down"));
            }
            Ok(Sample { wall, device: None })
        }
    }

    const QUICK: Pace = Pace {
        samples: 10,
        rounds: 5,
        warm_up: Duration::ZERO,
        sample_length: Duration::from_millis(1),
        budget: Duration::from_secs(1),
        pause: Duration::ZERO,
    };

    #[test]
    fn medians_shrug_off_outliers() {
        let summary = Summary::of(&[1.0, 100.0, 1.2, 0.9, 1.1]);
        assert_eq!((summary.median, summary.min), (1.1, 0.9));
        assert!((summary.mad - 0.1).abs() < 1e-12);
        assert_eq!(Summary::of(&[1.0, 3.0]).median, 2.0);
    }

    #[test]
    fn the_budget_bounds_the_samples_and_a_failure_ends_one_lane_only() {
        let mut contestants: Vec<Box<dyn Contestant>> = vec![
            Box::new(Script(vec![2.0], 0)),
            Box::new(Script(vec![500.0], 0)),
            Box::new(Script(vec![1.0, 1.0, 1.0, 1.0, -1.0], 0)),
            Box::new(Script(vec![0.01], 0)),
        ];
        let timings = race(&mut contestants, &QUICK);
        let timing = |lane: usize| timings[lane].as_ref().unwrap();
        assert_eq!((timing(0).samples, timing(0).calls, timing(0).wall.median), (10, 1, 2.0));
        assert_eq!(timing(1).samples, 5);
        assert!(timings[2].as_ref().unwrap_err().to_string().contains("broke down"));
        assert_eq!(timing(3).calls, 100);
    }
}
