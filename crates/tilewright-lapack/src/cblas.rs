//! The C names of BLAS that NumPy's products ask for: `cblas_dgemm` and its like, with integers of 32 or, ending in `64_`, of 64 bits.
//!
//! What is row-major in C is the transpose in Fortran, so each routine becomes a call of the Fortran one with its operands exchanged or its
//! flags turned.

use crate::call::{Fault, Integer, Outcome, Routine};
use crate::memory::Array;
use crate::real::Real;
use crate::{level1, level2, level3};

/// CBLAS_ORDER: whether it is row-major.
fn by_rows(order: i32) -> Outcome<bool> {
    match order {
        101 => Ok(true),
        102 => Ok(false),
        _ => Err(Fault::Argument(1)),
    }
}

/// CBLAS_TRANSPOSE as Fortran's letter; `turn` for the transpose.
fn trans(flag: i32, turn: bool, position: i64) -> Outcome<u8> {
    match flag {
        111 => Ok(if turn { b'T' } else { b'N' }),
        112 | 113 => Ok(if turn { b'N' } else { b'T' }),
        _ => Err(Fault::Argument(position)),
    }
}

/// CBLAS_UPLO as Fortran's letter; `turn` for the transpose.
fn uplo(flag: i32, turn: bool) -> Outcome<u8> {
    match flag {
        121 => Ok(if turn { b'L' } else { b'U' }),
        122 => Ok(if turn { b'U' } else { b'L' }),
        _ => Err(Fault::Argument(2)),
    }
}

/// Fortran's argument as that of the C routine, which has the order before it.
fn after_order<R>(outcome: Outcome<R>) -> Outcome<R> {
    outcome.map_err(|fault| match fault {
        Fault::Argument(position) => Fault::Argument(position + 1),
        other => other,
    })
}

fn gemm<T: Real>(
    order: i32,
    transa: i32,
    transb: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    b: Array<T>,
    ldb: i64,
    beta: T,
    c: Array<T>,
    ldc: i64,
) -> Outcome {
    let rows = by_rows(order)?;
    let (transa, transb) = (trans(transa, false, 2)?, trans(transb, false, 3)?);
    if !rows {
        return after_order(level3::gemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
    }
    let outcome = level3::gemm(transb, transa, n, m, k, alpha, b, ldb, a, lda, beta, c, ldc);
    outcome.map_err(|fault| match fault {
        // The order comes first; the extents and operands were exchanged.
        Fault::Argument(3) => Fault::Argument(5),
        Fault::Argument(4) => Fault::Argument(4),
        Fault::Argument(8) => Fault::Argument(11),
        Fault::Argument(10) => Fault::Argument(9),
        Fault::Argument(position) => Fault::Argument(position + 1),
        other => other,
    })
}

fn syrk<T: Real>(
    order: i32,
    triangle: i32,
    turn: i32,
    n: i64,
    k: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    beta: T,
    c: Array<T>,
    ldc: i64,
) -> Outcome {
    let rows = by_rows(order)?;
    let (triangle, turn) = (uplo(triangle, rows)?, trans(turn, rows, 3)?);
    after_order(level3::syrk(triangle, turn, n, k, alpha, a, lda, beta, c, ldc))
}

fn gemv<T: Real>(
    order: i32,
    turn: i32,
    m: i64,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    x: Array<T>,
    incx: i64,
    beta: T,
    y: Array<T>,
    incy: i64,
) -> Outcome {
    let rows = by_rows(order)?;
    let turn = trans(turn, rows, 2)?;
    let (m, n) = if rows { (n, m) } else { (m, n) };
    after_order(level2::gemv(turn, m, n, alpha, a, lda, x, incx, beta, y, incy))
}

routines! {
    "", "cblas_xerbla";
    "cblas_" dot [n: number, x: reals, incx: number, y: reals, incy: number] -> real = level1::dot;
    "cblas_" gemv [order: code, trans: code, m: number, n: number, alpha: factor, a: reals, lda: number, x: reals, incx: number, beta: factor, y: reals, incy: number]
        -> none = super::gemv;
    "cblas_" gemm [order: code, transa: code, transb: code, m: number, n: number, k: number, alpha: factor, a: reals, lda: number, b: reals, ldb: number, beta: factor,
        c: reals, ldc: number] -> none = super::gemm;
    "cblas_" syrk [order: code, uplo: code, trans: code, n: number, k: number, alpha: factor, a: reals, lda: number, beta: factor, c: reals, ldc: number]
        -> none = super::syrk;
}
