//! The polar decomposition, of matrices of any condition and rank.
//!
//! # Math
//!
//! ```text
//! a = u h        uᵀ u = 1 (u uᵀ = 1 where m < n), h = hᵀ >= 0
//! x' = (b / c) x + (a - b / c) x (1 + c xᵀ x)^-1        towards u, six times, with the best a, b, c for each step
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `u` | `[.., m, n]`: the orthogonal matrix nearest to `a` | that of `a` |
//! | `h` | `[.., n, n]`: symmetric to the last bit, of `a`'s singular values | that of `a` |
//!
//! Of a matrix with a NaN or an infinity both are NaN throughout.
//!
//! # Numerics
//!
//! In f32 (f64 for f64), on the matrix over its Frobenius norm: QDWH, a rational iteration whose weights are known beforehand for all singular values down to
//! the roundings', so that it takes the same steps for each matrix and waits for nothing. Steps of large c are a QR decomposition of `[x; 1 / root(c)]`,
//! the others a Cholesky factorization. `a` is moved first by random numbers, always the same ones, of 4 roundings of its norm: so directions in which it
//! is zero have a u too, and u is orthogonal to rounding whatever the rank; there it is one of many. Judged by `|a - u h| / (max(m, n) |a| eps)`, `|1 - uᵀ u| / (max(m, n) eps)` and the
//! lowest eigenvalue of h, `-l / (n |a| eps)`, under 30. Deterministic.
//!
//! # Constraints
//!
//! As [`qr()`](crate::linalg::qr()) of m + n rows and min(m, n) columns.
//!
//! # Sources
//!
//! Nakatsukasa, Bai, Gygi, "Optimizing Halley's iteration for computing the matrix polar decomposition" (2010); Nakatsukasa, Higham, "Backward stability of
//! iterations for computing the polar decomposition" (2012).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::polar;
//!
//! let a = Tensor::from_vec(vec![0.0f64, -3.0, 2.0, 0.0], [2, 2])?;
//! let factors = polar(&Stream::cpu(), &a)?;
//! let near = |x: Vec<f64>, y: [f64; 4]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
//! assert!(near(factors.u.to_vec()?, [0.0, -1.0, 1.0, 0.0]));
//! assert!(near(factors.h.to_vec()?, [2.0, 0.0, 0.0, 3.0]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::beside::beside;
use super::convert::{narrowed, widened, working};
use super::elementwise::{Step, elementwise};
use super::extents::Extents;
use super::host::with_real;
use super::normals::normals;
use super::placed::identity;
use super::qr;
use super::{Cholesky, CholeskySolve, Norm, Qr, QrMode, cholesky, cholesky_solve, norm};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "polar";

/// The result of [`polar()`].
#[derive(Debug, Clone)]
pub struct PolarFactors {
    /// Orthonormal columns, or rows where there are fewer.
    pub u: Tensor,
    /// Symmetric, with no eigenvalue below zero.
    pub h: Tensor,
}

/// Roundings of the norm that the matrix is moved by: enough to move elements that are of its size.
const MOVED: f64 = 4.0;

/// The part of the movement that is taken for the least singular value: of a random matrix less is left once in ten thousand times.
const LEAST: f64 = 1e-4;

/// Beyond it a step by Cholesky's factors would lose digits.
const LARGE: f64 = 100.0;

/// The weights of a step.
struct Weights {
    a: f64,
    b: f64,
    c: f64,
}

/// Those of each step, for singular values from `least` to 1: the best there are for an interval, which they map to a smaller one up to 1.
fn schedule(least: f64) -> Vec<Weights> {
    let (mut l, mut steps) = (least, Vec::new());
    while 1.0 - l > f64::EPSILON {
        let square = l * l;
        let d = (4.0 * (1.0 - square) / (square * square)).cbrt();
        let root = (1.0 + d).sqrt();
        let a = root + 0.5 * (8.0 - 4.0 * d + 8.0 * (2.0 - square) / (square * root)).sqrt();
        let b = (a - 1.0).powi(2) / 4.0;
        let c = a + b - 1.0;
        l = (l * (a + b * square) / (1.0 + c * square)).min(1.0);
        steps.push(Weights { a, b, c });
    }
    steps
}

/// Says why a device cannot decompose such matrices.
fn check(device: Device, dtype: DType, extents: &Extents) -> Result<()> {
    let &Extents { ref batch, m, n } = extents;
    let stacked = Extents { batch: batch.clone(), m: m + n, n: m.min(n) };
    qr::check(NAME, device, dtype, &stacked, QrMode::Reduced)
}

/// The polar factors of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; what the device cannot do, see the constraints.
pub fn polar(stream: &Stream, a: &Tensor) -> Result<PolarFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    check(stream.device(), a.dtype(), &extents)?;
    let square = extents.shape(&[extents.n, extents.n]);
    if a.is_empty() {
        let h = Tensor::zeros(a.dtype(), square)?.to(stream)?;
        return Ok(PolarFactors { u: Tensor::empty(stream, a.dtype(), a.shape())?, h });
    }
    let wide = widened(stream, a)?;
    let u = if extents.m < extents.n {
        orthogonal(stream, &wide.transpose()?)?.transpose()?
    } else {
        orthogonal(stream, &wide)?
    };
    let product = matmul(stream, &u, &wide, None, &Matmul { transpose_a: true, ..Matmul::default() })?;
    let h = elementwise(stream, &product, Step::Symmetric)?;
    Ok(PolarFactors { u: narrowed(stream, u, a.dtype())?, h: narrowed(stream, h, a.dtype())? })
}

/// u, of at least as many rows as columns.
fn orthogonal(stream: &Stream, a: &Tensor) -> Result<Tensor> {
    let &[ref batch @ .., m, n] = a.dims() else { unreachable!("checked before") };
    let dtype = working(a.dtype());
    let size = Norm { axes: Some(vec![-2, -1]), ..Norm::default() };
    let size = norm(stream, a, &size).map_err(|error| error.within(NAME))?;
    let noise = normals(stream, 0, dtype, &[m, n])?;
    let by = MOVED * dtype.unit_roundoff();
    let noise_size = (m as f64).sqrt() + (n as f64).sqrt();
    let mut x = match stream.device() {
        Device::Cpu => with_real!(dtype, T => cpu::start::<T>(a, &size, &noise, by / noise_size)?),
        _ => gpu::start(stream, a, &size, &noise, by / noise_size)?,
    };
    let one = identity(stream, dtype, n, 1.0)?;
    for Weights { a, b, c } in schedule(LEAST * by / (m + n) as f64) {
        x = if c > LARGE {
            let below = identity(stream, dtype, n, 1.0 / c.sqrt())?.reshape([n * n])?;
            let below = below.broadcast_to([batch, &[n * n]].concat())?;
            let stacked = beside(stream, &x.reshape([batch, &[m * n]].concat())?, &below)?;
            let stacked = stacked.reshape([batch, &[m + n, n]].concat())?;
            let q = qr(stream, &stacked, &Qr::default())?.q.expect("reduced factors have it");
            let (upper, lower) = (q.slice(batch.len(), 0..m)?, q.slice(batch.len(), m..m + n)?);
            let more =
                Matmul { transpose_b: true, alpha: (a - b / c) / c.sqrt(), beta: b / c, ..Matmul::default() };
            matmul(stream, &upper, &lower, Some(&x), &more)?
        } else {
            let gram = Matmul { transpose_a: true, alpha: c, beta: 1.0, ..Matmul::default() };
            let z = matmul(stream, &x, &x, Some(&one), &gram)?;
            let factor = cholesky(stream, &z, &Cholesky::default())?.factor;
            let turned = cholesky_solve(stream, &factor, &x.transpose()?, &CholeskySolve::default())?;
            let weights = Tensor::from_f64(&[b / c, a - b / c, 0.0, 0.0], dtype, [4])?.to(stream)?;
            let step = Step::Combined { weights: &weights, y: &turned.transpose()?, z: &x };
            elementwise(stream, &x, step)?
        };
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_steps_reach_one_from_anywhere() {
        for least in [0.5, 1e-3, 1e-8, 1e-16, 1e-24] {
            let steps = schedule(least);
            assert!(steps.len() <= 8, "{least} {}", steps.len());
            for start in [least, 3.0 * least, least.sqrt(), 0.9, 1.0] {
                let step = |x: f64, w: &Weights| x * (w.a + w.b * x * x) / (1.0 + w.c * x * x);
                let end = steps.iter().fold(start.clamp(least, 1.0), step);
                assert!((end - 1.0).abs() < 1e-13, "{least} {start} {end}");
            }
        }
    }
}
