"""The gradient waterfall: its bars add up, and it names the node where most is lost."""

from __future__ import annotations

import numpy as np

from nettrain.show.style import Picture
from nettrain.show.waterfall import _fall, waterfall
from tests.show.pictures import statistics, texts

ROLES = ("pre_activation", "activation")
NODES = [f"model/dense{i}/{role}" for i in (1, 2, 3) for role in ROLES]


def test_the_changes_add_up_to_the_total() -> None:
    fall = _fall(statistics(layers=4, decay=0.1), None, {})
    assert fall.names[0] == "dense4/pre_activation"
    assert fall.names[-1] == "dense1/pre_activation"
    np.testing.assert_allclose(fall.change.sum(), -3.0)
    np.testing.assert_allclose(fall.level[-1], -3.0)


def test_it_names_the_node_where_most_is_lost() -> None:
    columns = statistics(layers=3, decay=1.0)
    sick = (columns["node"] == "model/dense1/pre_activation") & (columns["epoch"] == 4)
    columns["gradient_rms"][sick] *= 1e-5
    (title, *_) = [t for t in texts(waterfall(columns)) if "waterfall" in t]
    assert "-5.0 decades" in title and "(-5.0) at dense1/pre_activation" in title


def test_the_epoch_that_is_asked_for() -> None:
    columns = statistics(layers=3, decay=1.0)
    late = (columns["node"] == "model/dense1/pre_activation") & (columns["epoch"] == 4)
    columns["gradient_rms"][late] *= 1e-5
    assert "+0.0 decades" in waterfall(columns, epoch=2)
    assert "epoch 2" in waterfall(columns, epoch=2)


def test_predictions_stand_beside_what_was_measured() -> None:
    columns = statistics(layers=3, decay=0.1)
    path = "model/dense2/pre_activation"
    fall = _fall(columns, None, {path: 0.25})
    where = fall.names.index("dense2/pre_activation")
    np.testing.assert_allclose(fall.predicted[where], np.log10(0.25))
    assert "predicted" in waterfall(columns, predicted={path: 0.25})
    assert "predicted" not in waterfall(columns)


def test_no_gradient_at_all() -> None:
    columns = statistics(layers=2)
    columns["gradient_rms"][:] = 0.0
    assert "Every gradient is 0" in waterfall(columns)
    columns["gradient_rms"][:] = np.nan
    assert "No gradient was recorded" in waterfall(columns)


def test_where_nothing_arrives_it_says_so() -> None:
    columns = statistics(3)
    lost = np.char.startswith(columns["node"], "model/dense1") | (
        columns["node"] == "model/dense2/pre_activation"
    )
    rms = np.where(lost & (columns["epoch"] == 4), 0.0, columns["gradient_rms"])
    drawn = waterfall(
        columns | {"gradient_rms": rms}, predicted=dict.fromkeys(NODES, 2)
    )
    found = texts(drawn)
    assert "Gradient waterfall: nothing arrives at dense2/pre_activation" in found
    assert found.count("no gradient: 0") == 3
    assert {"dense2/pre_activation", "dense1/activation"} <= set(found)
    assert isinstance(drawn, Picture)
    axes = drawn.figure.axes[0]
    assert len(axes.patches) == 2  # of what is known: output and activation
    (marks,) = (line for line in axes.lines if line.get_marker() == "|")
    assert len(marks.get_xdata()) == 2
    # Earlier there was a gradient everywhere.
    drawn = waterfall(columns | {"gradient_rms": rms}, epoch=3)
    assert "no gradient: 0" not in texts(drawn)


def test_a_shortcut_past_a_node_without_gradient_counts_from_above_it() -> None:
    columns = statistics(3)
    last = columns["epoch"] == 4
    node = columns["node"]
    rms = columns["gradient_rms"].copy()
    rms[last & (node == "model/dense3/pre_activation")] = 1.0
    rms[last & (node == "model/dense2/activation")] = 0.1
    rms[last & (node == "model/dense2/pre_activation")] = 0.0
    rms[last & np.char.startswith(node, "model/dense1")] = 0.01
    drawn = waterfall(columns | {"gradient_rms": rms})
    assert isinstance(drawn, Picture)
    bars = drawn.figure.axes[0].patches
    widths = sorted(round(bar.get_width(), 6) for bar in bars)
    assert widths == [0, 0, 1, 1]


def test_one_layer_is_no_loss_of_a_gradient() -> None:
    columns = statistics(1)
    assert "There is one layer only: no gradient goes on from it" in waterfall(columns)
