"""Vector search by the verbs of faiss: train, add, search, reconstruct, write, read.

    index = tilewright.search.Index(128, "IVF1024,Flat")
    index.train(vectors); index.add(vectors)
    distances, ids = index.search(queries, k=10, nprobe=16)
    index.write("vectors.index"); index = tilewright.search.Index.read("vectors.index")

Vectors are f32 `[n, d]` of any library; results are arrays of the library of the queries. A distance is small where two vectors are near, whatever the
metric. The functions below are the kernels: `flat_scan_topk`, `ivf_scan_topk`, `topk_merge`, `kmeans`.
"""

import struct
from collections.abc import Sequence
from typing import Any

from tilewright import _native
from tilewright._native import Index, Snapshot, Tensor, asarray, frombuffer
from tilewright._registry import kernels

flat_scan_topk = kernels.search.flat_scan_topk
ivf_scan_topk = kernels.search.ivf_scan_topk
kmeans = kernels.search.kmeans
topk_merge = kernels.search.topk_merge

__all__ = ["Index", "Snapshot", "flat_scan_topk", "index_factory", "ivf_scan_topk", "kmeans", "merge", "read_index", "topk_merge", "write_index"]


def index_factory(d: int, description: str, metric: str = "l2") -> Index:
    """An index by faiss's factory string: "Flat", "IVF1024,Flat"."""
    return Index(d, description, metric)


def read_index(path: Any, *, format: str = "faiss") -> Index:  # noqa: A002
    """The index of a file of faiss's; `Index.read` opens those of this library."""
    return Index.read(path, format=format)


def write_index(index: Index, path: Any, *, format: str = "faiss") -> None:  # noqa: A002
    """A file that `faiss.read_index` reads."""
    index.write(path, format=format)


def merge(results: Sequence[tuple[Any, Any]], k: int) -> tuple[Any, Any]:
    """The nearest k of several searches of the same queries, as of the shards of an index: (distances, ids) each, and as the result.

    Equal distances are in the order of their ids, so the shards of an index together find what it finds.
    """
    if not results:
        raise ValueError("merge: results are 0, expected at least 1 pair of distances and ids")
    tables = [[asarray(table, device="cpu") for table in pair] for pair in results]
    queries = tables[0][0].shape[0]
    most = max(distances.shape[1] for distances, _ in tables)
    stacked: list[Tensor] = []
    for place, dtype, fill in ((0, "f32", float("inf")), (1, "i64", -1)):
        parts: list[bytes] = []
        for pair in tables:
            table = pair[place]
            if table.dtype != dtype or table.shape != pair[0].shape or table.shape[0] != queries:
                raise ValueError(f"merge: results have {table.dtype} of shape {table.shape}, expected {dtype} [{queries}, k]")
            parts.append(_padded(table, most, fill))
        stacked.append(frombuffer(b"".join(parts), dtype, [len(parts), queries, most]))
    merged = topk_merge(*stacked, k=k)
    like = results[0][0]
    return _native.present(merged.distances, like), _native.present(merged.ids, like)


def _padded(table: Any, width: int, fill: float) -> bytes:
    raw, (rows, columns) = table.tobytes(), table.shape
    if columns == width:
        return raw
    size = {"f32": 4, "i64": 8}[table.dtype]
    pad = struct.pack("f" if table.dtype == "f32" else "q", fill) * (width - columns)
    return b"".join(raw[row * columns * size : (row + 1) * columns * size] + pad for row in range(rows))
