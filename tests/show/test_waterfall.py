"""The gradient waterfall: its bars add up, and it names the node where most is lost."""

from __future__ import annotations

import numpy as np

from nettrain.show.waterfall import _fall, waterfall
from tests.show.pictures import statistics, texts


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
    assert "No gradient was recorded" in waterfall(columns)
