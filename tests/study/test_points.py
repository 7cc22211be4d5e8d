"""Points: configs from a base of any form and values of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.config import resolve
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import set_up
from nettrain.study.methods import Grid
from nettrain.study.points import Base

BASE = """\
data: {source: {moons: {samples: 40}}, split: {validation: 0.25}, batch_size: 10}
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: binary_cross_entropy
metrics: [accuracy]
optimizer: adam
train: {epochs: 1}
diagnose: false
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def points(space: str, more: str = "", base: str = "base.yaml") -> list[Any]:
    """Each point's experiment, as it is read again from its own text."""
    Path("sweep.yaml").write_text(f"base: {base}\n{more}\nspace:\n  {space}\n")
    read = Base.read("sweep.yaml", ())
    (tries,) = read.sweep.method.generations(read.sweep.space)
    found = []
    for number, one in enumerate(tries, 1):
        point = read.point(number, one.values)
        Path("again.yaml").write_text(point.text)
        again = resolve("again.yaml", schema=Experiment).build()
        assert again == point.experiment
        found.append(again)
    return found


def test_values_are_components_in_every_form(folder: Path) -> None:
    one, two, three, four = points(
        "model.dense1.activation: "
        "[relu, {leaky_relu: {slope: 0.3}}, {leaky_relu: 0.2}, linear]"
    )
    kinds = [e.model[0].activation for e in (one, two, three, four)]
    assert [k and k.registered_name for k in kinds[:3]] == [
        "relu",
        "leaky_relu",
        "leaky_relu",
    ]
    assert [kinds[1].slope, kinds[2].slope] == [0.3, 0.2]


def test_values_are_whole_parts_lists_and_nothing(folder: Path) -> None:
    models = points("model: [[{dense: 1}], [{dense: 3}, relu, {dense: 1}]]")
    assert [len(one.model) for one in models] == [1, 3]
    stops = points("train.stop: [null, {patience: 2}]")
    assert [one.train.stop and one.train.stop.patience for one in stops] == [None, 2]
    steps = points("data.preprocess: [[], [standardize], [min_max]]")
    assert [len(one.data.preprocess) for one in steps] == [0, 1, 1]


def test_keys_reach_through_short_forms(folder: Path) -> None:
    """The base says `adam` and `dense: 1`."""
    rates = points("optimizer.adam.learning_rate: [1.0e-4, 0.1]")
    assert [one.optimizer.learning_rate for one in rates] == [1e-4, 0.1]
    biases = points("model.dense2.bias: [true, false]")
    assert [one.model[1].bias for one in biases] == [True, False]


def test_a_base_that_extends_and_patches_another(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/child.yaml").write_text(
        "extends: ../base.yaml\nseed: 7\n"
        "patch: [{do: insert, path: model.dense2, value: {dropout: 0.5}}]\n"
    )
    found = points("model.dropout1.rate: [0.1, 0.2]", base="deep/child.yaml")
    assert [one.model[1].rate for one in found] == [0.1, 0.2]
    assert {one.seed for one in found} == {7}


def test_a_base_that_begins_with_a_run(folder: Path) -> None:
    run = nt.train("base.yaml", out=folder / "first")
    (folder / "tuned.yaml").write_text(
        BASE.replace(BASE.splitlines()[1], "model: {from: first}")
    )
    found = points("train.epochs: [1, 2]", base="tuned.yaml")
    assert {str(one.model.from_) for one in found} == {str(run.path.absolute())}
    set_up("again.yaml")


def test_paths_start_from_the_file_they_stand_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    for name in ("a", "b"):
        (folder / f"sub/{name}.csv").write_text("x,y\n1,2\n")
    (folder / "sub/base.yaml").write_text(BASE)
    (folder / "sub/sweep.yaml").write_text(
        "base: base.yaml\nspace: {data.source: [a.csv, ./b.csv]}\n"
    )
    read = Base.read("sub/sweep.yaml", ())
    wanted = [str(folder / f"sub/{name}.csv") for name in ("a", "b")]
    for source, path in zip(("a.csv", "./b.csv"), wanted, strict=True):
        assert read.point(1, (source,)).experiment.data.source.path == path
    monkeypatch.chdir("/")
    again = Base.read(folder / "sub/sweep.yaml", ())
    assert again.point(1, ("a.csv",)).experiment == read.point(1, ("a.csv",)).experiment


@pytest.mark.parametrize(
    ("space", "more", "told"),
    [
        ("seed: [1, 2]", "", "seed: every point has the same seeds"),
        ("data.split.fold: [1, 2]", "folds: 3", "folds: 3 decides it for each run"),
        ("data.split.validation: [0.1, 0.2]", "folds: 3", "leave one of the two out"),
        (
            "loss: [binary_cross_entropy]",
            "",
            "each value has a validation/loss of its own",
        ),
        (
            "optimizer: [sgd, adam]\n  optimizer.adam.learning_rate: [0.1]",
            "",
            "optimizer: another key of the space changes it too",
        ),
        (
            "optimizer.sgd.learning_rate: [0.1]\n  optimizer.adam.learning_rate: [0.1]",
            "",
            "optimizer.sgd.learning_rate: another key of the space changes it too",
        ),
        (
            "model.dense1.units: [3]\n  model: [[{dense: 1}]]",
            "",
            "model.dense1.units",
        ),
    ],
)
def test_keys_that_undo_each_other_or_the_seeds(
    folder: Path, space: str, more: str, told: str
) -> None:
    with pytest.raises(Error) as error:
        points(space, more)
    assert told in str(error.value)
    line = int(str(error.value.place).split(":")[1])
    assert line >= 3 and str(error.value.place).startswith("sweep.yaml:")
    assert error.value.exit_code == 2


def test_a_loss_may_be_varied_where_something_else_decides(folder: Path) -> None:
    more = "objective: {metric: validation/accuracy}"
    found = points("loss: [binary_cross_entropy, hinge]", more)
    assert [e.loss.registered_name for e in found] == ["binary_cross_entropy", "hinge"]


def test_numbers_come_back_from_the_table_exactly(folder: Path) -> None:
    from nettrain.config.writer import inline

    written = "[1.0e-4, 0.1, 3, 1.0e-300, 0.30000000000000004]"
    Path("sweep.yaml").write_text(
        f"base: base.yaml\nspace: {{optimizer.adam.learning_rate: {written}}}\n"
    )
    read = Base.read("sweep.yaml", ())
    assert isinstance(read.sweep.method, Grid)
    (values,) = read.sweep.space.values()
    assert isinstance(values, tuple)
    for value in values:
        (folder / "one.yaml").write_text(
            f"base: base.yaml\nspace: {{train.epochs: [{inline(value)}]}}\n"
        )
        (again,) = Base.read("one.yaml", ()).sweep.space.values()
        assert repr(again) == repr((value,))
