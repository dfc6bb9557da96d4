//! The passages nearest to a query, among the latent vectors.

use tilewright_core::Tensor;
use tilewright_kernels::gemm::{Gemv, Matmul, gemv, matmul};
use tilewright_kernels::reduce::top_k::{TopK, top_k};

use crate::stop::Stop;

use super::meter::{Meter, problem};
use super::subspace::Svd;
use super::terms::{Row, dense};

/// A passage and the cosine of its angle to the query.
pub(super) struct Neighbour {
    pub(super) passage: usize,
    pub(super) score: f32,
}

/// What was found, and what it was found in.
pub(super) struct Found {
    /// By falling score, then by position.
    pub(super) neighbours: Vec<Neighbour>,
    /// The passages' latent vectors, each of length 1, on the host. `[passages, rank]`
    pub(super) passages: Vec<f32>,
    /// The query's. `[rank]`
    pub(super) query: Vec<f32>,
}

/// Folds the query in (`q' = q V`) and compares it with every passage.
pub(super) fn search(meter: &mut Meter, svd: &Svd, query: &Row, neighbours: usize) -> Result<Found, Stop> {
    let (&[terms, rank], &[passages, _]) = (svd.directions.dims(), svd.latent.dims()) else {
        unreachable!("matrices")
    };
    let stream = meter.stream().clone();
    let query = dense(std::slice::from_ref(query), terms)?.to(&stream)?;
    let folded = meter.once(
        "query folded in",
        "matmul",
        &problem(&[("m", 1), ("n", rank), ("k", terms)]),
        |stream| matmul(stream, &query, &svd.directions, None, &Matmul::default()),
    )?;
    let (unit, direction) = meter.host("unit length", "divide rows (f64)", || {
        let rows = |tensor: &Tensor| tensor.to_vec::<f32>().map(|values| of_unit_length(values, rank));
        Ok((rows(&svd.latent)?, rows(&folded)?))
    })?;
    let on_device = Tensor::from_slice(&unit, [passages, rank])?.to(&stream)?;
    let direction_on_device = Tensor::from_slice(&direction, [rank])?.to(&stream)?;
    let scores = meter.once("scores", "gemv", &problem(&[("m", passages), ("k", rank)]), |stream| {
        gemv(stream, &on_device, &direction_on_device, &Gemv::default())
    })?;
    let selection = problem(&[("n", passages)]).set("k", neighbours as i64);
    let (values, positions) = meter.once("neighbours", "top_k", &selection, |stream| {
        top_k(stream, &scores, &TopK { k: neighbours, ..TopK::default() })
    })?;
    let neighbour = |(&score, &position): (&f32, &u32)| Neighbour { passage: position as usize, score };
    let neighbours = values.to_vec()?.iter().zip(&positions.to_vec()?).map(neighbour).collect();
    Ok(Found { neighbours, passages: unit, query: direction })
}

/// Divides each row by its length; a row of zeros stays.
fn of_unit_length(mut values: Vec<f32>, columns: usize) -> Vec<f32> {
    for row in values.chunks_mut(columns) {
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        }
    }
    values
}
