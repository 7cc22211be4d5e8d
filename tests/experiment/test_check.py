"""What is known of a config before it is trained: findings and signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain.data.sources import ArraySource
from nettrain.experiment.check import Report, check
from nettrain.experiment.setup import set_up
from tests.experiment.conftest import SMALL

DEEP = {"dense": {"units": 32, "activation": "relu"}}


def checked(**sections: Any) -> Report:
    data = {**SMALL["data"], **sections.pop("data", {})}
    return check(set_up({**SMALL, **sections, "data": data}))


def told(report: Report) -> dict[str, str]:
    return {finding.id: finding.severity for finding in report.findings}


def severe(report: Report) -> dict[str, str]:
    return {id_: how for id_, how in told(report).items() if how != "note"}


def deep(times: int = 6, **settings: Any) -> list[Any]:
    layer = {"dense": {"units": 32, "activation": "relu", **settings}}
    return [{"repeat": {"times": times, "block": [layer]}}, {"dense": "auto"}]


def test_nothing_is_wrong_with_a_healthy_config() -> None:
    assert severe(checked()) == {}


def test_the_initial_loss() -> None:
    report = checked(model=[{"dense": {"units": 3, "weight_init": "zeros"}}])
    assert report.initial_loss == pytest.approx(np.log(3))  # no opinion at all
    loud = {"units": 3, "weight_init": {"normal": {"std": 20}}}
    assert checked(model=[{"dense": loud}]).initial_loss > 10


def test_predicted_and_measured_variance() -> None:
    layers = checked(data={"source": "digits"}, model=deep()).layers[1:]
    for layer in layers[:-1]:
        assert layer.variance == pytest.approx(1.0, abs=0.3)
        assert layer.measured_variance == pytest.approx(layer.variance, rel=0.4)
    small = checked(
        data={"source": "digits"}, model=deep(weight_init={"normal": {"std": 0.01}})
    )
    for layer in small.layers[1:-1]:
        assert layer.variance and layer.variance < 0.01
        assert layer.measured_variance == pytest.approx(layer.variance, rel=0.6)


def test_a_bias_is_in_what_is_measured_only() -> None:
    layer = {"units": 8, "activation": "relu", "bias_init": {"constant": 10.0}}
    first = checked(model=[{"dense": layer}, {"dense": 3}]).layers[0]
    assert first.variance and first.variance < 3
    assert first.measured_variance and first.measured_variance > 20


def test_layers_without_weights_have_no_variance() -> None:
    layers = checked(model=[{"dense": 8}, "layer_norm", "relu", {"dense": 3}]).layers
    known = [layer.measured_variance is not None for layer in layers]
    assert known == [layer.variance is not None for layer in layers]
    assert known == [True, False, False, True]


@pytest.mark.parametrize(
    ("sections", "finding"),
    [
        ({"model": deep(weight_init={"normal": {"std": 0.01}})}, "I3"),
        ({"model": deep(1, weight_init="zeros")}, "I1"),
        ({"model": deep(1, bias_init={"constant": -100.0})}, "I5"),
        ({"data": {"source": "wine", "preprocess": []}}, "D1"),
    ],
)
def test_what_will_go_wrong(sections: dict[str, Any], finding: str) -> None:
    report = checked(**sections)
    assert finding in severe(report)
    assert report.findings[0].primary


def test_data_that_will_go_wrong() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    whole = {"validation": 0, "test": 0}
    order = ArraySource(x, np.repeat([0, 1], 100))
    sorted_ = {"source": order, "split": whole, "shuffle": False, "batch_size": 16}
    model = [{"dense": "auto"}]
    assert "D4" in severe(checked(data=sorted_, model=model))
    rare = ArraySource(x, (np.arange(200) % 25 == 0).astype(int))
    assert "D2" in severe(checked(data={"source": rare, "split": whole}, model=model))
    classes = {"source": ArraySource(x, np.arange(200) % 3), "split": whole}
    regression = {"loss": "mse", "metrics": [], "model": model}
    assert "D3" in severe(checked(data=classes, **regression))


def test_the_config_s_own_thresholds_count() -> None:
    model = deep(weight_init={"normal": {"std": 0.01}})
    assert "I3" not in told(checked(model=model, diagnose={"silence": ["I3"]}))
    assert checked(model=model, diagnose=False).findings == ()
