"""Linear algebra by the names and meanings of the array API standard's `linalg` extension, and NumPy's where the standard has none.

    from tilewright import linalg
    u, s, vh = linalg.svd(a, full_matrices=False)      # a of NumPy, PyTorch, JAX, MLX, ...: so are u, s, vh
    x = linalg.solve(a, b)                             # batched: leading axes broadcast

Every function takes stacks of matrices `[.., m, n]` of f64, f32, f16 or bf16 (integers and complex numbers are refused with TypeError; `eig` gives complex ones), runs where the first
array lies, and returns arrays of its library. A product is a sum from 0 on, so that a zero of it has no sign. What has no answer (a singular matrix, one that is not positive definite) raises NumericalError, which
names the first such matrix; the kernels below, `tilewright.kernels.linalg`, give an `info` for each instead, and do not wait for a GPU.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from tilewright import _native
from tilewright._native import NumericalError, Tensor, asarray, frombuffer
from tilewright._registry import kernels

# As many as a tensor of this library has at most.
_AXES = 8

_linalg = kernels.linalg
_call = {name: function for name, function in kernels.ALL.items()}

apply_q = _linalg.apply_q
cholesky_solve = _linalg.cholesky_solve
lu = _linalg.lu
orthogonalize = _linalg.orthogonalize
qr_reflectors = _linalg.qr_reflectors
triangular_solve = _linalg.triangular_solve

__all__ = [
    "EigResult",
    "EighResult",
    "LstsqResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "apply_q",
    "cholesky",
    "cholesky_solve",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "lu",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "orthogonalize",
    "outer",
    "pinv",
    "qr",
    "qr_reflectors",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "triangular_solve",
    "vecdot",
    "vector_norm",
]


class EigResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


class LstsqResult(NamedTuple):
    x: Any
    residuals: Any
    rank: Any
    singular_values: Any


def _checked(name: str, info: Any, what: str) -> None:
    """Raises for the first matrix whose info is not 0."""
    raw = asarray(info).tobytes()
    if raw.count(0) == len(raw):
        return
    values = memoryview(raw).cast("i")
    matrix = next(i for i, value in enumerate(values) if value)
    error = NumericalError(f"{name}: matrix {matrix} {what} (info {values[matrix]})")
    error.index = matrix
    raise error


def _fail(name: str, argument: str, expected: str, got: Any) -> ValueError:
    return ValueError(f"{name}: {argument} is {got}, expected {expected}")


def _axis(name: str, axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise _fail(name, "axis", f"one of {ndim} axes", axis)
    return axis % ndim


def _axes(name: str, axes: Any, ndim: int) -> list[int]:
    given = [_axis(name, axis, ndim) for axis in ((axes,) if isinstance(axes, int) else axes)]
    if len(set(given)) < len(given):
        raise _fail(name, "axis", "axes that differ", axes)
    return given


def _broadcast(name: str, *shapes: Sequence[int]) -> tuple[int, ...]:
    rank = max(len(shape) for shape in shapes)
    out = [1] * rank
    for shape in shapes:
        for place, extent in zip(range(rank - len(shape), rank), shape, strict=True):
            if extent != 1:
                if out[place] not in (1, extent):
                    raise _fail(name, "shapes", "ones that broadcast", " and ".join(str(tuple(s)) for s in shapes))
                out[place] = extent
    return tuple(out)


def _last(t: Tensor, axes: Sequence[int]) -> Tensor:
    """The axes moved to the end, in their order."""
    return t.permute([axis for axis in range(t.ndim) if axis not in axes] + list(axes))


def _two(name: str, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of one dtype: floats are promoted as the standard promotes them."""
    a, b = asarray(x1), asarray(x2)
    if a.dtype == b.dtype:
        return a, b
    both = {a.dtype, b.dtype}
    if not both <= {"f64", "f32", "f16", "bf16"}:
        raise TypeError(f"{name}: x2 has dtype {b.dtype}, expected {a.dtype}, that of x1")
    dtype = "f64" if "f64" in both else "f32"
    return _call["copy"](a, dtype=dtype), _call["copy"](b, dtype=dtype)


def _product(a: Any, b: Any, **arguments: Any) -> Tensor:
    return _call["matmul"](a, b, **arguments)


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The triangular factor: `x = l lᵀ`, or `uᵀ u` with `upper`. One triangle is read, the other is zero in the result."""
    factor, info = _linalg.cholesky(x, upper=upper)
    _checked("cholesky", info, "is not positive definite")
    return factor


def cond(x: Any, /, p: float | str | None = None) -> Any:
    """`|x| |x⁻¹|` by the norm `p`: 2 (None), -2, 1, -1, inf, -inf, "fro", "nuc"."""
    return _linalg.cond(x, order=_order(2 if p is None else p))


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product along an axis of 3 elements. Host arrays only: it is put together there."""
    a, b = _two("cross", x1, x2)
    if a.device.name != "cpu":
        raise NotImplementedError(f"cross: unsupported on {a.device}: vectors of 3 are put together on the host")
    shape = _broadcast("cross", a.shape, b.shape)
    if axis >= 0 and a.ndim != b.ndim:
        raise _fail("cross", "axis", "a negative one where ranks differ", axis)
    # The standard counts the axis from the end where ranks differ: before broadcasting and after it is the same axis.
    axis = _axis("cross", axis, len(shape))
    for name, t in (("x1", a), ("x2", b)):
        own = axis - len(shape) + t.ndim
        if own < 0 or t.shape[own] != 3:
            raise ValueError(f"cross: {name} has shape {t.shape}, expected 3 elements along axis {axis - len(shape)}")
    a, b = a.broadcast_to(shape), b.broadcast_to(shape)
    rest = shape[:axis] + shape[axis + 1 :]

    def part(t: Tensor, index: int) -> Tensor:
        return t.select(axis, index).reshape([*rest, 1, 1])

    rows: list[Tensor] = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        first = _product(part(a, i), part(b, j))
        rows.append(_product(part(a, j), part(b, i), c=first, alpha=-1.0, beta=1.0))
    stacked = frombuffer(b"".join(row.tobytes() for row in rows), a.dtype, [3, *rest])
    order = list(range(1, len(shape)))
    order.insert(axis, 0)
    return _native.present(stacked.permute(order), x1)


def det(x: Any, /) -> Any:
    """The determinant."""
    return _linalg.det(x)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonal of each matrix: `offset` columns above the main one, or below it where negative."""
    return _native.present(asarray(x).diagonal(offset), x)


def _complex(name: str, re: Tensor, im: Tensor, like: Any) -> Any:
    """Two parts as one complex array of the library that `like` belongs to, which puts them together: this library has no complex numbers."""
    if isinstance(like, Tensor):
        raise TypeError(f"{name}: a Tensor has no complex dtype: tilewright.kernels.linalg.eig gives real and imaginary parts")
    if re.dtype in ("f16", "bf16"):
        re, im = _call["copy"](re, dtype="f32"), _call["copy"](im, dtype="f32")
    return _native.present(re, like) + _native.present(im, like) * 1j


def eig(x: Any, /) -> EigResult:
    """Eigenvalues, by falling modulus, and eigenvectors as columns, of general matrices: complex, whatever the values are."""
    found = _linalg.eig(asarray(x))
    _checked("eig", found.info, "did not converge")
    assert found.vectors_re is not None and found.vectors_im is not None, "vectors were asked for"
    return EigResult(_complex("eig", found.re, found.im, x), _complex("eig", found.vectors_re, found.vectors_im, x))


def eigvals(x: Any, /) -> Any:
    """Eigenvalues, by falling modulus, of general matrices: complex, whatever they are."""
    found = _linalg.eig(asarray(x), values_only=True)
    _checked("eigvals", found.info, "did not converge")
    return _complex("eigvals", found.re, found.im, x)


def expm(x: Any, /) -> Any:
    """The exponential of each matrix, as SciPy's function of this name: `1 + x + x²/2 + ...`."""
    return _linalg.expm(x)


def eigh(x: Any, /, *, UPLO: str = "L") -> EighResult:
    """Eigenvalues, ascending, and eigenvectors as columns, of symmetric matrices; `UPLO` says which triangle is read."""
    values, info, vectors = _linalg.eigh(x, upper=_upper("eigh", UPLO))
    _checked("eigh", info, "did not converge")
    return EighResult(values, vectors)


def eigvalsh(x: Any, /, *, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, of symmetric matrices."""
    values, info, _ = _linalg.eigh(x, upper=_upper("eigvalsh", UPLO), values_only=True)
    _checked("eigvalsh", info, "did not converge")
    return values


def _upper(name: str, UPLO: str) -> bool:
    if UPLO not in ("L", "U"):
        raise _fail(name, "UPLO", "L or U", repr(UPLO))
    return UPLO == "U"


def inv(x: Any, /) -> Any:
    """The inverse."""
    inverse, info = _linalg.inverse(x)
    _checked("inv", info, "is singular")
    return inverse


def lstsq(a: Any, b: Any, /, rcond: float | None = None) -> LstsqResult:
    """The shortest x of those that minimise `|b - a x|`: x, squared residuals (where m > n), rank, singular values. Of full rank or not."""
    arguments = {} if rcond is None else {"rcond": rcond}
    x, rank, residuals, s = _linalg.lstsq(a, b, **arguments)
    return LstsqResult(x, residuals, rank, s)


def matmul(x1: Any, x2: Any, /) -> Any:
    """The product of matrices; a vector is a row on the left and a column on the right, and leading axes broadcast."""
    a, b = _two("matmul", x1, x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: shapes are {a.shape} and {b.shape}, expected at least 1 axis each")
    row, column = a.ndim == 1, b.ndim == 1
    left = a.reshape([1, a.shape[0]]) if row else a
    right = b.reshape([b.shape[0], 1]) if column else b
    out = _product(left, right)
    if row or column:
        shape = list(out.shape)
        if column:
            shape.pop()
        if row:
            del shape[-1 if column else -2]
        out = out.reshape(shape)
    return _native.present(out, x1)


def _order(order: float | str) -> float | str:
    if isinstance(order, float) and math.isinf(order):
        return "inf" if order > 0 else "-inf"
    return order


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | str = "fro") -> Any:  # noqa: A002
    """The norm of each matrix: "fro", "nuc", 1, -1, 2, -2, inf, -inf."""
    return _linalg.norm(x, order=_order(ord), axes="-2,-1", keepdims=keepdims)


def matrix_power(x: Any, n: int, /) -> Any:
    """The n-th power: by squaring; a negative one of the inverse."""
    t = asarray(x)
    if t.ndim < 2 or t.shape[-1] != t.shape[-2]:
        raise ValueError(f"matrix_power: x has shape {t.shape}, expected square matrices")
    if n < 0:
        t, info = _linalg.inverse(t)
        _checked("matrix_power", info, "is singular")
    return _native.present(_linalg.matrix_power(t, exponent=abs(n)), x)


def _with_tolerance(name: str, function: Any, x: Any, rtol: Any) -> Any:
    """A tolerance for all matrices or, as an array, one for each, which are put together on the host."""
    if rtol is None:
        return function(x)
    if getattr(rtol, "shape", ()) == ():
        return function(x, rcond=float(rtol))
    t, each = asarray(x), asarray(rtol)
    batch = _broadcast(name, t.shape[:-2], each.shape)
    t = t.broadcast_to([*batch, *t.shape[-2:]]).reshape([math.prod(batch), *t.shape[-2:]])
    numbers = each.broadcast_to(batch).reshape([math.prod(batch)]).tolist()
    if not numbers:
        found = function(t)
        return _native.present(found.reshape([*batch, *found.shape[1:]]), x)
    found = [function(t.select(0, matrix), rcond=float(number)).to("cpu") for matrix, number in enumerate(numbers)]
    joined = frombuffer(b"".join(one.tobytes() for one in found), found[0].dtype, [*batch, *found[0].shape])
    return _native.present(joined.to(t.device), x)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values exceed `rtol` times the largest; `max(m, n) eps` by default. An array of tolerances has one for each matrix."""
    return _with_tolerance("matrix_rank", _linalg.matrix_rank, x, rtol)


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return _native.present(asarray(x).mT, x)


def norm(x: Any, /, ord: float | str | None = None, axis: Any = None, *, keepdims: bool = False) -> Any:  # noqa: A002
    """NumPy's `linalg.norm`: of vectors along one axis, of matrices along two, of all elements without axis and order, which is |x| of a single number."""
    if axis is None and ord is None and asarray(x).ndim == 0:
        return vector_norm(x)
    axes = "all" if axis is None else ",".join(map(str, (axis,) if isinstance(axis, int) else axis))
    return _linalg.norm(x, order="default" if ord is None else _order(ord), axes=axes, keepdims=keepdims)


def outer(x1: Any, x2: Any, /) -> Any:
    """`x1[i] x2[j]` of two vectors."""
    a, b = _two("outer", x1, x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer: shapes are {a.shape} and {b.shape}, expected vectors")
    return _native.present(_product(a.reshape([a.size, 1]), b.reshape([1, b.size])), x1)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The pseudo-inverse: singular values of at most `rtol` times the largest count as zeros. An array of tolerances has one for each matrix."""
    return _with_tolerance("pinv", _linalg.pinv, x, rtol)


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """`x = Q R` with orthonormal columns of Q: "reduced", or "complete" with a square Q."""
    if mode not in ("reduced", "complete"):
        raise _fail("qr", "mode", "reduced or complete", repr(mode))
    r, q = _linalg.qr(x, mode=mode)
    return QRResult(q, r)


def slogdet(x: Any, /) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant."""
    return SlogdetResult(*_linalg.slogdet(x))


def solve(x1: Any, x2: Any, /) -> Any:
    """The solution of `x1 x = x2`: x2 is a vector if it has 1 axis, else matrices; leading axes broadcast."""
    a, b = _two("solve", x1, x2)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or b.ndim == 0 or b.shape[-1 if b.ndim == 1 else -2] != a.shape[-1]:
        raise ValueError(f"solve: shapes are {a.shape} and {b.shape}, expected [.., n, n] and [n] or [.., n, k]")
    n, vector = a.shape[-1], b.ndim == 1
    if vector:
        b = b.reshape([n, 1])
    batch = _broadcast("solve", a.shape[:-2], b.shape[:-2])
    x, info = _linalg.solve(a.broadcast_to([*batch, n, n]), b.broadcast_to([*batch, n, b.shape[-1]]))
    _checked("solve", info, "is singular")
    return _native.present(x.reshape([*batch, n]) if vector else x, x1)


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """`x = U diag(S) Vh`, S descending; with `full_matrices` U and Vh are square."""
    s, info, u, vt = _linalg.svd(x, mode="full" if full_matrices else "reduced")
    _checked("svd", info, "did not converge")
    return SVDResult(u, s, vt)


def svdvals(x: Any, /) -> Any:
    """Singular values, descending."""
    s, info, _, _ = _linalg.svd(x, mode="values")
    _checked("svdvals", info, "did not converge")
    return s


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum over pairs of axes: the last n of x1 with the first n of x2, or two lists of them."""
    a, b = _two("tensordot", x1, x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise _fail("tensordot", "axes", f"0 to {min(a.ndim, b.ndim)}", axes)
        own, other = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        own, other = (_axes("tensordot", list(each), t.ndim) for each, t in zip(axes, (a, b), strict=True))
    summed = [a.shape[axis] for axis in own]
    if summed != [b.shape[axis] for axis in other]:
        raise ValueError(f"tensordot: shapes are {a.shape} and {b.shape}, expected axes {own} and {other} of the same extents")
    kept_a = [extent for axis, extent in enumerate(a.shape) if axis not in own]
    kept_b = [extent for axis, extent in enumerate(b.shape) if axis not in other]
    left = _last(a, own).reshape([math.prod(kept_a), math.prod(summed)])
    right = b.permute(other + [axis for axis in range(b.ndim) if axis not in other])
    right = right.reshape([math.prod(summed), math.prod(kept_b)])
    product, shape = _product(left, right), [*kept_a, *kept_b]
    if len(shape) > _AXES and not isinstance(x1, Tensor):
        return _native.present(product, x1).reshape(tuple(shape))
    return _native.present(product.reshape(shape), x1)


def trace(x: Any, /, *, offset: int = 0) -> Any:
    """The sum of the diagonal of each matrix."""
    return _native.present(_call["sum"](asarray(x).diagonal(offset)), x)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The product of vectors along an axis, the others broadcast."""
    a, b = _two("vecdot", x1, x2)
    shape = _broadcast("vecdot", a.shape, b.shape)
    place = _axis("vecdot", axis, len(shape))
    for name, t in (("x1", a), ("x2", b)):
        own = place - len(shape) + t.ndim
        if own < 0 or t.shape[own] != shape[place]:
            raise ValueError(f"vecdot: {name} has shape {t.shape}, expected {shape[place]} elements along axis {axis}")
    a, b = (_last(t.broadcast_to(shape), [place]) for t in (a, b))
    n = shape[place]
    rest = a.shape[:-1]
    dots = _product(a.reshape([*rest, 1, n]), b.reshape([*rest, n, 1]))
    return _native.present(dots.reshape(list(rest)), x1)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: float = 2) -> Any:  # noqa: A002
    """The norm of the elements along one axis or several, of all by default, by any order."""
    t = asarray(x)
    axes = list(range(t.ndim)) if axis is None else _axes("vector_norm", axis, t.ndim)
    rest = [extent for at, extent in enumerate(t.shape) if at not in axes]
    flat = _last(t, axes).reshape([*rest, math.prod(t.shape[at] for at in axes)])
    found = _linalg.norm(flat, order=_order(ord), axes=-1)
    if keepdims:
        found = found.reshape([1 if at in axes else extent for at, extent in enumerate(t.shape)])
    return _native.present(found, x)
