//! Inputs of the family's cases, and rows as the references see them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor, Tier};

/// Row counts and lengths around the sizes at which SIMD groups, quads and leaves end.
pub(super) const EDGES: [(usize, usize); 9] =
    [(1, 1), (3, 2), (5, 31), (3, 32), (2, 33), (3, 255), (1, 257), (5, 5), (2, 1000)];

/// A case of `r` rows of `n` elements, the rows along the last axis.
pub(super) fn case(tier: Tier, r: usize, n: usize, dtype: DType) -> Case {
    Case::new(tier, &[("r", r), ("n", n)], dtype)
}

/// A case of shape `[r, n, i]`, reduced along the axis in the middle.
pub(super) fn middle(tier: Tier, r: usize, n: usize, i: usize, dtype: DType) -> Case {
    Case::new(tier, &[("r", r), ("n", n), ("i", i)], dtype).set("axis", -2)
}

/// The input of a case. `data` names the values or the layout:
///
/// | data | |
/// |---|---|
/// | | normal deviates; integers of the whole i32 range |
/// | ties | -2, -1, -0, 0, 1, 2 |
/// | equal | one value |
/// | special | normal deviates; one in eight is NaN, one an infinity |
/// | infinite | as special without NaN |
/// | masked | minus infinity but for one in sixteen, and rows of it alone |
/// | wide | uniform in -150..150 |
/// | ascending, descending | sorted |
/// | cancelling | pairs h, -h of 1000 times the magnitude, one small term in four |
/// | transposed, padded, broadcast | normal deviates under other strides |
pub(super) fn input(case: &Case) -> Result<Tensor> {
    let dims: Vec<usize> = case.dims.iter().map(|&(_, size)| size).collect();
    let fill = |dims: &[usize]| Tensor::from_f64(&values(case, dims), case.dtype, dims);
    match case.data {
        "transposed" => {
            let mut stored = dims.clone();
            stored.reverse();
            let axes: Vec<usize> = (0..dims.len()).rev().collect();
            fill(&stored)?.permute(&axes)
        }
        "padded" => {
            let mut stored = dims.clone();
            let last = stored.len() - 1;
            stored[last] += 5;
            fill(&stored)?.slice(last, 3..3 + dims[last])
        }
        "broadcast" => fill(&[dims[1]])?.broadcast_to(dims),
        _ => fill(&dims),
    }
}

fn values(case: &Case, dims: &[usize]) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let (n, total) = (case.dim("n").max(1), dims.iter().product::<usize>());
    let any = |at: usize, random: &mut ChaCha8Rng| match case.data {
        "ties" => [-2.0, -1.0, -0.0, 0.0, 1.0, 2.0][random.random_range(0..6)],
        "equal" => 0.75,
        "special" => special(random, 8, f64::NAN),
        "infinite" => special(random, 8, f64::INFINITY),
        "masked" if (at / n).is_multiple_of(2) || random.random_ratio(15, 16) => f64::NEG_INFINITY,
        "wide" => random.random_range(-150.0..150.0),
        "cancelling" => match at % n % 4 {
            0 => 1000.0 * (1.0 + (at % n / 4 % 7) as f64),
            2 => -1000.0 * (1.0 + (at % n / 4 % 7) as f64),
            _ => normal(random),
        },
        _ if !case.dtype.is_float() => f64::from(random.random::<i32>()),
        _ => normal(random),
    };
    let mut values: Vec<f64> = (0..total).map(|at| any(at, &mut random)).collect();
    match case.data {
        "ascending" => values.chunks_mut(n).for_each(|row| row.sort_by(f64::total_cmp)),
        "descending" => values.chunks_mut(n).for_each(|row| row.sort_by(|a, b| b.total_cmp(a))),
        _ => (),
    }
    values
}

/// The sum of four uniform deviates, scaled to unit variance: near enough to normal, and cheap for the bench's sizes.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let bits: u64 = random.random();
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f64 / 65536.0 - 2.0) * 3f64.sqrt()
}

fn special(random: &mut ChaCha8Rng, one_in: u32, value: f64) -> f64 {
    match random.random_range(0..one_in) {
        0 => value,
        1 if random.random() => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        _ => normal(random),
    }
}

/// A row-major array seen along one axis: element `j` of row `(o, i)` lies at `(o * n + j) * inner + i`.
pub(super) struct Along {
    outer: usize,
    n: usize,
    inner: usize,
}

impl Along {
    /// The axis of a case: last, or in the middle of three.
    pub(super) fn new(case: &Case) -> Self {
        let inner = if case.dims.len() == 3 { case.dim("i") } else { 1 };
        Self { outer: case.dim("r"), n: case.dim("n"), inner }
    }

    /// The shape with `n` elements along the axis.
    pub(super) fn shape(case: &Case, n: usize) -> Vec<usize> {
        case.dims.iter().map(|&(name, size)| if name == "n" { n } else { size }).collect()
    }

    /// The shape without the axis.
    pub(super) fn reduced(case: &Case) -> Vec<usize> {
        case.dims.iter().filter(|(name, _)| *name != "n").map(|&(_, size)| size).collect()
    }

    /// The rows of a tensor.
    pub(super) fn rows(&self, x: &Tensor) -> Result<Vec<Vec<f64>>> {
        let flat = x.to_f64_vec()?;
        let at = |o: usize, j: usize, i: usize| flat[(o * self.n + j) * self.inner + i];
        let rows = (0..self.outer).flat_map(|o| (0..self.inner).map(move |i| (o, i)));
        Ok(rows.map(|(o, i)| (0..self.n).map(|j| at(o, j, i)).collect()).collect())
    }

    /// Rows of any equal length, in row-major order of the array.
    pub(super) fn flat<V: Copy>(&self, rows: &[Vec<V>]) -> Vec<V> {
        let n = rows.first().map_or(0, Vec::len);
        let mut flat = Vec::with_capacity(rows.len() * n);
        for o in 0..self.outer {
            for j in 0..n {
                flat.extend(rows[o * self.inner..][..self.inner].iter().map(|row| row[j]));
            }
        }
        flat
    }
}
