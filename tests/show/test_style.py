"""Colours that can be read and told apart; SVG that is the same everywhere."""

from __future__ import annotations

import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from nettrain.show import palette, style


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, WCAG 2.1."""
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values
    ]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_whatever_is_behind_it(mode: int) -> None:
    tints = [n for n in palette.COLOURS if n.startswith(("tint_", "health"))]
    for behind in ["paper", "panel", *tints]:
        for text in ("ink", "muted", "green", "red"):
            pair = palette.COLOURS[text][mode], palette.COLOURS[behind][mode]
            assert contrast(*pair) > 3.5, (text, behind)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_lines_stand_out_from_the_paper(mode: int) -> None:
    paper = palette.COLOURS["paper"][mode]
    for name in palette.SERIES:
        assert contrast(palette.COLOURS[name][mode], paper) > 2.9, name


def test_light_colours_are_all_different() -> None:
    assert len(palette.NAMES) == len(palette.COLOURS)


def picture() -> str:
    with style.sheet():
        figure = style.figure(300, 200)
        axes = style.axes(figure, (50, 30, 220, 130), title="a < b & $c$", y="loss")
        axes.plot([1, 2, 3], color=palette.colour("blue"), marker="o")
        return style.svg(figure, 'title with "quotes" & <angles>')


def test_every_colour_changes_in_the_dark() -> None:
    found = picture()
    assert ".nt-s-blue{stroke:#56b4e9}" in found
    assert 'class="nt-s-blue"' in found
    # A copy made by <use> has none of the original's ancestors.
    assert " .nt-" not in found
    drawn = re.sub(r"<style>.*?</style>", "", found, flags=re.S)
    plain = re.findall(r'style="[^"]*#[0-9a-f]{6}', drawn)
    assert not plain


@pytest.mark.parametrize(
    ("last", "wanted"),
    [(3.0, [0, 1, 2, 3]), (10.0, [0, 2, 4, 6, 8, 10]), (0.1, [0, 0.02, 0.04, 0.06])],
)
def test_epochs_are_told_as_whole_ones(last: float, wanted: list[float]) -> None:
    with style.sheet():
        axes = style.axes(style.figure(300, 200), (50, 30, 220, 130))
        style.epoch_axis(axes, np.array([0.0, last]), 6)
    assert axes.get_xticks()[: len(wanted)].tolist() == pytest.approx(wanted)
    assert axes.get_xlim() == (0, last)


def test_the_persons_own_settings_change_nothing_and_stay() -> None:
    usual = picture()
    ours = {"axes.facecolor": "pink", "axes.linewidth": 9.0, "svg.fonttype": "path"}
    with matplotlib.rc_context(ours):
        assert picture() == usual
        assert matplotlib.rcParams["axes.facecolor"] == "pink"


def test_bytes_are_the_same_in_another_process() -> None:
    code = "import tests_show_picture as p; print(p.picture(), end='')"
    loader = (
        "import importlib.util as u, sys\n"
        f"s = u.spec_from_file_location('tests_show_picture', {__file__!r})\n"
        "m = sys.modules[s.name] = u.module_from_spec(s); s.loader.exec_module(m)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", loader + code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )
    assert run.stdout == picture()


def test_importing_a_picture_does_not_import_matplotlib() -> None:
    rooms = "curves, gradients, graph, progress, summary, units"
    code = f"import sys; from nettrain.show import {rooms}; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert "'matplotlib'" not in run.stdout
    assert "'tqdm'" not in run.stdout


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.02, "0.02"),
        (40, "40"),
        (3.1e-6, "3.1e-6"),
        (1234, "1234"),
        (1e7, "1e7"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert style.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1e-6, "10⁻⁶"), (0.01, "10⁻²"), (1, "1"), (20, "20"), (0, "0")]
)
def test_powers(value: float, text: str) -> None:
    assert style.power(value) == text


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.9e-4, 0.2, ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]),
        (0.9e-3, 0.2, ["0.001", "0.01", "0.1"]),
        (0.9e-5, 4e-5, ["1e-5", "2e-5", "3e-5"]),
    ],
)
def test_ticks_of_an_axis_are_written_alike(
    low: float, high: float, wanted: list[str]
) -> None:
    with style.sheet():
        axes = style.axes(style.figure(300, 200), (50, 30, 220, 130))
        style.log_axis(axes, low, high)
        axes.figure.draw_without_rendering()
        labels = axes.yaxis.get_major_ticks()
        shown = [t.label1.get_text() for t in labels if low <= t.get_loc() <= high]
    assert shown == wanted


@pytest.mark.parametrize(("low", "high"), [(1e-30, 1e5), (1e-3, 1), (0.5, 3)])
def test_a_log_axis_has_some_ticks_but_not_many(low: float, high: float) -> None:
    with style.sheet():
        axes = style.axes(style.figure(300, 200), (50, 30, 220, 130))
        style.log_axis(axes, low, high)
        ticks = [t for t in axes.get_yticks() if low <= t <= high]
    assert 1 <= len(ticks) <= 9


def test_cells_of_equal_class_in_a_row_are_one_rectangle() -> None:
    with style.sheet():
        axes = style.axes(style.figure(300, 200), (50, 30, 220, 130))
        style.cells(axes, np.array([[0, 0, 1], [1, 1, 1]]), ["green", "red"])
        green, red = (patch.get_path() for patch in axes.patches)
    assert len(green.vertices) == 5
    assert len(red.vertices) == 10
    assert red.get_extents().bounds == (0, 0, 3, 2)


DEEP = "repeat1/2/transformer_encoder1/attention/query"


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (999, DEEP),
        (200, "repeat1/2/…/attention/query"),
        (130, "repeat1/2/…/query"),
        (60, "repea…query"),
        (1, "r…y"),
        (-20, "r…y"),
    ],
)
def test_a_path_is_fitted_from_its_middle(room: float, shown: str) -> None:
    assert style.fitted([DEEP], room) == [shown]


def test_paths_that_would_look_alike_keep_what_differs() -> None:
    paths = [f"repeat1/2/transformer_encoder1/attention{i}/weight" for i in range(3)]
    wanted = [f"…/attention{i}/weight" for i in range(3)]
    assert style.fitted(paths, 136) == wanted
    # Neither one end nor the other tells these apart, but their letters.
    paths = [f"repeat1/{i}/residual1/conv2d{j}/weight" for i in "12" for j in "12"]
    assert len(set(style.fitted(paths, 136))) == 4
