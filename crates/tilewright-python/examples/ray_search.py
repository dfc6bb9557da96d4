"""An index over several processes: each Ray actor holds a shard, searches go to all, and the answers are merged.

    pip install ray; python examples/ray_search.py [vectors] [shards]

Vectors are added to the shards in turn; one actor is killed and comes back from its file. What is found is compared with one index of all vectors.
"""

import pathlib
import sys
import tempfile
import time

import numpy as np
import ray

from tilewright import search


@ray.remote(num_cpus=0)
class Shard:
    """A part of the index, kept in a file."""

    def __init__(self, path, d):
        self.path = pathlib.Path(path)
        self.index = search.Index.read(self.path) if self.path.exists() else search.Index(d)

    def add(self, vectors, ids):
        self.index.add(vectors, ids)
        self.index.write(self.path)
        return len(self.index)

    def search(self, queries, k):
        return self.index.search(queries, k)


def main(vectors=20_000, shards=3, d=64, k=10):
    random = np.random.default_rng(7)
    data = random.normal(size=(vectors, d)).astype(np.float32)
    queries = random.normal(size=(50, d)).astype(np.float32)
    whole = search.Index(d)
    whole.add(data)
    expected = whole.search(queries, k)
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"shard{number}.index" for number in range(shards)]
        actors = [Shard.remote(str(path), d) for path in paths]
        for part in np.array_split(np.arange(vectors), 2 * shards):
            sizes = ray.get([actor.add.remote(data[part[i::shards]], part[i::shards]) for i, actor in enumerate(actors)])
        print(f"{shards} shards hold {sizes} vectors")

        def ask():
            start = time.perf_counter()
            merged = search.merge(ray.get([actor.search.remote(queries, k) for actor in actors]), k)
            took = time.perf_counter() - start
            same = all(np.array_equal(ours, theirs) for ours, theirs in zip(merged, expected, strict=True))
            print(f"{len(queries)} queries in {took * 1e3:.1f} ms, the same as one index finds: {same}")
            if not same:
                raise SystemExit("the shards found something else")

        ask()
        ray.kill(actors[1])
        try:
            ray.get(actors[1].search.remote(queries, k), timeout=30)
            raise SystemExit("a killed actor answered")
        except ray.exceptions.RayActorError:
            print("shard 1 is gone")
        actors[1] = Shard.remote(str(paths[1]), d)
        ask()


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        main(*map(int, sys.argv[1:]))
    finally:
        ray.shutdown()
