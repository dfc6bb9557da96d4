//! GPU path: one launch, 64 values a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{FACTOR, NAME};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("requantize", include_str!("gpu.metal"))
        .header(include_str!("gpu.header.metal"))
        .template("WORDS")
        .input("values")
        .input("scales");
    let sizes = ["n", "width", "pieces", "blocks"];
    let definition =
        sizes.into_iter().fold(definition, |definition, size| definition.scalar(size, DType::U32));
    Program::new(definition.scalar("factor", DType::F32).output("out").output("scales_out"))
        .expect("the definition is valid")
});

const THREADS: usize = 256;
/// Values of a thread where words are read, four at a time.
const VALUES: usize = 64;

pub(super) fn requantize(
    stream: &Stream,
    values: &Tensor,
    scales: &Tensor,
    n: usize,
    shape: &[usize],
) -> Result<(Tensor, Tensor)> {
    let bytes: usize = shape.iter().product();
    if u32::try_from(values.elements()).is_err() {
        return Err(Error::shape(NAME, "values", "fewer than 2^32 elements on a GPU", values.shape()));
    }
    if bytes == 0 && scales.is_empty() {
        return Ok((
            Tensor::empty(stream, DType::U8, shape)?,
            Tensor::empty(stream, DType::F32, scales.shape())?,
        ));
    }
    // A strided tensor is copied first, to a place of its own.
    let aligned = !values.is_contiguous() || values.layout().offset().is_multiple_of(16);
    let words = n.is_multiple_of(2) && values.elements().is_multiple_of(16) && aligned;
    let (pieces, threads) = match words {
        true => (values.elements() / 16, values.elements().div_ceil(VALUES)),
        false => (bytes, bytes),
    };
    let outputs = PROGRAM
        .launch(stream)
        .template("WORDS", words)
        .input("values", values)
        .input("scales", scales)
        .scalar("n", n as u32)
        .scalar("width", n.div_ceil(2).max(1) as u32)
        .scalar("pieces", pieces as u32)
        .scalar("blocks", scales.elements() as u32)
        .scalar("factor", FACTOR)
        .output("out", DType::U8, shape)
        .output("scales_out", DType::F32, scales.shape())
        .grid(Grid::groups([threads.div_ceil(THREADS).max(1), 1, 1]), [THREADS, 1, 1])
        .run()?;
    Ok(outputs.try_into().map(|[out, scales]: [Tensor; 2]| (out, scales)).expect("two outputs are declared"))
}
