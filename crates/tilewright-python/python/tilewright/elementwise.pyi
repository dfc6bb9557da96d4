"""The family elementwise. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

class AdamwResult(NamedTuple, Generic[Array]):
    p_next: Array
    m_next: Array
    v_next: Array

def adamw(
    p: Array,
    dp: Array,
    m: Array,
    v: Array,
    *,
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.95,
    eps: float = 1e-08,
    weight_decay: float = 0.1,
    step: int = 1,
    scale: float = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> AdamwResult[Array]:
    """m' = b1 m + (1 - b1) g, v' = b2 v + (1 - b2) g^2, p' = p - lr (decay p + corrected m' / (sqrt(corrected v') + eps))

    Inputs:
        p: [..]
        dp: [..]
        m: [..]
        v: [..]

    Returns:
        p_next: [..]
        m_next: [..]
        v_next: [..]

    Arguments:
        lr: the rate of learning, >= 0
        beta1: how much of the mean gradient is kept, >= 0 and < 1
        beta2: how much of the mean square is kept, >= 0 and < 1
        eps: added to the root of the mean square, > 0
        weight_decay: what is taken off a parameter, times the rate, >= 0
        step: the number of this step, from 1
        scale: the factor of the gradient
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f64.
    """

def axpy(
    x: Array,
    y: Array,
    *,
    alpha: float = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = alpha x + y

    Inputs:
        x: [..]
        y: [..]

    Returns:
        out: [..]

    Arguments:
        alpha: the factor of x, finite
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

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

def glu(
    a: Array,
    b: Array,
    *,
    activation: str = 'silu',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = act(a) b, act(a) = a sigma(a) or sigma(a)

    Inputs:
        a: [..]
        b: [..]

    Returns:
        out: [..]

    Arguments:
        activation: what lets b through: silu, a sigma(a), or sigmoid, sigma(a)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class GluBwResult(NamedTuple, Generic[Array]):
    da: Array
    db: Array

def glu_bw(
    dy: Array,
    a: Array,
    b: Array,
    *,
    activation: str = 'silu',
    device: Device | str | None = None,
    variant: str | None = None,
) -> GluBwResult[Array]:
    """da = dy b act'(a), db = dy act(a), act(a) = a sigma(a) or sigma(a)

    Inputs:
        dy: [..]
        a: [..]
        b: [..]

    Returns:
        da: [..]
        db: [..]

    Arguments:
        activation: what lets b through: silu, a sigma(a), or sigmoid, sigma(a)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
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
