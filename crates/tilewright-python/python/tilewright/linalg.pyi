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
