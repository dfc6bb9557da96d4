"""Makes the files beside it, with faiss: python make.py

Each index file is one that faiss wrote; answers.json holds the queries, and what faiss finds with them in every list, as this library shows it: the
distance of the inner product is its negative. Fast scans round their tables, so their answers are those of the same codes without fast scan.
"""

import json
import pathlib

import faiss
import numpy as np

HERE = pathlib.Path(__file__).parent
D, N, K = 8, 41, 6
L2, IP = faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT


def data(rows, seed):
    return np.random.default_rng(seed).normal(size=(rows, D)).astype(np.float32)


def searched(index, queries):
    lists = faiss.try_extract_index_ivf(index)
    if lists is not None:
        lists.nprobe = lists.nlist
    distances, ids = index.search(queries, K)
    if lists is not None:
        lists.nprobe = 1
    return (-distances if index.metric_type == IP else distances), ids


def made(factory, metric):
    """An index of 41 vectors, and one that gives its answers."""
    refined = factory.endswith(",RFlat")
    base = factory.removesuffix(",RFlat")
    if not base.endswith(("fs", "fsr")):
        index = faiss.index_factory(D, base, metric)
        index.train(data(300, 1))
        index.add(data(N, 2))
        exact = index
    else:
        residual, plain = base.endswith("fsr"), base.removesuffix("r").removesuffix("fs")
        exact = faiss.index_factory(D, plain, metric)
        if "IVF" in base:
            exact.by_residual = residual
        exact.train(data(300, 1))
        exact.add(data(N, 2))
        index = (faiss.IndexIVFPQFastScan if "IVF" in base else faiss.IndexPQFastScan)(exact)
    if refined:
        exact = faiss.IndexFlat(D, metric)
        exact.add(data(N, 2))
        vectors = data(N, 2)
        index = faiss.IndexRefineFlat(index, faiss.swig_ptr(vectors))
        index.k_factor = 4
    return index, exact


def bits(rows, seed):
    return np.random.default_rng(seed).integers(0, 256, size=(rows, 3), dtype=np.uint8)


def binary(called, index, answers):
    faiss.write_index_binary(index, str(HERE / f"{called}.faiss"))
    distances, ids = index.search(bits(5, 5), K)
    answers[f"{called}.distances"], answers[f"{called}.ids"] = distances.astype(np.float32), ids


def main():
    queries = data(5, 4)
    answers = {"queries": queries, "bits": bits(5, 5)}
    factories = ["Flat", "IVF3,Flat", "PQ2", "PQ4x4", "PQ4x4fs", "IVF3,PQ2", "IVF3,PQ4x4"]
    factories += ["IVF3,PQ4x4fs", "IVF3,PQ4x4fsr", "IVF3,PQ4x4,RFlat", "PQ8x4fs,RFlat"]
    factories += ["SQ8", "SQ6", "SQ4", "IVF3,SQ8", "IVF3,SQ6", "IVF3,SQ4", "IVF3,SQ4,RFlat"]
    factories += ["OPQ4,PQ4x4", "OPQ2,IVF3,PQ2x4,RFlat", "RR8,SQ8", "PCA4,Flat", "PCA6,IVF3,SQ8"]
    for factory in factories:
        for metric, name in [(L2, "l2"), (IP, "ip")]:
            index, exact = made(factory, metric)
            called = f"{factory.replace(',', '_')}.{name}"
            faiss.write_index(index, str(HERE / f"{called}.faiss"))
            answers[f"{called}.distances"], answers[f"{called}.ids"] = searched(exact, queries)
    flat = faiss.IndexBinaryFlat(24)
    flat.add(bits(N, 3))
    binary("BFlat.l2", flat, answers)
    mapped = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(24))
    mapped.add_with_ids(bits(N, 3), np.arange(N)[::-1] * 3 + 1)
    binary("BFlat_.l2", mapped, answers)
    text = json.dumps({name: array.tolist() for name, array in answers.items()})
    (HERE / "answers.json").write_text(text + "\n")


main()
