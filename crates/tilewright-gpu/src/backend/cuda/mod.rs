//! NVIDIA GPUs through the driver API, found when the program runs.
//!
//! Nothing here links against CUDA. `cudarc` looks the driver up by name and panics where it is absent, so its presence is asked for
//! first, and an absent driver is an ordinary error.

mod bare;
mod compile;
mod context;
pub mod cublas;
pub mod cusolver;
mod foreign;
mod graph;
mod memory;
mod stream;

pub use bare::BareLaunch;
pub use compile::CudaPipeline;
pub(crate) use compile::trial;
pub(crate) use context::{caps, count};
pub use graph::CudaGraph;
pub use stream::CudaStream;
