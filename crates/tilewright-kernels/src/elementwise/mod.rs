//! One output element per input element: moves, conversions, activations.

pub mod copy;
pub mod soft_cap;
pub mod soft_cap_bw;

mod exponential;
mod formats;
mod gpu;

pub use copy::{CopyTo, copy, copy_into};
pub use soft_cap::{SoftCap, soft_cap};
pub use soft_cap_bw::soft_cap_bw;

use rayon::prelude::*;
use tilewright_core::{DType, Element, Error, Result, Stream, Tensor};

/// Refuses a tensor that lies elsewhere than the work.
fn check_device(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    tensor: &Tensor,
) -> Result<()> {
    if tensor.device() == stream.device() {
        return Ok(());
    }
    let why = format!("lies on {}, the stream is on {}", tensor.device(), stream.device());
    Err(Error::layout(operation, argument, why))
}

/// Refuses a dtype that is not in `allowed`.
fn check_dtype(
    operation: &'static str,
    argument: &'static str,
    allowed: &[DType],
    tensor: &Tensor,
) -> Result<()> {
    if allowed.contains(&tensor.dtype()) {
        return Ok(());
    }
    let names: Vec<_> = allowed.iter().map(|dtype| dtype.name()).collect();
    Err(Error::dtype(operation, argument, names.join(", "), tensor.dtype()))
}

/// Elements per task of the native paths: 256 KiB of f32, so that a task outweighs its start and stays in the L2 cache.
const TASK: usize = 1 << 16;

/// Runs `work(start, part)` over the consecutive parts of `output`, side by side where there is more than one.
fn in_parts<T: Element>(output: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    if output.len() <= TASK {
        return work(0, output);
    }
    output.par_chunks_mut(TASK).enumerate().for_each(|(task, part)| work(task * TASK, part));
}

/// Refuses a variant that is not among those that run here.
fn check_variant(operation: &'static str, variant: Option<&str>, known: Vec<&'static str>) -> Result<()> {
    match variant {
        Some(variant) if !known.contains(&variant) => {
            Err(Error::range(operation, "variant", format!("one of {known:?}"), variant))
        }
        _ => Ok(()),
    }
}
