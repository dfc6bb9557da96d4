//! Products of matrices, and systems with triangular ones: the third level of BLAS.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_solve as triangular;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::arguments::{extent, leading, right, scale, transposed, turned, turned_mut, unit, upper};
use crate::call::{Outcome, product_threads, threads};
use crate::memory::Array;
use crate::real::Real;

/// `c = alpha op(a) op(b) + beta c`
pub(crate) fn gemm<T: Real>(
    transa: u8,
    transb: u8,
    m: i64,
    n: i64,
    k: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    b: Array<T>,
    ldb: i64,
    beta: T,
    mut c: Array<T>,
    ldc: i64,
) -> Outcome {
    let (turn_a, turn_b) = (transposed(transa, 1)?, transposed(transb, 2)?);
    let (m, n, k) = (extent(m, 3)?, extent(n, 4)?, extent(k, 5)?);
    let (shape_a, shape_b) = (if turn_a { [k, m] } else { [m, k] }, if turn_b { [n, k] } else { [k, n] });
    let (lda, ldb, ldc) = (leading(lda, shape_a[0], 8)?, leading(ldb, shape_b[0], 10)?, leading(ldc, m, 13)?);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let mut c = c.matrix_mut([m, n], ldc);
    let accumulate = scale(c.as_mut(), beta);
    if alpha == T::ZERO || k == 0 {
        if matches!(accumulate, Accum::Replace) {
            c.fill(T::ZERO);
        }
        return Ok(());
    }
    let (a, b) = (a.matrix(shape_a, lda), b.matrix(shape_b, ldb));
    T::product(c, accumulate, turned(a, turn_a), turned(b, turn_b), alpha, product_threads([m, n, k]));
    Ok(())
}

/// `c = alpha a b + beta c`, or `b a`, where a is symmetric.
pub(crate) fn symm<T: Real>(
    side: u8,
    uplo: u8,
    m: i64,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    b: Array<T>,
    ldb: i64,
    beta: T,
    mut c: Array<T>,
    ldc: i64,
) -> Outcome {
    let (right, upper) = (right(side, 1)?, upper(uplo, 2)?);
    let (m, n) = (extent(m, 3)?, extent(n, 4)?);
    let size = if right { n } else { m };
    let (lda, ldb, ldc) = (leading(lda, size, 7)?, leading(ldb, m, 9)?, leading(ldc, m, 12)?);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let mut c = c.matrix_mut([m, n], ldc);
    let accumulate = scale(c.as_mut(), beta);
    if alpha == T::ZERO {
        if matches!(accumulate, Accum::Replace) {
            c.fill(T::ZERO);
        }
        return Ok(());
    }
    let (a, b) = (turned(a.matrix([size, size], lda), upper), b.matrix([m, n], ldb));
    let full = Mat::from_fn(size, size, |i, j| if i >= j { a[(i, j)] } else { a[(j, i)] });
    let (first, second) = if right { (b, full.as_ref()) } else { (full.as_ref(), b) };
    T::product(c, accumulate, first, second, alpha, product_threads([m, n, size]));
    Ok(())
}

/// The triangle of `c` becomes that of `beta c`, for what is added next.
fn scale_lower<T: Real>(mut c: MatMut<'_, T>, beta: T) -> Accum {
    let n = c.nrows();
    for j in 0..n {
        scale(c.as_mut().get_mut(j..n, j..j + 1), beta);
    }
    if beta == T::ZERO { Accum::Replace } else { Accum::Add }
}

/// Where a product has no terms.
fn clear_lower<T: Real>(mut c: MatMut<'_, T>, accumulate: Accum) {
    if matches!(accumulate, Accum::Replace) {
        let n = c.nrows();
        (0..n).for_each(|j| c.as_mut().get_mut(j..n, j..j + 1).fill(T::ZERO));
    }
}

/// `c = alpha a aᵀ + beta c`, or `aᵀ a`, in one triangle.
pub(crate) fn syrk<T: Real>(
    uplo: u8,
    trans: u8,
    n: i64,
    k: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    beta: T,
    mut c: Array<T>,
    ldc: i64,
) -> Outcome {
    let (upper, turn) = (upper(uplo, 1)?, transposed(trans, 2)?);
    let (n, k) = (extent(n, 3)?, extent(k, 4)?);
    let shape = if turn { [k, n] } else { [n, k] };
    let (lda, ldc) = (leading(lda, shape[0], 7)?, leading(ldc, n, 10)?);
    if n == 0 {
        return Ok(());
    }
    // The upper triangle is the lower one of the transpose, which is the same matrix.
    let mut c = turned_mut(c.matrix_mut([n, n], ldc), upper);
    let accumulate = scale_lower(c.as_mut(), beta);
    if alpha == T::ZERO || k == 0 {
        clear_lower(c, accumulate);
        return Ok(());
    }
    let a = turned(a.matrix(shape, lda), turn);
    T::product_lower(c, accumulate, a, a.transpose(), alpha, product_threads([n, n, k]));
    Ok(())
}

/// `c = alpha a bᵀ + alpha b aᵀ + beta c`, or `aᵀ b + bᵀ a`, in one triangle.
pub(crate) fn syr2k<T: Real>(
    uplo: u8,
    trans: u8,
    n: i64,
    k: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    b: Array<T>,
    ldb: i64,
    beta: T,
    mut c: Array<T>,
    ldc: i64,
) -> Outcome {
    let (upper, turn) = (upper(uplo, 1)?, transposed(trans, 2)?);
    let (n, k) = (extent(n, 3)?, extent(k, 4)?);
    let shape = if turn { [k, n] } else { [n, k] };
    let (lda, ldb, ldc) = (leading(lda, shape[0], 7)?, leading(ldb, shape[0], 9)?, leading(ldc, n, 12)?);
    if n == 0 {
        return Ok(());
    }
    let mut c = turned_mut(c.matrix_mut([n, n], ldc), upper);
    let accumulate = scale_lower(c.as_mut(), beta);
    if alpha == T::ZERO || k == 0 {
        clear_lower(c, accumulate);
        return Ok(());
    }
    let (a, b) = (turned(a.matrix(shape, lda), turn), turned(b.matrix(shape, ldb), turn));
    let par = product_threads([n, n, k]);
    T::product_lower(c.as_mut(), accumulate, a, b.transpose(), alpha, par);
    T::product_lower(c, Accum::Add, b, a.transpose(), alpha, par);
    Ok(())
}

/// A triangle of a square matrix, as a view that may be turned.
#[derive(Clone, Copy)]
pub(crate) struct Triangle<'a, T> {
    pub(crate) a: MatRef<'a, T>,
    pub(crate) upper: bool,
    pub(crate) unit: bool,
}

impl<'a, T: Real> Triangle<'a, T> {
    pub(crate) fn turned(self, transpose: bool) -> Self {
        Triangle { a: turned(self.a, transpose), upper: self.upper != transpose, ..self }
    }

    /// `t x = b`, in place.
    pub(crate) fn solve(self, b: MatMut<'_, T>, par: Par) {
        match (self.upper, self.unit) {
            (false, false) => triangular::solve_lower_triangular_in_place(self.a, b, par),
            (false, true) => triangular::solve_unit_lower_triangular_in_place(self.a, b, par),
            (true, false) => triangular::solve_upper_triangular_in_place(self.a, b, par),
            (true, true) => triangular::solve_unit_upper_triangular_in_place(self.a, b, par),
        }
    }

    /// `b = alpha t b`
    pub(crate) fn multiply(self, b: MatMut<'_, T>, alpha: T, par: Par) {
        let structure = match (self.upper, self.unit) {
            (false, false) => BlockStructure::TriangularLower,
            (false, true) => BlockStructure::UnitTriangularLower,
            (true, false) => BlockStructure::TriangularUpper,
            (true, true) => BlockStructure::UnitTriangularUpper,
        };
        let before = b.as_ref().to_owned();
        let full = BlockStructure::Rectangular;
        matmul(b, full, Accum::Replace, self.a, structure, before.as_ref(), full, alpha, par);
    }
}

/// The arguments that `trmm` and `trsm` share.
struct Sides<T> {
    right: bool,
    upper: bool,
    turn: bool,
    unit: bool,
    shape: [usize; 2],
    size: usize,
    leading: [usize; 2],
    a: Array<T>,
}

impl<T: Real> Sides<T> {
    fn new(
        [side, uplo, trans, diag]: [u8; 4],
        [m, n]: [i64; 2],
        a: Array<T>,
        [lda, ldb]: [i64; 2],
    ) -> Outcome<Self> {
        let (right, upper) = (right(side, 1)?, upper(uplo, 2)?);
        let (turn, unit) = (transposed(trans, 3)?, unit(diag, 4)?);
        let (m, n) = (extent(m, 5)?, extent(n, 6)?);
        let size = if right { n } else { m };
        let leading = [leading(lda, size, 9)?, leading(ldb, m, 11)?];
        Ok(Sides { right, upper, turn, unit, shape: [m, n], size, leading, a })
    }

    /// The triangle and b, turned so that the triangle stands on the left. `None` where there is nothing to do any more.
    fn views<'a>(&'a self, b: &'a mut Array<T>, alpha: T) -> Option<(Triangle<'a, T>, MatMut<'a, T>)> {
        if self.shape.contains(&0) {
            return None;
        }
        let mut b = b.matrix_mut(self.shape, self.leading[1]);
        if alpha == T::ZERO {
            b.fill(T::ZERO);
            return None;
        }
        let a = self.a.matrix([self.size, self.size], self.leading[0]);
        let triangle = Triangle { a, upper: self.upper, unit: self.unit };
        Some((triangle.turned(self.turn != self.right), turned_mut(b, self.right)))
    }
}

/// `b = alpha op(a) b`, or `b op(a)`, where a is triangular.
pub(crate) fn trmm<T: Real>(
    side: u8,
    uplo: u8,
    transa: u8,
    diag: u8,
    m: i64,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let sides = Sides::new([side, uplo, transa, diag], [m, n], a, [lda, ldb])?;
    if let Some((triangle, b)) = sides.views(&mut b, alpha) {
        triangle.multiply(b, alpha, threads(sides.size));
    }
    Ok(())
}

/// `op(a) x = alpha b`, or `x op(a)`, where a is triangular; b becomes x.
pub(crate) fn trsm<T: Real>(
    side: u8,
    uplo: u8,
    transa: u8,
    diag: u8,
    m: i64,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let sides = Sides::new([side, uplo, transa, diag], [m, n], a, [lda, ldb])?;
    if let Some((triangle, mut b)) = sides.views(&mut b, alpha) {
        scale(b.as_mut(), alpha);
        triangle.solve(b, threads(sides.size));
    }
    Ok(())
}
