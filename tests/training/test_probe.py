"""The probe: what it measures when, and what it makes of an epoch."""

from __future__ import annotations

import numpy as np

from nettrain.nn import Dense
from nettrain.nn.initializers import Constant
from nettrain.training.events import Measured
from tests.training.conftest import Start, Started


def measured(started: Started) -> list[dict]:
    return [dict(r) for e in started.events if isinstance(e, Measured) for r in e.rows]


def test_moments_have_rows_in_the_first_epoch_then_epochs(start: Start) -> None:
    run = start(epochs=3)
    run.loop.run()
    found = measured(run)
    nodes = {row["node"] for row in found}
    assert [row["step"] for row in found] == [
        step for step in (1, 2, 4, 4, 8, 12) for _ in nodes
    ]
    roles = {row["node"]: row["role"] for row in found}
    assert roles["model/dense1/pre_activation"] == "pre_activation"
    assert roles["model/dense2/bias"] == "parameter"


def test_the_row_of_an_epoch_is_the_mean_of_its_moments(start: Start) -> None:
    """Every 3 steps and at each epoch's end: in epoch 2 at the steps 6 and 8."""
    run = start(epochs=2)
    seen: dict[int, float] = {}
    probe = run.loop._probe
    assert probe is not None
    real = probe.measure

    def measure(step: int, epoch: int, outputs: dict[str, np.ndarray]) -> object:
        seen[step] = float(outputs["ratio/model/dense1/weight"])
        return real(step, epoch, outputs)

    probe.measure = measure  # type: ignore[assignment,method-assign]
    run.loop.run()
    assert list(seen) == [1, 2, 3, 4, 6, 8]
    last = [row for row in measured(run) if row["node"] == "model/dense1/weight"][-1]
    assert last["update_ratio"] == np.mean([seen[6], seen[8]])


def test_dead_units_by_layer_and_epoch(start: Start) -> None:
    bias = Constant(-1e3)
    run = start([Dense(6, activation="relu", bias_init=bias), Dense(2)], epochs=3)
    run.loop.run()
    probe = run.loop._probe
    assert probe is not None
    (layer, dead), *_ = probe.dead_units().items()
    assert layer == "dense1" and dead.shape == (3, 6) and dead.all()
    assert [e.id for e in probe.findings(final=True)] == ["A1", "G1"]


def test_an_epoch_cut_short_counts_its_own_rows(start: Start) -> None:
    """20 of 30 rows were seen in epoch 2: shares are of these."""
    bias = Constant(1e3)
    run = start([Dense(6, activation="relu", bias_init=bias), Dense(2)], steps=6)
    run.loop.run()
    probe = run.loop._probe
    assert probe is not None
    (units,) = probe.evidence.units.values()
    np.testing.assert_array_equal(units.positive, np.ones((2, 6)))
