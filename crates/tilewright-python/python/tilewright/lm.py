"""The xLSTM language model: Hugging Face's `xLSTMForCausalLM`, on every device.

    model = tilewright.lm.LanguageModel.load("xlstm-7b", device="cuda:0", dtype="bf16")
    for token in model.generate([2, 17, 4], max_tokens=100, temperature=0.8, top_p=0.9):
        print(token)

A model of bytes (a vocabulary of 256) also takes and gives text: `model.write("To be")`.
"""

import math
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from tilewright._native import Device, LmState, Tensor, Xlstm

__all__ = ["LanguageModel", "LmState"]


class LanguageModel:
    """An xLSTM on a device. Safe to use from several threads."""

    def __init__(self, model: Xlstm):
        self._model = model

    @classmethod
    def load(cls, folder: Any, *, device: Device | str = "cpu", dtype: Any = None) -> "LanguageModel":
        """The model of a folder: `config.json` beside `model.safetensors`, or beside an index of several files. None keeps the files' dtype."""
        return cls(Xlstm.load(folder, device, dtype))

    @classmethod
    def random(cls, config: dict[str, Any], *, device: Device | str = "cpu", dtype: Any = "f32", seed: int = 1) -> "LanguageModel":
        """A model that has learned nothing, of a config as `config.json` has it."""
        return cls(Xlstm.random(config, device, dtype, seed))

    def save(self, folder: Any) -> None:
        """Writes `config.json` and the weights into a folder."""
        self._model.save(folder)

    @property
    def config(self) -> dict[str, Any]:
        """The config, as `config.json` has it."""
        return self._model.config

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return self._model.parameters

    @property
    def device(self) -> Device:
        """Where it lies."""
        return self._model.device

    @property
    def dtype(self) -> str:
        """What it is computed in."""
        return self._model.dtype

    def logits(self, tokens: Sequence[Sequence[int]], state: LmState | None = None) -> tuple[Tensor, LmState]:
        """The logits `[b, s, vocab]` after every token of texts of one length, and the state after the last; `state` is what the same texts left before."""
        return self._model.logits([list(row) for row in tokens], state, False)

    def next(self, tokens: Sequence[Sequence[int]], state: LmState | None = None) -> tuple[Tensor, LmState]:
        """The same after the last token alone: `[b, vocab]`."""
        return self._model.logits([list(row) for row in tokens], state, True)

    def perplexity(self, tokens: Sequence[int], *, context: int = 1024, batch: int = 1) -> float:
        """e to the mean cross-entropy of a token."""
        return math.exp(self._model.evaluate(list(tokens), context, batch)[0])

    def generate(
        self,
        prompt: Sequence[int],
        *,
        max_tokens: int = 256,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> Iterator[int]:
        """The tokens that go on from a prompt, as they are written. A temperature of 0 is greedy. Closing the iterator, or Ctrl-C, ends the work."""
        pairs = self.generate_batch(
            [prompt],
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            stop_token_ids=stop_token_ids,
        )
        return (token for _, token in pairs)

    def generate_batch(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_tokens: int = 256,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop_token_ids: Sequence[int] = (),
    ) -> Iterator[tuple[int, int]]:
        """The same for several prompts, written together: pairs of the text's number and its token."""
        prompts = [list(prompt) for prompt in prompts]
        seed = secrets.randbits(64) if seed is None else seed
        writing = self._model.generate(prompts, max_tokens, temperature, top_k, top_p, seed, list(stop_token_ids))
        return _pairs(writing)

    def write(self, text: str, **arguments: Any) -> Iterator[str]:
        """A text goes on, as characters that are whole: of a model of bytes, with the arguments of `generate`."""
        if not self._model.is_of_bytes:
            raise TypeError("write: the model's tokens are no bytes: give tokens to generate")
        prompt = text.encode()
        if not prompt:
            raise ValueError("write: text is empty, expected at least one character")
        return _characters(self.generate(prompt, **arguments))

    def __repr__(self) -> str:
        return f"<LanguageModel of {self.parameters:,} {self.dtype} weights on {self.device}>"


def _pairs(writing: Any) -> Iterator[tuple[int, int]]:
    try:
        yield from writing
    finally:
        writing.close()


def _characters(tokens: Iterator[int]) -> Iterator[str]:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in tokens:
        if text := decoder.decode(bytes([token])):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text
