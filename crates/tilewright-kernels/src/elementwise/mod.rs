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
use tilewright_core::Element;

/// Elements per task of the native paths: 256 KiB of f32, so that a task outweighs its start and stays in the L2 cache.
const TASK: usize = 1 << 16;

/// Runs `work(start, part)` over the consecutive parts of `output`, side by side where there is more than one.
fn in_parts<T: Element>(output: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    if output.len() <= TASK {
        return work(0, output);
    }
    output.par_chunks_mut(TASK).enumerate().for_each(|(task, part)| work(task * TASK, part));
}
