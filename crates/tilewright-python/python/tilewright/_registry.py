"""Functions from the registry of kernels: one module per family, made when the package is imported.

A family is `tilewright.kernels.<family>`, and `tilewright.<family>` too, unless a module written by hand has that name.
"""

import collections
import inspect
import pathlib
import sys
import types

from tilewright import _native


def camel(name):
    return "".join(word.capitalize() for word in name.split("_"))


def _result(name, family, fields):
    """The class of a kernel's results: a named tuple that pickles, for it can be found where it says it is."""
    made = collections.namedtuple(camel(name) + "Result", fields, module=f"tilewright.kernels.{family}")
    made.__doc__ = f"The results of `{name}`: {', '.join(fields)}. One that the call did not ask for is None."
    return made


def signature(kernel):
    kinds = inspect.Parameter
    parameters = [
        kinds(name, kinds.POSITIONAL_OR_KEYWORD, default=None if optional else kinds.empty)
        for name, _, optional in kernel.inputs
    ]
    parameters += [kinds(name, kinds.KEYWORD_ONLY, default=default) for name, default, _ in kernel.arguments]
    parameters += [kinds(name, kinds.KEYWORD_ONLY, default=None) for name in ("device", "variant")]
    return inspect.Signature(parameters)


def documentation(kernel):
    """The docstring: mathematics, shapes, arguments and dtypes, as the registry describes them."""

    def slots(title, entries, note):
        lines = [f"    {name}: {shape}{note if optional else ''}" for name, shape, optional in entries]
        return [title, *lines, ""]

    lines = [kernel.math, ""]
    lines += slots("Inputs:", kernel.inputs, ", may be left out")
    lines += slots("Returns:", kernel.outputs, ", None where the call does not ask for it")
    lines += ["Arguments:"]
    lines += [f"    {name}: {doc}" for name, _, doc in kernel.arguments]
    lines += [
        "    device: where to run, such as \"cuda:0\"; where the first input lies by default",
        "    variant: one way to run it on the device; the library's choice by default",
        "",
        f"Dtypes: {', '.join(kernel.dtypes)}.",
    ]
    return "\n".join(lines)


def _function(kernel):
    call = kernel.call

    def function(*inputs, **arguments):
        return call(inputs, arguments)

    function.__name__ = function.__qualname__ = kernel.name
    function.__module__ = f"tilewright.kernels.{kernel.family}"
    function.__doc__ = documentation(kernel)
    function.__signature__ = signature(kernel)
    function.kernel = kernel
    return function


def by_hand(family):
    """Whether `tilewright.<family>` is a module of its own."""
    return (pathlib.Path(__file__).parent / f"{family}.py").exists()


def _installed(package):
    """`kernels`, which has every family as a module and every function by name in `ALL`."""
    made = types.ModuleType(f"{package}.kernels", "Every kernel: a module per family, and `ALL`, the functions by name.")
    made.ALL = {}
    # Without a path, `import tilewright.kernels.<family>` finds what is here and nothing else.
    made.__path__ = []
    sys.modules[made.__name__] = made
    for kernel in _native.kernels(_result):
        name = f"{package}.kernels.{kernel.family}"
        family = sys.modules.get(name)
        if family is None:
            family = types.ModuleType(name, f"Kernels of the family {kernel.family}.")
            family.__all__ = []
            sys.modules[name] = family
            if not by_hand(kernel.family):
                sys.modules[f"{package}.{kernel.family}"] = family
            setattr(made, kernel.family, family)
        function = _function(kernel)
        setattr(family, kernel.name, function)
        family.__all__.append(kernel.name)
        if kernel.result is not None:
            setattr(family, kernel.result.__name__, kernel.result)
            family.__all__.append(kernel.result.__name__)
        made.ALL[kernel.name] = function
    return made


def families():
    """The generated modules by family."""
    return {name: value for name, value in vars(kernels).items() if isinstance(value, types.ModuleType)}


kernels = _installed("tilewright")
