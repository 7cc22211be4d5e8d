"""What `train.on_nonfinite` does where an update cannot be made."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nettrain as nt
from nettrain.experiment.api import fitted
from nettrain.experiment.run import resume
from nettrain.experiment.setup import set_up
from nettrain.record.checkpoint import decode
from tests.experiment.test_every_stop import stopped_after_every_update
from tests.experiment.test_killed import content, killed_at_disk, killed_at_event

pytestmark = pytest.mark.usefixtures("only_graphs")


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Writes a config of a regression on 36 training rows; five updates an epoch."""

    def write(action: str, rate: Any = 3.0, bad: int = 0, **train: Any) -> Path:
        random = np.random.default_rng(0)
        inputs = random.normal(size=(60, 2))
        targets = inputs @ [1.0, -2.0] + 0.1 * random.normal(size=60)
        table = np.column_stack([inputs, targets])
        table[7 : 7 + bad, 0] = 1e30  # its square is beyond float32
        np.savetxt(
            tmp_path / "t.csv", table, delimiter=",", header="a,b,y", comments=""
        )
        path = tmp_path / "config.yaml"
        data = {
            "source": "t.csv",
            "target": "y",
            "task": "regression",
            "batch_size": 8,
            "split": {"validation": 0.2, "test": 0.2},
        }
        experiment = {
            "name": "t",
            "data": data,
            "model": [{"dense": 1}],
            "loss": "mse",
            "optimizer": {"sgd": {"learning_rate": rate}},
            "train": {"epochs": 12, "on_nonfinite": action, **train},
        }
        path.write_text(yaml.safe_dump(experiment))
        return path

    return write


def rows(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def events(folder: Path, kind: str = "nonfinite") -> list[str]:
    text = (folder / "events.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    return [event["text"] for event in found if event["event"] == kind]


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


# ---------------------------------------------------------------- stop


def test_it_stops_and_keeps_what_it_failed_on(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("stop"), out=tmp_path / "run")
    assert made.status == "diverged"
    last, dead = made.facts["step"], made.path / "checkpoints/post-mortem.safetensors"
    found = decode(dead.read_bytes())
    tensors = found.tensors
    assert found.meta.step == last and tensors["failure/step"] == last + 1
    assert tensors["failure/learning_rate"] == 3.0
    assert not np.isfinite(tensors["failure/loss"])
    data = set_up(tmp_path / "config.yaml").dataset.parts["train"]
    where = [list(data.rows).index(row) for row in tensors["failure/rows"]]
    np.testing.assert_array_equal(tensors["failure/inputs"], data.inputs[where])
    np.testing.assert_array_equal(tensors["failure/targets"], data.targets[where])
    assert tensors["gradient/model/dense1/weight"].shape == (2, 1)
    assert np.isfinite(tensors["parameter/model/dense1/weight"]).all()


def test_the_post_mortem_is_never_gone_on_from(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("stop"), out=tmp_path / "run")
    before = content(made.path)
    for path in (made.path / "checkpoints").glob("step-*"):
        path.unlink()
    ended = resume(made.path)
    assert ended.outcome is not None and ended.outcome.status == "diverged"
    assert content(made.path) == before
    assert rows(made.path)[0]["step"] == 1


# ---------------------------------------------------------------- rollback


def test_it_goes_back_and_on_at_half_the_rate(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("rollback"), out=tmp_path / "run")
    assert made.status == "finished" and made.summary["rollbacks"] == 2
    assert [row["step"] for row in rows(made.path)] == list(range(1, 61))
    assert events(made.path) == [
        "not finite at step 26: back to step 20, at half the rate (1 of 3)",
        "not finite at step 31: back to step 25, at half the rate (2 of 3)",
    ]
    rates = [row["learning_rate"] for row in rows(made.path)]
    assert rates == [3.0] * 20 + [1.5] * 5 + [0.75] * 35
    steps = nt.load_run(made.path).statistics["step"]
    assert (np.diff(steps) >= 0).all()
    (found,) = [f for f in made.findings if f.id == "N1"]
    assert found.severity == "warning" and found.step == 26
    assert "went back 2 times, to half the rate, first at update 26" in found.why
    assert "square: inputs" in found.why


def test_after_three_times_it_has_diverged(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("rollback", rate=1e8), out=tmp_path / "run")
    assert made.status == "diverged"
    assert made.facts["reason"].endswith(", after 3 rollbacks")
    assert [text[-8:] for text in events(made.path)] == [
        f"({n} of 3)" for n in (1, 2, 3)
    ]
    assert [f.severity for f in made.findings if f.id == "N1"] == ["error"]


def test_it_goes_back_to_the_first_weights_too(tmp_path: Path, config: Any) -> None:
    every = {"checkpoint": {"every": "100 epochs"}}
    made = nt.train(config("rollback", **every), out=tmp_path / "run")
    assert made.status == "finished"
    assert [text.split(",")[0][-4:] for text in events(made.path)] == ["ep 0"] * 2
    assert {row["learning_rate"] for row in rows(made.path)} == {0.75}


def test_what_it_goes_back_from_is_forgotten(tmp_path: Path, config: Any) -> None:
    """From the first weights on it is a run at half the rate."""
    kept = {
        "checkpoint": {"every": "100 epochs"},
        "stop": {"restore_best": True, "patience": 30},
        "epochs": 30,
    }
    rate = {"linear_warmup": {"peak": 3.0, "warmup": "20 epochs"}}
    back = nt.train(config("rollback", rate, **kept), out=tmp_path / "back")
    rate["linear_warmup"]["peak"] = 3.0 * 0.5 ** back.summary["rollbacks"]
    half = nt.train(config("stop", rate, **kept), out=tmp_path / "half")
    assert rows(back.path) == rows(half.path)
    assert back.summary["best"] == half.summary["best"]
    one, two = (
        decode(
            (run.path / "checkpoints" / "step-000000000150.safetensors").read_bytes()
        )
        for run in (back, half)
    )
    best = [path for path in two.tensors if path.startswith("best/")]
    assert best
    for path in best:
        np.testing.assert_array_equal(one.tensors[path], two.tensors[path])


def test_it_goes_back_where_the_evaluation_fails(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("rollback", 1.1, epochs=40), out=tmp_path / "run")
    assert events(made.path)[0].startswith("not finite at step 131: back to step 125")
    text = (made.path / "events.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in text]
    assert "error" not in [e["severity"] for e in told if e.get("id") == "N1"]


def test_in_memory_it_is_the_same(tmp_path: Path, config: Any) -> None:
    path = config("rollback")
    made, fit = nt.train(path, out=tmp_path / "run"), fitted(set_up(path))
    for name, column in fit.metrics.items():
        np.testing.assert_array_equal(column, made.metrics[name])
    assert fit.findings == made.findings
    assert len(fit.statistics["step"]) == len(made.statistics["step"])


# ---------------------------------------------------------------- skip


def test_it_leaves_updates_out(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("skip", rate=0.01, bad=1), out=tmp_path / "run")
    assert made.status == "finished"
    assert [row["step"] for row in rows(made.path)] == list(range(1, 61))
    assert len(events(made.path)) == made.summary["skipped"] == 12  # once an epoch
    losses = [row["train/loss"] for row in rows(made.path)]
    assert losses.count("inf") == 12
    assert made.summary["last"]["validation/loss"] < 3
    (found,) = [f for f in made.findings if f.id == "N1"]
    assert "in data rows 7" in found.why


def test_a_passing_failure_is_a_warning(
    tmp_path: Path, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad row is in the training part of the first epoch only."""
    from nettrain.training.network import Network

    real = Network.train

    def train(self: Network, inputs: Any, *given: Any) -> Any:
        return real(self, inputs * (1e30 if given[2] == 3 else 1), *given)

    monkeypatch.setattr(Network, "train", train)
    made = nt.train(config("skip", rate=0.01), out=tmp_path / "run")
    (found,) = [f for f in made.findings if f.id == "N1"]
    assert (found.severity, found.step) == ("warning", 3)
    assert found.why.startswith("update 3 was skipped: ")


def test_an_epoch_without_an_update_has_diverged(tmp_path: Path, config: Any) -> None:
    made = nt.train(config("skip", rate=0.01, bad=53), out=tmp_path / "run")
    assert made.status == "diverged"
    assert made.facts["reason"] == (
        "the loss or its gradient was not finite at step 5, as in the 4 before it"
    )


# ---------------------------------------------------------------- and resume


@pytest.mark.parametrize("every", ["1 epoch", "3 steps"])
@pytest.mark.parametrize("action", ["skip", "rollback"])
def test_stopped_after_every_update(
    tmp_path: Path,
    config: Any,
    action: str,
    every: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rate, bad = (0.01, 1) if action == "skip" else (3.0, 0)
    checkpoint = {"every": every, "keep": 2}
    path = config(action, rate, bad, checkpoint=checkpoint, epochs=8)
    nt.train(path, out=tmp_path / "whole")
    stopped_after_every_update(path, [], tmp_path / "run", monkeypatch)
    assert content(tmp_path / "run") == content(tmp_path / "whole")


@pytest.mark.parametrize("action", ["skip", "rollback"])
def test_stopped_on_the_way_to_its_divergence(
    tmp_path: Path, config: Any, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, bad = (0.01, 53) if action == "skip" else (1e8, 0)
    path = config(action, rate, bad)
    whole = nt.train(path, out=tmp_path / "whole")
    assert whole.status == "diverged"
    stopped_after_every_update(path, [], tmp_path / "run", monkeypatch)
    assert content(tmp_path / "run") == content(whole.path)


def test_without_anything_to_go_back_to_nothing_is_given_up(
    tmp_path: Path, config: Any
) -> None:
    """A run that was not to go back saves nothing before its first update."""
    made = nt.train(config("stop", rate=1e8), out=tmp_path / "run")
    assert made.status == "diverged"
    before = {p: p.read_bytes() for p in (made.path / "checkpoints").glob("step-*")}
    assert before
    for _ in range(2):
        with pytest.raises(nt.Error) as caught:
            resume(made.path, ["train.on_nonfinite=rollback"])
        assert caught.value.code == "checkpoint-missing"
        found = (made.path / "checkpoints").glob("step-*")
        assert {p: p.read_bytes() for p in found} == before
    ended = resume(made.path, ["train.on_nonfinite=stop"])
    assert ended.outcome is not None and ended.outcome.status == "diverged"


@pytest.mark.parametrize("kill", [killed_at_disk, killed_at_event])
def test_killed_while_it_goes_back(tmp_path: Path, config: Any, kill: Any) -> None:
    path = config("rollback", epochs=8)
    whole = nt.train(path, out=tmp_path / "whole")
    expected = content(whole.path)
    for at in range(160, 330, 17) if kill is killed_at_disk else range(35, 60, 4):
        out = tmp_path / f"run{at}"
        assert kill(partial(nt.train, path, out=out), at) == 77
        resume(out)
        assert content(out) == expected, at
