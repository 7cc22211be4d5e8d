"""A model that begins with the weights of another run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

from nettrain.cli.main import main
from nettrain.component import dump, json_schema
from nettrain.config import resolve
from nettrain.diagnose.finding import Edit
from nettrain.errors import Error
from nettrain.experiment import doctor, tuning
from nettrain.experiment.assembly import make_network
from nettrain.experiment.check import check
from nettrain.experiment.graph import run_evaluation
from nettrain.experiment.load import Run, load_run
from nettrain.experiment.run import Ended, resume, run
from nettrain.experiment.schema import Experiment, Tuned
from nettrain.experiment.setup import Setup, set_up
from nettrain.record.checkpoint import decode, encode
from nettrain.record.folder import FIRST
from tests.config.conftest import marked, shown
from tests.experiment.conftest import SMALL
from tests.experiment.test_every_stop import stopped_after_every_update
from tests.experiment.test_killed import KILLED, content, killed_at_disk

pytestmark = pytest.mark.usefixtures("only_graphs")

HIDDEN = {"dense": {"units": 8, "activation": "relu"}}
LAYERS: list[Any] = [HIDDEN, "batch_norm", {"dense": "auto"}]
SOURCE = {
    **SMALL,
    "name": "source",
    "model": LAYERS,
    "optimizer": {"adam": {"learning_rate": 0.5}},
    "train": {"epochs": 5, "stop": {"restore_best": True}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best weights are not its last."""
    path = tmp_path_factory.mktemp("trained") / "run"
    run(SOURCE, out=path)
    return path


@pytest.fixture
def source(trained: Path, tmp_path: Path) -> Path:
    """The same run, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "source"))


def tuned(path: Path | str, /, **more: Any) -> dict[str, Any]:
    """A config that begins from a run; other keys are those of the model."""
    train = {"epochs": 2, "checkpoint": {"every": "2 steps", "keep": 2}}
    model = {"from": str(path), **more}
    return {**SMALL, "name": "tuned", "seed": 7, "model": model, "train": train}


def refused(config: Any) -> list[Error]:
    with pytest.raises(Error) as caught:
        set_up(config)
    return list(getattr(caught.value, "errors", [caught.value]))


def first(setup: Setup) -> dict[str, np.ndarray]:
    """The weights and running averages before the first update."""
    return make_network(setup).weights()


def last(path: Path) -> dict[str, np.ndarray]:
    """The weights and running averages after the last update."""
    newest = max((path / "checkpoints").glob("step-*"))
    return tuning.weights(
        {
            name: value
            for name, value in decode(newest.read_bytes()).tensors.items()
            if not name.startswith("best/")
        }
    )


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other)) and one.dtype == other.dtype


# ---------------------------------------------------------------- what begins how


def test_it_begins_with_what_the_run_predicts_with(trained: Path) -> None:
    own = load_run(trained)
    setup = set_up(tuned(trained))
    begun = first(setup)
    assert dump(list(setup.experiment.model)) == dump(list(own.experiment.model))
    assert begun.keys() == own.weights.keys()
    assert all(same(begun[path], own.weights[path]) for path in begun)
    assert not same(begun["model/dense1/weight"], last(trained)["model/dense1/weight"])
    part = setup.dataset.parts["train"]
    assert same(
        make_network(setup).outputs(part.inputs, 64),
        own.model.network.outputs(part.inputs, 64),
    )
    (note,) = setup.notes
    assert note.startswith("8 of 8 weights and running averages begin as ")


def test_a_checkpoint_file_is_as_good(trained: Path) -> None:
    newest = max((trained / "checkpoints").glob("step-*"))
    setup, other = set_up(tuned(newest)), set_up(tuned(trained))
    assert setup.experiment.model.digest == other.experiment.model.digest  # type: ignore[union-attr]
    assert all(same(v, first(other)[path]) for path, v in first(setup).items())


def test_of_other_layers_those_begin_so_that_fit(trained: Path) -> None:
    layers = [
        HIDDEN,
        "batch_norm",
        {"dense": {"units": 5, "name": "more"}},
        *LAYERS[2:],
    ]
    setup = set_up(tuned(trained, layers=layers))
    begun, own = first(setup), load_run(trained).weights
    usual = first(set_up({**tuned(trained), "model": layers}))
    for path, values in begun.items():
        fits = path.startswith(("model/dense1/", "model/batch_norm1/"))
        assert same(values, own[path] if fits else usual[path])
    assert setup.notes[0].startswith("6 of 10")
    assert setup.notes[1] == (
        "these begin as usual: more/weight 8 × 5, more/bias 5, "
        "dense3/weight 5 × 3, dense3/bias 3"
    )
    assert setup.notes[2] == "these of the run are not used: dense2/bias, dense2/weight"


def test_a_head_of_another_size_begins_as_usual(trained: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4))
    np.savez(tmp_path / "two.npz", x=rows, y=np.arange(40) % 2)
    config = tuned(trained, freeze=["dense1", "batch_norm1"])
    config["data"] = {"source": str(tmp_path / "two.npz")}
    setup = set_up(config)
    assert setup.notes[1] == (
        "these begin as usual: dense2/weight 8 × 2 (there 8 × 3), dense2/bias 2 "
        "(there 3)"
    )


def test_another_dtype_is_cast_and_said(trained: Path) -> None:
    setup = set_up({**tuned(trained), "dtype": "float64"})
    begun, own = first(setup), load_run(trained).weights
    assert all(same(begun[path], v.astype("float64")) for path, v in own.items())
    assert setup.notes[1] == "its weights are float32, and become float64"


def test_numbers_that_the_dtype_cannot_hold(trained: Path, tmp_path: Path) -> None:
    newest = decode(max((trained / "checkpoints").glob("step-*")).read_bytes())
    for name, tensor in newest.tensors.items():
        if name.endswith("model/batch_norm1/running_mean"):
            newest.tensors[name] = tensor.astype(np.float64) + 1e300
    path = tmp_path / "wide.safetensors"
    path.write_bytes(encode(newest.tensors, newest.meta))
    config = tuned(path, layers=LAYERS)
    (error,) = refused(config)
    assert (error.code, error.fix) == ("run-diverged", "say dtype: float64")
    assert "batch_norm1/running_mean" in error.message
    assert set_up({**config, "dtype": "float64"}).begin


def test_outputs_that_stood_for_other_classes_are_told_of(
    trained: Path, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4))
    np.savez(tmp_path / "other.npz", x=rows, y=np.arange(40) % 3 + 5)
    config = tuned(trained)
    config["data"] = {"source": str(tmp_path / "other.npz")}
    *_, note = set_up(config).notes
    assert note == (
        "its outputs stood for the classes setosa, versicolor, virginica, and now for "
        "5, 6, 7"
    )


def test_of_averaged_weights_the_average_is_the_beginning(tmp_path: Path) -> None:
    adam = {"adam": {"learning_rate": 0.1}}
    averaged = {"ema": {"decay": 0.9, "optimizer": adam}}
    train = {"steps": 4, "checkpoint": {"every": "2 steps", "keep": 2}}
    plain = {**SMALL, "model": [HIDDEN, {"dense": 3}], "diagnose": False}
    run({**plain, "optimizer": averaged, "train": train}, out=tmp_path / "run")
    for path in (tmp_path / "run/checkpoints").glob("step-*"):
        tensors = decode(path.read_bytes()).tensors
        raw = tensors["parameter/model/dense1/weight"]
        lag = tensors["optimizer/lag/model/dense1/weight"]
        begun = first(set_up(tuned(path)))["model/dense1/weight"]
        assert same(begun, raw + lag) and not same(begun, raw)


def test_a_run_goes_on_wherever_the_other_is(source: Path, tmp_path: Path) -> None:
    run(tuned(source, freeze=["dense1"]), out=tmp_path / "run")
    source.rename(tmp_path / "moved")
    ended = resume(tmp_path / "run", ["train.epochs=3"])
    assert ended.outcome is not None and ended.outcome.epoch == 3
    own, now = load_run(tmp_path / "moved").weights, last(tmp_path / "run")
    assert same(own["model/dense1/weight"], now["model/dense1/weight"])
    assert load_run(tmp_path / "run").predict(np.zeros((2, 4))).shape == (2, 3)


def test_it_knows_more_than_first_weights_do(tmp_path: Path) -> None:
    """Of digits, then of five of them with another head."""
    data = {"source": "digits", "preprocess": ["standardize"]}
    head = {"dense": {"units": "auto", "name": "head"}}
    body: list[Any] = [{"dense": {"units": 24, "activation": "relu"}}]
    digits = {**SMALL, "data": data, "model": [*body, {"dense": 10}]}
    run({**digits, "train": {"epochs": 2}, "diagnose": False}, out=tmp_path / "run")
    x, y = load_digits(return_X_y=True)
    np.savez(tmp_path / "five.npz", x=x[y < 5], y=y[y < 5])
    config = {
        **digits,
        "data": {**data, "source": str(tmp_path / "five.npz")},
        "model": [*body, head],
        "diagnose": False,
        "train": {"steps": 30},
    }
    run(config, out=tmp_path / "scratch")
    model = {"from": str(tmp_path / "run"), "layers": [*body, head]}
    run({**config, "model": model}, out=tmp_path / "tuned")
    losses = {
        name: load_run(tmp_path / name).metrics["train/loss"]
        for name in ("scratch", "tuned")
    }
    assert losses["tuned"][:30].mean() < 0.8 * losses["scratch"][:30].mean()


# ---------------------------------------------------------------- what is frozen


def test_what_is_frozen_stays_to_the_bit(trained: Path, tmp_path: Path) -> None:
    run(tuned(trained, freeze=["dense1", "batch*"]), out=tmp_path / "run")
    own, now = load_run(trained).weights, last(tmp_path / "run")
    moved = {path for path in own if not same(own[path], now[path])}
    assert moved == {"model/dense2/weight", "model/dense2/bias"}
    tensors = decode(max((tmp_path / "run/checkpoints").glob("step-*")).read_bytes())
    assert not [p for p in tensors.tensors if p.startswith("optimizer/") and "1/" in p]


def test_nothing_else_is(trained: Path, tmp_path: Path) -> None:
    run(tuned(trained), out=tmp_path / "run")
    own, now = load_run(trained).weights, last(tmp_path / "run")
    assert not any(same(own[path], now[path]) for path in own)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_batch_norm_acts_as_it_predicts(trained: Path, frozen: bool) -> None:
    setup = set_up(tuned(trained, freeze=["batch_norm1"] if frozen else []))
    network, part = make_network(setup), setup.dataset.parts["train"]
    x, t = part.inputs[:16], part.targets[:16]
    trains = float(network.gradient(x, t, 1).outputs["loss"])
    predicts, _ = network.score(network.outputs(x, 16), t)
    assert (abs(trains - predicts) < 1e-6) is frozen
    # So it is looked at before the first update.
    whole, _ = network.score(network.outputs(part.inputs, 1024), part.targets)
    before = check(setup).initial_loss
    assert before is not None
    assert (abs(before - whole) < 1e-5) is frozen


NESTED: list[Any] = [
    {"dense": 8},
    {"residual": [{"dense": 8}, "batch_norm"]},
    {"repeat": {"times": 2, "block": [{"dense": 8}]}},
    {"dense": 3},
]


@pytest.mark.parametrize(
    ("pattern", "stay"),
    [
        ("dense1", ["dense1"]),
        ("residual1", ["residual1/dense1", "residual1/batch_norm1"]),
        ("residual1/dense1", ["residual1/dense1"]),
        ("repeat1/2/*", ["repeat1/2/dense1"]),
        ("*/dense1", ["residual1/dense1", "repeat1/1/dense1", "repeat1/2/dense1"]),
        ("dense?", ["dense1", "dense2"]),
    ],
)
def test_patterns(nested: Path, pattern: str, stay: list[str], tmp_path: Path) -> None:
    setup = set_up(tuned(nested, freeze=[pattern]))
    parameters = setup.step.trace.parameters.values()
    found = {made.layer_path for made in parameters if not made.trainable}
    assert found == {f"model/{name}" for name in stay}
    averaged = {node.scope for node in setup.step.trace.updates}
    assert averaged == {"model/residual1/batch_norm1"} - found


def test_a_frozen_batch_norm_needs_no_second_row(trained: Path) -> None:
    rows = len(set_up(tuned(trained)).dataset.parts["train"])
    config = tuned(trained, freeze=["batch_norm1"])
    config["data"] = {**config["data"], "batch_size": rows - 1}
    assert set_up(config).recipe.begin.frozen
    config["model"]["freeze"] = []
    (error,) = refused(config)
    assert "the last batch has 1" in error.message


def test_what_is_frozen_stays_so_where_it_is_used_again(nested: Path) -> None:
    layers = [*NESTED[:2], {"reuse": "residual1/batch_norm1"}, *NESTED[2:]]
    setup = set_up(tuned(nested, freeze=["residual1"], layers=layers))
    assert not setup.step.trace.updates
    setup = set_up(tuned(nested, freeze=["dense1"], layers=layers))
    assert len(setup.step.trace.updates) == 2


def test_settings_of_what_is_frozen_are_a_mistake(trained: Path) -> None:
    config = tuned(trained, freeze=["dense1"])
    for name in ("dense2", "dense1"):
        group = {"match": f"{name}/*", "rate": 0.1}
        config["optimizer"] = {"adam": {"groups": [group]}}
        if name == "dense2":
            assert set_up(config).begin
    (error,) = refused(config)
    assert "dense1/*" in error.message


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nested") / "run"
    train = {"steps": 2}
    run({**SMALL, "model": NESTED, "train": train, "diagnose": False}, out=path)
    return path


def test_a_run_whose_layers_are_repeated_is_begun_from(nested: Path) -> None:
    begun, own = first(set_up(tuned(nested))), load_run(nested).weights
    assert all(same(begun[path], own[path]) for path in begun)


# ---------------------------------------------------------------- what is refused

TEXT = """\
data: {{source: iris}}
model: {}
loss: cross_entropy
train: {{epochs: 1}}
"""


@pytest.mark.parametrize(
    ("model", "code", "said"),
    [
        ("{from: «nowhere»}", "run-missing", "is not a run"),
        ("{from: «config.yaml»}", "run-missing", "a checkpoint alone"),
        (
            "{from: «config.yaml», layers: [dense: 3]}",
            "checkpoint-damaged",
            "config.yaml: the checkpoint is damaged",
        ),
        ("{from: source, freeze: [«dnese1»]}", "config-unknown-layer", '"dense1"?'),
        (
            "{from: source, freeze: [dense1, «conv*»]}",
            "config-unknown-layer",
            "the layers are: dense1, batch_norm1, dense2",
        ),
        ("{from: source, freeze: [«model/dense1»]}", "config-unknown-layer", None),
        ("{from: source, freeze: «['*']»}", "config-freeze", "nothing is left"),
        (
            "{from: source, freeze: «[dense1, extra]», layers: [dense: {units: 8}, "
            "dense: {units: 3, name: extra}]}",
            "config-freeze",
            "extra/bias, extra/weight",
        ),
        (
            "{from: source, freeze: «[tanh1]», layers: [dense: 8, tanh, dense: 3]}",
            "config-freeze",
            '"tanh1" has no weights of its own',
        ),
        (
            "{from: source, freeze: «[dense1, last]», layers: [dense: 8, "
            "dense: {units: 4, tie: dense1, bias: false, name: last}, dense: 3]}",
            "config-freeze",
            '"last" has no weights of its own',
        ),
        (
            "{from: «source», layers: [dense: {units: 3, name: a}]}",
            "config-from",
            "a/weight 4 × 3",
        ),
        ("{from: source, digest: «abc»}", "run-changed", "other weights"),
        (
            "«{from: source, freeze: [a], layers: [repeat: {times: 1000, block: "
            "[repeat: {times: 1000, block: [{repeat: {times: 1000, block: "
            "[dense: 1]}}]}]}]}»",
            "config-limit",
            "layers",
        ),
        ("{from: source, layers: [dense: «5»]}", "config-head", "5 outputs"),
        ("«{from: source, layers: []}»", "config-model", "has no layers"),
    ],
)
def test_mistakes_are_told_at_their_place(
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    code: str,
    said: str | None,
) -> None:
    monkeypatch.chdir(source.parent)
    text, place = marked(TEXT.format(model))
    Path("config.yaml").write_text(text)
    (error,) = refused("config.yaml")
    assert error.code == code
    assert (said or "") in str(error)
    assert place is not None
    shown(error, "config.yaml", text, place)


def test_rows_of_another_shape(trained: Path) -> None:
    config = {**tuned(trained), "data": {"source": "wine"}}
    (error,) = refused(config)
    assert error.code == "config-from"
    assert "rows of shape (4,), these are of shape (13,)" in error.message
    assert "dense1/weight 13 × 8 (there 4 × 8)" in error.message
    config["model"]["layers"] = LAYERS
    assert "dense1/weight 13 × 8 (there 4 × 8)" in set_up(config).notes[1]


def flip(path: Path) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def test_one_flipped_bit_is_found(source: Path) -> None:
    *others, path = sorted((source / "checkpoints").glob("step-*"))
    flip(path)
    (error,) = refused(tuned(path))
    assert (error.code, str(path) in error.message) == ("checkpoint-damaged", True)
    older = set_up(tuned(source))  # as `nettrain predict` does, and says so
    assert f"skipped {path.name}" in older.notes[0]
    for path in others:
        flip(path)
    (error,) = refused(tuned(source))
    assert error.code == "checkpoint-missing"


def test_a_damaged_config_of_the_run_is_the_runs_fault(source: Path) -> None:
    resolved = source / "config.resolved.yaml"
    resolved.write_text(resolved.read_text().replace("- dense:", "- dnese:", 1))
    (error,) = refused(tuned(source))
    assert f"{resolved}:" in error.message
    assert 'unknown layer "dnese"' in error.message


def test_numbers_that_are_not_finite_are_no_beginning(source: Path) -> None:
    path = max((source / "checkpoints").glob("step-*"))
    found = decode(path.read_bytes())
    found.tensors["best/model/dense1/bias"][3] = np.nan
    path.write_bytes(encode(found.tensors, found.meta))
    (error,) = refused(tuned(source))
    assert (error.code, "dense1/bias" in error.message) == ("run-diverged", True)


# ---------------------------------------------------------------- the same again


def test_the_resolved_config_repeats_it(source: Path, tmp_path: Path) -> None:
    run(tuned(source, freeze=["dense1"]), out=tmp_path / "run")
    again = tmp_path / "again.yaml"
    again.write_bytes((tmp_path / "run/config.resolved.yaml").read_bytes())
    run(again, out=tmp_path / "again")
    one, other = content(tmp_path / "run"), content(tmp_path / "again")
    for found in (one, other):  # where it stands is another file
        found["run.json"] = b""
        found["findings.json"] = b""
    assert one == other
    plain = yaml.safe_load(again.read_text())["model"]
    assert plain["from"] == str(source) and len(plain["layers"]) == 3

    Path(source / "checkpoints").rename(tmp_path / "elsewhere")
    (error,) = refused(again)
    assert error.code == "checkpoint-missing"
    shutil.rmtree(source)
    (error,) = refused(again)
    assert error.code == "run-missing"
    run({**SOURCE, "seed": 1}, out=source)
    (error,) = refused(again)
    assert error.code == "run-changed"
    assert "remove digest" in str(error.fix)


def test_a_copy_in_the_run_is_enough(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(tuned(source, freeze=["dense1"]), out=path)
    begun = first(set_up(path / "config.resolved.yaml"))
    kept = (path / FIRST).read_bytes()
    other = decode(kept)
    other.tensors["parameter/model/dense1/bias"][0] += 1
    (path / FIRST).write_bytes(encode(other.tensors, other.meta))
    setup = set_up(path / "config.resolved.yaml")  # of the run: this is no copy of it
    assert all(same(v, begun[name]) for name, v in first(setup).items())
    (path / FIRST).write_bytes(kept)
    shutil.rmtree(source)
    setup = set_up(path / "config.resolved.yaml")
    assert all(same(v, begun[name]) for name, v in first(setup).items())
    assert run_evaluation(path).value
    read = load_run(path)
    assert read.predict(np.zeros((2, 4))).shape == (2, 3)
    mended = tmp_path / "mended.yaml"
    patch = [Edit("model.dense2.bias", False), Edit("model.1", "tanh", "insert")]
    mended.write_text(doctor.mended(doctor.base(read), patch, mended, "x"))
    model = set_up(mended).experiment.model
    assert [layer.registered_name for layer in model][:3] == [
        "dense",
        "tanh",
        "batch_norm",
    ]
    flip(path / FIRST)
    (error,) = refused(path / "config.resolved.yaml")
    assert error.code == "run-missing"


def test_the_same_run_is_not_made_twice(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**tuned("source"), "diagnose": False}
    assert run(config, again=False).outcome is not None
    assert run(config, again=False).outcome is None
    shutil.rmtree(source)
    run({**SOURCE, "seed": 1}, out=source)
    assert run(config, again=False).outcome is not None


def test_stopped_after_every_update_and_without_the_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tuned("source", freeze=["batch_norm1"])))
    run(config, out=tmp_path / "whole")
    with pytest.raises(Error, match="cannot go on with another model"):
        resume(tmp_path / "whole", ["model.freeze=[dense1]"])
    begin = Ended.__init__

    def gone(self: Ended, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        shutil.rmtree(source, ignore_errors=True)

    monkeypatch.setattr(Ended, "__init__", gone)
    out = tmp_path / "run"
    assert stopped_after_every_update(config, [], out, monkeypatch) > 8
    assert not source.exists()
    assert content(out) == content(tmp_path / "whole")


def test_without_any_checkpoint_it_begins_again(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(tuned(source), out=path)
    whole = content(path)
    shutil.rmtree(source)
    for checkpoint in (path / "checkpoints").iterdir():
        checkpoint.unlink()
    resume(path)
    assert content(path) == whole


def test_killed_before_it_begins(source: Path, tmp_path: Path) -> None:
    config = tuned(source)
    run(config, out=tmp_path / "whole")
    path, deaths = tmp_path / "run", 0
    for at in range(30, 200, 6):
        if (path / "run.json").exists():
            break
        deaths += killed_at_disk(partial(run, config, out=path), at) == KILLED
    assert deaths >= 2
    resume(path)
    assert content(path) == content(tmp_path / "whole")


# ---------------------------------------------------------------- how it is written


def test_what_begins_how_is_told(source: Path, tmp_path: Path) -> None:
    run(tuned(source, layers=[HIDDEN, {"dense": 3}]), out=tmp_path / "run")
    lines = (tmp_path / "run/events.jsonl").read_text().splitlines()
    told = [e["text"] for e in map(json.loads, lines) if e["event"] == "begin"]
    assert told[0].startswith(f"4 of 4 weights and running averages begin as {source}")
    assert told[1].startswith("these of the run are not used: batch_norm1/running_mean")


@pytest.fixture
def written(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Configs beside a run, in the working directory."""
    monkeypatch.chdir(source.parent)
    base = {**SMALL, "model": [{"dense": 8}, "batch_norm", {"dense": 3}]}
    Path("base.yaml").write_text(yaml.safe_dump(base))
    Path("tuned.yaml").write_text("extends: base.yaml\nmodel: {from: source}\n")
    short = yaml.safe_dump({**base, "model": "X"}).replace("X", "{from: source}")
    Path("short.yaml").write_text(short)
    yield source.parent


def test_check_tells_what_begins_how(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "short.yaml"]) == 0
    told = capsys.readouterr().out
    assert f"\nbegin     8 of 8 weights and running averages begin as {written}" in told


@pytest.mark.parametrize("path", ["model.freeze", "model.from", "model.dense.units"])
def test_its_keys_are_explained(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", path]) == 0
    assert capsys.readouterr().out.startswith(f"{path}\n  ")


def test_the_schema_has_both_forms() -> None:
    either = json_schema(Experiment)["properties"]["model"]["anyOf"]
    assert [form["type"] for form in either] == [["object"], "array"]
    mapping = either[0]["then"]
    assert list(mapping["properties"]) == ["from", "freeze", "layers", "digest"]
    assert mapping["required"] == ["from"]


def model_of(config: str, *overrides: str) -> Any:
    return set_up(config, overrides).experiment.model


@pytest.mark.parametrize(
    "config", ["tuned.yaml", "short.yaml", "source/config.resolved.yaml"]
)
def test_a_setting_of_a_layer_has_one_path(written: Path, config: str) -> None:
    start = ["model.from=source"] if "resolved" in config else []
    model = model_of(config, *start, "model.dense1.bias=false", "model.1=tanh")
    assert isinstance(model, Tuned)
    assert not model[0].bias
    assert model[1].registered_name == "tanh"
    model = model_of(config, *start, "model.freeze=[dense1]")
    assert model.freeze == ("dense1",)
    with pytest.raises(Error, match='no "dense7" in model'):
        set_up(config, [*start, "model.dense7.bias=false"])


def test_a_layer_of_a_run_that_is_gone_is_told_of_as_such(written: Path) -> None:
    with pytest.raises(Error) as caught:
        set_up("short.yaml", ["model.from=gone", "model.dense1.bias=false"])
    errors = getattr(caught.value, "errors", [])
    assert {error.message.rpartition("/")[2] for error in errors} == {
        "gone is not a run: there is no such folder",
        'no "dense1" in model',
    }


def test_a_list_may_be_given_a_beginning(written: Path) -> None:
    model = model_of("base.yaml", "model.from=source")
    assert isinstance(model, Tuned)
    assert [layer.registered_name for layer in model] == [
        "dense",
        "batch_norm",
        "dense",
    ]


def test_another_run_has_its_own_layers(written: Path, nested: Path) -> None:
    model = model_of("short.yaml", f"model.from={nested}")
    assert len(model) == len(NESTED)


@pytest.mark.parametrize("path", ["model", "model.layers", "model.3"])
def test_an_insertion_at_the_end(written: Path, path: str) -> None:
    edit = f"patch: [{{do: insert, path: {path}, value: softplus}}]\n"
    for config in ("tuned.yaml", "short.yaml"):
        Path("new.yaml").write_text(f"extends: {config}\n{edit}")
        assert model_of("new.yaml")[3].registered_name == "softplus"


def test_places(written: Path) -> None:
    found = resolve("short.yaml", schema=Experiment)
    line = Path("short.yaml").read_text().splitlines().index("model: {from: source}")
    keys = found.find("model.dense2.units")
    assert keys == ("model", "layers", 2, "dense", "units")
    assert found.written(keys) == found.written(("model", 2, "dense", "units"))
    assert found.written(keys) == "model.dense2.units"
    # Layers that the run has are told of where the run is named.
    for path in (keys, ("model", 2), ("model", 2, "dense")):
        assert str(found.place(path)) == f"short.yaml:{line + 1}:15"
    setup = set_up("short.yaml")
    assert {layer.config_line for layer in check(setup).layers} == {line + 1}
    own = set_up("tuned.yaml")
    place = own.resolved.place(("model", 1))
    assert place.file == "base.yaml"
    assert "batch_norm" in place.text


def test_findings_of_its_layers_are_mended_where_they_stand(
    written: Path, tmp_path: Path
) -> None:
    """Weights that another run left are not judged as drawn ones are."""
    text = Path("short.yaml").read_text()
    dead = (
        "{dense: {units: 8, name: dead, activation: relu, bias_init: {constant: -9}}}"
    )
    layers = f"[{{dense: 8}}, batch_norm, {dead}, {{dense: 3}}]"
    new = "{from: source, freeze: [dense1],\n  layers: " + layers + "}"
    Path("dead.yaml").write_text(text.replace("{from: source}", new))
    run("dead.yaml", out="dead")
    read: Run = load_run("dead")
    assert not [f for f in read.findings if f.layer == "dense1"]
    patches = doctor.patches(read.findings)
    own = [p for f, p in patches if f.layer == "dead"]
    assert own
    assert all(edit.path.startswith("model.dead.") for edit in own[0])
    Path("mended.yaml").write_text(
        doctor.mended(doctor.base(read), own[0], Path("mended.yaml"), "x")
    )
    before, after = read.experiment.model, model_of("mended.yaml")
    assert dump(before[2]) != dump(after[2])
    assert [dump(before[i]) for i in (0, 1, 3)] == [dump(after[i]) for i in (0, 1, 3)]
    line = text.splitlines().index("model: {from: source}") + 2
    assert {f.config_line for f in read.findings if f.layer == "dead"} <= {line, None}
