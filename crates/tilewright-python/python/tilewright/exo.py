"""Parts of exo's MLX engine, with its call shapes: a batched sampler with processors, the stream of a remote prefill, detached copies of arrays and caches,
snapshots of states.

    sampler = tilewright.exo.BatchSampler(vocab_size)
    sampler.add(uid, temperature=0.7, min_p=0.05, seed=42, repetition_penalty=1.1, prompt=tokens)
    tokens = sampler.step(uids, logits)                # one call for all rows, each with its own seed; logits are an mx.array [rows, vocab]
    indices, values, selected = sampler.for_uid(uid)   # as exo's BatchTopKLogprobs.for_uid

    sent = tilewright.exo.write_cache_to_wire(wfile, cache, request_id=..., model_id=..., start_pos=0)   # exo's bytes, from mlx-lm's caches
    offset = tilewright.exo.read_cache_from_wire(rfile, cache, start_pos=0)                              # and back into them

exo loops over rows in Python for processors and samplers, and seeds MLX's one generator for all; here a request draws the same tokens in every batch.
"""

import copy
import importlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

from tilewright import _native
from tilewright._native import Tensor, asarray
from tilewright.elementwise import copy as _copy
from tilewright.sample import Drawn, Sampler

__all__ = ["BatchSampler", "Header", "Message", "detached_copy", "read_cache_from_wire", "read_header", "read_messages", "snapshot", "write_cache_to_wire"]


def detached_copy(a: Any) -> Any:
    """The same elements in memory of their own, without the graph that made them; bf16 stays bf16 and does not pass through f32 and NumPy."""
    return _copy(a)


def snapshot(cache: Any) -> Any:
    """A copy of a cache, or of a list of them, whose arrays are detached: KVCache, RotatingKVCache, ArraysCache, CacheList, what holds such, and None."""
    if cache is None or isinstance(cache, (bool, int, float, str)):
        return cache
    if isinstance(cache, (list, tuple)):
        parts = [snapshot(each) for each in cast("Sequence[Any]", cache)]
        return parts if isinstance(cache, list) else tuple(parts)
    if isinstance(cache, dict):
        return {key: snapshot(value) for key, value in cast("dict[Any, Any]", cache).items()}
    if hasattr(cache, "__dlpack__"):
        return detached_copy(cache)
    if not hasattr(cache, "__dict__"):
        return copy.deepcopy(cache)
    copied = copy.copy(cache)
    fields = cast("dict[str, Any]", vars(copied))
    fields.update({name: snapshot(value) for name, value in fields.items()})
    return copied


class Header(NamedTuple):
    """What the stream of a prefill begins with."""

    request_id: str
    model_id: str
    num_layers: int
    dtype: str
    start_pos: int


class Message(NamedTuple):
    """A message of the stream of a prefill."""

    kind: str
    """"kv_chunk", "arrays_state", "done" or "error"."""
    number: int
    """The layer; of "done" the tokens that were sent, of "error" its code."""
    arrays: list[Tensor]
    """Keys and values `[tokens, heads, width]`, or the arrays of a state."""
    text: str
    """What an error says."""


# A message of exo's has at most so many bytes.
_LIMIT = (1 << 32) - 1


def read_header(stream: BinaryIO, *, limit: int = _LIMIT) -> Header:
    """The header, of at most `limit` bytes."""
    return Header(*_native.prefill_read_header(stream, limit))


def read_messages(stream: BinaryIO, *, limit: int = _LIMIT) -> Iterator[Message]:
    """The messages up to "done" or "error", of at most `limit` bytes each; a stream that ends before is a ConnectionError."""
    while (read := _native.prefill_read_message(stream, limit)) is not None:
        message = Message(*read)
        yield message
        if message.kind in ("done", "error"):
            return
    raise ConnectionError("the stream of the prefill ended before it said so")


def write_cache_to_wire(wfile: BinaryIO, cache: Sequence[Any], *, request_id: str = "", model_id: str = "", start_pos: int = 0) -> int:
    """Sends the caches of a prompt as exo's function of this name does, byte for byte; gives the tokens that were sent.

    Keys and values go from where mlx-lm has them, without a copy in between and without NumPy. Of caches, `KVCache`, `RotatingKVCache` and `ArraysCache`; others
    are refused with NotImplementedError, as exo has it.
    """
    kinds = [_kind(each) for each in cache]
    dtypes = (asarray(each.keys).dtype for each, kind in zip(cache, kinds, strict=True) if kind != "arrays" and each.keys is not None)
    first = next(dtypes, "bf16")
    _native.prefill_write_header(wfile, request_id, model_id, len(cache), first if first in ("bf16", "f16", "f32") else "bf16", start_pos)
    sent = 0
    for layer, (each, kind) in enumerate(zip(cache, kinds, strict=True)):
        if kind == "arrays":
            states = [asarray(array) for array in each.cache if array is not None]
            if states:
                _native.prefill_write_arrays(wfile, layer, states)
            continue
        if each.keys is None or each.values is None or each.offset <= start_pos:
            continue
        keys, values = (_nhd(array, start_pos, each.offset) for array in (each.keys, each.values))
        _native.prefill_write_kv(wfile, layer, keys, values, False)
        sent = keys.shape[0]
    _native.prefill_write_done(wfile, sent)
    return sent


def read_cache_from_wire(rfile: BinaryIO, cache: Sequence[Any], *, start_pos: int = 0, limit: int = _LIMIT) -> int:
    """Reads a stream into mlx-lm's caches, behind their first `start_pos` tokens; gives the position after the last.

    A RuntimeError tells what the other side's error says; the caches are changed only after the whole stream has come.
    """
    mx: Any = importlib.import_module("mlx.core")
    read_header(rfile, limit=limit)
    chunks: dict[int, list[list[Tensor]]] = {}
    states: dict[int, list[Tensor]] = {}
    for message in read_messages(rfile, limit=limit):
        if message.kind == "error":
            raise RuntimeError(f"the prefill failed with {message.number}: {message.text}")
        if message.kind == "kv_chunk":
            chunks.setdefault(message.number, []).append(message.arrays)
        elif message.kind == "arrays_state":
            states[message.number] = message.arrays
    end = start_pos + max((sum(keys.shape[0] for keys, _ in each) for each in chunks.values()), default=0)
    for layer, each in enumerate(cache):
        kind = _kind(each)
        if layer in chunks and kind != "arrays":
            sides: list[Any] = []
            for side, old in enumerate((each.keys, each.values)):
                # [tokens, heads, width] as they came; mlx-lm has [1, heads, tokens, width].
                came: list[Any] = [mx.array(tensors[side]).swapaxes(0, 1)[None] for tensors in chunks[layer]]
                if start_pos > 0 and kind == "kv" and old is not None:
                    came.insert(0, old[:, :, :start_pos, :])
                sides.append(came[0] if len(came) == 1 else mx.concatenate(came, axis=2))
            each.keys, each.values = sides
            each.offset = end
            if kind == "rotating":
                each._idx = sides[0].shape[2]
        elif layer in states and kind == "arrays":
            each.cache = [mx.array(tensor) for tensor in states[layer]]
    return end


def _kind(cache: Any) -> str:
    """Which of mlx-lm's caches it is, by its class: a subclass may mean something else by the same fields."""
    name = type(cache).__name__
    kinds = {"KVCache": "kv", "RotatingKVCache": "rotating", "ArraysCache": "arrays"}
    if name not in kinds:
        raise NotImplementedError(f"exo: the stream of a prefill has no {name}")
    return kinds[name]


def _nhd(array: Any, start: int, stop: int) -> Tensor:
    """Tokens of one prompt's keys or values, `[1, heads, tokens, width]`, as `[tokens, heads, width]`: a view."""
    t = asarray(array)
    if t.ndim != 4 or t.shape[0] != 1:
        raise ValueError(f"exo: keys and values have shape {t.shape}, expected [1, heads, tokens, width]")
    return t.select(0, 0).slice(1, min(start, t.shape[2]), min(stop, t.shape[2])).permute([1, 0, 2])


class BatchSampler:
    """Draws for the rows of a GenerationBatch, by exo's uids. Filters are in mlx-lm's order, penalties see its context sizes."""

    def __init__(self, vocab_size: int, *, top_logprobs: int = 20):
        self._sampler = Sampler(vocab_size)
        self._top = min(top_logprobs, vocab_size)
        self._rows: dict[int, int] = {}
        self._last: dict[int, Drawn] = {}

    def add(
        self,
        uid: int,
        *,
        temperature: float = 0.7,
        top_p: float = 1.0,
        min_p: float = 0.05,
        top_k: int = 0,
        seed: int = 42,
        logit_bias: dict[int, float] | None = None,
        repetition_penalty: float | None = None,
        repetition_context_size: int = 20,
        presence_penalty: float | None = None,
        presence_context_size: int = 20,
        frequency_penalty: float | None = None,
        frequency_context_size: int = 20,
        prompt: Sequence[int] = (),
    ) -> None:
        """Takes in a request, with the defaults of exo's requests."""
        if uid in self._rows:
            raise KeyError(f"add: uid {uid} is there already")
        self._rows[uid] = self._sampler.add(
            temperature=temperature,
            # To mlx-lm a top_p of 0 is off.
            top_p=top_p or 1.0,
            min_p=min_p,
            top_k=top_k,
            seed=seed,
            order="mlx-lm",
            logprobs=self._top,
            logit_bias=logit_bias,
            repetition_penalty=1.0 if repetition_penalty is None else repetition_penalty,
            repetition_context_size=repetition_context_size,
            presence_penalty=presence_penalty or 0.0,
            presence_context_size=presence_context_size,
            frequency_penalty=frequency_penalty or 0.0,
            frequency_context_size=frequency_context_size,
            prompt=prompt,
        )

    def remove(self, uid: int) -> list[int]:
        """Lets a request go; gives its tokens."""
        self._last.pop(uid, None)
        return self._sampler.remove(self._rows.pop(uid))

    def step(self, uids: Sequence[int], logits: Any) -> list[int]:
        """A token for each row of the logits."""
        drawn = self._sampler.step(logits, [self._rows[uid] for uid in uids])
        self._last.update(zip(uids, drawn, strict=True))
        return [each.id for each in drawn]

    def for_uid(self, uid: int) -> tuple[list[int], list[float], float] | None:
        """The likeliest tokens of the last step, their log-probabilities, and that of the drawn token, by the model's own logits."""
        last = self._last.get(uid)
        return None if last is None else ([token for token, _ in last.top], [value for _, value in last.top], last.logprob)
