//! What ran where, and how long it took.

use std::time::Instant;

use serde::Serialize;
use tilewright_check::{Peaks, Summary};
use tilewright_core::{Case, DType, Result, Stream, Tier, Work};

use crate::stop::Stop;

/// Runs the steps and keeps their times.
pub(super) struct Meter {
    stream: Stream,
    /// How often a call that the job needs once is made, so that its median says something.
    repeats: usize,
    entries: Vec<Entry>,
}

struct Entry {
    step: &'static str,
    what: &'static str,
    place: String,
    variant: &'static str,
    /// Of one call.
    work: Work,
    milliseconds: Vec<f64>,
}

/// A line of the report.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) step: &'static str,
    /// The kernel's name; elsewhere what was done.
    pub(super) kernel: &'static str,
    /// The device, or `host` for what is no kernel.
    pub(super) device: String,
    pub(super) variant: &'static str,
    pub(super) calls: usize,
    /// Milliseconds of all calls.
    pub(super) total_ms: f64,
    /// Milliseconds of the first call, in which a GPU's kernel is compiled.
    pub(super) first_ms: f64,
    /// Milliseconds of the middle call.
    pub(super) median_ms: f64,
    /// At the median.
    pub(super) gflops: Option<f64>,
    /// At the median.
    pub(super) gbs: Option<f64>,
    /// The time that the measured peaks allow for the work, over the median.
    pub(super) fraction: Option<f64>,
}

impl Meter {
    pub(super) fn new(stream: &Stream, repeats: usize) -> Self {
        Self { stream: stream.clone(), repeats, entries: Vec::new() }
    }

    /// The stream that all kernels run on.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// One call of a kernel within an iteration; by the case it knows its variant and its work.
    pub(super) fn call<T>(
        &mut self,
        step: &'static str,
        kernel: &'static str,
        case: &Case,
        call: impl FnOnce(&Stream) -> Result<T>,
    ) -> Result<T, Stop> {
        let entry = self.entry(step, kernel, case)?;
        let (milliseconds, result) = timed(&self.stream, call)?;
        self.entries[entry].milliseconds.push(milliseconds);
        Ok(result)
    }

    /// A call of a kernel that the job needs once; made several times, for the clock.
    pub(super) fn once<T>(
        &mut self,
        step: &'static str,
        kernel: &'static str,
        case: &Case,
        call: impl Fn(&Stream) -> Result<T>,
    ) -> Result<T, Stop> {
        for _ in 1..self.repeats {
            self.call(step, kernel, case, &call)?;
        }
        self.call(step, kernel, case, call)
    }

    /// Work that is no kernel's.
    pub(super) fn host<T>(
        &mut self,
        step: &'static str,
        what: &'static str,
        work: impl FnOnce() -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let start = Instant::now();
        let result = work()?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let entry = self.find(step, what).unwrap_or_else(|| {
            let place = "host".to_owned();
            self.push(Entry {
                step,
                what,
                place,
                variant: "",
                work: Work::default(),
                milliseconds: Vec::new(),
            })
        });
        self.entries[entry].milliseconds.push(milliseconds);
        Ok(result)
    }

    fn find(&self, step: &str, what: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.step == step && entry.what == what)
    }

    fn push(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn entry(&mut self, step: &'static str, name: &'static str, case: &Case) -> Result<usize, Stop> {
        if let Some(entry) = self.find(step, name) {
            return Ok(entry);
        }
        let kernel = tilewright_kernels::kernel(name)
            .ok_or_else(|| Stop::Failed(format!("the kernel {name} is not registered")))?;
        let device = self.stream.device();
        let variants = kernel.support(device, case)?;
        let (place, work) = (device.to_string(), kernel.work(case));
        let variant = variants.first().copied().unwrap_or_default();
        Ok(self.push(Entry { step, what: name, place, variant, work, milliseconds: Vec::new() }))
    }

    /// All that was measured, held against the peaks of the device.
    pub(super) fn report(&self, peaks: &Peaks) -> Vec<Measured> {
        let line = |entry: &Entry| {
            let median = Summary::of(&entry.milliseconds).median;
            // The emulator never claims speed.
            let known = *peaks != Peaks::default();
            let rate = |amount: f64| (known && amount > 0.0).then(|| amount / median / 1e6);
            Measured {
                step: entry.step,
                kernel: entry.what,
                device: entry.place.clone(),
                variant: entry.variant,
                calls: entry.milliseconds.len(),
                total_ms: entry.milliseconds.iter().sum(),
                first_ms: entry.milliseconds[0],
                median_ms: median,
                gflops: rate(entry.work.flops),
                gbs: rate(entry.work.bytes),
                fraction: peaks.floor_ms(entry.work, DType::F32).map(|floor| floor / median),
            }
        };
        self.entries.iter().filter(|entry| !entry.milliseconds.is_empty()).map(line).collect()
    }
}

/// A problem of the job, in the letters of its kernel's cases.
pub(super) fn problem(dims: &[(&'static str, usize)]) -> Case {
    Case::new(Tier::Bench, dims, DType::F32)
}

/// Milliseconds from the submission of a call to the end of its work.
fn timed<T>(stream: &Stream, call: impl FnOnce(&Stream) -> Result<T>) -> Result<(f64, T)> {
    stream.synchronize()?;
    let start = Instant::now();
    let result = call(stream)?;
    stream.synchronize()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, result))
}
