"""The family cache. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

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
