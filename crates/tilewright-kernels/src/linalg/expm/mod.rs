//! The exponential of a matrix.
//!
//! # Math
//!
//! ```text
//! exp(a) = 1 + a + a²/2 + a³/6 + ..  =  (exp(a / 2^s))^(2^s)
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `out` | `[.., n, n]` | that of `a` |
//!
//! # Numerics
//!
//! In f32 (f64 for f64), rounded once at the end. Each matrix is halved until its 1-norm is at most 5.37, where the quotient of two polynomials of degree 13
//! is its exponential to the last bit of f64, and squared as often. Errors are small beside `n eps |exp(a)| (1 + |a|)` for matrices near normal ones; of others
//! the powers may be far larger than the last of them, and so may errors. Where the exponential leaves the range it is infinite or NaN; of a NaN it is
//! NaN. Judged by Taylor's series in f64. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. As [`solve()`](crate::linalg::solve()), up to n = 16,384 on a GPU.
//! - Waits for the device once, to learn the norms.
//!
//! # Sources
//!
//! Higham, "The scaling and squaring method for the matrix exponential revisited" (2005), algorithm 2.3, with degree 13 throughout.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::expm;
//!
//! // A rotation by one radian.
//! let a = Tensor::from_vec(vec![0.0f64, -1.0, 1.0, 0.0], [2, 2])?;
//! let turn = expm(&Stream::cpu(), &a)?.to_vec::<f64>()?;
//! assert!((turn[0] - 1f64.cos()).abs() < 1e-15 && (turn[2] - 1f64.sin()).abs() < 1e-15);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::Extents;
use super::{Norm, Order, lu, norm, solve};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "expm";

/// The 1-norm up to which the quotient is exact to f64's unit roundoff.
const FAR: f64 = 5.371920351148152;

/// The numerator's coefficients, over the first.
const WEIGHTS: [f64; 14] = [
    1.0,
    32382376266240000.0 / FIRST,
    7771770303897600.0 / FIRST,
    1187353796428800.0 / FIRST,
    129060195264000.0 / FIRST,
    10559470521600.0 / FIRST,
    670442572800.0 / FIRST,
    33522128640.0 / FIRST,
    1323241920.0 / FIRST,
    40840800.0 / FIRST,
    960960.0 / FIRST,
    16380.0 / FIRST,
    182.0 / FIRST,
    1.0 / FIRST,
];
const FIRST: f64 = 64764752532480000.0;

/// The exponential of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices; another dtype than listed; another device than the stream's; what [`solve()`](crate::linalg::solve()) cannot do.
pub fn expm(stream: &Stream, a: &Tensor) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    lu::check(NAME, stream.device(), a.dtype(), extents.n)?;
    if a.is_empty() {
        return Tensor::empty(stream, a.dtype(), a.shape());
    }
    let (wide, n, dtype) = (widened(stream, a)?, extents.n, a.dtype());
    let one = Norm { order: Some(Order::P(1.0)), axes: Some(vec![-2, -1]), ..Norm::default() };
    let norms = norm(stream, &wide, &one)?.to_f64_vec()?;
    // How often each is halved. Beyond the range of exponents a matrix has no finite exponential, nor has NaN.
    let halvings = |norm: &f64| if norm.is_finite() { (norm / FAR).log2().ceil().max(0.0) } else { 0.0 };
    let counts: Vec<f64> = norms.iter().map(halvings).collect();
    let rows = |of: &dyn Fn(f64) -> f64| {
        let values: Vec<f64> = counts.iter().flat_map(|&count| vec![of(count); n]).collect();
        Tensor::from_f64(&values, wide.dtype(), extents.shape(&[n]))?.to(stream)
    };
    // In two steps, as the power alone may be below the normal range.
    let half = elementwise(stream, &wide, Step::RowsTimes(&rows(&|count| (-(count / 2.0).floor()).exp2())?))?;
    let a = elementwise(stream, &half, Step::RowsTimes(&rows(&|count| (-(count / 2.0).ceil()).exp2())?))?;
    let mut result = quotient(stream, &a)?;
    let (most, counted) = (counts.iter().copied().fold(0.0, f64::max) as i32, rows(&|count| count)?);
    for done in 0..most {
        let square = matmul(stream, &result, &result, None, &Matmul::default())?;
        result = elementwise(stream, &result, Step::Instead { s: &counted, above: done, z: &square })?;
    }
    narrowed(stream, result, dtype)
}

/// The exponentials of matrices that are small enough: p(a) / p(-a), where p(a) = v + u with v of the even powers and u of the odd ones.
fn quotient(stream: &Stream, a: &Tensor) -> Result<Tensor> {
    let combined = |[x, y, z]: [&Tensor; 3], weights: [f64; 4]| {
        let weights = Tensor::from_f64(&weights, a.dtype(), [4])?.to(stream)?;
        elementwise(stream, x, Step::Combined { weights: &weights, y, z })
    };
    let times = |x: &Tensor, y: &Tensor| matmul(stream, x, y, None, &Matmul::default());
    let plus = |x: &Tensor, y: &Tensor, z: &Tensor| {
        matmul(stream, x, y, Some(z), &Matmul { beta: 1.0, ..Matmul::default() })
    };
    let w = WEIGHTS;
    let second = times(a, a)?;
    let fourth = times(&second, &second)?;
    let sixth = times(&second, &fourth)?;
    let powers = [&second, &fourth, &sixth];
    // Of the powers 6 higher than they stand, and as they stand.
    let odd = plus(
        &sixth,
        &combined(powers, [w[9], w[11], w[13], 0.0])?,
        &combined(powers, [w[3], w[5], w[7], w[1]])?,
    )?;
    let even = plus(
        &sixth,
        &combined(powers, [w[8], w[10], w[12], 0.0])?,
        &combined(powers, [w[2], w[4], w[6], w[0]])?,
    )?;
    let odd = times(a, &odd)?;
    let below = combined([&odd, &even, a], [-1.0, 1.0, 0.0, 0.0])?;
    let above = combined([&odd, &even, a], [1.0, 1.0, 0.0, 0.0])?;
    Ok(solve(stream, &below, &above)?.x)
}
