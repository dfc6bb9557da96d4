//! Queues and batches: what was launched, in which order it runs, and what became of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_metal::{
    MTLCommandBuffer, MTLCommandBufferStatus, MTLCommandEncoder, MTLCommandQueue, MTLComputeCommandEncoder,
    MTLDevice, MTLSharedEvent,
};
use tilewright_core::{Error, Result};

use super::device::Gpu;
use super::job::Job;
use super::lock;

/// One command queue.
pub(super) struct Queue {
    pub(super) gpu: &'static Gpu,
    raw: Retained<ProtocolObject<dyn MTLCommandQueue>>,
    /// Reaches a batch's number when the batch is done; other queues wait for that.
    timeline: Retained<ProtocolObject<dyn MTLSharedEvent>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the latest batch.
    begun: u64,
    open: Option<Open>,
    /// Submitted, in order; done ones leave when the next is submitted or the host waits.
    submitted: VecDeque<Arc<Batch>>,
    /// The first failure that no synchronise has told.
    failure: Option<Error>,
}

/// Launches in one command buffer. Numbers grow by one within a queue.
pub(super) struct Batch {
    queue: Arc<Queue>,
    number: u64,
    progress: Mutex<Progress>,
}

enum Progress {
    Open,
    Submitted { buffer: CommandBuffer, names: Vec<Arc<str>>, after: Vec<Arc<Batch>> },
    Done { end: f64, failure: Option<Error> },
}

struct CommandBuffer(Retained<ProtocolObject<dyn MTLCommandBuffer>>);

// SAFETY: a command buffer is bound to no thread; Metal asks that one thread at a time uses it, which the lock around it sees to.
unsafe impl Send for CommandBuffer {}

/// A batch that takes launches.
struct Open {
    batch: Arc<Batch>,
    buffer: CommandBuffer,
    encoder: Option<Encoder>,
    names: Vec<Arc<str>>,
    after: Vec<Arc<Batch>>,
}

struct Encoder {
    raw: Retained<ProtocolObject<dyn MTLComputeCommandEncoder>>,
    /// Whether a launch has sized dynamic threadgroup memory, which the encoder keeps for all later ones.
    sized: bool,
}

// SAFETY: as for the command buffer that it encodes into.
unsafe impl Send for Encoder {}

/// Launches per batch, at most: enough that the cost of a command buffer is shared by many short launches, few enough that an error
/// names few programs. Not measured.
const FULL: usize = 16;

impl Queue {
    pub(super) fn open(gpu: &'static Gpu) -> Result<Arc<Self>> {
        let cannot = |what: &str| Error::device("stream", gpu.device(), format!("Metal gives no {what}"));
        autoreleasepool(|_| {
            let raw = gpu.raw.newCommandQueue().ok_or_else(|| cannot("command queue"))?;
            let timeline = gpu.raw.newSharedEvent().ok_or_else(|| cannot("shared event"))?;
            Ok(Arc::new(Self { gpu, raw, timeline, state: Mutex::default() }))
        })
    }

    /// Submits launches in order.
    pub(super) fn launch(self: &Arc<Self>, jobs: &[Job]) -> Result<()> {
        autoreleasepool(|_| {
            let after = self.needs(jobs);
            let mut state = lock(&self.state);
            let batch = self.encode(&mut state, jobs, after)?;
            let idle = state.submitted.back().is_none_or(|batch| batch.is_done());
            if idle || state.open.as_ref().is_some_and(|open| open.names.len() >= FULL) {
                self.submit(&mut state);
            }
            drop(state);
            jobs.iter().for_each(|job| job.note(&batch));
            Ok(())
        })
    }

    /// Submits launches in order, as one batch of their own.
    pub(super) fn launch_together(self: &Arc<Self>, jobs: &[Job]) -> Result<()> {
        autoreleasepool(|_| {
            let after = self.needs(jobs);
            let mut state = lock(&self.state);
            self.submit(&mut state);
            let batch = self.encode(&mut state, jobs, after)?;
            self.submit(&mut state);
            drop(state);
            jobs.iter().for_each(|job| job.note(&batch));
            Ok(())
        })
    }

    /// Makes what is launched from now on wait for a batch of any queue of any Metal device.
    pub(super) fn wait_for(self: &Arc<Self>, batch: &Arc<Batch>) -> Result<()> {
        if batch.is_of(self) || batch.is_done() {
            return Ok(());
        }
        autoreleasepool(|_| {
            batch.queue.submit_through(batch.number);
            self.encode(&mut lock(&self.state), &[], vec![batch.clone()]).map(drop)
        })
    }

    /// The latest batch, submitted, or none where everything is known to be done.
    pub(super) fn latest(&self) -> Option<Arc<Batch>> {
        self.submit_through(u64::MAX);
        lock(&self.state).submitted.back().cloned()
    }

    /// Waits for all that was launched and tells its first failure, once.
    pub(super) fn synchronize(&self) -> Result<()> {
        self.settle(u64::MAX);
        lock(&self.state).failure.take().map_or(Ok(()), Err)
    }

    /// The batches of other queues that these launches must come after, all of them submitted.
    ///
    /// Called without this queue's lock, so no thread ever holds the locks of two queues; and a batch waits only for batches that were
    /// submitted before it, so no two batches wait for each other.
    fn needs(&self, jobs: &[Job]) -> Vec<Arc<Batch>> {
        let mut after = Vec::new();
        jobs.iter().for_each(|job| job.before(self, &mut after));
        after.retain(|batch| !batch.is_done());
        after.iter().for_each(|batch| batch.queue.submit_through(batch.number));
        after
    }

    /// Adds to the open batch, which is begun where there is none.
    fn encode(
        self: &Arc<Self>,
        state: &mut State,
        jobs: &[Job],
        after: Vec<Arc<Batch>>,
    ) -> Result<Arc<Batch>> {
        let refused =
            |what: &str| Error::device("launch", self.gpu.device(), format!("Metal gives no {what}"));
        if state.open.is_none() {
            // Waits while too many are on their way: Metal limits the unfinished command buffers of a queue.
            let buffer = CommandBuffer(self.raw.commandBuffer().ok_or_else(|| refused("command buffer"))?);
            state.begun += 1;
            let batch =
                Batch { queue: self.clone(), number: state.begun, progress: Mutex::new(Progress::Open) };
            let (names, after) = (Vec::new(), Vec::new());
            state.open = Some(Open { batch: Arc::new(batch), buffer, encoder: None, names, after });
        }
        let open = state.open.as_mut().expect("begun above");
        open.wait_for(after);
        for job in jobs {
            job.encode(open.encoder(job.dynamic_bytes() > 0).ok_or_else(|| refused("encoder"))?);
            open.names.push(job.name().clone());
        }
        Ok(open.batch.clone())
    }

    fn submit(&self, state: &mut State) {
        let Some(mut open) = state.open.take() else { return };
        open.end_encoder();
        let (batch, timeline) = (open.batch, ProtocolObject::from_ref(&*self.timeline));
        open.buffer.0.encodeSignalEvent_value(timeline, batch.number);
        open.buffer.0.commit();
        *lock(&batch.progress) =
            Progress::Submitted { buffer: open.buffer, names: open.names, after: open.after };
        while state.submitted.front().is_some_and(|batch| batch.is_done()) {
            let failure = state.submitted.pop_front().and_then(|batch| batch.finish());
            state.failure = state.failure.take().or(failure);
        }
        state.submitted.push_back(batch);
    }

    /// Submits the open batch if its number is at most `number`.
    fn submit_through(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.open.as_ref().is_some_and(|open| open.batch.number <= number) {
            autoreleasepool(|_| self.submit(&mut state));
        }
    }

    /// Waits for all batches up to `number`.
    fn settle(&self, number: u64) {
        self.submit_through(number);
        // Other threads may launch meanwhile.
        let batches: Vec<Arc<Batch>> =
            lock(&self.state).submitted.iter().filter(|batch| batch.number <= number).cloned().collect();
        for batch in batches {
            let failure = batch.finish();
            let mut state = lock(&self.state);
            // Of several threads that waited, one keeps the failure for the next synchronise.
            if let Some(position) = state.submitted.iter().position(|other| Arc::ptr_eq(other, &batch)) {
                state.submitted.remove(position);
                state.failure = state.failure.take().or(failure);
            }
        }
    }
}

impl Open {
    fn end_encoder(&mut self) {
        if let Some(encoder) = self.encoder.take() {
            encoder.raw.endEncoding();
        }
    }

    fn wait_for(&mut self, batches: Vec<Arc<Batch>>) {
        for batch in batches {
            let waited =
                |other: &Arc<Batch>| Arc::ptr_eq(&other.queue, &batch.queue) && other.number >= batch.number;
            if self.after.iter().any(waited) {
                continue;
            }
            self.end_encoder();
            let timeline = ProtocolObject::from_ref(&*batch.queue.timeline);
            self.buffer.0.encodeWaitForEvent_value(timeline, batch.number);
            self.after.push(batch);
        }
    }

    /// The encoder for a launch that has dynamic threadgroup memory or none. It runs launches one after another.
    fn encoder(&mut self, dynamic: bool) -> Option<&ProtocolObject<dyn MTLComputeCommandEncoder>> {
        if !dynamic && self.encoder.as_ref().is_some_and(|encoder| encoder.sized) {
            // The size that an earlier launch set would count against this one's limit.
            self.end_encoder();
        }
        if self.encoder.is_none() {
            self.encoder = Some(Encoder { raw: self.buffer.0.computeCommandEncoder()?, sized: false });
        }
        let encoder = self.encoder.as_mut()?;
        encoder.sized |= dynamic;
        Some(&encoder.raw)
    }
}

impl Batch {
    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn is_of(&self, queue: &Queue) -> bool {
        std::ptr::eq(&*self.queue, queue)
    }

    /// Whether it has run, well or not.
    pub(super) fn is_done(&self) -> bool {
        match self.progress.try_lock() {
            Ok(progress) => match &*progress {
                Progress::Open => false,
                Progress::Submitted { buffer, .. } => buffer.is_done(),
                Progress::Done { .. } => true,
            },
            // Another thread is waiting for it.
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Poisoned(_)) => unreachable!("no panic holds the lock"),
        }
    }

    /// Waits for it and everything before it in its queue; tells its failure, any number of times.
    pub(super) fn wait(&self) -> Result<()> {
        self.end().map(drop)
    }

    /// As [`Batch::wait`]; the host's time in seconds at which the GPU was done.
    pub(super) fn end(&self) -> Result<f64> {
        self.queue.settle(self.number);
        match &*lock(&self.progress) {
            Progress::Done { end, failure: None } => Ok(*end),
            Progress::Done { failure: Some(failure), .. } => Err(failure.clone()),
            Progress::Open | Progress::Submitted { .. } => unreachable!("its queue has settled it"),
        }
    }

    /// Waits until it has run; its failure, if it failed.
    fn finish(&self) -> Option<Error> {
        let mut progress = lock(&self.progress);
        if let Progress::Submitted { buffer, names, after } = &*progress {
            *progress = autoreleasepool(|_| self.outcome(buffer, names, after));
        }
        match &*progress {
            Progress::Done { failure, .. } => failure.clone(),
            Progress::Open | Progress::Submitted { .. } => {
                unreachable!("only submitted batches are waited for")
            }
        }
    }

    fn outcome(&self, buffer: &CommandBuffer, names: &[Arc<str>], after: &[Arc<Batch>]) -> Progress {
        if !buffer.is_done() {
            // One that failed may never have signalled: settling it does, and only then this one can run.
            after.iter().for_each(|batch| batch.queue.settle(batch.number));
            buffer.0.waitUntilCompleted();
        }
        let failed = buffer.0.status() == MTLCommandBufferStatus::Error;
        let failure = failed.then(|| {
            if self.queue.timeline.signaledValue() < self.number {
                self.queue.timeline.setSignaledValue(self.number);
            }
            let why = buffer.0.error().map(|error| error.localizedDescription().to_string());
            let why = format!("{}, in {}", why.as_deref().unwrap_or("no reason given"), list(names));
            Error::device("synchronize", self.queue.gpu.device(), why)
        });
        Progress::Done { end: buffer.0.GPUEndTime(), failure }
    }
}

impl CommandBuffer {
    fn is_done(&self) -> bool {
        let status = self.0.status();
        status == MTLCommandBufferStatus::Completed || status == MTLCommandBufferStatus::Error
    }
}

/// The programs of a batch, each once.
fn list(names: &[Arc<str>]) -> String {
    let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "a batch without launches".to_owned() } else { names.join(" or ") }
}
