"""Sampler sessions."""

import numpy as np
import pytest

import tilewright
from tilewright import Sampler, SamplingParams

RANDOM = np.random.default_rng(8)


def log_softmax(z):
    z = z.astype(np.float64)
    return z - z.max() - np.log(np.exp(z - z.max()).sum())


def test_a_session_and_its_reports():
    logits = RANDOM.normal(size=(3, 50)).astype(np.float32)
    sampler = Sampler(50)
    rows = [sampler.add(temperature=0, logprobs=3), sampler.add(SamplingParams(seed=5), top_k=1), sampler.add(seed=9, max_tokens=2)]
    assert sampler.rows == rows and len(sampler) == 3
    drawn = sampler.step(logits)
    assert [each.id for each in drawn[:2]] == logits[:2].argmax(1).tolist()
    truth = log_softmax(logits[0])
    assert [token for token, _ in drawn[0].top] == np.argsort(-truth)[:3].tolist()
    np.testing.assert_allclose([each for _, each in drawn[0].top], np.sort(truth)[::-1][:3], rtol=1e-5)
    for row, each in enumerate(drawn):
        np.testing.assert_allclose(each.logprob, log_softmax(logits[row])[each.id], rtol=1e-5)
    assert [each.finished for each in drawn] == [None] * 3
    assert sampler.step(logits)[2].finished == "length"
    assert len(sampler.remove(rows[2])) == 2 and sampler.rows == rows[:2]
    assert len(sampler.step(logits[1:2], rows=[rows[1]])) == 1
    assert len(sampler.output(rows[1])) == 3 and len(sampler.output(rows[0])) == 2


def test_a_row_draws_the_same_in_every_batch():
    logits = RANDOM.normal(size=(4, 1000)).astype(np.float32)
    params = [SamplingParams(seed=seed, temperature=0.9, top_p=0.95, frequency_penalty=0.3 * seed) for seed in range(4)]
    together, alone = Sampler(1000), []
    keys = [together.add(each) for each in params]
    for _ in range(5):
        together.step(logits)
    for each, row in zip(params, logits, strict=True):
        sampler = Sampler(1000)
        key = sampler.add(each)
        for _ in range(5):
            sampler.step(row[None])
        alone.append(sampler.output(key))
    assert [together.output(key) for key in keys] == alone
    assert len({tuple(each) for each in alone}) == 4


def penalized(z, prompt, output, *, repetition=1.0, frequency=0.0, presence=0.0, bias=None):
    """vLLM's order, in plain steps: bias, repetition over prompt and text, frequency and presence over the text."""
    z = z.astype(np.float64).copy()
    for token, value in (bias or {}).items():
        z[token] += value
    for token in set(prompt) | set(output):
        z[token] = z[token] / repetition if z[token] > 0 else z[token] * repetition
    for token in set(output):
        z[token] -= frequency * output.count(token) + presence
    return z


def test_penalties_are_those_of_vllm():
    z = RANDOM.normal(size=20).astype(np.float32)
    prompt, output, bias = [1, 2, 2, 3], [], {1: 2.5, 4: -1.0}
    sampler = Sampler(20)
    row = sampler.add(
        temperature=0, repetition_penalty=1.7, frequency_penalty=0.4, presence_penalty=0.2, logit_bias=bias, prompt=prompt, logprobs=20
    )
    for _ in range(12):
        expected = penalized(z, prompt, output, repetition=1.7, frequency=0.4, presence=0.2, bias=bias)
        (drawn,) = sampler.step(z[None])
        assert drawn.id == expected.argmax()
        # What is reported is the model's own, whatever the penalties.
        np.testing.assert_allclose(drawn.logprob, log_softmax(z)[drawn.id], rtol=1e-5)
        np.testing.assert_allclose([each for _, each in drawn.top], np.sort(log_softmax(z))[::-1], rtol=1e-5)
        output.append(drawn.id)
    assert sampler.output(row) == output and len(set(output)) > 3


def longest_repetitions(context, breakers=()):
    """For each token, how much of the end of the context stands before it somewhere, as it would go on; plainly, without multi-token breakers."""
    limit = next((back for back, token in enumerate(reversed(context)) if [token] in breakers), len(context))
    found = {}
    for at in range(1, len(context)):
        length = max(n for n in range(min(at, limit) + 1) if context[at - n : at] == context[len(context) - n :])
        if [context[at]] not in breakers:
            found[context[at]] = max(length, found.get(context[at], 0))
    return found


def test_repetitions_are_penalised_as_dry_does():
    prompt, breakers = [1, 2, 3, 4, 1, 2, 3, 5, 1, 2], [[5]]
    settings = [
        {"dry_multiplier": 0.8, "dry_allowed_length": 1},
        {"dry_multiplier": 1.5, "dry_base": 2.0, "dry_sequence_breakers": breakers, "repetition_penalty": 1.2},
        {"dry_multiplier": 0.8, "dry_allowed_length": 1, "dry_penalty_last_n": 4},
        {"dry_multiplier": 9.0, "dry_penalty_last_n": 0},
        {},
    ]
    sampler, texts = Sampler(8), [list(prompt) for _ in settings]
    for each in settings:
        sampler.add(temperature=0, prompt=prompt, **each)
    differ = set()
    for step in range(60):
        z = np.random.default_rng(step % 3).normal(size=(len(settings), 8)).astype(np.float32)
        expected = []
        for row, each in enumerate(settings):
            text = texts[row]
            truth = penalized(z[row], text, [], repetition=each.get("repetition_penalty", 1.0)).astype(np.float32)
            last = each.get("dry_penalty_last_n", -1)
            context = text if last < 0 else text[len(text) - last :] if last else []
            allowed, base = each.get("dry_allowed_length", 2), each.get("dry_base", 1.75)
            plain, own = truth.copy(), each.get("dry_sequence_breakers", [])
            for token, length in longest_repetitions(context, own).items():
                if length >= allowed and len(context) > allowed:
                    truth[token] -= each.get("dry_multiplier", 0.0) * base ** min(length - allowed, 100)
            # The kernel by its own name says the same.
            mine = [each.get("dry_multiplier", 0.0) if last else 0.0, base, allowed, max(last, 0)]
            kernel = tilewright.kernels.sample.dry(
                plain[None],
                np.array([text], np.int32),
                np.array([mine], np.float32),
                np.array(own, np.int32).reshape(-1, 1),
            )
            assert kernel[0].argmax() == truth.argmax(), (step, row)
            expected.append(int(truth.argmax()))
            differ |= {row} if plain.argmax() != truth.argmax() else set()
        drawn = sampler.step(z)
        assert [each.id for each in drawn] == expected, step
        for row, each in enumerate(drawn):
            np.testing.assert_allclose(each.logprob, log_softmax(z[row])[each.id], rtol=1e-5)
            texts[row].append(each.id)
    assert differ == {0, 1, 2}


def test_contexts_are_those_of_mlx_lm():
    z = np.zeros(6, np.float32)
    z[:3] = [3.0, 2.9, 2.0]
    sampler = Sampler(6)
    sampler.add(temperature=0, presence_penalty=1.5, presence_context_size=1, prompt=[0])
    # Only the last token counts, so the two likeliest take turns.
    assert [sampler.step(z[None])[0].id for _ in range(4)] == [1, 0, 1, 0]


def test_masks_stops_and_minima():
    z = np.arange(8, dtype=np.float32)
    sampler = Sampler(8)
    sampler.add(temperature=0, allowed_token_ids=[2, 5])
    sampler.add(temperature=0, stop_token_ids=[7], min_tokens=2)
    first, second, third = (sampler.step(np.stack([z, z])) for _ in range(3))
    assert [step[0].id for step in (first, second, third)] == [5, 5, 5]
    assert [(step[1].id, step[1].finished) for step in (first, second, third)] == [(6, None), (6, None), (7, "stop")]


def test_draws_follow_the_distribution():
    z = np.log(np.array([0.5, 0.25, 0.125, 0.125], np.float32))
    sampler = Sampler(4)
    rows = [sampler.add(seed=seed) for seed in range(4000)]
    counts = np.bincount([each.id for each in sampler.step(np.tile(z, (len(rows), 1)))], minlength=4)
    expected = 4000 * np.exp(z)
    # Pearson's statistic, which passes 16.27 once in 1000 with 3 degrees of freedom.
    assert ((counts - expected) ** 2 / expected).sum() < 16.27


def test_nothing_is_drawn_from_nan():
    sampler = Sampler(4)
    row = sampler.add(seed=1)
    sampler.add(seed=2)
    with pytest.raises(tilewright.NumericalError, match="logits of a row that are NaN") as caught:
        sampler.step(np.array([[1, 2, 3, 4], [1, np.nan, 2, 3]], np.float32))
    assert caught.value.index == 1 and sampler.output(row) == []


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "temperature is -1", lambda: Sampler(4).add(temperature=-1)),
        (ValueError, "top_p is 2", lambda: Sampler(4).add(top_p=2)),
        (ValueError, "top_k is -2", lambda: Sampler(4).add(top_k=-2)),
        (ValueError, "repetition_penalty is 0", lambda: Sampler(4).add(repetition_penalty=0)),
        (ValueError, "dry_multiplier is -1", lambda: Sampler(4).add(dry_multiplier=-1)),
        (ValueError, "dry_penalty_last_n is -2", lambda: Sampler(4).add(dry_penalty_last_n=-2)),
        (ValueError, "dry_sequence_breakers is 4", lambda: Sampler(4).add(dry_sequence_breakers=[[4]])),
        (ValueError, "dry_sequence_breakers is an empty one", lambda: Sampler(4).add(dry_sequence_breakers=[[]])),
        (ValueError, "logit_bias is 9", lambda: Sampler(4).add(logit_bias={9: 1.0})),
        (ValueError, "allowed_token_ids is empty", lambda: Sampler(4).add(allowed_token_ids=[])),
        (ValueError, "prompt is 4", lambda: Sampler(4).add(prompt=[4])),
        (ValueError, "logprobs is 5", lambda: Sampler(4).add(logprobs=5)),
        (ValueError, "order is", lambda: Sampler(4).add(order="best")),
        (TypeError, "top_p: ", lambda: Sampler(4).add(top_p="all")),
        (TypeError, "unknown parameter heat", lambda: Sampler(4).add(heat=1)),
        (ValueError, r"logits has shape \[1, 4\], expected \[0, v\]", lambda: Sampler(4).step(np.zeros((1, 4), np.float32))),
        (ValueError, r"expected \[rows, 4\]", lambda: Sampler(4).step(np.zeros((0, 5), np.float32))),
        (KeyError, "no row 3", lambda: Sampler(4).remove(3)),
        (ValueError, "vocab_size is 0", lambda: Sampler(0)),
    ],
)
def test_errors_name_the_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()
