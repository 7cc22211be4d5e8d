"""Components that a setting takes the place of."""

from __future__ import annotations

import pytest

from nettrain.config import resolve
from nettrain.config.replaced import replaced, replaced_by
from nettrain.experiment.schema import Experiment

CONFIG = {
    "data": {"source": "moons", "preprocess": ["standardize"]},
    "model": [
        {"dense": {"units": 4, "activation": "tanh"}},
        {"residual": [{"dense": {"units": 4, "activation": {"leaky_relu": 0.2}}}]},
        {"dense": 1},
    ],
    "loss": "binary_cross_entropy",
    "optimizer": {"adam": {"learning_rate": {"cosine": {"peak": 0.02}}, "beta1": 0.8}},
}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (
            "optimizer.sgd.momentum",
            "optimizer: adam becomes sgd; its learning_rate {cosine: {peak: 0.02}}, "
            "beta1 0.8 are not taken over",
        ),
        (
            "model.residual1.dense1.activation.prelu.slope",
            "model.residual1.dense1.activation: leaky_relu becomes prelu; its slope "
            "0.2 is not taken over",
        ),
        (
            "model.dense1.activation.leaky_relu.slope",
            "model.dense1.activation: tanh becomes leaky_relu",
        ),
        (
            "optimizer.adam.learning_rate.step.start",
            "optimizer.adam.learning_rate: cosine becomes step; its peak 0.02 is not "
            "taken over",
        ),
        ("data.source.blobs.samples", "data.source: moons becomes blobs"),
        ("optimizer.adam.beta2", None),
        ("optimizer", None),  # a whole one is given
        ("model.dense2.activation.leaky_relu.slope", None),  # none is written
        ("loss.binary_cross_entropy", None),
        ("model.dense9.units", None),  # it is told where it is set
    ],
)
def test_what_a_key_replaces(key: str, told: str | None) -> None:
    tree = resolve(CONFIG, schema=Experiment).tree
    assert replaced(tree, Experiment, key) == told


def test_settings_of_the_command_line_come_one_after_the_other() -> None:
    tree = resolve(CONFIG, schema=Experiment).tree
    both = ["optimizer.sgd.momentum=0.9", "optimizer.sgd.learning_rate=1"]
    (told,) = replaced_by(tree, Experiment, both)
    assert told.startswith("optimizer: adam becomes sgd; ")
    assert [*replaced_by(tree, Experiment, ["optimizer=sgd", *both])] == []
    back = "optimizer.adam.beta1=0.5"
    assert [*replaced_by(tree, Experiment, [*both, back])][1:] == [
        "optimizer: sgd becomes adam; its momentum 0.9, learning_rate 1 are not taken "
        "over"
    ]
