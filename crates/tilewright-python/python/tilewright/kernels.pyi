"""Every kernel. Written by `python -m tilewright.stubs`: do not edit."""

from collections.abc import Callable
from typing import Any, Final

from tilewright import elementwise as elementwise, gemm as gemm, gram_schmidt as gram_schmidt, linalg as linalg, mlstm as mlstm, reduce as reduce

ALL: Final[dict[str, Callable[..., Any]]]
