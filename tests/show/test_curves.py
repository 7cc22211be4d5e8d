"""cost.svg: what it shows, and that strange runs do not break it."""

from __future__ import annotations

import numpy as np

from nettrain.show.curves import cost, envelope
from nettrain.show.style import Picture

from .pictures import metrics, texts


def test_the_best_epoch_is_marked_with_its_value() -> None:
    found = texts(cost(metrics(), best_epoch=4))
    assert {"best epoch 4", "validation loss 1"} <= set(found)
    assert "validation loss 1.05" in texts(cost(metrics(), best_epoch=5))


def test_what_stands_on_the_last_epoch_is_whole() -> None:
    drawn = cost(metrics(epochs=6), best_epoch=6, prior=1.9)
    assert isinstance(drawn, Picture)
    marked = [
        line
        for axes in drawn.figure.axes
        for line in axes.lines
        if line.get_marker() == "o" and line.get_xdata()[-1] == 6
    ]
    assert len(marked) == 5  # two curves here and there, and the ring
    assert not any(line.get_clip_on() for line in marked)


def test_the_line_of_the_best_epoch_does_not_cross_the_words_on_guessing() -> None:
    drawn = cost(metrics(epochs=6), best_epoch=5, prior=1.9)
    assert isinstance(drawn, Picture)
    axes = drawn.figure.axes[0]
    (said,) = (text for text in axes.texts if "guessing" in text.get_text())
    best = next(line for line in axes.lines if list(line.get_xdata()) == [5, 5])
    curves = [line for line in axes.lines if len(line.get_xdata()) == 6]
    assert said.get_bbox_patch() is not None
    assert best.zorder < said.zorder < min(curve.zorder for curve in curves)


def test_the_best_training_loss_is_that_of_the_epochs_end() -> None:
    found = texts(cost(metrics(), best_epoch=6, monitor="train/loss"))
    assert f"train loss {1.9 / 60**0.3:.3g}" in found


def test_no_best_epoch_no_mark() -> None:
    assert not any("best epoch" in text for text in texts(cost(metrics())))


def test_the_prior_is_a_labelled_line() -> None:
    assert "guessing: H0 = 2.3" in texts(cost(metrics(), prior=2.3))
    assert not any("H0" in text for text in texts(cost(metrics())))


def test_every_metric_has_a_panel() -> None:
    found = texts(cost(metrics()))
    assert "Accuracy" in found
    assert "Epoch loss" not in found


def test_the_learning_rate_is_shown_only_if_it_varies() -> None:
    constant = metrics(learning_rate=np.full(60, 0.001))
    assert "Learning rate" not in texts(cost(constant))
    assert "Learning rate" in texts(cost(metrics(learning_rate=np.linspace(1, 0, 60))))


def test_a_wide_range_gets_a_log_scale() -> None:
    assert "10⁻³" in texts(cost(metrics(**{"train/loss": np.geomspace(1, 1e-4, 60)})))
    assert "10⁻³" not in texts(cost(metrics()))


def test_a_long_run_stays_a_small_file() -> None:
    short = cost(metrics(epochs=50))
    loss = np.full(200_000, 1.0) + 0.01 * np.sin(np.arange(200_000))
    long = metrics(epochs=20_000, **{"train/loss": loss})
    assert len(cost(long)) < 6 * len(short)


def test_thinning_keeps_spikes_in_order() -> None:
    loss = np.ones(10_000)
    loss[1234], loss[9876] = 50.0, -50.0
    time, values = envelope(np.arange(10_000.0), loss)
    assert len(values) <= 1300
    assert time[values.argmax()] == 1234
    assert time[values.argmin()] == 9876
    assert (np.diff(time) > 0).all()


def test_the_same_bytes_again() -> None:
    assert cost(metrics(), best_epoch=4) == cost(metrics(), best_epoch=4)


def test_a_run_without_validation() -> None:
    columns = {
        k: v for k, v in metrics().items() if k in ("step", "epoch", "train/loss")
    }
    found = texts(cost(columns))
    assert "validation" not in found
    assert "each batch" in found


def test_a_run_that_diverged_at_once() -> None:
    for loss in ([np.nan], [np.inf], [2.0], [-1.0], [0.0]):
        columns = {"step": [1], "epoch": [1], "train/loss": loss}
        assert "Cost" in texts(cost(columns))


def test_a_run_without_a_step() -> None:
    empty = np.array([])
    assert "Cost" in texts(cost({"step": empty, "epoch": empty, "train/loss": empty}))


def test_a_run_that_diverged_late() -> None:
    loss = np.ones(60)
    loss[30:] = np.inf
    assert "Cost" in texts(cost(metrics(**{"train/loss": loss})))


def test_a_prior_beyond_all_losses_is_left_out() -> None:
    columns = metrics(epochs=3)
    assert "guessing" in cost(columns, prior=2.3)
    assert "guessing" not in cost(columns, prior=4e71)
