"""gradient-flow.svg and updates.svg."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from nettrain.show.gradients import gradient_flow, updates
from nettrain.show.style import Picture
from nettrain.show.units import activations, dead_neurons
from nettrain.show.waterfall import waterfall

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
    columns["gradient_rms"][:] = 0
    assert "The gradient of every pre-activation is 0" in texts(gradient_flow(columns))


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
    columns["update_ratio"][:] = 0
    assert "No update moved a weight" in texts(updates(columns))


def boxes(drawn: str) -> tuple[list[tuple[str, Any]], Any]:
    """The texts of a picture and where they stand, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    assert isinstance(drawn, Picture)
    figure = drawn.figure
    seen = FigureCanvasAgg(figure).get_renderer()
    drawn_ones = set(texts(drawn))  # ticks beyond an axis are not
    every = [t for t in figure.findobj(Text) if t.get_text() in drawn_ones]
    found = [(t.get_text(), t.get_window_extent(seen)) for t in every]
    return [(text, box) for text, box in found if box.width > 1], figure.bbox


@pytest.mark.parametrize("layers", [3, 14, 24, 40])
@pytest.mark.parametrize(
    "path", ["dense", "repeat1/2/a_transformer_of_ours/inner/attention"]
)
def test_long_names_stay_in_the_picture_and_apart(path: str, layers: int) -> None:
    columns = statistics(layers, path=path)
    dead = {f"{path}{i}": np.zeros((9, 8), bool) for i in range(layers)}
    for drawn in (
        gradient_flow(columns),
        updates(columns),
        waterfall(columns),
        activations(columns),
        dead_neurons(dead),
    ):
        found, page = boxes(drawn)
        for text, box in found:
            assert page.x0 <= box.x0 and box.x1 <= page.x1, text
        for i, (text, box) in enumerate(found):
            for other, beside in found[i + 1 :]:
                assert not box.overlaps(beside), (text, other)


def test_a_gradient_of_zero_is_the_least_of_all() -> None:
    columns = statistics(3)
    gone = np.char.startswith(columns["node"], "model/dense1") & (columns["epoch"] == 4)
    rms = np.where(gone, 0.0, columns["gradient_rms"])
    drawn = gradient_flow(columns | {"gradient_rms": rms})
    found = texts(drawn)
    assert "Gradient flow: smallest at dense1, 0 of the output's, below 0.001" in found
    assert {"blank: 0", "what ends at the lower edge is 0"} <= set(found)
    assert isinstance(drawn, Picture)
    depth = drawn.figure.axes[0]
    last = depth.lines[len(depth.get_legend().get_texts()) - 1]
    assert last.get_ydata()[0] == depth.get_ylim()[0]
    assert not {"blank: 0", "what ends at the lower edge is 0"} & set(
        texts(gradient_flow(columns))
    )
