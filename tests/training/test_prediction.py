"""What the first weights predict of the gradient, beside what the first step shows."""

from __future__ import annotations

import numpy as np

from nettrain.experiment.assembly import make_network
from nettrain.experiment.setup import set_up
from nettrain.training.prediction import predicted_gradients

SIGMOIDS = {
    "data": {"source": "digits", "preprocess": ["standardize"], "batch_size": 64},
    "model": [{"dense": {"units": 32, "activation": "sigmoid"}}] * 3 + [{"dense": 10}],
    "loss": "cross_entropy",
    "diagnose": {"every": 1},
}


def test_prediction_and_measurement_agree_before_training() -> None:
    setup = set_up(SIGMOIDS)
    network = make_network(setup)
    train = setup.dataset.parts["train"]
    observed = network.train(
        train.inputs[:64], train.targets[:64], 1e-3, 1, full=True
    ).outputs
    found = predicted_gradients(network)
    names = [
        f"model/dense{i}/{kind}"
        for i in (4, 3, 2, 1)
        for kind in ("activation", "pre_activation")
        if (i, kind) != (4, "activation")
    ]
    rms = [float(observed[f"gradient/{name}"][2]) for name in names]
    assert set(found) == set(names[1:])
    for name, here, above in zip(names[1:], rms[1:], rms[:-1], strict=True):
        np.testing.assert_allclose(found[name], here / above, rtol=0.25)


def test_a_signal_that_two_layers_use_has_no_prediction() -> None:
    block = [{"dense": {"units": 16, "activation": "tanh"}}] * 2
    model = [{"dense": {"units": 16, "activation": "tanh"}}, {"residual": block}]
    setup = set_up({**SIGMOIDS, "model": [*model, {"dense": 10}]})
    found = predicted_gradients(make_network(setup))
    assert "model/dense1/activation" not in found
    assert "model/residual1/dense1/activation" in found
