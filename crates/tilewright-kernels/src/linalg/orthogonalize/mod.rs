//! The orthogonal factor of a matrix, by products alone.
//!
//! # Math
//!
//! ```text
//! x = a / |a|, then each step:  g = x xᵀ,  x = (c1 + c3 g + c5 g²) x        towards u vᵀ of a = u s vᵀ
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, bf16, f16 |
//! | `x` | `[.., m, n]` | that of `a` |
//!
//! # Numerics
//!
//! `a` is divided by its Frobenius norm, so that all singular values are at most 1, and so stays a matrix of zeros. `muon`: five steps of one quintic
//! bring those above 0.005 between 0.68 and 1.14, no nearer to 1: what an optimiser needs. `polar_express`: coefficients of their own for each of
//! eight steps, the best there are for values above 0.001; after eight, those are within 0.01 of 1. Products are in the dtype of `a`, summed in
//! f32 (f64 for f64). Judged in f64 by the same steps: off by at most the roundings of `6 steps` products, each of which later steps enlarge as
//! they do small values. Deterministic.
//!
//! # Constraints
//!
//! As [`matmul()`](crate::gemm::matmul()).
//!
//! # Sources
//!
//! Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); Amsel, Persson, Musco and Gower, "The Polar Express:
//! optimal matrix sign methods and their application to the Muon algorithm" (2025), algorithm 1; Higham, "Functions of Matrices", chapter 8.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{NewtonSchulz, Orthogonalize, orthogonalize};
//!
//! let a = Tensor::from_vec(vec![0.0f32, 3.0, -2.0, 0.0], [2, 2])?;
//! let args = Orthogonalize { method: NewtonSchulz::PolarExpress, steps: 8 };
//! let x = orthogonalize(&Stream::cpu(), &a, &args)?.to_vec::<f32>()?;
//! assert!((x[1] - 1.0).abs() < 0.01 && (x[2] + 1.0).abs() < 0.01);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use std::str::FromStr;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::convert::widened;
use super::extents::Extents;
use super::host::with_real;
use super::{Norm, norm};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "orthogonalize";

/// Whose coefficients [`orthogonalize()`] takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewtonSchulz {
    /// Muon's: the same in each step, made to be fast and not to converge.
    #[default]
    Muon,
    /// Polar Express: the best for each step.
    PolarExpress,
}

impl FromStr for NewtonSchulz {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "muon" => Ok(NewtonSchulz::Muon),
            "polar_express" => Ok(NewtonSchulz::PolarExpress),
            other => Err(Error::range(NAME, "method", "muon or polar_express", other)),
        }
    }
}

/// Of `x`, `x³` and `x⁵`: Muon's.
const MUON: [f64; 3] = [3.4445, -4.7750, 2.0315];

/// Polar Express, step by step, for singular values above 0.001; the last ones again and again.
const POLAR_EXPRESS: [[f64; 3]; 8] = [
    [8.28721201814563, -23.595886519098837, 17.300387312530933],
    [4.107059111542203, -2.9478499167379106, 0.5448431082926601],
    [3.9486908534822946, -2.908902115962949, 0.5518191394370137],
    [3.3184196573706015, -2.488488024314874, 0.51004894012372],
    [2.300652019954817, -1.6689039845747493, 0.4188073119525673],
    [1.891301407787398, -1.2679958271945868, 0.37680408948524835],
    [1.8750014808534479, -1.2500016453999487, 0.3750001645474248],
    [1.875, -1.25, 0.375],
];

/// So much room is left for roundings that make a singular value larger than 1, in all steps but the last of the table.
const SAFETY: f64 = 1.01;

impl NewtonSchulz {
    /// Of step `step`.
    fn coefficients(self, step: usize) -> [f64; 3] {
        match self {
            NewtonSchulz::Muon => MUON,
            NewtonSchulz::PolarExpress if step + 1 < POLAR_EXPRESS.len() => {
                let [c1, c3, c5] = POLAR_EXPRESS[step];
                [c1 / SAFETY, c3 / SAFETY.powi(3), c5 / SAFETY.powi(5)]
            }
            NewtonSchulz::PolarExpress => POLAR_EXPRESS[POLAR_EXPRESS.len() - 1],
        }
    }
}

/// The arguments of [`orthogonalize()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orthogonalize {
    /// Whose coefficients. Default: Muon's.
    pub method: NewtonSchulz,
    /// How many steps. Default: 5.
    pub steps: usize,
}

impl Default for Orthogonalize {
    fn default() -> Self {
        Orthogonalize { method: NewtonSchulz::default(), steps: 5 }
    }
}

/// The orthogonal factor of each matrix of a batch, nearly.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; what [`matmul()`] cannot do.
pub fn orthogonalize(stream: &Stream, a: &Tensor, args: &Orthogonalize) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    if a.is_empty() {
        return Tensor::empty(stream, a.dtype(), a.shape());
    }
    // Of the two products of a with its transpose, the smaller one.
    let turned = extents.m > extents.n;
    let wide = widened(stream, &if turned { a.transpose()? } else { a.clone() })?;
    let within = |error: Error| error.within(NAME);
    let size = Norm { axes: Some(vec![-2, -1]), ..Norm::default() };
    let size = norm(stream, &wide, &size).map_err(within)?;
    let mut x = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::divided::<T>(&wide, &size, a.dtype())?),
        _ => gpu::divided(stream, &wide, &size, a.dtype())?,
    };
    for step in 0..args.steps {
        let [c1, c3, c5] = args.method.coefficients(step);
        let by_itself = Matmul { transpose_b: true, ..Matmul::default() };
        let g = matmul(stream, &x, &x, None, &by_itself).map_err(within)?;
        let more = Matmul { alpha: c5, beta: c3, ..Matmul::default() };
        let factor = matmul(stream, &g, &g, Some(&g), &more).map_err(within)?;
        let last = Matmul { alpha: 1.0, beta: c1, ..Matmul::default() };
        x = matmul(stream, &factor, &x, Some(&x), &last).map_err(within)?;
    }
    if turned { x.transpose() } else { Ok(x) }
}
