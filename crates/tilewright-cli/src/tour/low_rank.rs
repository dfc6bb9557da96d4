//! Linear algebra on the same matrix: a low-rank model of it by randomised SVD, beside the best that there can be (Eckart and Young, 1936), and a
//! batch of small systems, which rebuild each passage from its neighbours (Roweis and Saul, "Nonlinear dimensionality reduction by locally linear
//! embedding", 2000).

use serde::Serialize;
use tilewright_core::Tensor;
use tilewright_kernels::linalg::{RandomizedSvd, randomized_svd, solve};
use tilewright_search::{Index, Metric, Query, Recipe};

use super::meter::{Meter, problem};
use super::search::Found;
use super::terms::Row;
use crate::stop::Stop;

const STEP: &str = "low-rank model";
const REBUILT: &str = "rebuilt passages";
/// More columns than the model has, and passes through A Aᵀ: with these its error is the optimum's to a few parts in a thousand.
const OVERSAMPLE: usize = 10;
const POWER: usize = 2;
/// What an error may exceed the optimum by,
const EXCESS: f64 = 0.05;
/// or fall short of it, both being rounded.
const SHORT: f64 = 1e-5;
/// Passages that each is rebuilt from.
const NEIGHBOURS: usize = 16;
/// A share of the trace, added to the diagonal: neighbours may depend on each other.
const RIDGE: f64 = 1e-3;
/// LAPACK's limit of a residual's ratio.
const RATIO: f64 = 30.0;

/// What the two steps came to.
#[derive(Serialize)]
pub(super) struct LowRank {
    /// The model cut to so many values,
    pub(super) ranks: Vec<usize>,
    /// its distance from the matrix, as a share of the matrix in Frobenius' norm,
    pub(super) errors: Vec<f64>,
    /// and the least that any matrix of that rank has, by the exact singular values.
    pub(super) optimum: Vec<f64>,
    pub(super) rebuilt: Option<Rebuilt>,
}

/// Passages as sums of their neighbours.
#[derive(Serialize)]
pub(super) struct Rebuilt {
    pub(super) systems: usize,
    pub(super) unknowns: usize,
    /// The largest `|b - a x| / (|a| |x| eps)`, in the 1-norm.
    pub(super) ratio: f64,
    /// The mean distance of a passage, which is of length 1, from its nearest neighbour, and from what is rebuilt.
    pub(super) nearest: f64,
    pub(super) distance: f64,
}

impl LowRank {
    /// What cannot be rounding.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for ((rank, error), best) in self.ranks.iter().zip(&self.errors).zip(&self.optimum) {
            if !(best - SHORT..=best + EXCESS * best + SHORT).contains(error) {
                faults.push(format!(
                    "the model of rank {rank} is off by {error:.6}, where {best:.6} is the best"
                ));
            }
        }
        if let Some(rebuilt) =
            self.rebuilt.as_ref().filter(|rebuilt| rebuilt.ratio.is_nan() || rebuilt.ratio > RATIO)
        {
            faults.push(format!(
                "a system's residual has the ratio {:.1}, where {RATIO} is allowed",
                rebuilt.ratio
            ));
        }
        faults
    }
}

/// `exact` are the largest singular values.
pub(super) fn low_rank(
    meter: &mut Meter,
    a: &Tensor,
    rows: &[Row],
    exact: &[f64],
    found: &Found,
) -> Result<LowRank, Stop> {
    let (&[passages, terms], rank) = (a.dims(), exact.len()) else { unreachable!("a matrix") };
    let args = RandomizedSvd { rank, oversample: OVERSAMPLE, power: POWER, ..RandomizedSvd::default() };
    let case = problem(&[("b", 0), ("m", passages), ("n", terms)]);
    let case = case.set("rank", rank as i64).set("oversample", OVERSAMPLE as i64).set("power", POWER as i64);
    let model =
        meter.once(STEP, "randomized_svd", &case, |stream| randomized_svd(stream, a, &args)?.checked())?;
    let squares = meter.host(STEP, "errors by rank (f64)", || {
        let (u, vt) = (model.u.expect("asked for").to_f64_vec()?, model.vt.expect("asked for").to_f64_vec()?);
        let s = model.s.to_f64_vec()?;
        let left: Vec<f64> = u.iter().enumerate().map(|(e, u)| u * s[e % rank]).collect();
        Ok(errors(rows, &left, &vt, rank))
    })?;
    let whole: f64 = rows.iter().flatten().map(|(_, value)| value * value).sum();
    let share = |square: f64| (square.max(0.0) / whole).sqrt();
    let mut ranks: Vec<usize> =
        std::iter::successors(Some(1), |rank| Some(2 * rank)).take_while(|&k| k < rank).collect();
    ranks.push(rank);
    let optimum = |&k: &usize| share(whole - exact[..k].iter().map(|value| value * value).sum::<f64>());
    Ok(LowRank {
        errors: ranks.iter().map(|&k| share(squares[k - 1])).collect(),
        optimum: ranks.iter().map(optimum).collect(),
        ranks,
        rebuilt: rebuild(meter, found)?,
    })
}

/// The squares of the distances of the matrix from the first 1, 2, .. `rank` of the products of a column of `left` and a row of `vt`, by what is
/// not 0: `|A|² - 2 sum l_i . A v_i + sum (l_i . l_j) (v_i . v_j)`.
fn errors(rows: &[Row], left: &[f64], vt: &[f64], rank: usize) -> Vec<f64> {
    let terms = vt.len() / rank;
    let whole: f64 = rows.iter().flatten().map(|(_, value)| value * value).sum();
    let mut with = vec![0.0; rank];
    let mut lengths = vec![0.0; rank * rank];
    for (row, left) in rows.iter().zip(left.chunks_exact(rank)) {
        for (j, vector) in vt.chunks_exact(terms).enumerate() {
            with[j] += left[j] * row.iter().map(|&(term, value)| value * vector[term]).sum::<f64>();
        }
        for (lengths, x) in lengths.chunks_exact_mut(rank).zip(left) {
            lengths.iter_mut().zip(left).for_each(|(length, y)| *length += x * y);
        }
    }
    let vectors: Vec<&[f64]> = vt.chunks_exact(terms).collect();
    let mut square = whole;
    let one = |k: usize| {
        let product = |j: usize| vectors[j].iter().zip(vectors[k]).map(|(x, y)| x * y).sum::<f64>();
        let before: f64 = (0..k).map(|j| 2.0 * lengths[j * rank + k] * product(j)).sum();
        square += before + lengths[k * rank + k] * product(k) - 2.0 * with[k];
        square
    };
    (0..rank).map(one).collect()
}

/// Each passage's weights of its neighbours: `(g + ridge) w = 1` with g of the products of what leads from the passage to them; then the sum of the
/// weights is made 1. `None` of one passage.
fn rebuild(meter: &mut Meter, found: &Found) -> Result<Option<Rebuilt>, Stop> {
    let (rank, stream) = (found.query.len(), meter.stream().clone());
    let passages = found.passages.len() / rank;
    let k = NEIGHBOURS.min(passages - 1);
    if k == 0 {
        return Ok(None);
    }
    let at = |passage: usize| &found.passages[passage * rank..][..rank];
    let (near, systems) = meter.host(REBUILT, "neighbours and their products (f64)", || {
        let all = Tensor::from_slice(&found.passages, [passages, rank])?;
        let index = Index::new(Recipe::FLAT, rank, Metric::InnerProduct)?;
        index.add(&all, None)?;
        let nearest = index.snapshot().on(&stream)?.search(&all, &Query { k: k + 1, ..Query::default() })?;
        let (mut near, mut systems) =
            (Vec::with_capacity(passages * k), Vec::with_capacity(passages * k * k));
        for passage in 0..passages {
            let others = nearest.of(passage).map(|(id, _)| id as usize).filter(|&id| id != passage).take(k);
            let first = near.len();
            near.extend(others);
            let ways: Vec<Vec<f64>> =
                near[first..].iter().map(|&other| difference(at(passage), at(other))).collect();
            let products: Vec<f64> = ways
                .iter()
                .flat_map(|x| ways.iter().map(move |y| x.iter().zip(y).map(|(x, y)| x * y).sum()))
                .collect();
            let trace: f64 = products.iter().step_by(k + 1).sum();
            // Passages may be the same.
            let ridge = (RIDGE * trace / k as f64).max(f64::from(f32::EPSILON));
            let element = |(e, x): (usize, &f64)| (x + if e % (k + 1) == 0 { ridge } else { 0.0 }) as f32;
            systems.extend(products.iter().enumerate().map(element));
        }
        Ok((near, systems))
    })?;
    let a = Tensor::from_slice(&systems, [passages, k, k])?.to(&stream)?;
    let ones = Tensor::from_vec(vec![1.0f32; passages * k], [passages, k])?.to(&stream)?;
    let case = problem(&[("b", passages), ("n", k), ("k", 1)]);
    let x = meter.once(REBUILT, "solve", &case, |stream| solve(stream, &a, &ones)?.checked())?;
    let weights = x.to_f64_vec()?;
    let mut rebuilt = Rebuilt { systems: passages, unknowns: k, ratio: 0.0, nearest: 0.0, distance: 0.0 };
    for (passage, (weights, near)) in weights.chunks_exact(k).zip(near.chunks_exact(k)).enumerate() {
        let system = &systems[passage * k * k..][..k * k];
        rebuilt.ratio = larger(rebuilt.ratio, ratio(system, weights));
        let sum: f64 = weights.iter().sum();
        let mut made = vec![0.0; rank];
        for (weight, &other) in weights.iter().zip(near) {
            made.iter_mut().zip(at(other)).for_each(|(made, &x)| *made += weight / sum * f64::from(x));
        }
        let length = |way: Vec<f64>| way.iter().map(|x| x * x).sum::<f64>().sqrt() / passages as f64;
        rebuilt.nearest += length(difference(at(passage), at(near[0])));
        rebuilt.distance +=
            length(made.iter().zip(at(passage)).map(|(made, &x)| made - f64::from(x)).collect());
    }
    Ok(Some(rebuilt))
}

fn difference(x: &[f32], y: &[f32]) -> Vec<f64> {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) - f64::from(y)).collect()
}

/// `|1 - a x| / (|a| |x| eps)` in the 1-norm, for a symmetric.
fn ratio(a: &[f32], x: &[f64]) -> f64 {
    let rows = || a.chunks_exact(x.len()).map(|row| row.iter().map(|&a| f64::from(a)));
    let rest: f64 = rows().map(|row| (1.0 - row.zip(x).map(|(a, x)| a * x).sum::<f64>()).abs()).sum();
    let size = rows().map(|row| row.map(f64::abs).sum()).fold(0.0, f64::max);
    rest / (size * x.iter().map(|x| x.abs()).sum::<f64>() * f64::from(f32::EPSILON))
}

/// NaN if one is.
fn larger(x: f64, y: f64) -> f64 {
    if y > x || y.is_nan() { y } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_dense_difference() {
        let rows: Vec<Row> =
            vec![vec![(0, 1.0), (2, -2.0)], vec![(1, 3.0)], vec![(0, 0.5), (1, 1.0), (2, 4.0)]];
        // Neither orthogonal nor near.
        let (left, vt) = ([0.3, 1.0, -0.7, 0.2, 1.1, 0.4], [0.5, -1.0, 2.0, 1.5, 0.25, -0.5]);
        let found = errors(&rows, &left, &vt, 2);
        for rank in 1..=2 {
            let mut square = 0.0;
            for (i, row) in rows.iter().enumerate() {
                for term in 0..3 {
                    let a: f64 = row.iter().filter(|(t, _)| *t == term).map(|(_, value)| value).sum();
                    let model: f64 = (0..rank).map(|j| left[i * 2 + j] * vt[j * 3 + term]).sum();
                    square += (a - model).powi(2);
                }
            }
            assert!((found[rank - 1] - square).abs() < 1e-12, "{found:?} {square}");
        }
    }

    #[test]
    fn faults_are_named() {
        let model = |error, ratio| LowRank {
            ranks: vec![1],
            errors: vec![error],
            optimum: vec![0.5],
            rebuilt: Some(Rebuilt { systems: 1, unknowns: 1, ratio, nearest: 0.0, distance: 0.0 }),
        };
        assert!(model(0.501, 1.0).faults().is_empty());
        for wrong in
            [model(0.4, 1.0), model(0.6, 1.0), model(f64::NAN, 1.0), model(0.5, 31.0), model(0.5, f64::NAN)]
        {
            assert_eq!(wrong.faults().len(), 1);
        }
    }
}
