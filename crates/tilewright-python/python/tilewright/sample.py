"""Drawing tokens, by the names of vLLM's SamplingParams.

    sampler = tilewright.sample.Sampler(vocab_size)
    row = sampler.add(SamplingParams(temperature=0.8, top_p=0.95, seed=7, logprobs=5), prompt=[1, 2, 3])
    for drawn in sampler.step(logits):                 # logits [rows, vocab_size] of any library, one row each in the order of `sampler.rows`
        print(drawn.id, drawn.logprob, drawn.finished)

A row draws by its own seed and the number of its token, so that it gets the same tokens in every batch, on every device. The functions below are the kernels:
`sample`, `penalize` and `dry`.
"""

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from tilewright._native import Device, SamplerSession
from tilewright._registry import kernels

dry = kernels.sample.dry
penalize = kernels.sample.penalize
sample = kernels.sample.sample

__all__ = ["Drawn", "Sampler", "SamplingParams", "dry", "penalize", "sample"]


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """What a text asks for. Names, defaults and meanings are vLLM's; what vLLM lacks is said to be so."""

    temperature: float = 1.0
    """Divides the logits; 0 is greedy."""
    top_p: float = 1.0
    """The fewest likeliest tokens that have this part of the probability; 1 is off."""
    top_k: int = 0
    """The k likeliest tokens; 0 or -1 is off."""
    min_p: float = 0.0
    """Tokens with at least this part of the likeliest one's probability."""
    seed: int | None = None
    """None draws one from the system."""
    presence_penalty: float = 0.0
    """Subtracted from the logits of tokens that were written."""
    frequency_penalty: float = 0.0
    """Subtracted for each time that a token was written."""
    repetition_penalty: float = 1.0
    """Divides positive logits, and multiplies negative ones, of tokens of prompt and text."""
    logit_bias: Mapping[int, float] | None = None
    """Added to the logits of tokens, before penalties."""
    allowed_token_ids: Sequence[int] | None = None
    """The only tokens that may be drawn."""
    stop_token_ids: Sequence[int] = ()
    """Tokens that end the text."""
    min_tokens: int = 0
    """Until there are so many, no token that ends the text is drawn."""
    max_tokens: int | None = None
    """How many there are at most."""
    logprobs: int = 0
    """How many of the likeliest tokens to report."""
    typical_p: float = 1.0
    """Not vLLM's: locally typical sampling; 1 is off."""
    top_n_sigma: float = 0.0
    """Not vLLM's: logits within so many standard deviations of the largest; 0 is off."""
    xtc_probability: float = 0.0
    """Not vLLM's: how often likely tokens are removed but for the last of them."""
    xtc_threshold: float = 0.1
    """Not vLLM's: the probability from which XTC removes."""
    order: str = "vllm"
    """Not vLLM's: "vllm", "llama.cpp", "mlx-lm", or stages by comma, such as "temperature,top_k,top_p"."""
    repetition_context_size: int | None = field(default=None)
    """Not vLLM's but mlx-lm's: how many of the last tokens, of prompt and text, the penalty is for."""
    presence_context_size: int | None = None
    """The same for the presence penalty, which then sees the prompt too."""
    frequency_context_size: int | None = None
    """The same for the frequency penalty, which then sees the prompt too."""
    dry_multiplier: float = 0.0
    """Not vLLM's but llama.cpp's, as all of DRY: of the penalty on tokens that would go on with a repetition, after the other penalties; 0 is off."""
    dry_base: float = 1.75
    """The penalty is `dry_multiplier * dry_base ** (length of the repetition - dry_allowed_length)`."""
    dry_allowed_length: int = 2
    """Repetitions that are shorter cost nothing."""
    dry_penalty_last_n: int = -1
    """How many of the last tokens are looked at, of prompt and text; -1 is all, 0 is off."""
    dry_sequence_breakers: Sequence[Sequence[int]] = ()
    """Sequences of tokens that no repetition reaches across."""


class Drawn(NamedTuple):
    """What a row got in a step."""

    id: int
    """The token."""
    logprob: float
    """Its log-probability by the model: by the logits as given, before penalties, temperature and filters."""
    top: list[tuple[int, float]]
    """The likeliest tokens and their log-probabilities, as many as `logprobs` asks for."""
    finished: str | None
    """"stop" after a token that ends the text, "length" after the last that is allowed, else None."""


class Sampler:
    """A session: rows come and go, each with parameters, seed and history of its own; one call draws for all. Safe to use from several threads."""

    def __init__(self, vocab_size: int):
        self._session = SamplerSession(vocab_size)
        self._lock = threading.Lock()
        self._next = 0

    def add(self, params: SamplingParams | None = None, prompt: Sequence[int] = (), **changes: Any) -> int:
        """Takes in a text; gives the key of its row. Parameters by name change those of `params`."""
        known = {each.name for each in fields(SamplingParams)}
        for name in changes:
            if name not in known:
                raise TypeError(f"add: unknown parameter {name}; SamplingParams has {', '.join(sorted(known))}")
        given = {each: getattr(params or SamplingParams(), each) for each in known} | changes
        if given["seed"] is None:
            given["seed"] = secrets.randbits(64)
        if given["logit_bias"] is not None:
            given["logit_bias"] = dict(given["logit_bias"])
        given["dry_sequence_breakers"] = [list(each) for each in given["dry_sequence_breakers"]]
        with self._lock:
            key = self._next
            self._session.add(key, list(prompt), given)
            self._next += 1
        return key

    def remove(self, row: int) -> list[int]:
        """Lets a text go; gives the tokens that were drawn for it."""
        return self._session.remove(row)

    def output(self, row: int) -> list[int]:
        """The tokens that were drawn for a row so far."""
        return self._session.output(row)

    @property
    def rows(self) -> list[int]:
        """The keys of the rows, in the order in which `step` takes their logits."""
        return self._session.rows

    def step(self, logits: Any, rows: Sequence[int] | None = None, *, device: Device | str | None = None) -> list[Drawn]:
        """Draws a token for each of `rows`, all by default, from `logits` `[len(rows), vocab_size]`, and takes it into their histories.

        NumericalError, and nothing drawn, where a row's logits are NaN or leave nothing to draw.
        """
        drawn = self._session.step(logits, None if rows is None else list(rows), device)
        return [Drawn(*each) for each in drawn]

    def __len__(self) -> int:
        return len(self._session.rows)
