"""The family attention. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class AttentionResult(NamedTuple, Generic[Array]):
    out: Array
    lse: Array

def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    causal: bool = False,
    scale: float | str = '1 / sqrt(d)',
    soft_cap: float = 0,
    window: int = 0,
    keep: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> AttentionResult[Array]:
    """out_i = sum_j exp(s_ij - lse_i) v_j, s_ij = scale q_i . k_j, lse_i = log sum_j exp(s_ij), over the keys j that i sees

    Inputs:
        q: [b, nh, s, d]
        k: [b, kvh, t, d]
        v: [b, kvh, t, dv]

    Returns:
        out: [b, nh, s, dv]
        lse: [b, nh, s]

    Arguments:
        causal: no key after a query's place, t - s + i, is seen
        scale: of the products
        soft_cap: of the scores; 0 is none
        window: how many keys a query sees, its own included; 0 is all
        keep: how many of the first keys are seen beside the window
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

class AttentionDecodeResult(NamedTuple, Generic[Array]):
    out: Array
    lse: Array

def attention_decode(
    q: Array,
    k_cache: Array,
    v_cache: Array,
    table: Array,
    lengths: Array,
    *,
    scale: float | str = '1 / sqrt(d)',
    soft_cap: float = 0,
    window: int = 0,
    keep: int = 0,
    splits: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> AttentionDecodeResult[Array]:
    """out = sum_j exp(s_j - lse) v_j, s_j = scale q . k_j, lse = log sum_j exp(s_j), over the tokens j of a paged sequence that its last sees

    Inputs:
        q: [b, nh, d]
        k_cache: [blocks, block, kvh, d]
        v_cache: [blocks, block, kvh, dv]
        table: [b, m]
        lengths: [b]

    Returns:
        out: [b, nh, dv]
        lse: [b, nh]

    Arguments:
        scale: of the products
        soft_cap: of the scores; 0 is none
        window: how many of the last tokens are seen; 0 is all
        keep: how many of the first tokens are seen beside the window
        splits: parts of a sequence; 0 is as many as keep the device busy
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """
