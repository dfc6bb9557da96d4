"""The family sample. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

def penalize(
    logits: Array,
    penalties: Array,
    history: Array,
    bias_tokens: Array,
    biases: Array,
    mask: Array | None = None,
    *,
    window: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out = z f - frequency count + bias - presence [count > 0], f = 1, 1 / repetition or repetition; -inf where masked

    Inputs:
        logits: [r, v]
        penalties: [r, 3]
        history: [r, h]
        bias_tokens: [r, m]
        biases: [r, m]
        mask: [r, v / 32], may be left out

    Returns:
        out: [r, v]

    Arguments:
        window: how many of the last entries of the history count; 0 is all
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

class SampleResult(NamedTuple, Generic[Array]):
    ids: Array
    logprobs: Array
    top_ids: Array
    top_logprobs: Array

def sample(
    logits: Array,
    parameters: Array,
    *,
    top_n: int = 0,
    logprobs: str = 'raw',
    step: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SampleResult[Array]:
    """id = argmin of E(j) / p(j), p = filtered softmax(logits / T), E(j) = -ln(1 - hash(seed, position, j))

    Inputs:
        logits: [r, v]
        parameters: [r, 20]

    Returns:
        ids: [r]
        logprobs: [r]
        top_ids: [r, top_n]
        top_logprobs: [r, top_n]

    Arguments:
        top_n: how many of the likeliest tokens to report
        logprobs: of the logits as given (raw), or of what is drawn from (processed)
        step: is added to every row's position
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """
