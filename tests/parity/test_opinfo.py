"""PyTorch's own samples of its operations: no wrong value or derivative, none lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.graph import operations as ops
from tests.parity import opinfo
from tests.parity.opinfo import RULES, Unsupported

FEW = 4


@pytest.fixture(autouse=True)
def pytorch(torch: Any) -> None:
    """The PyTorch that the list is of, with what its internal tests need."""
    pytest.importorskip("expecttest")
    first = opinfo.LIST.read_text(encoding="utf-8").partition("\n")[0]
    if first != opinfo.title():
        pytest.skip(f"another PyTorch than that of: {first}")


@pytest.mark.parametrize("name", RULES)
def test_some_samples(name: str) -> None:
    """At most four of each operation, from the first that is listed to the last."""
    numbers = opinfo.listed()[name]
    places = np.linspace(0, len(numbers) - 1, min(FEW, len(numbers))).astype(int)
    chosen = [numbers[i] for i in places]
    found = opinfo.samples(name, chosen[-1] + 1)
    for number in chosen:
        opinfo.compare(name, found[number])


@pytest.mark.long
@pytest.mark.parametrize("name", RULES)
def test_all_samples(name: str) -> None:
    """None is lost; a new one is listed by python -m tests.parity.opinfo --write."""
    lines = opinfo.LIST.read_text(encoding="utf-8").splitlines()
    (kept,) = [line for line in lines if line.split()[0] == name]
    assert opinfo.line(name, opinfo.outcomes(name)) == kept


def test_every_rule_is_listed_with_a_sample() -> None:
    found = opinfo.listed()
    assert found.keys() == RULES.keys() and all(found.values())


def test_what_differs_is_named() -> None:
    for names in (opinfo.DIFFERENCES, opinfo.ROUGH, opinfo.FIRST_ONLY):
        assert names.keys() <= RULES.keys()


# ------------------------------------------------------------------ the shim itself


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda x: x * x + 1e-7, id="value"),
        pytest.param(lambda x: ops.stop_gradient(x) * x, id="slope"),
        pytest.param(
            lambda x: (2.0 * x - ops.stop_gradient(x)) * ops.stop_gradient(x),
            id="second-slope",
        ),
        pytest.param(lambda x: ops.stop_gradient(x * x), id="no-slope"),
        pytest.param(lambda x: ops.cast(x * x, "float32"), id="dtype"),
        pytest.param(lambda x: ops.expand_dims(x * x, 0), id="shape"),
        pytest.param(lambda x: [x * x, x], id="number-of-results"),
    ],
)
def test_a_wrong_rule_is_found(monkeypatch: pytest.MonkeyPatch, rule: Any) -> None:
    first = opinfo.samples("square", 1)[0]
    opinfo.compare("square", first)
    monkeypatch.setitem(RULES, "square", rule)
    with pytest.raises(AssertionError):
        opinfo.compare("square", first)


def test_what_a_rule_does_not_know_is_unsupported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(RULES, "softmax", lambda x: x)
    with pytest.raises(Unsupported, match="too many positional"):
        opinfo.compare("softmax", opinfo.samples("softmax", 1)[0])


def test_samples_are_the_same_in_every_process(torch: Any) -> None:
    """Whatever was drawn before, and nothing is taken from later draws."""
    name = "nn_functional_huber_loss"  # PyTorch draws its settings with `random`
    first, state = opinfo.samples(name), np.random.get_state()
    torch.rand(3)
    again = opinfo.samples(name, 2)
    assert str(again) == str(first[:2])
    assert str(np.random.get_state()) == str(state)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([0, 1], "0-1"),
        ([0, 5], "0 5"),
        ([0, 1, 2, 4, 6, 8, 9, 10, 20], "0-2 4-8/2 9-10 20"),
    ],
)
def test_the_list_reads_what_it_writes(
    numbers: list[int], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opinfo, "LIST", tmp_path / "list.txt")
    found = ["" if i in numbers else "why" for i in range(21)]
    written = opinfo.line("op", found)
    assert written.partition("#")[0].split() == [
        "op",
        f"{len(numbers)}/21",
        *text.split(),
    ]
    opinfo.LIST.write_text(written, encoding="utf-8")
    assert opinfo.listed() == {"op": numbers}


def test_the_list_only_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinfo, "LIST", tmp_path / "list.txt")
    results = {"a": ["", "", "why"], "b": ["why", ""]}
    monkeypatch.setattr(opinfo, "outcomes", results.get)
    opinfo.write(["a", "b"])
    before = opinfo.LIST.read_text(encoding="utf-8")
    assert opinfo.listed() == {"a": [0, 1], "b": [1]}
    results |= {"a": ["", "why", ""], "b": ["", ""]}
    with pytest.raises(SystemExit, match=r"a: samples \[1\]"):
        opinfo.write(["a"])
    assert opinfo.LIST.read_text(encoding="utf-8") == before
    opinfo.write(["b"])
    assert opinfo.listed() == {"a": [0, 1], "b": [0, 1]}
