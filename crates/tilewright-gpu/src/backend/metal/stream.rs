//! Streams, events and recordings.

use std::any::Any;
use std::sync::{Arc, Mutex};

use objc2::rc::autoreleasepool;
use objc2_foundation::NSProcessInfo;
use tilewright_core::{Buffer, Device, Error, Event, EventDriver, Result, StreamDriver, Tensor, poisoning};

use super::compile::MetalPipeline;
use super::device::Gpu;
use super::job::Job;
use super::lock;
use super::memory::{Memory, MetalBuffer};
use super::queue::{Batch, Queue};
use crate::program::Call;

/// A stream of one device.
///
/// A launch starts at once on an idle GPU. While the GPU works, launches gather in a batch, which starts when it is full or when
/// anything waits for it: synchronising, recording an event, reading a tensor, using a tensor on another stream, dropping the stream.
pub(crate) struct MetalStream {
    queue: Arc<Queue>,
    /// What was launched since the capture began, if one is in progress.
    capture: Mutex<Option<Vec<Job>>>,
}

/// Recorded launches, encoded into one command buffer at each replay.
pub(crate) struct MetalRecording {
    ordinal: u32,
    jobs: Vec<Job>,
}

impl MetalStream {
    pub(crate) fn open(ordinal: u32) -> Result<Self> {
        Ok(Self { queue: Queue::open(Gpu::open(ordinal)?)?, capture: Mutex::default() })
    }

    pub(super) fn gpu(&self) -> &'static Gpu {
        self.queue.gpu
    }

    pub(crate) fn launch(&self, pipeline: &MetalPipeline, call: &Call<'_>) -> Result<()> {
        self.submit(Job::launch(self.gpu(), &pipeline.compiled, call)?)
    }

    pub(crate) fn fill(&self, tensor: &Tensor, pattern: &[u8]) -> Result<()> {
        self.submit(Job::fill(self.gpu(), tensor, pattern)?)
    }

    fn submit(&self, job: Job) -> Result<()> {
        if let Some(recorded) = &mut *lock(&self.capture) {
            recorded.push(job);
            return Ok(());
        }
        self.queue.launch(&[job])
    }

    pub(crate) fn begin_capture(&self) -> Result<()> {
        let mut capture = lock(&self.capture);
        if capture.is_some() {
            return Err(Error::layout("capture", "stream", "is capturing already"));
        }
        *capture = Some(Vec::new());
        Ok(())
    }

    pub(crate) fn end_capture(&self) -> Result<MetalRecording> {
        let jobs = lock(&self.capture).take().unwrap_or_default();
        Ok(MetalRecording { ordinal: self.gpu().ordinal, jobs })
    }

    pub(crate) fn replay(&self, recording: &MetalRecording) -> Result<()> {
        if recording.ordinal != self.gpu().ordinal {
            return Err(Error::layout(
                "replay",
                "stream",
                "is not on the device that the launches were recorded on",
            ));
        }
        if let Some(recorded) = &mut *lock(&self.capture) {
            recorded.extend_from_slice(&recording.jobs);
            return Ok(());
        }
        self.queue.launch_together(&recording.jobs)
    }

    fn not_capturing(&self, operation: &'static str) -> Result<()> {
        match &*lock(&self.capture) {
            Some(_) => Err(Error::layout(operation, "stream", "is capturing, so nothing of it runs yet")),
            None => Ok(()),
        }
    }
}

impl Drop for MetalStream {
    fn drop(&mut self) {
        // Nothing comes after: what was launched still runs, and batches that refer to their queue and each other are let go. A failure
        // has nobody left to be told to but the tensors that were written, which keep it.
        let _ = self.queue.synchronize();
    }
}

impl StreamDriver for MetalStream {
    fn device(&self) -> Device {
        self.gpu().device()
    }

    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>> {
        let mut memory = Memory::allocate(self.gpu(), bytes)?;
        if poisoning() {
            memory.poison();
        }
        Ok(Arc::new(MetalBuffer(Arc::new(memory))))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>> {
        Ok(Arc::new(MetalBuffer(Arc::new(Memory::upload(self.gpu(), bytes)?))))
    }

    fn synchronize(&self) -> Result<()> {
        self.not_capturing("synchronize")?;
        self.queue.synchronize()
    }

    fn record(&self) -> Result<Event> {
        self.not_capturing("record")?;
        let event = MetalEvent { batch: self.queue.latest(), recorded: host_time() };
        Ok(Event::from_driver(Arc::new(event)))
    }

    fn wait(&self, event: &Event) -> Result<()> {
        let Some(MetalEvent { batch, .. }) = event.driver().as_any().downcast_ref() else {
            // Of another kind of device: the host waits for it.
            return event.synchronize();
        };
        match batch {
            // A recording cannot wait for work outside it, but the host can.
            Some(_) if lock(&self.capture).is_some() => event.synchronize(),
            Some(batch) => self.queue.wait_for(batch),
            None => Ok(()),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The end of the batch that was the latest when the event was recorded.
struct MetalEvent {
    /// None where everything was done.
    batch: Option<Arc<Batch>>,
    /// The host's time when the event was recorded, in seconds.
    recorded: f64,
}

/// Seconds on the clock that Metal's GPU times are given on: the system's time since it was started, sleep left out.
fn host_time() -> f64 {
    autoreleasepool(|_| NSProcessInfo::processInfo().systemUptime())
}

impl MetalEvent {
    /// When the work before the event was done.
    fn end(&self) -> Result<f64> {
        self.batch.as_ref().map_or(Ok(self.recorded), |batch| batch.end())
    }
}

impl EventDriver for MetalEvent {
    fn synchronize(&self) -> Result<()> {
        self.batch.as_ref().map_or(Ok(()), |batch| batch.wait())
    }

    fn is_complete(&self) -> Result<bool> {
        match &self.batch {
            Some(batch) if !batch.is_done() => Ok(false),
            _ => self.synchronize().map(|()| true),
        }
    }

    /// From the moment at which the GPU had nothing before `earlier` left to do, and `earlier` had been recorded, to the moment at which
    /// it was done with the work before this event. Both are Metal's `GPUEndTime`s, or the host's time on the same clock where the
    /// stream was idle; the first therefore includes the host's time to launch, as on CUDA.
    fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>> {
        let Some(earlier) = earlier.driver().as_any().downcast_ref::<MetalEvent>() else { return Ok(None) };
        let begin = earlier.end()?.max(earlier.recorded);
        Ok(Some((self.end()? - begin).max(0.0) * 1e3))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
