//! Declarations of what is called, and matrices to call it with.

use std::ffi::c_char;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

macro_rules! declare {
    ($($symbol:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $(pub(crate) fn $symbol($($argument: $kind),*) $(-> $result)?;)*
        }
    };
}

type Flag = *const u8;
type Int = *const i32;
type Real = *const f64;
type Out = *mut f64;
type Ints = *mut i32;

declare! {
    dgemm_(ta: Flag, tb: Flag, m: Int, n: Int, k: Int, alpha: Real, a: Real, lda: Int, b: Real, ldb: Int, beta: Real, c: Out, ldc: Int);
    sgemm_(ta: Flag, tb: Flag, m: Int, n: Int, k: Int, alpha: *const f32, a: *const f32, lda: Int, b: *const f32, ldb: Int, beta: *const f32, c: *mut f32, ldc: Int);
    scipy_dgemm_64_(ta: Flag, tb: Flag, m: *const i64, n: *const i64, k: *const i64, alpha: Real, a: Real, lda: *const i64, b: Real, ldb: *const i64, beta: Real, c: Out, ldc: *const i64);
    cblas_dgemm(order: i32, ta: i32, tb: i32, m: i32, n: i32, k: i32, alpha: f64, a: Real, lda: i32, b: Real, ldb: i32, beta: f64, c: Out, ldc: i32);
    cblas_dgemv(order: i32, ta: i32, m: i32, n: i32, alpha: f64, a: Real, lda: i32, x: Real, incx: i32, beta: f64, y: Out, incy: i32);
    cblas_dsyrk(order: i32, uplo: i32, ta: i32, n: i32, k: i32, alpha: f64, a: Real, lda: i32, beta: f64, c: Out, ldc: i32);
    dsymm_(side: Flag, uplo: Flag, m: Int, n: Int, alpha: Real, a: Real, lda: Int, b: Real, ldb: Int, beta: Real, c: Out, ldc: Int);
    dsyrk_(uplo: Flag, t: Flag, n: Int, k: Int, alpha: Real, a: Real, lda: Int, beta: Real, c: Out, ldc: Int);
    dsyr2k_(uplo: Flag, t: Flag, n: Int, k: Int, alpha: Real, a: Real, lda: Int, b: Real, ldb: Int, beta: Real, c: Out, ldc: Int);
    dtrmm_(side: Flag, uplo: Flag, t: Flag, diag: Flag, m: Int, n: Int, alpha: Real, a: Real, lda: Int, b: Out, ldb: Int);
    dtrsm_(side: Flag, uplo: Flag, t: Flag, diag: Flag, m: Int, n: Int, alpha: Real, a: Real, lda: Int, b: Out, ldb: Int);
    dgemv_(t: Flag, m: Int, n: Int, alpha: Real, a: Real, lda: Int, x: Real, incx: Int, beta: Real, y: Out, incy: Int);
    dger_(m: Int, n: Int, alpha: Real, x: Real, incx: Int, y: Real, incy: Int, a: Out, lda: Int);
    dsymv_(uplo: Flag, n: Int, alpha: Real, a: Real, lda: Int, x: Real, incx: Int, beta: Real, y: Out, incy: Int);
    dtrsv_(uplo: Flag, t: Flag, diag: Flag, n: Int, a: Real, lda: Int, x: Out, incx: Int);
    dtrmv_(uplo: Flag, t: Flag, diag: Flag, n: Int, a: Real, lda: Int, x: Out, incx: Int);
    ddot_(n: Int, x: Real, incx: Int, y: Real, incy: Int) -> f64;
    dnrm2_(n: Int, x: Real, incx: Int) -> f64;
    dasum_(n: Int, x: Real, incx: Int) -> f64;
    idamax_(n: Int, x: Real, incx: Int) -> i32;
    daxpy_(n: Int, alpha: Real, x: Real, incx: Int, y: Out, incy: Int);
    dcopy_(n: Int, x: Real, incx: Int, y: Out, incy: Int);
    dgetrf_(m: Int, n: Int, a: Out, lda: Int, ipiv: Ints, info: Ints);
    dgetrs_(t: Flag, n: Int, nrhs: Int, a: Real, lda: Int, ipiv: Int, b: Out, ldb: Int, info: Ints);
    dgetri_(n: Int, a: Out, lda: Int, ipiv: Int, work: Out, lwork: Int, info: Ints);
    dgesv_(n: Int, nrhs: Int, a: Out, lda: Int, ipiv: Ints, b: Out, ldb: Int, info: Ints);
    sgesv_(n: Int, nrhs: Int, a: *mut f32, lda: Int, ipiv: Ints, b: *mut f32, ldb: Int, info: Ints);
    dgecon_(norm: Flag, n: Int, a: Real, lda: Int, anorm: Real, rcond: Out, work: Out, iwork: Ints, info: Ints);
    dlange_(norm: Flag, m: Int, n: Int, a: Real, lda: Int, work: Out) -> f64;
    dlaswp_(n: Int, a: Out, lda: Int, k1: Int, k2: Int, ipiv: Int, incx: Int);
    dtrtri_(uplo: Flag, diag: Flag, n: Int, a: Out, lda: Int, info: Ints);
    dtrtrs_(uplo: Flag, t: Flag, diag: Flag, n: Int, nrhs: Int, a: Real, lda: Int, b: Out, ldb: Int, info: Ints);
    dpotrf_(uplo: Flag, n: Int, a: Out, lda: Int, info: Ints);
    dpotrs_(uplo: Flag, n: Int, nrhs: Int, a: Real, lda: Int, b: Out, ldb: Int, info: Ints);
    dpotri_(uplo: Flag, n: Int, a: Out, lda: Int, info: Ints);
    dposv_(uplo: Flag, n: Int, nrhs: Int, a: Out, lda: Int, b: Out, ldb: Int, info: Ints);
    dgeqrf_(m: Int, n: Int, a: Out, lda: Int, tau: Out, work: Out, lwork: Int, info: Ints);
    dgelqf_(m: Int, n: Int, a: Out, lda: Int, tau: Out, work: Out, lwork: Int, info: Ints);
    dorgqr_(m: Int, n: Int, k: Int, a: Out, lda: Int, tau: Real, work: Out, lwork: Int, info: Ints);
    dorglq_(m: Int, n: Int, k: Int, a: Out, lda: Int, tau: Real, work: Out, lwork: Int, info: Ints);
    dormqr_(side: Flag, t: Flag, m: Int, n: Int, k: Int, a: Real, lda: Int, tau: Real, c: Out, ldc: Int, work: Out, lwork: Int, info: Ints);
    dormlq_(side: Flag, t: Flag, m: Int, n: Int, k: Int, a: Real, lda: Int, tau: Real, c: Out, ldc: Int, work: Out, lwork: Int, info: Ints);
    dgels_(t: Flag, m: Int, n: Int, nrhs: Int, a: Out, lda: Int, b: Out, ldb: Int, work: Out, lwork: Int, info: Ints);
    dgelsd_(m: Int, n: Int, nrhs: Int, a: Out, lda: Int, b: Out, ldb: Int, s: Out, rcond: Real, rank: Ints, work: Out, lwork: Int, iwork: Ints, info: Ints);
    dgesdd_(job: Flag, m: Int, n: Int, a: Out, lda: Int, s: Out, u: Out, ldu: Int, vt: Out, ldvt: Int, work: Out, lwork: Int, iwork: Ints, info: Ints);
    dgesvd_(jobu: Flag, jobvt: Flag, m: Int, n: Int, a: Out, lda: Int, s: Out, u: Out, ldu: Int, vt: Out, ldvt: Int, work: Out, lwork: Int, info: Ints);
    dsyev_(job: Flag, uplo: Flag, n: Int, a: Out, lda: Int, w: Out, work: Out, lwork: Int, info: Ints);
    dsyevd_(job: Flag, uplo: Flag, n: Int, a: Out, lda: Int, w: Out, work: Out, lwork: Int, iwork: Ints, liwork: Int, info: Ints);
    dsyevr_(job: Flag, range: Flag, uplo: Flag, n: Int, a: Real, lda: Int, vl: Real, vu: Real, il: Int, iu: Int, abstol: Real, m: Ints, w: Out, z: Out, ldz: Int, isuppz: Ints, work: Out, lwork: Int, iwork: Ints, liwork: Int, info: Ints);
    dgeev_(jobvl: Flag, jobvr: Flag, n: Int, a: Out, lda: Int, wr: Out, wi: Out, vl: Out, ldvl: Int, vr: Out, ldvr: Int, work: Out, lwork: Int, info: Ints);
    tilewright_lapack_calls(name: *const c_char) -> u64;
}

/// What lies between the columns of a matrix, and must still lie there after a call.
pub(crate) const PADDING: f64 = -7777.0;

/// A column-major matrix with two rows of padding below each column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) data: Vec<f64>,
}

impl Matrix {
    pub(crate) fn from_fn(m: usize, n: usize, element: impl Fn(usize, usize) -> f64) -> Self {
        let leading = m + 2;
        let inside = |e: usize| e % leading < m && e / leading < n;
        let at = |e: usize| if inside(e) { element(e % leading, e / leading) } else { PADDING };
        Matrix { m, n, data: (0..leading * n.max(1)).map(at).collect() }
    }

    pub(crate) fn zeros(m: usize, n: usize) -> Self {
        Self::from_fn(m, n, |_, _| 0.0)
    }

    pub(crate) fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| f64::from(i == j))
    }

    pub(crate) fn random(m: usize, n: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f64> = (0..m * n).map(|_| random.random_range(-1.0..1.0)).collect();
        Self::from_fn(m, n, |i, j| values[i + j * m])
    }

    /// Symmetric, with eigenvalues from 1 on.
    pub(crate) fn positive(n: usize, seed: u64) -> Self {
        let a = Self::random(n, n, seed);
        let square = a.times(&a.transposed());
        Self::from_fn(n, n, |i, j| square.at(i, j) + f64::from(i == j))
    }

    pub(crate) fn leading(&self) -> i32 {
        self.m as i32 + 2
    }

    pub(crate) fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i + j * (self.m + 2)]
    }

    pub(crate) fn transposed(&self) -> Self {
        Self::from_fn(self.n, self.m, |i, j| self.at(j, i))
    }

    pub(crate) fn times(&self, other: &Matrix) -> Self {
        assert_eq!(self.n, other.m);
        Self::from_fn(self.m, other.n, |i, j| (0..self.n).map(|k| self.at(i, k) * other.at(k, j)).sum())
    }

    pub(crate) fn part(&self, m: usize, n: usize) -> Self {
        Self::from_fn(m, n, |i, j| self.at(i, j))
    }

    /// One triangle, with zeros beside it.
    pub(crate) fn triangle(&self, upper: bool, unit: bool) -> Self {
        Self::from_fn(self.m, self.n, |i, j| match () {
            () if i == j && unit => 1.0,
            () if i == j || (i < j) == upper => self.at(i, j),
            () => 0.0,
        })
    }

    pub(crate) fn largest(&self) -> f64 {
        (0..self.n).flat_map(|j| (0..self.m).map(move |i| self.at(i, j).abs())).fold(0.0, f64::max)
    }

    /// Asserts that two matrices agree to so many roundings of their size, and that the padding is untouched.
    #[track_caller]
    pub(crate) fn assert_close(&self, other: &Matrix, roundings: f64) {
        assert_eq!((self.m, self.n), (other.m, other.n));
        let bound = roundings * f64::EPSILON * other.largest().max(1.0);
        for j in 0..self.n {
            for i in 0..self.m {
                let (got, want) = (self.at(i, j), other.at(i, j));
                assert!((got - want).abs() <= bound, "({i}, {j}): {got} is not {want} within {bound:e}");
            }
            let padding = &self.data[j * (self.m + 2) + self.m..][..2];
            assert_eq!(padding, [PADDING; 2], "column {j} was written beyond its end");
        }
    }
}

/// Whether `a` has orthonormal columns, to rounding.
#[track_caller]
pub(crate) fn assert_orthonormal(a: &Matrix) {
    a.transposed().times(a).assert_close(&Matrix::identity(a.n), 20.0 * a.m.max(4) as f64);
}

/// How often a routine was called so far.
pub(crate) fn calls(name: &std::ffi::CStr) -> u64 {
    // SAFETY: the name ends in 0.
    unsafe { tilewright_lapack_calls(name.as_ptr()) }
}
