//! The Fortran names, and what each is bound to.
//!
//! Every routine exists for f32 and f64 under four names: `dgemm_` with integers of 32 bits, `dgemm_64_` with integers of 64, and each of
//! them with `scipy_` in front, which is what the wheels of SciPy (32 bits) and NumPy (64 bits) ask their own OpenBLAS for.
//!
//! Arguments are addresses, as Fortran passes them; the lengths of character arguments, which compilers append, are not looked at.

use crate::call::{Integer, Routine};
use crate::memory::Array;
use crate::{cholesky, eigen, least_squares, level1, level2, level3, lu, norms, qr, svd, triangular};

routines! {
    "_", "xerbla_";
    "" dot [n: int, x: reals, incx: int, y: reals, incy: int] -> real = level1::dot;
    "" axpy [n: int, alpha: real, x: reals, incx: int, y: reals, incy: int] -> none = level1::axpy;
    "" scal [n: int, alpha: real, x: reals, incx: int] -> none = level1::scal;
    "" copy [n: int, x: reals, incx: int, y: reals, incy: int] -> none = level1::copy;
    "" swap [n: int, x: reals, incx: int, y: reals, incy: int] -> none = level1::swap;
    "" rot [n: int, x: reals, incx: int, y: reals, incy: int, c: real, s: real] -> none = level1::rot;
    "" nrm2 [n: int, x: reals, incx: int] -> real = level1::nrm2;
    "" asum [n: int, x: reals, incx: int] -> real = level1::asum;
    "i" amax [n: int, x: reals, incx: int] -> int = level1::amax;

    "" gemv [trans: flag, m: int, n: int, alpha: real, a: reals, lda: int, x: reals, incx: int, beta: real, y: reals, incy: int]
        -> none = level2::gemv;
    "" ger [m: int, n: int, alpha: real, x: reals, incx: int, y: reals, incy: int, a: reals, lda: int] -> none = level2::ger;
    "" symv [uplo: flag, n: int, alpha: real, a: reals, lda: int, x: reals, incx: int, beta: real, y: reals, incy: int]
        -> none = level2::symv;
    "" syr [uplo: flag, n: int, alpha: real, x: reals, incx: int, a: reals, lda: int] -> none = level2::syr;
    "" syr2 [uplo: flag, n: int, alpha: real, x: reals, incx: int, y: reals, incy: int, a: reals, lda: int] -> none = level2::syr2;
    "" trmv [uplo: flag, trans: flag, diag: flag, n: int, a: reals, lda: int, x: reals, incx: int] -> none = level2::trmv;
    "" trsv [uplo: flag, trans: flag, diag: flag, n: int, a: reals, lda: int, x: reals, incx: int] -> none = level2::trsv;

    "" gemm [transa: flag, transb: flag, m: int, n: int, k: int, alpha: real, a: reals, lda: int, b: reals, ldb: int, beta: real, c: reals,
        ldc: int] -> none = level3::gemm;
    "" symm [side: flag, uplo: flag, m: int, n: int, alpha: real, a: reals, lda: int, b: reals, ldb: int, beta: real, c: reals, ldc: int]
        -> none = level3::symm;
    "" syrk [uplo: flag, trans: flag, n: int, k: int, alpha: real, a: reals, lda: int, beta: real, c: reals, ldc: int]
        -> none = level3::syrk;
    "" syr2k [uplo: flag, trans: flag, n: int, k: int, alpha: real, a: reals, lda: int, b: reals, ldb: int, beta: real, c: reals, ldc: int]
        -> none = level3::syr2k;
    "" trmm [side: flag, uplo: flag, transa: flag, diag: flag, m: int, n: int, alpha: real, a: reals, lda: int, b: reals, ldb: int]
        -> none = level3::trmm;
    "" trsm [side: flag, uplo: flag, transa: flag, diag: flag, m: int, n: int, alpha: real, a: reals, lda: int, b: reals, ldb: int]
        -> none = level3::trsm;

    "" getrf [m: int, n: int, a: reals, lda: int, ipiv: ints] -> info = lu::getrf;
    "" getrs [trans: flag, n: int, nrhs: int, a: reals, lda: int, ipiv: ints, b: reals, ldb: int] -> info = lu::getrs;
    "" getri [n: int, a: reals, lda: int, ipiv: ints, work: reals, lwork: int] -> info = lu::getri;
    "" gesv [n: int, nrhs: int, a: reals, lda: int, ipiv: ints, b: reals, ldb: int] -> info = lu::gesv;
    "" gecon [norm: flag, n: int, a: reals, lda: int, anorm: real, rcond: reals, work: reals, iwork: ints] -> info = lu::gecon;
    "" laswp [n: int, a: reals, lda: int, k1: int, k2: int, ipiv: ints, incx: int] -> none = lu::laswp;

    "" trtri [uplo: flag, diag: flag, n: int, a: reals, lda: int] -> info = triangular::trtri;
    "" trtrs [uplo: flag, trans: flag, diag: flag, n: int, nrhs: int, a: reals, lda: int, b: reals, ldb: int] -> info = triangular::trtrs;
    "" trcon [norm: flag, uplo: flag, diag: flag, n: int, a: reals, lda: int, rcond: reals, work: reals, iwork: ints]
        -> info = triangular::trcon;

    "" potrf [uplo: flag, n: int, a: reals, lda: int] -> info = cholesky::potrf;
    "" potrs [uplo: flag, n: int, nrhs: int, a: reals, lda: int, b: reals, ldb: int] -> info = cholesky::potrs;
    "" potri [uplo: flag, n: int, a: reals, lda: int] -> info = cholesky::potri;
    "" posv [uplo: flag, n: int, nrhs: int, a: reals, lda: int, b: reals, ldb: int] -> info = cholesky::posv;
    "" pocon [uplo: flag, n: int, a: reals, lda: int, anorm: real, rcond: reals, work: reals, iwork: ints] -> info = cholesky::pocon;

    "" geqrf [m: int, n: int, a: reals, lda: int, tau: reals, work: reals, lwork: int] -> info = qr::geqrf;
    "" gelqf [m: int, n: int, a: reals, lda: int, tau: reals, work: reals, lwork: int] -> info = qr::gelqf;
    "" orgqr [m: int, n: int, k: int, a: reals, lda: int, tau: reals, work: reals, lwork: int] -> info = qr::orgqr;
    "" orglq [m: int, n: int, k: int, a: reals, lda: int, tau: reals, work: reals, lwork: int] -> info = qr::orglq;
    "" ormqr [side: flag, trans: flag, m: int, n: int, k: int, a: reals, lda: int, tau: reals, c: reals, ldc: int, work: reals, lwork: int]
        -> info = qr::ormqr;
    "" ormlq [side: flag, trans: flag, m: int, n: int, k: int, a: reals, lda: int, tau: reals, c: reals, ldc: int, work: reals, lwork: int]
        -> info = qr::ormlq;

    "" gels [trans: flag, m: int, n: int, nrhs: int, a: reals, lda: int, b: reals, ldb: int, work: reals, lwork: int]
        -> info = least_squares::gels;
    "" gelsd [m: int, n: int, nrhs: int, a: reals, lda: int, b: reals, ldb: int, s: reals, rcond: real, rank: ints, work: reals, lwork: int,
        iwork: ints] -> info = least_squares::gelsd;

    "" gesdd [jobz: flag, m: int, n: int, a: reals, lda: int, s: reals, u: reals, ldu: int, vt: reals, ldvt: int, work: reals, lwork: int,
        iwork: ints] -> info = svd::gesdd;
    "" gesvd [jobu: flag, jobvt: flag, m: int, n: int, a: reals, lda: int, s: reals, u: reals, ldu: int, vt: reals, ldvt: int, work: reals,
        lwork: int] -> info = svd::gesvd;

    "" syev [jobz: flag, uplo: flag, n: int, a: reals, lda: int, w: reals, work: reals, lwork: int] -> info = eigen::syev;
    "" syevd [jobz: flag, uplo: flag, n: int, a: reals, lda: int, w: reals, work: reals, lwork: int, iwork: ints, liwork: int]
        -> info = eigen::syevd;
    "" syevr [jobz: flag, range: flag, uplo: flag, n: int, a: reals, lda: int, vl: real, vu: real, il: int, iu: int, abstol: real, m: ints,
        w: reals, z: reals, ldz: int, isuppz: ints, work: reals, lwork: int, iwork: ints, liwork: int] -> info = eigen::syevr;
    "" geev [jobvl: flag, jobvr: flag, n: int, a: reals, lda: int, wr: reals, wi: reals, vl: reals, ldvl: int, vr: reals, ldvr: int,
        work: reals, lwork: int] -> info = eigen::geev;

    "" lange [norm: flag, m: int, n: int, a: reals, lda: int, work: reals] -> real = norms::lange;
    "" lansy [norm: flag, uplo: flag, n: int, a: reals, lda: int, work: reals] -> real = norms::lansy;
    "" lacpy [uplo: flag, m: int, n: int, a: reals, lda: int, b: reals, ldb: int] -> none = norms::lacpy;
}
