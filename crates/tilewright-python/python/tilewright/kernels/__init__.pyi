"""Every kernel. Written by `python -m tilewright.stubs`: do not edit."""

from collections.abc import Callable
from typing import Any, Final

from tilewright import attention as attention, cache as cache, conv as conv, elementwise as elementwise, extended as extended, gather as gather, gemm as gemm, gram_schmidt as gram_schmidt, mlstm as mlstm, norm as norm, pack as pack, reduce as reduce, slstm as slstm
from tilewright.kernels import linalg as linalg, sample as sample, search as search

ALL: Final[dict[str, Callable[..., Any]]]
