"""Parts of exo's MLX engine, with its call shapes: a batched sampler with processors, detached copies of arrays and caches, snapshots of states.

    sampler = tilewright.exo.BatchSampler(vocab_size)
    sampler.add(uid, temperature=0.7, min_p=0.05, seed=42, repetition_penalty=1.1, prompt=tokens)
    tokens = sampler.step(uids, logits)                # one call for all rows, each with its own seed; logits are an mx.array [rows, vocab]
    indices, values, selected = sampler.for_uid(uid)   # as exo's BatchTopKLogprobs.for_uid

exo loops over rows in Python for processors and samplers, and seeds MLX's one generator for all; here a request draws the same tokens in every batch.
"""

import copy
from collections.abc import Sequence
from typing import Any

from tilewright.elementwise import copy as _copy
from tilewright.sample import Drawn, Sampler

__all__ = ["BatchSampler", "detached_copy", "snapshot"]


def detached_copy(a: Any) -> Any:
    """The same elements in memory of their own, without the graph that made them; bf16 stays bf16 and does not pass through f32 and NumPy."""
    return _copy(a)


def snapshot(cache: Any) -> Any:
    """A copy of a cache, or of a list of them, whose arrays are detached: KVCache, RotatingKVCache, ArraysCache, CacheList, what holds such, and None."""
    if cache is None or isinstance(cache, (bool, int, float, str)):
        return cache
    if isinstance(cache, (list, tuple)):
        return type(cache)(snapshot(each) for each in cache)
    if isinstance(cache, dict):
        return {key: snapshot(value) for key, value in cache.items()}
    if hasattr(cache, "__dlpack__"):
        return detached_copy(cache)
    if not hasattr(cache, "__dict__"):
        return copy.deepcopy(cache)
    copied = copy.copy(cache)
    vars(copied).update({name: snapshot(value) for name, value in vars(cache).items()})
    return copied


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
