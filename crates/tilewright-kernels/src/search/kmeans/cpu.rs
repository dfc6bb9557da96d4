//! Native path: a tile of rows meets all centroids in registers, and its labels send its rows to their sums while they are in the cache.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tilewright_core::{Error, Kind, Result, Tensor};

use super::start::{WEIGHED, draw, restarts, weighted};
use super::{Kmeans, NAME, Start};
use crate::search::Metric;
use crate::search::exact;
use crate::search::lanes::{Lanes, Task, dispatch};
use crate::search::rivals::Rivals;
use crate::search::scan::Stored;
use crate::search::tile;
use crate::search::vectors::with_vectors;

/// Stretches of rows that are summed by themselves, at most: work for as many threads.
const STRETCHES: usize = 64;
/// Rows that are widened at a time.
const CHUNK: usize = 256;

pub(super) fn kmeans(x: &Tensor, initial: Option<&Tensor>, args: &Kmeans) -> Result<(Tensor, Tensor)> {
    let &[n, d] = x.dims() else { unreachable!("checked to be a matrix") };
    let (centroids, labels) = with_vectors!(x.dtype(), T => {
        let x = x.as_slice::<T>()?;
        let initial = match (initial, args.start) {
            (Some(initial), _) => initial.as_slice::<f32>()?.to_vec(),
            (None, Start::Random) => gathered(x, d, draw(n, args.k, args.seed)),
            (None, Start::PlusPlus) => plus_plus(x, d, args)?,
        };
        match args.batch {
            None => lloyd(x, d, initial, args)?,
            Some(batch) => mini_batches(x, d, initial, args, batch.min(n))?,
        }
    });
    Ok((Tensor::from_vec(centroids, [args.k, d])?, Tensor::from_vec(labels, [n])?))
}

fn row<T: Stored>(x: &[T], d: usize, at: usize, into: &mut Vec<f32>) {
    let mut wide = Vec::new();
    into.extend_from_slice(T::widened(&x[at * d..(at + 1) * d], &mut wide));
}

fn gathered<T: Stored>(x: &[T], d: usize, rows: Vec<u32>) -> Vec<f32> {
    let mut centroids = Vec::with_capacity(rows.len() * d);
    rows.into_iter().for_each(|at| row(x, d, at as usize, &mut centroids));
    centroids
}

fn plus_plus<T: Stored>(x: &[T], d: usize, args: &Kmeans) -> Result<Vec<f32>> {
    let n = x.len() / d;
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let mut centroids = Vec::with_capacity(args.k * d);
    row(x, d, random.random_range(0..n), &mut centroids);
    let mut nearest = vec![f32::INFINITY; n];
    while centroids.len() < args.k * d {
        let last = &centroids[centroids.len() - d..];
        let sums: Vec<f64> = x
            .par_chunks(WEIGHED * d)
            .zip(nearest.par_chunks_mut(WEIGHED))
            .map(|(x, nearest)| dispatch(Nearer { x, d, centroid: last, nearest }))
            .collect();
        let weights = |chunk: usize| Ok(nearest[chunk * WEIGHED..n.min((chunk + 1) * WEIGHED)].to_vec());
        let at = weighted(&mut random, n, &sums, weights)?;
        row(x, d, at, &mut centroids);
    }
    Ok(centroids)
}

/// Lowers the rows' distances to that from one more centroid, and sums them.
struct Nearer<'a, T> {
    x: &'a [T],
    d: usize,
    centroid: &'a [f32],
    nearest: &'a mut [f32],
}

impl<T: Stored> Task for Nearer<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> f64 {
        let mut wide = Vec::new();
        let rows = T::widened(self.x, &mut wide);
        let mut sum = 0.0;
        for (row, nearest) in rows.chunks_exact(self.d).zip(self.nearest) {
            *nearest = nearest.min(tile::squared_distance(lanes, row, self.centroid));
            sum += f64::from(*nearest);
        }
        sum
    }
}

/// Labels all rows by their nearest centroids, and sums them by label.
fn assigned<T: Stored>(x: &[T], d: usize, centroids: &[f32], labels: &mut [i64]) -> Result<Sums> {
    let (n, k) = (x.len() / d, centroids.len() / d);
    // So that sums are a small part of the work and memory; by n and k alone, so that every machine sums alike.
    let stretch = n.div_ceil(STRETCHES.min(n.div_ceil(2 * k)).max(1)).max(1);
    let every: Vec<u32> = (0..k as u32).collect();
    let parts: Vec<Sums> = x
        .par_chunks(stretch * d)
        .zip(labels.par_chunks_mut(stretch))
        .map(|(x, labels)| dispatch(Assign { x, d, centroids, every: &every, labels }))
        .collect();
    let all = parts.into_iter().reduce(Sums::plus).expect("at least one row");
    match all.sums.iter().position(|sum| !sum.is_finite()) {
        Some(c) => Err(not_finite(x, d, c / d)),
        None => Ok(all),
    }
}

/// Gives centroids that have a direction length 1.
fn to_unit_length(centroids: &mut [f32], d: usize) {
    for centroid in centroids.chunks_mut(d) {
        let length = centroid.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            centroid.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    }
}

fn lloyd<T: Stored>(
    x: &[T],
    d: usize,
    mut centroids: Vec<f32>,
    args: &Kmeans,
) -> Result<(Vec<f32>, Vec<i64>)> {
    let mut labels = vec![0i64; x.len() / d];
    if args.spherical {
        to_unit_length(&mut centroids, d);
    }
    let mut before = Vec::new();
    for _ in 0..args.iterations {
        before.clone_from(&centroids);
        let all = assigned(x, d, &centroids, &mut labels)?;
        let restarts = if all.counts.contains(&0) {
            restarts(&all.counts, &distances(x, d, &centroids, &labels))
        } else {
            vec![-1; args.k]
        };
        for (c, centroid) in centroids.chunks_mut(d).enumerate() {
            let count = f64::from(all.counts[c]);
            if restarts[c] >= 0 {
                let mut fresh = Vec::with_capacity(d);
                row(x, d, restarts[c] as usize, &mut fresh);
                centroid.copy_from_slice(&fresh);
            } else if count > 0.0 {
                let sums = &all.sums[c * d..(c + 1) * d];
                centroid.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum / count) as f32);
            }
        }
        if args.spherical {
            to_unit_length(&mut centroids, d);
        }
        // A fixed point: what follows would be the same again.
        if centroids == before {
            break;
        }
    }
    Ok((centroids, labels))
}

/// Each centroid is the mean of all rows that came to it so far, in whatever batches.
fn mini_batches<T: Stored>(
    x: &[T],
    d: usize,
    mut centroids: Vec<f32>,
    args: &Kmeans,
    batch: usize,
) -> Result<(Vec<f32>, Vec<i64>)> {
    let n = x.len() / d;
    let mut seen = vec![0.0f64; args.k];
    let (mut some, mut labels) = (Vec::with_capacity(batch * d), vec![0i64; batch]);
    if args.spherical {
        to_unit_length(&mut centroids, d);
    }
    for iteration in 0..args.iterations {
        some.clear();
        // Another seed than the start's.
        for row in draw(n, batch, args.seed.wrapping_add(1 + iteration as u64)) {
            some.extend_from_slice(&x[row as usize * d..][..d]);
        }
        // The number of a row of the batch says nothing: the row of x is named.
        let all = assigned(&some, d, &centroids, &mut labels).map_err(|_| not_finite(x, d, 0))?;
        for (c, centroid) in centroids.chunks_mut(d).enumerate() {
            let count = f64::from(all.counts[c]);
            if count == 0.0 {
                continue;
            }
            seen[c] += count;
            for (mean, sum) in centroid.iter_mut().zip(&all.sums[c * d..(c + 1) * d]) {
                *mean += ((sum - count * f64::from(*mean)) / seen[c]) as f32;
            }
        }
        if args.spherical {
            to_unit_length(&mut centroids, d);
        }
    }
    let mut labels = vec![0i64; n];
    assigned(x, d, &centroids, &mut labels)?;
    Ok((centroids, labels))
}

/// Names the first row that is not finite; the centroid of `initial`, where there is none.
fn not_finite<T: Stored>(x: &[T], d: usize, centroid: usize) -> Error {
    let mut wide = Vec::new();
    let row = x.chunks(d).position(|row| T::widened(row, &mut wide).iter().any(|x| !x.is_finite()));
    let (what, index) =
        row.map_or(("the sum of a centroid is not finite", centroid), |row| ("x is not finite", row));
    Error::new(NAME, Kind::Numerical { what: what.to_owned(), index })
}

/// The rows' distances from their own centroids.
fn distances<T: Stored>(x: &[T], d: usize, centroids: &[f32], labels: &[i64]) -> Vec<f32> {
    x.par_chunks(CHUNK * d)
        .zip(labels.par_chunks(CHUNK))
        .flat_map_iter(|(x, labels)| {
            let mut wide = Vec::new();
            let rows = T::widened(x, &mut wide).chunks(d);
            let own = |(row, &label): (&[f32], &i64)| {
                exact::distance(Metric::L2, &centroids[label as usize * d..][..d], 0.0, row)
            };
            rows.zip(labels).map(own).collect::<Vec<_>>()
        })
        .collect()
}

/// What the rows of a stretch add to each centroid.
struct Sums {
    /// `[k, d]`
    sums: Vec<f64>,
    /// `[k]`
    counts: Vec<u32>,
}

impl Sums {
    fn plus(mut self, other: Sums) -> Sums {
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
        self.counts.iter_mut().zip(other.counts).for_each(|(count, other)| *count += other);
        self
    }
}

/// Labels a stretch of rows and sums them by label.
struct Assign<'a, T> {
    x: &'a [T],
    d: usize,
    centroids: &'a [f32],
    every: &'a [u32],
    labels: &'a mut [i64],
}

impl<T: Stored> Task for Assign<'_, T> {
    type Output = Sums;

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Sums {
        let d = self.d;
        let rivals = Rivals::all(lanes, self.centroids, d, self.every);
        let k = self.every.len();
        let mut all = Sums { sums: vec![0.0; k * d], counts: vec![0; k] };
        let (mut wide, mut tail) = (Vec::new(), Vec::new());
        let chunk = CHUNK / ROWS * ROWS;
        for (x, labels) in self.x.chunks(chunk * d).zip(self.labels.chunks_mut(chunk)) {
            let data = T::widened(x, &mut wide);
            for (rows, labels) in data.chunks(ROWS * d).zip(labels.chunks_mut(ROWS)) {
                let block = if labels.len() == ROWS {
                    rows
                } else {
                    tail.clear();
                    tail.extend_from_slice(rows);
                    tail.resize(ROWS * d, 0.0);
                    &tail
                };
                let nearest = Rivals::nearest::<L, ROWS>(lanes, &rivals, block, d);
                for ((row, label), (c, _)) in rows.chunks_exact(d).zip(labels).zip(nearest) {
                    *label = c as i64;
                    all.counts[c] += 1;
                    let sums = &mut all.sums[c * d..(c + 1) * d];
                    sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
                }
            }
        }
        all
    }
}
