"""What run folders say of trials, and the order of points."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.config import resolve
from nettrain.experiment import run as running
from nettrain.experiment.schema import Experiment
from nettrain.record.folder import METRICS, RUN
from nettrain.span import Span
from nettrain.study.intervals import Interval
from nettrain.study.results import (
    FINISHED,
    UNFINISHED,
    Results,
    Row,
    Score,
    Unit,
    ends_at,
    score,
)

CONFIG: dict[str, Any] = {
    "data": {
        "source": {"moons": {"samples": 60}},
        "split": {"validation": 0.3},
        "batch_size": 10,
    },
    "model": [{"dense": {"units": 3, "activation": "tanh"}}, {"dense": 1}],
    "loss": "binary_cross_entropy",
    "metrics": ["accuracy"],
    "optimizer": {"sgd": {"learning_rate": 0.5}},
    "train": {"epochs": 4},
    "diagnose": False,
}
LOSS = "validation/loss"


def experiment(config: Any) -> Experiment:
    built: Experiment = resolve(config, schema=Experiment).build()
    return built


def found(
    folder: Path, config: Any = CONFIG, metric: str = LOSS, until: float = 100
) -> Score:
    return score(folder, experiment(config), metric, until)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    return nt.train(CONFIG, out=out).path


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def test_a_finished_run_has_the_value_of_its_last_epoch(trained: Path) -> None:
    last = rows(trained)[-1]
    assert found(trained) == Score(FINISHED, last[LOSS])
    assert (
        found(trained, metric="validation/accuracy").value
        == (last["validation/accuracy"])
    )
    assert found(trained, metric="train/loss").value == last["train/epoch_loss"]


def test_it_is_judged_at_the_end_of_the_epoch_it_is_to_reach(trained: Path) -> None:
    ends = [row for row in rows(trained) if LOSS in row]
    assert found(trained, until=50).value == ends[1][LOSS]
    assert found(trained, until=51).value == ends[2][LOSS]
    assert found(trained, until=1).value == ends[0][LOSS]


def test_the_best_epoch_counts_where_it_is_restored(trained: Path) -> None:
    stop = {"monitor": LOSS, "goal": "max", "restore_best": True}
    config = CONFIG | {"train": {"epochs": 4, "stop": stop}}
    ends = [row[LOSS] for row in rows(trained) if LOSS in row]
    assert ends[0] == max(ends)
    assert found(trained, config).value == ends[0]


def test_without_rows_to_validate_training_is_judged(tmp_path: Path) -> None:
    config = CONFIG | {"data": CONFIG["data"] | {"split": {}}}
    run = nt.train(config, out=tmp_path / "run")
    last = rows(run.path)[-1]["train/epoch_loss"]
    assert found(run.path, config, "train/loss") == Score(FINISHED, last)
    assert found(run.path, config).status == "failed"
    assert "has no validation/loss" in found(run.path, config).why


def test_what_is_not_there_or_not_done_is_unfinished(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == Score(UNFINISHED)
    running.run(CONFIG, out=tmp_path / "run", until=Span(50, "%"), pictures=False)
    assert found(tmp_path / "run").status == UNFINISHED
    assert found(tmp_path / "run", until=50).status == FINISHED
    assert found(tmp_path / "run", until=51).status == UNFINISHED


def test_a_run_that_stopped_early_is_finished(tmp_path: Path) -> None:
    config = CONFIG | {"train": {"epochs": 4, "stop": {"target": 1e9}}}
    run = nt.train(config, out=tmp_path / "run")
    assert rows(run.path)[-1]["epoch"] == 1
    assert found(run.path, config) == Score(FINISHED, rows(run.path)[-1][LOSS])


def test_a_run_that_diverged_has_no_value(tmp_path: Path) -> None:
    config = CONFIG | {"loss": "mse", "metrics": []}
    config |= {"optimizer": {"sgd": {"learning_rate": 1e30}}}
    nt.train(config, out=tmp_path / "run")
    score = found(tmp_path / "run", config)
    assert score.status == "diverged" and math.isnan(score.value)


def line(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


def lost(trained: Path, folder: Path, status: str, end: int) -> list[dict[str, Any]]:
    """A run without a finite loss from the end of an epoch on, which is its last."""
    facts = json.loads((trained / RUN).read_text())
    (folder / RUN).write_text(json.dumps({**facts, "status": status, "reason": "inf"}))
    kept = [row for row in rows(trained) if row["epoch"] <= end]
    kept[-1] |= {"train/epoch_loss": "nan", LOSS: "nan"}
    (folder / METRICS).write_text("".join(map(line, kept)))
    return [row for row in kept if LOSS in row]


def test_what_diverged_in_its_last_update_has_no_value(
    trained: Path, tmp_path: Path
) -> None:
    ends = lost(trained, tmp_path, "diverged", 4)
    assert found(tmp_path).status == "diverged" and found(tmp_path).why == "inf"
    assert found(tmp_path, until=75) == Score(FINISHED, ends[2][LOSS])


def test_a_rung_that_ends_without_a_loss_has_diverged(
    trained: Path, tmp_path: Path
) -> None:
    ends = lost(trained, tmp_path, "interrupted", 2)
    score = found(tmp_path, until=50)
    assert score.status == "diverged"
    assert score.why == f"the loss is not finite after step {ends[1]['step']}"


def test_where_updates_are_skipped_a_point_has_the_value_that_it_has(
    trained: Path, tmp_path: Path
) -> None:
    """Rows that no update is made of have no finite loss in any epoch."""
    config = CONFIG | {"train": {"epochs": 4, "on_nonfinite": "skip"}}
    ends = lost(trained, tmp_path, "interrupted", 2)
    assert found(tmp_path, config, until=50).status == "diverged"  # it has none
    for status, end in (("finished", 4), ("interrupted", 2)):
        ends = lost(trained, tmp_path, status, end)
        for row, value in zip(ends, (0.25, 0.5, 0.125, 0.375), strict=False):
            row |= {"train/epoch_loss": "inf", LOSS: value}
        (tmp_path / METRICS).write_text("".join(map(line, ends)))
        score = Score(FINISHED, ends[-1][LOSS])
        assert found(tmp_path, config, until=25 * end) == score
    stops = config["train"] | {"stop": {"restore_best": True}}
    assert found(tmp_path, CONFIG | {"train": stops}, until=50).value == 0.25
    stops = config["train"] | {"stop": {"monitor": "train/loss"}}
    assert found(tmp_path, CONFIG | {"train": stops}, until=50).status == "diverged"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (RUN, ""),
        (RUN, "{}"),
        (RUN, '{"format": 1, "status": 3}'),
        (METRICS, '{"step":'),
        (METRICS, "\x00\x00\n{}\n"),
    ],
)
def test_a_damaged_run_is_unfinished_and_the_reason_is_known(
    trained: Path, tmp_path: Path, name: str, text: str
) -> None:
    for file in (RUN, METRICS):
        (tmp_path / file).write_bytes((trained / file).read_bytes())
    assert found(tmp_path).status == FINISHED
    (tmp_path / name).write_text(text)
    assert found(tmp_path).status in (UNFINISHED, "failed")


@pytest.mark.parametrize(
    ("planned", "status"),
    [(None, UNFINISHED), ({"steps": 0, "steps_per_epoch": 0}, FINISHED)],
)
def test_a_plan_that_makes_no_sense_harms_nothing(
    trained: Path, tmp_path: Path, planned: Any, status: str
) -> None:
    (tmp_path / METRICS).write_bytes((trained / METRICS).read_bytes())
    facts = json.loads((trained / RUN).read_text())
    del facts["planned"]
    if planned is not None:
        facts["planned"] = planned
    (tmp_path / RUN).write_text(json.dumps(facts))
    assert found(tmp_path, until=50).status in (status, "failed")


@pytest.mark.parametrize("steps", [1, 12, 13])
@pytest.mark.parametrize("per_epoch", [1, 3, 5])
@pytest.mark.parametrize("until", [0.1, 100 / 27, 100 / 3, 50.0, 100.0])
def test_a_rung_ends_where_the_plan_pauses(
    steps: int, per_epoch: int, until: float
) -> None:
    """The two know of each other only by this."""

    class Made:
        total_steps, steps_per_epoch = steps, per_epoch
        until: Span

    from nettrain.training.plan import Plan

    made = Made()
    made.until = Span(until, "%")
    pauses = vars(Plan)["pauses_at"].func(made)
    assert ends_at(until, steps, per_epoch) == min(steps, pauses)


def test_a_finished_run_whose_metrics_were_cut_is_trained_on(
    trained: Path, tmp_path: Path
) -> None:
    """Resumed, it ends with the same bytes."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    whole = (run / METRICS).read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in (b"".join(lines[:-1]), whole[:100], b""):
        (run / METRICS).write_bytes(kept)
        assert found(run).status == UNFINISHED
    (run / METRICS).write_bytes(b"".join(lines[:-1]))
    assert found(run, until=50) == found(trained, until=50)  # it has come so far
    running.resume(run, pictures=False)
    assert (run / METRICS).read_bytes() == whole
    assert found(run) == found(trained)


def row(number: int, values: list[float], until: float = 100) -> Row:
    class Stub:
        name = f"{number:04d}"
        values: tuple[Any, ...] = (f"v{number}",)

    point: Any = Stub()
    point.number = number
    status = [FINISHED if math.isfinite(v) else "failed" for v in values]
    scores = tuple(Score(s, v) for s, v in zip(status, values, strict=True))
    return Row(point, until, scores, Interval.of(values))


def results(*rows: Row, goal: str = "min") -> Results:
    units = [Unit(seed) for seed in range(len(rows[0].scores))]
    given = ((one.point, one.until, one.scores) for one in rows)
    return Results.of(["key"], units, LOSS, goal, 1, given)


def test_the_best_first_then_what_was_trained_less_and_failures_last() -> None:
    rows = (
        row(1, [math.nan, 0.1]),
        row(2, [0.1, 0.1], until=50),
        row(3, [0.9, 0.9]),
        row(4, [0.3, 0.3]),
        row(5, [0.3, 0.3]),
    )
    assert [r.point.number for r in results(*rows).rows] == [4, 5, 3, 2, 1]
    assert [r.point.number for r in results(*rows, goal="max").rows] == [3, 4, 5, 2, 1]
    assert results(rows[0]).best is None


def test_behind_and_equals_are_paired_by_seed() -> None:
    best, equal = row(1, [0.10, 0.50, 0.90]), row(2, [0.20, 0.45, 0.95])
    worse = row(3, [0.12, 0.52, 0.921])
    found = results(best, equal, worse)
    assert found.behind(found.rows[0]).mean == 0
    assert {n: rival.told for n, rival in found.rivals.items()} == {2: False, 3: True}
    told = found.behind(next(r for r in found.rows if r.point.number == 3))
    assert told.mean == pytest.approx(0.061 / 3) and told.low > 0
    upward = results(best, equal, worse, goal="max")
    assert all(upward.behind(r).mean >= 0 for r in upward.rows)


def test_where_all_seeds_agree_there_is_no_interval() -> None:
    best, worse = row(1, [0.5, 0.5]), row(2, [0.6, 0.6])
    found = results(best, worse)
    assert found.rivals[2].told is False and found.rivals[2].apart.agree
    lines = found.csv().splitlines()
    assert lines[1] == "1,1,v1,100,finished,0.5,,,0.5,0.5,"


def test_the_table_of_failures_and_hostile_values() -> None:
    table = results(row(1, [math.nan]), row(2, [0.1 + 0.2])).csv().splitlines()
    assert table[0] == "rank,point,key,trained_percent,status,mean,low,high,seed 0,why"
    assert table[1] == "1,2,v2,100,finished,0.30000000000000004,,,0.30000000000000004,"
    assert table[2] == "2,1,v1,100,failed,,,,,"
