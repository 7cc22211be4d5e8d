"""The public functions, as a user of Python calls them."""

from __future__ import annotations

import base64
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from threadpoolctl import threadpool_info

import nettrain as nt
from nettrain.experiment.load import brief
from nettrain.experiment.watching import Watching
from nettrain.training.loop import Loop
from tests.experiment.conftest import SMALL


def clouds(rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = random.integers(0, 3, rows)
    return random.normal(size=(rows, 5)) + 3.0 * np.eye(3, 5)[y], y


def test_fit_learns_arrays_and_predicts() -> None:
    x, y = clouds()
    model = nt.nn.Sequential([nt.nn.Dense(16, activation="relu"), nt.nn.Dense(3)])
    optimizer = {"adam": {"learning_rate": 0.02}}
    run = nt.fit(model, x, y, loss="cross_entropy", optimizer=optimizer, epochs=30)
    probabilities = run.predict(x)
    assert run.status == "finished"
    assert probabilities.shape == (120, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert np.mean(probabilities.argmax(axis=1) == y) > 0.9
    assert run.metrics["train/loss"][-1] < run.metrics["train/loss"][0]
    assert run.findings == []


def test_fit_a_regression_with_components() -> None:
    x, _ = clouds()
    y = x @ np.arange(5.0) + 1.0
    run = nt.fit(
        [nt.nn.Dense(1)], x, y, loss="mse", optimizer=nt.optim.Adam(0.1), epochs=60,
        validation=0.2, metrics=["r2"], preprocess=["standardize"],
    )  # fmt: skip
    assert run.metrics["validation/r2"][-1] > 0.99
    assert run.predict(x).shape == (120, 1)


def test_fit_keeps_what_a_run_writes(tmp_path: Path) -> None:
    x, y = clouds()
    model = [nt.nn.Dense(4, activation="relu"), nt.nn.Dense(3)]
    fitted = nt.fit(model, x, y, epochs=2, validation=0.2, metrics=["accuracy"])
    run = nt.train(SMALL, out=tmp_path / "run")
    assert fitted.metrics.keys() <= run.metrics.keys()
    assert fitted.statistics.keys() == run.statistics.keys()
    for mine, theirs in (
        (fitted.metrics, run.metrics),
        (fitted.statistics, run.statistics),
    ):
        for name, column in mine.items():
            assert column.dtype.kind == theirs[name].dtype.kind, name
    assert list(fitted.metrics["step"]) == [1, 2, 3, 4, 5, 6]
    assert set(fitted.statistics["role"]) >= {"pre_activation", "parameter"}


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_fit_a_handful_of_rows(rows: int) -> None:
    x = np.arange(rows * 2.0).reshape(rows, 2)
    fitted = nt.fit([nt.nn.Dense(1)], x, x.sum(axis=1), loss="mse", epochs=3)
    assert fitted.status == "finished"
    assert fitted.predict(x).shape == (rows, 1)
    assert fitted.predict(x[:1]).shape == (1, 1)


def test_predictions_use_the_threads_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = nt.train({**SMALL, "threads": 2}, out=tmp_path / "run")
    seen: list[int] = []
    real = type(made.model.network).outputs

    def outputs(network: Any, *given: Any) -> np.ndarray:
        blas = [p for p in threadpool_info() if p["user_api"] == "blas"]
        seen.append(blas[0]["num_threads"])
        return real(network, *given)

    monkeypatch.setattr(type(made.model.network), "outputs", outputs)
    made.predict(np.zeros((1, 4)))
    assert seen == [2]


def test_fit_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nt.fit([nt.nn.Dense(3)], *clouds(), epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_loaded_run_predicts_raw_rows(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    nt.train(SMALL, out=tmp_path / "run", overrides=["train.epochs=40"])
    run = nt.load_run(tmp_path / "run")
    x, y = load_iris(return_X_y=True)
    predicted = run.predict(x).argmax(axis=1)
    assert np.mean(predicted == y) > 0.9
    assert run.metrics["step"][-1] == run.statistics["step"][-1]


def test_restored_weights_are_those_that_predict(tmp_path: Path) -> None:
    overrides = ["train.epochs=30", "train.stop={patience: 1, restore_best: true}",
                 "optimizer.adam.learning_rate=0.3"]  # fmt: skip
    run = nt.train(SMALL, out=tmp_path / "run", overrides=overrides)
    assert run.summary["test/step"] < run.facts["step"]
    from nettrain.experiment.setup import set_up

    part = set_up(run.path / "config.resolved.yaml").dataset.parts["test"]
    outputs = run.model.network.outputs(part.inputs, 1024)
    loss, _ = run.model.network.score(outputs, part.targets)
    assert loss == run.summary["test/loss"]


def test_threads_are_put_back(tmp_path: Path) -> None:
    before = [pool["num_threads"] for pool in threadpool_info()]
    nt.train(SMALL, out=tmp_path / "run")
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(nt.Error) as caught:
        nt.load_run(tmp_path)
    assert caught.value.code == "run-missing"


def test_the_article() -> None:
    x, y, z = nt.variables("x y z")
    q = (x + y).named("q")
    f = (q * z).named("f")
    e = nt.evaluate(f, {x: 2.0, y: 3.0, z: -4.0})
    assert (e.value[q], e.value[f]) == (5.0, -20.0)
    found = [e.gradient[n] for n in (x, y, z, q, f)]
    assert found == [-4.0, -4.0, 5.0, -4.0, 1.0]


@pytest.mark.parametrize(
    "layer", ["batch_norm", "layer_norm", {"dropout": 0.3}, "prelu", "softplus"]
)
def test_a_loaded_run_predicts_with_every_kind_of_layer(
    tmp_path: Path, layer: object
) -> None:
    model = [{"dense": 8}, layer, {"dense": 3}]
    run = nt.train({**SMALL, "model": model}, out=tmp_path / "run")
    again = nt.load_run(tmp_path / "run").predict(np.ones((1, 4)))
    np.testing.assert_array_equal(run.predict(np.ones((1, 4))), again)
    assert np.isfinite(again).all()


def test_the_cost_is_a_node_of_its_own_where_layers_add_to_the_loss() -> None:
    from nettrain.experiment.graph import config_evaluation
    from nettrain.experiment.setup import set_up

    penalized = {"dense": {"units": 3, "weight_l2": 0.1}}
    e = config_evaluation(set_up({**SMALL, "model": [penalized]}))
    found = e.to_json()["nodes"]
    assert found["cost"]["gradient"] == found["loss"]["gradient"] == 1.0
    assert found["cost"]["value"] > found["loss"]["value"]


# ---------------------------------------------------------------- in a line


def test_a_fit_is_told_in_a_line() -> None:
    x, y = clouds()
    model = [nt.nn.Dense(3)]
    fitted = nt.fit(model, x, y, epochs=2, validation=0.2, metrics=["accuracy"])
    last = fitted.summary["last"]
    ids = " ".join(dict.fromkeys(finding.id for finding in fitted.findings))
    assert repr(fitted) == (
        f"<Fit: finished, validation loss {last['validation/loss']:.4g}, "
        f"validation accuracy {last['validation/accuracy']:.4g}, "
        f"{f'findings {ids}' if ids else 'no findings'}>"
    )


def test_a_run_is_told_in_a_line_by_its_test_rows(tmp_path: Path) -> None:
    run = nt.train(SMALL, out=tmp_path / "run")
    assert repr(run).startswith(f"<Run {tmp_path / 'run'}: finished, test loss ")
    assert "train" not in repr(run).removeprefix(f"<Run {tmp_path}")
    assert "test step" not in repr(run) and "\n" not in repr(run)


@pytest.mark.parametrize(
    ("status", "summary", "told"),
    [
        ("running", {}, "running, no findings"),
        ("diverged", {"last": {"train/loss": "nan"}}, "diverged, train loss nan, no"),
        ("finished", {"test/confusion": [[1]], "test/r2": 1.0}, "finished, test r2 1,"),
    ],
)
def test_what_a_line_can_be_made_of(
    status: str, summary: dict[str, Any], told: str
) -> None:
    assert brief(status, summary, []).startswith(told)


def test_a_run_whose_findings_are_damaged_can_be_looked_at(tmp_path: Path) -> None:
    run = nt.train(SMALL, out=tmp_path / "run")
    (run.path / "findings.json").write_text("{")
    assert repr(nt.load_run(run.path)) == f"<Run {run.path}: finished>"


# ---------------------------------------------------------------- in a notebook


class Shown(list[dict[str, str]]):
    """What a notebook displays; one that is updated is what it was updated to."""

    def __call__(self, data: Any, raw: bool = False, display_id: bool = False) -> Any:
        place = len(self)
        self.append(data if raw else {"text/html": data})

        def update(data: dict[str, str], raw: bool) -> None:
            assert raw
            self[place] = data

        return SimpleNamespace(update=update) if display_id else None


def ipython(monkeypatch: pytest.MonkeyPatch, shell: object) -> Shown:
    """Let there be an IPython with this shell."""
    shown = Shown()
    package, display = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    package.version_info = (9, 0)  # type: ignore[attr-defined] # matplotlib looks
    display.HTML = lambda data: data  # type: ignore[attr-defined]
    display.display = shown  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


KERNEL = SimpleNamespace(kernel=object())


def test_a_notebook_gets_a_bar_the_summary_and_the_curves(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = ipython(monkeypatch, KERNEL)
    run = nt.train(SMALL, out=tmp_path / "run")
    bar, picture = shown
    assert bar["text/plain"].startswith("100%  done  epoch 4  loss ")
    assert '<progress value="1.0000"' in bar["text/html"]
    data = base64.b64decode(picture["text/html"].partition("base64,")[2][:-2])
    assert data == (run.path / "plots/cost.svg").read_bytes()
    assert "max-width:100%" in picture["text/html"]
    told = capsys.readouterr()
    assert told.err == ""  # which is red there
    assert "No findings." in told.out and run.findings == []
    rows = told.out.splitlines()
    (head,) = [row for row in rows if "validation" in row and "best" in row]
    assert head.startswith("\033[2m")
    assert f"written to {tmp_path / 'run'}" in " ".join(told.out.split())


def test_a_notebook_says_that_a_run_diverged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = ipython(monkeypatch, KERNEL)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    rate = "optimizer={sgd: {learning_rate: 1.0e+30}}"
    run = nt.train(config, out=tmp_path / "run", overrides=[rate])
    assert run.status == "diverged"
    told = capsys.readouterr()
    assert "the run diverged:\033[0m the loss or its gradient was not" in told.out
    first = run.findings[0]
    assert f"error[{first.id}]\033" in told.out and told.err == ""
    assert "left" not in shown[0]["text/plain"]
    assert "done" not in shown[0]["text/plain"]
    # Overrides are not in the config, so no command may name it alone.
    assert f"nettrain doctor {run.path} --apply" in told.out.replace("\n", "")
    assert repr(run).startswith(f"<Run {run.path}: diverged, ")
    assert f"findings {first.id}" in repr(run)


def test_a_notebook_says_how_to_go_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = ipython(monkeypatch, KERNEL)
    real = Loop.run

    def interrupted(loop: Loop, *given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(loop, *given)

    monkeypatch.setattr(Loop, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nt.train(SMALL, out=tmp_path / "run")
    said = f"interrupted; saved at step 1, epoch 1\n  nettrain resume {tmp_path}/run\n"
    assert capsys.readouterr().out.endswith(said)
    assert len(shown) <= 1


def test_words_of_a_notebook_are_not_red(capsys: pytest.CaptureFixture[str]) -> None:
    Watching(4, notebook=True).note("goes on")
    assert capsys.readouterr() == ("goes on\n", "")


@pytest.mark.parametrize("shell", [None, object(), SimpleNamespace(kernel=None)])
def test_elsewhere_training_is_quiet(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: object,
) -> None:
    shown = ipython(monkeypatch, shell)
    nt.train(SMALL, out=tmp_path / "run")
    assert shown == []
    assert capsys.readouterr() == ("", "")
