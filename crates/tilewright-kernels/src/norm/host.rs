//! The native path: each row in the type that accumulates, sums in lanes, rows on all threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor};

use super::NormGradients;
use super::rows::{Rows, block};
use crate::parallel::Each;
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};

/// Partial sums kept side by side.
const LANES: usize = 32;
/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 14;

pub(super) fn forward(rows: &Rows<'_>) -> Result<Tensor> {
    with_float!(rows.x.dtype(), T => forward_of::<T>(rows))
}

pub(super) fn backward(rows: &Rows<'_>, dy: &Tensor) -> Result<NormGradients> {
    with_float!(rows.x.dtype(), T => backward_of::<T>(rows, dy))
}

fn forward_of<T: Number<Sum: Real>>(rows: &Rows<'_>) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, rows.x.shape())?;
    if out.is_empty() {
        return Ok(out);
    }
    let (x, weight) = (rows.x.to_host()?, whole::<T>(rows.weight)?);
    let gate = rows.gate.map(Tensor::to_host).transpose()?;
    let gate = gate.as_ref().map(Tensor::as_slice::<T>).transpose()?;
    let width = rows.width();
    let task = (TASK / width).max(1) * width;
    let (x, y) = (x.as_slice::<T>()?.par_chunks(task), out.as_slice_mut::<T>()?.par_chunks_mut(task));
    x.zip(y).enumerate().each(&|(part, (x, y))| {
        let [mut row, mut result, mut opened] = [(); 3].map(|()| vec![T::Sum::ZERO; rows.n]);
        let heads = weight.chunks_exact(rows.n).cycle();
        let places = x.chunks_exact(rows.n).zip(y.chunks_exact_mut(rows.n)).zip(heads);
        for (index, ((x, y), weight)) in places.enumerate() {
            widen(x, &mut row);
            if let Some(gate) = gate {
                widen(&gate[part * task + index * rows.n..][..rows.n], &mut opened);
            }
            Arch::new().dispatch(Run(|| {
                let _ = normalise(&mut row, rows.centred, rows.eps);
                for ((y, &x), &weight) in result.iter_mut().zip(&row).zip(weight) {
                    *y = x * weight;
                }
                if gate.is_some() {
                    open(&mut result, &opened);
                }
            }));
            narrow(&result, y);
        }
    });
    Ok(out)
}

fn backward_of<T: Number<Sum: Real>>(rows: &Rows<'_>, dy: &Tensor) -> Result<NormGradients> {
    let empty = || Tensor::empty(&Stream::cpu(), T::DTYPE, rows.x.shape());
    let (mut dx, mut dgate) = (empty()?, rows.gate.map(|_| empty()).transpose()?);
    let (x, dy, weight) = (rows.x.to_host()?, dy.to_host()?, whole::<T>(rows.weight)?);
    let gate = rows.gate.map(Tensor::to_host).transpose()?;
    let (n, width) = (rows.n, rows.width());
    let mut total = vec![T::Sum::ZERO; width];
    if !dx.is_empty() {
        let block = block(rows.tokens) * width;
        let gates: Vec<Option<(&[T], &mut [T])>> = match (&gate, &mut dgate) {
            (Some(gate), Some(dgate)) => {
                let (gate, dgate) = (gate.as_slice::<T>()?, dgate.as_slice_mut::<T>()?);
                gate.chunks(block).zip(dgate.chunks_mut(block)).map(Some).collect()
            }
            _ => x.as_slice::<T>()?.chunks(block).map(|_| None).collect(),
        };
        let (x, dy) = (x.as_slice::<T>()?.par_chunks(block), dy.as_slice::<T>()?.par_chunks(block));
        let all = x.zip(dy).zip(dx.as_slice_mut::<T>()?.par_chunks_mut(block)).zip(gates);
        let parts = all.map(|(((x, dy), dx), mut gates)| {
            let mut by_weight = vec![T::Sum::ZERO; width];
            let [mut row, mut given, mut result] = [(); 3].map(|()| vec![T::Sum::ZERO; n]);
            let [mut opened, mut by_gate] = [(); 2].map(|()| vec![T::Sum::ZERO; n]);
            let places = x.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n));
            for (index, ((x, dy), dx)) in places.enumerate() {
                let head = index % rows.heads * n..(index % rows.heads + 1) * n;
                let own = index * n..(index + 1) * n;
                widen(x, &mut row);
                widen(dy, &mut given);
                if let Some((gate, _)) = &gates {
                    widen(&gate[own.clone()], &mut opened);
                }
                let gated = gates.as_ref().map(|_| (&opened[..], &mut by_gate[..]));
                let of_head = (&weight[head.clone()], &mut by_weight[head]);
                Arch::new()
                    .dispatch(Run(|| gradient(&mut row, &mut given, of_head, gated, &mut result, rows)));
                narrow(&result, dx);
                if let Some((_, dgate)) = &mut gates {
                    narrow(&by_gate, &mut dgate[own]);
                }
            }
            by_weight
        });
        // In the order of the blocks, whatever thread had them.
        for part in parts.collect::<Vec<_>>() {
            for (total, part) in total.iter_mut().zip(part) {
                *total = total.plus(part);
            }
        }
    }
    let mut weight = Tensor::empty(&Stream::cpu(), T::DTYPE, rows.weight.shape())?;
    narrow(&total, weight.as_slice_mut::<T>()?);
    Ok(NormGradients { x: dx, weight, gate: dgate })
}

/// `y *= sigma(gate)`
#[inline(always)]
fn open<S: Real>(y: &mut [S], gate: &[S]) {
    for (y, &gate) in y.iter_mut().zip(gate) {
        // exp of what is not positive: no overflow, and 0 where it underflows.
        let positive = gate > S::ZERO;
        let e = Real::exp(if positive { S::ZERO.minus(gate) } else { gate });
        *y = *y * (if positive { S::ONE } else { e }) / S::ONE.plus(e);
    }
}

/// The gradient by the gate of a row, and what the norm gets of `dy`: `dgate = dy y w sigma'(gate)`, `dy *= sigma(gate)`.
#[inline(always)]
fn shut<S: Real>(dy: &mut [S], gate: &[S], y: &[S], weight: &[S], dgate: &mut [S]) {
    for (((dgate, dy), &gate), (&y, &weight)) in dgate.iter_mut().zip(dy).zip(gate).zip(y.iter().zip(weight))
    {
        // exp of what is not positive, as in `open`; sigma' is the same on either side.
        let positive = gate > S::ZERO;
        let e = Real::exp(if positive { S::ZERO.minus(gate) } else { gate });
        let whole = S::ONE.plus(e);
        *dgate = *dy * weight * y * e / (whole * whole);
        *dy = *dy * (if positive { S::ONE } else { e }) / whole;
    }
}

/// One row: its gradient into `dx`, and that by its gate, its share of the weights' gradient added. `row` and `dy` are used up.
#[inline(always)]
fn gradient<S: Real>(
    row: &mut [S],
    dy: &mut [S],
    (weight, by_weight): (&[S], &mut [S]),
    gated: Option<(&[S], &mut [S])>,
    dx: &mut [S],
    rows: &Rows<'_>,
) {
    let scale = normalise(row, rows.centred, rows.eps);
    if let Some((gate, dgate)) = gated {
        shut(dy, gate, row, weight, dgate);
    }
    for ((sum, dy), (&x, &weight)) in by_weight.iter_mut().zip(dy.iter_mut()).zip(row.iter().zip(weight)) {
        *sum = sum.plus(*dy * x);
        *dy = *dy * weight;
    }
    let count = S::from_f64(row.len() as f64);
    let mean = if rows.centred { sum_of(dy, dy, |dy, _| dy) / count } else { S::ZERO };
    let along = sum_of(dy, row, |dy, x| dy * x) / count;
    for ((dx, &dy), &x) in dx.iter_mut().zip(dy.iter()).zip(row.iter()) {
        *dx = dy.minus(mean).minus(x * along) * scale;
    }
}

/// Makes of a row (x - mean) r, and gives r = (mean square + eps)^-1/2.
#[inline(always)]
fn normalise<S: Real>(row: &mut [S], centred: bool, eps: f64) -> S {
    let count = S::from_f64(row.len() as f64);
    if centred {
        let mean = sum_of(row, row, |x, _| x) / count;
        row.iter_mut().for_each(|x| *x = x.minus(mean));
    }
    let square = sum_of(row, row, |x, _| x * x) / count;
    let scale = S::from_f64(1.0 / (square.to_f64() + eps).sqrt());
    row.iter_mut().for_each(|x| *x = *x * scale);
    scale
}

#[inline(always)]
fn sum_of<S: Real>(a: &[S], b: &[S], term: impl Fn(S, S) -> S) -> S {
    let mut lanes = [S::ZERO; LANES];
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane = lane.plus(term(a, b));
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_tail.iter().zip(b_tail)) {
        *lane = lane.plus(term(a, b));
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = lanes[lane].plus(lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

fn widen<T: Number>(source: &[T], target: &mut [T::Sum]) {
    let mut stage = [T::Sum::ZERO; LEAF];
    for (source, target) in source.chunks(LEAF).zip(target.chunks_mut(LEAF)) {
        target.copy_from_slice(T::load(source, &mut stage));
    }
}

fn narrow<T: Number>(source: &[T::Sum], target: &mut [T]) {
    for (source, target) in source.chunks(LEAF).zip(target.chunks_mut(LEAF)) {
        T::store(target, |target| target.copy_from_slice(source));
    }
}

/// All elements in the type that accumulates.
fn whole<T: Number>(tensor: &Tensor) -> Result<Vec<T::Sum>> {
    let mut all = vec![T::Sum::ZERO; tensor.elements()];
    widen(tensor.to_host()?.as_slice::<T>()?, &mut all);
    Ok(all)
}

/// A loop, compiled for the vector units that the machine has.
struct Run<F>(F);

impl<F: FnOnce()> WithSimd for Run<F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        (self.0)()
    }
}
