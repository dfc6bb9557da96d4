"""The family linalg. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

def apply_q(
    reflectors: Array,
    tau: Array,
    c: Array,
    *,
    transpose: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = h_1 .. h_k c

    Inputs:
        reflectors: [.., m, n]
        tau: [.., k]
        c: [.., m, p]

    Returns:
        out: [.., m, p]

    Arguments:
        transpose: the transpose of the product is applied
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class CholeskyResult(NamedTuple, Generic[Array]):
    factor: Array
    info: Array

def cholesky(
    a: Array,
    *,
    upper: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> CholeskyResult[Array]:
    """a = l lᵀ

    Inputs:
        a: [.., n, n]

    Returns:
        factor: [.., n, n]
        info: [..]

    Arguments:
        upper: the upper triangle is read and written, not the lower one
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def cholesky_solve(
    factor: Array,
    b: Array,
    *,
    upper: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """l lᵀ x = b

    Inputs:
        factor: [.., n, n]
        b: [.., n, k]

    Returns:
        x: [.., n, k]

    Arguments:
        upper: the upper triangle is read and written, not the lower one
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def cond(
    a: Array,
    *,
    order: int | str = 2,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """cond = |a| |a⁻¹|

    Inputs:
        a: [.., m, n]

    Returns:
        cond: [..]

    Arguments:
        order: 2, -2, 1, -1, inf, -inf, fro or nuc
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def det(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """det = sign(p) u_11 .. u_nn of a[p] = l u

    Inputs:
        a: [.., n, n]

    Returns:
        det: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class EighResult(NamedTuple, Generic[Array]):
    values: Array
    info: Array
    vectors: Array | None

def eigh(
    a: Array,
    *,
    upper: bool = False,
    descending: bool = False,
    values_only: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> EighResult[Array]:
    """a q = q diag(values), a = aᵀ

    Inputs:
        a: [.., n, n]

    Returns:
        values: [.., n]
        info: [..]
        vectors: [.., n, n], None where the call does not ask for it

    Arguments:
        upper: the upper triangle is read, not the lower one
        descending: the largest value comes first
        values_only: no vectors are given
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class InverseResult(NamedTuple, Generic[Array]):
    x: Array
    info: Array

def inverse(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> InverseResult[Array]:
    """a x = 1

    Inputs:
        a: [.., n, n]

    Returns:
        x: [.., n, n]
        info: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class LstsqResult(NamedTuple, Generic[Array]):
    x: Array
    rank: Array
    residuals: Array | None
    s: Array | None

def lstsq(
    a: Array,
    b: Array,
    *,
    method: str = 'svd',
    rcond: str = 'max(m, n) eps',
    device: Device | str | None = None,
    variant: str | None = None,
) -> LstsqResult[Array]:
    """x = argmin |b - a x|, the shortest

    Inputs:
        a: [.., m, n]
        b: [.., m, p]

    Returns:
        x: [.., n, p]
        rank: [..]
        residuals: [.., p], None where the call does not ask for it
        s: [.., k], None where the call does not ask for it

    Arguments:
        method: svd, or qr for m >= n and full rank
        rcond: singular values of at most so much times the largest count as zeros
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class LuResult(NamedTuple, Generic[Array]):
    lu: Array
    permutation: Array
    info: Array

def lu(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> LuResult[Array]:
    """a[p] = l u

    Inputs:
        a: [.., m, n]

    Returns:
        lu: [.., m, n]
        permutation: [.., m]
        info: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def matrix_rank(
    a: Array,
    *,
    rcond: float | str = 'max(m, n) eps',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """rank = count(s > rcond s_1)

    Inputs:
        a: [.., m, n]

    Returns:
        rank: [..]

    Arguments:
        rcond: singular values of at most so much times the largest count as zeros
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def norm(
    a: Array,
    *,
    order: float | str = 'default',
    axes: int | str = 'all',
    keepdims: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """(sum |x_i|^p)^(1/p), and the norms of matrices

    Inputs:
        a: [..]

    Returns:
        norm: [..]

    Arguments:
        order: a number, inf, -inf, fro or nuc; default: 2 or fro
        axes: one axis or two, as -1 or -2,-1
        keepdims: the axes stay, with 1 element each
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def orthogonalize(
    a: Array,
    *,
    method: str = 'muon',
    steps: int = 5,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """x = (c1 + c3 x xᵀ + c5 (x xᵀ)²) x, again and again

    Inputs:
        a: [.., m, n]

    Returns:
        x: [.., m, n]

    Arguments:
        method: whose coefficients: muon or polar_express
        steps: how many steps
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def pinv(
    a: Array,
    *,
    rcond: float | str = 'max(m, n) eps',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """p = v diag(1 / s) uᵀ

    Inputs:
        a: [.., m, n]

    Returns:
        p: [.., n, m]

    Arguments:
        rcond: singular values of at most so much times the largest count as zeros
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class QrResult(NamedTuple, Generic[Array]):
    r: Array
    q: Array | None

def qr(
    a: Array,
    *,
    mode: str = 'reduced',
    nonnegative: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> QrResult[Array]:
    """a = q r

    Inputs:
        a: [.., m, n]

    Returns:
        r: [.., k, n]
        q: [.., m, k], None where the call does not ask for it

    Arguments:
        mode: reduced, complete (q is square) or r (no q)
        nonnegative: no element of r's diagonal is negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class QrReflectorsResult(NamedTuple, Generic[Array]):
    reflectors: Array
    tau: Array

def qr_reflectors(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> QrReflectorsResult[Array]:
    """a = h_1 .. h_k r

    Inputs:
        a: [.., m, n]

    Returns:
        reflectors: [.., m, n]
        tau: [.., k]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class SlogdetResult(NamedTuple, Generic[Array]):
    sign: Array
    log: Array

def slogdet(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SlogdetResult[Array]:
    """det a = sign exp(log)

    Inputs:
        a: [.., n, n]

    Returns:
        sign: [..]
        log: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class SolveResult(NamedTuple, Generic[Array]):
    x: Array
    info: Array

def solve(
    a: Array,
    b: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SolveResult[Array]:
    """a x = b

    Inputs:
        a: [.., n, n]
        b: [.., n, k]

    Returns:
        x: [.., n, k]
        info: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class SvdResult(NamedTuple, Generic[Array]):
    s: Array
    info: Array
    u: Array | None
    vt: Array | None

def svd(
    a: Array,
    *,
    mode: str = 'reduced',
    device: Device | str | None = None,
    variant: str | None = None,
) -> SvdResult[Array]:
    """a = u diag(s) vᵀ

    Inputs:
        a: [.., m, n]

    Returns:
        s: [.., k]
        info: [..]
        u: [.., m, k], None where the call does not ask for it
        vt: [.., k, n], None where the call does not ask for it

    Arguments:
        mode: reduced, full (u and vt are square) or values (neither)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class TriangularSolveResult(NamedTuple, Generic[Array]):
    x: Array
    info: Array

def triangular_solve(
    a: Array,
    b: Array,
    *,
    upper: bool = False,
    right: bool = False,
    transpose: bool = False,
    unit_diagonal: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> TriangularSolveResult[Array]:
    """op(a) x = b or x op(a) = b, a triangular

    Inputs:
        a: [.., n, n]
        b: [.., n, k]

    Returns:
        x: [.., n, k]
        info: [..]

    Arguments:
        upper: a is upper triangular, not lower
        right: a stands on the right of x
        transpose: op(a) is the transpose of a
        unit_diagonal: the diagonal is taken as ones and not read
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """
