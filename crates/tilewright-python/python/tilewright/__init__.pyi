"""The package. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Final, Protocol, TypeVar

from tilewright import cache as cache, conv as conv, elementwise as elementwise, gather as gather, gemm as gemm, gram_schmidt as gram_schmidt, linalg as linalg, mlstm as mlstm, norm as norm, pack as pack, reduce as reduce, sample as sample, search as search
from tilewright import kernels as kernels
from tilewright._native import CompileError as CompileError
from tilewright._native import Device as Device
from tilewright._native import DeviceError as DeviceError
from tilewright._native import MetalKernel as MetalKernel
from tilewright._native import NumericalError as NumericalError
from tilewright._native import Tensor as Tensor
from tilewright._native import asarray as asarray
from tilewright._native import devices as devices
from tilewright._native import frombuffer as frombuffer
from tilewright._native import metal_kernel as metal_kernel

DTYPES: Final[list[str]]
__version__: Final[str]

class HasDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> Any: ...

class HasBuffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...

Array = TypeVar("Array", bound=HasDLPack | HasBuffer)
"""Arrays of one library: results are of the library of the first input."""
