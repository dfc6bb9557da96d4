"""The side of `tilewright bench --peers` that a Python library is on: one line of JSON in, one line out.

A script offers functions by kernel name. Each takes the inputs, in the library's own arrays, and the kernel's arguments that
differ from their defaults, and gives the outputs in the kernel's order; or it gives None where the library cannot do exactly that.
The requests are described in crates/tilewright-cli/src/peers/python.rs.
"""

import json
import os
import sys
import time


class Library:
    """What a library has to provide. Times are measured around `finish`, so that no work is left undone in them."""

    name = ""

    def accepts(self, device):
        """Whether arrays can live on this device, such as "cpu" or "cuda:0"."""
        return device == "cpu"

    def load(self, array, dtype, device):
        """A library array of a NumPy array; dtype says "bf16" where the NumPy array holds its bits."""
        raise NotImplementedError

    def copy(self, array):
        """Another array with the same contents and strides."""
        raise NotImplementedError

    def store(self, array):
        """A NumPy array and its dtype's name, the reverse of load."""
        raise NotImplementedError

    def finish(self, outputs):
        """Waits until the outputs are there."""

    def device_timer(self):
        """A pair of functions, start and stop; stop gives milliseconds by the device's timer. None without one."""
        return None

    def functions(self, kernel, args):
        """Functions of the inputs that compute this kernel, by name: usually one, called like the library."""
        raise NotImplementedError


class Problem:
    """The functions for one problem, with enough copies of its inputs that none is found in a cache."""

    def __init__(self, library, request):
        import numpy

        self.library = library
        self.folder = request["folder"]
        self.peers = {}
        self.next = 0
        self.sets = []
        if not library.accepts(request["device"]):
            return
        self.peers = library.functions(request["kernel"], request["args"]) or {}
        if not self.peers:
            return
        inputs = []
        for item in request["inputs"]:
            stored = numpy.load(item["file"])
            loaded = library.load(stored, item["dtype"], request["device"])
            if loaded is None:
                self.peers = {}
                return
            inputs.append(loaded.transpose(item["axes"]) if item["axes"] != sorted(item["axes"]) else loaded)
        self.sets = [inputs] + [[library.copy(array) for array in inputs] for _ in range(request["sets"] - 1)]
        # A function that cannot take these very inputs says so by None.
        self.peers = {name: function for name, function in self.peers.items() if function(*inputs) is not None}

    def outputs(self, peer):
        import numpy

        answer = []
        for index, array in enumerate(listed(self.peers[peer](*self.sets[0]))):
            stored, dtype = self.library.store(array)
            path = os.path.join(self.folder, f"{peer.replace('/', '_')}_{index}.npy")
            numpy.save(path, numpy.ascontiguousarray(stored).reshape(stored.shape))
            answer.append({"file": path, "dtype": dtype})
        return {"outputs": answer}

    def sample(self, peer, calls):
        function, library = self.peers[peer], self.library
        timer = library.device_timer()
        library.finish([])
        wall = time.perf_counter()
        if timer:
            timer[0]()
        outputs = None
        for _ in range(calls):
            outputs = function(*self.sets[self.next % len(self.sets)])
            self.next += 1
        device = timer[1]() if timer else None
        library.finish(listed(outputs))
        wall = time.perf_counter() - wall
        return {"wall_ms": wall * 1e3 / calls, "device_ms": device / calls if device is not None else None}


def listed(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def serve(make):
    """Answers requests until the input ends. `make` imports the library; an ImportError means that it is absent."""
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
                problem = None
                problem = Problem(library, request)
                answer({"peers": sorted(problem.peers)})
            elif request["op"] == "outputs":
                answer(problem.outputs(request["peer"]))
            elif request["op"] == "sample":
                answer(problem.sample(request["peer"], request["calls"]))
            elif request["op"] == "close":
                problem = None
                answer({})
            else:
                answer({"error": f"unknown request {request['op']!r}"})
        except Exception as why:  # told to whoever asked; the next request may fare better
            answer({"error": f"{type(why).__name__}: {why}"})
