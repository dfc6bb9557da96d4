//! What is done to vectors before an index sees them: rotations and projections that are learnt from them.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::gemm::{Matmul, matmul};
use tilewright_kernels::linalg::{Orthogonal, Svd, orthogonal, svd};
use tilewright_kernels::search::{PqTrain, pq_encode, pq_train};

use crate::coded::word;
use crate::recipe::Turn;

/// Rows whose products are summed at a time.
const ROWS: usize = 4096;
/// Rounds of an optimised product quantiser's training, and updates of its codebooks in each.
const ROUNDS: usize = 12;
const UPDATES: usize = 4;

/// `x -> a x + offset`, where the rows of `a` are orthonormal.
pub(crate) struct Transform {
    /// `[w, d]`, f32, w at most d
    pub(crate) a: Tensor,
    /// `[w]`, f32
    pub(crate) offset: Tensor,
}

impl Transform {
    /// A transform of this matrix and offset; without an offset of zeros.
    pub(crate) fn new(a: Tensor, offset: Option<Tensor>) -> Result<Self> {
        let zeros = || Tensor::zeros(DType::F32, [a.dims()[0]]);
        // Row after row, as files have it, whatever view it was.
        let rows = Tensor::from_vec(a.to_vec::<f32>()?, a.dims())?;
        Ok(Self { offset: offset.map_or_else(zeros, Ok)?, a: rows })
    }

    /// That of a recipe, learnt from the rows of `x [n, d]`; `bits` of the codes that follow.
    pub(crate) fn train(turn: Turn, x: &Tensor, bits: usize) -> Result<Self> {
        let d = x.dims()[1];
        match turn {
            Turn::Random { width } => {
                // The rows of the transpose are orthonormal, where there are fewer rows than columns.
                let args = Orthogonal { seed: 1, ..Orthogonal::default() };
                Self::new(orthogonal(&Stream::cpu(), DType::F32, &[width, d], &args)?, None)
            }
            Turn::Principal { width } => {
                let (mean, directions, _) = principal(x, width)?;
                let rows = directions.chunks_exact(d);
                let offset = rows.map(|row| -row.iter().zip(&mean).map(|(a, m)| a * m).sum::<f64>() as f32);
                let offset = Tensor::from_vec(offset.collect(), [width])?;
                Self::new(Tensor::from_f64(&directions, DType::F32, [width, d])?, Some(offset))
            }
            Turn::Product { m, width } => {
                let width = width.unwrap_or(d);
                Self::new(optimised(x, m, width, bits)?, None)
            }
        }
    }

    /// The length of vectors before.
    pub(crate) fn d(&self) -> usize {
        self.a.dims()[1]
    }

    /// The rows `[n, w]` that rows `[n, d]` become.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let args = Matmul { transpose_b: true, ..Matmul::default() };
        let mut y = matmul(&Stream::cpu(), x, &self.a, None, &args)?.to_vec::<f32>()?;
        let offset = self.offset.as_slice::<f32>()?;
        for row in y.chunks_exact_mut(offset.len()) {
            row.iter_mut().zip(offset).for_each(|(y, offset)| *y += offset);
        }
        Tensor::from_vec(y, [x.dims()[0], offset.len()])
    }

    /// What a row `[w]` was, as far as it lies in the directions that are kept: all of it where none was projected away.
    pub(crate) fn back(&self, y: &[f32]) -> Result<Vec<f32>> {
        let (d, mut x) = (self.d(), vec![0.0f64; self.d()]);
        let rows = self.a.as_slice::<f32>()?.chunks_exact(d);
        for ((row, y), offset) in rows.zip(y).zip(self.offset.as_slice::<f32>()?) {
            let y = f64::from(*y) - f64::from(*offset);
            x.iter_mut().zip(row).for_each(|(x, &a)| *x += f64::from(a) * y);
        }
        Ok(x.into_iter().map(|x| x as f32).collect())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.a.bytes() + self.offset.bytes()
    }
}

/// `xᵀ y` in f64, some rows at a time, where `x` has a mean taken off.
fn product(x: &Tensor, mean: &[f64], y: Option<&Tensor>) -> Result<Tensor> {
    let (n, d) = (x.dims()[0], x.dims()[1]);
    let wide = |rows: &Tensor, mean: &[f64]| -> Result<Tensor> {
        let width = rows.dims()[1];
        let all = rows.to_vec::<f32>()?;
        let left = all
            .iter()
            .enumerate()
            .map(|(at, &x)| f64::from(x) - mean.get(at % width).copied().unwrap_or(0.0));
        Tensor::from_vec(left.collect(), rows.dims())
    };
    let mut sum: Option<Tensor> = None;
    for start in (0..n).step_by(ROWS) {
        let rows = start..n.min(start + ROWS);
        let left = wide(&x.slice(0, rows.clone())?, mean)?;
        let right = match y {
            Some(y) => wide(&y.slice(0, rows)?, &[])?,
            None => left.clone(),
        };
        let beta = if sum.is_some() { 1.0 } else { 0.0 };
        let args = Matmul { transpose_a: true, beta, ..Matmul::default() };
        sum = Some(matmul(&Stream::cpu(), &left, &right, sum.as_ref(), &args)?);
    }
    sum.map_or_else(|| Tensor::zeros(DType::F64, [d, d]), Ok)
}

/// The mean, the first `width` directions of the greatest variance `[width, d]` and their variances times the number of rows.
fn principal(x: &Tensor, width: usize) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let (n, d) = (x.dims()[0], x.dims()[1]);
    let mut mean = vec![0.0f64; d];
    for row in x.to_vec::<f32>()?.chunks_exact(d) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    mean.iter_mut().for_each(|mean| *mean /= n.max(1) as f64);
    if mean.iter().any(|mean| !mean.is_finite()) {
        return Err(Error::range("train", "vectors", "finite numbers", "one that is not"));
    }
    let factors = svd(&Stream::cpu(), &product(x, &mean, None)?, &Svd::default())?.checked()?;
    let vt = factors.vt.expect("the reduced form has them").to_vec::<f64>()?;
    let variances = factors.s.to_vec::<f64>()?;
    Ok((mean, vt[..width * d].to_vec(), variances[..width].to_vec()))
}

/// The rotation of an optimised product quantiser (Ge, He, Ke and Sun, Optimized product quantization, 2013): starts with principal directions that are dealt out so that the products of
/// the parts' variances are even (section 4.2), then finds codebooks for the rotation and the rotation that fits their words best by turns (section 4.1).
fn optimised(x: &Tensor, m: usize, width: usize, bits: usize) -> Result<Tensor> {
    let (cpu, d, part) = (Stream::cpu(), x.dims()[1], width / m);
    let (_, directions, variances) = principal(x, width)?;
    let mut dealt: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new()); m];
    for (at, variance) in variances.iter().enumerate() {
        let open = dealt.iter_mut().filter(|(_, own)| own.len() < part);
        let (logarithm, own) = open.min_by(|a, b| a.0.total_cmp(&b.0)).expect("as many places as directions");
        *logarithm += variance.max(f64::MIN_POSITIVE).ln();
        own.push(at);
    }
    let order = dealt.into_iter().flat_map(|(_, own)| own);
    let rows: Vec<f64> = order.flat_map(|at| directions[at * d..(at + 1) * d].to_vec()).collect();
    let mut a = Tensor::from_f64(&rows, DType::F32, [width, d])?;
    let mut codebooks: Option<Tensor> = None;
    for _ in 0..ROUNDS {
        let y = Transform::new(a.clone(), None)?.apply(x)?;
        let args = PqTrain { m, bits, iterations: UPDATES, ..PqTrain::default() };
        let words = pq_train(&cpu, &y, codebooks.as_ref(), &args)?;
        let codes = pq_encode(&cpu, &y, &words)?;
        let bytes = codes.dims()[1];
        let all = words.as_slice::<f32>()?;
        let mut meant = Vec::with_capacity(x.dims()[0] * width);
        for code in codes.as_slice::<u8>()?.chunks_exact(bytes) {
            for j in 0..m {
                meant.extend_from_slice(&all[(j << bits | word(bits, code, j)) * part..][..part]);
            }
        }
        let meant = Tensor::from_vec(meant, [x.dims()[0], width])?;
        // The orthonormal rows nearest to taking x to its words: from the singular vectors of xᵀ y.
        let factors = svd(&cpu, &product(x, &[], Some(&meant))?, &Svd::default())?.checked()?;
        let (u, vt) = (factors.u.expect("the reduced form has them"), factors.vt.expect("so too"));
        let turned = matmul(&cpu, &u, &vt, None, &Matmul::default())?.transpose()?;
        a = Tensor::from_f64(&turned.to_f64_vec()?, DType::F32, [width, d])?;
        codebooks = Some(words);
    }
    Ok(a)
}
