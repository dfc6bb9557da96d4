"""The family elementwise. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

def copy(
    x: Array,
    *,
    dtype: Any = 'same',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[i, j, ..] = convert(x[i, j, ..])

    Inputs:
        x: [..]

    Returns:
        out: [..]

    Arguments:
        dtype: the dtype of the copy; same keeps that of the source
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16, f8e4m3, f8e5m2, i8, i16, i32, i64, u8, u16, u32, u64, bool.
    """

def soft_cap(
    x: Array,
    *,
    cap: float = 30,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = cap tanh(x / cap)

    Inputs:
        x: [..]

    Returns:
        out: [..]

    Arguments:
        cap: the limit that outputs approach, positive and finite
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def soft_cap_bw(
    dy: Array,
    x: Array,
    *,
    cap: float = 30,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dx = dy (1 - tanh(x / cap)^2)

    Inputs:
        dy: [..]
        x: [..]

    Returns:
        dx: [..]

    Arguments:
        cap: the cap of the forward pass, positive and finite
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
