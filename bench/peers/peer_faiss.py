"""faiss as a peer: the heaps that its searches keep their results in."""

import numpy
from protocol import Library, serve


def make():
    import faiss

    def top_k(k=1, axis=-1, largest=True, index="u32"):
        def run(x):
            if x.ndim != 2 or x.dtype != numpy.float32 or not x.flags.c_contiguous:
                return None
            rows, n = x.shape
            values, positions = numpy.empty((rows, k), numpy.float32), numpy.empty((rows, k), numpy.int64)
            heaps = faiss.float_minheap_array_t()
            heaps.nh, heaps.k = rows, k
            heaps.val, heaps.ids = faiss.swig_ptr(values), faiss.swig_ptr(positions)
            heaps.heapify()
            heaps.addn(n, faiss.swig_ptr(x))
            heaps.reorder()
            return values, positions

        return run if axis == -1 and largest and k >= 1 else None

    metrics = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}

    def ours(metric, distances, ids):
        return (distances, ids) if metric == "l2" else (-distances, ids)

    def flat_scan_topk(k=1, metric="l2"):
        def run(queries, data):
            if queries.dtype != numpy.float32:
                return None
            return ours(metric, *faiss.knn(queries, data, k, metrics[metric]))

        return run if metric in metrics and k >= 1 else None

    def ivf_scan_topk(k=1, metric="l2"):
        # The lists are faiss's own once made, at the first call for these arrays, which is not timed.
        made = {}

        def lists(data, offsets):
            if data.ctypes.data not in made:
                n, d = data.shape
                index = faiss.IndexIVFFlat(faiss.IndexFlat(d, metrics[metric]), d, len(offsets) - 1, metrics[metric])
                index.is_trained = True
                ids = numpy.arange(n, dtype=numpy.int64)
                for at, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist())):
                    if end > start:
                        codes = numpy.ascontiguousarray(data[start:end]).view(numpy.uint8)
                        index.invlists.add_entries(at, end - start, faiss.swig_ptr(ids[start:end]), faiss.swig_ptr(codes))
                index.ntotal = n
                made[data.ctypes.data] = index
            return made[data.ctypes.data]

        def run(queries, data, offsets, probes):
            if queries.dtype != numpy.float32:
                return None
            index = lists(data, offsets)
            index.nprobe = probes.shape[1]
            zeros = numpy.zeros(probes.shape, numpy.float32)
            return ours(metric, *index.search_preassigned(queries, k, probes, zeros))

        return run if metric in metrics and k >= 1 else None

    class Faiss(Library):
        name = f"faiss {faiss.__version__}"
        kernels = {"top_k": top_k, "flat_scan_topk": flat_scan_topk, "ivf_scan_topk": ivf_scan_topk}

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else array

        def copy(self, array):
            return array.copy(order="K")

        def store(self, array):
            return numpy.asarray(array), None

    return Faiss()


serve(make)
