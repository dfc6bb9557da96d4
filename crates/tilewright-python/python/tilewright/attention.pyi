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
    k_scales: Array | None = None,
    v_scales: Array | None = None,
    *,
    scale: float | str = '1 / sqrt(d)',
    soft_cap: float = 0,
    window: int = 0,
    keep: int = 0,
    splits: int = 0,
    latent: bool = False,
    bits: int = 8,
    format: str = 'int',
    group: int = 0,
    dv: int | str = 'those of v_cache',
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
        k_scales: [blocks, block, kvh, d / group], may be left out
        v_scales: [blocks, block, kvh, dv / group], may be left out

    Returns:
        out: [b, nh, dv]
        lse: [b, nh]

    Arguments:
        scale: of the products
        soft_cap: of the scores; 0 is none
        window: how many of the last tokens are seen; 0 is all
        keep: how many of the first tokens are seen beside the window
        splits: parts of a sequence; 0 is as many as keep the device busy
        latent: values are the first dv columns of the keys, which are read in their place
        bits: with scales: 8 or 4
        format: with scales: int, or of 8 bits e4m3 or e5m2
        group: with scales: numbers of each; 0 for the head
        dv: with scales: columns of values
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """
