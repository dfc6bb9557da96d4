"""Functions from the registry of kernels: one module per family, made when the package is imported."""

import collections
import inspect
import sys
import types

from tilewright import _native


def camel(name):
    return "".join(word.capitalize() for word in name.split("_"))


def _result(name, family, fields):
    """The class of a kernel's results: a named tuple that pickles, for it can be found where it says it is."""
    made = collections.namedtuple(camel(name) + "Result", fields, module=f"tilewright.{family}")
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
    function.__module__ = f"tilewright.{kernel.family}"
    function.__doc__ = documentation(kernel)
    function.__signature__ = signature(kernel)
    function.kernel = kernel
    return function


def install(package):
    """Makes the modules; returns `kernels`, which has every family as a module and every function by name in `ALL`."""
    kernels = types.ModuleType(f"{package}.kernels", "Every kernel: a module per family, and `ALL`, the functions by name.")
    kernels.ALL = {}
    for kernel in _native.kernels(_result):
        name = f"{package}.{kernel.family}"
        family = sys.modules.get(name)
        if family is None:
            family = types.ModuleType(name, f"Kernels of the family {kernel.family}.")
            family.__all__ = []
            sys.modules[name] = sys.modules[f"{package}.kernels.{kernel.family}"] = family
            setattr(kernels, kernel.family, family)
        function = _function(kernel)
        setattr(family, kernel.name, function)
        family.__all__.append(kernel.name)
        if kernel.result is not None:
            setattr(family, kernel.result.__name__, kernel.result)
            family.__all__.append(kernel.result.__name__)
        kernels.ALL[kernel.name] = function
    sys.modules[kernels.__name__] = kernels
    return kernels


def families(kernels):
    return {name: value for name, value in vars(kernels).items() if isinstance(value, types.ModuleType)}
