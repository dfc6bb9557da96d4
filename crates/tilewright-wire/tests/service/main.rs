//! Nodes, in one process: the numbers, the limits, and clients that misbehave.

mod crowd;
mod numbers;
mod strangers;
mod tiny;
