"""SciPy as a peer, where it has more than NumPy."""

import numpy
from protocol import Library, serve


def make():
    import scipy
    from scipy import special
    from scipy.linalg import blas

    def real(function):
        return lambda x: function(x) if x.dtype in (numpy.float32, numpy.float64) else None

    def gram(of_rows=False, tile="auto"):
        def run(a):
            # The symmetric product, on the transposed view that BLAS sees a row-major matrix as, and the other triangle mirrored.
            if a.ndim != 2 or not a.flags.c_contiguous:
                return None
            rank_k = blas.ssyrk if a.dtype == numpy.float32 else blas.dsyrk
            out = rank_k(1.0, a.T, trans=of_rows, lower=1)
            return numpy.tril(out) + numpy.tril(out, -1).T

        return real(run)

    class SciPy(Library):
        name = f"scipy {scipy.__version__}"
        kernels = {
            "gram": gram,
            "logsumexp": lambda axis=-1: real(lambda x: special.logsumexp(x, axis=axis)),
            "softmax": lambda axis=-1: real(lambda x: special.softmax(x, axis=axis)),
        }

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else array

        def copy(self, array):
            return array.copy(order="K")

        def store(self, array):
            return numpy.asarray(array), None

    return SciPy()


serve(make)
