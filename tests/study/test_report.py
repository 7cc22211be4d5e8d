"""What a sweep says: tables, verdicts and the page."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli.sweep import _told
from nettrain.show.page.sweep import sweep
from nettrain.study.report import _key, cells, head, page, verdict
from nettrain.study.results import FINISHED, Results, Score, Unit
from nettrain.study.space import Axis, Log

NASTY = "</td><script>alert(1)</script>\x1b[31m"


def results(
    scores: list[list[float]], values: list[Any], untils: list[float] | None = None
) -> Results:
    class Stub:
        pass

    found = []
    for number, (row, value) in enumerate(zip(scores, values, strict=True), 1):
        point: Any = Stub()
        point.number, point.values, point.name = number, (value,), f"{number:04d}"
        until = untils[number - 1] if untils else 100.0
        told = [Score(FINISHED if math.isfinite(v) else "failed", v) for v in row]
        found.append((point, until, told))
    units = [Unit(seed) for seed in range(len(scores[0]))]
    return Results.of(["key"], units, "validation/loss", "min", 1, found)


def test_a_tie_is_called_one_and_a_difference_is_not() -> None:
    tie = results([[0.1, 0.5, 0.9], [0.2, 0.45, 0.95], [0.12, 0.52, 0.921]], [1, 2, 3])
    (said,) = verdict(tie)
    assert said.startswith("best: point 1, but it cannot be told from 1 other: point 2")
    (said,) = verdict(results([[0.1, 0.5, 0.9], [0.12, 0.52, 0.921]], [1, 2]))
    assert said == "best: point 1"


@pytest.mark.parametrize(
    ("scores", "untils", "told"),
    [
        ([[0.1], [0.2]], None, "one seed tells no interval"),
        ([[math.nan], [math.nan]], None, "No point was trained to its end."),
        ([[0.1, 0.2], [0.0, 0.1]], [100, 33.3], "1 were given up earlier"),
    ],
)
def test_what_else_is_said(scores: Any, untils: Any, told: str) -> None:
    assert told in " ".join(verdict(results(scores, [1, 2], untils)))


def test_cells_of_points_of_every_kind() -> None:
    found = results([[0.25, 0.5], [math.nan, 0.1], [1.0, 1.25]], [1e-4, "x" * 99, None])
    rows = [cells(found, row, n) for n, row in enumerate(found.rows, 1)]
    assert {len(row) for row in rows} == {len(head(found))}
    assert rows[0] == ["1", "1", "0.0001", "0.375", "1.6", "", ""]
    assert rows[1][:4] == ["2", "3", "null", "1.125"]
    assert rows[1][5] == "0.75 ± 0"
    assert rows[2][2] == "x" * 39 + "…" and rows[2][3:] == ["", "", "", "failed"]


def test_a_point_that_was_given_up_says_so() -> None:
    found = results([[0.1, 0.2], [0.0, 0.1]], [1, 2], [100, 33.3])
    last = [cells(found, row, n)[-1] for n, row in enumerate(found.rows, 1)]
    assert last == ["", "trained for 33.3 %"]


def test_the_terminal_shows_the_best_and_nothing_that_it_obeys() -> None:
    many = results([[float(i), float(i) + 0.5] for i in range(30)], [NASTY] * 30)
    text = _told(Path("runs/x\x1b/1"), many)
    assert "… and 10 more in the table" in text
    assert "\x1b" not in text and "table.csv, best.yaml, report.html" in text
    assert len([line for line in text.splitlines() if line[:1].isdigit()]) == 20


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ((NASTY, "b"), [NASTY, "b", "b"]),
        (Log([1e-4, 1.0]), [1e-4, 1e-2, 1.0]),
        ((1, 1.0, True), [1, 1.0, True]),
        (tuple(range(1, 40)), [1, 2, 39]),
        (({"a": [1, None]}, None), [{"a": [1, None]}, None, None]),
    ],
)
def test_the_page_of_values_of_every_kind(
    tmp_path: Path, axis: Axis, values: list[Any]
) -> None:
    found = results([[0.1, 0.3], [0.2, 0.1], [5.0, 70.0]], values)
    for number, seed in itertools.product((1, 2, 3), (0, 1)):
        trial = tmp_path / f"{number:04d}-seed-{seed}"
        trial.mkdir()
        rows = [{"step": i, "epoch": i, "validation/loss": 1 / i} for i in (1, 2)]
        written = "".join(json.dumps(row) + "\n" for row in rows)
        (trial / "metrics.jsonl").write_text(written)
    text = page(NASTY, found, {"key": axis}, tmp_path)
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert text.count("<svg") + text.count("data:image/svg") >= 3
    for title in ("Values and result", "Each key alone", "Learning curves"):
        assert title in text
    assert "Pairs of keys" not in text


def test_all_text_of_the_page_is_escaped() -> None:
    text = sweep(NASTY, [NASTY], [NASTY], [[NASTY]], {NASTY: ""})
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") >= 4


def test_keys_of_pictures() -> None:
    """A few numbers have places of their own; many, and ranges, lie on an axis."""
    few = _key(("key", ("b", None, 3)), [None, 3, "b", None])
    assert few.labels == ("b", "null", "3") and few.values.tolist() == [1, 2, 0, 1]
    many = _key(("key", tuple(2**i for i in range(20))), [1, 1024])
    assert not many.labels and many.log and many.values.tolist() == [1, 1024]
    assert not _key(("key", tuple(range(20))), [0, 19]).log
    assert _key(("key", Log([1e-4, 1.0])), [0.1, 0.2]).log


def test_the_page_of_nothing(tmp_path: Path) -> None:
    text = page("none", results([[math.nan]], [1]), {"key": (1,)}, tmp_path)
    assert "No point was trained to its end." in text and "<svg" not in text
