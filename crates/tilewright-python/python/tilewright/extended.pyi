"""The family extended. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class ExtendedAxpyResult(NamedTuple, Generic[Array]):
    high: Array
    low: Array

def extended_axpy(
    x: Array,
    y: Array,
    x_low: Array | None = None,
    y_low: Array | None = None,
    *,
    alpha: float = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> ExtendedAxpyResult[Array]:
    """high + low = alpha x + y, with twice the digits

    Inputs:
        x: [..]
        y: [..]
        x_low: [..], may be left out
        y_low: [..], may be left out

    Returns:
        high: [..]
        low: [..]

    Arguments:
        alpha: the factor of x; finite
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """

class ExtendedDotResult(NamedTuple, Generic[Array]):
    high: Array
    low: Array

def extended_dot(
    x: Array,
    y: Array,
    x_low: Array | None = None,
    y_low: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> ExtendedDotResult[Array]:
    """high + low = sum x_i y_i, with twice the digits

    Inputs:
        x: [.., n]
        y: [.., n]
        x_low: [.., n], may be left out
        y_low: [.., n], may be left out

    Returns:
        high: [..]
        low: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """

class ExtendedMatmulResult(NamedTuple, Generic[Array]):
    high: Array
    low: Array

def extended_matmul(
    a: Array,
    b: Array,
    a_low: Array | None = None,
    b_low: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> ExtendedMatmulResult[Array]:
    """high + low = a b, with twice the digits

    Inputs:
        a: [.., m, k]
        b: [.., k, n]
        a_low: [.., m, k], may be left out
        b_low: [.., k, n], may be left out

    Returns:
        high: [.., m, n]
        low: [.., m, n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """

class ExtendedSumResult(NamedTuple, Generic[Array]):
    high: Array
    low: Array

def extended_sum(
    x: Array,
    x_low: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> ExtendedSumResult[Array]:
    """high + low = sum x_i, with twice the digits

    Inputs:
        x: [.., n]
        x_low: [.., n], may be left out

    Returns:
        high: [..]
        low: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """
