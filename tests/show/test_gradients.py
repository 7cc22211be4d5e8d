"""gradient-flow.svg and updates.svg."""

from __future__ import annotations

import numpy as np

from nettrain.show.gradients import gradient_flow, updates

from .pictures import statistics, texts


def test_a_vanishing_gradient_is_named_with_its_layer() -> None:
    title = texts(gradient_flow(statistics(layers=8, decay=0.1)))[0]
    assert "smallest at dense1, 1e-7 of the output's, below 0.001" in title


def test_a_healthy_gradient_is_above_the_threshold() -> None:
    assert "above 0.001" in texts(gradient_flow(statistics()))[0]


def test_every_layer_and_the_threshold_are_labelled() -> None:
    found = texts(gradient_flow(statistics()))
    assert {"dense1", "dense2", "dense3", "vanished: below 10⁻³"} <= set(found)


def test_lines_are_the_first_step_and_ends_of_epochs() -> None:
    found = texts(gradient_flow(statistics(epochs=30)))
    named = [text for text in found if text.startswith(("step", "epoch"))]
    assert named[0] == "step 1"
    assert "epoch 30" in named


def test_many_layers_leave_out_names_not_lines() -> None:
    found = texts(gradient_flow(statistics(layers=70)))
    assert 4 < sum(text.startswith("dense") for text in found) < 50


def test_gradients_of_zero_or_not_a_number_leave_gaps() -> None:
    columns = statistics()
    columns["gradient_rms"][::3] = 0
    columns["gradient_rms"][1::4] = np.nan
    texts(gradient_flow(columns))
    columns["gradient_rms"][:] = np.nan
    assert "No gradient of a pre-activation was recorded" in texts(
        gradient_flow(columns)
    )


def test_a_dead_output_still_draws() -> None:
    columns = statistics()
    last = columns["node"] == "model/dense3/pre_activation"
    columns["gradient_rms"][last] = 0
    texts(gradient_flow(columns))


def test_one_layer_at_one_moment() -> None:
    columns = {k: v[:3] for k, v in statistics(layers=1).items()}
    texts(gradient_flow(columns))
    once = updates(columns)
    assert once.count("<use ") > updates(statistics(epochs=30)).count("<use ")


def test_updates_name_each_weight_and_the_band() -> None:
    found = texts(updates(statistics()))
    weights = {"dense1/weight", "dense2/weight", "dense3/weight"}
    assert weights | {"healthy: 0.0002 … 0.02"} <= set(found)
    assert found[0] == "Update ratios: median 0.001, in the healthy band"


def test_updates_outside_of_the_band_are_told() -> None:
    columns = statistics()
    columns["update_ratio"] *= 300
    assert "above the healthy band" in texts(updates(columns))[0]


def test_no_updates() -> None:
    columns = statistics()
    columns["update_ratio"][:] = np.nan
    assert "No update of a weight was recorded" in texts(updates(columns))
