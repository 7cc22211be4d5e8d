"""A run and its folder, as contracts say, and that it repeats to the last byte."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

import nettrain as nt
from nettrain.experiment.run import resume, run
from nettrain.record.checkpoint import decode
from tests.experiment.conftest import ROOT, SMALL

DETERMINISTIC = ("metrics.jsonl", "statistics.csv", "findings.json", "data.json")


def digests(folder: Path) -> dict[str, str]:
    """Of every file whose bytes are a function of config and data."""
    files = [folder / name for name in DETERMINISTIC]
    files += sorted((folder / "checkpoints").glob("step-*"))
    # The graph's boxes tell the config line they come from.
    files += sorted(f for f in (folder / "plots").iterdir() if f.stem != "graph")
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_the_folder_holds_what_the_contract_says(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    folder = made.path
    names = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    assert names == {
        "config.yaml", "config.resolved.yaml", "run.json", "data.json",
        "metrics.jsonl", "statistics.csv", "findings.json", "events.jsonl",
        "checkpoints", "plots", "report.html",
    }  # fmt: skip
    assert {p.name for p in (folder / "plots").iterdir()} == {
        "cost.svg", "gradient-flow.svg", "activations.svg", "dead-neurons.svg",
        "updates.svg", "graph.svg", "gradient-waterfall.svg",
    }  # fmt: skip
    facts = json.loads((folder / "run.json").read_text())
    assert facts["format"] == 1
    assert facts["status"] == made.status == "finished"
    assert facts["step"] == 24
    assert facts["summary"]["test/step"] == 24
    assert set(facts["summary"]["best"]) == {"validation/loss", "validation/accuracy"}
    assert facts["diagnosis"]["share_of_step"] >= 0


def test_rows_of_the_metrics(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    lines = (made.path / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == list(range(1, 25))
    assert all("train/loss" in row for row in rows)
    evaluated = [row["step"] for row in rows if "validation/accuracy" in row]
    assert evaluated == [6, 12, 18, 24]
    assert "test/accuracy" in rows[-1]
    assert made.summary["test/accuracy"] == rows[-1]["test/accuracy"] > 0.7


def test_statistics_of_every_node(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    found = made.statistics
    assert set(found["node"]) == {
        "model/dense1/pre_activation", "model/dense1/activation",
        "model/dense2/pre_activation", "model/dense1/weight", "model/dense1/bias",
        "model/dense2/weight", "model/dense2/bias",
    }  # fmt: skip
    assert sorted(set(found["step"])) == [1, 2, 4, 6, 12, 18, 24]
    weights = found["node"] == "model/dense1/weight"
    ratios = found["update_ratio"][weights]
    assert np.all((ratios > 1e-4) & (ratios < 0.5))


def test_checkpoints_hold_the_whole_state(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    files = sorted(p.name for p in (made.path / "checkpoints").iterdir())
    assert files[-1] == "step-000000000024.safetensors"
    assert len(files) in (3, 4)  # three, and the best beside them
    tensors = decode((made.path / "checkpoints" / files[-1]).read_bytes()).tensors
    prefixes = {path.split("/")[0] for path in tensors}
    assert prefixes == {"parameter", "optimizer", "loop", "diagnosis", "preprocess"}
    assert tensors["parameter/model/dense1/weight"].shape == (4, 8)


def test_the_best_checkpoint_stays(tmp_path: Path) -> None:
    rate = "optimizer.adam.learning_rate=0.3"
    made = nt.train(SMALL, out=tmp_path / "run", overrides=["train.epochs=30", rate])
    best = made.summary["best"]["validation/loss"]["step"]
    kept = sorted(p.name for p in (made.path / "checkpoints").iterdir())
    assert best < 180 - 3 * 6 and len(kept) == 4
    assert kept[0] == f"step-{best:012d}.safetensors"
    # It is no second state: without restore_best nothing but the last one counts.
    tensors = decode((made.path / "checkpoints" / kept[-1]).read_bytes()).tensors
    assert not any(name.startswith("best/") for name in tensors)
    assert made.summary["test/step"] == 180


def test_the_resolved_config_repeats_the_run(tmp_path: Path) -> None:
    first = nt.train(SMALL, out=tmp_path / "one")
    second = nt.train(first.path / "config.resolved.yaml", out=tmp_path / "two")
    assert digests(first.path) == digests(second.path)
    assert "auto" not in yaml.safe_load(
        (first.path / "config.resolved.yaml").read_text()
    )["executor"]  # fmt: skip


def test_a_changed_seed_changes_it(tmp_path: Path) -> None:
    one = nt.train(SMALL, out=tmp_path / "one")
    two = nt.train(SMALL, out=tmp_path / "two", overrides=["seed=1"])
    assert digests(one.path)["metrics.jsonl"] != digests(two.path)["metrics.jsonl"]


def test_other_surroundings_change_no_byte(tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    surroundings = [
        {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "4", "LC_ALL": "C.UTF-8",
         "TZ": "Asia/Tokyo"},
    ]  # fmt: skip
    found = []
    for i, extra in enumerate(surroundings):
        folder = tmp_path / f"folder {i}"
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-m", "nettrain", "run", config, "--out", "run"],
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **extra},
            capture_output=True,
        )
        found.append(digests(folder / "run"))
    assert found[0] == found[1]


def test_numbered_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [nt.train(SMALL).path for _ in range(2)]
    assert paths == [Path("runs/small/1"), Path("runs/small/2")]


def test_the_same_run_is_not_repeated_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = run(SMALL, again=False)
    second = run(SMALL, again=False)
    assert second.outcome is None and second.folder.path == first.folder.path
    assert "--again" in second.message
    other = run(SMALL, ["seed=5"], again=False)
    assert other.folder.path != first.folder.path


def test_a_folder_that_holds_a_run_is_not_touched(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    before = digests(made.path)
    with pytest.raises(nt.Error) as caught:
        nt.train(SMALL, out=tmp_path / "run")
    assert (caught.value.code, caught.value.exit_code) == ("run-exists", 4)
    assert digests(made.path) == before


@pytest.mark.parametrize("layer", ["batch_norm", {"dropout": 0.3}])
def test_interrupted_by_a_signal_and_resumed(tmp_path: Path, layer: object) -> None:
    config = {
        **SMALL,
        "model": [{"dense": 8}, layer, "relu", {"dense": 3}],
        "train": {"epochs": 4000, "checkpoint": {"every": "7 steps"}},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "nettrain", "run", path, "--out", tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run/checkpoints").glob("step-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    facts = json.loads((tmp_path / "run/run.json").read_text())
    assert facts["status"] == "interrupted" and facts["step"] > 0
    length = f"train.epochs={facts['epoch'] + 2}"
    resume(tmp_path / "run", [length])
    whole = nt.train(path, out=tmp_path / "whole", overrides=[length])
    one, two = digests(tmp_path / "run"), digests(whole.path)
    final = max(name for name in two if name.startswith("step-"))
    tensors = [
        decode((f / "checkpoints" / final).read_bytes()).tensors
        for f in (tmp_path / "run", whole.path)
    ]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        assert tensor.tobytes() == tensors[1][name].tobytes(), name
    for name in ("metrics.jsonl", "statistics.csv", "findings.json"):
        assert one[name] == two[name]


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    before = digests(made.path)
    ended = resume(made.path)
    assert ended.outcome is None and "finished" in ended.message
    assert digests(made.path) == before


def test_resumed_for_longer_equals_longer_from_the_start(tmp_path: Path) -> None:
    nt.train(SMALL, out=tmp_path / "run")
    resume(tmp_path / "run", ["train.epochs=7"])
    longer = nt.train(SMALL, out=tmp_path / "long", overrides=["train.epochs=7"])
    last = "step-000000000042.safetensors"
    one = decode((tmp_path / "run/checkpoints" / last).read_bytes()).tensors
    two = decode((longer.path / "checkpoints" / last).read_bytes()).tensors
    for name, tensor in two.items():
        assert one[name].tobytes() == tensor.tobytes(), name


def test_a_run_that_diverges_is_returned(tmp_path: Path) -> None:
    steep = "optimizer={sgd: {learning_rate: 1e30}}"
    made = nt.train(SMALL, out=tmp_path / "run", overrides=[steep])
    assert made.status == "diverged"
    assert [(f.id, f.primary) for f in made.findings] == [("N1", True)]
    assert (made.path / "findings.json").exists()


def test_nothing_is_written_for_a_bad_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nt.Error):
        nt.train({**SMALL, "loss": "cross_entrpy"})
    with pytest.raises(nt.Error):
        nt.train({**SMALL, "data": {"source": "missing.csv", "target": "y"}})
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_whose_last_checkpoint_is_damaged_is_finished_again(
    tmp_path: Path,
) -> None:
    made = nt.train(SMALL, out=tmp_path / "run")
    before = digests(made.path)
    last = tmp_path / "run/checkpoints/step-000000000024.safetensors"
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data)
    (line,) = nt.load_run(tmp_path / "run").skipped
    assert "step-000000000024" in line and "damaged" in line
    assert resume(tmp_path / "run").outcome is not None
    after = digests(made.path)
    assert {name: after[name] for name in before} == before
