//! Native path: columns contiguous, in panels; panels against all before them by matrix products, columns within a panel one by one.

use faer::linalg::matmul::matmul;
use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::host::{Real, dot, scale, subtract_scaled};
use super::{LEAST_LEFT_TWICE, Orthonormal, Plan};
use crate::parallel::Each;

/// Columns of a panel: few, as within it every pair is a pass through memory.
const PANEL: usize = 8;
/// Multiply-adds from which on the product for a panel is worth several threads.
const PARALLEL: usize = 1 << 23;

pub(super) fn orthonormalize(a: &Tensor, basis: Option<&Tensor>, plan: &Plan) -> Result<Orthonormal> {
    match a.dtype() {
        DType::F32 => typed::<f32>(a, basis, plan),
        _ => typed::<f64>(a, basis, plan),
    }
}

fn typed<T: Real + RealField>(a: &Tensor, basis: Option<&Tensor>, plan: &Plan) -> Result<Orthonormal> {
    let &Plan { m, n, k, .. } = plan;
    let a = a.to_host()?;
    let basis = basis.map(Tensor::to_host).transpose()?;
    let shape: Vec<usize> = plan.batch.iter().copied().chain([m, n]).collect();
    let mut q = Tensor::empty(&Stream::cpu(), <T as tilewright_core::Element>::DTYPE, shape)?;
    let mut ranks = vec![0; plan.batches()];
    if !q.is_empty() {
        let a = a.as_slice::<T>()?;
        let basis = basis.as_ref().map(|basis| basis.as_slice::<T>()).transpose()?.unwrap_or(&[]);
        let one = |batch: usize, q: &mut [T], rank: &mut i32, par: Par| {
            let basis = if basis.is_empty() { basis } else { &basis[batch * m * k..][..m * k] };
            *rank = one_matrix(&a[batch * m * n..][..m * n], basis, q, plan, par);
        };
        let out = q.as_slice_mut::<T>()?;
        if let [rank] = &mut ranks[..] {
            one(0, out, rank, Par::rayon(0));
        } else {
            let items = out.par_chunks_mut(m * n).zip(&mut ranks).enumerate();
            items.each(&|(batch, (q, rank))| one(batch, q, rank, Par::Seq));
        }
    }
    Ok(Orthonormal { q, rank: Tensor::from_vec(ranks, plan.batch.clone())? })
}

/// Fills `q` from `a`, both row-major, and gives the rank.
fn one_matrix<T: Real + RealField>(a: &[T], basis: &[T], q: &mut [T], plan: &Plan, par: Par) -> i32 {
    let &Plan { m, n, .. } = plan;
    let k = basis.len() / m;
    // Columns contiguous: those of the basis, then those of a, each scaled so that its largest element is near 1.
    let mut columns = vec![T::zeroed(); m * (k + n)];
    for (j, column) in columns.chunks_mut(m).enumerate() {
        let (source, width, j) = if j < k { (basis, k, j) } else { (a, n, j - k) };
        column.iter_mut().zip(source[j..].iter().step_by(width)).for_each(|(to, &from)| *to = from);
    }
    let mut references = Vec::with_capacity(n);
    for column in columns[m * k..].chunks_mut(m) {
        let factor = near_one(column);
        scale(column, factor);
        references.push(dot(column, column).root());
    }

    let tolerance = T::from_f64(plan.tolerance);
    let mut rank = 0;
    for start in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - start);
        let (before, panel) = columns.split_at_mut((k + start) * m);
        let panel = &mut panel[..width * m];
        take_away(before, panel, m, par);
        let mut kept = within(panel, m, &references[start..start + width], tolerance);
        if !before.is_empty() {
            // What the first round left may have been small against what it took. Now every column has length 1 or 0.
            take_away(before, panel, m, par);
            kept = within(panel, m, &[T::from_f64(1.0); PANEL][..width], T::from_f64(LEAST_LEFT_TWICE));
        }
        rank += kept;
    }
    for (i, row) in q.chunks_mut(n).enumerate() {
        row.iter_mut().zip(columns[m * k + i..].iter().step_by(m)).for_each(|(to, &from)| *to = from);
    }
    rank
}

/// A power of two that brings the largest element near 1, itself a normal number.
fn near_one<T: Real>(column: &[T]) -> T {
    let largest = column.iter().fold(0f64, |largest, &x| largest.max(x.to_f64().abs()));
    if largest == 0.0 || largest.is_infinite() {
        return T::from_f64(1.0);
    }
    let exponent = (largest.to_bits() >> 52) as i32 - 1023;
    let bound = if <T as tilewright_core::Element>::DTYPE == DType::F32 { 126 } else { 1022 };
    T::from_f64(2f64.powi((-exponent).clamp(-bound, bound)))
}

/// `panel -= before (beforeᵀ panel)`, columns contiguous.
fn take_away<T: Real + RealField>(before: &[T], panel: &mut [T], m: usize, par: Par) {
    if before.is_empty() {
        return;
    }
    let (count, width) = (before.len() / m, panel.len() / m);
    let par = if count * width * m < PARALLEL { Par::Seq } else { par };
    let mut coefficients = vec![T::zeroed(); count * width];
    let before = MatRef::from_column_major_slice(before, m, count);
    let target = MatMut::from_column_major_slice_mut(&mut coefficients, count, width);
    let source = MatRef::from_column_major_slice(panel, m, width);
    matmul(target, Accum::Replace, before.transpose(), source, T::from_f64(1.0), par);
    let coefficients = MatRef::from_column_major_slice(&coefficients, count, width);
    let target = MatMut::from_column_major_slice_mut(panel, m, width);
    matmul(target, Accum::Add, before, coefficients, T::from_f64(-1.0), par);
}

/// Makes the columns of a panel orthonormal, or zeros, and gives how many are not zeros.
fn within<T: Real>(panel: &mut [T], m: usize, references: &[T], tolerance: T) -> i32 {
    let mut kept = 0;
    for (j, &reference) in references.iter().enumerate() {
        let (before, rest) = panel.split_at_mut(j * m);
        let column = &mut rest[..m];
        let mut norms = [T::zeroed(); 2];
        for norm in &mut norms {
            let coefficients: Vec<T> = before.chunks(m).map(|q| dot(q, column)).collect();
            for (q, &coefficient) in before.chunks(m).zip(&coefficients) {
                subtract_scaled(column, coefficient, q);
            }
            *norm = dot(column, column).root();
        }
        let [once, twice] = norms;
        // NaN is no reason to drop a column: it has to be seen.
        if twice <= tolerance * reference || twice < T::from_f64(LEAST_LEFT_TWICE) * once {
            column.fill(T::zeroed());
        } else {
            scale(column, T::from_f64(1.0 / twice.to_f64()));
            kept += 1;
        }
    }
    kept
}
