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

    class Faiss(Library):
        name = f"faiss {faiss.__version__}"
        kernels = {"top_k": top_k}

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else array

        def copy(self, array):
            return array.copy(order="K")

        def store(self, array):
            return numpy.asarray(array), None

    return Faiss()


serve(make)
