"""Compute kernels that tensor frameworks leave out, on the arrays that you have.

    import numpy, tilewright
    q, r = tilewright.linalg.qr(numpy.random.rand(100, 20))

Functions lie in a submodule per family (`tilewright.reduce`, `tilewright.mlstm`, ...); `tilewright.kernels` has them all. `linalg`, `search`, `sample` and `lm` have
more: the array API's linear algebra, indexes, sampler sessions, the language model. They take arrays of
NumPy, PyTorch, JAX, CuPy, anything else with DLPack or the buffer protocol, and `tilewright.Tensor`, without a copy where the layout can be
shared, and return arrays of the library that the first input belongs to. Work runs where the first input lies, or on `device`.
The interpreter's lock is released meanwhile; an array must not be written while a call reads it.

`metal_kernel` takes what `mx.fast.metal_kernel` takes, and runs the body on Apple and NVIDIA GPUs and emulated.
"""

from tilewright import _registry
from tilewright._native import (
    DTYPES,
    CompileError,
    Device,
    DeviceError,
    MetalKernel,
    NumericalError,
    Stream,
    Tensor,
    __version__,
    asarray,
    devices,
    frombuffer,
    metal_kernel,
)

kernels = _registry.kernels
_families = {name: family for name, family in _registry.families().items() if not _registry.by_hand(name)}
globals().update(_families)

from tilewright import linalg, lm, sample, search  # noqa: E402: they are made of the kernels
from tilewright.lm import LanguageModel  # noqa: E402
from tilewright.sample import Sampler, SamplingParams  # noqa: E402
from tilewright.search import Index  # noqa: E402

__all__ = [
    "DTYPES",
    "CompileError",
    "Device",
    "DeviceError",
    "Index",
    "LanguageModel",
    "MetalKernel",
    "NumericalError",
    "Sampler",
    "SamplingParams",
    "Stream",
    "Tensor",
    "__version__",
    "asarray",
    "devices",
    "frombuffer",
    "kernels",
    "linalg",
    "lm",
    "metal_kernel",
    "sample",
    "search",
    *_families,
]
