"""Compute kernels that tensor frameworks leave out, on the arrays that you have.

    import numpy, tilewright
    r, q = tilewright.linalg.qr(numpy.random.rand(100, 20))

Functions lie in a submodule per family (`tilewright.linalg`, `tilewright.reduce`, ...); `tilewright.kernels` has them all. They take arrays of
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
    Tensor,
    __version__,
    asarray,
    devices,
    frombuffer,
    metal_kernel,
)

kernels = _registry.install(__name__)
globals().update(_registry.families(kernels))

__all__ = [
    "DTYPES",
    "CompileError",
    "Device",
    "DeviceError",
    "MetalKernel",
    "NumericalError",
    "Tensor",
    "__version__",
    "asarray",
    "devices",
    "frombuffer",
    "kernels",
    "metal_kernel",
    *_registry.families(kernels),
]
