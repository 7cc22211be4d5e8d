"""Gradients of whole networks beside central differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nettrain.component import family, register
from nettrain.diagnose import GradientCheck
from nettrain.execute import executor
from nettrain.experiment import gradient_check as module
from nettrain.experiment.gradient_check import AGREE, OFF, gradient_checks
from nettrain.experiment.setup import set_up
from nettrain.graph import Node, Operation, Spec
from nettrain.graph.node import apply
from nettrain.nn import Activation
from tests.experiment.conftest import SMALL


class Cube(Operation):
    """y = x³ with a derivative that is 2/3 of what it should be."""

    name = "cube"
    factor = 2.0

    def spec(self, *inputs: Spec) -> Spec:
        return inputs[0]

    def forward(self, xp: Any, *inputs: Any) -> Any:
        return inputs[0] * inputs[0] * inputs[0]

    def vjp(self, g: Node, y: Node, *inputs: Node) -> list[Node]:
        return [g * inputs[0] * inputs[0] * self.factor]


class TrueCube(Cube):
    """y = x³ with its derivative."""

    name = "true_cube"
    factor = 3.0


@pytest.fixture(autouse=True)
def _plugins() -> Iterator[None]:
    for operation in (Cube, TrueCube):

        @register(operation.name)
        class Cubic(Activation):
            """f(z) = z³."""

            def formula(self, z: Node, operation: Any = operation) -> Node:
                return apply(operation(), z)

    yield
    for operation in (Cube, TrueCube):
        family.forget(operation.name)


def checked(*model: Any, runner: str = "numpy", **sections: Any) -> list[GradientCheck]:
    setup = set_up({**SMALL, "model": [*model, {"dense": "auto"}], **sections})
    part = setup.dataset.parts["train"]
    return list(gradient_checks(setup.recipe, executor(runner), part))


def dense(**settings: Any) -> dict[str, Any]:
    return {"dense": {"units": 6, **settings}}


@pytest.mark.parametrize("runner", ["numpy", "reference"])
def test_every_parameter_of_a_sound_network_agrees(runner: str) -> None:
    block = [dense(activation="gelu", weight_l2=0.1), "batch_norm", "layer_norm"]
    shortcut = {"residual": [dense(activation="prelu"), {"dropout": 0.5}, dense()]}
    found = checked(*block, shortcut, dense(activation="hard_swish"), runner=runner)
    assert len(found) == 15
    assert max(made.error for made in found) < AGREE
    assert all(made.exact == pytest.approx(made.numeric, rel=1e-5) for made in found)
    assert any(abs(made.exact) > 0.1 for made in found)
    assert {made.operation for made in found} == {""}


def test_a_frozen_parameter_has_no_gradient() -> None:
    found = checked(dense(trainable=False))
    assert [made.parameter for made in found] == [
        "model/dense2/weight",
        "model/dense2/bias",
    ]


def test_a_wrong_derivative_is_found_with_its_operation() -> None:
    first, bias, last, shift = checked(dense(activation="cube"))
    assert first.error == pytest.approx(1 / 3, rel=1e-4)  # 2 z² for 3 z²
    assert bias.error == pytest.approx(1 / 3, rel=1e-4)
    assert first.exact == pytest.approx(first.numeric * 2 / 3, rel=1e-4)
    assert (first.operation, bias.operation) == ("cube", "cube")
    # What does not lie before it is right, and blames nobody.
    assert max(last.error, shift.error) < AGREE
    assert last.operation == ""
    assert all(made.error < AGREE for made in checked(dense(activation="true_cube")))


def test_units_right_on_a_kink_are_looked_at_from_elsewhere() -> None:
    """With weights and biases of 0 each z is 0, where relu' jumps."""
    zero = dense(activation="relu", weight_init="zeros")
    found = checked(zero, dense(activation="relu"))
    assert max(made.error for made in found) < AGREE
    assert all(made.operation == "" for made in found)


def test_a_vanished_gradient_proves_nothing() -> None:
    block = [dense(activation="sigmoid", weight_init={"normal": {"std": 1e-4}})]
    found = checked({"repeat": {"times": 5, "block": block}})
    assert abs(found[0].exact) < 1e-15
    assert found[0].error == 0.0


def test_a_wrong_derivative_in_a_deep_network() -> None:
    deep = [dense(activation="tanh") for _ in range(6)]
    found = checked(*deep[:3], dense(activation="cube"), *deep[3:])
    wrong = {made.parameter for made in found if made.error > OFF}
    assert "model/dense1/weight" in wrong and "model/dense4/weight" in wrong
    assert not any(f"dense{i}" in path for path in wrong for i in range(5, 9))


def test_a_cost_that_is_not_finite_has_no_checks() -> None:
    setup = set_up({**SMALL, "model": [dense(activation="relu"), {"dense": 3}]})
    part = setup.dataset.parts["train"]
    part.inputs[:, 0] = np.inf
    assert gradient_checks(setup.recipe, executor("numpy"), part) == ()


def test_it_is_the_same_every_time() -> None:
    assert checked(dense(activation="tanh")) == checked(dense(activation="tanh"))


def test_attempts_end_where_all_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    made = module._Check.made

    def counting(self: Any, paths: Any, step: float) -> Any:
        paths = list(paths)
        tried.append(len(paths))
        return made(self, paths, step)

    monkeypatch.setattr(module._Check, "made", counting)
    checked(dense(activation="tanh"))
    assert tried[0] == 4 and sum(tried[1:]) == 0
