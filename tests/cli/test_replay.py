"""replay: what is printed, and the exit code."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from nettrain.component import family
from tests.cli.conftest import Call
from tests.cli.test_plugin import PLUGIN


@pytest.fixture
def recorded(trained: Path, folder: Path) -> Path:
    """A run of two epochs, to be changed."""
    return Path(shutil.copytree(trained, folder / "run"))


def test_identical(call: Call, trained: Path) -> None:
    answer = call("replay", trained)
    assert answer.code == 0
    digest = r"identical: 2 epochs, \d+ updates, digest [0-9a-f]{32}\n"
    assert re.fullmatch(digest, answer.out)
    assert answer.err.startswith("epoch 1  loss ") and "done" in answer.err
    assert len(answer.err.splitlines()) == 2  # its findings are told already


def test_another_setting(call: Call, recorded: Path) -> None:
    answer = call("replay", recorded, "data.batch_size=8")
    assert answer.code == 4
    lines = answer.out.splitlines()
    assert lines[0] == "epoch 1 differs"
    assert lines[1] == "  update 1"
    assert re.fullmatch(r"    train/loss: was [\d.]+, is [\d.]+", lines[2])
    told = ["what is not as it was", "  config: it is tried with data.batch_size=8"]
    assert lines[-2:] == told
    found = json.loads(call("replay", recorded, "data.batch_size=8", "--json").out)
    assert (found["identical"], found["epochs"], found["digest"]) == (False, 0, None)
    first = found["difference"]["rows"][0]
    assert first["step"] == 1
    was, now = first["metrics"]["train/loss"]
    assert lines[2] == f"    train/loss: was {was!r}, is {now!r}"


def test_what_nothing_explains(call: Call, recorded: Path) -> None:
    path = recorded / "metrics.jsonl"
    digests = re.findall(r'"digest":"(\w+)"', path.read_text())
    path.write_text(path.read_text().replace(digests[1], "0" * 32))
    answer = call("replay", recorded)
    lines = answer.out.splitlines()
    assert answer.code == 4
    told = r"epoch 2 differs; 1 epoch, \d+ updates before it are the same"
    assert re.fullmatch(told, lines[0])
    assert lines[1].startswith("  no metric, but the state at its end")
    assert lines[2].startswith("nothing known explains it")
    assert len(lines) == 3


def test_a_row_that_somebody_has_changed(call: Call, recorded: Path) -> None:
    path = recorded / "metrics.jsonl"
    text = path.read_text()
    path.write_text(re.sub(r'"train/loss":[^,]+', '"train/loss":0.5', text, count=1))
    answer = call("replay", recorded)
    assert answer.code == 4
    assert "train/loss: was 0.5, is " in answer.out
    assert "metrics.jsonl was changed after it was written" in answer.out


def test_json_and_nothing_else(call: Call, trained: Path) -> None:
    answer = call("replay", "--json", trained)
    found = json.loads(answer.out)
    assert answer.code == 0
    assert list(found) == [
        *("run", "identical", "epochs", "steps", "digest", "difference", "changed")
    ]
    assert found["identical"] and found["difference"] is None
    assert (found["epochs"], found["changed"]) == (2, [])


def test_what_has_changed_and_makes_no_difference(call: Call, recorded: Path) -> None:
    text = (recorded / "run.json").read_text()
    text = re.sub(r'"nettrain": "[^"]*"', '"nettrain": "0.0.\x1b"', text)
    (recorded / "run.json").write_text(text.replace("\x1b", "\\u001b"))
    answer = call("replay", recorded)
    assert answer.code == 0
    first, second, third = answer.out.splitlines()
    assert first.startswith("identical: ") and second == "although"
    assert third.startswith("  program: nettrain was 0.0.\\u001B, is ")


@pytest.mark.parametrize("kind", ["none", "a folder of runs"])
def test_no_run(call: Call, trained: Path, kind: str) -> None:
    answer = call("replay", "nothing" if kind == "none" else trained.parent)
    assert (answer.code, answer.out) == (4, "")
    assert answer.err.startswith("error[run-missing]")


def test_a_run_with_a_plugin(call: Call, folder: Path) -> None:
    (folder / "mine.py").write_text(PLUGIN)
    setting, plugin = "model.dense1.activation=cubic", ("--plugin", "mine.py")
    try:
        assert call("run", "config.yaml", setting, *plugin, "--out", "run").code == 0
        family.forget("cubic")
        assert 'unknown activation "cubic"' in call("replay", "run").err
        assert call("replay", "run", *plugin).out.startswith("identical: ")
        family.forget("cubic")
        (folder / "mine.py").write_text(PLUGIN.replace("z * z * z", "z * z"))
        answer = call("replay", "run", *plugin)
    finally:
        family.forget("cubic")
    assert answer.code == 4
    assert "nothing known explains it" in answer.out
    assert answer.out.splitlines()[-1].startswith("what a plugin does is in no finger")


def test_each_of_several_seeds_is_a_run(call: Call, folder: Path) -> None:
    assert call("run", "config.yaml", "--seeds", "2", "--out", "made").code == 0
    for seed in (0, 1):
        assert call("replay", f"made/seed-{seed}").out.startswith("identical: ")
