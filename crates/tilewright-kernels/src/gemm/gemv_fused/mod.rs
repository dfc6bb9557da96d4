//! Linear maps of one vector, with the norm before them and the activation after them: what a model that writes token by token does between two
//! of its states, in one launch.
//!
//! # Math
//! ```text
//! z     = x                                        nothing before
//!       = x r w,  r = (mean(x^2) + eps)^-1/2       RmsNorm
//!       = sigma(gate) (x - mean(x)) r w            GatedHeads, each head by itself: r = (mean((x - mean(x))^2) + eps)^-1/2
//! y_j   = W_j z
//! out   = y_1 .. y_n one after another             nothing after
//!       = y + plus                                 Plus
//!       = silu(y_1) y_2                            Glu, of two maps
//!       = cap tanh(y / cap)                        Cap
//! gates = G_j z + b_j one after another
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[k]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | norm's weight | `[k]`, of heads `[nh, k / nh]` | any strides | as x |
//! | gate | `[k]` | any strides | as x |
//! | maps `W_j` | `[n_j, k]`, 1 to 4 of them | any strides, row-major without a copy | as x |
//! | gates `G_j` and `b_j` | `[m_j, k]` and `[m_j]`, up to 2 of them | as the maps | as x |
//! | plus | `[n]` | any strides | as x |
//! | out | `[n]`, the sum of all `n_j`; of Glu one of them | row-major | `out_dtype`: that of x by default; f32 beside f16 and bf16 |
//! | gates | `[m]`, the sum of all `m_j` | row-major | f32; f64 beside f64 |
//!
//! # Numerics
//! Moments, sums and what follows them are f32 (f64 for f64). z is rounded to the dtype of x, as the norm by itself rounds it, and of heads once more before
//! the gate; `out` and `gates` are rounded once. The order of a sum is the same in every run. The tolerance: the roundings of z, times the magnitudes of the
//! weights that they meet; k roundings of each product; and those after the sum.
//!
//! # Constraints
//! Any extents, 0 included, below 2^31 - 1 on a GPU, where f64 is refused, and where a z that is not x must fit the memory of a group of threads, which is
//! 32 KiB at least: [`fits`] tells.
//!
//! # Sources
//! Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467; Shazeer, GLU Variants Improve Transformer, arXiv 2002.05202; Beck et al.,
//! xLSTM 7B, arXiv 2503.13427, section 3: the block whose maps these are.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::gemm::{Before, FusedMaps, gemv_fused};
//!
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [2])?;
//! let w = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 1.0], [2, 2])?;
//! let ones = Tensor::from_vec(vec![1.0f32, 1.0], [2])?;
//! let before = Before::RmsNorm { weight: &ones, eps: 0.0 };
//! let made = gemv_fused(&Stream::cpu(), &FusedMaps { before, ..FusedMaps::of(&x, &[&w]) })?;
//! assert!((made.out.to_vec::<f32>()?[0] - 3.0 / 12.5f32.sqrt()).abs() < 1e-6);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::product::{DTYPES, accumulator, output_dtype};
use crate::arguments::{check_device, check_same_dtype, check_tensor, only_variant};

const NAME: &str = "gemv_fused";
/// Maps, and gates, at most.
const MAPS: usize = 4;
const GATES: usize = 2;

/// What is done to the vector before it is mapped.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// Nothing.
    Nothing,
    /// An RMS norm.
    RmsNorm {
        /// `[k]`
        weight: &'a Tensor,
        /// Added to the mean square; finite and >= 0.
        eps: f64,
    },
    /// A layer norm of each head, then a gate.
    GatedHeads {
        /// `[nh, k / nh]`
        weight: &'a Tensor,
        /// Pre-activations of the gate, `[k]`.
        gate: &'a Tensor,
        /// Added to the mean square; finite and >= 0.
        eps: f64,
    },
}

/// What is done to the products.
#[derive(Debug, Clone, Copy)]
pub enum After<'a> {
    /// Nothing.
    Nothing,
    /// This is added, `[n]`.
    Plus(&'a Tensor),
    /// The first of two maps, through silu, lets the second through.
    Glu,
    /// They are limited to `cap tanh(y / cap)`; finite and > 0.
    Cap(f64),
}

/// What [`gemv_fused()`] computes.
#[derive(Debug, Clone, Copy)]
pub struct FusedMaps<'a> {
    /// The vector, `[k]`.
    pub x: &'a Tensor,
    /// Before the maps.
    pub before: Before<'a>,
    /// `[n_j, k]`, 1 to 4.
    pub maps: &'a [&'a Tensor],
    /// Up to 2 maps `[m_j, k]` with their biases `[m_j]`, whose results are of the dtype of sums.
    pub gates: &'a [(&'a Tensor, &'a Tensor)],
    /// After the maps.
    pub after: After<'a>,
    /// The dtype of `out`; `None` is that of x.
    pub out_dtype: Option<DType>,
}

impl<'a> FusedMaps<'a> {
    /// Maps of a vector and nothing else.
    pub fn of(x: &'a Tensor, maps: &'a [&'a Tensor]) -> Self {
        let (before, after) = (Before::Nothing, After::Nothing);
        FusedMaps { x, before, maps, gates: &[], after, out_dtype: None }
    }
}

/// What [`gemv_fused()`] makes.
#[derive(Debug, Clone)]
pub struct Fused {
    /// Of the maps, one after another.
    pub out: Tensor,
    /// Of the gates, one after another.
    pub gates: Tensor,
}

/// What is computed, once the arguments have been checked.
struct Problem<'a> {
    given: &'a FusedMaps<'a>,
    k: usize,
    /// Heads of the norm before.
    heads: usize,
    eps: f64,
    /// Of `out` and of `gates`.
    lengths: [usize; 2],
    out: DType,
}

/// Whether a vector of k elements can have a norm before its maps on this device.
///
/// # Errors
/// A device that is not there.
pub fn fits(device: Device, k: usize, dtype: DType) -> Result<bool> {
    match device {
        Device::Cpu => Ok(true),
        _ => gpu::fits(device, k, dtype),
    }
}

/// The maps of a vector; see the [module](self) for what each argument does.
///
/// # Errors
/// Each names the argument: shapes, dtypes or devices that do not fit together; too few or too many maps; eps or cap out of range; f64 on a GPU, or a normed
/// vector that does not fit there.
pub fn gemv_fused(stream: &Stream, maps: &FusedMaps<'_>) -> Result<Fused> {
    let problem = check(stream, maps)?;
    match stream.device() {
        Device::Cpu => cpu::gemv_fused(stream, &problem),
        _ => gpu::gemv_fused(stream, &problem),
    }
}

fn variants(device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        return Err(Error::unsupported(
            NAME,
            device,
            "the portable body computes in f32; f64 runs on the CPU",
        ));
    }
    Ok(vec![only_variant(device)])
}

fn check<'a>(stream: &Stream, given: &'a FusedMaps<'a>) -> Result<Problem<'a>> {
    let x = given.x;
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    variants(stream.device(), x.dtype())?;
    let &[k] = x.dims() else { return Err(Error::shape(NAME, "x", "[k]", x.shape())) };
    let one = |argument: &'static str, tensor: &Tensor, shape: &[usize]| {
        check_device(NAME, argument, stream, tensor)?;
        check_same_dtype(NAME, argument, tensor, x)?;
        if tensor.dims() != shape {
            return Err(Error::shape(NAME, argument, format!("{shape:?}"), tensor.shape()));
        }
        Ok(())
    };
    let rows = |argument: &'static str, tensor: &Tensor| match *tensor.dims() {
        [rows, _] => one(argument, tensor, &[rows, k]).map(|()| rows),
        _ => Err(Error::shape(NAME, argument, format!("[n, {k}]"), tensor.shape())),
    };
    let (heads, eps) = match given.before {
        Before::Nothing => (1, 0.0),
        Before::RmsNorm { weight, eps } => {
            one("weight", weight, &[k])?;
            (1, eps)
        }
        Before::GatedHeads { weight, gate, eps } => {
            let heads = weight.dims().first().copied().unwrap_or(0);
            if weight.rank() != 2 || weight.elements() != k || heads == 0 {
                return Err(Error::shape(NAME, "weight", format!("[nh, {k} / nh]"), weight.shape()));
            }
            one("weight", weight, &[heads, k / heads])?;
            one("gate", gate, &[k])?;
            (heads, eps)
        }
    };
    if !((eps as f32).is_finite() && eps >= 0.0) {
        return Err(Error::range(NAME, "eps", "a finite number >= 0", eps));
    }
    if !(1..=MAPS).contains(&given.maps.len()) {
        return Err(Error::range(NAME, "maps", format!("1 to {MAPS}"), given.maps.len()));
    }
    if given.gates.len() > GATES {
        return Err(Error::range(NAME, "gates", format!("at most {GATES}"), given.gates.len()));
    }
    let mut lengths = [0; 2];
    for map in given.maps {
        lengths[0] += rows("maps", map)?;
    }
    for (gate, bias) in given.gates {
        let own = rows("gates", gate)?;
        one("bias", bias, &[own])?;
        lengths[1] += own;
    }
    match given.after {
        After::Nothing => {}
        After::Plus(plus) => one("plus", plus, &lengths[..1])?,
        After::Cap(cap) if !((cap as f32).is_finite() && cap as f32 > 0.0) => {
            return Err(Error::range(NAME, "cap", "a finite number > 0", cap));
        }
        After::Cap(_) => {}
        After::Glu => match given.maps {
            [one, other] if one.dims() == other.dims() => lengths[0] = one.dims()[0],
            _ => {
                return Err(Error::range(
                    NAME,
                    "maps",
                    "two of one shape, as Glu takes them",
                    given.maps.len(),
                ));
            }
        },
    }
    let out = output_dtype(NAME, x.dtype(), given.out_dtype)?;
    Ok(Problem { given, k, heads, eps, lengths, out })
}

impl Problem<'_> {
    fn sums(&self) -> DType {
        accumulator(self.given.x.dtype())
    }
}
