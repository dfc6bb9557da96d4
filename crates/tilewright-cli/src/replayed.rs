//! A kernel from a capture: what it takes where a program replays its launches, so that the host's part of each is no part of the time.

use std::time::Instant;

use tilewright_check::{Contestant, Sample, upload};
use tilewright_core::{Args, Kernel, Result, Stream, Tensor};
use tilewright_gpu::Capture;

/// Calls of a capture at least: the replay itself costs a few microseconds.
const CALLS: usize = 8;

/// Calls of a variant over copies of its inputs in turn, recorded once.
pub(crate) struct Replayed {
    stream: Stream,
    capture: Capture,
    calls: usize,
    /// What the replays read and write.
    _tensors: Vec<Vec<Tensor>>,
}

impl Replayed {
    /// Fails where a call cannot be captured, because it waits for the device.
    pub(crate) fn new(
        kernel: &dyn Kernel,
        args: &Args,
        variant: &str,
        stream: &Stream,
        inputs: &[Tensor],
        sets: usize,
    ) -> Result<Self> {
        let copy = |_| inputs.iter().map(|input| upload(stream, input)).collect::<Result<Vec<_>>>();
        let tensors = (0..sets.max(1)).map(copy).collect::<Result<Vec<_>>>()?;
        // Compiles what a capture may not.
        kernel.run(stream, Some(variant), args, &tensors[0])?;
        stream.synchronize()?;
        let calls = sets.max(CALLS);
        // The outputs of a call are given back before the next one, as they are outside a capture.
        let (capture, ()) = Capture::record(stream, || {
            for call in 0..calls {
                kernel.run(stream, Some(variant), args, &tensors[call % tensors.len()])?;
            }
            Ok(())
        })?;
        Ok(Replayed { stream: stream.clone(), capture, calls, _tensors: tensors })
    }
}

impl Contestant for Replayed {
    fn sample(&mut self, calls: usize) -> Result<Sample> {
        let replays = calls.div_ceil(self.calls).max(1);
        let calls = (replays * self.calls) as f64;
        self.stream.synchronize()?;
        let wall = Instant::now();
        let start = self.stream.record()?;
        for _ in 0..replays {
            self.capture.replay(&self.stream)?;
        }
        let end = self.stream.record()?;
        self.stream.synchronize()?;
        let wall = wall.elapsed().as_secs_f64() * 1e3 / calls;
        Ok(Sample { wall, device: end.milliseconds_since(&start)?.map(|total| total / calls) })
    }
}
