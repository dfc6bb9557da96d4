//! The f64 truth: it shares no code with what it judges.
//!
//! Singular values come from another algorithm on another form of the matrix: Lanczos with full reorthogonalization (Golub and
//! Van Loan, "Matrix Computations", section 10.3) on the sparse f64 rows, until its own error bound is far below f32's precision.

use faer::{Mat, Side};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tilewright_core::Tensor;

use crate::progress;
use crate::stop::Stop;

use super::search::Found;
use super::terms::Row;

/// The residual, relative to the largest eigenvalue, at which Lanczos stops. An eigenvalue is off by no more, and by about the
/// square of it over the gap to the next.
const RESIDUAL: f64 = 1e-7;
/// Relative to the largest eigenvalue: what is left of a vector that lies in the space already.
const NOTHING: f64 = 1e-13;
/// Singular values below this share of the largest are judged against it.
const SMALL: f64 = 1e-2;
/// A hundred roundings of f32: what is beyond is wrong, whatever the text.
const EXACT: f64 = 100.0 * f32::EPSILON as f64;
/// For the largest singular value, which converges first.
const LEADING: f64 = 1e-4;

/// How far the results are from the truth.
#[derive(Serialize)]
pub(super) struct Accuracy {
    /// Error of the largest singular value. These three are relative to the value, or to a hundredth of the largest one where
    /// that is more: the square of what is smaller drowns in f32's roundings of the square of the largest.
    pub(super) first_singular_value: f64,
    /// The largest error of the leading quarter.
    pub(super) leading_singular_values: f64,
    /// The largest error of all.
    pub(super) all_singular_values: f64,
    /// Steps that Lanczos took for the truth.
    pub(super) truth_steps: usize,
    /// The largest element of `|VᵀV - I|`.
    pub(super) orthonormality: f64,
    /// Neighbours at the very place where the brute force has them.
    pub(super) neighbours_in_place: usize,
    /// The most by which a neighbour's true score falls short of the true score of its place.
    pub(super) neighbours_short_by: f64,
    /// The largest error of a neighbour's score.
    pub(super) scores: f64,
}

impl Accuracy {
    /// What cannot be rounding.
    pub(super) fn faults(&self) -> Vec<String> {
        let judged = [
            ("the largest singular value is off by", self.first_singular_value, LEADING),
            ("V is not orthonormal, by", self.orthonormality, EXACT),
            ("the neighbours are not the nearest, by", self.neighbours_short_by, EXACT),
            ("scores are off by", self.scores, EXACT),
        ];
        let wrong = judged.into_iter().filter(|(_, value, limit)| value.is_nan() || value > limit);
        wrong
            .map(|(what, value, limit)| format!("{what} {value:.1e}, where {limit:.1e} is allowed"))
            .collect()
    }
}

/// Judges the singular values, the directions `[terms, rank]` and the neighbours; gives the exact values too.
pub(super) fn judge(
    rows: &[Row],
    values: &[f64],
    directions: &Tensor,
    found: &Found,
) -> Result<(Accuracy, Vec<f64>), Stop> {
    let rank = values.len();
    let (terms, directions) = (directions.dims()[0], directions.to_f64_vec()?);
    let (truth, truth_steps) = singular_values(&Sparse::new(rows, terms), rank)?;
    let floor = SMALL * truth[0];
    let errors: Vec<f64> =
        values.iter().zip(&truth).map(|(value, truth)| (value - truth).abs() / truth.max(floor)).collect();
    let scores = true_scores(found);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let places = || found.neighbours.iter().zip(&order);
    let short = places().map(|(found, &best)| scores[best] - scores[found.passage]);
    let off = found.neighbours.iter().map(|found| (f64::from(found.score) - scores[found.passage]).abs());
    let accuracy = Accuracy {
        first_singular_value: errors[0],
        leading_singular_values: worst(errors[..rank.div_ceil(4)].iter().copied()),
        all_singular_values: worst(errors),
        truth_steps,
        orthonormality: orthonormality(&directions, rank),
        neighbours_in_place: places().filter(|(found, best)| found.passage == **best).count(),
        neighbours_short_by: worst(short),
        scores: worst(off),
    };
    Ok((accuracy, truth))
}

/// The largest; NaN where any is.
fn worst(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst })
}

/// The largest element of `|VᵀV - I|`.
fn orthonormality(v: &[f64], columns: usize) -> f64 {
    let column = |j: usize| v.iter().skip(j).step_by(columns).copied().collect::<Vec<_>>();
    let columns: Vec<Vec<f64>> = (0..columns).map(column).collect();
    let pairs = columns
        .iter()
        .enumerate()
        .flat_map(|(i, x)| columns[..=i].iter().enumerate().map(move |(j, y)| (i, x, j, y)));
    worst(pairs.map(|(i, x, j, y)| (dot(x, y) - f64::from(u8::from(i == j))).abs()))
}

/// The cosine of each passage's angle to the query.
fn true_scores(found: &Found) -> Vec<f64> {
    let length = |row: &[f32]| row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let query_length = length(&found.query);
    let score = |row: &[f32]| {
        let product: f64 = row.iter().zip(&found.query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let lengths = length(row) * query_length;
        if lengths > 0.0 { product / lengths } else { 0.0 }
    };
    found.passages.chunks(found.query.len()).map(score).collect()
}

/// A sparse matrix that is no wider than high, transposed if need be: the singular values are the same.
struct Sparse {
    rows: Vec<Row>,
    columns: usize,
}

impl Sparse {
    fn new(rows: &[Row], columns: usize) -> Self {
        if columns <= rows.len() {
            return Self { rows: rows.to_vec(), columns };
        }
        let mut turned = vec![Row::new(); columns];
        for (i, row) in rows.iter().enumerate() {
            for &(column, value) in row {
                turned[column].push((i, value));
            }
        }
        Self { rows: turned, columns: rows.len() }
    }

    /// `Aᵀ (A x)`
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.columns];
        for row in &self.rows {
            let inner: f64 = row.iter().map(|&(column, value)| value * x[column]).sum();
            row.iter().for_each(|&(column, value)| y[column] += value * inner);
        }
        y
    }
}

/// The `k` largest singular values, and the steps that they took.
fn singular_values(a: &Sparse, k: usize) -> Result<(Vec<f64>, usize), Stop> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut direction = || (0..a.columns).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut next = direction();
    scale(&mut next);
    let mut look = (4 * k).min(a.columns);
    let bar = progress::bar(look, "truth in f64 (Lanczos)");
    loop {
        let mut w = a.apply(&next);
        diagonal.push(dot(&next, &w));
        basis.push(next);
        away_from(&basis, &mut w);
        let mut left = scale(&mut w);
        let largest = diagonal.iter().fold(0.0, |a: f64, b| a.max(*b));
        if left <= NOTHING * largest && basis.len() < a.columns {
            // The space is closed under A: go on in what is orthogonal to it.
            w = direction();
            away_from(&basis, &mut w);
            scale(&mut w);
            left = 0.0;
        }
        beside.push(left);
        next = w;
        bar.set_position(basis.len() as u64);
        if basis.len() < look {
            continue;
        }
        let steps = basis.len();
        let matrix = Mat::from_fn(steps, steps, |i, j| match i.abs_diff(j) {
            0 => diagonal[i],
            1 => beside[i.min(j)],
            _ => 0.0,
        });
        let eigen = matrix
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Stop::Failed("the truth's eigenproblem does not converge".to_owned()))?;
        let residual = |i: usize| (left * eigen.U()[(steps - 1, steps - 1 - i)]).abs();
        let worst = (0..k).map(residual).fold(0.0, f64::max);
        // With as many steps as there are dimensions nothing is left out.
        if steps == a.columns || worst <= RESIDUAL * eigen.S()[steps - 1] {
            bar.finish_and_clear();
            return Ok(((0..k).map(|i| eigen.S()[steps - 1 - i].max(0.0).sqrt()).collect(), steps));
        }
        look = (look + 2 * k).min(a.columns);
        bar.set_length(look as u64);
    }
}

/// Takes from `w` all that lies in the space of the basis; twice, because the first time leaves its own roundings.
fn away_from(basis: &[Vec<f64>], w: &mut [f64]) {
    for _ in 0..2 {
        for q in basis {
            let c = dot(q, w);
            w.iter_mut().zip(q).for_each(|(w, q)| *w -= c * q);
        }
    }
}

/// Divides by the length, which is returned.
fn scale(x: &mut [f64]) -> f64 {
    let length = dot(x, x).sqrt();
    if length > 0.0 {
        x.iter_mut().for_each(|x| *x /= length);
    }
    length
}

/// In 8 sums side by side, as vector registers hold them.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut sums = [0f64; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanczos_finds_known_values_wide_or_high_and_closed_spaces_too() {
        // Blocks (3), (4) and [[1, 2], [0, 2]] whose squares of singular values add up to 9 and multiply to 4.
        let rows: Vec<Row> =
            vec![vec![(0, 3.0)], vec![(1, 4.0)], vec![(2, 1.0), (3, 2.0)], vec![(3, 2.0)], vec![]];
        for columns in [4, 7] {
            let (values, _) = singular_values(&Sparse::new(&rows, columns), 4).unwrap();
            assert!((values[0] - 4.0).abs() < 1e-12 && (values[1] - 3.0).abs() < 1e-12, "{values:?}");
            assert!((values[2].powi(2) + values[3].powi(2) - 9.0).abs() < 1e-12, "{values:?}");
            assert!((values[2] * values[3] - 2.0).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn a_closed_space_is_left() {
        // The identity closes the space of any vector after one step.
        let rows: Vec<Row> = (0..9).map(|i| vec![(i, 1.0)]).collect();
        let (values, steps) = singular_values(&Sparse::new(&rows, 9), 3).unwrap();
        assert!(values.iter().all(|value| (value - 1.0).abs() < 1e-12) && steps == 9, "{values:?} {steps}");
    }

    #[test]
    fn faults_are_named() {
        let right = Accuracy {
            first_singular_value: 1e-7,
            leading_singular_values: 1e-6,
            all_singular_values: 1e-4,
            truth_steps: 10,
            orthonormality: 1e-6,
            neighbours_in_place: 5,
            neighbours_short_by: 0.0,
            scores: 1e-7,
        };
        assert!(right.faults().is_empty());
        let wrong = Accuracy { orthonormality: f64::NAN, neighbours_short_by: 0.1, ..right };
        assert_eq!(wrong.faults().len(), 2, "{:?}", wrong.faults());
    }
}
