"""What began a step that was not finite: forward, backward, or the update before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from nettrain.data import Part
from nettrain.diagnose.evidence import Blame
from nettrain.graph import Node
from nettrain.graph import operations as ops
from nettrain.nn import Dense, Layer, MeanSquaredError
from nettrain.nn.initializers import Constant
from nettrain.nn.trace import Trace
from nettrain.optim import SGD
from tests.training.conftest import Start, Started, parts

LINES = {
    "model/dense1": "run.yaml:7",
    "model/bend1": "run.yaml:8",
    "model/dense2": "run.yaml:9",
    "loss": "run.yaml:12",
}


@dataclass(frozen=True)
class Bend(Layer):
    registered_name: ClassVar[str] = "bend"
    how: str = "exp"

    def apply(self, x: Node, trace: Trace) -> Node:
        if self.how == "norm":
            return x + ops.sqrt(ops.sum(ops.square(x), -1, keepdims=True))
        made: Node = getattr(ops, self.how)(x)
        return made


def blamed(started: Started) -> Blame:
    assert started.loop.run().status == "diverged"
    probe = started.loop._probe
    assert probe is not None and probe.evidence.blame is not None
    return probe.evidence.blame


def changed(row: int, value: float) -> dict[str, Part]:
    """The data with another value in all columns of one row."""
    data = parts()
    inputs = data["train"].inputs.copy()
    inputs[row] = value
    data["train"] = Part(inputs, data["train"].targets, data["train"].rows + 100)
    return data


def test_a_row_that_is_far_too_large(start: Start) -> None:
    found = blamed(start(data=changed(17, 3e38), origins=LINES, epochs=2))
    assert (found.direction, found.layer, found.operation) == (
        "forward", "dense1", "matmul",
    )  # fmt: skip
    assert (found.rows, found.origin) == ((117,), "run.yaml:7")
    assert "3e+38" in found.inputs


def test_a_row_that_is_no_number(start: Start) -> None:
    found = blamed(start(data=changed(5, np.nan), origins=LINES, epochs=2))
    assert (found.operation, found.rows, found.layer) == ("input", (105,), None)
    assert found.origin == ""


def test_an_exponential(start: Start) -> None:
    layers = [Dense(3, weight_init=Constant(5.0)), Bend(how="exp"), Dense(2)]
    data = changed(3, 9.0)
    found = blamed(start(layers, origins=LINES, data=data, batch_size=30, epochs=1))
    assert (found.direction, found.layer, found.origin) == (
        "forward", "bend1", "run.yaml:8",
    )  # fmt: skip
    assert found.inputs == "exp: input 180 > 88.7"
    assert found.rows == (103,)


@pytest.mark.parametrize("lines", [LINES, {}])
def test_the_root_of_0_is_finite_and_its_derivative_is_not(
    start: Start, lines: dict[str, str]
) -> None:
    layers = [Dense(6, activation="relu"), Bend(how="sqrt"), Dense(2)]
    found = blamed(start(layers, origins=lines, epochs=1))
    assert (found.step, found.direction, found.layer) == (1, "backward", "bend1")
    assert found.node == "gradient of model/dense1/activation"
    assert found.inputs.startswith("gradient of sqrt: divide: ")
    assert found.inputs.endswith(", which holds 0")
    assert found.rows
    # The line of the config, or where there is none of the source.
    expected = "run.yaml" if lines else __file__
    assert found.origin.rpartition(":")[0] == expected


def test_the_norm_of_nothing(start: Start) -> None:
    layers = [Dense(4), Bend(how="norm"), Dense(2)]
    data = changed(17, 0.0)
    run = start(layers, origins=LINES, data=data, batch_size=30, epochs=1)
    found = blamed(run)
    assert (found.direction, found.layer, found.rows) == ("backward", "bend1", (117,))
    assert found.inputs.startswith("gradient of sqrt: divide: ")
    assert found.origin == "run.yaml:8"


def test_a_loss_beyond_the_dtype(start: Start) -> None:
    train = parts()["train"]
    targets = np.linspace(-1e30, 1e30, len(train), dtype=np.float32)[:, None]
    data = {"train": Part(train.inputs, targets, train.rows)}
    run = start([Dense(1)], loss=MeanSquaredError(), data=data, origins=LINES, epochs=1)
    found = blamed(run)
    assert (found.operation, found.direction, found.layer) == (
        "square", "forward", None,
    )  # fmt: skip
    assert found.origin == "run.yaml:12"
    assert len(found.rows) == 8


@pytest.mark.parametrize("steps", [1, 20])
def test_an_update_that_left_weights_without_value(start: Start, steps: int) -> None:
    """Seen at the next step; where there is none, when the last weights are judged."""
    run = start(optimizer=SGD(1e39), steps=steps, origins=LINES)
    found = blamed(run)
    assert (found.step, found.direction) == (2, "update")
    assert found.node == "model/dense1/weight" and found.origin == "run.yaml:7"
    assert run.loop.step == 1
