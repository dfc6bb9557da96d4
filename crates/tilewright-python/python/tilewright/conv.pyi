"""The family conv. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

def causal_conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    state: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[b, t, j] = bias[j] + sum over k < w of weight[j, k] x[b, t - (w - 1) + k, j]

    Inputs:
        x: [b, s, d]
        weight: [d, w]
        bias: [d], may be left out
        state: [b, w - 1, d], may be left out

    Returns:
        out: [b, s, d]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class CausalConvBwResult(NamedTuple, Generic[Array]):
    dx: Array
    dweight: Array
    dbias: Array
    dstate: Array | None

def causal_conv_bw(
    dy: Array,
    x: Array,
    weight: Array,
    state: Array | None = None,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> CausalConvBwResult[Array]:
    """dx[b, t, j] = sum of weight[j, k] dy[b, t + (w - 1) - k, j], dweight[j, k] = sum of dy[b, t, j] x[b, t - (w - 1) + k, j], dbias[j] = sum of dy[b, t, j]; dstate as dx, at t < 0

    Inputs:
        dy: [b, s, d]
        x: [b, s, d]
        weight: [d, w]
        state: [b, w - 1, d], may be left out

    Returns:
        dx: [b, s, d]
        dweight: [d, w]
        dbias: [d]
        dstate: [b, w - 1, d], None where the call does not ask for it

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
