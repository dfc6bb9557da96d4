"""The family search. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

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

class HammingScanTopkResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def hamming_scan_topk(
    queries: Array,
    data: Array,
    ids: Array | None = None,
    keep: Array | None = None,
    *,
    k: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> HammingScanTopkResult[Array]:
    """distances, ids = the first k rows x by (the number of bits in which q and x differ, id)

    Inputs:
        queries: [b, bytes]
        data: [n, bytes]
        ids: [n], may be left out
        keep: [bytes], may be left out

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: u8.
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
    spherical: bool = False,
    batch: int = 0,
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
        spherical: whether centroids have length 1
        batch: rows of an iteration; 0: all
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, i8.
    """

def pq_encode(
    x: Array,
    codebooks: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """codes(i, j) = argmin_c |x_ij - codebooks_jc|^2 for each part j of row i

    Inputs:
        x: [n, d]
        codebooks: [m, words, d / m]

    Returns:
        codes: [n, bytes]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

def pq_lut(
    queries: Array,
    codebooks: Array,
    *,
    metric: str = 'l2',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """tables(q, j, c) = |q_j - codebooks_jc|^2, or -q_j . codebooks_jc, for each part j

    Inputs:
        queries: [b, d]
        codebooks: [m, words, d / m]

    Returns:
        tables: [b, m, words]

    Arguments:
        metric: l2 or ip
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

class PqScanResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def pq_scan(
    tables: Array,
    codes: Array,
    offsets: Array,
    probes: Array,
    bases: Array | None = None,
    biases: Array | None = None,
    ids: Array | None = None,
    keep: Array | None = None,
    factors: Array | None = None,
    *,
    k: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> PqScanResult[Array]:
    """distances, ids = the first k rows of the lists that a query names, by bases + biases + factors sum_j tables(j, code_j)

    Inputs:
        tables: [b, m, words]
        codes: [blocks, bytes, 64]
        offsets: [nlist + 1]
        probes: [b, nprobe]
        bases: [b, nprobe], may be left out
        biases: [n], may be left out
        ids: [n], may be left out
        keep: [bytes], may be left out
        factors: [n], may be left out

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

def pq_train(
    x: Array,
    initial: Array | None = None,
    *,
    m: int = 1,
    bits: int = 8,
    iterations: int = 25,
    seed: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """codebooks(j) = the 2^bits centroids of part j of m parts of the rows x

    Inputs:
        x: [n, d]
        initial: [m, 2^bits, d / m], may be left out

    Returns:
        codebooks: [m, 2^bits, d / m]

    Arguments:
        m: parts of a vector, a divisor of d
        bits: of a part's code: 8 or 4
        iterations: how many updates
        seed: of the draws
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

class RabitqEncodeResult(NamedTuple, Generic[Array]):
    codes: Array
    squares: Array
    factors: Array

def rabitq_encode(
    x: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> RabitqEncodeResult[Array]:
    """codes = the bits of x > 0, squares = |x|^2, factors = 2 |x|^2 / sum |x_j|, for each row

    Inputs:
        x: [n, d]

    Returns:
        codes: [n, bytes]
        squares: [n]
        factors: [n]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

class RerankResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def rerank(
    queries: Array,
    data: Array,
    rows: Array,
    ids: Array | None = None,
    *,
    k: int = 1,
    metric: str = 'l2',
    device: Device | str | None = None,
    variant: str | None = None,
) -> RerankResult[Array]:
    """distances, ids = the first k of the rows x that a query names, by (distance(q, x), id)

    Inputs:
        queries: [b, d]
        data: [n, d]
        rows: [b, c]
        ids: [n], may be left out

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

def sq_encode(
    x: Array,
    ranges: Array,
    *,
    bits: int = 8,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """words(i, j) = floor((2^bits - 1) (x_ij - ranges_0j) / ranges_1j), from 0 to 2^bits - 1, as one string of bits

    Inputs:
        x: [n, d]
        ranges: [2, d]

    Returns:
        codes: [n, bytes]

    Arguments:
        bits: 8, 6 or 4
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

class SqScanResult(NamedTuple, Generic[Array]):
    distances: Array
    ids: Array

def sq_scan(
    queries: Array,
    codes: Array,
    ranges: Array,
    offsets: Array,
    probes: Array,
    centroids: Array | None = None,
    ids: Array | None = None,
    keep: Array | None = None,
    *,
    k: int = 1,
    metric: str = 'l2',
    bits: int = 8,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SqScanResult[Array]:
    """distances, ids = the first k rows of the lists that a query names, by the distance from what their codes stand for

    Inputs:
        queries: [b, d]
        codes: [n, bytes]
        ranges: [2, d]
        offsets: [nlist + 1]
        probes: [b, nprobe]
        centroids: [nlist, d], may be left out
        ids: [n], may be left out
        keep: [bytes], may be left out

    Returns:
        distances: [b, k]
        ids: [b, k]

    Arguments:
        k: how many; (infinity, -1) fills up
        metric: l2, ip or cosine
        bits: 8, 6 or 4
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

def sq_train(
    x: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """ranges = the least of each column's finite numbers, and the greatest minus it

    Inputs:
        x: [n, d]

    Returns:
        ranges: [2, d]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
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
