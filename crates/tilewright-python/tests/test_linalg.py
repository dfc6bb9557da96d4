"""`tilewright.linalg` against NumPy and SciPy."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tilewright
from tilewright import linalg

RANDOM = np.random.default_rng(11)
SHAPES = [(1, 1), (3, 3), (7, 4), (4, 7), (2, 3, 5, 5), (2, 6, 3)]
DTYPES = [np.float32, np.float64]


def draw(shape, dtype=np.float64):
    return RANDOM.normal(size=shape).astype(dtype)


def close(ours, theirs, dtype=np.float64, scale=1.0):
    assert isinstance(ours, np.ndarray) and ours.dtype == dtype, (type(ours), ours.dtype)
    assert ours.shape == np.shape(theirs)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(ours, theirs, rtol=200 * eps, atol=200 * eps * scale * max(1.0, np.abs(theirs).max(initial=0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_decompositions_are_those_of_numpy(shape, dtype):
    a = draw(shape, dtype)
    for full in (True, False):
        u, s, vh = linalg.svd(a, full_matrices=full)
        theirs = np.linalg.svd(a, full_matrices=full)
        assert u.shape == theirs.U.shape and vh.shape == theirs.Vh.shape
        close(s, theirs.S, dtype)
        k = s.shape[-1]
        close(u[..., :k] * s[..., None, :] @ vh[..., :k, :], a, dtype, 10)
    close(linalg.svdvals(a), np.linalg.svd(a, compute_uv=False), dtype)
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode=mode)
        assert q.shape == np.linalg.qr(a, mode=mode).Q.shape
        close(q @ r, a, dtype, 10)
        assert np.all(np.tril(r, -1) == 0)
    close(linalg.pinv(a), np.linalg.pinv(a), dtype, 100)
    assert np.array_equal(linalg.matrix_rank(a), np.linalg.matrix_rank(a))
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        close(linalg.matrix_norm(a, ord=order), np.linalg.matrix_norm(a, ord=order), dtype)
        kept = np.linalg.matrix_norm(a, ord=order, keepdims=True)
        close(linalg.matrix_norm(a, ord=order, keepdims=True), kept, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (2, 3, 4, 4)])
def test_square_matrices(shape, dtype):
    a = draw(shape, dtype) + 3 * np.eye(shape[-1], dtype=dtype)
    spd = a @ a.swapaxes(-1, -2) + np.eye(shape[-1], dtype=dtype)
    close(linalg.cholesky(spd), np.linalg.cholesky(spd), dtype, 100)
    close(linalg.cholesky(spd, upper=True), np.linalg.cholesky(spd, upper=True), dtype, 100)
    values, vectors = linalg.eigh(spd)
    close(values, np.linalg.eigvalsh(spd), dtype, 10)
    close(spd @ vectors, vectors * values[..., None, :], dtype, 10)
    close(linalg.eigvalsh(spd, UPLO="U"), np.linalg.eigvalsh(spd, UPLO="U"), dtype, 10)
    close(linalg.inv(a), np.linalg.inv(a), dtype, 1000)
    close(linalg.det(a), np.linalg.det(a), dtype, 1000)
    sign, log = linalg.slogdet(a)
    close(sign, np.linalg.slogdet(a).sign, dtype)
    close(log, np.linalg.slogdet(a).logabsdet, dtype, 100)
    for p in (None, "fro", 1, np.inf):
        np.testing.assert_allclose(linalg.cond(a, p), np.linalg.cond(a, p), rtol=1e4 * np.finfo(dtype).eps)
    for n in (0, 1, 2, 5):
        close(linalg.matrix_power(a, n), np.linalg.matrix_power(a, n), dtype, 100)
    close(linalg.matrix_power(a, -2), np.linalg.matrix_power(a, -2), dtype, 1e4)


def test_solve_broadcasts():
    n = 4
    for left, right in [((n, n), (n,)), ((n, n), (n, 2)), ((3, n, n), (n,)), ((2, 1, n, n), (3, n, 2)), ((n, n), (5, n, 3))]:
        a, b = draw(left) + 4 * np.eye(n), draw(right)
        theirs = np.linalg.solve(a, b)
        close(linalg.solve(a, b), theirs, scale=1000)
    x, residuals, rank, s = linalg.lstsq(draw((7, 3)), draw((7, 2)))
    assert x.shape == (3, 2) and residuals.shape == (2,) and int(rank) == 3 and s.shape == (3,)
    a, b = draw((7, 3)), draw((7, 2))
    for ours, theirs in zip(linalg.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_products():
    shapes = [((3,), (3,)), ((4, 3), (3,)), ((3,), (3, 4)), ((4, 3), (3, 5)), ((2, 4, 3), (3, 5)), ((6, 1, 4, 3), (2, 3, 5)), ((2, 4, 3), (3,)), ((3,), (2, 3, 5))]
    for left, right in shapes:
        a, b = draw(left), draw(right)
        close(linalg.matmul(a, b), np.matmul(a, b), scale=10)
    a, b = draw((3, 4, 5)), draw((4, 5, 2))
    close(linalg.tensordot(a, b), np.tensordot(a, b), scale=10)
    close(linalg.tensordot(a, a, axes=([0, 2], [0, 2])), np.tensordot(a, a, axes=([0, 2], [0, 2])), scale=10)
    close(linalg.tensordot(a, b, axes=0), np.tensordot(a, b, axes=0))
    p, q = draw(4), draw(3)
    close(linalg.outer(p, q), np.outer(p, q))
    single = draw((5, 2), np.float32)
    close(linalg.matmul(a, single), np.matmul(a, single), scale=10)
    close(linalg.solve(np.eye(5), single), single.astype(np.float64))
    x, y = draw((2, 3, 4)), draw((3, 4))
    close(linalg.vecdot(x, y), np.linalg.vecdot(x, y), scale=10)
    close(linalg.vecdot(x, x, axis=0), np.linalg.vecdot(x, x, axis=0), scale=10)
    for axis, (p, q) in [(-1, ((2, 3), (2, 3))), (0, ((3, 2), (3, 2))), (-1, ((4, 1, 3), (2, 3)))]:
        p, q = draw(p), draw(q)
        close(linalg.cross(p, q, axis=axis), np.linalg.cross(p, q, axis=axis), scale=10)
    for offset in (-5, -2, 0, 1, 3, 9):
        close(linalg.diagonal(x, offset=offset), np.linalg.diagonal(x, offset=offset))
        close(linalg.trace(x, offset=offset), np.linalg.trace(x, offset=offset), scale=10)
    close(linalg.matrix_transpose(x), x.swapaxes(-1, -2))


def test_a_product_may_have_more_axes_than_a_tensor():
    a, b = draw((2, 1, 3, 1, 2)), draw((1, 2, 1, 2))
    close(linalg.tensordot(a, b, axes=0), np.tensordot(a, b, axes=0))
    with pytest.raises(ValueError, match="rank is 9"):
        linalg.tensordot(tilewright.asarray(a), tilewright.asarray(b), axes=0)


def test_the_array_apis_own_suite():
    suite = os.environ.get("ARRAY_API_SUITE")
    if not suite:
        pytest.skip("ARRAY_API_SUITE is not set to a clone of data-apis/array-api-tests: its linear algebra was not run")
    script = pathlib.Path(__file__).with_name("array_api_suite.py")
    run = subprocess.run([sys.executable, str(script), suite], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "28 passed, 2 deselected" in run.stdout, run.stdout[-500:]


def test_tolerances_for_each_matrix():
    u, _, vh = np.linalg.svd(draw((3, 4, 4)))
    a = u * np.array([1.0, 1e-1, 1e-3, 1e-6]) @ vh
    for rtol in (np.array([1e-7, 1e-4, 1e-2]), np.array([[1e-7], [0.5]]), 1e-2):
        assert np.array_equal(linalg.matrix_rank(a, rtol=rtol), np.linalg.matrix_rank(a, rtol=rtol))
    rtol = np.array([1e-7, 1e-4, 1e-2])
    np.testing.assert_allclose(linalg.pinv(a, rtol=rtol), np.linalg.pinv(a, rtol=rtol), rtol=1e-8, atol=1e-6)
    assert linalg.pinv(a[:0], rtol=rtol[:0]).shape == (0, 4, 4)


def test_norms():
    x = draw((2, 3, 4))
    for axis in (None, 0, -1, (0, 2), (2, 0, 1)):
        for keepdims in (False, True):
            for order in (2, 1, 0, 3.5, np.inf, -np.inf):
                theirs = np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=order)
                close(linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=order), np.asarray(theirs), scale=10)
    close(linalg.norm(x), np.asarray(np.linalg.norm(x)), scale=10)
    close(linalg.norm(x, axis=(0, 2)), np.linalg.norm(x, axis=(0, 2)), scale=10)
    close(linalg.norm(x, 1, axis=1, keepdims=True), np.linalg.norm(x, 1, axis=1, keepdims=True), scale=10)


@pytest.mark.parametrize("x", [np.float64(-3), np.array(-2.5, np.float32), np.array(0.0)])
def test_the_norm_of_a_single_number_is_its_modulus(x):
    for keepdims in (False, True):
        for ours, theirs in [(linalg.norm, np.linalg.norm), (linalg.vector_norm, np.linalg.vector_norm)]:
            close(ours(x, keepdims=keepdims), np.asarray(theirs(x, keepdims=keepdims)), x.dtype)
    with pytest.raises(ValueError):
        linalg.norm(x, 1)
    with pytest.raises(ValueError):
        np.linalg.norm(x, 1)


def paired(ours, theirs):
    """The values of each matrix in the order of `theirs`, each of ours taken once."""
    out = np.empty_like(ours)
    for at in np.ndindex(ours.shape[:-1]):
        left = list(ours[at])
        for place, value in enumerate(theirs[at]):
            out[at][place] = left.pop(int(np.argmin(np.abs(np.array(left) - value))))
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (2, 3, 5, 5), (0, 4, 4)])
def test_eig_is_that_of_numpy(shape, dtype):
    a = draw(shape, dtype)
    wide = {np.float32: np.complex64, np.float64: np.complex128}[dtype]
    values, vectors = linalg.eig(a)
    theirs = np.linalg.eigvals(a).astype(wide)
    assert values.dtype == vectors.dtype == wide and values.shape == theirs.shape and vectors.shape == a.shape
    eps = np.finfo(dtype).eps
    for ours in (values, linalg.eigvals(a)):
        np.testing.assert_allclose(paired(ours, theirs), theirs, rtol=2000 * eps, atol=2000 * eps)
        assert np.all(np.diff(np.abs(ours), axis=-1) <= 1e-5), "by falling modulus"
    np.testing.assert_allclose(a @ vectors, vectors * values[..., None, :], atol=500 * eps)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-2), 1, atol=100 * eps)


def test_eig_of_a_turn_is_complex_and_a_tensor_has_none():
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(linalg.eigvals(turn), [1j, -1j], atol=1e-15)
    np.testing.assert_allclose(linalg.eigvals(np.diag([3.0, -4.0])), [-4, 3])
    with pytest.raises(TypeError, match="no complex dtype"):
        linalg.eigvals(tilewright.asarray(turn))
    with pytest.raises(tilewright.NumericalError, match="eig: matrix 1 did not converge"):
        linalg.eig(np.stack([turn, turn * np.nan]))
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    values, vectors = linalg.eig(torch.tensor(turn, dtype=torch.bfloat16))
    assert values.dtype == vectors.dtype == torch.complex64


def test_scipy_agrees():
    scipy = pytest.importorskip("scipy.linalg", reason="SciPy is not installed: parity with it was not tested")
    a, b = draw((6, 6)) + 6 * np.eye(6), draw((6, 2))
    packed, permutation, info = linalg.lu(a)
    p, l, u = scipy.lu(a)
    assert not info
    np.testing.assert_allclose(np.tril(packed, -1) + np.eye(6), l, atol=1e-12)
    np.testing.assert_allclose(np.triu(packed), u, atol=1e-12)
    assert np.array_equal(np.eye(6)[:, permutation].T @ a, p.T @ a)
    np.testing.assert_allclose(linalg.triangular_solve(a, b, upper=True).x, scipy.solve_triangular(a, b), atol=1e-12)
    spd = a @ a.T
    np.testing.assert_allclose(linalg.cholesky_solve(linalg.cholesky(spd), b), scipy.cho_solve(scipy.cho_factor(spd, lower=True), b), atol=1e-12)
    np.testing.assert_allclose(linalg.svdvals(a), scipy.svdvals(a), rtol=1e-13)
    for scale, shape in [(0.1, (6, 6)), (3.0, (2, 4, 4)), (40.0, (3, 3))]:
        m = draw(shape) * scale
        theirs = scipy.expm(m)
        np.testing.assert_allclose(linalg.expm(m), theirs, rtol=1e-9, atol=1e-11 * np.abs(theirs).max())
    np.testing.assert_allclose(linalg.matrix_power(a, 9), np.linalg.matrix_power(a, 9), rtol=1e-11, atol=1e-11 * np.abs(np.linalg.matrix_power(a, 9)).max())
    np.testing.assert_allclose(linalg.inv(a), scipy.inv(a), atol=1e-12)
    # Complex pairs of a general matrix, as SciPy has them.
    values = linalg.eigvals(a)
    np.testing.assert_allclose(paired(values, scipy.eigvals(a)), scipy.eigvals(a), rtol=1e-11)
    values, vectors = linalg.eigh(spd)
    np.testing.assert_allclose(values, scipy.eigh(spd, eigvals_only=True), rtol=1e-11)
    np.testing.assert_allclose(linalg.pinv(np.arange(15.0).reshape(5, 3)), scipy.pinv(np.arange(15.0).reshape(5, 3)), atol=1e-12)
    np.testing.assert_allclose(linalg.lstsq(a, b).x, scipy.lstsq(a, b)[0], atol=1e-11)
    np.testing.assert_allclose(linalg.det(a), scipy.det(a), rtol=1e-12)
    polar, _ = scipy.polar(a)
    np.testing.assert_allclose(linalg.orthogonalize(a, method="polar_express", steps=12), polar, atol=0.02)


def test_what_has_no_answer_is_told():
    singular = np.stack([np.eye(3), np.zeros((3, 3))])
    for call, name in [(linalg.inv, "inv"), (lambda a: linalg.solve(a, np.ones(3)), "solve")]:
        with pytest.raises(tilewright.NumericalError, match=f"{name}: matrix 1 is singular") as caught:
            call(singular)
        assert caught.value.index == 1 and isinstance(caught.value, ArithmeticError)
    with pytest.raises(tilewright.NumericalError, match="matrix 0 is not positive definite"):
        linalg.cholesky(-np.eye(2))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "dtype i64", lambda: linalg.inv(np.eye(3, dtype=np.int64))),
        (TypeError, "<c16", lambda: linalg.inv(np.eye(3) + 0j)),
        (TypeError, "x2 has dtype i32", lambda: linalg.matmul(np.eye(3), np.eye(3, dtype=np.int32))),
        (ValueError, "mode is 'r'", lambda: linalg.qr(np.eye(3), mode="r")),
        (ValueError, "UPLO is 'l'", lambda: linalg.eigh(np.eye(3), UPLO="l")),
        (ValueError, "solve: shapes are", lambda: linalg.solve(np.eye(3), np.ones(4))),
        (ValueError, "ones that broadcast", lambda: linalg.solve(np.ones((2, 3, 3)), np.ones((3, 3, 1)))),
        (ValueError, "expected vectors", lambda: linalg.outer(np.eye(2), np.eye(2))),
        (ValueError, "expected 3 elements", lambda: linalg.cross(np.ones(4), np.ones(4))),
        (ValueError, "tensordot: axes is 3", lambda: linalg.tensordot(np.eye(2), np.eye(2), axes=3)),
        (ValueError, "at least 1 axis", lambda: linalg.matmul(np.float64(2), np.eye(2))),
        (ValueError, "axis is 2", lambda: linalg.vecdot(np.eye(2), np.eye(2), axis=2)),
        (ValueError, "expected square", lambda: linalg.matrix_power(np.ones((2, 3)), 2)),
    ],
)
def test_errors_name_the_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_other_libraries_get_their_own_back():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a = torch.randn(3, 4, 4, dtype=torch.float64)
    for ours, theirs in [
        (linalg.solve(a, a[0]), torch.linalg.solve(a, a[0].expand(3, 4, 4))),
        (linalg.vecdot(a, a), torch.linalg.vecdot(a, a)),
        (linalg.cross(a[..., :3], a[..., 1:]), torch.linalg.cross(a[..., :3], a[..., 1:])),
    ]:
        assert isinstance(ours, torch.Tensor)
        torch.testing.assert_close(ours, theirs)
    t = tilewright.asarray(a)
    assert isinstance(linalg.svd(t).U, tilewright.Tensor)
