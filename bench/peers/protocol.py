"""The side of `tilewright bench --peers` that a Python library is on: one line of JSON in, one line out.

The requests are described in crates/tilewright-cli/src/peers/python.rs. A script gives `serve` a Library; the library offers, by
kernel name, makers: a maker takes the kernel's arguments that differ from their defaults, and gives a function from the inputs to the
output or outputs, or None where the library cannot do exactly that. A function gives None for inputs that it cannot take.
"""

import inspect
import json
import os
import sys
import time

import numpy


# Calls of a recording at least: a replay itself costs a few microseconds.
RECORDED = 8
# Stretches of queries that searches take in turn, at most, as crates/tilewright-cli/src/search/bench.rs has it.
STRETCHES = 256


class Library:
    """What a library has to provide; the defaults suit arrays that behave like NumPy's."""

    name = ""
    kernels = {}
    # Of them, those that are timed as replays of what they launch: their calls are shorter than the host's part.
    replayed = frozenset()

    def accepts(self, device):
        """Whether arrays can live on this device, such as "cpu" or "cuda:0"."""
        return device == "cpu"

    def load(self, array, dtype, device):
        """The library's array of a NumPy array, or None; dtype is "bf16" where the NumPy array holds the bits."""
        raise NotImplementedError

    def transpose(self, array, axes):
        return array.transpose(axes)

    def copy(self, array):
        """Another array with the same contents and strides."""
        raise NotImplementedError

    def store(self, array):
        """The reverse of load: a NumPy array, and "bf16" where it holds the bits, else None."""
        raise NotImplementedError

    def record(self, function, sets, calls):
        """A function that replays the launches of so many calls on the inputs in turn; None where there is nothing to record them with."""
        raise NotImplementedError

    def finish(self, outputs):
        """Waits until the outputs are there."""

    def index(self, recipe, d, k, refine):
        """An empty index over vectors of length d, or None where the library has none at all; raises where it lacks this recipe.

        It has `train(x)`, `add(x)`, `aim(nprobe)` and `search(queries)`, which gives distances and ids of k neighbours, of `refine` times as many
        codes where vectors are kept beside them.
        """
        return None

    def release(self):
        """Gives unused memory back, so that others find it on the device."""

    def start_memory(self):
        """Starts counting what the device's memory holds at most, where the library can, and gives what stop_memory needs."""
        return None

    def stop_memory(self, before):
        """Bytes that were in use at most since start_memory, beside those that were then, or None."""
        return None

    def start_timer(self):
        """Starts the device's own timer, where there is one, and gives what stop_timer needs."""
        return None

    def stop_timer(self, timer):
        """Milliseconds of device time since start_timer, or None."""
        return None


class Problem:
    """The functions for one problem, with enough copies of its inputs that none is found in a cache."""

    def __init__(self, library, request):
        self.library = library
        self.folder = request["folder"]
        self.function = None
        self.sets = []
        self.next = 0
        self.replay = None
        self.recorded = 0
        maker = library.kernels.get(request["kernel"])
        if maker is None or not library.accepts(request["device"]):
            return
        try:
            inspect.signature(maker).bind(**request["args"])
        except TypeError:
            return
        function = maker(**request["args"])
        inputs = [self.load(item, request["device"]) for item in request["inputs"]]
        if function is None or any(array is None for array in inputs):
            return
        # On copies: there are functions that write their results over their inputs.
        if function(*[library.copy(array) for array in inputs]) is None:
            return
        self.function = function
        self.sets = [inputs]
        for _ in range(request["sets"] - 1):
            self.sets.append([library.copy(array) for array in inputs])
        if request["kernel"] in library.replayed:
            self.recorded = max(RECORDED, len(self.sets))
            self.replay = library.record(function, self.sets, self.recorded)

    def load(self, item, device):
        array = self.library.load(numpy.load(item["file"]), item["dtype"], device)
        axes = item["axes"]
        if array is None or axes == sorted(axes):
            return array
        return self.library.transpose(array, axes)

    def outputs(self):
        answer = []
        before = self.library.start_memory()
        arrays = listed(self.function(*self.sets[0]))
        memory = self.library.stop_memory(before)
        for index, array in enumerate(arrays):
            stored, dtype = self.library.store(array)
            path = os.path.join(self.folder, f"output_{index}.npy")
            numpy.save(path, stored.copy(order="C"))
            answer.append({"file": path, "dtype": dtype})
        return {"outputs": answer, "memory": memory}

    def sample(self, calls):
        function, library, sets = self.function, self.library, self.sets
        outputs, rounds = None, calls
        if self.replay is not None:
            function, sets, rounds = self.replay, [[]], -(-calls // self.recorded)
            calls = rounds * self.recorded
        library.finish([])
        wall = time.perf_counter()
        timer = library.start_timer()
        for _ in range(rounds):
            outputs = function(*sets[self.next % len(sets)])
            self.next += 1
        device = library.stop_timer(timer)
        library.finish(listed(outputs))
        wall = (time.perf_counter() - wall) * 1e3
        return {"wall_ms": wall / calls, "device_ms": None if device is None else device / calls}


class Indexed(Problem):
    """An index of vectors in a file, and searches in it for the queries of another."""

    def __init__(self, library, request):
        self.library = library
        self.folder = request["folder"]
        self.function = None
        self.next = 0
        self.replay = None
        if not library.accepts(request["device"]):
            return
        self.index = library.index(request["recipe"], request["dimension"], request["k"], request["refine"])
        if self.index is None:
            return
        vectors, self.queries = numpy.load(request["vectors"]), numpy.load(request["queries"])
        self.train_ms = milliseconds(lambda: self.index.train(vectors[: request["shown"]]))
        self.add_ms = milliseconds(lambda: self.index.add(vectors))
        self.function = self.index.search

    def aim(self, nprobe, batch):
        self.index.aim(nprobe)
        starts = range(0, len(self.queries) - batch + 1, batch)[:STRETCHES]
        self.sets = [[self.queries[start : start + batch]] for start in starts]
        self.next = 0


def milliseconds(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def listed(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def serve(make):
    """Answers requests until the input ends. `make` imports the library and gives its Library."""
    # Whatever a library prints must not end up between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        library = make()
    except Exception as why:  # a library that fails to load in any way is as good as none
        return answer({"absent": f"{type(why).__name__}: {why}"})
    answer({"library": library.name})
    problem = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["op"] == "open":
                problem = None  # frees the one before first
                problem = Problem(library, request)
                answer({"knows": problem.function is not None})
            elif request["op"] == "index":
                problem = None
                problem = Indexed(library, request)
                if problem.function is None:
                    answer({"knows": False})
                else:
                    answer({"knows": True, "train_ms": problem.train_ms, "add_ms": problem.add_ms})
            elif request["op"] == "aim":
                problem.aim(request["nprobe"], request["batch"])
                answer({})
            elif request["op"] == "outputs":
                answer(problem.outputs())
            elif request["op"] == "sample":
                answer(problem.sample(request["calls"]))
            elif request["op"] == "close":
                problem = None
                library.release()
                answer({})
            else:
                answer({"error": f"unknown request {request['op']!r}"})
        except Exception as why:  # told to whoever asked; the next request may fare better
            answer({"error": f"{type(why).__name__}: {why}"})
