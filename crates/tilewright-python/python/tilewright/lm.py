"""The xLSTM language model: Hugging Face's `xLSTMForCausalLM`, on every device.

    model = tilewright.lm.LanguageModel.load("xlstm-7b", device="cuda:0", dtype="bf16")
    for token in model.generate([2, 17, 4], max_tokens=100, temperature=0.8, top_p=0.9):
        print(token)

A model of bytes (a vocabulary of 256) also takes and gives text: `model.write("To be")`. A `Trainer` lets one learn:

    trainer = tilewright.lm.Trainer(LanguageModel.random(config), text, steps=500)
    for step in trainer:
        print(step.step, step.loss)
    trainer.model().save("folder")
"""

import math
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tilewright._native import Device, LmState, Tensor, Training, Xlstm

__all__ = ["LanguageModel", "LmState", "TrainStep", "Trainer"]


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


class TrainStep(NamedTuple):
    """What a step of training did: its number from 1, the mean cross-entropy of a token before it in nats, the norm of the gradient, the rate of learning, the tokens that were foreseen."""

    step: int
    loss: float
    norm: float
    rate: float
    tokens: int


class Trainer:
    """A model that learns a text by exact gradients. An iterator of steps, the last of which is number `steps`.

    model: whose weights are begun from; it stays as it is. Of f32 or f64
    text: tokens, or of a model of bytes a string
    batch, accumulate, context: windows of text whose gradient is computed at once; such gradients that make a step; tokens that a window foresees
    rate, floor, warmup: the highest rate of learning, the last one as a part of it, and the steps of the rise; half a cosine leads down
    clip: the largest norm that a gradient may have
    optimizer: "adamw", or "muon" for the matrices of the blocks
    precision: "full", or "bf16" for gradients by weights of 16 bits beside those of f32
    """

    def __init__(
        self,
        model: LanguageModel,
        text: Sequence[int] | str,
        *,
        steps: int = 1000,
        batch: int = 8,
        accumulate: int = 1,
        context: int = 128,
        rate: float = 3e-3,
        floor: float = 0.1,
        warmup: int = 20,
        clip: float = 1.0,
        weight_decay: float = 0.1,
        beta1: float = 0.9,
        beta2: float = 0.95,
        seed: int = 1,
        optimizer: str = "adamw",
        precision: str = "full",
    ):
        options = {
            "steps": steps,
            "batch": batch,
            "accumulate": accumulate,
            "context": context,
            "schedule": {"peak": rate, "floor": floor, "warmup": warmup},
            "clip": clip,
            "weight_decay": weight_decay,
            "beta1": beta1,
            "beta2": beta2,
            "seed": seed,
            "optimizer": optimizer,
            "precision": precision,
        }
        self._training = Training(model._model, _tokens(text), options)  # pyright: ignore[reportPrivateUsage]: both are faces of native classes

    @classmethod
    def resume(cls, path: Any, text: Sequence[int] | str, *, device: Device | str = "cpu") -> "Trainer":
        """Goes on from a checkpoint with the text that it was made on. On the CPU every later loss has the bits that it would have had without the stop."""
        trainer = cls.__new__(cls)
        trainer._training = Training.resume(path, device, _tokens(text))
        return trainer

    def save(self, path: Any) -> None:
        """Writes everything from which training goes on into one file; a reader finds the old one or the new one."""
        self._training.save(path)

    def step(self) -> TrainStep:
        """One step. A gradient that is not finite raises `NumericalError`, and the weights are as they were."""
        return TrainStep(*self._training.step())

    @property
    def steps(self) -> int:
        """Steps in all. Set to another number, the rates of the steps to come change with it."""
        return self._training.progress()[1]

    @steps.setter
    def steps(self, steps: int) -> None:
        self._training.set_steps(steps)

    @property
    def losses(self) -> list[float]:
        """The loss before each step that was done."""
        return self._training.losses()

    def curve(self) -> str:
        """The losses as an SVG."""
        return self._training.curve()

    def model(self) -> LanguageModel:
        """The model as it is now, in memory of its own."""
        return LanguageModel(self._training.model())

    def __iter__(self) -> Iterator[TrainStep]:
        return self

    def __next__(self) -> TrainStep:
        done, steps = self._training.progress()
        if done >= steps:
            raise StopIteration
        return self.step()


def _tokens(text: Sequence[int] | str) -> list[int]:
    return list(text.encode() if isinstance(text, str) else text)


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
