//! What stands between the products of a composed kernel: triangles, halves, quotients of differences. One launch each.

use std::sync::LazyLock;

use rayon::prelude::*;
use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::host::{Real, with_real};
use crate::parallel::Each;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_elementwise", include_str!("elementwise.metal")).template("S");
    let definition = ["x", "y", "z", "s"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("m", DType::U32).scalar("n", DType::U32).scalar("step", DType::U32);
    Program::new(definition.scalar("offset", DType::I32).output("out")).expect("the definition is valid")
});

/// What becomes of `x`, `[.., m, n]`. Vectors are of each matrix of the batch.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// The elements on and below the diagonal that lies so far above the main one; zeros for the others.
    Lower(i32),
    /// Those on and above it.
    Upper(i32),
    /// The lower triangle with half the diagonal.
    HalfLower,
    /// The mean with the transpose.
    Symmetric,
    /// The lower triangle, and above the diagonal its transpose.
    Mirrored,
    /// The transpose times a number, `[..]`.
    TransposeTimes(&'a Tensor),
    /// Row i over s_i.
    RowsOver(&'a Tensor),
    /// Row i times s_i.
    RowsTimes(&'a Tensor),
    /// `(x_ij - x_ji) / 2 (s_j - s_i)`, and `diagonal`.
    Gaps { s: &'a Tensor, diagonal: &'a Tensor },
    /// `((x_ij - x_ji) s_j + s_i (z_ij - z_ji)) / (s_j² - s_i²)`, and `diagonal`; less x_ij / s_j and z_ji / s_i where told so.
    SquareGaps { s: &'a Tensor, diagonal: &'a Tensor, z: &'a Tensor, less: [bool; 2] },
    /// `(x_ij - x_ji) / 2 (s_i + s_j)`
    SkewOverSums(&'a Tensor),
    /// z_ij where s_i is more than so much, x_ij elsewhere.
    Instead { s: &'a Tensor, above: i32, z: &'a Tensor },
    /// `w_0 x + w_1 y + w_2 z + w_3 1`, of four `weights`.
    Combined { weights: &'a Tensor, y: &'a Tensor, z: &'a Tensor },
}

impl Step<'_> {
    /// The number that the GPU's body knows it by, and its offset.
    fn code(self) -> (u32, i32) {
        match self {
            Step::Lower(offset) => (0, offset),
            Step::Upper(offset) => (1, offset),
            Step::HalfLower => (2, 0),
            Step::Symmetric => (3, 0),
            Step::Mirrored => (4, 0),
            Step::TransposeTimes(_) => (5, 0),
            Step::RowsOver(_) => (6, 0),
            Step::RowsTimes(_) => (7, 0),
            Step::Gaps { .. } => (8, 0),
            Step::Instead { above, .. } => (10, above),
            Step::Combined { .. } => (11, 0),
            Step::SkewOverSums(_) => (12, 0),
            Step::SquareGaps { less: [left, right], .. } => (9, i32::from(left) + 2 * i32::from(right)),
        }
    }

    /// What the body calls y, z and s.
    fn tensors(self) -> [Option<Tensor>; 3] {
        match self {
            Step::TransposeTimes(y) => [Some(y.clone()), None, None],
            Step::RowsOver(s) | Step::RowsTimes(s) | Step::SkewOverSums(s) => [None, None, Some(s.clone())],
            Step::Gaps { s, diagonal } => [Some(diagonal.clone()), None, Some(s.clone())],
            Step::SquareGaps { s, diagonal, z, .. } => {
                [Some(diagonal.clone()), Some(z.clone()), Some(s.clone())]
            }
            Step::Instead { s, z, .. } => [None, Some(z.clone()), Some(s.clone())],
            Step::Combined { weights, y, z } => [Some(y.clone()), Some(z.clone()), Some(weights.clone())],
            _ => [None, None, None],
        }
    }
}

/// One step of all elements of `x`, which is f32 or f64.
pub(super) fn elementwise(stream: &Stream, x: &Tensor, step: Step<'_>) -> Result<Tensor> {
    if x.is_empty() {
        return Ok(x.clone());
    }
    let &[.., m, n] = x.dims() else { unreachable!("the steps are of matrices") };
    let (code, offset) = step.code();
    if stream.device() == Device::Cpu {
        return with_real!(x.dtype(), T => on_the_host::<T>(x, step, m, n));
    }
    let [y, z, s] = step.tensors().map(|tensor| tensor.unwrap_or_else(|| x.clone()));
    PROGRAM
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("y", &y)
        .input("z", &z)
        .input("s", &s)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("step", code)
        .scalar("offset", offset)
        .output("out", x.dtype(), x.shape())
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

fn on_the_host<T: Real>(x: &Tensor, step: Step<'_>, m: usize, n: usize) -> Result<Tensor> {
    let numbers = |tensor: Option<Tensor>| tensor.map_or(Ok(Vec::new()), |tensor| tensor.to_vec::<T>());
    let [y, z, s] = step.tensors();
    let (x_all, y, z, s) = (x.to_vec::<T>()?, numbers(y)?, numbers(z)?, numbers(s)?);
    let half = T::ONE / T::from_count(2);
    let value = |item: usize, i: usize, j: usize| {
        let at = |x: &[T], i: usize, j: usize| x[(item * m + i) * n + j];
        let here = at(&x_all, i, j);
        let across = j as i64 - i as i64;
        match step {
            Step::Lower(offset) => {
                if across <= i64::from(offset) {
                    here
                } else {
                    T::ZERO
                }
            }
            Step::Upper(offset) => {
                if across >= i64::from(offset) {
                    here
                } else {
                    T::ZERO
                }
            }
            Step::HalfLower => {
                if across < 0 {
                    here
                } else if across == 0 {
                    here * half
                } else {
                    T::ZERO
                }
            }
            Step::Symmetric => (here + at(&x_all, j, i)) * half,
            Step::Mirrored => {
                if across <= 0 {
                    here
                } else {
                    at(&x_all, j, i)
                }
            }
            Step::TransposeTimes(_) => y[item] * at(&x_all, j, i),
            Step::RowsOver(_) => here / s[item * m + i],
            Step::RowsTimes(_) => here * s[item * m + i],
            Step::Instead { above, .. } => {
                if s[item * m + i] > T::from_count(above as usize) {
                    at(&z, i, j)
                } else {
                    here
                }
            }
            Step::Combined { .. } => {
                let sum = s[0] * here + s[1] * at(&y, i, j) + s[2] * at(&z, i, j);
                if i == j { sum + s[3] } else { sum }
            }
            Step::SkewOverSums(_) if i == j => T::ZERO,
            Step::SkewOverSums(_) => (here - at(&x_all, j, i)) * half / (s[item * n + i] + s[item * n + j]),
            Step::Gaps { .. } if i == j => y[item * n + i],
            Step::Gaps { .. } => (here - at(&x_all, j, i)) * half / (s[item * n + j] - s[item * n + i]),
            Step::SquareGaps { less, .. } => {
                let (left, right, other) = (s[item * n + i], s[item * n + j], at(&z, j, i));
                let skew = (here - at(&x_all, j, i)) * right + left * (at(&z, i, j) - other);
                let value = if i == j { y[item * n + i] } else { skew / ((right - left) * (right + left)) };
                // What the projections beside the vectors take away.
                let value = if less[0] { value - here / right } else { value };
                if less[1] { value - other / left } else { value }
            }
        }
    };
    let mut out = vec![T::ZERO; x_all.len()];
    out.par_chunks_mut(n).enumerate().with_min_len((4096 / n).max(1)).each(&|(row, out)| {
        out.iter_mut().enumerate().for_each(|(j, out)| *out = value(row / m, row % m, j));
    });
    Tensor::from_vec(out, x.shape())
}
