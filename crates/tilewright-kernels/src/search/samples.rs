//! Seeded vectors for the family's cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Expected, Result, Tensor};

use super::flat_scan_topk::reference::True;
use super::{Metric, judge};

/// Makes one input after another from a case's seed. The case's `data` names what they are like:
///
/// | data | |
/// |---|---|
/// | | normal deviates |
/// | integers | whole numbers from -2 to 2, so that distances tie and are exact |
/// | labelled | as integers; ids without order, and a third of the rows filtered out |
/// | wide | as labelled, ids of 64 bits, some of them negative |
/// | equal | every row the same |
/// | special | normal deviates; NaN, infinities, zeros and huge rows among them |
/// | far | normal deviates around (100, 100, ...): expanding the square would cancel |
/// | subspace | on a 16-dimensional random subspace, with 0.1 noise |
pub(super) struct Samples {
    random: ChaCha8Rng,
    data: &'static str,
    dtype: DType,
    /// `[16, d]`
    basis: Vec<f64>,
}

impl Samples {
    pub(super) fn new(case: &Case) -> Self {
        let random = ChaCha8Rng::seed_from_u64(case.seed);
        Self { random, data: case.data, dtype: case.dtype, basis: Vec::new() }
    }

    /// Whether f32 holds every distance exactly, so that ids are decided.
    pub(super) fn exact(data: &str) -> bool {
        ["integers", "labelled", "wide", "equal"].contains(&data)
    }

    /// `rows` vectors.
    pub(super) fn vectors(&mut self, rows: usize, d: usize) -> Result<Tensor> {
        const RANK: usize = 16;
        if self.data == "subspace" && self.basis.is_empty() {
            self.basis = (0..RANK * d).map(|_| self.normal() / (RANK as f64).sqrt()).collect();
        }
        let mut values = Vec::with_capacity(rows * d);
        for row in 0..rows {
            match self.data {
                "integers" | "labelled" | "wide" => {
                    values.extend((0..d).map(|_| f64::from(self.random.random_range(-2i32..=2))));
                }
                "equal" => values.extend((0..d).map(|j| (j % 5) as f64 - 2.0)),
                "special" if row % 5 == 3 => {
                    let odd = [f64::NAN, f64::INFINITY, 0.0, 1e19, f64::NEG_INFINITY, 1e38][row / 5 % 6];
                    let at = self.random.random_range(0..d);
                    values.extend((0..d).map(|j| if odd == 0.0 || j == at { odd } else { 1.0 }));
                }
                "subspace" => {
                    let place: Vec<f64> = (0..RANK).map(|_| self.normal()).collect();
                    let mut point: Vec<f64> = (0..d).map(|_| 0.1 * self.normal()).collect();
                    for (place, direction) in place.iter().zip(self.basis.chunks(d)) {
                        point.iter_mut().zip(direction).for_each(|(x, along)| *x += place * along);
                    }
                    values.extend(point);
                }
                "far" => values.extend((0..d).map(|_| 100.0 + self.normal())),
                _ => values.extend((0..d).map(|_| self.normal())),
            }
        }
        if self.dtype == DType::I8 && !Self::exact(self.data) {
            values.iter_mut().for_each(|x| *x = (*x * 40.0).clamp(-128.0, 127.0));
        }
        Tensor::from_f64(&values, self.dtype, [rows, d])
    }

    /// Ids and the bits of the rows that count, where the case has them.
    pub(super) fn labels(&mut self, rows: usize) -> Result<Vec<Tensor>> {
        if !["labelled", "wide"].contains(&self.data) {
            return Ok(Vec::new());
        }
        // A step without a common factor with 2^20: no two of fewer rows are equal.
        let ids = (0..rows as u64).map(|row| (row * 92_821 % (1 << 20)) as u32);
        let ids = if self.data == "wide" {
            // Below 2^53, so that the truth has them as f64.
            Tensor::from_vec::<i64>(
                ids.map(|id| i64::from(id) * ((1 << 33) + 1) - (1 << 40)).collect(),
                [rows],
            )?
        } else {
            Tensor::from_vec::<u32>(ids.collect(), [rows])?
        };
        let keep: Vec<u8> =
            (0..rows.div_ceil(8)).map(|_| self.random.random::<u8>() | self.random.random::<u8>()).collect();
        let bytes = keep.len();
        Ok(vec![ids, Tensor::from_vec(keep, [bytes])?])
    }

    /// A whole number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    /// The sum of four uniform deviates, scaled to unit variance: near enough to normal, and cheap.
    fn normal(&mut self) -> f64 {
        let bits: u64 = self.random.random();
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
        (sum as f64 / 65536.0 - 2.0) * 3f64.sqrt()
    }
}

/// What a scan of a case's `[b, d]` queries has to give: the very ids where the data decide them.
pub(super) fn expected(case: &Case, metric: Metric, k: usize, truth: &[Vec<True>]) -> Result<Vec<Expected>> {
    let exact = Samples::exact(case.data) && metric != Metric::Cosine;
    judge::expected(truth, case.dim("b"), case.dim("d"), k, exact)
}

/// The rows of a matrix as f64.
pub(super) fn rows(tensor: &Tensor) -> Result<Vec<Vec<f64>>> {
    let d = tensor.dims()[1];
    Ok(tensor.to_f64_vec()?.chunks(d.max(1)).map(<[f64]>::to_vec).collect())
}

/// Whether row `row` counts.
pub(super) fn kept(keep: Option<&[u8]>, row: usize) -> bool {
    keep.is_none_or(|keep| keep[row / 8] >> (row % 8) & 1 == 1)
}
