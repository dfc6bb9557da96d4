"""NumPy and SciPy over the library: run with LD_PRELOAD=libtilewright_lapack.so, with numpy and scipy from PyPI."""

import ctypes

import numpy as np
import scipy.linalg as la

calls = ctypes.CDLL(None).tilewright_lapack_calls
calls.restype, calls.argtypes = ctypes.c_uint64, [ctypes.c_char_p]


def arrived(name, run):
    """The result of run(), which has to reach the routine."""
    before = calls(name)
    result = run()
    assert calls(name) > before, f"{name.decode()} was not called"
    return result


random = np.random.default_rng(0)
for dtype, letter in [(np.float64, b"d"), (np.float32, b"s")]:
    bound = 2e4 * np.finfo(dtype).eps
    n = 90
    a, b = random.standard_normal((n, n)).astype(dtype), random.standard_normal((n, 4)).astype(dtype)
    wide, symmetric = a[:40], a + a.T
    spd = a @ a.T + n * np.eye(n, dtype=dtype)

    def near(x, y):
        scale = max(1.0, float(np.abs(y).max()))
        assert np.abs(x - y).max() <= bound * scale, np.abs(x - y).max()

    product = arrived(b"cblas_" + letter + b"gemm", lambda: a @ b)
    near(product, np.einsum("ij,jk->ik", a.astype(float), b.astype(float)))
    # NumPy computes these in f64 whatever it is given.
    for solve, routine in [(np.linalg.solve, b"dgesv"), (la.solve, letter + b"getrf")]:
        near(a @ arrived(routine, lambda: solve(a, b)), b)
    near(a @ arrived(letter + b"getri", lambda: la.inv(a)), np.eye(n))
    factor = arrived(b"dpotrf", lambda: np.linalg.cholesky(spd))
    near(factor @ factor.T, spd)
    for qr in [np.linalg.qr, lambda x: la.qr(x, mode="economic")]:
        q, r = arrived(letter + b"geqrf", lambda: qr(wide.T)) if dtype is np.float64 else qr(wide.T)
        near(q @ r, wide.T)
    for svd, routine in [(np.linalg.svd, b"dgesdd"), (la.svd, letter + b"gesdd")]:
        u, s, vt = arrived(routine, lambda: svd(wide, full_matrices=False))
        near((u * s) @ vt, wide)
    for eigh, routine in [(np.linalg.eigh, b"dsyevd"), (la.eigh, letter + b"syevr")]:
        w, v = arrived(routine, lambda: eigh(symmetric))
        near(symmetric @ v, v * w)
    for eig, routine in [(np.linalg.eig, b"dgeev"), (la.eig, letter + b"geev")]:
        w, v = arrived(routine, lambda: eig(a))
        near(a @ v, v * w)
    for lstsq, routine in [(np.linalg.lstsq, b"dgelsd"), (la.lstsq, letter + b"gelsd")]:
        x = arrived(routine, lambda: lstsq(wide.T, b))[0]
        near(wide @ (wide.T @ x - b), np.zeros((40, 4)))
    try:
        np.linalg.cholesky(-spd)
    except np.linalg.LinAlgError:
        pass
    else:
        raise AssertionError("a matrix that is not positive definite has a factor")

print(f"{calls(None)} calls arrived")
