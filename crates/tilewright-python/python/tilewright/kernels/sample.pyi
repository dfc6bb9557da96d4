"""The family sample. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class BeamTopKResult(NamedTuple, Generic[Array]):
    scores: Array
    beams: Array
    tokens: Array

def beam_top_k(
    logits: Array,
    beam_scores: Array,
    *,
    k: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> BeamTopKResult[Array]:
    """the k largest of beam_scores[b, i] + log softmax(logits[b, i])[j] over all i and j

    Inputs:
        logits: [b, beams, v]
        beam_scores: [b, beams]

    Returns:
        scores: [b, k]
        beams: [b, k]
        tokens: [b, k]

    Arguments:
        k: how many of each batch entry; 0 is twice the beams
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

def categorical(
    x: Array,
    seeds: Array,
    positions: Array,
    *,
    probabilities: bool = False,
    draws: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """ids[r, i] drawn from softmax(x[r]) or x[r] / sum(x[r]) with the noise of hash(seeds[r], positions[r] + i, token)

    Inputs:
        x: [r, v]
        seeds: [r]
        positions: [r]

    Returns:
        ids: [r, draws]

    Arguments:
        probabilities: whether x are probabilities, else logits
        draws: how many tokens of each row
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16.
    """

def dry(
    logits: Array,
    history: Array,
    settings: Array,
    breakers: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[j] = logits[j] - multiplier base^(n(j) - allowed), n(j) the longest repetition of the end of the text that j would go on with

    Inputs:
        logits: [r, v]
        history: [r, h]
        settings: [r, 4]
        breakers: [s, w]

    Returns:
        out: [r, v]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """

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

def renormalize(
    logits: Array,
    parameters: Array,
    *,
    output: str = 'probabilities',
    step: int = 0,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[j] = exp(z[j] / T) / (sum over kept i of exp(z[i] / T)) where j is kept, else 0

    Inputs:
        logits: [r, v]
        parameters: [r, 20]

    Returns:
        out: [r, v]

    Arguments:
        output: probabilities, logprobs or logits
        step: is added to every row's position
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

class SpeculativeAcceptResult(NamedTuple, Generic[Array]):
    tokens: Array
    accepted: Array

def speculative_accept(
    draft: Array,
    draft_probs: Array,
    target_probs: Array,
    seeds: Array,
    positions: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> SpeculativeAcceptResult[Array]:
    """x_i accepted with probability min(1, p_i(x_i) / q_i(x_i)); at the first that is not, one drawn from max(p_i - q_i, 0); after the last, from p_k

    Inputs:
        draft: [b, k]
        draft_probs: [b, k, v]
        target_probs: [b, k + 1, v]
        seeds: [b]
        positions: [b]

    Returns:
        tokens: [b, k + 1]
        accepted: [b]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32.
    """
