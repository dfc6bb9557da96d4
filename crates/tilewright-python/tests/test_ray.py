"""The examples on a local Ray cluster of several processes."""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("ray", reason="Ray is not installed: its examples were not run")
EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("example", "arguments", "said"),
    [("ray_search.py", ["3000", "3"], ["shard 1 is gone", "finds: True"]), ("ray_linalg.py", ["500", "4"], ["500 matrices of 32 x 32"])],
)
def test_examples(example, arguments, said):
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"})
    assert run.returncode == 0, run.stdout + run.stderr
    for text in said:
        assert text in run.stdout
