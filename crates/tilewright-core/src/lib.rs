//! The vocabulary that every tilewright crate shares.
//!
//! - [`DType`], [`Element`]: what a number is.
//! - [`Shape`], [`Layout`], [`Tensor`]: where the numbers lie; views are free, on any device.
//! - [`Device`], [`Stream`], [`Event`]: where work runs and in which order. A device is a value.
//! - [`Error`]: one structured error, an operation and a kind that names the argument.
//! - [`Kernel`]: the contract that each registered kernel fulfils, from which tests, benches and the command line follow.
//!
//! ```
//! use tilewright_core::{DType, Tensor};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
//! let column = a.transpose()?.slice(0, 1..2)?; // a view: no copy
//! assert_eq!(column.shape().dims(), [1, 2]);
//! assert_eq!(column.to_vec::<f32>()?, [2.0, 5.0]);
//! assert_eq!(a.dtype(), DType::F32);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod buffer;
mod device;
mod dtype;
mod error;
mod fp8;
mod interop;
mod kernel;
mod memory;
mod shape;
mod stream;
mod tensor;

pub use buffer::{Buffer, poison_new_memory, poisoning};
pub use device::Device;
pub use dtype::{Boolean, DType, Element};
pub use error::{Error, Kind, Result};
pub use fp8::{F8E4M3, F8E5M2};
pub use half::{bf16, f16};
#[cfg(feature = "safetensors")]
pub use interop::{read_safetensors, write_safetensors};
pub use kernel::{ArgSpec, Args, Case, Coverage, Expected, Kernel, Residual, Slot, Spec, Tier, Value, Work};
pub use memory::AlignedBytes;
pub use shape::{Layout, MAX_RANK, Shape};
pub use stream::{Event, EventDriver, Stream, StreamDriver};
pub use tensor::Tensor;
