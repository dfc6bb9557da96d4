"""The family gram_schmidt. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

def deflate(
    q: Array,
    c: Array,
    v: Array,
    *,
    compensated: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[i] = v[i] - sum_j q[i, j] c[j]

    Inputs:
        q: [.., m, k]
        c: [.., k] or [.., k, p]
        v: [.., m] or [.., m, p]

    Returns:
        out: [.., m] or [.., m, p]

    Arguments:
        compensated: sum as if in twice the precision
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class OrthonormalizeResult(NamedTuple, Generic[Array]):
    q: Array
    rank: Array

def orthonormalize(
    a: Array,
    basis: Array | None = None,
    *,
    tolerance: str = '10 (k + n) eps',
    device: Device | str | None = None,
    variant: str | None = None,
) -> OrthonormalizeResult[Array]:
    """span [basis, q] = span [basis, a], orthonormal

    Inputs:
        a: [.., m, n]
        basis: [.., m, k], may be left out

    Returns:
        q: [.., m, n]
        rank: [..]

    Arguments:
        tolerance: part of a column's norm that must be left for it to be independent, 0 to 1
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """

def project(
    q: Array,
    v: Array,
    *,
    compensated: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """c[j] = sum_i q[i, j] v[i]

    Inputs:
        q: [.., m, k]
        v: [.., m] or [.., m, p]

    Returns:
        c: [.., k] or [.., k, p]

    Arguments:
        compensated: sum as if in twice the precision
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def subspace_step(
    a: Array,
    v: Array,
    *,
    band: int = 0,
    streams: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = Aᵀ (A V)

    Inputs:
        a: [.., m, n]
        v: [.., n, k]

    Returns:
        out: [.., n, k]

    Arguments:
        band: columns of V per band; 0: all of them in one
        streams: streams that the bands are dealt to, at least 1
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
