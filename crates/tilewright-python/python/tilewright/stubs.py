"""Type stubs of the functions that the registry makes.

    python -m tilewright.stubs FOLDER            # writes them
    python -m tilewright.stubs --check FOLDER    # fails where they are not what it would write
"""

import argparse
import pathlib
import re
import sys
import textwrap

from tilewright import _registry

HEADER = '''"""{title} Written by `python -m tilewright.stubs`: do not edit."""

'''

INIT = '''from typing import Any, Final, Protocol, TypeVar

from tilewright import {families}
from tilewright import kernels as kernels
from tilewright import linalg as linalg
from tilewright import lm as lm
from tilewright import sample as sample
from tilewright import search as search
from tilewright._native import CompileError as CompileError
from tilewright._native import Device as Device
from tilewright._native import DeviceError as DeviceError
from tilewright._native import MetalKernel as MetalKernel
from tilewright._native import NumericalError as NumericalError
from tilewright._native import Stream as Stream
from tilewright._native import Tensor as Tensor
from tilewright._native import asarray as asarray
from tilewright._native import devices as devices
from tilewright._native import frombuffer as frombuffer
from tilewright._native import metal_kernel as metal_kernel
from tilewright.lm import LanguageModel as LanguageModel
from tilewright.sample import Sampler as Sampler
from tilewright.sample import SamplingParams as SamplingParams
from tilewright.search import Index as Index

DTYPES: Final[list[str]]
__version__: Final[str]

class HasDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> Any: ...

class HasBuffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...

Array = TypeVar("Array", bound=HasDLPack | HasBuffer)
"""Arrays of one library: results are of the library of the first input."""
'''


def quoted(text, indent):
    body = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return textwrap.indent(f'"""{body}\n"""', indent, lambda line: bool(line.strip()))


def hint(kinds):
    # An int is a float to a type checker.
    kinds = [kind for kind in kinds if not (kind == "int" and "float" in kinds)]
    return " | ".join(kinds)


def function_stub(function):
    kernel = function.kernel
    parameters = [f"{name}: Array | None = None" if optional else f"{name}: Array" for name, _, optional in kernel.inputs]
    types = kernel.argument_types()
    parameters.append("*")
    for name, default, _ in kernel.arguments:
        # A dtype of any library is taken for its name.
        kind = "Any" if name == "dtype" or name.endswith("_dtype") else hint(types[name])
        parameters.append(f"{name}: {kind} = {default!r}")
    parameters += ["device: Device | str | None = None", "variant: str | None = None"]
    returns = "Array" if kernel.result is None else f"{kernel.result.__name__}[Array]"
    lines = [f"def {kernel.name}("]
    lines += [f"    {parameter}," for parameter in parameters]
    lines += [f") -> {returns}:", quoted(_registry.documentation(kernel), "    "), ""]
    stub = "\n".join(lines)
    if kernel.result is not None:
        fields = [
            f"    {name}: Array | None" if optional else f"    {name}: Array" for name, _, optional in kernel.outputs
        ]
        stub = "\n".join([f"class {kernel.result.__name__}(NamedTuple, Generic[Array]):", *fields, "", stub])
    return stub


def family_stub(name, functions):
    """A family's module: what its functions need of `typing`, and the functions."""
    body = "\n".join(function_stub(function) for function in functions)
    needed = [each for each in ("Any", "Generic", "NamedTuple") if re.search(rf"\b{each}\b", body)]
    typing = f"from typing import {', '.join(needed)}\n\n" if needed else ""
    return f"{HEADER.format(title=f'The family {name}.')}{typing}from tilewright import Array, Device\n\n{body}"


def listed(source, names):
    """Modules of a package by name, for who looks them up there; nothing where there are none."""
    return f"from {source} import " + ", ".join(f"{name} as {name}" for name in sorted(names)) + "\n" if names else ""


def written():
    """The text of every stub by its path. A family that has a module written by hand is described under `kernels` alone."""
    named = _registry.families()
    hidden = {name for name in named if _registry.by_hand(name)}
    plain = set(named) - hidden
    together = HEADER.format(title="Every kernel.") + "from collections.abc import Callable\nfrom typing import Any, Final\n\n"
    together += listed("tilewright", plain) + listed("tilewright.kernels", hidden)
    together += "\nALL: Final[dict[str, Callable[..., Any]]]\n"
    families = ", ".join(f"{name} as {name}" for name in sorted(plain))
    texts = {"__init__.pyi": HEADER.format(title="The package.") + INIT.format(families=families), "kernels/__init__.pyi": together}
    for name, family in named.items():
        functions = [getattr(family, each) for each in family.__all__]
        path = f"kernels/{name}.pyi" if name in hidden else f"{name}.pyi"
        texts[path] = family_stub(name, [function for function in functions if hasattr(function, "kernel")])
    return texts


def stale(folder, texts):
    """The files that differ, are missing, or are of a family that is gone."""
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*.pyi")} - {"_native.pyi"}
    wrong = [name for name, text in texts.items() if name not in kept or (folder / name).read_text("utf-8") != text]
    return sorted(wrong + list(kept - set(texts)))


def main():
    parser = argparse.ArgumentParser(prog="python -m tilewright.stubs", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="the package's sources, such as crates/tilewright-python/python/tilewright")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a stub is stale")
    options = parser.parse_args()
    texts = written()
    wrong = stale(options.folder, texts)
    if options.check:
        for name in wrong:
            print(f"{options.folder / name} is stale: run python -m tilewright.stubs {options.folder}", file=sys.stderr)
        return 1 if wrong else 0
    for name in wrong:
        path = options.folder / name
        if name in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[name], "utf-8")
        else:
            path.unlink()
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
