//! Powers of matrices with whole exponents.
//!
//! # Math
//!
//! ```text
//! a^p = a a .. a,   a^0 = 1,   a^-p = (a^-1)^p
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
//! Products of squares, `2 log2 p` at most, in f32 (f64 for f64), rounded once at the end: off by a small multiple of `n p` roundings relative to `|a|^p`; for negative
//! exponents after [`inverse()`](crate::linalg::inverse()). A singular matrix has negative powers of NaN. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Negative exponents: as [`inverse()`](crate::linalg::inverse()).
//!
//! # Sources
//!
//! NumPy's `linalg.matrix_power`; powers by squaring, Knuth, "The Art of Computer Programming", 4.6.3, algorithm A.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{MatrixPower, matrix_power};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 1.0, 1.0, 0.0], [2, 2])?;
//! let tenth = matrix_power(&Stream::cpu(), &a, &MatrixPower { exponent: 10 })?;
//! assert_eq!(tenth.to_vec::<f32>()?, [89.0, 55.0, 55.0, 34.0]); // Fibonacci's
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{dense, narrowed, widened};
use super::extents::Extents;
use super::inverse;
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "matrix_power";

/// The arguments of [`matrix_power()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixPower {
    /// The exponent. Default: 1.
    pub exponent: i64,
}

impl Default for MatrixPower {
    fn default() -> Self {
        MatrixPower { exponent: 1 }
    }
}

/// The power of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices; another dtype than listed; another device than the stream's; f64 where kernels are Metal; for negative exponents what
/// [`inverse()`](crate::linalg::inverse()) cannot do.
pub fn matrix_power(stream: &Stream, a: &Tensor, args: &MatrixPower) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let n = extents.n;
    if args.exponent == 0 {
        let one = |e: usize| f64::from(u8::from(e / n == e % n));
        let values: Vec<f64> = (0..a.elements()).map(|e| one(e % (n * n))).collect();
        return Tensor::from_f64(&values, a.dtype(), a.dims())?.to(stream);
    }
    let wide = widened(stream, a)?;
    let mut square = match args.exponent {
        ..0 => inverse(stream, &wide).map_err(|error| error.within(NAME))?.x,
        _ => wide,
    };
    let mut left = args.exponent.unsigned_abs();
    let mut power: Option<Tensor> = None;
    loop {
        if left & 1 == 1 {
            power = Some(match power {
                Some(power) => matmul(stream, &power, &square, None, &Matmul::default())?,
                None => square.clone(),
            });
        }
        left >>= 1;
        if left == 0 {
            break;
        }
        square = matmul(stream, &square, &square, None, &Matmul::default())?;
    }
    let power = power.expect("an exponent that is not 0 has a bit");
    narrowed(stream, dense(stream, &power)?, a.dtype())
}
