"""The family pack. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

def dequantize(
    values: Array,
    scales: Array,
    *,
    bits: int = 8,
    block: int = 32,
    n: int = 0,
    dtype: Any = 'f32',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = value * scale of its block

    Inputs:
        values: [.., n bits / 8]
        scales: [.., n / block]

    Returns:
        out: [.., n]

    Arguments:
        bits: 8 or 4
        block: 16 to 1024, a power of two; 0 for the row
        n: elements of a row
        dtype: f32, f16 or bf16
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

class QuantizeResult(NamedTuple, Generic[Array]):
    values: Array
    scales: Array

def quantize(
    x: Array,
    *,
    bits: int = 8,
    block: int = 32,
    device: Device | str | None = None,
    variant: str | None = None,
) -> QuantizeResult[Array]:
    """scale = a / q, values = round(x q / a), a = the largest magnitude of the block, q = 127 or 7

    Inputs:
        x: [.., n]

    Returns:
        values: [.., n bits / 8]
        scales: [.., n / block]

    Arguments:
        bits: 8 or 4
        block: 16 to 1024, a power of two; 0 for the row
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """
