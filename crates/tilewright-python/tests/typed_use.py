"""A program that a type checker reads and nobody runs: what the stubs say of the package, by `assert_type`."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import tilewright
from tilewright import LanguageModel, Sampler, SamplingParams, linalg, search
from tilewright.kernels.linalg import QrResult
from tilewright.lm import LmState
from tilewright.sample import Drawn

a: NDArray[np.float64] = np.eye(3)
assert_type(tilewright.elementwise.soft_cap(a, cap=2.0, device="cpu"), NDArray[np.float64])
assert_type(tilewright.gemm.matmul(a, a, transpose_a=True), NDArray[np.float64])
factors = tilewright.kernels.linalg.qr(a, mode="r")
assert_type(factors, QrResult[NDArray[np.float64]])
assert_type(factors.q, NDArray[np.float64] | None)
t = tilewright.asarray(a, device=tilewright.Device("cpu"))
assert_type(tilewright.elementwise.copy(t, dtype="f32"), tilewright.Tensor)
assert_type((t.shape, t.mT, t.tobytes()), tuple[tuple[int, ...], tilewright.Tensor, bytes])

assert_type(linalg.svd(a, full_matrices=False).S, Any)
assert_type(linalg.norm(a, "nuc", axis=(0, 1)), Any)
index = search.Index(3, "Flat", metric="cosine")
assert_type(index.add(a.astype(np.float32), ids=[1, 2, 3]), list[int])
assert_type(index.search(a, k=2, allowed=[1]), tuple[Any, Any])
assert_type(index.range_search(a, 2.0, denied=slice(0, 1)), tuple[Any, Any, Any])
sampler = Sampler(vocab_size=10)
row = sampler.add(SamplingParams(temperature=0.5, logit_bias={1: 2.0}), prompt=[1, 2])
assert_type(sampler.step(np.zeros((1, 10), np.float32)), list[Drawn])
assert_type(sampler.output(row), list[int])
model = LanguageModel.random({"vocab_size": 256}, seed=1)
assert_type(model.next([[1, 2]]), tuple[tilewright.Tensor, LmState])
assert_type(next(model.generate([1], max_tokens=1)), int)
kernel = tilewright.metal_kernel("one", ["x"], ["y"], "y[0] = x[0];")
assert_type(
    kernel(inputs=[a], grid=(1, 1, 1), threadgroup=(1, 1, 1), output_shapes=[a.shape], output_dtypes=[a.dtype]),
    list[Any],
)

# What must not pass: an ignore that nothing needs is an error itself.
tilewright.elementwise.soft_cap(a, cap="2")  # pyright: ignore[reportArgumentType]
tilewright.elementwise.soft_cap(a, caps=2.0)  # pyright: ignore[reportCallIssue]
tilewright.elementwise.soft_cap(1.0)  # pyright: ignore[reportArgumentType]
tilewright.Device(0)  # pyright: ignore[reportArgumentType]
index.search(a, nprobe="8")  # pyright: ignore[reportArgumentType]
