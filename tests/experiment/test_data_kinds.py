"""Runs on images, texts, sequences and series: stopped, resumed, evaluated, used."""

from __future__ import annotations

import copy
import csv
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.cli.main import main
from nettrain.errors import Error
from nettrain.experiment import memory
from nettrain.experiment.check import check
from nettrain.experiment.load import load_run
from nettrain.experiment.run import run
from nettrain.experiment.setup import set_up
from nettrain.record.checkpoint import decode
from nettrain.training import loop
from nettrain.training.blame import blame
from nettrain.training.network import Network, Predictor
from tests.experiment.test_every_stop import stopped_after_every_update
from tests.experiment.test_killed import content

pytestmark = pytest.mark.usefixtures("only_graphs")

DENSE: list[Any] = ["flatten", {"dense": {"units": 6, "activation": "relu"}}]
AUGMENT: list[Any] = [{"shift": 1}, "flip", {"rotate": 20}, {"cut_out": 3}]
KINDS: dict[str, dict[str, Any]] = {
    "idx": {
        "source": {"idx": {"images": "images", "labels": "labels"}},
        "model": [*DENSE, {"dense": "auto"}],
        "augment": AUGMENT,
        "preprocess": ["standardize"],
    },
    "images": {
        "source": {"images": {"path": "photos", "size": [5, 5], "colour": "grey"}},
        "model": [*DENSE, {"dense": "auto"}],
    },
    "text": {
        "source": {"text": {"path": "text.txt", "length": 8}},
        "model": [
            {"embedding": {"size": 4, "vocabulary": 27}},
            {"rnn": {"units": 5, "outputs": "all"}},
            {"dense": "auto"},
        ],
    },
    "copy": {
        "source": {"copy": {"samples": 60, "length": 2, "symbols": 3, "delay": 2}},
        "model": [
            {"embedding": 4},
            {"gru": {"units": 5, "outputs": "all"}},
            {"dense": "auto"},
        ],
    },
    "series": {
        "source": {
            "series": {"path": "s.csv", "window": 5, "targets": ["b"], "horizon": 2}
        },
        "model": [{"lstm": 4}, {"dense": "auto"}],
        "preprocess": ["standardize"],
        "standardize_target": True,
    },
    "codes": {
        "source": {"series": {"path": "codes.csv", "window": 5, "targets": ["a"]}},
        "columns": {"b": "categorical"},
        "preprocess": ["standardize", "codes"],
        "model": [
            {"slice": {"start": 1}},
            {"reshape": [5]},
            {"embedding": 3},
            {"lstm": 4},
            {"dense": "auto"},
        ],
    },
}
SERIES = ("series", "codes")
OUTPUTS = {
    "idx": (4,),
    "images": (2,),
    "text": (8, 27),
    "copy": (6, 4),
    "series": (2,),
    "codes": (1,),
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the sources read, in the working folder."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 6, 6), np.uint8)
    head = struct.pack(">HBB3I", 0, 8, 3, *pixels.shape)
    Path("images").write_bytes(head + pixels.tobytes())
    labels = bytes(i % 4 for i in range(60))
    Path("labels").write_bytes(struct.pack(">HBBI", 0, 8, 1, 60) + labels)
    for i, image in enumerate(pixels[:20]):
        folder = Path("photos") / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02}.png")
    letters = rng.integers(0, 27, 600)
    letters[::2] = 0  # as often as no letter is wont to be
    Path("text.txt").write_text(
        "".join("abcdefghijklmnopqrstuvwxyz\n"[i] for i in letters)
    )
    rows = [f"{np.sin(i / 5):.4f},{np.cos(i / 5) * 9:.4f}" for i in range(90)]
    Path("s.csv").write_text("\n".join(["a,b", *rows, ""]))
    rows = [f"{np.sin(i / 5):.4f},{'xyz'[i % 3]}" for i in range(90)]
    Path("codes.csv").write_text("\n".join(["a,b", *rows, ""]))


def config(kind: str) -> dict[str, Any]:
    """Seven updates, three in an epoch, with a checkpoint after every second one."""
    plain = copy.deepcopy(KINDS[kind])
    model, regression = plain.pop("model"), kind in SERIES
    made = {
        "name": kind,
        "data": {**plain, "split": {"validation": 0.2, "test": 0.2}},
        "model": model,
        "loss": "mse" if regression else "cross_entropy",
        "metrics": ["r2"] if regression else ["accuracy", "top_k", "confusion"],
        "optimizer": {"adam": {"learning_rate": 0.01}},
        "train": {"steps": 7, "checkpoint": {"every": "2 steps", "keep": 2}},
    }
    rows = len(set_up(made).dataset.parts["train"])
    made["data"]["batch_size"] = -(-rows // 3)
    return made


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", KINDS)
def test_trained_checked_and_used(kind: str, tmp_path: Path) -> None:
    source = config(kind)
    report = check(set_up(source))
    assert report.needed.fits
    assert "D2" not in {finding.id for finding in report.findings}
    ended = run(source, out=tmp_path / "run")
    assert ended.outcome is not None and ended.outcome.status == "finished"
    parts = set_up(source).dataset.parts
    loaded = load_run(tmp_path / "run")
    fresh, own = loaded.model.preparation, set_up(source).dataset.preparation
    assert fresh.to_json() == own.to_json()
    made = loaded.model.network.outputs(parts["test"].inputs, 1024)
    assert made.shape == (len(parts["test"]), *OUTPUTS[kind])
    loss, predictions = loaded.model.network.score(made, parts["test"].targets)
    assert loss == loaded.summary["test/loss"]
    if kind not in SERIES:
        right = predictions.argmax(axis=-1) == parts["test"].targets
        assert loaded.summary["test/accuracy"] == float(np.mean(right))
        table = np.array(loaded.summary["test/confusion"])
        assert table.sum() == parts["test"].targets.size


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({0: {"embedding": {"size": 4, "vocabulary": 26}}}, "vocabulary", "27"),
        ({0: {"embedding": {"size": 4, "padding": 27}}}, "vocabulary", "27 is not"),
        ({0: {"positional": {}}}, "shape", "needs"),
        ({1: {"rnn": 5}}, "head", "outputs: all"),
        ({2: {"dense": 26}}, "head", "each of 8 positions"),
    ],
)
def test_models_that_do_not_fit(change: dict[int, Any], code: str, said: str) -> None:
    source = config("text")
    for at, layer in change.items():
        source["model"][at] = layer
    with pytest.raises(Error, match=said) as caught:
        set_up(source)
    assert caught.value.code == f"config-{code}"
    assert caught.value.place is not None


LINES = """\
data:
  source:
    {source}
  augment: {augment}
model: [flatten, dense: auto]
loss: {loss}
optimizer: adam
train: {{steps: 1}}
"""
IDX = "idx: {images: images, labels: labels}"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("source", "augment", "loss", "places"),
    [
        ("idx: {images: images, labels: label}", "[]", "cross_entropy", ["3:35"]),
        (IDX, "[shift: 1, {rotate: 200}]", "cross_entropy", ["4:32"]),
        (IDX, "[{shift: 6}, {blur: 1}]", "cross_entropy", ["4:26"]),
        (IDX, "[{shift: 1}, {shift: 6}]", "cross_entropy", ["4:25"]),
        (IDX, "[]", "mse", ["2:3"]),
        ("images: {path: photo, size: [4, 4]}", "[]", "cross_entropy", ["3:20"]),
        ("text: {path: text.txt, length: 600}", "[]", "cross_entropy", ["3:36"]),
        (
            "series: {path: s.csv, window: 5, targets: [a, c]}",
            "[]",
            "mse",
            ["3:51"],
        ),
        ("adding: {lenght: 3}", "[flop: horizontal]", "mse", ["3:14", "4:13"]),
    ],
)
def test_mistakes_are_at_their_line_and_column(
    source: str, augment: str, loss: str, places: list[str]
) -> None:
    text = LINES.format(source=source, augment=augment, loss=loss)
    Path("config.yaml").write_text(text)
    with pytest.raises(Error) as caught:
        set_up(Path("config.yaml"))
    errors = getattr(caught.value, "errors", (caught.value,))
    assert [str(e.place) for e in errors] == [f"config.yaml:{p}" for p in places]
    assert all(e.fix or "expected" in e.message for e in errors)


@pytest.mark.usefixtures("files")
def test_memory_counts_every_position() -> None:
    setup = set_up(config("text"))
    sizes = memory._Sizes(setup)
    numbers = {name: len(p) * 8 for name, p in setup.dataset.parts.items()}
    held = sum(numbers[name] for name in ("train", "validation"))
    assert sizes.predictions == held * (3 * 4 * 27 + 3 * 8)
    assert sizes.evaluation() > 4 * 4 * 27 * numbers["train"]
    few = config("text")
    few["data"]["evaluation_batch_size"] = 10  # rows that are scored at a time
    some = memory._Sizes(set_up(few))
    assert some.predictions == held * (4 * 27 + 3 * 8) + 2 * 2 * 10 * 8 * 4 * 27
    assert some.evaluation() < sizes.evaluation() / 2


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", ["text", "series", "images", "idx"])
def test_predicted_and_evaluated_by_the_verbs(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(config(kind), out=tmp_path / "run")
    data = {"text": "text.txt", "series": "s.csv", "images": "photos", "idx": "images"}
    folder = str(tmp_path / "run")
    capsys.readouterr()
    assert main(["evaluate", folder, "--data", data[kind], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    file = "photos/a" if kind == "images" else data[kind]
    assert main(["predict", folder, "--data", file]) == 0
    head, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    expected = {"text": 75 * 8, "series": 86, "images": 10, "idx": 60}
    assert len(rows) == expected[kind]
    if kind == "text":
        assert head[:4] == ["row", "position", "predicted", "p(\n)"]
        assert [row[:2] for row in rows[6:9]] == [["0", "6"], ["0", "7"], ["1", "0"]]
        assert found["rows"] == {"data": 74}
    elif kind == "series":
        assert head == ["b+1", "b+2"]
        assert found["rows"] == {"data": 84}


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", ["idx", "text"])
def test_stopped_after_every_update(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = config(kind)
    run(source, out=tmp_path / "whole")
    resumed = stopped_after_every_update(source, [], tmp_path / "run", monkeypatch)
    assert resumed >= 6
    assert content(tmp_path / "run") == content(tmp_path / "whole")


@pytest.mark.usefixtures("files")
def test_only_training_sees_changed_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = config("idx")
    setup = set_up(source)
    parts, plan = setup.dataset.parts, setup.plan()
    trained: list[np.ndarray] = []
    evaluated: list[np.ndarray] = []
    train, outputs = Network.train, Predictor.outputs

    def training(self: Network, inputs: np.ndarray, *more: Any, **named: Any) -> Any:
        trained.append(inputs.copy())
        return train(self, inputs, *more, **named)

    def predicting(self: Predictor, inputs: np.ndarray, batch: int) -> np.ndarray:
        evaluated.append(inputs)
        return outputs(self, inputs, batch)

    monkeypatch.setattr(Network, "train", training)
    monkeypatch.setattr(Predictor, "outputs", predicting)
    run({**source, "diagnose": False}, out=tmp_path / "run")
    for step, inputs in enumerate(trained[:7], start=1):
        rows = plan.batch(step)
        assert (inputs == plan.inputs(step, rows)).all()
        same = (inputs == parts["train"].inputs[rows]).all(axis=(1, 2, 3))
        assert same.mean() < 0.2
    # The same image, in two epochs: by its number and not by its place in the batch.
    one = np.array([5])
    assert (plan.inputs(1, one) == plan.inputs(3, one)).all()
    assert (plan.inputs(1, one) != plan.inputs(4, one)).any()
    assert (plan.inputs(1, np.array([9, 5]))[1] == plan.inputs(1, one)[0]).all()
    wholes = [{part.inputs.tobytes() for part in parts.values()}]
    assert {inputs.tobytes() for inputs in evaluated} <= wholes[0]
    assert len(evaluated) >= 7


@pytest.mark.usefixtures("files")
def test_what_a_run_failed_on_is_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = config("idx")
    source["optimizer"] = {"sgd": {"learning_rate": 1e30}}
    blamed: list[np.ndarray] = []

    def blaming(network: Network, inputs: np.ndarray, *more: Any) -> Any:
        blamed.append(inputs)
        return blame(network, inputs, *more)

    monkeypatch.setattr(loop, "blame", blaming)
    with np.errstate(all="ignore"):
        ended = run(source, out=tmp_path / "run")
    assert ended.outcome is not None and ended.outcome.status == "diverged"
    post_mortem = tmp_path / "run/checkpoints/post-mortem.safetensors"
    tensors = decode(post_mortem.read_bytes()).tensors
    plan, step = set_up(source).plan(), int(tensors["failure/step"])
    given = plan.inputs(step, plan.batch(step))
    assert (tensors["failure/inputs"] == given).all()
    assert (blamed[-1] == given).all()
