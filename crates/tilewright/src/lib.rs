//! Compute kernels that tensor frameworks leave out, on any machine.
//!
//! A kernel is written once, as the body of a Metal kernel, and runs on Apple GPUs, on NVIDIA GPUs (found when the program
//! runs), and under sanitizers on a machine without any GPU. Each also has a native CPU path.
//!
//! - **Use a kernel**: [`kernels`], by family. Tensors in, tensors out, on the device of the [`Stream`].
//! - **Write a kernel**: [`Definition`] and [`Program`], with the bodies that `mx.fast.metal_kernel` takes.
//!
//! ```
//! use tilewright::{Device, Present, Tensor};
//! use tilewright::kernels::elementwise::{SoftCap, soft_cap};
//!
//! let stream = Device::cuda(0).unwrap_or(Device::Cpu).stream()?;
//! let logits = Tensor::from_vec(vec![1.0f32, 40.0, -300.0], [3])?.to(&stream)?;
//! let capped = soft_cap(&stream, &logits, &SoftCap { cap: 30.0 })?;
//! assert!(capped.to_vec::<f32>()?.iter().all(|x| x.abs() <= 30.0));
//! # Ok::<(), tilewright::Error>(())
//! ```

pub use tilewright_core::{
    Boolean, DType, Device, Element, Error, Event, F8E4M3, F8E5M2, Kind, Layout, Result, Shape, Stream,
    Tensor, bf16, f16,
};
#[cfg(feature = "safetensors")]
pub use tilewright_core::{read_safetensors, write_safetensors};
pub use tilewright_gpu::{
    Caps, Capture, Definition, Grid, Launch, MathMode, Present, Program, Scalar, Template, caps, devices,
    stream, tune,
};
pub use tilewright_kernels as kernels;
