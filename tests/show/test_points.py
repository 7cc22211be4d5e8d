"""Pictures of a sweep: keys of every kind, and strange results."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nettrain.show import points as show

from .pictures import texts

NASTY = "<b>&\"'</b>"
RATE = show.Key("rate", True, np.array([1e-4, 1e-3, 1e-2, 1e-1]))
UNITS = show.Key("model.dense1.units", False, np.array([2.0, 9.0, 4.0, 4.0]))
KIND = show.Key("kind", False, np.array([0.0, 1, 1, 0]), ("relu", NASTY))


def made(
    *keys: show.Key,
    mean: tuple[float, ...] = (0.1, 0.2, 0.2, 0.9),
    half: tuple[float, ...] = (0.01, 0.3, math.nan, 0.0),
    lower: bool = True,
) -> show.Points:
    count = len(keys[0].values)
    return show.Points(
        "validation/loss", lower, keys, np.array(mean)[:count], np.array(half)[:count]
    )


@pytest.mark.parametrize("keys", [(RATE,), (KIND,), (RATE, UNITS, KIND)])
def test_every_picture_names_its_keys_and_the_metric(
    keys: tuple[show.Key, ...],
) -> None:
    points = made(*keys)
    wanted = {key.name for key in keys}
    for picture in (show.parallel(points), show.slices(points)):
        found = set(texts(picture))
        assert wanted | {"validation/loss"} <= found
    if len(keys) > 1:
        found = set(texts(show.surfaces(points)))
        assert wanted <= found and {"worse", "better"} <= found


def test_values_stand_where_they_belong() -> None:
    assert RATE.shares.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert UNITS.shares.tolist() == pytest.approx([0, 1, 2 / 7, 2 / 7])
    assert KIND.shares.tolist() == [0.25, 0.75, 0.75, 0.25]
    alone = show.Key("same", False, np.array([3.0, 3.0]))
    assert alone.shares.tolist() == [0.5, 0.5]
    assert show._ticks(RATE)[0] == (0.0, "0.0001")
    assert show._ticks(RATE)[-1] == (1.0, "0.1")
    assert [share for share, _ in show._ticks(KIND)] == [0.25, 0.75]


def test_the_better_the_darker() -> None:
    upward = made(RATE, mean=(0.9, 0.5, 0.3, 0.1), lower=False)
    downward = made(RATE, mean=(0.1, 0.3, 0.5, 0.9))
    for points in (upward, downward):
        assert points.goodness.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
        colours = points.colours()
        assert len(set(colours)) == 4
    assert upward.colours() == downward.colours()


@pytest.mark.parametrize(
    ("mean", "half"),
    [
        ((0.5, 0.5), (0.0, 0.0)),
        ((0.0, 0.0), (math.nan, math.nan)),
        ((1e-300, 1e300), (1e300, math.inf)),
        ((-5.0, -4.0), (0.1, 100.0)),
    ],
)
def test_strange_results_are_drawn(
    mean: tuple[float, ...], half: tuple[float, ...]
) -> None:
    keys = [
        show.Key("log", True, np.array([0.1, 0.1])),
        show.Key("number", False, np.array([1.0, 2.0])),
        show.Key("list", False, np.array([0.0, 0.0]), ("only",)),
    ]
    points = made(*keys, mean=mean, half=half)
    for draw in (show.parallel, show.slices, show.surfaces):
        assert texts(draw(points))


def test_a_point_that_almost_diverged_does_not_flatten_the_others() -> None:
    assert not made(RATE).log
    far = made(RATE, mean=(0.1, 0.11, 0.3, 1e12))
    found = texts(show.slices(far))
    assert far.log and {"10¹⁰", "0.1"} & set(found)
    shares = show.Key("x", far.log, far.mean).shares
    assert shares[2] > 0.03


def test_hostile_names_are_text() -> None:
    hostile = show.Key(NASTY, False, np.array([0.0, 1.0]), ("$x$", "<script>"))
    points = made(hostile, RATE.__class__("b", True, np.array([1.0, 2.0])))
    for draw in (show.parallel, show.slices, show.surfaces):
        found = texts(draw(points))
        assert NASTY in found
    assert "$x$" in texts(show.parallel(points))


def test_curves_of_runs_of_every_length() -> None:
    epochs = np.arange(1.0, 6.0)
    runs = [
        [(epochs, 1 / epochs), (epochs[:1], np.array([math.nan]))],
        [],
        [(epochs, np.full(5, math.inf))],
        [(epochs[:0], epochs[:0])],
    ]
    found = texts(show.curves("validation/loss", runs, ["7", "1", "2", "3"]))
    assert {"point 7, the best", "the others", "epoch", "validation/loss"} <= set(found)
    assert texts(show.curves("validation/loss", [[]], ["1"]))
