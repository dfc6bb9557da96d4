"""The exo adapter against mlx-lm, and with `EXO_SOURCE` (a clone of exo) against exo's own code: the same bytes, the same tokens, and the time of each."""

import ast
import io
import os
import pathlib
import sys
import time
import types

import numpy as np
import pytest

mx = pytest.importorskip("mlx.core", reason="MLX is not installed: the exo adapter was not tested")
sample_utils = pytest.importorskip("mlx_lm.sample_utils", reason="mlx-lm is not installed: the exo adapter was not tested")
caches = pytest.importorskip("mlx_lm.models.cache")
mx.set_default_device(mx.cpu)

from tilewright.exo import BatchSampler, detached_copy, read_cache_from_wire, snapshot, write_cache_to_wire  # noqa: E402

RANDOM = np.random.default_rng(4)


def exo(path, *names):
    """Functions of exo's real source, without the imports of its modules."""
    root = os.environ.get("EXO_SOURCE")
    if not root:
        pytest.skip("EXO_SOURCE is not set: exo's own code was not run")
    tree = ast.parse((pathlib.Path(root) / "src/exo/worker/engines/mlx" / path).read_text("utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    scope = {"mx": mx, "np": np, "RotatingKVCache": caches.RotatingKVCache, "ArraysCache": caches.ArraysCache, "CacheList": caches.CacheList}
    exec(compile(tree, path, "exec"), scope)  # noqa: S102: the reader named the folder
    return [scope[name] for name in names]


def raw(array):
    return bytes(memoryview(array.view(mx.uint8)))


def best(call):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        mx.eval(call())
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "uint32"])
def test_copies_have_the_same_bytes(dtype):
    a = mx.array(RANDOM.normal(size=(2, 3, 8, 4)).astype(np.float32) * 100).astype(getattr(mx, dtype))
    for view in (a, a.transpose(0, 2, 1, 3), a[..., -3:, :]):
        copied = detached_copy(view)
        assert copied.dtype == view.dtype and copied.shape == view.shape
        assert raw(copied) == raw(mx.contiguous(view))


def test_copies_are_exos():
    (theirs,) = exo("cache.py", "_detached_copy")
    a = mx.array(RANDOM.normal(size=(1, 8, 4096, 128)).astype(np.float32)).astype(mx.bfloat16)
    mx.eval(a)
    assert raw(detached_copy(a)) == raw(theirs(a))
    print(f"detached copy of 8 MiB of bf16: {best(lambda: detached_copy(a)):.2f} ms, exo's {best(lambda: theirs(a)):.2f} ms")


def test_snapshots_stay_as_they_are():
    cache, rotating, arrays = caches.KVCache(), caches.RotatingKVCache(max_size=8), caches.ArraysCache(2)
    block = [mx.array(RANDOM.normal(size=(1, 2, 5, 4)).astype(np.float32)).astype(mx.bfloat16) for _ in range(2)]
    for each in (cache, rotating):
        each.update_and_fetch(*block)
    arrays.cache = [block[0], None]
    kept = snapshot([cache, rotating, arrays])
    before = [raw(mx.contiguous(cache.state[0])), raw(mx.contiguous(rotating.keys))]
    for each in (cache, rotating):
        each.update_and_fetch(*block)
    assert kept[0].offset == 5 and kept[1].offset == 5 and cache.offset == rotating.offset == 10
    assert [raw(mx.contiguous(kept[0].state[0])), raw(mx.contiguous(kept[1].keys))] == before
    assert type(kept[2]) is caches.ArraysCache and kept[2].cache[1] is None and raw(kept[2].cache[0]) == raw(block[0])


def loop(logits, settings, tokens):
    """exo's step: processors row by row, then the largest."""
    rows = []
    for row, setting in enumerate(settings):
        given = {name: value for name, value in setting.items() if name not in ("temperature", "seed", "prompt")}
        one = logits[row : row + 1]
        for processor in sample_utils.make_logits_processors(**given):
            one = processor(mx.array(tokens[row]), one)
        rows.append(one)
    return mx.concatenate(rows).argmax(-1).tolist()


def test_greedy_tokens_are_those_of_the_loop():
    prompt = [[1, 2, 3, 2], [5, 5, 6], [9], list(range(30))]
    settings = [
        {"repetition_penalty": 1.6},
        {"presence_penalty": 0.9, "presence_context_size": 3, "logit_bias": {4: 1.5}},
        {"frequency_penalty": 0.5, "repetition_penalty": 1.2, "repetition_context_size": 4},
        {},
    ]
    sampler, tokens = BatchSampler(64), [list(each) for each in prompt]
    for uid, (setting, each) in enumerate(zip(settings, prompt, strict=True)):
        sampler.add(uid, temperature=0.0, prompt=each, **setting)
    for step in range(25):
        logits = mx.array(np.random.default_rng(step % 3).normal(size=(4, 64)).astype(np.float32))
        expected = loop(logits, settings, tokens)
        drawn = sampler.step([0, 1, 2, 3], logits)
        assert drawn == expected, step
        for row, token in enumerate(drawn):
            tokens[row].append(token)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        indices, values, selected = sampler.for_uid(2)
        assert indices == mx.argsort(-logprobs[2])[:20].tolist()
        np.testing.assert_allclose(values, logprobs[2][mx.array(indices)], rtol=1e-4)
        np.testing.assert_allclose(selected, logprobs[2, drawn[2]].item(), rtol=1e-4)
    assert sampler.remove(1) == tokens[1][3:]


def test_a_request_draws_the_same_in_every_batch():
    logits = mx.array(RANDOM.normal(size=(3, 500)).astype(np.float32))
    together, alone = BatchSampler(500), BatchSampler(500)
    for uid in range(3):
        together.add(uid, seed=uid)
    alone.add(7, seed=1)
    for _ in range(5):
        assert together.step([0, 1, 2], logits)[1] == alone.step([7], logits[1:2])[0]


def filled(dtype, tokens=7, heads=2, width=4):
    block = lambda: mx.array(RANDOM.normal(size=(1, heads, tokens, width)).astype(np.float32)).astype(dtype)
    cache = [caches.KVCache(), caches.RotatingKVCache(max_size=64), caches.ArraysCache(2)]
    for each in cache[:2]:
        each.update_and_fetch(block(), block())
    cache[2].cache = [block(), block()]
    return cache


@pytest.mark.parametrize("dtype", [mx.bfloat16, mx.float16, mx.float32])
def test_a_cache_comes_back_from_the_wire(dtype):
    cache = filled(dtype)
    wire = io.BytesIO()
    assert write_cache_to_wire(wire, cache, request_id="r", model_id="m") == 7
    wire.seek(0)
    empty = [caches.KVCache(), caches.RotatingKVCache(max_size=64), caches.ArraysCache(2)]
    assert read_cache_from_wire(wire, empty) == 7
    for ours, theirs in zip(empty[:2], cache[:2], strict=True):
        assert ours.offset == 7 and ours.keys.dtype == dtype
        for side in ("keys", "values"):
            assert raw(mx.contiguous(getattr(ours, side))) == raw(mx.contiguous(getattr(theirs, side)[:, :, :7]))
    assert [raw(each) for each in empty[2].cache] == [raw(each) for each in cache[2].cache]
    with pytest.raises((ConnectionError, OSError)):
        read_cache_from_wire(io.BytesIO(wire.getvalue()[:-20]), empty)
    with pytest.raises(NotImplementedError, match="CacheList"):
        write_cache_to_wire(io.BytesIO(), [caches.CacheList(caches.KVCache())])


def test_the_bytes_on_the_wire_are_exos():
    root = os.environ.get("EXO_SOURCE")
    if not root:
        pytest.skip("EXO_SOURCE is not set: exo's own stream was not compared")
    pytest.importorskip("msgspec", reason="msgspec is not installed: exo's own stream was not compared")
    worker = pathlib.Path(root) / "src/exo/worker"
    scope = {"__name__": "exo_wire", "logger": None, "QuantizedKVCache": caches.QuantizedKVCache, "CacheList": caches.CacheList, "KVCacheType": list}
    scope |= {"KVCache": caches.KVCache, "RotatingKVCache": caches.RotatingKVCache, "ArraysCache": caches.ArraysCache, "DeepseekV4Cache": type("DeepseekV4Cache", (), {}), "mx": mx, "np": np}
    sys.modules["exo_wire"] = module = types.ModuleType("exo_wire")
    module.__dict__.update(scope)
    exec(compile((worker / "disaggregated/protocol.py").read_text("utf-8"), "protocol.py", "exec"), module.__dict__)  # noqa: S102
    tree = ast.parse((worker / "engines/mlx/disaggregated/adapter.py").read_text("utf-8"))
    tree.body = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, "adapter.py", "exec"), module.__dict__)  # noqa: S102
    for dtype in (mx.bfloat16, mx.float16, mx.float32):
        for start in (0, 3):
            # mlx-lm's newer ArraysCache has a state that exo's code does not read.
            cache, ours, theirs = filled(dtype)[:2], io.BytesIO(), io.BytesIO()
            sent = write_cache_to_wire(ours, cache, request_id="r", model_id="m", start_pos=start)
            assert sent == module.write_cache_to_wire(theirs, cache, request_id="r", model_id="m", start_pos=start)
            assert ours.getvalue() == theirs.getvalue()
    big = filled(mx.bfloat16, tokens=4096, heads=8, width=128)[:1]
    mx.eval(big[0].keys, big[0].values)
    times = {write: [] for write in (write_cache_to_wire, module.write_cache_to_wire)}
    for _ in range(9):
        for write, each in times.items():
            start = time.perf_counter()
            write(io.BytesIO(), big)
            each.append((time.perf_counter() - start) * 1e3)
    ours, theirs = (min(each) for each in times.values())
    print(f"a layer of 4096 tokens (16 MiB of bf16) to the wire: {ours:.1f} ms, exo's {theirs:.1f} ms")


def test_a_step_of_many_requests_beside_the_loop():
    """exo calls mlx-lm's processors and sampler for one row after another; here is one call. Both draw among the same tokens."""
    rows, vocabulary = 16, 32_000
    # As a model's are: most tokens out of the question, a few likely ones.
    given = RANDOM.normal(size=(rows, vocabulary)) * 2
    given[:, RANDOM.integers(0, vocabulary, 30)] += RANDOM.uniform(6, 12, 30)
    logits = mx.array(given.astype(np.float32))
    prompt = [RANDOM.integers(0, vocabulary, 50).tolist() for _ in range(rows)]
    sampler = BatchSampler(vocabulary)
    for uid in range(rows):
        sampler.add(uid, temperature=0.7, top_p=0.9, top_k=40, min_p=0.05, seed=uid, repetition_penalty=1.1, prompt=prompt[uid])
    processors = sample_utils.make_logits_processors(repetition_penalty=1.1)
    draw = sample_utils.make_sampler(temp=0.7, top_p=0.9, min_p=0.05, top_k=40)

    def theirs():
        drawn = []
        for row in range(rows):
            one = logits[row : row + 1]
            for processor in processors:
                one = processor(mx.array(prompt[row]), one)
            drawn.append(draw(one - mx.logsumexp(one, axis=-1, keepdims=True)))
        return mx.concatenate(drawn).tolist()

    times = {"ours": [], "the loop": []}
    for _ in range(5):
        for name, call in (("ours", lambda: sampler.step(list(range(rows)), logits)), ("the loop", theirs)):
            start = time.perf_counter()
            drawn = call()
            times[name].append((time.perf_counter() - start) * 1e3)
            likeliest = [set(mx.argsort(-logits[row])[:100].tolist()) for row in range(rows)] if name == "ours" else likeliest
            assert all(token in kept for token, kept in zip(drawn, likeliest, strict=True)), name
    print(f"a step of {rows} requests, V {vocabulary}: {min(times['ours']):.2f} ms, mlx-lm's row by row {min(times['the loop']):.2f} ms")
