//! f16 and bf16 on their way into f32 and back: the one place where the family knows of them.

use std::sync::LazyLock;

use half::slice::HalfFloatSliceExt;
use tilewright_core::{DType, Device, Result, Stream, Tensor, bf16, f16};
use tilewright_gpu::{Definition, Grid, Program};

use super::host::with_real;

static CONVERT: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_convert", include_str!("convert.metal"));
    Program::new(definition.template("O").input("x").output("out")).expect("the definition is valid")
});

/// The dtype in which matrices of `dtype` are computed.
pub(super) fn working(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The tensor in the dtype that it is computed in. The same memory, strides included, where it has that dtype.
pub(super) fn widened(stream: &Stream, tensor: &Tensor) -> Result<Tensor> {
    convert(stream, tensor, working(tensor.dtype()))
}

/// A computed tensor, rounded to `dtype`.
pub(super) fn narrowed(stream: &Stream, tensor: Tensor, dtype: DType) -> Result<Tensor> {
    convert(stream, &tensor, dtype)
}

/// The tensor with its elements in row-major order.
pub(super) fn dense(stream: &Stream, tensor: &Tensor) -> Result<Tensor> {
    if tensor.is_contiguous() || tensor.is_empty() {
        return Ok(tensor.clone());
    }
    if stream.device() == Device::Cpu {
        return with_real!(tensor.dtype(), T => Tensor::from_vec(tensor.to_vec::<T>()?, tensor.shape()));
    }
    on_the_device(stream, tensor, tensor.dtype())
}

/// The tensor in another dtype. The same memory, strides included, where it has that one.
pub(super) fn convert(stream: &Stream, tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    if tensor.dtype() == dtype {
        return Ok(tensor.clone());
    }
    if stream.device() == Device::Cpu {
        return on_the_host(tensor, dtype);
    }
    on_the_device(stream, tensor, dtype)
}

fn on_the_device(stream: &Stream, tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    CONVERT
        .launch(stream)
        .template("O", dtype)
        .input("x", tensor)
        .output("out", dtype, tensor.shape())
        .grid(Grid::threads([tensor.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

fn on_the_host(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    let shape = tensor.shape();
    match (tensor.dtype(), dtype) {
        (DType::F16, _) => Tensor::from_vec(tensor.to_vec::<f16>()?.to_f32_vec(), shape),
        (DType::Bf16, _) => Tensor::from_vec(tensor.to_vec::<bf16>()?.to_f32_vec(), shape),
        (_, DType::F16) => {
            let mut narrow = vec![f16::ZERO; tensor.elements()];
            narrow.convert_from_f32_slice(&tensor.to_vec::<f32>()?);
            Tensor::from_vec(narrow, shape)
        }
        (_, _) => {
            let mut narrow = vec![bf16::ZERO; tensor.elements()];
            narrow.convert_from_f32_slice(&tensor.to_vec::<f32>()?);
            Tensor::from_vec(narrow, shape)
        }
    }
}
