//! Launches recorded once and replayed: a CUDA graph, and the memory that its replays need.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cudarc::driver::sys::{self, CUresult};
use tilewright_core::{Buffer, Error, Result};

use super::context::{Context, check};
use super::memory::CudaBuffer;
use super::stream::CudaStream;

/// Launches recorded as a CUDA graph, with the memory that they use.
pub struct CudaGraph {
    context: Arc<Context>,
    raw: sys::CUgraphExec,
    memory: Vec<Arc<dyn Buffer>>,
}

// SAFETY: an executable graph may be launched from any thread; the driver orders launches of one graph after each other.
unsafe impl Send for CudaGraph {}
// SAFETY: as above.
unsafe impl Sync for CudaGraph {}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: instantiated once, destroyed once; a running launch keeps what it needs.
            let _ = unsafe { sys::cuGraphExecDestroy(self.raw) };
        }
    }
}

impl CudaStream {
    pub(crate) fn begin_capture(&self) -> Result<()> {
        let raw = self.raw()?;
        if self.0.capturing.swap(true, Ordering::AcqRel) {
            return Err(Error::layout("capture", "stream", "is capturing already"));
        }
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream lives.
        let result = unsafe { sys::cuStreamBeginCapture_v2(raw, mode) };
        check(self.0.context.ordinal, "capture", result)
            .inspect_err(|_| self.0.capturing.store(false, Ordering::Release))
    }

    pub(crate) fn end_capture(&self) -> Result<CudaGraph> {
        let (raw, ordinal) = (self.raw()?, self.0.context.ordinal);
        self.0.capturing.store(false, Ordering::Release);
        let mut memory = std::mem::take(&mut *self.0.captured.lock().expect("no panic holds the lock"));
        memory.sort_by_key(|buffer| Arc::as_ptr(buffer).addr());
        memory.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut graph = std::ptr::null_mut();
        // SAFETY: writes one graph handle.
        check(ordinal, "capture", unsafe { sys::cuStreamEndCapture(raw, &mut graph) })?;
        let mut exec = std::ptr::null_mut();
        // SAFETY: writes one handle; the graph lives until it is destroyed below, and the executable does not need it.
        let result = unsafe {
            let result = sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0);
            let _ = sys::cuGraphDestroy(graph);
            result
        };
        check(ordinal, "capture", result)?;
        Ok(CudaGraph { context: self.0.context.clone(), raw: exec, memory })
    }

    pub(crate) fn replay(&self, graph: &CudaGraph) -> Result<()> {
        let raw = self.raw()?;
        if graph.context.ordinal != self.0.context.ordinal {
            return Err(Error::layout(
                "replay",
                "stream",
                "is not on the device that the launches were recorded on",
            ));
        }
        for buffer in &graph.memory {
            if let Some(buffer) = buffer.as_any().downcast_ref::<CudaBuffer>() {
                buffer.use_on(&self.0)?;
            }
        }
        // SAFETY: the executable graph and the memory that it uses live.
        check(self.0.context.ordinal, "replay", unsafe { sys::cuGraphLaunch(graph.raw, raw) })?;
        static NAME: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| "a replayed capture".into());
        self.note(&NAME);
        Ok(())
    }

    /// Has each replay write `bytes` to `to`, which has room for them. A replay finds the caller's memory gone: it copies what lies beside, which is written now.
    pub(super) fn upload_in_replays(&self, to: u64, bytes: &[u8]) -> Result<()> {
        let beside = self.room(bytes.len())?.address();
        // SAFETY: both copy exactly the bytes that were allocated, in memory that lives as long as the capture.
        let result = unsafe {
            match sys::cuMemcpyHtoD_v2(beside, bytes.as_ptr().cast(), bytes.len()) {
                CUresult::CUDA_SUCCESS => sys::cuMemcpyDtoDAsync_v2(to, beside, bytes.len(), self.0.raw),
                failure => failure,
            }
        };
        check(self.0.context.ordinal, "upload", result)
    }
}
