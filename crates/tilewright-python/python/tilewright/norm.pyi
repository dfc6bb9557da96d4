"""The family norm. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

def multi_head_layer_norm(
    x: Array,
    weight: Array,
    gate: Array | None = None,
    *,
    eps: float = 1e-06,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = (x - mean(x)) r w, r = (mean((x - mean(x))^2) + eps)^-1/2; times sigma(gate), where there is one

    Inputs:
        x: [.., nh, n]
        weight: [nh, n]
        gate: [.., nh, n], may be left out

    Returns:
        out: [.., nh, n]

    Arguments:
        eps: added to the mean square; finite and >= 0
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MultiHeadLayerNormBwResult(NamedTuple, Generic[Array]):
    dx: Array
    dw: Array
    dgate: Array | None

def multi_head_layer_norm_bw(
    dy: Array,
    x: Array,
    weight: Array,
    gate: Array | None = None,
    *,
    eps: float = 1e-06,
    device: Device | str | None = None,
    variant: str | None = None,
) -> MultiHeadLayerNormBwResult[Array]:
    """dx = r (g - mean(g) - y mean(g y)), dw = sum dy y, with g = dy w, y = (x - mean(x)) r, r = (mean((x - mean(x))^2) + eps)^-1/2; through a gate dy sigma(gate) in the place of dy, and dgate = dy y w sigma(gate) sigma(-gate)

    Inputs:
        dy: [.., nh, n]
        x: [.., nh, n]
        weight: [nh, n]
        gate: [.., nh, n], may be left out

    Returns:
        dx: [.., nh, n]
        dw: [nh, n]
        dgate: [.., nh, n], None where the call does not ask for it

    Arguments:
        eps: added to the mean square; finite and >= 0
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def rms_norm(
    x: Array,
    weight: Array,
    *,
    eps: float = 1e-06,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = x r w, r = (mean(x^2) + eps)^-1/2

    Inputs:
        x: [.., n]
        weight: [n]

    Returns:
        out: [.., n]

    Arguments:
        eps: added to the mean square; finite and >= 0
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class RmsNormBwResult(NamedTuple, Generic[Array]):
    dx: Array
    dw: Array

def rms_norm_bw(
    dy: Array,
    x: Array,
    weight: Array,
    *,
    eps: float = 1e-06,
    device: Device | str | None = None,
    variant: str | None = None,
) -> RmsNormBwResult[Array]:
    """dx = r (g - y mean(g y)), dw = sum dy y, with g = dy w, y = x r, r = (mean(x^2) + eps)^-1/2

    Inputs:
        dy: [.., n]
        x: [.., n]
        weight: [n]

    Returns:
        dx: [.., n]
        dw: [n]

    Arguments:
        eps: added to the mean square; finite and >= 0
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
