//! The driver's own launch, for benchmarks: what is left when everything that this library does is taken away.

use std::ffi::c_void;

use cudarc::driver::sys;
use tilewright_core::{DType, Error, Result, Tensor};

use super::compile::{self, CudaPipeline};
use super::context::check;
use super::stream::CudaStream;

/// A kernel without a definition, launched by the driver call alone: nothing is checked, named, cached or ordered. What a launch costs beyond
/// it is this library's; what it costs itself, no library can go under.
pub struct BareLaunch<'a> {
    stream: &'a CudaStream,
    pipeline: CudaPipeline,
    address: u64,
}

/// One group of 32 threads; the parameters of the entry that a definition with one buffer gets: an address, and 40 bytes of grid.
const SOURCE: &str = "struct Grid { unsigned long long words[5]; };\n\
    extern \"C\" __global__ void bare(float* x, const __grid_constant__ Grid grid) { x[threadIdx.x] += 1.0f; }\n";

impl<'a> BareLaunch<'a> {
    /// Adds 1 to the 32 values of `tensor`, f32, each time that it is submitted.
    pub fn new(stream: &'a CudaStream, tensor: &'a Tensor) -> Result<Self> {
        if (tensor.dtype(), tensor.dims()) != (DType::F32, &[32]) {
            return Err(Error::shape("bare", "tensor", "f32 [32]", tensor.shape()));
        }
        let pipeline = compile::plain(&stream.0.context, "bare", SOURCE)?;
        Ok(Self { stream, pipeline, address: stream.address(tensor)? })
    }

    /// One `cuLaunchKernel`.
    pub fn submit(&mut self) -> Result<()> {
        let mut grid = [0u64; 5];
        let mut pointers: [*mut c_void; 2] = [(&raw mut self.address).cast(), grid.as_mut_ptr().cast()];
        let (function, raw, pointers) = (self.pipeline.function, self.stream.0.raw, pointers.as_mut_ptr());
        // SAFETY: the function takes one address and 40 bytes, and writes the 32 values of a tensor that outlives this. In a thread where
        // the context is not current the driver answers with an error.
        let result = unsafe {
            sys::cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, raw, pointers, std::ptr::null_mut())
        };
        check(self.stream.0.context.ordinal, "bare", result)
    }
}
