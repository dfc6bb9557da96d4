"""The family linalg. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

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

def cholesky_bw(
    factor: Array,
    dfactor: Array,
    *,
    upper: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = (s + sᵀ) / 2, s = l^-T half(lᵀ dl) l^-1, a = l lᵀ

    Inputs:
        factor: [.., n, n]
        dfactor: [.., n, n]

    Returns:
        da: [.., n, n]

    Arguments:
        upper: the upper triangle is read and written, not the lower one
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def cholesky_inverse(
    factor: Array,
    *,
    upper: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """l lᵀ x = 1

    Inputs:
        factor: [.., n, n]

    Returns:
        x: [.., n, n]

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

def complete_basis(
    q: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = [q, c], outᵀ out = 1

    Inputs:
        q: [.., m, k]

    Returns:
        out: [.., m, m]

    Arguments:
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

def diag(
    x: Array,
    *,
    offset: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out_ij = x_min(i, j) where j - i = offset, 0 elsewhere

    Inputs:
        x: [.., k]

    Returns:
        out: [.., n, n]

    Arguments:
        offset: so far above the main diagonal; below it if negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, bool.
    """

def diagonal(
    x: Array,
    *,
    offset: int = 0,
    axes: str = '-2,-1',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out_l = x_ij, j - i = offset

    Inputs:
        x: [.., m, n]

    Returns:
        out: [.., k]

    Arguments:
        offset: so far above the main diagonal; below it if negative
        axes: those of rows and columns
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, bool.
    """

class EigResult(NamedTuple, Generic[Array]):
    re: Array
    im: Array
    info: Array
    vectors_re: Array | None
    vectors_im: Array | None

def eig(
    a: Array,
    *,
    values_only: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> EigResult[Array]:
    """a v = v diag(w), of a general matrix; w and v complex

    Inputs:
        a: [.., n, n]

    Returns:
        re: [.., n]
        im: [.., n]
        info: [..]
        vectors_re: [.., n, n], None where the call does not ask for it
        vectors_im: [.., n, n], None where the call does not ask for it

    Arguments:
        values_only: no vectors are given
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

def eigh_bw(
    values: Array,
    vectors: Array,
    dvalues: Array,
    dvectors: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = q c qᵀ, c_ii = dw_i, c_ij = (g_ij - g_ji) / 2 (w_j - w_i), g = qᵀ dq

    Inputs:
        values: [.., n]
        vectors: [.., n, n]
        dvalues: [.., n]
        dvectors: [.., n, n], may be left out

    Returns:
        da: [.., n, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class EighGeneralizedResult(NamedTuple, Generic[Array]):
    values: Array
    info: Array
    vectors: Array | None

def eigh_generalized(
    a: Array,
    b: Array,
    *,
    upper: bool = False,
    descending: bool = False,
    values_only: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> EighGeneralizedResult[Array]:
    """a x = b x diag(values), a = aᵀ, b = bᵀ > 0, xᵀ b x = 1

    Inputs:
        a: [.., n, n]
        b: [.., n, n]

    Returns:
        values: [.., n]
        info: [..]
        vectors: [.., n, n], None where the call does not ask for it

    Arguments:
        upper: the upper triangles are read, not the lower ones
        descending: the largest value comes first
        values_only: no vectors are given
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def expm(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """exp(a) = 1 + a + a²/2 + a³/6 + ..

    Inputs:
        a: [.., n, n]

    Returns:
        out: [.., n, n]

    Arguments:
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

def inverse_bw(
    y: Array,
    dy: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = -yᵀ dy yᵀ, y = a^-1

    Inputs:
        y: [.., n, n]
        dy: [.., n, n]

    Returns:
        da: [.., n, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def is_spd(
    a: Array,
    *,
    rtol: float | str = 'n eps',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """spd = |a - aᵀ| <= rtol max |a_ij| and (a + aᵀ) / 2 > rtol max |a_ij|

    Inputs:
        a: [.., n, n]

    Returns:
        spd: [..]

    Arguments:
        rtol: what counts as nothing, relative to the largest element
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class LstsqResult(NamedTuple, Generic[Array]):
    x: Array
    rank: Array
    residuals: Array
    s: Array

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
        residuals: [.., p]
        s: [.., k]

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

def matrix_power(
    a: Array,
    *,
    exponent: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """a^p = a a .. a

    Inputs:
        a: [.., n, n]

    Returns:
        out: [.., n, n]

    Arguments:
        exponent: a whole number of either sign
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

def norm_bw(
    a: Array,
    dy: Array,
    *,
    order: str = 'default',
    axes: str = 'all',
    keepdims: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dx_i = dy sign(x_i) (|x_i| / y)^(p-1), and the gradients of the norms of matrices

    Inputs:
        a: [..]
        dy: [..]

    Returns:
        da: [..]

    Arguments:
        order: a number, inf, -inf, fro or nuc; default: 2 or fro
        axes: one axis or two, as -1 or -2,-1
        keepdims: the axes stay, with 1 element each
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def orthogonal(
    like: Array,
    *,
    gain: float = 1,
    seed: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = gain q, q of Haar's measure

    Inputs:
        like: [.., m, n]

    Returns:
        out: [.., m, n]

    Arguments:
        gain: what the orthonormal vectors are multiplied by
        seed: which of the matrices
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

class PolarResult(NamedTuple, Generic[Array]):
    u: Array
    h: Array

def polar(
    a: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> PolarResult[Array]:
    """a = u h, uᵀ u = 1, h = hᵀ >= 0

    Inputs:
        a: [.., m, n]

    Returns:
        u: [.., m, n]
        h: [.., n, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def polar_bw(
    u: Array,
    h: Array,
    du: Array,
    dh: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = u (s + 2 y) + (1 - u uᵀ) du h^-1, h y + y h = skew(uᵀ du - s h), s = (dh + dhᵀ) / 2, of a = u h (of aᵀ where m < n)

    Inputs:
        u: [.., m, n]
        h: [.., n, n]
        du: [.., m, n]
        dh: [.., n, n]

    Returns:
        da: [.., m, n]

    Arguments:
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

def qr_bw(
    q: Array,
    r: Array,
    dq: Array,
    dr: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da rᵀ = dq + q mirrored(r drᵀ - dqᵀ q), of a = q r

    Inputs:
        q: [.., m, k]
        r: [.., k, n]
        dq: [.., m, k]
        dr: [.., k, n]

    Returns:
        da: [.., m, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class QrPivotedResult(NamedTuple, Generic[Array]):
    r: Array
    permutation: Array
    q: Array | None

def qr_pivoted(
    a: Array,
    *,
    mode: str = 'reduced',
    nonnegative: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> QrPivotedResult[Array]:
    """a[:, permutation] = q r, |r_11| >= |r_22| >= ..

    Inputs:
        a: [.., m, n]

    Returns:
        r: [.., k, n]
        permutation: [.., n]
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

class RandomizedSvdResult(NamedTuple, Generic[Array]):
    s: Array
    info: Array
    u: Array
    vt: Array

def randomized_svd(
    a: Array,
    *,
    rank: int = 6,
    oversample: int = 10,
    power: int = 2,
    seed: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> RandomizedSvdResult[Array]:
    """a = u diag(s) vᵀ, nearly: its largest values

    Inputs:
        a: [.., m, n]

    Returns:
        s: [.., rank]
        info: [..]
        u: [.., m, rank]
        vt: [.., rank, n]

    Arguments:
        rank: so many of the largest values, with their vectors
        oversample: so many more columns are projected on
        power: how often the projection goes through a aᵀ
        seed: of the random numbers
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def rcond(
    a: Array,
    *,
    norm: str = 'one',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """rcond ~ 1 / (|a| |a⁻¹|)

    Inputs:
        a: [.., n, n]

    Returns:
        rcond: [..]

    Arguments:
        norm: one or infinity
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

def slogdet_bw(
    a: Array,
    dlog: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = dlog a^-T, of log |det a|

    Inputs:
        a: [.., n, n]
        dlog: [..]

    Returns:
        da: [.., n, n]

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

class SolveBwResult(NamedTuple, Generic[Array]):
    da: Array
    db: Array

def solve_bw(
    a: Array,
    x: Array,
    dx: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SolveBwResult[Array]:
    """aᵀ db = dx, da = -db xᵀ, of a x = b

    Inputs:
        a: [.., n, n]
        x: [.., n, k]
        dx: [.., n, k]

    Returns:
        da: [.., n, n]
        db: [.., n, k]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class SolveRefinedResult(NamedTuple, Generic[Array]):
    x: Array
    info: Array
    iterations: Array

def solve_refined(
    a: Array,
    b: Array,
    *,
    factors: str = 'f32',
    iterations: int = 30,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SolveRefinedResult[Array]:
    """a x = b; x = x + d, l u d = b - a x, again and again

    Inputs:
        a: [.., n, n]
        b: [.., n, k]

    Returns:
        x: [.., n, k]
        info: [..]
        iterations: [..]

    Arguments:
        factors: of what the factors are: f32, bf16 or, for f64, f64
        iterations: at most so many solutions with the factors
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class SubspaceIterationResult(NamedTuple, Generic[Array]):
    s: Array
    info: Array
    u: Array
    vt: Array
    iterations: Array
    residual: Array

def subspace_iteration(
    a: Array,
    *,
    rank: int = 6,
    oversample: int = 10,
    tolerance: float | str = 'root(eps)',
    iterations: int = 100,
    seed: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SubspaceIterationResult[Array]:
    """a v_i = s_i u_i, |aᵀ u_i - s_i v_i| <= tolerance s_1, of the largest values

    Inputs:
        a: [.., m, n]

    Returns:
        s: [.., rank]
        info: [..]
        u: [.., m, rank]
        vt: [.., rank, n]
        iterations: [..]
        residual: [..]

    Arguments:
        rank: so many of the largest values, with their vectors
        oversample: so many more vectors are iterated
        tolerance: the residual, over the largest value, to stop at
        iterations: at most so many, from 1 on
        seed: of the random numbers
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
    rank: int | str = 'all',
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
        rank: so many of the largest values, with their vectors
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def svd_bw(
    u: Array,
    s: Array,
    vt: Array,
    ds: Array,
    du: Array | None = None,
    dvt: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """da = u c vᵀ + (1 - u uᵀ) du s^-1 vᵀ + u s^-1 dvᵀ (1 - v vᵀ), c_ii = ds_i, c_ij = (skew(uᵀdu) s_j + s_i skew(vᵀdv)) / (s_j² - s_i²)

    Inputs:
        u: [.., m, k]
        s: [.., k]
        vt: [.., k, n]
        ds: [.., k]
        du: [.., m, k], may be left out
        dvt: [.., k, n], may be left out

    Returns:
        da: [.., m, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

class TriangularInverseResult(NamedTuple, Generic[Array]):
    x: Array
    info: Array

def triangular_inverse(
    a: Array,
    *,
    upper: bool = False,
    unit_diagonal: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> TriangularInverseResult[Array]:
    """a x = 1, a triangular

    Inputs:
        a: [.., n, n]

    Returns:
        x: [.., n, n]
        info: [..]

    Arguments:
        upper: the upper triangle is read and written, not the lower one
        unit_diagonal: the diagonal stands for ones
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

class TriangularSolveBwResult(NamedTuple, Generic[Array]):
    da: Array
    db: Array

def triangular_solve_bw(
    a: Array,
    x: Array,
    dx: Array,
    *,
    upper: bool = False,
    right: bool = False,
    transpose: bool = False,
    unit_diagonal: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> TriangularSolveBwResult[Array]:
    """op(a)ᵀ db = dx, d op(a) = -db xᵀ in the triangle, of op(a) x = b; or of x op(a) = b

    Inputs:
        a: [.., n, n]
        x: [.., n, k]
        dx: [.., n, k]

    Returns:
        da: [.., n, n]
        db: [.., n, k]

    Arguments:
        upper: a is upper triangular
        right: a stands on the right of x
        transpose: op(a) is the transpose of a
        unit_diagonal: the diagonal is taken as ones
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64, f16, bf16.
    """

def tril(
    x: Array,
    *,
    offset: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out_ij = x_ij where j - i <= offset, 0 elsewhere

    Inputs:
        x: [.., m, n]

    Returns:
        out: [.., m, n]

    Arguments:
        offset: so far above the main diagonal; below it if negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, bool.
    """

def triu(
    x: Array,
    *,
    offset: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out_ij = x_ij where j - i >= offset, 0 elsewhere

    Inputs:
        x: [.., m, n]

    Returns:
        out: [.., m, n]

    Arguments:
        offset: so far above the main diagonal; below it if negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, bool.
    """
