"""The native part: tensors, devices, errors and `metal_kernel`."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict, final

DTYPES: Final[list[str]]
__version__: Final[str]

class NumericalError(ArithmeticError):
    """The numbers do not allow a result, such as a matrix that is not positive definite."""

    index: int
    """Where: pivot, batch item or element."""

class DeviceError(RuntimeError):
    """The device, its driver, or a kernel that ran on it, failed."""

class CompileError(RuntimeError):
    """A kernel's source did not compile; the message is the compiler's log."""

class Caps(TypedDict):
    name: str
    architecture: str
    simd_width: int
    max_threads_per_group: int
    threadgroup_memory: int
    multiprocessors: int | None
    cache_bytes: int | None
    memory_bytes: int | None
    driver: str
    compiler: str

@final
class Device:
    """A place that runs kernels: "cpu", "cuda:0", "metal:0" or "emulated"."""

    def __new__(cls, name: str) -> Device: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def available(self) -> bool: ...
    @property
    def caps(self) -> Caps:
        """What the device says of itself. NotImplementedError with the reason where it is absent."""
    def synchronize(self) -> None:
        """Waits for all work that calls from Python have submitted to the device, and raises its first error."""

def devices() -> list[Device]:
    """The devices that this machine has; the CPU is the first."""

@final
class Tensor:
    """An array on some device, that nothing changes."""

    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> Device: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    def to(self, device: Device | str) -> Tensor:
        """The same elements on another device; itself where it is there already and row-major."""
    def tobytes(self) -> bytes:
        """The bytes of the elements in row-major order, from any device."""
    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers, from any device."""
    def __len__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as its bytes; what is loaded lies on the CPU."""
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A DLPack capsule that lends the memory: read-only; a copy to write with `copy=True`, or for consumers from before DLPack 1.0."""
    def __buffer__(self, flags: int, /) -> memoryview: ...

def asarray(array: Any, *, device: Device | str | None = None) -> Tensor:
    """Any array as a tensor: without a copy where it is on the device and its layout can be viewed."""

def frombuffer(buffer: Any, dtype: Any, shape: Sequence[int]) -> Tensor:
    """A row-major tensor on the CPU with a copy of these bytes."""

@final
class MetalKernel:
    """A kernel made by `metal_kernel`."""

    @property
    def name(self) -> str: ...
    def __call__(
        self,
        *,
        inputs: Sequence[Any],
        grid: tuple[int, int, int],
        threadgroup: tuple[int, int, int],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[Any],
        template: Sequence[tuple[str, Any]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        device: Device | str | None = None,
    ) -> list[Any]:
        """Runs the kernel; returns the outputs, as arrays of the library of the first input."""

def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: dict[str, str] | None = None,
) -> MetalKernel:
    """A kernel from the body of a Metal kernel, with the arguments of `mx.fast.metal_kernel`."""

Slot = tuple[str, str, bool]

@final
class Kernel:
    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def math(self) -> str: ...
    @property
    def inputs(self) -> list[Slot]: ...
    @property
    def outputs(self) -> list[Slot]: ...
    @property
    def dtypes(self) -> list[str]: ...
    @property
    def arguments(self) -> list[tuple[str, Any, str]]: ...
    @property
    def result(self) -> type[Any] | None: ...
    def argument_types(self) -> dict[str, list[str]]: ...
    def call(self, inputs: tuple[Any, ...], arguments: dict[str, Any], /) -> Any: ...

def kernels(result: Callable[[str, str, tuple[str, ...]], type[Any]]) -> list[Kernel]: ...
