//! The passages nearest to a query, among the latent vectors.

use tilewright_core::{Error, Tensor};
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_search::{Index, Metric, Query, Recipe};

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
    // In a file, as an index is kept: what is searched is mapped from there.
    let folder = tempfile::tempdir().map_err(|why| Error::file("tour", std::env::temp_dir(), why))?;
    let index = meter.host("index", "flat index, in a file", || {
        let file = folder.path().join("passages.index");
        let index = Index::new(Recipe::FLAT, rank, Metric::InnerProduct)?;
        index.add(&Tensor::from_slice(&unit, [passages, rank])?, None)?;
        index.save(&file)?;
        Ok(Index::load(&file)?.snapshot().on(&stream)?)
    })?;
    let query = Tensor::from_slice(&direction, [1, rank])?;
    let scan = problem(&[("b", 1), ("n", passages), ("d", rank)]).set("k", neighbours as i64);
    let wanted = Query { k: neighbours, ..Query::default() };
    let nearest = meter.once("neighbours", "flat_scan_topk", &scan, |_| index.search(&query, &wanted))?;
    let neighbour = |(id, distance): (i64, f32)| Neighbour { passage: id as usize, score: -distance };
    let neighbours = nearest.of(0).map(neighbour).collect();
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
