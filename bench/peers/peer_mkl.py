"""Intel's MKL (PyPI `mkl`) as a peer: LAPACK's own routines, called without a wrapper's copies.

Matrices lie by columns, as LAPACK wants them: a call copies its input, since the routines write over it, and never transposes.
Batches are left to NumPy and SciPy, whose loops over LAPACK are in C.
"""

import ctypes
import os
import pathlib
import sys

import numpy
from protocol import Library, serve


def library():
    found = sorted(pathlib.Path(sys.prefix, "lib").glob("libmkl_rt.so*"))
    if not found:
        raise ImportError("libmkl_rt.so is not beside this interpreter: pip install mkl")
    return ctypes.CDLL(str(found[-1]))


def version(mkl):
    text = ctypes.create_string_buffer(198)
    mkl.mkl_get_version_string(text, len(text))
    return text.value.decode().split("Version ")[1].split()[0]


def make():
    mkl = library()
    mkl.MKL_Set_Num_Threads(len(os.sched_getaffinity(0)))

    def call(name, dtype, *arguments):
        """LAPACK's routine; numbers by reference, arrays by address. Gives INFO."""
        info = ctypes.c_int(0)

        def argument(value):
            if isinstance(value, str):
                return ctypes.c_char_p(value.encode())
            if isinstance(value, int):
                return ctypes.byref(ctypes.c_int(value))
            return ctypes.c_void_p(value.ctypes.data)

        routine = getattr(mkl, ("s" if dtype == numpy.float32 else "d") + name + "_")
        routine(*map(argument, arguments), ctypes.byref(info))
        if info.value < 0:
            raise ValueError(f"{name}: argument {-info.value}")
        return info.value

    def with_workspace(name, dtype, *arguments, integers=False, after=()):
        """The routine twice: first for the size of its workspace. `after` stands behind the workspaces."""
        work, small = numpy.zeros(1, dtype), numpy.zeros(1, numpy.int32)
        ask = (*arguments, work, -1, *((small, -1) if integers else ()), *after)
        call(name, dtype, *ask)
        work = numpy.empty(int(work[0]), dtype)
        small = numpy.empty(max(1, int(small[0])), numpy.int32)
        return call(name, dtype, *arguments, work, work.size, *((small, small.size) if integers else ()), *after)

    def fresh(a):
        return numpy.array(a, order="F")

    def cholesky_of(a, upper):
        out = fresh(a)
        info = call("potrf", a.dtype, "U" if upper else "L", len(a), out, len(a))
        return (numpy.triu if upper else numpy.tril)(out), info

    def lu_of(a):
        out, pivots = fresh(a), numpy.empty(min(a.shape), numpy.int32)
        info = call("getrf", a.dtype, *a.shape, out, len(a), pivots)
        return out, pivots, info

    def solve_of(a, b):
        factors, x, pivots = fresh(a), fresh(b), numpy.empty(len(a), numpy.int32)
        columns = 1 if b.ndim == 1 else b.shape[1]
        info = call("gesv", a.dtype, len(a), columns, factors, len(a), pivots, x, len(a))
        return x, info

    def inverse_of(a):
        out, pivots, info = lu_of(a)
        return out, info or with_workspace("getri", a.dtype, len(a), out, len(a), pivots)

    def qr_of(a):
        m, n = a.shape
        out, tau = fresh(a), numpy.empty(min(m, n), a.dtype)
        with_workspace("geqrf", a.dtype, m, n, out, m, tau)
        k = min(m, n)
        r = numpy.triu(out[:k])
        q = out if m >= n else numpy.array(out[:, :k], order="F")
        with_workspace("orgqr", a.dtype, m, k, k, q, m, tau)
        return r, q

    def eigh_of(a, upper):
        vectors, values = fresh(a), numpy.empty(len(a), a.dtype)
        info = with_workspace(
            "syevd", a.dtype, "V", "U" if upper else "L", len(a), vectors, len(a), values, integers=True
        )
        return values, info, vectors

    def svd_of(a, full):
        m, n = a.shape
        k = min(m, n)
        columns, rows = (m, n) if full else (k, k)
        out, s = fresh(a), numpy.empty(k, a.dtype)
        u, vt = numpy.empty((m, columns), a.dtype, order="F"), numpy.empty((rows, n), a.dtype, order="F")
        small = numpy.empty(8 * k, numpy.int32)
        info = with_workspace(
            "gesdd", a.dtype, "A" if full else "S", m, n, out, m, s, u, m, vt, rows, after=(small,)
        )
        return s, info, u, vt

    def single(function):
        def run(*inputs):
            taken = inputs[0].ndim == 2 and inputs[0].size and inputs[0].dtype in (numpy.float32, numpy.float64)
            return function(*inputs) if taken else None

        return run

    def eigh(upper=False, descending=False, values_only=False):
        return None if descending or values_only else single(lambda a: eigh_of(a, upper))

    def svd(mode="reduced"):
        return None if mode == "values" else single(lambda a: svd_of(a, mode == "full"))

    def qr(mode="reduced", nonnegative=False):
        return None if mode != "reduced" or nonnegative else single(qr_of)

    def matmul(transpose_a=False, transpose_b=False, tile="auto"):
        def product(a, b):
            (m, k), n = a.shape[::-1] if transpose_a else a.shape, b.shape[0 if transpose_b else 1]
            out, one, zero = numpy.empty((m, n), a.dtype, order="F"), numpy.ones(1, a.dtype), numpy.zeros(1, a.dtype)
            gemm = mkl.sgemm_ if a.dtype == numpy.float32 else mkl.dgemm_
            m, n, k, lda, ldb, ldc = (ctypes.byref(ctypes.c_int(x)) for x in (m, n, k, len(a), len(b), m))
            a, b, c, one, zero = (ctypes.c_void_p(x.ctypes.data) for x in (a, b, out, one, zero))
            turns = (b"T" if flag else b"N" for flag in (transpose_a, transpose_b))
            gemm(*turns, m, n, k, one, a, lda, b, ldb, zero, c, ldc)
            return out

        return single(product)

    class Mkl(Library):
        name = f"mkl {version(mkl)}"
        kernels = {
            "matmul": matmul,
            "cholesky": lambda upper=False: single(lambda a: cholesky_of(a, upper)),
            "lu": lambda: single(lu_of),
            "solve": lambda: single(solve_of),
            "inverse": lambda: single(inverse_of),
            "qr": qr,
            "eigh": eigh,
            "svd": svd,
        }

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else self.copy(array)

        def copy(self, array):
            return numpy.array(array, order="F")

        def store(self, array):
            return numpy.asarray(array, dtype=numpy.int32) if isinstance(array, int) else numpy.asarray(array), None

    return Mkl()


serve(make)
