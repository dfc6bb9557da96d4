//! Arithmetic with twice the digits: numbers held as the sum of two floats, on every device, those without f64 among them.
//!
//! | kernel | |
//! |---|---|
//! | [`extended_axpy()`] | `alpha x + y` |
//! | [`extended_dot()`] | the sum of products along the last axis |
//! | [`extended_matmul()`] | `a b` |
//! | [`extended_sum()`] | the sum along the last axis |
//!
//! An operand is one tensor, or a high and a low one whose sum it is; a result always is such a [`Pair`]. Two f32 hold 48 bits, with f32's range of
//! exponents; two f64 106 bits, on the CPU and CUDA. Sums are by TwoSum, products by one fma, in code that is compiled without reordering and without
//! fusing what is not to be fused: reordered, the errors that these kernels live on would be computed as zeros, and the judges refuse that.

pub mod extended_axpy;
pub mod extended_dot;
pub mod extended_matmul;
pub mod extended_sum;

mod evidence;
mod exact;
mod number;
mod rows;

pub use extended_axpy::{ExtendedAxpy, extended_axpy};
pub use extended_dot::extended_dot;
pub use extended_matmul::extended_matmul;
pub use extended_sum::extended_sum;

use number::{Number, Twofold, with_number};
use tilewright_core::{DType, Error, Result, Stream, Tensor};

use crate::arguments::{check_f64, check_same_dtype, check_tensor};

/// Dtypes of the family: of each of the two parts.
const DTYPES: &[DType] = &[DType::F32, DType::F64];

/// Twofold arithmetic for bodies.
const TWOFOLD: &str = include_str!("twofold.header.metal");

/// Numbers to compute with: `high`, or `high + low`.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// The numbers, or what of them one float holds.
    pub high: &'a Tensor,
    /// The rest: of the same shape, at most half a unit in the last place of `high` each. `None`: zeros.
    pub low: Option<&'a Tensor>,
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(high: &'a Tensor) -> Self {
        Operand { high, low: None }
    }
}

impl<'a> From<&'a Pair> for Operand<'a> {
    fn from(pair: &'a Pair) -> Self {
        Operand { high: &pair.high, low: Some(&pair.low) }
    }
}

/// Numbers that are each the sum of two floats.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The numbers, rounded.
    pub high: Tensor,
    /// What rounding took away.
    pub low: Tensor,
}

impl Pair {
    /// The numbers in f64, which holds all of what two f32 do but the last few bits where they lie far apart. Waits for the device.
    ///
    /// # Errors
    /// What the device says when it is waited for.
    pub fn to_f64_vec(&self) -> Result<Vec<f64>> {
        let low = self.low.to_f64_vec()?;
        Ok(self.high.to_f64_vec()?.into_iter().zip(low).map(|(high, low)| high + low).collect())
    }
}

/// Refuses operands that do not lie on the stream's device or are not of the family's dtypes, or parts that do not fit.
fn check_operand(
    operation: &'static str,
    stream: &Stream,
    names: [&'static str; 2],
    x: Operand<'_>,
) -> Result<()> {
    check_tensor(operation, names[0], stream, x.high, DTYPES)?;
    check_f64(operation, stream.device(), x.high.dtype())?;
    let Some(low) = x.low else { return Ok(()) };
    check_tensor(operation, names[1], stream, low, DTYPES)?;
    check_same_dtype(operation, names[1], low, x.high)?;
    if low.dims() != x.high.dims() {
        return Err(Error::shape(operation, names[1], x.high.shape().to_string(), low.shape()));
    }
    Ok(())
}

/// The numbers as two tensors.
fn pair<T: Number>(numbers: &[Twofold<T>], shape: &[usize]) -> Result<Pair> {
    Ok(Pair {
        high: Tensor::from_vec(numbers.iter().map(|x| x.high).collect::<Vec<T>>(), shape)?,
        low: Tensor::from_vec(numbers.iter().map(|x| x.low).collect::<Vec<T>>(), shape)?,
    })
}
