"""The family reduce. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

def argmax(
    x: Array,
    *,
    axis: int = -1,
    index: str = 'u32',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = lowest j with the largest x[.., j, ..], or with the first NaN

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., ..]

    Arguments:
        axis: the axis, counted from the end where negative
        index: the dtype of positions: u32 or i64
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, i32, i64, u32.
    """

def cross_entropy(
    logits: Array,
    target: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """loss = log(sum over j of exp(logits[.., j])) - logits[.., target], 0 where target < 0

    Inputs:
        logits: [.., n]
        target: [..]

    Returns:
        loss: [..]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def cross_entropy_bw(
    dloss: Array,
    logits: Array,
    target: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dlogits[.., j] = dloss (softmax(logits)[.., j] - [j = target]), 0 where target < 0

    Inputs:
        dloss: [..]
        logits: [.., n]
        target: [..]

    Returns:
        dlogits: [.., n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def logsumexp(
    x: Array,
    *,
    axis: int = -1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = m + log sum over j of exp(x[.., j, ..] - m), m = max over j of x[.., j, ..]

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., ..]

    Arguments:
        axis: the axis, counted from the end where negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def max(
    x: Array,
    *,
    axis: int = -1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = max over j of x[.., j, ..], NaN if any is

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., ..]

    Arguments:
        axis: the axis, counted from the end where negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, i32, i64, u32.
    """

def scan(
    x: Array,
    *,
    axis: int = -1,
    exclusive: bool = False,
    reverse: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[.., j, ..] = sum over l <= j of x[.., l, ..]

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., n, ..]

    Arguments:
        axis: the axis, counted from the end where negative
        exclusive: whether an element's own term is left out
        reverse: whether the sums run from the end
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, i32, i64, u32.
    """

def softmax(
    x: Array,
    *,
    axis: int = -1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = exp(x[.., j, ..] - m) / sum over l of exp(x[.., l, ..] - m), m = max over l of x[.., l, ..]

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., n, ..]

    Arguments:
        axis: the axis, counted from the end where negative
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def sum(
    x: Array,
    *,
    axis: int = -1,
    mode: str = 'plain',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = sum over j of x[.., j, ..]

    Inputs:
        x: [.., n, ..]

    Returns:
        out: [.., ..]

    Arguments:
        axis: the axis, counted from the end where negative
        mode: plain: pairwise; compensated: rounding errors carried
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, i32, i64, u32.
    """

class TopKResult(NamedTuple, Generic[Array]):
    values: Array
    positions: Array

def top_k(
    x: Array,
    *,
    k: int = 1,
    axis: int = -1,
    largest: bool = True,
    index: str = 'u32',
    device: Device | str | None = None,
    variant: str | None = None,
) -> TopKResult[Array]:
    """values, positions = the first k of each row by value, then position; NaN last

    Inputs:
        x: [.., n, ..]

    Returns:
        values: [.., k, ..]
        positions: [.., k, ..]

    Arguments:
        k: how many, from 0 to n
        axis: the axis, counted from the end where negative
        largest: the largest, or the smallest
        index: the dtype of positions: u32 or i64
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64, i32, i64, u32.
    """
