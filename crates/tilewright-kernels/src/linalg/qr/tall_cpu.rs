//! On the host: tall matrices of f32 by the Cholesky factor of `aᵀ a` in f64, as the variants `cholesky` and `gram` of GPUs. Pieces of rows are widened in the
//! cache, and the matrix is read twice, from first to last, where reflections would read it for each block of columns.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_inverse::invert_upper_triangular;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::gram::{KNOWN, ORTHOGONAL, distance};
use super::super::host::{Matrices, Workspace};

/// Rows of a piece: of f64 in the cache.
const PIECE: usize = 512;

/// Parts whose sums are added up in one order, however many threads there are.
const PARTS: usize = 32;

/// Whether such matrices of f32 are taken.
pub(super) fn takes(extents: &Extents) -> bool {
    (1..=128).contains(&extents.n) && extents.m >= 1024 && extents.m >= 8 * extents.n
}

/// q, m x n, if it is wanted, and r, n x n, whose diagonal is not negative; `None` where columns of some matrix depend on others, to roundings of f32.
pub(super) fn qr(a: &Tensor, extents: &Extents, with_q: bool) -> Result<Option<(Option<Tensor>, Tensor)>> {
    let (m, n) = (extents.m, extents.n);
    let a = Matrices::<f32>::new(a)?;
    let empty = |tail: &[usize]| Tensor::empty(&Stream::cpu(), DType::F32, extents.shape(tail));
    let mut r = empty(&[n, n])?;
    let mut q = with_q.then(|| empty(&[m, n])).transpose()?;
    let mut each_q = match q.as_mut() {
        Some(q) => q.as_slice_mut::<f32>()?,
        None => &mut [],
    }
    .chunks_mut(m * n);
    for (item, r) in r.as_slice_mut::<f32>()?.chunks_mut(n * n).enumerate() {
        let Some(whole) = one(a.at(item), each_q.next()) else { return Ok(None) };
        for (e, r) in r.iter_mut().enumerate() {
            *r = if e / n <= e % n { whole[(e / n, e % n)] as f32 } else { 0.0 };
        }
    }
    Ok(Some((q, r)))
}

/// r of one matrix, and q, row-major, if it is wanted.
fn one(a: MatRef<'_, f32>, q: Option<&mut [f32]>) -> Option<Mat<f64>> {
    let first = Factor::of(a)?;
    let Some(q) = q else { return Some(first.r) };
    let n = a.ncols();
    q.par_chunks_mut(PIECE * n).enumerate().for_each_init(Room::default, |room, (piece, q)| {
        let rows = q.len() / n;
        room.widen(a.subrows(piece * PIECE, rows));
        room.product(&first.x, q);
    });
    if first.distance <= ORTHOGONAL {
        return Some(first.r);
    }
    let second = Factor::of(MatRef::from_row_major_slice(q, q.len() / n, n))?;
    // False of NaN as well.
    let orthogonal = second.distance <= ORTHOGONAL;
    if !orthogonal {
        return None;
    }
    q.par_chunks_mut(PIECE * n).for_each_init(Room::default, |room, q| {
        room.widen(MatRef::from_row_major_slice(q, q.len() / n, n));
        room.product(&second.x, q);
    });
    Some(&second.r * &first.r)
}

/// What turns a matrix into one of orthonormal columns.
struct Factor {
    /// Upper triangular, with zeros below.
    r: Mat<f64>,
    /// Its inverse.
    x: Mat<f64>,
    /// About how far `a x` is from orthogonal.
    distance: f64,
}

impl Factor {
    /// `None` where r would mean nothing.
    fn of(a: MatRef<'_, f32>) -> Option<Self> {
        let n = a.ncols();
        let pieces = a.nrows().div_ceil(PIECE);
        let each = pieces.div_ceil(PARTS);
        let sums: Vec<Mat<f64>> = (0..pieces.div_ceil(each))
            .into_par_iter()
            .map_init(Room::default, |room, part| {
                let mut sum = Mat::zeros(n, n);
                for first in (part * each..pieces.min((part + 1) * each)).map(|piece| piece * PIECE) {
                    room.widen(a.subrows(first, PIECE.min(a.nrows() - first)));
                    room.add_gram(sum.as_mut());
                }
                sum
            })
            .collect();
        let mut l = sums.into_iter().reduce(|sum, part| sum + part)?;
        let mut memory = Workspace::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
        let stack = memory.stack();
        cholesky_in_place(l.as_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
        let r = Mat::from_fn(n, n, |i, j| if i <= j { l[(j, i)] } else { 0.0 });
        let mut x = Mat::zeros(n, n);
        invert_upper_triangular(x.as_mut(), r.as_ref(), Par::Seq);
        let square = |i: usize| -> f64 { (0..=i).map(|k| r[(k, i)] * r[(k, i)]).sum() };
        let size = (0..n).map(|i| square(i) * (i..n).map(|j| x[(i, j)] * x[(i, j)]).sum::<f64>()).sum();
        let distance = distance(size, n);
        (distance <= KNOWN).then_some(Factor { r, x, distance })
    }
}

/// A piece in f64, row-major, and a product of it.
#[derive(Default)]
struct Room {
    piece: Vec<f64>,
    product: Vec<f64>,
}

impl Room {
    fn widen(&mut self, a: MatRef<'_, f32>) {
        let (rows, n) = a.shape();
        self.piece.resize(rows * n, 0.0);
        for (row, to) in self.piece.chunks_exact_mut(n).enumerate() {
            match a.row(row).try_as_row_major() {
                Some(from) => widen(from.as_slice(), to),
                None => to.iter_mut().enumerate().for_each(|(j, to)| *to = f64::from(a[(row, j)])),
            }
        }
    }

    /// Adds the piece's transpose times the piece to the lower triangle.
    fn add_gram(&self, sum: MatMut<'_, f64>) {
        use BlockStructure::{Rectangular, TriangularLower};
        let n = sum.ncols();
        let right = MatRef::from_row_major_slice(&self.piece, self.piece.len() / n, n);
        let left = right.transpose();
        triangular::matmul(
            sum,
            TriangularLower,
            Accum::Add,
            left,
            Rectangular,
            right,
            Rectangular,
            1.0,
            Par::Seq,
        );
    }

    /// The piece times x.
    fn product(&mut self, x: &Mat<f64>, out: &mut [f32]) {
        let (rows, n) = (out.len() / x.ncols(), x.ncols());
        self.product.resize(rows * n, 0.0);
        let to = MatMut::from_row_major_slice_mut(&mut self.product, rows, n);
        let piece = MatRef::from_row_major_slice(&self.piece, rows, n);
        matmul(to, Accum::Replace, piece, x.as_ref(), 1.0, Par::Seq);
        let product = &self.product;
        Arch::new()
            .dispatch(|| out.iter_mut().zip(product).for_each(|(out, &product)| *out = product as f32));
    }
}

fn widen(from: &[f32], to: &mut [f64]) {
    Arch::new().dispatch(|| to.iter_mut().zip(from).for_each(|(to, &from)| *to = f64::from(from)));
}
