//! On a GPU: a group of threads a matrix.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::{GeneralEigen, NAME};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eig", include_str!("gpu.metal"))
        .header(include_str!("gpu.header.metal"))
        .template("S")
        .input("a")
        .scalar("n", DType::U32)
        .scalar("vectors", DType::Bool);
    let outputs = [
        "re",
        "im",
        "info",
        "vectors_re",
        "vectors_im",
        "hessenberg",
        "basis",
        "solutions_re",
        "solutions_im",
    ];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

/// The largest n: a thread for each value, four SIMD groups.
const LARGEST: usize = 128;

/// Says why a GPU cannot decompose n x n matrices.
pub(super) fn check(device: Device, n: usize) -> Result<()> {
    if device != Device::Cpu && n > LARGEST {
        let why = format!("{n} rows; a group of threads has one for each of up to {LARGEST}");
        return Err(Error::unsupported(NAME, device, why));
    }
    Ok(())
}

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eig(stream: &Stream, a: &Tensor, extents: &Extents, vectors: bool) -> Result<GeneralEigen> {
    let (n, dtype) = (extents.n, a.dtype());
    let square = if vectors { extents.shape(&[n, n]) } else { vec![0] };
    let outputs = PROGRAM
        .launch(stream)
        .template("S", dtype)
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("vectors", vectors)
        .output("re", dtype, extents.shape(&[n]))
        .output("im", dtype, extents.shape(&[n]))
        .output("info", DType::I32, &extents.batch[..])
        .output("vectors_re", dtype, square.clone())
        .output("vectors_im", dtype, square.clone())
        .output("hessenberg", dtype, extents.shape(&[n, n]))
        .output("basis", dtype, square.clone())
        .output("solutions_re", dtype, square.clone())
        .output("solutions_im", dtype, square)
        .grid(Grid::groups([extents.batches(), 1, 1]), [n.div_ceil(32) * 32, 1, 1])
        .run()?;
    let [re, im, info, vectors_re, vectors_im, ..] = <[Tensor; 9]>::try_from(outputs).expect("nine outputs");
    let [vectors_re, vectors_im] = [vectors_re, vectors_im].map(|part| vectors.then_some(part));
    Ok(GeneralEigen { re, im, vectors_re, vectors_im, info })
}
