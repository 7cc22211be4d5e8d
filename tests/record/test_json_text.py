from __future__ import annotations

from pathlib import Path

import pytest

from nettrain.errors import Error
from nettrain.record import json_text
from nettrain.record.json_text import anything, check, count, finite, misfit, number

FORM = {
    "name": str,
    "status": ("running", "finished"),
    "step": count,
    "lines": {str: str},
    "reason?": (None, str),
    "rows?": [{"value": number}],
}
GOOD = {"name": "x", "status": "running", "step": 3, "lines": {"a": "b"}}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, None),
        ({"more": [1, {"deep": None}]}, None),
        ({"reason": None, "rows": []}, None),
        ({"rows": [{"value": 1}, {"value": "nan", "more": 1}]}, None),
        ({"name": 1}, "name"),
        ({"status": "gone"}, "status"),
        ({"status": []}, "status"),
        ({"step": True}, "step"),
        ({"step": -1}, "step"),
        ({"step": 2**63}, "step"),
        ({"step": 1.0}, "step"),
        ({"lines": {"a": 1}}, "lines.a"),
        ({"lines": []}, "lines"),
        ({"reason": 1}, "reason"),
        ({"rows": {}}, "rows"),
        ({"rows": [{"value": 1}, {"value": "x"}]}, "rows.1.value"),
        ({"rows": [{}]}, "rows.0.value"),
    ],
)
def test_what_does_not_fit_is_named(change, where):
    assert misfit(GOOD | change, FORM) == where


def test_missing_key_is_named():
    for name in ("name", "status", "step", "lines"):
        assert misfit({k: v for k, v in GOOD.items() if k != name}, FORM) == name


@pytest.mark.parametrize("value", [None, 1, "x", []])
def test_another_value_altogether(value):
    assert misfit(value, FORM) == ""
    with pytest.raises(Error, match=r"f is damaged: nothing can be read") as caught:
        check(value, FORM, Path("f"))
    assert caught.value.code == "run-damaged"


def test_numbers_are_those_that_a_float_holds():
    assert all(map(number, (0, -1.5, 10**300, "nan", "inf", "-inf")))
    assert not any(map(number, (True, None, "1", 10**400, [], "NaN")))
    assert not finite("nan") and not finite(float("nan")) and not finite(float("inf"))


def test_anything_is_no_deeper_than_what_is_written():
    value = []
    for _ in range(json_text.DEPTH - 1):
        value = {"x": value}
    assert anything(value)
    assert not anything([value])
    endless = []
    for _ in range(100_000):
        endless = [endless]
    assert not anything(endless)
    while endless:
        endless = endless.pop()
