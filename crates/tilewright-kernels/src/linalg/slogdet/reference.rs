//! The truth is that of [`det`](crate::linalg::det()): elimination in f64.

pub(super) use super::super::det::determinant;
