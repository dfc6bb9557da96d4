"""Indexes."""

import threading

import numpy as np
import pytest

import tilewright
from tilewright import search

RANDOM = np.random.default_rng(5)


def brute(queries, data, k):
    distances = np.square(queries[:, None].astype(np.float64) - data[None]).sum(-1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), order


def test_faiss_verbs(tmp_path):
    data, queries = RANDOM.normal(size=(500, 8)).astype(np.float32), RANDOM.normal(size=(7, 8)).astype(np.float32)
    truth = brute(queries, data, 5)
    for factory, nprobe in [("Flat", 1), ("IVF4,Flat", 4)]:
        index = search.index_factory(8, factory)
        assert index.is_trained == (factory == "Flat") and index.ntotal == 0
        if not index.is_trained:
            with pytest.raises(ValueError, match="has to be trained"):
                index.add(data)
        index.train(data)
        assert index.add(data) == list(range(500))
        index.nprobe = nprobe
        distances, ids = index.search(queries, 5)
        assert isinstance(ids, np.ndarray) and np.array_equal(ids, truth[1])
        np.testing.assert_allclose(distances, truth[0], rtol=1e-5)
        np.testing.assert_array_equal(index.reconstruct(3), data[3])
        lims, within, found = index.range_search(queries, float(truth[0][0, 3]) * 1.0001)
        assert lims[1] == 4 and set(found[:4]) == set(truth[1][0, :4]) and len(within) == lims[-1]
        only = index.search(queries, 5, allowed=np.arange(100))[1]
        assert only.max() < 100 and np.array_equal(only, brute(queries, data[:100], 5)[1])
        index.write(tmp_path / "ours")
        for read in (search.Index.read(tmp_path / "ours"), search.Index.read(tmp_path / "ours", verify=True)):
            assert np.array_equal(read.search(queries, 5, nprobe=nprobe)[1], ids)
        search.write_index(index, tmp_path / "faiss")
        assert np.array_equal(search.read_index(tmp_path / "faiss").search(queries, 5, nprobe=nprobe)[1], ids)
        faiss = pytest.importorskip("faiss", reason="faiss is not installed: its files were not read by it")
        theirs = faiss.read_index(str(tmp_path / "faiss"))
        if factory != "Flat":
            theirs.nprobe = nprobe
        assert np.array_equal(theirs.search(queries, 5)[1], ids)
        assert index.remove_ids([ids[0, 0], 10_000]) == 1 and ids[0, 0] not in index and len(index) == 499
        index.update(queries[:1], [int(ids[0, 0])])
        assert index.search(queries[:1], 1) == (0, ids[0, 0])
        assert index.statistics()["vectors"] == 500


def test_shards_find_what_the_whole_finds():
    data, queries = RANDOM.normal(size=(90, 4)).astype(np.float32), RANDOM.normal(size=(3, 4)).astype(np.float32)
    data[50] = data[3]
    whole, shards = search.Index(4), [search.Index(4) for _ in range(3)]
    whole.add(data)
    for number, shard in enumerate(shards):
        shard.add(data[number::3], ids=np.arange(90)[number::3])
    expected = whole.search(queries, 10)
    # A shard may give fewer than others.
    found = [shard.search(queries, k) for shard, k in zip(shards, (10, 10, 12), strict=True)]
    for ours, theirs in zip(search.merge(found, 10), expected, strict=True):
        assert np.array_equal(ours, theirs)
    shards[0].merge_from(shards[1])
    assert len(shards[0]) == 60


def test_a_snapshot_stays_and_runs_elsewhere(emulated):
    data = RANDOM.normal(size=(20, 4)).astype(np.float32)
    index = search.Index(4, metric="cosine")
    index.add(data)
    here, there = index.snapshot(), index.snapshot(emulated)
    index.remove_ids(range(20))
    assert len(index) == 0 and len(here) == len(there) == 20 and there.device == emulated
    assert np.array_equal(here.search(data[:2], 3)[1], there.search(data[:2], 3)[1])


def test_threads_add_and_search():
    index, data = search.Index(4), RANDOM.normal(size=(400, 4)).astype(np.float32)
    index.add(data[:1], ids=[0])
    wrong = []

    def work(number):
        for i in range(1 + number, 400, 4):
            index.add(data[i : i + 1], ids=[i])
            if index.search(data[i : i + 1], 1)[1].item() != i:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(index) == 400


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "Flat or IVF<lists>,Flat", lambda: search.Index(4, "HNSW32")),
        (ValueError, 'metric is "L2"', lambda: search.Index(4, metric="L2")),
        (ValueError, "d is 0", lambda: search.Index(0)),
        (TypeError, "vectors has dtype f64", lambda: search.Index(4).add(np.zeros((1, 4)))),
        (ValueError, r"expected \[rows, 4\]", lambda: search.Index(4).add(np.zeros((1, 3), np.float32))),
        (ValueError, "ids", lambda: search.Index(4).add(np.zeros((2, 4), np.float32), ids=[1, 1])),
        (ValueError, "nprobe is 0", lambda: setattr(search.Index(4), "nprobe", 0)),
        (OSError, "nowhere", lambda: search.Index.read("/nowhere/at/all")),
        (ValueError, 'format is "zip"', lambda: search.Index.read("x", format="zip")),
        (ValueError, "one that the index holds", lambda: search.Index(4).reconstruct(0)),
        (ValueError, "at least 1 pair", lambda: search.merge([], 3)),
    ],
)
def test_errors_name_the_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_results_are_of_the_queries_library():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    index = tilewright.Index(4)
    index.add(torch.eye(4))
    distances, ids = index.search(torch.eye(4)[2:], k=1)
    assert isinstance(ids, torch.Tensor) and ids.flatten().tolist() == [2, 3] and not distances.any()
