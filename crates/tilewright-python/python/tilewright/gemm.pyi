"""The family gemm. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

def gemv(
    a: Array,
    x: Array,
    *,
    transpose: bool = False,
    out_dtype: Any = 'auto',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = op(a) x

    Inputs:
        a: [.., m, k]
        x: [.., k]

    Returns:
        out: [.., m]

    Arguments:
        transpose: op(a) is the transpose of a
        out_dtype: f32, f16, bf16 (f64 for f64); auto: that of a
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16.
    """

class GemvFusedResult(NamedTuple, Generic[Array]):
    out: Array
    gates: Array

def gemv_fused(
    x: Array,
    weight: Array,
    gate: Array,
    plus: Array,
    w: Array,
    w2: Array | None = None,
    w3: Array | None = None,
    w4: Array | None = None,
    g: Array | None = None,
    b: Array | None = None,
    g2: Array | None = None,
    b2: Array | None = None,
    *,
    before: str = 'nothing',
    heads: int = 1,
    eps: float = 1e-06,
    after: str = 'nothing',
    cap: float = 30,
    gates: int = 0,
    out_dtype: Any = 'auto',
    device: Device | str | None = None,
    variant: str | None = None,
) -> GemvFusedResult[Array]:
    """out = after(W before(x)), gates = G before(x) + b

    Inputs:
        x: [k]
        weight: [k]
        gate: [k]
        plus: [n]
        w: [n, k]
        w2: [n2, k], may be left out
        w3: [n3, k], may be left out
        w4: [n4, k], may be left out
        g: [m, k], may be left out
        b: [m], may be left out
        g2: [m2, k], may be left out
        b2: [m2], may be left out

    Returns:
        out: [n + n2 + ..]
        gates: [m + m2]

    Arguments:
        before: nothing, rms_norm (by weight), gated_heads (by weight and gate)
        heads: heads that gated_heads norms each by itself
        eps: added to the mean square
        after: nothing, plus, glu, cap
        cap: what cap limits to
        gates: how many pairs of a map and a bias come after the maps: 0 to 2
        out_dtype: f32, f16, bf16 (f64 for f64); auto: that of x
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16.
    """

def gram(
    a: Array,
    *,
    of_rows: bool = False,
    out_dtype: Any = 'auto',
    tile: str = 'auto',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = aᵀ a, or a aᵀ

    Inputs:
        a: [.., m, n]

    Returns:
        out: [.., n, n]

    Arguments:
        of_rows: a aᵀ, whose shape is [.., m, m], instead of aᵀ a
        out_dtype: f32, f16, bf16 (f64 for f64); auto: that of a
        tile: tile of the portable GPU body, such as 64x64x16/4x4
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16.
    """

def matmul(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1,
    beta: float = 0,
    out_dtype: Any = 'auto',
    tile: str = 'auto',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = alpha op(a) op(b) + beta c

    Inputs:
        a: [.., m, k]
        b: [.., k, n]
        c: [.., m, n], may be left out

    Returns:
        out: [.., m, n]

    Arguments:
        transpose_a: op(a) is the transpose of a
        transpose_b: op(b) is the transpose of b
        alpha: factor of the product; 0 leaves a and b unread
        beta: factor of c; 0 leaves c unread
        out_dtype: f32, f16, bf16 (f64 for f64); auto: that of a
        tile: tile of the portable GPU body, such as 64x64x16/4x4
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f64, f32, f16, bf16.
    """
