"""Pictures of a sweep: keys of every kind, and strange results."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nettrain.component import registered
from nettrain.show import palette
from nettrain.show import points as show
from nettrain.show.points.keys import _MOST, _cut, beside, drop, ticks
from nettrain.show.points.outcome import _RANGES, ramped
from nettrain.show.points.parallel import _NO_VALUE
from nettrain.show.points.surfaces import _GRID, _explained, _smoothed
from nettrain.show.style import Picture
from nettrain.training.metrics import Metric

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
    until: tuple[float, ...] = (100.0,) * 9,
) -> show.Points:
    count = len(keys[0].values)
    return show.Points(
        "validation/loss",
        lower,
        keys,
        np.array(mean)[:count],
        np.array(half)[:count],
        np.array([3, 1, 4, 2])[:count],
        np.array(until)[:count],
    )


def said(drawn: str | tuple[str, ...]) -> list[str]:
    """The texts of a picture, or of all panels."""
    panels = (drawn,) if isinstance(drawn, str) else drawn
    return [text for panel in panels for text in texts(panel)]


PICTURES = (show.parallel, show.slices, show.surfaces)


@pytest.mark.parametrize("keys", [(RATE,), (KIND,), (RATE, UNITS, KIND)])
def test_every_picture_names_its_keys_and_the_metric(
    keys: tuple[show.Key, ...],
) -> None:
    points = made(*keys)
    wanted = {key.name for key in keys}
    for picture in (show.parallel(points), show.slices(points)):
        found = set(said(picture))
        assert wanted | {"validation/loss"} <= found
    if len(keys) > 1:
        found = set(said(show.surfaces(points)))
        assert wanted <= found and {"rank 4 (0.9)", "rank 1 (0.1)"} <= found


def test_values_stand_where_they_belong() -> None:
    assert RATE.shares.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert UNITS.shares.tolist() == pytest.approx([0, 1, 2 / 7, 2 / 7])
    assert KIND.shares.tolist() == [0.25, 0.75, 0.75, 0.25]
    alone = show.Key("same", False, np.array([3.0, 3.0]))
    assert alone.shares.tolist() == [0.5, 0.5]
    assert ticks(RATE)[0] == (0.0, "0.0001")
    assert ticks(RATE)[-1] == (1.0, "0.1")
    assert [share for share, _ in ticks(KIND)] == [0.25, 0.75]
    assert [text for _, text in ticks(UNITS)] == ["2", "4", "6", "7", "9"]
    assert ticks(UNITS)[1][0] == pytest.approx(2 / 7)
    powers = show.Key("p", True, np.array([2.0, 64.0]))
    assert [text for _, text in ticks(powers)] == ["2", "5", "11", "27", "64"]


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
    for draw in PICTURES:
        assert said(draw(points))


def test_equal_points_have_one_colour() -> None:
    points = made(RATE, mean=(0.1, 0.2, 0.2, 0.9))
    assert points.goodness.tolist() == pytest.approx([1, 0.5, 0.5, 0])
    every = made(RATE, mean=(0.5,) * 4)
    assert every.goodness.tolist() == [0.5] * 4
    # Where the mean of equal ranks lies on the edge between two colours.
    shares = np.arange(9) / 8
    assert (ramped(shares - 1e-15) == ramped(shares + 1e-15)).all()


def test_points_given_up_earlier_stand_behind_and_look_otherwise() -> None:
    points = made(RATE, mean=(0.5, 0.7, 0.1, 0.2), until=(100.0, 100.0, 25.0, 25.0))
    assert points.goodness.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])
    drawn = show.parallel(points)
    assert "dashed: given up earlier" in texts(drawn)
    lines = lines_of(drawn)[:4]  # the best is drawn last
    assert [line.get_linestyle() for line in lines] == ["--", "--", "-", "-"]
    (slice_,) = show.slices(points)
    assert "○ given up earlier" in " ".join(texts(slice_))
    paper = palette.colour("paper")
    faces = [m.get_markerfacecolor() for m in lines_of(slice_) if m.get_marker() == "o"]
    assert [face == paper for face in faces] == [True, True, False, False]
    assert "given up" not in " ".join([*said(show.slices(made(RATE)))])


def lines_of(drawn: str) -> list[Any]:
    assert isinstance(drawn, Picture)
    return list(drawn.figure.axes[0].lines)


def test_a_point_without_a_value_is_drawn_too() -> None:
    mean = (0.1, 0.2, 0.9, math.nan)
    points = made(RATE, KIND, mean=mean, half=(math.nan,) * 4)
    assert points.goodness[:3].tolist() == [1, 0.5, 0] and np.isnan(points.goodness[3])
    drawn = show.parallel(points)
    assert {"All 4 points", "no value", "dotted: no value"} <= set(texts(drawn))
    ends = [line.get_ydata()[-1] for line in lines_of(drawn)[:4]]
    assert ends == pytest.approx([_NO_VALUE, 1, 1 / 8, 0])
    for panel in (*show.slices(points), *show.surfaces(points)):
        crosses = [line for line in lines_of(panel) if line.get_marker() == "x"]
        assert len(crosses) == 1 and "× no value" in " ".join(texts(panel))
    for lower, edge in ((True, 1.0), (False, 0.0)):
        points = made(RATE, mean=mean, half=(math.nan,) * 4, lower=lower)
        (cross,) = (
            m for m in lines_of(show.slices(points)[0]) if m.get_marker() == "x"
        )
        assert cross.get_ydata() == [edge]
    assert "no value" not in " ".join(said(show.slices(made(KIND))))


def test_an_interval_that_goes_on_says_so() -> None:
    mean, half = (0.1, 0.2, 0.3, 0.4), (0.01, 9.0, math.nan, 0.0)
    (drawn,) = show.slices(made(RATE, mean=mean, half=half))
    low, high = lines_of(drawn)[0].axes.get_ylim()
    arrows = {m.get_marker(): m.get_ydata()[0] for m in lines_of(drawn)}
    assert (arrows["^"], arrows["v"]) == (high, low)
    assert "the interval goes on" in " ".join(texts(drawn))
    (drawn,) = show.slices(made(RATE, mean=mean, half=(0.01,) * 4))
    assert not {"^", "v"} & {line.get_marker() for line in lines_of(drawn)}
    assert "goes on" not in " ".join(texts(drawn))


def test_values_stand_at_the_last_axis_where_no_line_is() -> None:
    drawn = show.parallel(made(RATE, KIND))
    assert isinstance(drawn, Picture)
    side = {t.get_text(): t.get_ha() for t in drawn.figure.axes[0].texts}
    assert side["0.9"] == "left" and side["relu"] == side["0.0001"] == "right"


LONG = "{adam: {learning_rate: 0.05}}"


def test_every_value_of_a_list_is_named() -> None:
    names = ("sgd", LONG, "adam", "rmsprop")
    key = show.Key("optimizer", False, np.arange(4.0), names)
    cut = _cut(LONG)
    assert cut == "adam: lea…te: 0.05" and len(cut) == _MOST
    points = made(key, KIND, mean=(0.1, 0.2, 0.3, 0.4))
    for drawn in (show.parallel(points), show.slices(points)[0]):
        assert {"sgd", cut, "adam", "rmsprop"} <= set(texts(drawn))
    (pair,) = show.surfaces(points)
    assert {"sgd", cut, "adam", "rmsprop"} <= set(texts(pair))
    # Slanted, they reach no deeper than the axis' own name; short ones lie.
    assert drop(key) > 40
    assert drop(show.Key("a", False, np.arange(2.0), ("sgd", "adam"))) == 0


def test_values_without_an_order_are_tiles_and_blank_where_nothing_was() -> None:
    kind = show.Key("kind", False, np.array([0.0, 0.0, 1.0, 2.0]), ("a", "b", "c", "d"))
    size = show.Key("size", False, np.array([0.0, 1.0, 0.5, 0.5]))
    points = made(kind, size, mean=(0.1, 0.2, 0.3, math.nan))
    classes, deviations = _smoothed(points, kind, size)
    assert classes.shape == (_GRID, 4)
    assert (classes[:, 2:] == -1).all()  # a diverged one alone, and no point at all
    assert set(classes[:, 0]) == {4, 5, 6, 7}  # along numbers it is smoothed
    assert set(classes[:, 1]) == {0}  # and from one value to another it is not
    assert deviations[0, 1] > 3 > deviations[_GRID // 2, 1]
    (drawn,) = show.surfaces(points)
    told = " ".join(texts(drawn))
    assert "rank of the points with this kind, smoothed along size; hatched" in told
    (drawn,) = show.surfaces(made(size, kind, mean=(0.1, 0.2, 0.3, 0.4)))
    assert "the points with this kind, smoothed along size" in " ".join(texts(drawn))
    both, _ = _smoothed(made(kind, KIND, mean=(0.1, 0.2, 0.3, 0.4)), kind, KIND)
    assert both.tolist() == [[7, -1, 0, -1], [5, 2, -1, -1]]
    same = show.Key("k", False, np.array([0.0, 0.0, 1.0, 1.0]), ("a", "b"))
    (drawn,) = show.surfaces(made(same, same))
    assert len({tuple(map(float, m.get_xydata()[0])) for m in lines_of(drawn)}) == 4
    assert "the mean rank of the points with these values" in " ".join(texts(drawn))


def test_where_the_nearest_point_diverged_a_surface_is_blank() -> None:
    x = show.Key("x", False, np.array([0.0, 0.5, 1.0]))
    y = show.Key("y", False, np.array([0.0, 0.5, 1.0]))
    points = made(x, y, mean=(0.1, 0.2, math.nan))
    classes, _ = _smoothed(points, x, y)
    assert (classes[-12:, -12:] == -1).all() and (classes[:24, :24] >= 0).all()


def test_a_list_is_explained_by_the_means_of_its_values() -> None:
    mean = (0.1, 0.2, 0.3, 0.4)
    kind = show.Key("k", False, np.array([1.0, 0.0, 2.0, 1.0]), ("a", "b", "c"))
    assert _explained(made(kind, mean=mean), kind) == pytest.approx(0.1)
    apart = show.Key("k", False, np.array([0.0, 2.0, 1.0, 3.0]), ("a", "b", "c", "d"))
    assert _explained(made(apart, mean=mean), apart) == pytest.approx(1)
    line = show.Key("n", False, np.array([1.0, 2.0, 3.0, 4.0]))
    assert _explained(made(line, mean=mean), line) == pytest.approx(1)


def test_points_of_one_value_stand_in_the_order_of_their_numbers() -> None:
    values = np.array([0.0, 1.0, 1.0, 1.0])
    moved = beside(values, np.array([9, 7, 2, 5]))
    assert moved[0] == 0
    assert np.argsort(moved[1:]).tolist() == [1, 2, 0]
    assert moved[1:].sum() == pytest.approx(0)
    told = " ".join(said(show.slices(made(KIND))))
    assert "in the order of their numbers" in told and "means nothing" in told
    assert "means nothing" not in " ".join(said(show.slices(made(RATE))))


def test_a_surface_is_hatched_where_no_point_is_near() -> None:
    corner = np.array([0.0, 0.01, 0.02, 1.0])
    x, y = show.Key("x", False, corner), show.Key("y", False, corner)
    (drawn,) = show.surfaces(made(x, y))
    assert isinstance(drawn, Picture)
    axes = drawn.figure.axes[0]
    surface, covered = axes.patches, 0.0
    (hatch,) = axes.collections
    assert hatch.zorder < min(patch.zorder for patch in surface)
    for patch in surface:
        corners = patch.get_path().vertices.reshape(-1, 5, 2)
        area = np.prod(corners[:, 2] - corners[:, 0], axis=1).sum()
        covered += area
        assert patch.get_alpha() is None  # faded it would be a worse rank
        assert (abs(corners[:, 2, 0] - corners[:, 2, 1]) < 0.6 * _GRID).all()
    assert 0.05 < covered / _GRID**2 < 0.4  # around two corners of four
    told = " ".join(texts(drawn))
    assert "points around, smoothed; hatched where none is near" in told
    assert "rank 4 (0.9)" in told and "rank 1 (0.1)" in told


def test_a_point_that_almost_diverged_does_not_flatten_the_others() -> None:
    assert not made(RATE).log
    far = made(RATE, mean=(0.1, 0.11, 0.3, 1e3))
    assert far.log and not far.unknown
    shares = show.Key("x", far.log, far.mean).shares
    assert shares[2] > 0.03
    lost = made(RATE, mean=(0.1, 0.11, 0.3, 1e4))
    assert not lost.log and lost.known.tolist() == [True, True, True, False]
    assert {"one far off", "dotted: one far off"} <= set(said(show.parallel(lost)))
    assert "no value" not in " ".join(said(show.parallel(lost)))
    assert "× one far off" in " ".join(said(show.slices(lost)))
    both = made(RATE, mean=(0.1, 0.11, 1e20, math.nan))
    assert "dotted: no value, or one far off" in said(show.parallel(both))


def test_the_interval_of_a_point_that_is_not_drawn_is_not_told() -> None:
    half = (0.01, 0.01, 0.01, 1e20)
    told = said(show.slices(made(RATE, mean=(0.1, 0.11, 0.3, 1e20), half=half)))
    assert "× one far off" in told and "goes on" not in " ".join(told)


def test_ranges_are_of_metrics_that_there_are() -> None:
    assert _RANGES.keys() <= registered(Metric).keys()


def test_an_interval_ends_where_its_metric_does() -> None:
    mean, half = (0.9, 0.8, 0.6, 0.2), (0.5, 0.9, math.nan, 0.1)

    def view(metric: str) -> tuple[str, float, float]:
        points = replace(made(RATE, mean=mean, half=half, lower=False), metric=metric)
        (drawn,) = show.slices(points)
        low, high = lines_of(drawn)[0].axes.get_ylim()
        return " ".join(texts(drawn)), low, high

    told, low, high = view("validation/accuracy")
    assert (low, high) == pytest.approx((0, 1.035)) and "goes on" not in told
    told, low, high = view("validation/r2")
    assert (low, high) == pytest.approx((0, 1.035)) and "goes on" in told
    told, low, high = view("validation/own")
    assert low == 0 and high > 1.3 and "goes on" in told
    mean = (0.9, 0.8, 0.6, -0.2)
    told, low, high = view("validation/r2")
    assert low < -0.1 and high == pytest.approx(1.055)


def test_hostile_names_are_text() -> None:
    hostile = show.Key(NASTY, False, np.array([0.0, 1.0]), ("$x$", "<script>"))
    points = made(hostile, RATE.__class__("b", True, np.array([1.0, 2.0])))
    for draw in PICTURES:
        found = said(draw(points))
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
    drawn = show.curves("validation/loss", runs, ["7", "1", "2", "3"])
    found = texts(drawn)
    assert "one far off" not in found and "x" not in markers(drawn)
    assert {"point 7, the best", "the others", "epoch", "validation/loss"} <= set(found)
    assert texts(show.curves("validation/loss", [[]], ["1"]))


@pytest.mark.parametrize("start", [0.6, 1e3])
def test_a_run_that_ends_far_off_leaves_the_view_to_the_others(start: float) -> None:
    epochs = np.arange(1.0, 6.0)
    near = [
        (epochs, np.array([start, 0.4, 0.3, 0.25, 0.2])),
        (epochs, 0.3 + 1 / epochs),
    ]
    up = epochs, np.array([0.5, 0.6, 1e4, 1e15, 1e20])
    drawn = show.curves("loss", [[run] for run in (*near, up)], ["7", "1", "2"])
    low, high = lines_of(drawn)[0].axes.get_ylim()
    assert low < 0.2 and start < high < 2 * start + 2
    (cross,) = (line for line in lines_of(drawn) if line.get_marker() == "x")
    assert cross.get_xydata().tolist() == [[3, high]]
    assert "one far off" in texts(drawn)
    # Of a score the worst ones are the least.
    score = [[(epochs, np.linspace(0, x, 5))] for x in (0.9, 0.8, -1e9)]
    drawn = show.curves("r2", score, ["7", "1", "2"])
    (cross,) = (line for line in lines_of(drawn) if line.get_marker() == "x")
    assert cross.get_xydata().tolist() == [[2, cross.axes.get_ylim()[0]]]


def markers(drawn: str) -> set[str]:
    return {line.get_marker() for line in lines_of(drawn)}


def test_a_run_of_one_epoch_is_a_dot() -> None:
    epochs = np.arange(1.0, 4.0)
    alone = epochs[:1], np.array([0.4])
    runs = [[(epochs, 1 / epochs)], [alone, (epochs, np.array([0.3, *[math.nan] * 2]))]]
    drawn = show.curves("validation/loss", runs, ["7", "1"])
    markers = [line.get_marker() for line in lines_of(drawn)[:3]]
    assert markers == ["o", "o", "None"]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (19.0, 117.0, ["20", "50", "100"]),
        (0.0002, 0.05, ["0.0002", "0.001", "0.005", "0.02"]),
        (0.13, 0.14, ["0.13", "0.14"]),
        (1e-9, 1e9, ["10⁻⁹", "10⁻³", "10³", "10⁹"]),
    ],
)
def test_a_logarithmic_key_has_a_few_plain_ticks(
    low: float, high: float, wanted: list[str]
) -> None:
    key = show.Key("k", True, np.array([low, high]))
    (drawn,) = show.slices(made(key, mean=(0.1, 0.2)))
    (axes,) = {line.axes for line in lines_of(drawn)}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == wanted


def test_the_best_of_many_decades_is_not_cut_off() -> None:
    (drawn,) = show.slices(made(RATE, mean=(0.1, 0.11, 0.3, 1e12)))
    low, _ = lines_of(drawn)[0].axes.get_ylim()
    assert low < 0.03
