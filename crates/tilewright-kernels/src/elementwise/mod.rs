//! One output element per input element: moves, conversions, activations, steps of optimizers.

pub mod adamw;
pub mod axpy;
pub mod copy;
pub mod glu;
pub mod glu_bw;
pub mod soft_cap;
pub mod soft_cap_bw;

mod evidence;
mod exponential;
mod gpu;
mod leaves;

pub use adamw::{AdamW, adamw};
pub use axpy::{Axpy, axpy};
pub use copy::{CopyTo, copy, copy_into};
pub use glu::{Activation, Glu, glu};
pub use glu_bw::glu_bw;
pub use soft_cap::{SoftCap, soft_cap};
pub use soft_cap_bw::soft_cap_bw;

use rayon::prelude::*;
use tilewright_core::Element;

use crate::parallel::Each;

/// Elements per task of the native paths: 256 KiB of f32, so that a task outweighs its start and stays in the L2 cache.
const TASK: usize = 1 << 16;

/// Runs `work(start, part)` over the consecutive parts of `output`, side by side where there is more than one.
fn in_parts<T: Element>(output: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    if output.len() <= TASK {
        return work(0, output);
    }
    output.par_chunks_mut(TASK).enumerate().each(&|(task, part)| work(task * TASK, part));
}
