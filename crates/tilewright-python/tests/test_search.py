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


def test_a_search_finds_what_it_is_allowed_to():
    data, queries = RANDOM.normal(size=(300, 8)).astype(np.float32), RANDOM.normal(size=(5, 8)).astype(np.float32)
    numbers, flags, some = np.arange(300), RANDOM.integers(0, 2, 300).astype(bool), RANDOM.permutation(300)[:40]
    short = np.arange(300) < 50
    filters = [
        (slice(20, 70), (numbers >= 20) & (numbers < 70)),
        (slice(None, 33), numbers < 33),
        (slice(290, None), numbers >= 290),
        (slice(8, 8), numbers < 0),
        (range(100, 104), (numbers >= 100) & (numbers < 104)),
        (range(9, 2), numbers < 0),
        (range(0, 300, 7), numbers % 7 == 0),
        (flags, flags),
        (flags.tolist(), flags),
        (short[:55], short),
        (np.repeat(flags, 2)[::2], flags),
        (np.packbits(flags, bitorder="little"), flags),
        (np.packbits(flags, bitorder="little").tobytes(), flags),
        (some, np.isin(numbers, some)),
        (some.astype(np.int32), np.isin(numbers, some)),
        (some.astype(np.uint16), np.isin(numbers, some)),
        ([*some.tolist(), 7000], np.isin(numbers, some)),
        ([], numbers < 0),
    ]
    for factory in ("Flat", "IVF4,Flat"):
        index = search.Index(8, factory)
        index.train(data)
        index.add(data)
        for what, mask in filters:
            for name, may in (("allowed", mask), ("denied", ~mask)):
                rows = numbers[may]
                n = min(5, len(rows))
                truth = brute(queries, data[rows], n)
                for searched in (index, index.snapshot()):
                    distances, ids = searched.search(queries, 5, nprobe=4, **{name: what})
                    assert np.array_equal(ids[:, :n], rows[truth[1]]), (factory, name, what)
                    assert (ids[:, n:] == -1).all() and np.isinf(distances[:, n:]).all()
                    lims, _, within = searched.range_search(queries, 12.0, nprobe=4, **{name: what})
                    for query in range(5):
                        near = rows[np.square(queries[query].astype(np.float64) - data[rows]).sum(-1) < 12.0]
                        assert set(within[lims[query] : lims[query + 1]].tolist()) == set(near.tolist())


def squares(queries, data):
    """|q - x|² of each pair, whose roundings in f64 are far below any of f32."""
    queries, data = queries.astype(np.float64), data.astype(np.float64)
    return np.square(queries).sum(-1)[:, None] + np.square(data).sum(-1) - 2 * queries @ data.T


def roundings(*arrays):
    """What a distance of f32 may be off by: as many roundings as it has terms, of a sum below the square of all lengths together, however it is arranged."""
    lengths = sum(np.sqrt(np.square(array.astype(np.float64)).sum(-1).max()) for array in arrays)
    return (arrays[0].shape[1] + 8) * 2.0**-24 * lengths**2


def assert_same(ours, theirs, exact, off):
    """The same neighbours, but for those whose distances either side may have rounded to another order."""
    for ids in (ours, theirs):
        assert ids.min() >= 0 and all(len(set(row)) == len(row) for row in ids.tolist())
    apart = np.take_along_axis(exact, ours, 1) - np.take_along_axis(exact, theirs, 1)
    assert np.abs(apart).max() <= 2 * off
    swapped = ours != theirs
    assert swapped.mean() < 0.02, f"{swapped.mean():.3f} of the neighbours are ties"


def recall(ids, truth):
    return np.mean([np.isin(own, true).mean() for own, true in zip(ids, truth, strict=True)])


def test_recall_curves_are_those_of_faiss_on_the_same_centroids(tmp_path):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed: nothing was compared with it")
    # Its threads spin while they wait for each other, which beside other work takes longer than one alone.
    faiss.omp_set_num_threads(1)
    random, d, k, nlist, sweep = np.random.default_rng(11), 128, 10, 64, [1, 2, 4, 8, 16, 32, 64]
    # A subspace of 16 dimensions and some noise, so that lists and codes tell vectors apart.
    basis = np.linalg.qr(random.normal(size=(d, 16)))[0].T

    def points(n):
        return (random.normal(size=(n, 16)) @ basis + 0.1 * random.normal(size=(n, d))).astype(np.float32)

    data, queries = points(20_000), points(200)
    quantizer = faiss.IndexFlatL2(d)
    theirs = faiss.IndexIVFFlat(quantizer, d, nlist)
    theirs.train(data)
    centroids = quantizer.reconstruct_n(0, nlist)
    # Which list a vector belongs in, and which are looked into, is told by distances that either side rounds: only those vectors and queries for which no rounding matters.
    off = roundings(data, queries, centroids)
    gaps = [np.diff(np.sort(squares(vectors, centroids), axis=1), axis=1) for vectors in (data, queries)]
    data = data[gaps[0][:, 0] > 2 * off]
    queries = queries[(gaps[1][:, [nprobe - 1 for nprobe in sweep[:-1]]] > 2 * off).all(1)]
    assert len(data) > 18_000 and len(queries) > 180
    exact = squares(queries, data)
    truth = np.argsort(exact, axis=1)[:, :k]

    flat = faiss.IndexFlatL2(d)
    flat.add(data)
    faiss.write_index(flat, str(tmp_path / "flat"))
    assert_same(search.read_index(tmp_path / "flat").search(queries, k)[1], flat.search(queries, k)[1], exact, off)

    theirs.add(data)
    faiss.write_index(theirs, str(tmp_path / "lists"))
    own = search.Index(d, f"IVF{nlist},Flat")
    own.set_centroids(centroids)
    own.add(data)
    for ours in (search.read_index(tmp_path / "lists"), own):
        curve = []
        for theirs.nprobe in sweep:
            found = ours.search(queries, k, nprobe=theirs.nprobe)[1]
            assert_same(found, theirs.search(queries, k)[1], exact, off)
            curve.append(recall(found, truth))
        assert np.all(np.diff(curve) >= 0) and curve[0] < 0.9 and curve[-1] > 0.99, curve

    # Codes that faiss made: the distances that decide are those of what the codes stand for.
    for factory in ("PQ16x4", "SQ8", f"IVF{nlist},PQ16x4", f"IVF{nlist},PQ16", f"IVF{nlist},SQ8", f"IVF{nlist},SQ4"):
        lists = factory.startswith("IVF")
        theirs = faiss.index_factory(d, factory)
        if lists:
            # The same lists, which training leaves alone.
            theirs.quantizer.add(centroids)
        if "PQ" in factory:
            # Codebooks need not be good, only the same; and not in an order in which the bits of codes say what is near, which takes minutes.
            theirs.pq.cp.niter, theirs.do_polysemous_training = 5, False
        theirs.train(data[:6000])
        theirs.add(data)
        faiss.write_index(theirs, str(tmp_path / "codes"))
        ours = search.read_index(tmp_path / "codes")
        if lists:
            theirs.make_direct_map()
        coded = theirs.reconstruct_n(0, len(data))
        distances, off = squares(queries, coded), roundings(coded, queries, centroids)
        curves = [], []
        for nprobe in sweep if lists else [1]:
            if lists:
                theirs.nprobe = nprobe
            found, expected = ours.search(queries, k, nprobe=nprobe)[1], theirs.search(queries, k)[1]
            assert_same(found, expected, distances, off)
            for curve, ids in zip(curves, (found, expected), strict=True):
                curve.append(recall(ids, truth))
        # Each neighbour that is one side's alone is a tie, of which there are few.
        assert np.abs(np.subtract(*curves)).max() <= 0.02 and np.all(np.diff(curves[0]) >= -0.02), (factory, curves)


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
    some = [moment.search(data[:2], 3, allowed=slice(5, 12))[1] for moment in (here, there)]
    assert np.array_equal(*some) and some[0].min() >= 5 and some[0].max() < 12


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


def one(**filters):
    return search.Index(4).search(np.zeros((1, 4), np.float32), 1, **filters)


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
        (ValueError, "both given", lambda: one(allowed=[0], denied=[1])),
        (ValueError, "denied is a slice with a step", lambda: one(denied=slice(0, 10, 2))),
        (ValueError, "allowed is a slice of negative ids", lambda: one(allowed=slice(-5, None))),
        (TypeError, "allowed is a slice whose stop", lambda: one(allowed=slice(0, "x"))),
        (ValueError, r"allowed has shape \[2, 2\], expected \[n\]", lambda: one(allowed=np.zeros((2, 2), np.int64))),
        (TypeError, "denied has dtype f32, expected whole numbers", lambda: one(denied=np.zeros(2, np.float32))),
        (TypeError, "no array", lambda: one(allowed=7)),
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
