//! The kernel runtime: Metal kernel bodies translated, compiled and launched on the devices there are.

pub mod backend;
pub mod dialect;
