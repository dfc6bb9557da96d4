//! Streams, events, launches and graphs.

use std::any::Any;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cudarc::driver::sys::{self, CUresult};
use tilewright_core::{
    Buffer, Device, Error, Event, EventDriver, Kind, Result, StreamDriver, Tensor, poisoning,
};

use super::compile::CudaPipeline;
use super::context::{Context, check};
use super::cublas::Products;
use super::cusolver::Library;
use super::memory::CudaBuffer;
use crate::grid::Extent;
use crate::program::{Arg, Call};

/// A stream of one device.
pub struct CudaStream(pub(super) Arc<RawStream>);

pub(super) struct RawStream {
    pub(super) context: Arc<Context>,
    pub(super) raw: sys::CUstream,
    slot: u32,
    /// The programs launched since the last successful synchronise, the latest ones: an asynchronous error is one of theirs.
    launched: Mutex<VecDeque<Arc<str>>>,
    pub(super) capturing: AtomicBool,
    /// Memory that the capture in progress uses, kept for its replays.
    pub(super) captured: Mutex<Vec<Arc<dyn Buffer>>>,
    /// cuSOLVER's handle, once it was asked for.
    pub(super) solver: Mutex<Option<Library>>,
    /// cuBLAS's, likewise.
    pub(super) products: Mutex<Option<Products>>,
}

// SAFETY: a CUstream may be used from any thread; the driver serialises.
unsafe impl Send for RawStream {}
// SAFETY: as above.
unsafe impl Sync for RawStream {}

/// How many names of launched programs a stream remembers for its error messages.
const REMEMBERED: usize = 8;

impl RawStream {
    pub(super) fn bit(&self) -> u64 {
        1 << (self.slot % 64)
    }

    pub(super) fn is_capturing(&self) -> bool {
        self.capturing.load(Ordering::Acquire)
    }

    pub(super) fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the stream lives.
        let result = unsafe { sys::cuStreamSynchronize(self.raw) };
        let mut launched = self.launched.lock().expect("no panic holds the lock");
        match check(self.context.ordinal, "synchronize", result) {
            Ok(()) => {
                launched.clear();
                Ok(())
            }
            Err(error) if launched.is_empty() => Err(error),
            Err(error) => {
                let names: Vec<&str> = launched.iter().rev().map(|name| &**name).collect();
                let Kind::Device { why, .. } = error.kind() else { return Err(error) };
                let why = format!(
                    "{why}, in {} (launched on this stream since it was last in order)",
                    names.join(" or ")
                );
                Err(Error::device("synchronize", Device::Cuda(self.context.ordinal), why))
            }
        }
    }

    /// An event that is not recorded yet.
    pub(super) fn event(&self) -> Result<CudaEvent> {
        self.event_with(0)
    }

    /// An event that orders streams and tells no time: recording it and waiting for it cost less.
    pub(super) fn untimed_event(&self) -> Result<CudaEvent> {
        self.event_with(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32)
    }

    fn event_with(&self, flags: u32) -> Result<CudaEvent> {
        self.context.bind()?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one event handle.
        check(self.context.ordinal, "record", unsafe { sys::cuEventCreate(&mut raw, flags) })?;
        Ok(CudaEvent { context: self.context.clone(), raw })
    }

    pub(super) fn record(&self) -> Result<CudaEvent> {
        self.recorded(self.event()?)
    }

    /// The present end of the queue, for another stream to wait for.
    pub(super) fn mark(&self) -> Result<CudaEvent> {
        self.recorded(self.untimed_event()?)
    }

    fn recorded(&self, event: CudaEvent) -> Result<CudaEvent> {
        // SAFETY: both live.
        check(self.context.ordinal, "record", unsafe { sys::cuEventRecord(event.raw, self.raw) })?;
        Ok(event)
    }

    pub(super) fn wait_event(&self, event: &CudaEvent) -> Result<()> {
        self.context.bind()?;
        // SAFETY: both live; the driver keeps what it needs of the event.
        check(self.context.ordinal, "wait", unsafe { sys::cuStreamWaitEvent(self.raw, event.raw, 0) })
    }

    /// Orders what comes after the other stream's work so far.
    pub(super) fn wait_for(&self, other: &RawStream) -> Result<()> {
        self.wait_event(&other.mark()?)
    }

    fn remember(&self, name: &Arc<str>) {
        let mut launched = self.launched.lock().expect("no panic holds the lock");
        if launched.back().is_some_and(|last| Arc::ptr_eq(last, name)) {
            return;
        }
        if launched.len() == REMEMBERED {
            launched.pop_front();
        }
        launched.push_back(name.clone());
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            self.solver.get_mut().expect("no panic holds the lock").take();
            self.products.get_mut().expect("no panic holds the lock").take();
            // SAFETY: the stream lives until the second call. Work that is still queued is waited for, so that buffers which it used may be
            // freed without knowing it any more.
            unsafe {
                let _ = sys::cuStreamSynchronize(self.raw);
                let _ = sys::cuStreamDestroy_v2(self.raw);
            }
        }
    }
}

pub(super) struct CudaEvent {
    context: Arc<Context>,
    pub(super) raw: sys::CUevent,
}

// SAFETY: a CUevent may be used from any thread.
unsafe impl Send for CudaEvent {}
// SAFETY: as above.
unsafe impl Sync for CudaEvent {}

impl Drop for CudaEvent {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: created once, destroyed once; the driver defers it past pending uses.
            let _ = unsafe { sys::cuEventDestroy_v2(self.raw) };
        }
    }
}

impl EventDriver for CudaEvent {
    fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the event lives.
        check(self.context.ordinal, "event", unsafe { sys::cuEventSynchronize(self.raw) })
    }

    fn is_complete(&self) -> Result<bool> {
        self.context.bind()?;
        // SAFETY: the event lives.
        match unsafe { sys::cuEventQuery(self.raw) } {
            CUresult::CUDA_ERROR_NOT_READY => Ok(false),
            result => check(self.context.ordinal, "event", result).map(|()| true),
        }
    }

    fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>> {
        let Some(earlier) = earlier.driver().as_any().downcast_ref::<CudaEvent>() else { return Ok(None) };
        self.context.bind()?;
        let mut time = 0f32;
        // SAFETY: writes one float; both events live.
        let result = unsafe { sys::cuEventElapsedTime_v2(&mut time, earlier.raw, self.raw) };
        check(self.context.ordinal, "event", result)?;
        Ok(Some(f64::from(time)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Grid, group and origin of a launch, then rank, shape and strides of each described input: the block that the generated entry declares.
fn metadata(call: &Call<'_>, origin: [u32; 3]) -> Vec<u64> {
    let slots = call.described.len();
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let (grid, group) = (call.extent.threads, call.extent.group);
    let mut block = Vec::with_capacity(5 + 13 * slots);
    block.extend([pair(grid[0], grid[1]), pair(grid[2], group[0]), pair(group[1], group[2])]);
    block.extend([pair(origin[0], origin[1]), pair(origin[2], 0)]);
    block.extend(call.described.iter().map(|tensor| pair(tensor.rank() as u32, 0)));
    for tensor in call.described {
        let extent = |axis: usize| tensor.dims().get(axis).map_or(0, |&extent| extent as u32);
        block.extend((0..4).map(|half| pair(extent(2 * half), extent(2 * half + 1))));
    }
    for tensor in call.described {
        block.extend((0..8).map(|axis| tensor.strides().get(axis).map_or(0, |&stride| stride as u64)));
    }
    block
}

/// A part of the grid with one block size: origin in groups, groups, threads per group.
type Part = ([u32; 3], [u32; 3], [u32; 3]);

/// Cuts a grid of threads into launches whose blocks agree with Metal's groups, clipped ones included.
///
/// Surplus threads at the end of the slowest axis return at entry without moving any other thread's linear index, so one launch does.
/// Clipped on another axis, the linear index and with it the SIMD groups change: those groups get launches of their real size.
fn parts(extent: &Extent) -> Vec<Part> {
    let groups = extent.groups();
    let clipped: Vec<usize> =
        (0..3).filter(|&axis| !extent.threads[axis].is_multiple_of(extent.group[axis])).collect();
    let slowest = (0..3).rev().find(|&axis| extent.group[axis] > 1);
    if clipped.iter().all(|&axis| Some(axis) == slowest) {
        return vec![([0; 3], groups, extent.group)];
    }
    let mut parts: Vec<Part> = vec![([0; 3], groups, extent.group)];
    for axis in clipped {
        let rest = extent.threads[axis] % extent.group[axis];
        parts = parts
            .into_iter()
            .flat_map(|part| {
                let (mut inner, mut edge) = (part, part);
                inner.1[axis] = groups[axis] - 1;
                (edge.0[axis], edge.1[axis], edge.2[axis]) = (groups[axis] - 1, 1, rest);
                [inner, edge]
            })
            .filter(|(_, groups, _)| !groups.contains(&0))
            .collect();
    }
    parts
}

impl CudaStream {
    pub(crate) fn open(ordinal: u32) -> Result<Self> {
        let context = Context::open(ordinal)?;
        context.bind()?;
        let mut raw = std::ptr::null_mut();
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: writes one stream handle.
        check(ordinal, "stream", unsafe { sys::cuStreamCreate(&mut raw, flags) })?;
        let mut streams = context.streams.lock().expect("no panic holds the lock");
        streams.retain(|stream| stream.strong_count() > 0);
        let taken = |slot: u32| {
            streams.iter().filter_map(|stream| stream.upgrade()).any(|stream| stream.slot == slot)
        };
        let slot = (0..).find(|&slot| !taken(slot)).expect("some slot is free");
        let stream = Arc::new(RawStream {
            context: context.clone(),
            raw,
            slot,
            launched: Mutex::default(),
            capturing: AtomicBool::new(false),
            captured: Mutex::default(),
            solver: Mutex::default(),
            products: Mutex::default(),
        });
        streams.push(Arc::downgrade(&stream));
        drop(streams);
        Ok(Self(stream))
    }

    /// The raw stream, for libraries that take one. The context is current in this thread when this returns.
    pub fn raw(&self) -> Result<sys::CUstream> {
        self.0.context.bind()?;
        Ok(self.0.raw)
    }

    /// The device address of a tensor's first element, ordered after its last use on another stream. Valid while the tensor lives.
    pub fn address(&self, tensor: &Tensor) -> Result<u64> {
        let buffer = self.own(tensor)?;
        buffer.use_on(&self.0)?;
        if self.0.is_capturing() {
            self.0.captured.lock().expect("no panic holds the lock").push(tensor.buffer().clone());
        }
        Ok(buffer.address() + (tensor.layout().offset() * tensor.dtype().size()) as u64)
    }

    /// Notes work that a library put on the stream, so that an error names it.
    pub fn note(&self, name: &Arc<str>) {
        self.0.remember(name);
    }

    /// Memory that was not there before. A capture keeps it: its replays may write what no launch of it reads.
    pub(super) fn room(&self, bytes: usize) -> Result<Arc<CudaBuffer>> {
        let buffer = Arc::new(CudaBuffer::allocate(&self.0, bytes)?);
        if self.0.is_capturing() {
            self.0.captured.lock().expect("no panic holds the lock").push(buffer.clone());
        }
        Ok(buffer)
    }

    fn own<'t>(&self, tensor: &'t Tensor) -> Result<&'t CudaBuffer> {
        let elsewhere = || Error::layout("launch", "tensor", format!("lies on {}", tensor.device()));
        tensor.buffer().as_any().downcast_ref().ok_or_else(elsewhere)
    }

    pub(crate) fn launch(&self, pipeline: &CudaPipeline, call: &Call<'_>) -> Result<()> {
        let stream = &self.0;
        stream.context.bind()?;
        let mut values: Vec<u64> = Vec::with_capacity(call.args.len());
        for arg in call.args {
            match arg {
                Arg::Memory { tensor, .. } => values.push(self.address(tensor)?),
                Arg::Scalar(scalar) => values.push(u64::from_le_bytes(scalar.bytes)),
                Arg::Shape(_) | Arg::Strides(_) | Arg::Ndim(_) => {}
            }
        }
        // What an early entry waits with came with Hopper.
        let early = call.early && stream.context.caps.is_cuda_of(90);
        let mut attributes = Vec::new();
        if early || call.cooperative {
            use sys::CUlaunchAttributeID as Id;
            // SAFETY: all zero is a value of each of its members.
            let mut attribute = unsafe { std::mem::zeroed::<sys::CUlaunchAttribute>() };
            if early {
                attribute.id = Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
                attribute.value.programmaticStreamSerializationAllowed = 1;
            } else {
                attribute.id = Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
                attribute.value.cooperative = 1;
            }
            attributes.push(attribute);
        }
        for (origin, groups, block) in parts(&call.extent) {
            let mut block_data = metadata(call, origin);
            let mut pointers: Vec<*mut c_void> =
                values.iter_mut().map(|value| (&raw mut *value).cast()).collect();
            pointers.push(block_data.as_mut_ptr().cast());
            // SAFETY: the function's parameters are those of its signature: one 8-byte slot each, of which a smaller scalar reads its low
            // bytes, then the metadata block, whose layout `metadata` shares with the generated entry. The driver copies them before it
            // returns. Sizes were checked against the pipeline's limits; the memory outlives the work by stream order.
            let result = unsafe {
                let config = sys::CUlaunchConfig {
                    gridDimX: groups[0],
                    gridDimY: groups[1],
                    gridDimZ: groups[2],
                    blockDimX: block[0],
                    blockDimY: block[1],
                    blockDimZ: block[2],
                    sharedMemBytes: call.threadgroup_bytes as u32,
                    hStream: stream.raw,
                    attrs: attributes.as_mut_ptr(),
                    numAttrs: attributes.len() as u32,
                };
                let (function, none) = (pipeline.function, std::ptr::null_mut());
                sys::cuLaunchKernelEx(&config, function, pointers.as_mut_ptr(), none)
            };
            check(stream.context.ordinal, call.name, result)?;
        }
        stream.remember(&pipeline.name);
        Ok(())
    }

    pub(crate) fn fill(&self, tensor: &Tensor, pattern: &[u8]) -> Result<()> {
        let (address, elements, raw) = (self.address(tensor)?, tensor.elements(), self.raw()?);
        let word = |range: std::ops::Range<usize>| {
            u32::from_le_bytes(pattern[range].try_into().expect("four bytes"))
        };
        // SAFETY: each call writes exactly the tensor's bytes, which live, in stream order.
        let result = unsafe {
            match pattern.len() {
                1 => sys::cuMemsetD8Async(address, pattern[0], elements, raw),
                2 => sys::cuMemsetD16Async(
                    address,
                    u16::from_le_bytes([pattern[0], pattern[1]]),
                    elements,
                    raw,
                ),
                4 => sys::cuMemsetD32Async(address, word(0..4), elements, raw),
                8 if pattern[..4] == pattern[4..] => {
                    sys::cuMemsetD32Async(address, word(0..4), 2 * elements, raw)
                }
                _ => self.fill_wide(address, [word(0..4), word(4..8)], elements),
            }
        };
        check(self.0.context.ordinal, "fill", result)
    }

    /// Elements of two different words: some of them as columns of a matrix with one element per row, which the driver fills at a thousandth of the
    /// memory's speed, and the rest as copies of what is there, twice as much each time.
    ///
    /// # Safety
    /// `address` is that of as many elements, which live, in stream order.
    unsafe fn fill_wide(&self, address: u64, words: [u32; 2], elements: usize) -> CUresult {
        let (raw, mut done) = (self.0.raw, elements.min(512));
        // SAFETY: all of it lies within those elements, and no copy's source overlaps its target.
        unsafe {
            for (part, word) in words.into_iter().enumerate() {
                match sys::cuMemsetD2D32Async(address + 4 * part as u64, 8, word, 1, done, raw) {
                    CUresult::CUDA_SUCCESS => {}
                    failure => return failure,
                }
            }
            while done < elements {
                let more = done.min(elements - done);
                match sys::cuMemcpyDtoDAsync_v2(address + 8 * done as u64, address, 8 * more, raw) {
                    CUresult::CUDA_SUCCESS => done += more,
                    failure => return failure,
                }
            }
        }
        CUresult::CUDA_SUCCESS
    }
}

impl StreamDriver for CudaStream {
    fn device(&self) -> Device {
        Device::Cuda(self.0.context.ordinal)
    }

    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>> {
        let buffer = self.room(bytes)?;
        if poisoning() && bytes > 0 {
            // SAFETY: writes exactly the bytes that were just allocated, in stream order.
            let result = unsafe { sys::cuMemsetD8Async(buffer.address(), 0xff, bytes, self.0.raw) };
            check(self.0.context.ordinal, "allocate", result)?;
        }
        Ok(buffer)
    }

    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>> {
        let buffer = self.room(bytes.len())?;
        if bytes.is_empty() {
            return Ok(buffer);
        }
        if self.0.is_capturing() {
            self.upload_in_replays(buffer.address(), bytes)?;
            return Ok(buffer);
        }
        let (to, raw) = (buffer.address(), self.0.raw);
        // SAFETY: copies exactly the bytes that were allocated. The driver has taken pageable memory when the call returns.
        let result = unsafe { sys::cuMemcpyHtoDAsync_v2(to, bytes.as_ptr().cast(), bytes.len(), raw) };
        check(self.0.context.ordinal, "upload", result)?;
        Ok(buffer)
    }

    fn synchronize(&self) -> Result<()> {
        self.0.synchronize()
    }

    fn record(&self) -> Result<Event> {
        Ok(Event::from_driver(Arc::new(self.0.record()?)))
    }

    fn wait(&self, event: &Event) -> Result<()> {
        match event.driver().as_any().downcast_ref::<CudaEvent>() {
            Some(event) => self.0.wait_event(event),
            // Of another kind of device: the host waits for it.
            None => event.synchronize(),
        }
    }

    fn forget_peak_memory(&self) -> Result<Option<usize>> {
        self.0.context.forget_peak_memory().map(Some)
    }

    fn peak_memory(&self) -> Result<Option<usize>> {
        self.0.context.peak_memory().map(Some)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_awkward_clips_cost_more_launches() {
        let extent = |threads, group| Extent { threads, group };
        assert_eq!(parts(&extent([300, 1, 1], [256, 1, 1])), [([0; 3], [2, 1, 1], [256, 1, 1])]);
        assert_eq!(parts(&extent([64, 10, 1], [32, 8, 1])), [([0; 3], [2, 2, 1], [32, 8, 1])]);
        let both = parts(&extent([40, 10, 1], [32, 8, 1]));
        assert_eq!(
            both,
            [
                ([0, 0, 0], [1, 1, 1], [32, 8, 1]),
                ([0, 1, 0], [1, 1, 1], [32, 2, 1]),
                ([1, 0, 0], [1, 1, 1], [8, 8, 1]),
                ([1, 1, 0], [1, 1, 1], [8, 2, 1]),
            ]
        );
        // Every thread of the grid is covered exactly once, whatever the shape.
        for threads in [[7, 5, 3], [32, 9, 2], [33, 8, 1], [1, 1, 5], [4, 4, 2]] {
            let extent = extent(threads, [4.min(threads[0]), 4.min(threads[1]), 2.min(threads[2])]);
            let mut covered = vec![0; (threads[0] * threads[1] * threads[2]) as usize];
            for (origin, groups, block) in parts(&extent) {
                let all: [u32; 3] = std::array::from_fn(|axis| groups[axis] * block[axis]);
                for index in 0..all.iter().product() {
                    let local = [index % all[0], index / all[0] % all[1], index / all[0] / all[1]];
                    let at: [u32; 3] = std::array::from_fn(|axis| {
                        (origin[axis] + local[axis] / block[axis]) * extent.group[axis]
                            + local[axis] % block[axis]
                    });
                    if (0..3).all(|axis| at[axis] < threads[axis]) {
                        covered[(at[0] + threads[0] * (at[1] + threads[1] * at[2])) as usize] += 1;
                    }
                }
            }
            assert!(covered.iter().all(|&times| times == 1), "{threads:?}: {covered:?}");
        }
    }
}
