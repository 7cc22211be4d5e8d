"""PyTorch's own samples of its operations: no wrong value or derivative, none lost."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nettrain.graph import operations as ops
from tests.parity import opinfo
from tests.parity.opinfo import RULES, Unsupported

FEW = 4


@pytest.fixture(autouse=True)
def pytorch(torch: Any) -> None:
    """The PyTorch that the list is of."""
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


KINKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "clamp": ([0.0, 1.0], {"min": 0.0, "max": 1.0}),
    "nn_functional_adaptive_max_pool1d": ([[[1.0, 1.0]]], {"output_size": 1}),
    "nn_functional_adaptive_max_pool2d": ([[[[1.0, 1.0]]]], {"output_size": 1}),
    "nn_functional_adaptive_max_pool3d": ([[[[[1.0, 1.0]]]]], {"output_size": 1}),
    "nn_functional_hardsigmoid": ([3.0], {}),
    "nn_functional_hardswish": ([3.0], {}),
    "nn_functional_hardtanh": ([-1.0], {}),
    "nn_functional_max_pool1d": ([[[1.0, 1.0]]], {"kernel_size": 2}),
    "nn_functional_max_pool2d": ([[[[1.0, 1.0]]]], {"kernel_size": (1, 2)}),
    "nn_functional_relu6": ([6.0], {}),
}


@pytest.mark.parametrize("name", opinfo.DIFFERENCES)
def test_what_differs_differs_at_a_kink_alone(
    torch: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, settings = KINKS[name]
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    sample = SimpleNamespace(input=x, args=(), kwargs=settings)
    opinfo.compare(name, sample)
    monkeypatch.delitem(opinfo.DIFFERENCES, name)
    with pytest.raises(AssertionError):
        opinfo.compare(name, sample)


@pytest.mark.parametrize("name", opinfo.ROUGH)
def test_what_is_rough_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(opinfo.ROUGH, name)
    with pytest.raises(AssertionError, match="result 1"):
        opinfo.outcomes(name)


@pytest.mark.parametrize("name", opinfo.FIRST_ONLY)
def test_pytorch_has_no_second_derivative(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(opinfo.FIRST_ONLY, name)
    with pytest.raises(RuntimeError, match="not implemented"):
        opinfo.outcomes(name)


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
        pytest.param(lambda x: ops.expand_dims(x * x, 0), id="shape"),
        pytest.param(lambda x: [x * x, x], id="number-of-results"),
    ],
)
def test_a_wrong_rule_is_found(
    torch: Any, monkeypatch: pytest.MonkeyPatch, rule: Any
) -> None:
    x = torch.tensor([2.0, 2.0], dtype=torch.float64, requires_grad=True)
    sample = SimpleNamespace(input=x, args=(), kwargs={})
    opinfo.compare("square", sample)
    monkeypatch.setitem(RULES, "square", rule)
    with pytest.raises(AssertionError):
        opinfo.compare("square", sample)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda x: ops.cast(x * x, "float32"), id="dtype"),
        pytest.param(lambda x: ops.reshape(x * x, ()), id="shape"),
    ],
)
def test_the_right_number_of_another_kind_is_found(
    torch: Any, monkeypatch: pytest.MonkeyPatch, rule: Any
) -> None:
    x = torch.tensor([2.0], dtype=torch.float64)
    monkeypatch.setitem(RULES, "square", rule)
    with pytest.raises(AssertionError):
        opinfo.compare("square", SimpleNamespace(input=x, args=(), kwargs={}))


def test_a_wrong_value_at_a_kink_is_found(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.tensor([6.0], dtype=torch.float64, requires_grad=True)
    name, sample = "nn_functional_relu6", SimpleNamespace(input=x, args=(), kwargs={})
    right = RULES[name]
    monkeypatch.setitem(
        RULES, name, lambda x: ops.where(ops.equal(x, 6.0), 5.0, right(x))
    )
    with pytest.raises(AssertionError, match="result 0"):
        opinfo.compare(name, sample)


def test_what_a_rule_does_not_know_is_unsupported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(RULES, "softmax", lambda x: x)
    with pytest.raises(Unsupported, match="too many positional"):
        opinfo.compare("softmax", opinfo.samples("softmax", 1)[0])


def test_samples_are_the_same_in_every_process(torch: Any) -> None:
    """Whatever was drawn before; and what is drawn later is as without them."""

    def state() -> list[Any]:
        numbers = np.random.get_state()[1].tolist()
        return [random.getstate(), numbers, torch.get_rng_state().tolist()]

    name = "nn_functional_huber_loss"  # its settings are drawn as well
    first = opinfo.samples(name)
    random.random(), np.random.random(700), torch.rand(3)
    before = state()
    assert str(opinfo.samples(name, 2)) == str(first[:2])
    assert state() == before


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
