"""The numerics fingerprint."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from nettrain.execute import fingerprint as module
from nettrain.execute.fingerprint import environment, fingerprint


def test_it_is_the_same_every_time() -> None:
    assert fingerprint() == fingerprint()
    assert re.fullmatch("[0-9a-f]{64}", fingerprint())


@pytest.mark.parametrize("seed", ["0", "1"])
def test_it_is_the_same_in_another_process(seed: str) -> None:
    code = (
        "import json; from nettrain.execute.fingerprint import *;"
        "print(json.dumps([fingerprint(), environment()]))"
    )
    again = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    output = subprocess.check_output([sys.executable, "-c", code], env=again, text=True)
    assert json.loads(output) == [fingerprint(), environment()]


@pytest.mark.parametrize("name", ["add", "exp", "dot", "max"])
def test_one_other_last_bit_is_another_fingerprint(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint()
    changed = []

    def flip(value: np.ndarray) -> np.ndarray:
        changed.append(True)
        value = np.array(value)
        if len(changed) == 1:
            value.flat[0] = np.nextafter(value.flat[0], value.dtype.type(np.inf))
        return value

    original = module._results

    def results(dtype: str) -> object:
        for i, value in enumerate(original(dtype)):
            index = {"add": 12, "exp": 0, "dot": 15, "max": 14}[name]
            yield flip(value) if i == index else value

    monkeypatch.setattr(module, "_results", results)
    assert fingerprint() != before


def test_some_forty_kernels_in_both_dtypes() -> None:
    results = {d: list(module._results(d)) for d in ("float32", "float64")}
    assert 25 <= len(results["float32"]) == len(results["float64"]) <= 40
    for dtype, arrays in results.items():
        assert {a.dtype.name for a in arrays} == {dtype}
        assert all(np.isfinite(a).all() for a in arrays)


def test_the_environment_names_what_the_bits_depend_on() -> None:
    found = environment()
    assert found["numpy"] == np.__version__
    assert {"blas", "blas_kernel", "blas_threads", "simd", "python", "machine"} <= set(
        found
    )
    assert json.loads(json.dumps(found)) == found
    assert not any("/" in str(value) for value in found.values())
