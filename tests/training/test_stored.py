"""Tensors with a right hash that are not those of this network and its loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.nn import Dense
from nettrain.training import stored
from tests.training.conftest import Start, Started

Array = np.ndarray
E = "diagnosis/evidence"
UNITS = "model/dense1/pre_activation"


def copied(started: Started) -> dict[str, Array]:
    return {name: value.copy() for name, value in started.loop.tensors().items()}


def test_what_was_saved_is_taken_back_anywhere(start: Start) -> None:
    for steps in (1, 3, 4, 5, 8, 9):
        done = start(steps=steps)
        done.loop.run()
        again = start(steps=12)
        again.loop.restore(copied(done))
        assert again.loop.step == steps
    first = start(steps=9)
    again.loop.restore(copied(first))  # back to the beginning
    assert again.loop.step == 0


CHANGES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "weight of another shape": ("parameter/model/dense1/weight", lambda x: x.T),
    "weight of another dtype": ("parameter/model/dense1/bias", np.float64),
    "weight of other bits": ("parameter/model/dense1/bias", lambda x: x.view("i4")),
    "slot of another shape": (
        "optimizer/square_sum/model/dense1/bias", lambda x: x[:-1],
    ),
    "position of one number": ("loop/position", lambda x: x[:1]),
    "position below 0": ("loop/position", lambda x: x - 100),
    "position of another dtype": ("loop/position", np.float64),
    "best step that is no number": ("loop/stopping", lambda x: x * np.nan),
    "best step without end": ("loop/stopping", lambda x: x + np.inf),
    "skipped below 0": ("loop/nonfinite", lambda x: x - 1),
    "checks of another number": (f"{E}/loss", lambda x: x[:-1]),
    "a score too many": (f"{E}/score", lambda x: np.append(x, 0.0)),
    "nodes of another number": (f"{E}/delta_rms", lambda x: x[:, :-1]),
    "parameters of another number": (f"{E}/weight_norm", lambda x: x[:, 1:]),
    "classes of another number": (f"{E}/recall", lambda x: np.repeat(x, 2, 1)),
    "epochs in no order": (f"{E}/epochs", lambda x: x[::-1].copy()),
    "steps below 1": (f"{E}/steps", lambda x: x - 100),
    "units of another number": (f"{E}/arrived/{UNITS}", lambda x: x[:, 1:]),
    "units of another dtype": (f"{E}/passed/{UNITS}", lambda x: x.view("u1")),
    "means of another number": ("diagnosis/means", lambda x: np.zeros(3)),
    "moments below 0": ("diagnosis/moments", lambda x: x - 100),
    "norms of two dimensions": ("diagnosis/norms", lambda x: x[None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_does_not_fit_is_refused_by_its_name(start: Start, name: str) -> None:
    done = start(steps=9)
    done.loop.run()
    path, change = CHANGES[name]
    tensors = copied(done)
    tensors[path] = np.asarray(change(tensors[path]))
    with pytest.raises(Error) as caught:
        start(steps=12).loop.restore(tensors)
    assert caught.value.code == "checkpoint-mismatch"
    word = path.rpartition("/")[2] if name.startswith(("epochs", "steps")) else path
    assert word in caught.value.message


def test_a_layer_that_nobody_has_is_refused(start: Start) -> None:
    done = start(steps=9)
    done.loop.run()
    tensors = copied(done)
    tensors[f"{E}/arrived/model/x"] = tensors[f"{E}/arrived/{UNITS}"]
    with pytest.raises(Error, match="of no layer") as caught:
        start(steps=12).loop.restore(tensors)
    assert caught.value.code == "checkpoint-mismatch"


def test_every_tensor_of_another_network_or_missing_is_refused(start: Start) -> None:
    done = start(steps=9)
    done.loop.run()
    for path in done.loop.tensors():
        tensors = copied(done)
        del tensors[path]
        with pytest.raises(Error) as caught:
            start(steps=12).loop.restore(tensors)
        assert caught.value.code == "checkpoint-mismatch", path
    with pytest.raises(Error) as caught:
        start([Dense(7, activation="relu"), Dense(2)]).loop.restore(copied(done))
    assert caught.value.code == "checkpoint-mismatch"


def test_state_of_another_step_than_its_file_says() -> None:
    stored.check_step(3, 3)
    with pytest.raises(Error, match="step 4 holds the state of step 3"):
        stored.check_step(3, 4)
