"""The native part: tensors, devices, errors and `metal_kernel`."""

import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypedDict, final

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
class Stream:
    """A queue of work on one device: in order within, independent of other streams. Within `with stream:` calls of this thread submit to it."""

    def __new__(cls, device: Device | str) -> Stream: ...
    @property
    def device(self) -> Device: ...
    def synchronize(self) -> None:
        """Waits for all that was submitted to this stream, and raises its first error."""
    def wait(self, other: Stream) -> None:
        """Makes what is submitted from now on wait for what has been submitted to `other`."""
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

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
    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes exchanged. A view."""
    def permute(self, axes: Sequence[int]) -> Tensor:
        """Axes in another order. A view."""
    def select(self, axis: int, index: int) -> Tensor:
        """One index of one axis, which disappears. A view."""
    def slice(self, axis: int, start: int, stop: int) -> Tensor:
        """The indices from `start` to before `stop` of one axis. A view."""
    def broadcast_to(self, shape: Sequence[int]) -> Tensor:
        """Axes of extent 1 repeated and axes added in front. A view."""
    def reshape(self, shape: Sequence[int]) -> Tensor:
        """Another shape for the same elements. A view where the layout allows it, else a copy."""
    def diagonal(self, offset: int = 0) -> Tensor:
        """The diagonal of the last two axes. A view."""
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

def present(tensor: Tensor, like: Any) -> Any:
    """A tensor as an array of the library that `like` belongs to."""

class Statistics(TypedDict):
    vectors: int
    removed: int
    parts: int
    lists: int
    empty_lists: int
    longest_list: int
    imbalance: float
    bytes: int

@final
class Index:
    """Vectors by id, searched by distance; `factory` as faiss has it, `metric` "l2", "ip" or "cosine"."""

    nprobe: int
    """How many lists a search looks into by default."""
    def __new__(cls, d: int, factory: str = "Flat", metric: str = "l2") -> Index: ...
    @property
    def d(self) -> int: ...
    @property
    def ntotal(self) -> int: ...
    @property
    def factory(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def is_trained(self) -> bool: ...
    def __len__(self) -> int: ...
    def __contains__(self, id: int) -> bool: ...
    def train(self, x: Any) -> None:
        """Learns the lists of an index that has some from vectors `[n, d]`."""
    def set_centroids(self, centroids: Any) -> None:
        """Takes centroids `[nlist, d]` as they are, instead of training."""
    def add(self, x: Any, ids: Any = None) -> list[int]:
        """Adds vectors `[n, d]` under the next numbers, or under `ids`. Gives their ids."""
    def add_with_ids(self, x: Any, ids: Any) -> None:
        """Adds vectors `[n, d]` under `ids`."""
    def update(self, x: Any, ids: Any) -> None:
        """Gives ids new vectors, whether they were there or not."""
    def remove_ids(self, ids: Any) -> int:
        """Removes the vectors of these ids. Gives how many of them there were."""
    def merge_from(self, other: Index) -> None:
        """Takes in the vectors of another index of the same kind and with the same centroids."""
    def compact(self) -> None:
        """Makes one part of all, without what has been removed."""
    def search(self, x: Any, k: int = 10, *, nprobe: int | None = None, allowed: Any = None, denied: Any = None) -> tuple[Any, Any]:
        """The `k` nearest of each query: distances and ids `[b, k]`, nearest first; (infinity, -1) fills up.

        `allowed` are the ids that may be found, or `denied` those that may not: ids (a list, an array of i64, i32 or u32, a `range`), all between two
        (`slice(100, 200)`), or a bitmap: bools, one for each id from 0 on, or u8, eight ids in a byte, as `numpy.packbits(.., bitorder="little")` has them.
        """
    def range_search(self, x: Any, radius: float, *, nprobe: int | None = None, allowed: Any = None, denied: Any = None) -> tuple[Any, Any, Any]:
        """All whose distance is below `radius`: `lims`, distances, ids."""
    def reconstruct(self, id: int) -> Tensor:
        """The vector of an id."""
    def snapshot(self, device: Device | str | None = None) -> Snapshot:
        """The index as it is now, on `device` if one is named."""
    def statistics(self) -> Statistics:
        """What the index holds."""
    def write(self, path: str | os.PathLike[str], *, format: str = "tilewright") -> None:
        """Writes one checked file; `format="faiss"` writes what `faiss.read_index` reads."""
    @staticmethod
    def read(path: str | os.PathLike[str], *, format: str = "tilewright", verify: bool = False) -> Index:
        """Opens a file that `write` wrote, or with `format="faiss"` one that faiss wrote."""

@final
class Snapshot:
    """An index at one moment, which nothing changes any more."""

    @property
    def d(self) -> int: ...
    @property
    def ntotal(self) -> int: ...
    @property
    def device(self) -> Device: ...
    def __len__(self) -> int: ...
    def search(self, x: Any, k: int = 10, *, nprobe: int | None = None, allowed: Any = None, denied: Any = None) -> tuple[Any, Any]: ...
    def range_search(self, x: Any, radius: float, *, nprobe: int | None = None, allowed: Any = None, denied: Any = None) -> tuple[Any, Any, Any]: ...

@final
class LmState:
    """What a batch of texts leaves to its continuation. Nothing changes it: a state may be continued more than once."""

    @property
    def batch(self) -> int: ...
    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors, to be saved."""
    @staticmethod
    def from_tensors(tensors: dict[str, Any], device: Device | str | None = None) -> LmState:
        """A state of named tensors, on `device`."""

@final
class Writing(Iterator[tuple[int, int]]):
    def __iter__(self) -> Writing: ...
    def __next__(self) -> tuple[int, int]: ...
    def close(self) -> None: ...

@final
class Training:
    def __new__(cls, model: Xlstm, tokens: list[int], options: dict[str, Any]) -> Training: ...
    @staticmethod
    def resume(path: Any, device: Device | str, tokens: list[int]) -> Training: ...
    def save(self, path: Any) -> None: ...
    def step(self) -> tuple[int, float, float, float, int]: ...
    def model(self) -> Xlstm: ...
    def progress(self) -> tuple[int, int]: ...
    def set_steps(self, steps: int) -> None: ...
    def losses(self) -> list[float]: ...
    def curve(self) -> str: ...

@final
class Xlstm:
    @staticmethod
    def load(folder: Any, device: Device | str, dtype: Any) -> Xlstm: ...
    @staticmethod
    def random(config: dict[str, Any], device: Device | str, dtype: Any, seed: int) -> Xlstm: ...
    def save(self, folder: Any) -> None: ...
    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def parameters(self) -> int: ...
    @property
    def device(self) -> Device: ...
    @property
    def dtype(self) -> str: ...
    @property
    def is_of_bytes(self) -> bool: ...
    def logits(self, tokens: list[list[int]], state: LmState | None, last: bool) -> tuple[Tensor, LmState]: ...
    def evaluate(self, tokens: list[int], context: int, batch: int) -> tuple[float, int]: ...
    def generate(
        self, prompts: list[list[int]], max_tokens: int, temperature: float, top_k: int, top_p: float, seed: int, stop: list[int]
    ) -> Writing: ...

@final
class SamplerSession:
    def __new__(cls, vocab_size: int) -> SamplerSession: ...
    @property
    def rows(self) -> list[int]: ...
    def add(self, key: int, prompt: list[int], parameters: dict[str, Any]) -> None: ...
    def remove(self, key: int) -> list[int]: ...
    def output(self, key: int) -> list[int]: ...
    def step(
        self, logits: Any, rows: list[int] | None, device: Device | str | None
    ) -> list[tuple[int, float, list[tuple[int, float]], str | None]]: ...

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
    def support(self, device: str) -> tuple[set[str], int, int, set[str]]: ...
    def cases(self) -> list[str]:
        """The names of the registry's small test cases of this kernel."""
    def case(self, name: str) -> tuple[list[Tensor], dict[str, Any]]:
        """Inputs, as tensors, and arguments of one of `cases()`."""
    def time(self, inputs: tuple[Any, ...], arguments: dict[str, Any], number: int) -> float:
        """The seconds that one call takes from Rust, as the mean of `number`."""
    def call(self, inputs: tuple[Any, ...], arguments: dict[str, Any], /) -> Any: ...

@final
class Frame:
    """A frame that was read: named tensors, views of its memory, and what was said about them."""

    @property
    def meta(self) -> bytes: ...
    @property
    def names(self) -> list[str]: ...
    def tensor(self, name: str) -> Tensor:
        """The tensor of this name: a view, or a copy of one that is compressed. Its checksum is looked at here."""

    def tensor_at(self, index: int) -> Tensor:
        """The tensor at this place."""

    def __len__(self) -> int: ...

def frame_write(stream: Any, tensors: list[tuple[str, Any]], meta: bytes, compress: bool) -> int: ...
def frame_read(stream: Any, limit: int) -> Frame | None: ...
def prefill_write_header(stream: Any, request_id: str, model_id: str, num_layers: int, dtype: Any, start_pos: int) -> None: ...
def prefill_write_kv(stream: Any, layer_idx: int, keys: Any, values: Any, behind: bool) -> None: ...
def prefill_write_arrays(stream: Any, layer_idx: int, arrays: Sequence[Any]) -> None: ...
def prefill_write_done(stream: Any, total_tokens: int) -> None: ...
def prefill_write_error(stream: Any, code: int, message: str) -> None: ...
def prefill_read_header(stream: Any, limit: int) -> tuple[str, str, int, str, int]: ...
def prefill_read_message(stream: Any, limit: int) -> tuple[str, int, list[Tensor], str] | None: ...

def kernels(result: Callable[[str, str, tuple[str, ...]], type[Any]]) -> list[Kernel]: ...
