"""The folder of a sweep: what may be asked for later, and what is refused."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nettrain.errors import Error
from nettrain.study import begun
from nettrain.study import sweep as sweeping
from nettrain.study.sweep import sweep
from nettrain.study.workers import Done, Trial

from .sweeps import (
    BASE,
    HALVING,
    OPTUNA,
    SWEEP,
    Here,
    Seen,
    swept,
)


def test_without_out_the_same_sweep_goes_on_and_another_is_new(
    folder: Path, here: Here
) -> None:
    paths = [
        sweep("sweep.yaml", overrides, watch=Seen())[0]
        for overrides in ([], ["workers=3"], ["seeds=1"], [])
    ]
    assert [str(path) for path in paths] == [
        "runs/rates/1",
        "runs/rates/1",
        "runs/rates/2",
        "runs/rates/1",
    ]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("", "train.epochs of the base was 4, and is 5 now; only seeds"),
        (
            "space={optimizer.sgd.momentum: [0.0, 0.8], model.dense1.units: [2, 5]}",
            "momentum was [0.0, 0.9], and is [0.0, 0.8] now; only",
        ),
        (
            "space={optimizer.sgd.momentum: [0.0, 0.9]}",
            "model.dense1.units was [2, 5], and is not there now; only",
        ),
        ("folds=3", "folds was nothing, and is 3 now; only"),
        ("method=random", "method was {grid: "),
        (
            "objective.metric=validation/accuracy",
            'metric was "validation/loss", and is "validation/accuracy"',
        ),
    ],
)
def test_another_sweep_is_refused_by_the_key_that_changed(
    folder: Path, here: Here, override: str, told: str
) -> None:
    swept()
    here.trained.clear()
    if not override:
        (folder / "base.yaml").write_text(BASE.replace("epochs: 4", "epochs: 5"))
    with pytest.raises(Error, match=r"out holds another sweep: ") as error:
        swept(*filter(None, [override]))
    assert told in str(error.value)
    assert error.value.exit_code == 4 and here.trained == []


RANDOM = """\
base: base.yaml
seeds: 2
space: {optimizer.sgd.momentum: {linear: [0, 0.99]}, model.dense1.units: [2, 5]}
method: {random: {points: 3}}
"""


@pytest.mark.parametrize(
    ("text", "before", "after", "new"),
    [
        (SWEEP, "seeds=1", "seeds=2", 4),
        (RANDOM, "method.random.points=3", "method.random.points=5", 4),
        pytest.param(HALVING, "seeds=1", "seeds=2", None, marks=pytest.mark.long),
        (OPTUNA, "method.optuna.points=5", "method.optuna.points=8", 6),
    ],
)
def test_what_is_asked_for_later_gives_what_a_new_sweep_gives(
    folder: Path, here: Here, text: str, before: str, after: str, new: int | None
) -> None:
    if text is OPTUNA:
        pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(text)
    swept(before)
    here.trained.clear()
    seen = Seen()
    sweep("sweep.yaml", [after], out="out", watch=seen)
    key, _, now = after.partition("=")
    was = before.rpartition("=")[2]
    assert seen.notes == [f"goes on: {key} was {was}, and is {now} now"]
    assert new is None or len(here.trained) == new
    swept(after, out="fresh")
    for path in (folder / "fresh").glob("*.*"):
        if path.name not in ("report.html", ".lock"):
            assert path.read_bytes() == (folder / "out" / path.name).read_bytes()
    here.trained.clear()
    swept(after)
    assert here.trained == []


@pytest.mark.parametrize("key", ["seeds", "method.random.points"])
def test_less_than_there_is_would_take_it_out_of_the_table(
    folder: Path, here: Here, key: str
) -> None:
    (folder / "sweep.yaml").write_text(RANDOM)
    swept(f"{key}=2")
    table = (folder / "out/table.csv").read_bytes()
    with pytest.raises(Error, match=f"{key} was 2, and is 1 now; only seeds, and") as e:
        swept(f"{key}=1")
    assert e.value.exit_code == 4 and (folder / "out/table.csv").read_bytes() == table


def test_what_makes_it_another_sweep_is_named_first(folder: Path, here: Here) -> None:
    (folder / "sweep.yaml").write_text(RANDOM)
    swept("seeds=1")
    with pytest.raises(Error, match=r": folds was nothing, and is 2 now, and 1 more;"):
        swept("seeds=2", "folds=2")


def test_other_seeds_are_no_continuation_where_their_means_lead_elsewhere(
    folder: Path, here: Here
) -> None:
    pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(OPTUNA)
    swept("seeds=1")
    with pytest.raises(Error, match="other seeds lead optuna to other points"):
        swept("seeds=2")


def test_without_out_only_a_smaller_sweep_is_gone_on_with(
    folder: Path, here: Here
) -> None:
    (folder / "sweep.yaml").write_text(RANDOM)
    paths = [
        sweep("sweep.yaml", overrides, watch=Seen())[0].name
        for overrides in (["seeds=1"], ["seeds=2"], ["seeds=1"], ["seeds=2"])
    ]
    assert paths == ["1", "1", "2", "1"]


def test_of_smaller_sweeps_the_newest_is_gone_on_with(folder: Path, here: Here) -> None:
    (folder / "sweep.yaml").write_text(RANDOM)
    points = "method.random.points={}".format
    asked = (["seeds=1", points(2)], [points(1)], [points(2)])
    paths = [sweep("sweep.yaml", one, watch=Seen())[0].name for one in asked]
    assert paths == ["1", "2", "2"]


def test_a_larger_sweep_is_told_where_another_one_is_trained(
    folder: Path, here: Here
) -> None:
    (folder / "sweep.yaml").write_text(RANDOM)
    points = "method.random.points={}".format
    told, grows = (
        "runs/sweep/{} was begun for all of this and more: {} goes on there",
        ("goes on: seeds was 1, and is 2 now"),
    )
    asked: list[tuple[list[str], list[str]]] = [
        (["seeds=3", points(1)], []),
        (["seeds=2", points(2)], []),  # neither has all of the other
        (["seeds=1", points(1)], [told.format(2, f"seeds=2 {points(2)}")]),
        (["seeds=2", points(1)], [grows, told.format(2, points(2))]),
        (["seeds=2", points(1)], []),
        (["seeds=2", points(2)], []),
    ]
    for overrides, notes in asked:
        seen = Seen()
        sweep("sweep.yaml", overrides, watch=seen)
        assert seen.notes == notes


def test_of_optuna_with_more_seeds_nothing_is_told(folder: Path, here: Here) -> None:
    """They led it to other points."""
    pytest.importorskip("optuna")
    (folder / "sweep.yaml").write_text(OPTUNA.replace("points: 5", "points: 2"))
    for seeds in (2, 1):
        seen = Seen()
        path, _ = sweep("sweep.yaml", [f"seeds={seeds}"], watch=seen)
    assert (path.name, seen.notes) == ("2", [])


def test_what_is_gone_on_with_still_says_what_began_it(
    folder: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept("seeds=1")
    first = (folder / "out/sweep.yaml").read_text().partition("\n")[0]
    monkeypatch.setattr(begun, "__version__", "99.1")
    swept("seeds=2")
    assert (folder / "out/sweep.yaml").read_text().startswith(first + "\n")


CSV = """\
data: {source: rows.csv, target: y, split: {validation: 0.3}, batch_size: 10}
model: [{dense: {units: 4, activation: tanh}}, {dense: 2}]
loss: cross_entropy
train: {epochs: 2}
diagnose: false
"""


def rows(flipped: int = 0) -> None:
    drawn = random.Random(0)
    values = [(drawn.random(), drawn.random()) for _ in range(40)]
    label = [(a > b) != (n < flipped) for n, (a, b) in enumerate(values)]
    lines = (f"{a},{b},{'ab'[y]}" for (a, b), y in zip(values, label, strict=True))
    Path("rows.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("out", ["out", None])
def test_data_that_changed_between_two_starts_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, out: str | None
) -> None:
    """Whether they would be the same sweep is not known before, so it says so."""
    rows()
    (folder / "base.yaml").write_text(CSV)
    text = "base: base.yaml\nspace: {model.dense1.units: [2, 5]}\n"
    (folder / "sweep.yaml").write_text(text)
    monkeypatch.setattr(sweeping, "performed", here := Here(most=1))
    with pytest.raises(KeyboardInterrupt):
        swept(out=out)
    rows(flipped=20)
    here.left = math.inf
    with pytest.raises(
        Error, match=r"data are not what they were when .* was"
    ) as error:
        swept(out=out)
    assert error.value.code == "run-data-changed" and len(here.trained) == 1
    rows()
    assert len(swept(out=out).rows) == len(here.trained) == 2


def test_data_that_change_while_trials_run_are_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be put back before anyone looks."""

    class Changing(Here):
        def __call__(self, trials: Sequence[Trial], *given: Any) -> Iterator[Done]:
            first, *others = trials
            yield from super().__call__([first], *given)
            rows(flipped=20)
            yield from super().__call__(others, *given)

    rows()
    (folder / "base.yaml").write_text(CSV)
    text = "base: base.yaml\nspace: {data.batch_size: [5, 6, 10]}\n"
    (folder / "sweep.yaml").write_text(text)
    monkeypatch.setattr(sweeping, "performed", Changing())
    with pytest.raises(Error, match="was trained on other data than") as error:
        swept()
    assert error.value.code == "run-data-changed"
    assert not (folder / "out/table.csv").exists()
    rows()
    monkeypatch.setattr(sweeping, "performed", Here())
    for _ in range(2):
        with pytest.raises(Error, match="was trained on other data than") as error:
            swept()
        shutil.rmtree(error.value.message.split()[0])
    found = swept()
    monkeypatch.setattr(sweeping, "performed", Here())
    assert swept(out="fresh") == found


def test_data_that_change_between_two_rungs_are_noticed_by_the_trials(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changing(Here):
        def __call__(self, trials: Sequence[Trial], *given: Any) -> Iterator[Done]:
            rows(flipped=20 * bool(self.trained))
            yield from super().__call__(trials, *given)

    rows()
    (folder / "base.yaml").write_text(CSV)
    (folder / "sweep.yaml").write_text(
        "base: base.yaml\nmethod: {halving: {points: 4, factor: 2, rungs: 2}}\n"
        "space: {optimizer.adam.learning_rate: {log: [1e-3, 1e-1]}}\n"
    )
    monkeypatch.setattr(sweeping, "performed", changing := Changing())
    with pytest.raises(Error, match=r"data of .* are not what they were") as error:
        swept()
    assert error.value.code == "run-data-changed" and len(changing.trained) == 6
    rows()
    monkeypatch.setattr(sweeping, "performed", here := Here())
    assert [row.status for row in swept().rows] == ["finished"] * 4
    assert len(here.trained) == 2


def test_a_damaged_folder_is_the_run_s_fault(folder: Path, here: Here) -> None:
    swept("seeds=1")
    (folder / "out/sweep.yaml").write_text("base: [")
    with pytest.raises(Error, match="out is no whole sweep") as error:
        swept("seeds=1")
    assert error.value.exit_code == 4
    (folder / "file").write_text("")
    with pytest.raises(Error, match="file is no folder") as error:
        swept(out="file")
    assert error.value.exit_code == 4


@pytest.mark.parametrize("text", ["", "base: [", "a: 1", "base: base.yaml\nspace: 3"])
def test_a_damaged_sweep_beside_this_one_is_left_alone(
    folder: Path, here: Here, text: str
) -> None:
    (folder / "runs/rates/1").mkdir(parents=True)
    (folder / "runs/rates/1/sweep.yaml").write_text(text)
    path, _ = sweep("sweep.yaml", out=None, watch=Seen())
    assert path == Path("runs/rates/2")
    assert (folder / "runs/rates/1/sweep.yaml").read_text() == text
    with pytest.raises(Error):
        swept(out="runs/rates/1")
