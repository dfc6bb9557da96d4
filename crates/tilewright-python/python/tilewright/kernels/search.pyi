"""The family search. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Generic, NamedTuple

from tilewright import Array, Device

class FlatScanTopkResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def flat_scan_topk(
    queries: Array,
    data: Array,
    ids: Array | None = None,
    keep: Array | None = None,
    *,
    k: int = 1,
    metric: str = 'l2',
    device: Device | str | None = None,
    variant: str | None = None,
) -> FlatScanTopkResult[Array]:
    """distances, ids = the first k rows x by (distance(q, x), id); sum (q - x)^2, -q.x or 1 - cos; NaN last

    Inputs:
        queries: [b, d]
        data: [n, d]
        ids: [n], may be left out
        keep: [bytes], may be left out

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        metric: l2, ip or cosine
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, i8.
    """

class IvfScanTopkResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def ivf_scan_topk(
    queries: Array,
    data: Array,
    offsets: Array,
    probes: Array,
    ids: Array | None = None,
    keep: Array | None = None,
    *,
    k: int = 1,
    metric: str = 'l2',
    device: Device | str | None = None,
    variant: str | None = None,
) -> IvfScanTopkResult[Array]:
    """distances, ids = the first k rows x of the lists that a query names, by (distance(q, x), id)

    Inputs:
        queries: [b, d]
        data: [n, d]
        offsets: [nlist + 1]
        probes: [b, nprobe]
        ids: [n], may be left out
        keep: [bytes], may be left out

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        metric: l2, ip or cosine
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, i8.
    """

class KmeansResult(NamedTuple, Generic[Array]):
    centroids: Array
    labels: Array

def kmeans(
    x: Array,
    initial: Array | None = None,
    *,
    k: int = 1,
    iterations: int = 10,
    start: str = 'random',
    seed: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> KmeansResult[Array]:
    """repeat: label(i) = argmin_c |x_i - centroid_c|^2; centroid_c = mean of the x_i with label c

    Inputs:
        x: [n, d]
        initial: [k, d], may be left out

    Returns:
        centroids: [k, d]
        labels: [n]

    Arguments:
        k: how many centroids
        iterations: how many updates
        start: without `initial`: random or plusplus
        seed: of the draws
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, i8.
    """

class TopkMergeResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def topk_merge(
    distances: Array,
    ids: Array,
    *,
    k: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> TopkMergeResult[Array]:
    """distances, ids = the first k candidates of p parts by (distance, id); NaN last

    Inputs:
        distances: [p, b, kk]
        ids: [p, b, kk]

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """
