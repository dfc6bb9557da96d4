"""Which kernel is the gradient of which, read from the registry: `<kernel>_bw` takes gradients of outputs, inputs and outputs by their names."""

import math

from tilewright._native import asarray, frombuffer
from tilewright._registry import kernels


def _first_state(inputs, slot):
    """The state before the first step of an mLSTM, which its gradient wants to be told: zeros."""
    q, v, gate = (asarray(inputs[at]) for at in (0, 2, 3))
    b, nh, _, dqk = q.shape
    shapes = {"c": [b, nh, dqk, v.shape[-1]], "n": [b, nh, dqk], "m": [b, nh]}
    if slot not in shapes:
        return None
    size = math.prod(shapes[slot]) * (gate.nbytes // gate.size)
    return frombuffer(bytes(size), gate.dtype, shapes[slot]).to(gate.device)


class Plan:
    """How the gradient of a kernel is called."""

    def __init__(self, name):
        self.name = name
        self.forward, self.backward = kernels.ALL[name], kernels.ALL[name + "_bw"]
        kernel, gradient = self.forward.kernel, self.backward.kernel
        self.inputs = [slot[0] for slot in kernel.inputs]
        self.optional = [slot[2] for slot in kernel.inputs]
        self.outputs = [slot[0] for slot in kernel.outputs]
        known = {argument for argument, _, _ in gradient.arguments}
        self.arguments = [argument for argument, _, _ in kernel.arguments if argument in known]
        # A gradient that calls the one result y, whatever its kernel calls it: info is none that anything flows back through.
        main = [at for at, slot in enumerate(self.outputs) if slot != "info"]
        alone = len(main) == 1
        # Each source is ("input" | "output" | "gradient", index).
        self.sources = []
        for slot, _, may_lack in gradient.inputs:
            if slot in self.inputs:
                self.sources.append(("input", self.inputs.index(slot)))
            elif slot in self.outputs:
                self.sources.append(("output", self.outputs.index(slot)))
            elif slot[1:] in self.outputs:
                self.sources.append(("gradient", self.outputs.index(slot[1:])))
            elif slot in ("y", "dy") and alone:
                self.sources.append(("output" if slot == "y" else "gradient", main[0]))
            elif not may_lack:
                raise TypeError(f"{name}_bw: its input {slot} is none of {name}'s")
        # Which result of the gradient is that of which input.
        self.results = [slot[0] for slot in gradient.outputs]
        self.gradients = []
        # Inputs that change the result and that the gradient has never heard of.
        self.unknown = []
        for slot in self.inputs:
            own = [index for index, result in enumerate(self.results) if result in (f"d{slot}", f"d{slot[0]}", f"d{slot}_first")]
            exact = [index for index in own if self.results[index] == f"d{slot}"]
            self.gradients.append((exact or own or [None])[0])
            at = len(self.gradients) - 1
            if self.optional[at] and self.gradients[at] is None and ("input", at) not in self.sources:
                self.unknown.append(at)

    def extra(self, inputs):
        """Arguments of the gradient that the inputs tell."""
        return {"n": inputs[0].shape[0]} if self.name == "embedding" else {}

    def run(self, inputs, arguments):
        """The outputs, as a tuple."""
        given = list(inputs)
        while given and given[-1] is None:
            given.pop()
        result = self.forward(*given, **arguments)
        return result if len(self.outputs) > 1 else (result,)

    def differentiate(self, inputs, outputs, gradients, arguments):
        """The gradient by each input, None where there is none."""
        for at in self.unknown:
            if inputs[at] is not None:
                raise NotImplementedError(f"{self.name}: {self.name}_bw is of results without {self.inputs[at]}: leave it out")
        known = inputs
        if self.name == "mlstm_chunkwise":
            known = [_first_state(inputs, slot) if value is None else value for slot, value in zip(self.inputs, inputs, strict=True)]
        tables = {"input": known, "output": outputs, "gradient": gradients}
        given = [tables[kind][index] for kind, index in self.sources]
        while given and given[-1] is None:
            given.pop()
        chosen = {name: value for name, value in arguments.items() if name in self.arguments}
        results = self.backward(*given, **chosen, **self.extra(inputs))
        results = results if len(self.results) > 1 else (results,)
        return [None if place is None or inputs[at] is None else results[place] for at, place in enumerate(self.gradients)]

    def refuse(self, at):
        """What is said where a gradient is asked for that the kernel does not give."""
        return NotImplementedError(f"{self.name}: {self.name}_bw gives no gradient by {self.inputs[at]}: detach it")


def plans():
    """The plan of every kernel that has a gradient."""
    return {name: Plan(name) for name in kernels.ALL if name + "_bw" in kernels.ALL}
