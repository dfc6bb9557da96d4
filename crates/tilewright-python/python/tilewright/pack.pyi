"""The family pack. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

def dequantize(
    values: Array,
    scales: Array,
    *,
    bits: int = 8,
    format: str = 'int',
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
        format: int, or of 8 bits e4m3 or e5m2
        block: 16 to 1024, a power of two; 0 for the row
        n: elements of a row
        dtype: f32, f16 or bf16
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

class PackResult(NamedTuple, Generic[Array]):
    bytes: Array
    checksums: Array

def pack(
    x: Array,
    *,
    axes: str = '',
    device: Device | str | None = None,
    variant: str | None = None,
) -> PackResult[Array]:
    """bytes = the elements of x in row-major order; checksum = bytes c + sum of (1 + (w(2i) + k(2i))) (1 + (w(2i + 1) + k(2i + 1)))

    Inputs:
        x: any

    Returns:
        bytes: [n]
        checksums: [1]

    Arguments:
        axes: x is taken with its axes in this order, as 0,2,1
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, f8e4m3, f8e5m2, i8, u8, i32, i64, u32.
    """

class QuantizeResult(NamedTuple, Generic[Array]):
    values: Array
    scales: Array

def quantize(
    x: Array,
    *,
    bits: int = 8,
    format: str = 'int',
    block: int = 32,
    device: Device | str | None = None,
    variant: str | None = None,
) -> QuantizeResult[Array]:
    """scale = a / q, values = round(x q / a), a = the largest magnitude of the block, q = 127, 7, 448 or 57344

    Inputs:
        x: [.., n]

    Returns:
        values: [.., n bits / 8]
        scales: [.., n / block]

    Arguments:
        bits: 8 or 4
        format: int, or of 8 bits e4m3 or e5m2
        block: 16 to 1024, a power of two; 0 for the row
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

class RequantizeResult(NamedTuple, Generic[Array]):
    values: Array
    scales: Array

def requantize(
    values: Array,
    scales: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> RequantizeResult[Array]:
    """value' = round(value 7 / 127) in 4 bits, scale' = scale 127 / 7

    Inputs:
        values: [.., n]
        scales: [.., blocks]

    Returns:
        values: [.., ceil(n / 2)]
        scales: [.., blocks]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: i8.
    """

class UnpackResult(NamedTuple, Generic[Array]):
    out: Array
    checksum: Array

def unpack(
    bytes: Array,
    memory: Array | None = None,
    *,
    dtype: Any = 'u8',
    shape: str = '',
    axes: str = '',
    strides: str = '',
    offset: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> UnpackResult[Array]:
    """out = the row-major tensor of shape in bytes, with its axes in the order of axes; checksum as pack's

    Inputs:
        bytes: [n]
        memory: [m], may be left out

    Returns:
        out: shape by axes, or [m]
        checksum: [1]

    Arguments:
        dtype: of the elements
        shape: of what was packed, as 2,3,4
        axes: its axes in the order of the result, as 0,2,1; all in order
        strides: of the axes of shape in memory, as 40,8,1: what came is written there
        offset: of the first element in memory
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, f8e4m3, f8e5m2, i8, u8, i32, i64, u32.
    """
