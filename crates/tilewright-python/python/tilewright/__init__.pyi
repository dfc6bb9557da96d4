"""The package. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Any, Final, Protocol, TypeVar

from tilewright import attention as attention, cache as cache, conv as conv, elementwise as elementwise, extended as extended, gather as gather, gemm as gemm, gram_schmidt as gram_schmidt, mlstm as mlstm, norm as norm, pack as pack, reduce as reduce, slstm as slstm
from tilewright import kernels as kernels
from tilewright import linalg as linalg
from tilewright import lm as lm
from tilewright import sample as sample
from tilewright import search as search
from tilewright._native import CompileError as CompileError
from tilewright._native import Device as Device
from tilewright._native import DeviceError as DeviceError
from tilewright._native import MetalKernel as MetalKernel
from tilewright._native import NumericalError as NumericalError
from tilewright._native import Stream as Stream
from tilewright._native import Tensor as Tensor
from tilewright._native import asarray as asarray
from tilewright._native import devices as devices
from tilewright._native import frombuffer as frombuffer
from tilewright._native import metal_kernel as metal_kernel
from tilewright.lm import LanguageModel as LanguageModel
from tilewright.sample import Sampler as Sampler
from tilewright.sample import SamplingParams as SamplingParams
from tilewright.search import Index as Index

DTYPES: Final[list[str]]
__version__: Final[str]

class HasDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> Any: ...

class HasBuffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...

Array = TypeVar("Array", bound=HasDLPack | HasBuffer)
"""Arrays of one library: results are of the library of the first input."""
