"""A run's event file, read by TensorBoard's own reader; without one nothing changes."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nettrain as nt
from nettrain.disk import Disk
from nettrain.experiment.assembly import make_network
from nettrain.experiment.run import resume, run
from nettrain.experiment.setup import set_up
from nettrain.experiment.tensorboard import nodes
from nettrain.nn import walk
from nettrain.record.checkpoint import decode
from tests.experiment.conftest import ROOT, SMALL
from tests.experiment.test_killed import KILLED, killed_at_event
from tests.experiment.test_nonfinite import config  # noqa: F401

pytestmark = pytest.mark.usefixtures("only_graphs")
NAME = "events.out.tfevents.0.nettrain"
BOARD: dict[str, Any] = {
    **SMALL,
    "model": [{"dense": 8}, "batch_norm", "relu", {"dense": 3}],
    "train": {"epochs": 3, "tensorboard": True, "checkpoint": {"every": "4 steps"}},
}


def read(folder: Path) -> Any:
    """All of a run's events."""
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    everything = {"scalars": 0, "histograms": 0, "tensors": 0, "graph": 0}
    found = module.EventAccumulator(str(folder), size_guidance=everything)
    found.Reload()
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]


def by_name(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each number in metrics.jsonl, as float32."""
    made: dict[str, list[tuple[int, float]]] = {}
    for row in rows(folder):
        for name, value in row.items():
            if name not in ("step", "epoch", "digest"):
                number = (row["step"], float(np.float32(value)))
                made.setdefault(name, []).append(number)
    return made


def scalars(found: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


STATISTICS = {
    "gradient_rms": ("pre_activation", "gradient_rms"),
    "activation_mean": ("activation", "value_mean"),
    "activation_std": ("activation", "value_std"),
    "activation_zeros": ("activation", "value_zero"),
    "parameter_gradient_rms": ("parameter", "gradient_rms"),
    "update_ratio": ("parameter", "update_ratio"),
    "dead_share": ("pre_activation", "dead"),
}


def statistics(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What statistics.csv holds of these, as `by_name` has it; eight units a layer."""
    made: dict[str, list[tuple[int, float]]] = {}
    with (folder / "statistics.csv").open() as file:
        for row in csv.DictReader(file):
            for group, (role, column) in STATISTICS.items():
                if row["role"] == role and row[column]:
                    number = float(row[column]) / (8 if column == "dead" else 1)
                    pair = (int(row["step"]), float(np.float32(number)))
                    layer = row["node"].removeprefix("model/").removesuffix(f"/{role}")
                    name = f"{group}/{layer.replace('/', '.')}"
                    made.setdefault(name, []).append(pair)
    return made


def told(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars that the event file has to have."""
    return {**by_name(folder), **statistics(folder)}


def last(folder: Path) -> Mapping[str, np.ndarray]:
    path = max((folder / "checkpoints").glob("step-*"))
    return decode(path.read_bytes()).tensors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nt.train(BOARD, out=tmp_path_factory.mktemp("whole") / "run").path


# ---------------------------------------------------------------- what is in it


def test_scalars_are_those_of_the_metrics(whole: Path) -> None:
    found = read(whole)
    assert scalars(found) == told(whole)
    assert {"train/loss", "learning_rate", "gradient_norm", "test/accuracy"} < set(
        scalars(found)
    )
    assert len(found.Scalars("train/loss")) == 18
    assert [event.wall_time for event in found.Scalars("train/loss")] == [*range(1, 19)]


def test_scalars_are_those_of_the_statistics_too(whole: Path) -> None:
    found, expected = scalars(read(whole)), statistics(whole)
    assert {name.partition("/")[0] for name in expected} == set(STATISTICS)
    assert {k: v for k, v in found.items() if k in expected} == expected
    # The first updates and the ends of epochs; units are counted at these.
    flow = found["gradient_rms/dense1"]
    assert [step for step, _ in flow][-3:] == [6, 12, 18] and len(flow) > 3
    (dead,) = (v for k, v in found.items() if k.startswith("dead_share/"))
    assert [step for step, _ in dead] == [6, 12, 18]
    assert "update_ratio/dense1.weight" in found
    assert "update_ratio/dense1.bias" not in found  # no ratio is taken of it


def test_the_config_is_a_text(whole: Path) -> None:
    found = read(whole)
    assert found.Tags()["tensors"] == ["config"]
    (event,) = found.Tensors("config")
    given = (whole / "config.yaml").read_text().splitlines()
    lines = event.tensor_proto.string_val[0].decode().splitlines()
    assert event.step == 0 and lines == [f"    {line}" for line in given]


def test_dead_units_are_told_as_their_share(tmp_path: Path) -> None:
    dense = {"units": 8, "activation": "relu", "bias_init": {"constant": -30.0}}
    mapping = {**BOARD, "model": [{"dense": dense}, {"dense": 3}]}
    made = nt.train(mapping, out=tmp_path / "run")
    (name,) = [n for n in statistics(made.path) if n.startswith("dead_share/")]
    assert scalars(read(made.path))[name] == [(6, 1.0), (12, 1.0), (18, 1.0)]


def test_histograms_are_those_of_the_weights(whole: Path) -> None:
    found, tensors = read(whole), last(whole)
    paths = [p.removeprefix("parameter/") for p in tensors if p.startswith("param")]
    assert set(found.Tags()["histograms"]) == set(paths) and len(paths) == 6
    for path in paths:
        events = found.Histograms(path)
        assert [event.step for event in events] == [6, 12, 18]
        told, values = events[-1].histogram_value, tensors[f"parameter/{path}"]
        values = values.astype(np.float64).ravel()
        assert (told.min, told.max) == (values.min(), values.max())
        assert (told.num, told.sum) == (values.size, values.sum())
        limits, counts = np.array(told.bucket_limit), np.array(told.bucket)
        edges = [-np.inf, *limits[:-1], values.max()]
        inside = [
            ((values > low) & (values <= high)).sum()
            for low, high in itertools.pairwise(edges)
        ]
        np.testing.assert_array_equal(counts, inside)
    weights = [h.histogram_value.sum for h in found.Histograms("model/dense1/weight")]
    assert len(set(weights)) == 3


def test_the_graph_has_every_layer_as_a_scope(whole: Path) -> None:
    graph = {node.name: node for node in read(whole).Graph().node}
    for scope in ("dense1", "batch_norm1", "relu1", "dense2"):
        assert any(name.startswith(f"model/{scope}/") for name in graph), scope
    assert all(source in graph for node in graph.values() for source in node.input)
    weight = graph["model/dense1/weight"]
    (shape,) = weight.attr["_output_shapes"].list.shape
    assert weight.op == "parameter" and [d.size for d in shape.dim] == [4, 8]
    assert graph["model/dense1/matmul"].input[:] == ["inputs", "model/dense1/weight"]
    assert graph["loss/loss"].op == "multiply"
    assert {"inputs", "targets"} == {n.name for n in graph.values() if n.op == "input"}


@pytest.mark.parametrize("name", ["cnn", "adding-lstm", "gpt", "resnet"])
def test_graphs_of_all_kinds(name: str) -> None:
    setup = set_up(ROOT / f"configs/{name}.yaml")
    graph = list(nodes(make_network(setup).first.cost))
    seen: set[str] = set()
    for node in graph:
        assert seen.issuperset(node.inputs) and node.name not in seen
        seen.add(node.name)
    layers = [path for path, _, _ in walk(setup.experiment.model, "model", ())]
    for path in layers:
        assert any(node.startswith(f"{path}/") for node in seen), path
    if name == "adding-lstm":
        (loop,) = [node for node in graph if node.op == "scan"]
        assert loop.name == "model/lstm1/loop/scan"
        assert all(source.startswith("model/lstm1/loop/") for source in loop.inputs)
        inside = {n.op for n in graph if n.name.startswith("model/lstm1/loop/")}
        assert {"matmul", "tanh", "sigmoid"} <= inside


# ---------------------------------------------------------------- when it is written


class Listing(Disk):
    """Notes action and file name of every system call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def system(self, action: str, path: Path, call: Any, *given: object) -> Any:
        self.calls.append((action, path.name))
        return super().system(action, path, call, *given)


def test_nobody_gets_one_unasked(tmp_path: Path) -> None:
    train = {k: v for k, v in BOARD["train"].items() if k != "tensorboard"}
    made = nt.train({**BOARD, "train": train}, out=tmp_path / "run")
    assert not list(made.path.glob("*tfevents*"))


def test_killed_and_resumed_it_has_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"
    for at in (17, 9, 3):
        begun = (folder / "run.json").exists()
        call = (
            (lambda: resume(folder)) if begun else (lambda: nt.train(BOARD, out=folder))
        )
        assert killed_at_event(call, at) == KILLED
    resume(folder)
    assert (folder / NAME).read_bytes() == (whole / NAME).read_bytes()
    assert scalars(read(folder)) == told(folder)


def test_a_longer_run_goes_on_with_it(tmp_path: Path, whole: Path) -> None:
    made = nt.train(BOARD, out=tmp_path / "run", overrides=["train.epochs=2"])
    resume(made.path, ["train.epochs=3"])
    assert (made.path / NAME).read_bytes() == (whole / NAME).read_bytes()


def test_after_a_rollback_no_step_stands_there_twice(
    tmp_path: Path,
    config: Any,  # noqa: F811
) -> None:
    path = config("rollback", tensorboard=True)
    disk = Listing()
    run(path, out=tmp_path / "run", disk=disk)
    made = nt.load_run(tmp_path / "run")
    assert made.summary["rollbacks"] == 2
    # Of each time once for what is cut, once to go on; and none is left open.
    opened = disk.calls.count(("open", NAME))
    assert opened == disk.calls.count(("close", NAME)) == 1 + 2 * 2
    found = read(made.path)
    assert scalars(found) == told(made.path)
    steps = [event.step for event in found.Histograms("model/dense1/bias")]
    assert steps == list(range(5, 61, 5))


def test_it_may_be_asked_for_later(tmp_path: Path, whole: Path) -> None:
    short = ["train.epochs=2", "train.tensorboard=false"]
    made = nt.train(BOARD, out=tmp_path / "run", overrides=short)
    resume(made.path, ["train.epochs=3", "train.tensorboard=true"])
    found = read(made.path)
    assert scalars(found) == told(made.path) == told(whole)
    assert [e.step for e in found.Histograms("model/dense1/bias")] == [12, 18]
    assert found.Graph() == read(whole).Graph()
    assert "lacked the updates 1 to 8" in (made.path / "events.jsonl").read_text()


@pytest.mark.parametrize("harm", ["removed", "cut", "damaged", "foreign"])
def test_a_run_goes_on_whatever_becomes_of_it(
    tmp_path: Path, whole: Path, harm: str
) -> None:
    folder = tmp_path / "run"
    made = nt.train(BOARD, out=folder, overrides=["train.epochs=2"])
    path = made.path / NAME
    data = bytearray(path.read_bytes())
    at = data.index(b"gradient_norm", len(data) // 2)
    if harm == "removed":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(data[:at])
    elif harm == "damaged":
        data[at] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(b"mine\n")
    resume(folder, ["train.epochs=3"])
    assert scalars(read(folder)) == told(folder) == told(whole)
    assert "lacked the updates" in (folder / "events.jsonl").read_text()
    for name in ("metrics.jsonl", "statistics.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert last(folder).keys() == last(whole).keys()
    np.testing.assert_equal(dict(last(folder)), dict(last(whole)))


def test_it_is_durable_before_a_checkpoint_is(tmp_path: Path) -> None:
    disk = Listing()
    run(BOARD, out=tmp_path / "run", disk=disk)
    calls = disk.calls
    saves = [
        i
        for i, (action, name) in enumerate(calls)
        if action == "rename" and name.startswith("step-")
    ]
    flushes = [i for i, c in enumerate(calls) if c == ("fsync", NAME)]
    assert len(saves) == len(flushes) == 5
    assert all(flush < save for flush, save in zip(flushes, saves, strict=True))
    assert all(save < flush for save, flush in zip(saves, flushes[1:], strict=False))
