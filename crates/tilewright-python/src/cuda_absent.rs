//! What stands for CUDA on systems that cannot have it.

use std::any::Any;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tilewright_core::{DType, Device, Error, Layout, Result, Tensor};

use crate::errors::raise;

fn absent(ordinal: u32) -> Error {
    Error::unsupported("dlpack", Device::Cuda(ordinal), "CUDA does not exist on Apple systems")
}

pub(crate) fn raw_stream(ordinal: u32) -> PyResult<u64> {
    Err(raise(absent(ordinal)))
}

pub(crate) fn adopt(
    ordinal: u32,
    _address: *const u8,
    _bytes: usize,
    _owner: Box<dyn Any + Send + Sync>,
    _dtype: DType,
    _layout: Layout,
) -> Result<Tensor> {
    Err(absent(ordinal))
}

pub(crate) fn duplicate(tensor: &Tensor) -> Result<Tensor> {
    Err(Error::unsupported("dlpack", tensor.device(), "only tensors on the CPU can be lent"))
}

pub(crate) fn lend<'py>(
    _py: Python<'py>,
    _tensor: &Tensor,
    ordinal: u32,
    _consumer: Option<i64>,
    _flags: (bool, bool, bool),
) -> PyResult<Bound<'py, PyCapsule>> {
    Err(raise(absent(ordinal)))
}
