//! Elements that stay, or take a place, beside zeros, of any dtype: triangles and diagonals.

use std::sync::LazyLock;

use rayon::prelude::*;
use tilewright_core::{Args, DType, Device, Error, Result, Stream, Tensor, with_element};
use tilewright_gpu::{Definition, Grid, Program};

use crate::arguments::{check_f64, check_tensor};
use crate::parallel::Each;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_placed", include_str!("placed.metal")).template("W").input("x");
    let definition = definition.scalar("m", DType::U32).scalar("n", DType::U32).scalar("kind", DType::U32);
    Program::new(definition.scalar("offset", DType::I32).output("out")).expect("the definition is valid")
});

/// Which elements there are; the others are zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Those on and below a diagonal.
    Lower,
    /// Those on and above it.
    Upper,
    /// Those of a vector, on it.
    Diagonal,
}

/// Where element (i, j) of a result of n columns comes from, within a matrix or vector; `None` is zero.
#[inline]
fn source(place: Place, offset: i64, n: usize, i: usize, j: usize) -> Option<usize> {
    let across = j as i64 - i as i64;
    match place {
        Place::Lower => (across <= offset).then_some(i * n + j),
        Place::Upper => (across >= offset).then_some(i * n + j),
        Place::Diagonal => (across == offset).then_some(i.min(j)),
    }
}

/// The matrices `[.., m, n]` of `x`: of that shape, or vectors `[.., k]` for [`Place::Diagonal`].
pub(super) fn placed(
    operation: &'static str,
    stream: &Stream,
    x: &Tensor,
    place: Place,
    offset: i64,
) -> Result<Tensor> {
    check_tensor(operation, "x", stream, x, &DType::ALL)?;
    check_f64(operation, stream.device(), x.dtype())?;
    let (shape, length) = match (place, x.dims()) {
        (Place::Diagonal, &[ref batch @ .., length]) => {
            let far = usize::try_from(offset.unsigned_abs()).ok().filter(|&far| far <= i32::MAX as usize);
            let far = far.ok_or_else(|| Error::range(operation, "offset", "32 bits", offset))?;
            let n = length + far;
            ([batch, &[n, n]].concat(), length)
        }
        (Place::Diagonal, _) => return Err(Error::shape(operation, "x", "[.., k]", x.shape())),
        (_, dims @ &[.., m, n]) => (dims.to_vec(), m * n),
        _ => return Err(Error::shape(operation, "x", "[.., m, n]", x.shape())),
    };
    let &[.., m, n] = &shape[..] else { unreachable!("results are matrices") };
    let elements = shape.iter().try_fold(1usize, |all, &extent| all.checked_mul(extent));
    if elements.is_none_or(|elements| u32::try_from(elements).is_err() && stream.device() != Device::Cpu) {
        return Err(Error::unsupported(operation, stream.device(), "more than 2^32 elements"));
    }
    if shape.contains(&0) {
        return Tensor::empty(stream, x.dtype(), shape);
    }
    // Beyond the corners nothing changes any more.
    let offset = offset.clamp(-(m as i64) - n as i64, m as i64 + n as i64);
    if stream.device() != Device::Cpu {
        return on_the_device(stream, x, place, offset as i32, &shape);
    }
    with_element!(x.dtype(), T => {
        let from = x.to_vec::<T>()?;
        let mut out = vec![bytemuck::Zeroable::zeroed(); elements.expect("counted before")];
        out.par_chunks_mut(n).enumerate().with_min_len((1 << 14) / n + 1).each(&|(row, out)| {
            let (item, i) = (row / m, row % m);
            for (j, out) in out.iter_mut().enumerate() {
                if let Some(at) = source(place, offset, n, i, j) {
                    *out = from[item * length + at];
                }
            }
        });
        Tensor::from_vec::<T>(out, shape)
    })
}

fn on_the_device(stream: &Stream, x: &Tensor, place: Place, offset: i32, shape: &[usize]) -> Result<Tensor> {
    let &[.., m, n] = shape else { unreachable!("results are matrices") };
    // A vector without elements has no memory to read.
    if x.is_empty() {
        return Tensor::zeros(x.dtype(), shape)?.to(stream);
    }
    let word = match x.dtype().size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    };
    PROGRAM
        .launch(stream)
        .template("W", word)
        .input("x", x)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("kind", place as u32)
        .scalar("offset", offset)
        .output("out", x.dtype(), shape)
        .grid(Grid::threads([shape.iter().product(), 1, 1]), [256, 1, 1])
        .run_one()
}

/// The argument `offset`, which may be below zero.
pub(super) fn offset(operation: &'static str, args: &Args) -> Result<i64> {
    let Some(value) = args.get("offset") else { return Ok(0) };
    let text = value.to_string();
    text.parse().map_err(|_| Error::range(operation, "offset", "a whole number", text))
}

/// n x n, zeros beside this diagonal, from the host.
pub(super) fn identity(stream: &Stream, dtype: DType, n: usize, diagonal: f64) -> Result<Tensor> {
    let element = |e: usize| if e / n == e % n { diagonal } else { 0.0 };
    Tensor::from_f64(&(0..n * n).map(element).collect::<Vec<_>>(), dtype, [n, n])?.to(stream)
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for (dtype, word) in [(Bool, U8), (F8E4M3, U8), (Bf16, U16), (F32, U32), (I64, U64), (F64, U64)] {
            compiles(&PROGRAM, &[word.into()], &[dtype; 2]);
        }
    }
}
