"""The family cache. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

class KvAppendResult(NamedTuple, Generic[Array]):
    k_cache: Array
    v_cache: Array

def kv_append(
    k: Array,
    v: Array,
    slots: Array,
    k_cache: Array | None = None,
    v_cache: Array | None = None,
    *,
    block: int = 16,
    device: Device | str | None = None,
    variant: str | None = None,
) -> KvAppendResult[Array]:
    """k_cache[slots[t]] = k[t], v_cache[slots[t]] = v[t]

    Inputs:
        k: [t, heads, dk]
        v: [t, heads, dv]
        slots: [t]
        k_cache: [blocks, block, heads, dk], may be left out
        v_cache: [blocks, block, heads, dv], may be left out

    Returns:
        k_cache: [blocks, block, heads, dk]
        v_cache: [blocks, block, heads, dv]

    Arguments:
        block: without caches: of the new ones, which the slots must fill, each slot once
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f8e4m3, f8e5m2, i8, u8.
    """

class KvAppendQuantizedResult(NamedTuple, Generic[Array]):
    k_values: Array
    k_scales: Array
    v_values: Array
    v_scales: Array

def kv_append_quantized(
    k: Array,
    v: Array,
    slots: Array,
    k_values: Array | None = None,
    k_scales: Array | None = None,
    v_values: Array | None = None,
    v_scales: Array | None = None,
    *,
    bits: int = 8,
    format: str = 'int',
    group: int = 0,
    block: int = 16,
    device: Device | str | None = None,
    variant: str | None = None,
) -> KvAppendQuantizedResult[Array]:
    """k_cache[slots[t]] = quantize(k[t]), v_cache[slots[t]] = quantize(v[t])

    Inputs:
        k: [t, heads, dk]
        v: [t, heads, dv]
        slots: [t]
        k_values: [blocks, block, heads, dk bits / 8], may be left out
        k_scales: [blocks, block, heads, dk / group], may be left out
        v_values: [blocks, block, heads, dv bits / 8], may be left out
        v_scales: [blocks, block, heads, dv / group], may be left out

    Returns:
        k_values: [blocks, block, heads, dk bits / 8]
        k_scales: [blocks, block, heads, dk / group]
        v_values: [blocks, block, heads, dv bits / 8]
        v_scales: [blocks, block, heads, dv / group]

    Arguments:
        bits: 8 or 4
        format: int, or of 8 bits e4m3 or e5m2
        group: numbers of a scale; 0 for the head
        block: without caches: of the new ones, which the slots must fill, each slot once
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

def kv_gather(
    cache: Array,
    table: Array,
    lengths: Array,
    *,
    tokens: int = 0,
    layout: str = 'nhd',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[b, t] = cache[table[b, t / block], t mod block] for t < lengths[b], else 0

    Inputs:
        cache: [blocks, block, heads, d]
        table: [b, m]
        lengths: [b]

    Returns:
        out: [b, tokens, heads, d]

    Arguments:
        tokens: of each sequence in the result
        layout: nhd (tokens first) or hnd (heads first)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f8e4m3, f8e5m2, i8, u8.
    """

def kv_gather_quantized(
    values: Array,
    scales: Array,
    table: Array,
    lengths: Array,
    *,
    tokens: int = 0,
    layout: str = 'nhd',
    bits: int = 8,
    format: str = 'int',
    group: int = 0,
    d: int = 0,
    dtype: Any = 'f32',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[b, t] = values[s] scales[s], s = table[b, t / block], t mod block, for t < lengths[b], else 0

    Inputs:
        values: [blocks, block, heads, d bits / 8]
        scales: [blocks, block, heads, d / group]
        table: [b, m]
        lengths: [b]

    Returns:
        out: [b, tokens, heads, d]

    Arguments:
        tokens: of each sequence in the result
        layout: nhd (tokens first) or hnd (heads first)
        bits: 8 or 4
        format: int, or of 8 bits e4m3 or e5m2
        group: numbers of a scale; 0 for the head
        d: numbers of a head
        dtype: f32, f16 or bf16
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

def mla_append(
    latent: Array,
    rotated: Array,
    slots: Array,
    cache: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """cache[slots[t]] = latent[t], rotated[t] side by side

    Inputs:
        latent: [t, r]
        rotated: [t, p]
        slots: [t]
        cache: [blocks, block, r + p]

    Returns:
        cache: [blocks, block, r + p]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f8e4m3, f8e5m2, i8, u8.
    """

class MlaAppendQuantizedResult(NamedTuple, Generic[Array]):
    values: Array
    scales: Array

def mla_append_quantized(
    latent: Array,
    rotated: Array,
    slots: Array,
    values: Array,
    scales: Array,
    *,
    bits: int = 8,
    format: str = 'int',
    group: int = 32,
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlaAppendQuantizedResult[Array]:
    """cache[slots[t]] = quantize(latent[t]), quantize(rotated[t]) side by side

    Inputs:
        latent: [t, r]
        rotated: [t, p]
        slots: [t]
        values: [blocks, block, (r + p) bits / 8]
        scales: [blocks, block, (r + p) / group]

    Returns:
        values: [blocks, block, (r + p) bits / 8]
        scales: [blocks, block, (r + p) / group]

    Arguments:
        bits: 8 or 4
        format: int, or of 8 bits e4m3 or e5m2
        group: numbers of a scale: a divisor of r
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """
