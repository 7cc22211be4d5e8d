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
from nettrain.study.report import _key, cells, head, meaning, page, plain, winner
from nettrain.study.results import FINISHED, Results, Score, Unit
from nettrain.study.space import Axis, Log
from nettrain.study.sweep import _headline
from tests.show.test_page import Parts

NASTY = "</td><script>alert(1)</script>\x1b[31m"


def results(
    scores: list[list[float]],
    values: list[Any],
    untils: list[float] | None = None,
    drawn: bool = False,
    folds: int = 1,
) -> Results:
    class Stub:
        pass

    experiment: Any = Stub()
    experiment.data = Stub()
    experiment.data.source = Stub()
    experiment.data.source.drawn = drawn
    experiment.train = Stub()
    experiment.train.epochs = 10
    found, lost = [], Score("failed", why="disk")
    for number, (row, value) in enumerate(zip(scores, values, strict=True), 1):
        point: Any = Stub()
        point.number, point.values, point.name = number, (value,), f"{number:04d}"
        point.experiment = experiment
        until = untils[number - 1] if untils else 100.0
        told = [Score(FINISHED, v) if math.isfinite(v) else lost for v in row]
        found.append((point, until, told))
    units = [Unit(seed) for seed in range(len(scores[0]))]
    return Results.of(["key"], units, "validation/loss", "min", folds, found)


def test_a_tie_is_called_one_and_a_difference_is_not() -> None:
    tie = results([[0.1, 0.5, 0.9], [0.2, 0.45, 0.95], [0.12, 0.52, 0.921]], [1, 2, 3])
    (said,) = winner(tie)
    # Differences 0.1, -0.05, 0.05; t(.975, 2) = 4.302653, s = 0.0764 (any table).
    how = "by 0.03333 ± 0.19 by itself, 3 pairs"
    assert said == f"point 1 is best, but cannot be told from point 2 ({how})"
    more = results([[1, 5, 9], [1.3, 4.9, 9.2], [1.2, 4.9, 9.4]], [1, 2, 3])
    assert winner(more)[0].endswith("nor from 1 other")
    (said,) = winner(results([[0.1, 0.5, 0.9], [0.12, 0.52, 0.921]], [1, 2]))
    how = "by 0.02033 ± 0.0014, 3 pairs"
    assert said == f"point 1 is better than point 2, the second ({how})"


def test_the_only_one_is_not_called_the_best() -> None:
    alone = ["point 1 is the only one with a value"]
    assert winner(results([[0.1, 0.5]], [1])) == alone
    assert winner(results([[0.1, 0.5], [math.nan, 0.1]], [1, 2])) == alone


def test_rivals_that_all_agree_and_those_that_can_be_told() -> None:
    found = results([[0.1, 0.5, 0.9], [0.2, 0.6, 1.0], [0.7, 1.1001, 1.5]], [1, 2, 3])
    told = [cells(found, row, n)[-2:] for n, row in enumerate(found.rows, 1)]
    assert told == [["", ""], ["0.1, all agree", ""], ["0.6 ± 0.00014", "worse"]]
    how = "by 0.1, all seeds agree: no interval, 3 pairs"
    (said,) = winner(found)
    assert said.endswith(f"cannot be told from point 2 ({how})")
    folds = results([[0.1, 0.2], [0.3, 0.4]], [1, 2], folds=2)
    assert "all folds agree: no interval" in winner(folds)[0]


def test_an_interval_that_excludes_0_only_by_itself_is_explained() -> None:
    # Differences 0.1, 0.15, 0.2 are told alone, p = 0.035, and not among three pairs.
    scores = [[0.1, 0.5, 0.9], [0.2, 0.65, 1.1], [0.3, 0.4, 1.4]]
    _, said = winner(results(scores, [1, 2, 3]))
    assert said.startswith("some intervals exclude 0 by themselves: of 3 pairs")
    assert len(winner(results(scores[:2], [1, 2]))) == 1


def test_the_head_of_the_best_config() -> None:
    one, two = results([[0.25]], [1]), results([[0.25, 0.5]], [1])
    assert _headline(one).endswith("the best by validation/loss: 0.25 over 1 run.\n")
    assert _headline(two).endswith("0.375 ± 1.6 (95 %) over 2 runs.\n")


def test_what_the_numbers_mean() -> None:
    scores = [[0.1, 0.5], [0.2, 0.45], [0.12, 0.52]]
    said = meaning(results(scores, [1, 2, 3]))
    assert said[0].endswith("of other seeds on these data, not of other data.")
    assert "all 3 pairs" in said[1] and said[2].startswith("The best of 3 means owes")
    assert len(said) == 3
    drawn = meaning(results(scores[:2], [1, 2], drawn=True))
    assert drawn[0].endswith("of other seeds on data drawn alike.")
    assert len(drawn) == 2
    folds = meaning(results(scores, [1, 2, 3], folds=2))
    assert "of other divisions of these data" in folds[0]
    assert meaning(results([[0.1]], [1])) == []


def test_json_has_what_the_terminal_says(tmp_path: Path) -> None:
    scores = [[0.1, 0.5, 0.9], [0.12, 0.52, 0.921], [0.2, math.nan, 1.0]]
    found = results(scores, [1, 2, 3])
    told = plain(tmp_path, found)
    assert (told["folder"], told["best"]) == (str(tmp_path), 1)
    assert told["verdict"][:-1] == winner(found)
    assert told["verdict"][-1].startswith("1 of 3 points failed")
    assert told["meaning"] == meaning(found)
    best, second, failed = told["points"]
    low, high = second["behind_best_interval"]
    assert low < second["behind_best"] < high and second["told_from_best"] is True
    assert best["told_from_best"] is failed["told_from_best"] is False
    assert (best["why"], failed["why"]) == ({}, {"seed 1": "disk"})


@pytest.mark.parametrize(
    ("scores", "untils", "told"),
    [
        ([[0.1], [0.2]], None, "one seed: no interval; `seeds: 5` in the sweep gives"),
        ([[math.nan], [math.nan]], None, "No point was trained to its end."),
        ([[0.1, 0.2], [0.0, 0.1]], [100, 33.3], "1 point given up earlier"),
    ],
)
def test_what_else_is_said(scores: Any, untils: Any, told: str) -> None:
    assert told in " ".join(winner(results(scores, [1, 2], untils)))


def test_cells_of_points_of_every_kind() -> None:
    found = results([[0.25, 0.5], [math.nan, 0.1], [1.0, 1.25]], [1e-4, "x" * 99, None])
    rows = [cells(found, row, n) for n, row in enumerate(found.rows, 1)]
    assert {len(row) for row in rows} == {len(head(found))}
    assert rows[0] == ["1", "1", "0.0001", "0.375", "± 1.6", "", ""]
    assert rows[1][:4] == ["2", "3", "null", "1.125"]
    assert rows[1][5] == "0.75, all agree"
    assert rows[2][2] == "x" * 39 + "…" and rows[2][3:] == ["", "", "", "failed"]


def test_a_point_without_a_finite_value_says_so() -> None:
    found = results([[0.25]], [1])
    given = (found.rows[0].point, 100.0, [Score(FINISHED, math.inf)])
    lost = Results.of(["key"], found.units, "validation/loss", "min", 1, [given])
    assert cells(lost, lost.rows[0], 1)[-4:] == ["", "", "", "not finite"]


def test_a_point_that_was_given_up_says_so() -> None:
    found = results([[0.1, 0.2], [0.0, 0.1]], [1, 2], [100, 33.3])
    last = [cells(found, row, n)[-1] for n, row in enumerate(found.rows, 1)]
    assert last == ["", "trained for 4 of 10 epochs"]
    found.rows[1].point.experiment.train.epochs = None  # its plan counts updates
    assert found.rows[1].length == "33.3 %"


def test_the_terminal_shows_the_best_and_nothing_that_it_obeys() -> None:
    many = results([[float(i), float(i) + 0.5] for i in range(30)], [NASTY] * 30)
    text = "\n".join(_told(Path("runs/x\x1b/1"), many))
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
    leads = [a["href"] for tag, a in Parts(text).elements if tag == "a"]
    assert leads == [f"{tmp_path.name}/{n:04d}.yaml" for n in (2, 1, 3)]
    for title in ("Values and result", "Each key alone", "Learning curves"):
        assert title in text
    assert "Pairs of keys" not in text


def test_all_text_of_the_page_is_escaped() -> None:
    text = sweep(NASTY, [NASTY], [NASTY], [[NASTY]], {NASTY: ""})
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") >= 4


def test_keys_of_pictures() -> None:
    """A few numbers have places of their own; many, and ranges, lie on an axis."""
    few = _key("key", ("b", None, 3), [None, 3, "b", None])
    assert few.labels == ("b", "null", "3") and few.values.tolist() == [1, 2, 0, 1]
    many = _key("key", tuple(2**i for i in range(20)), [1, 1024])
    assert not many.labels and many.log and many.values.tolist() == [1, 1024]
    assert not _key("key", tuple(range(20)), [0, 19]).log
    assert _key("key", Log([1e-4, 1.0]), [0.1, 0.2]).log


def test_the_page_of_nothing(tmp_path: Path) -> None:
    text = page("none", results([[math.nan]], [1]), {"key": (1,)}, tmp_path)
    assert "No point was trained to its end." in text and "<svg" not in text
