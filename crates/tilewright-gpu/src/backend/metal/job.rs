//! One launch, with all that it needs to be encoded now or again later.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use objc2::runtime::ProtocolObject;
use objc2_metal::{MTLComputeCommandEncoder, MTLSize};
use tilewright_core::{Error, MAX_RANK, Result, Tensor};

use super::compile::Compiled;
use super::device::Gpu;
use super::memory::{Memory, MetalBuffer};
use super::queue::{Batch, Queue};
use crate::define::Scalar;
use crate::grid::{Extent, Grid};
use crate::program::{Arg, Call};

#[derive(Clone)]
pub(super) struct Job {
    compiled: Arc<Compiled>,
    /// In the order of the signature's buffer indices.
    args: Vec<JobArg>,
    extent: Extent,
    threadgroup_bytes: usize,
}

#[derive(Clone)]
enum JobArg {
    Memory { memory: Arc<Memory>, offset: usize, writes: bool },
    Bytes(Bytes),
}

/// A scalar, a rank, a shape or the strides. Metal copies them into the batch; a 0-d shape is passed as one zero.
#[derive(Clone, Copy)]
struct Bytes {
    data: [u8; 8 * MAX_RANK],
    length: usize,
}

impl Bytes {
    fn of<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Self {
        let mut bytes = Self { data: [0; 8 * MAX_RANK], length: 0 };
        for value in values {
            bytes.data[bytes.length..bytes.length + N].copy_from_slice(&value);
            bytes.length += N;
        }
        bytes.length = bytes.length.max(N);
        bytes
    }

    fn scalar(scalar: Scalar) -> Self {
        Self { length: scalar.dtype.size(), ..Self::of([scalar.bytes]) }
    }
}

fn memory(tensor: &Tensor, offset: usize, bytes: usize, writes: bool) -> Result<JobArg> {
    let elsewhere = || Error::layout("launch", "tensor", format!("lies on {}", tensor.device()));
    let buffer: &MetalBuffer = tensor.buffer().as_any().downcast_ref().ok_or_else(elsewhere)?;
    // An empty view may begin at the end of its buffer, where Metal binds nothing.
    let offset = if bytes == 0 { 0 } else { offset };
    Ok(JobArg::Memory { memory: buffer.0.clone(), offset, writes })
}

/// Bytes that the beginning of an input in the `constant` address space must be a multiple of on Apple GPUs.
const CONSTANT_ALIGNMENT: usize = 4;

impl Job {
    pub(super) fn launch(gpu: &Gpu, compiled: &Arc<Compiled>, call: &Call<'_>) -> Result<Self> {
        let args = call.args.iter().map(|arg| match *arg {
            Arg::Memory { name, tensor, offset, bytes, writes, .. } => {
                let constant = compiled.mlx_inputs && !writes && tensor.elements() < 8;
                if constant && bytes > 0 && !offset.is_multiple_of(CONSTANT_ALIGNMENT) {
                    let why = format!(
                        "{name}, a small input, begins at byte {offset} of its memory, not at a multiple of 4"
                    );
                    return Err(Error::unsupported(call.name.to_owned(), gpu.device(), why));
                }
                memory(tensor, offset, bytes, writes)
            }
            Arg::Scalar(scalar) => Ok(JobArg::Bytes(Bytes::scalar(scalar))),
            Arg::Shape(tensor) => Ok(JobArg::Bytes(Bytes::of(
                tensor.dims().iter().map(|&extent| (extent as i32).to_ne_bytes()),
            ))),
            Arg::Strides(tensor) => Ok(JobArg::Bytes(Bytes::of(
                tensor.strides().iter().map(|&stride| (stride as i64).to_ne_bytes()),
            ))),
            Arg::Ndim(tensor) => Ok(JobArg::Bytes(Bytes::of([(tensor.rank() as i32).to_ne_bytes()]))),
        });
        Ok(Self {
            args: args.collect::<Result<_>>()?,
            compiled: compiled.clone(),
            extent: call.extent,
            threadgroup_bytes: call.threadgroup_bytes,
        })
    }

    /// Writes `pattern`, one element, over a row-major tensor.
    pub(super) fn fill(gpu: &'static Gpu, tensor: &Tensor, pattern: &[u8]) -> Result<Self> {
        let elements = tensor.elements();
        let offset = tensor.layout().offset() * pattern.len();
        let value = Bytes::of(pattern.iter().map(|&byte| [byte]));
        let args = vec![
            memory(tensor, offset, tensor.bytes(), true)?,
            JobArg::Bytes(value),
            JobArg::Bytes(Bytes::of([(elements as u64).to_ne_bytes()])),
        ];
        let extent = Grid::elements(elements).resolve("fill", [256, 1, 1])?;
        Ok(Self { compiled: gpu.fill(pattern.len())?, args, extent, threadgroup_bytes: 0 })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.compiled.name
    }

    /// Bytes of dynamic threadgroup memory as Metal wants them: a multiple of 16, and never none where the signature has the parameter.
    pub(super) fn dynamic_bytes(&self) -> usize {
        if self.compiled.dynamic { self.threadgroup_bytes.max(1).next_multiple_of(16) } else { 0 }
    }

    /// Adds the batches of other queues that must be done before this launch runs on `queue`.
    pub(super) fn before(&self, queue: &Queue, batches: &mut Vec<Arc<Batch>>) {
        for arg in &self.args {
            if let JobArg::Memory { memory, writes, .. } = arg {
                memory.before(queue, *writes, batches);
            }
        }
    }

    /// Notes in every buffer that `batch` uses it.
    pub(super) fn note(&self, batch: &Arc<Batch>) {
        for arg in &self.args {
            if let JobArg::Memory { memory, writes, .. } = arg {
                memory.note(batch, *writes);
            }
        }
    }

    pub(super) fn encode(&self, encoder: &ProtocolObject<dyn MTLComputeCommandEncoder>) {
        encoder.setComputePipelineState(&self.compiled.state);
        for (index, arg) in self.args.iter().enumerate() {
            match arg {
                // SAFETY: the offset lies within the buffer, which the command buffer retains; the index is the signature's, and what
                // was compiled has a buffer of the tensor's type there. Order among queues was seen to by `before`.
                JobArg::Memory { memory, offset, .. } => unsafe {
                    encoder.setBuffer_offset_atIndex(Some(memory.raw()), *offset, index);
                },
                JobArg::Bytes(bytes) => {
                    let data = NonNull::from(&bytes.data).cast::<c_void>();
                    // SAFETY: Metal copies `length` bytes, at most the array's; the index is the signature's.
                    unsafe { encoder.setBytes_length_atIndex(data, bytes.length, index) };
                }
            }
        }
        let dynamic = self.dynamic_bytes();
        if dynamic > 0 {
            // SAFETY: the one dynamic parameter has index 0.
            unsafe { encoder.setThreadgroupMemoryLength_atIndex(dynamic, 0) };
        }
        let size = |[x, y, z]: [u32; 3]| MTLSize { width: x as usize, height: y as usize, depth: z as usize };
        // Counts threads, so groups at the grid's end are clipped by Metal itself. Sizes were checked against the program's limits.
        encoder.dispatchThreads_threadsPerThreadgroup(size(self.extent.threads), size(self.extent.group));
    }
}
