"""The stubs are those of the registry."""

import pathlib

import pytest

from tilewright import _registry, stubs

PACKAGE = pathlib.Path(__file__).parents[1] / "python" / "tilewright"


def test_stubs_are_current():
    texts = stubs.written()
    assert stubs.stale(PACKAGE, texts) == [], "run python -m tilewright.stubs crates/tilewright-python/python/tilewright"
    for name, text in texts.items():
        compile(text, name, "exec")


def test_a_changed_a_missing_and_a_needless_stub_are_noticed(tmp_path):
    texts = {"a.pyi": "a", "b.pyi": "b", "c.pyi": "c"}
    (tmp_path / "a.pyi").write_text("a")
    (tmp_path / "b.pyi").write_text("old")
    (tmp_path / "d.pyi").write_text("d")
    assert stubs.stale(tmp_path, texts) == ["b.pyi", "c.pyi", "d.pyi"]


def test_every_family_has_a_stub():
    hidden = {name for name in _registry.families() if _registry.by_hand(name)}
    paths = {f"kernels/{name}.pyi" if name in hidden else f"{name}.pyi" for name in _registry.families()}
    assert {"linalg", "search", "sample"} == hidden and paths <= set(stubs.written())


@pytest.mark.parametrize("kinds", [["bool"], ["float", "int"], ["int"], ["str"]])
def test_hints(kinds):
    assert stubs.hint(kinds) == {"bool": "bool", "float": "float", "int": "int", "str": "str"}[kinds[0]]
