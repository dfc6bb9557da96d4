"""The tour, on the package's own sources."""

import pathlib
import re
import xml.etree.ElementTree as ElementTree

import pytest

from tilewright import tour

SOURCES = pathlib.Path(tour.__file__).parent


def test_the_tour_finds_and_draws_and_learns(tmp_path, capsys):
    tour.main([str(SOURCES), "--query", "the gradient of a kernel by autograd", "--plot", str(tmp_path / "tour.svg"), "--rank", "16", "--learn", "2"])
    said = capsys.readouterr().out
    assert "search, from an index file" in said and "torch.py" in said
    drawing = ElementTree.parse(tmp_path / "tour.svg").getroot()
    assert sum(each.tag.endswith("circle") for each in drawing) > 13
    ElementTree.parse(tmp_path / "tour-losses.svg")
    errors = [float(line.rsplit(" ", 1)[1]) for line in said.splitlines() if " error " in line]
    assert len(errors) == 3 and errors[0] < 1e-3 and max(errors[1:]) < 1e-5, said
    models = [re.findall(r"([\d.]+) %", line) for line in said.splitlines() if "of rank" in line]
    assert len(models) == 3 and "systems of" in said
    for error, least in models:
        assert float(least) - 1e-3 <= float(error) <= 1.01 * float(least) + 1e-3, said
    first, last = (float(each) for each in said.split("   loss ")[1].split("\n")[0].split(" to "))
    assert last < first - 1


def test_too_little_text_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        tour.main([str(tmp_path)])
    assert "expected at least 8" in capsys.readouterr().err
