//! What results of a search have to be.
//!
//! The truth of a large problem takes minutes for all queries. Of those every [`step`]-th query is judged, its distances by the residual too.

use tilewright_core::{DType, Expected, Residual, Result, Tensor};

use super::flat_scan_topk::reference::True;

/// How far apart the queries are that are judged, where `pairs` of query and row would be compared: 1 unless those are many.
pub(super) fn step(pairs: usize) -> usize {
    (pairs >> 22).max(1)
}

/// The roundings of a GPU's f32 distance: `d` products and sums, and the steps after them.
fn error(row: &True, d: usize) -> f64 {
    let roundings = (d + 16) as f64 * DType::F32.unit_roundoff();
    roundings / (1.0 - roundings) * row.magnitude + DType::F32.smallest_positive()
}

/// For each place of a result the truth and the error that is allowed: the i-th smallest of numbers that are off by `e` each lies between the least
/// `distance - e` from the i-th on and the greatest `distance + e` up to it.
fn places(rows: &[True], d: usize, k: usize) -> Vec<(f64, f64)> {
    let mut least = f64::INFINITY;
    let mut lower = vec![f64::INFINITY; rows.len()];
    for (lower, row) in lower.iter_mut().zip(rows).rev().filter(|(_, row)| finite(row)) {
        least = least.min(row.distance - error(row, d));
        *lower = least;
    }
    let mut upper = f64::NEG_INFINITY;
    let mut all = Vec::with_capacity(k);
    for (row, lower) in rows.iter().zip(lower).take(k) {
        let shown = f64::from(row.distance as f32);
        if !finite(row) {
            all.push((shown, 0.0));
            continue;
        }
        upper = upper.max(row.distance + error(row, d));
        let off = (upper - row.distance).max(row.distance - lower);
        all.push((shown, off + (shown - row.distance).abs()));
    }
    all.resize(k, (f64::INFINITY, 0.0));
    all
}

fn finite(row: &True) -> bool {
    (row.distance as f32).is_finite()
}

/// The expected distances and ids `[b, k]`: the very ids where the data leave no doubt (`exact`), otherwise those that [`residual`] accepts.
/// Of a result of which only some queries are judged, the shape.
pub(super) fn expected(
    truth: &[Vec<True>],
    b: usize,
    d: usize,
    k: usize,
    exact: bool,
) -> Result<Vec<Expected>> {
    let shape = vec![b, k];
    if truth.len() < b {
        let free = |dtype| Expected::Free { shape: shape.clone(), dtype };
        return Ok(vec![free(DType::F32), free(DType::I64)]);
    }
    let (value, tolerance) = truth.iter().flat_map(|rows| places(rows, d, k)).unzip();
    let distances = Expected::Values { shape: shape.clone(), dtype: DType::F32, value, tolerance };
    if !exact {
        return Ok(vec![distances, Expected::Free { shape, dtype: DType::I64 }]);
    }
    let ids = truth.iter().flat_map(|rows| {
        let ids = rows.iter().map(|row| row.id);
        ids.chain(std::iter::repeat(-1)).take(k).collect::<Vec<_>>()
    });
    Ok(vec![distances, Expected::Exact(Tensor::from_vec(ids.collect(), shape)?)])
}

/// How far the rows that were named are from what belongs in their place, and the distances from the truth, in units of the errors that may have met. Infinite
/// where a row is named twice, does not exist or does not count, or where a place that a row belongs in is left open.
pub(super) fn residual(
    truth: &[Vec<True>],
    d: usize,
    k: usize,
    step: usize,
    outputs: &[Tensor],
) -> Result<Vec<Residual>> {
    let (distances, ids) = (outputs[0].to_vec::<f32>()?, outputs[1].to_vec::<i64>()?);
    let mut ratio = 0.0f64;
    let results = distances.chunks(k.max(1)).zip(ids.chunks(k.max(1))).step_by(step);
    for (rows, (distances, ids)) in truth.iter().zip(results) {
        let by_id: std::collections::HashMap<i64, &True> = rows.iter().map(|row| (row.id, row)).collect();
        let mut seen = std::collections::HashSet::new();
        for (place, (value, allowed)) in places(rows, d, k).into_iter().enumerate() {
            let (id, distance) = (ids[place], f64::from(distances[place]));
            ratio = ratio.max(off(distance, value, allowed));
            if place >= rows.len() {
                ratio = ratio.max(if id == -1 { 0.0 } else { f64::INFINITY });
                continue;
            }
            let named = by_id.get(&id).filter(|_| seen.insert(id));
            let named = named.map(|row| off(f64::from(row.distance as f32), value, allowed + error(row, d)));
            ratio = ratio.max(named.unwrap_or(f64::INFINITY));
        }
    }
    Ok(vec![Residual {
        name: "|distance, or the id's - truth| / (its error + the place's)",
        ratio,
        limit: 1.0,
    }])
}

/// The error in units of what is allowed.
fn off(got: f64, value: f64, allowed: f64) -> f64 {
    if got == value || got.is_nan() && value.is_nan() {
        return 0.0;
    }
    let off = (got - value).abs() / allowed;
    if off.is_nan() { f64::INFINITY } else { off }
}
