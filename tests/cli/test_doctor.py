"""`nettrain doctor`: what it prints, the config it writes, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nettrain.cli.main import main

from .conftest import Call, write_project

SICK = """\
extends: config.yaml
model:
  - dense: {units: 6, activation: relu}
  - dense: auto
optimizer: {sgd: {learning_rate: 0.0000001}}
train: {epochs: 100}
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sick run, `run`, of `sick.yaml`; another with overrides, `over`."""
    folder = tmp_path_factory.mktemp("sick")
    write_project(folder)
    (folder / "sick.yaml").write_text(SICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "sick.yaml", "--out", "run"]) == 0
        assert main(["run", "sick.yaml", "seed=5", "--out", "over"]) == 0
    return folder


@pytest.fixture
def sick(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    for resolved in folder.glob("*/config.resolved.yaml"):  # its paths are absolute
        resolved.write_text(resolved.read_text().replace(str(project), str(folder)))
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_the_cause_comes_first_and_has_all_its_parts(sick: Path, call: Call) -> None:
    before = names(sick)
    answer = call("doctor", "run")
    assert answer.code == 0 and answer.err == ""
    verdict, _, first, *rows = answer.out.splitlines()
    assert verdict.startswith("run: ") and verdict.endswith("finished at step 300")
    assert first == "error[L2] learning rate too low: the primary cause"
    text = "\n".join(rows)
    parts = [
        "where     the whole network",
        "measured  ",
        "threshold 0.3, healthy 1 … 100",
        "why       ",
        "picture   run/plots/learning-rate.svg\n",
        "change    raise the learning rate",
        "- {do: set, path: optimizer.sgd.learning_rate, value:",
        "try       nettrain run sick.yaml optimizer.sgd.learning_rate=",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert names(sick) == before
    assert (sick / "run/plots/learning-rate.svg").is_file()


def test_the_line_is_quoted(sick: Path, call: Call) -> None:
    rows = json.loads((sick / "run/findings.json").read_text())
    rows[0]["config_line"] = 5
    (sick / "run/findings.json").write_text(json.dumps(rows))
    printed = call("doctor", "run").out.splitlines()
    at = printed.index("  config    sick.yaml:5")
    assert printed[at + 1].endswith("5 | optimizer: {sgd: {learning_rate: 0.0000001}}")
    assert printed[at + 2].strip().startswith("| ^^^")


def test_consequences_stand_under_it_and_no_line_is_too_long(
    sick: Path, call: Call
) -> None:
    rows = json.loads((sick / "run/findings.json").read_text())
    insert = {"do": "insert", "path": "model.1", "value": "layer_norm"}
    rows[0]["remedy"]["patch"] = [insert]
    rows.append(
        {
            **rows[0],
            "id": "L4",
            "primary": False,
            "consequence_of": "L2",
            "why": "so " * 99,
        }
    )
    (sick / "run/findings.json").write_text(json.dumps(rows))
    printed = call("doctor", "run").out.splitlines()
    (at,) = [i for i, row in enumerate(printed) if row.startswith("    error[L4]")]
    assert printed[at - 1] == ""
    told = [row for row in printed[at:] if "so so" in row]
    assert len(told) > 2 and max(map(len, told)) <= 88
    # `--apply` writes the first finding's patch, and no other is promised.
    tried = [row for row in printed if "nettrain doctor" in row]
    assert tried == ["  try       nettrain doctor run --apply mended.yaml"]


def test_a_run_diverged_at_one_step_whoever_tells_it(sick: Path, call: Call) -> None:
    words = ["optimizer.sgd.learning_rate=1e30", "--out", "div"]
    told = call("run", "sick.yaml", *words)
    assert told.code == 7
    step = told.err.rpartition("not finite at step ")[2].strip()
    verdict = call("doctor", "div").out.splitlines()[0]
    assert step.isdecimal() and verdict.endswith(f"diverged at step {step}")


def test_a_healthy_run_says_so(trained: Path, call: Call, tmp_path: Path) -> None:
    healthy = tmp_path / "run"
    shutil.copytree(trained, healthy)
    (healthy / "findings.json").write_text("[]")
    answer = call("doctor", healthy, "--apply", tmp_path / "new.yaml", "--verify")
    assert answer.code == 0
    assert f"{healthy}: healthy, finished at step" in answer.out
    assert "No error and no warning was found." in answer.out
    assert "there is nothing to mend" in answer.err
    assert not (tmp_path / "new.yaml").exists()
    assert json.loads(call("doctor", healthy, "--json").out)["healthy"] is True


# ---------------------------------------------------------------- --apply


def test_apply_writes_a_config_that_runs(sick: Path, call: Call) -> None:
    (sick / "sub").mkdir()
    answer = call("doctor", "run", "--apply", "sub/new.yaml")
    assert answer.code == 0
    assert "written to sub/new.yaml\n  nettrain run sub/new.yaml" in answer.out
    comment, *lines = (sick / "sub/new.yaml").read_text().splitlines()
    assert comment.startswith("# Against L2 in ")
    assert lines[:2] == ["extends: ../sick.yaml", "patch:"]
    assert len(lines) == 3
    assert call("run", "sub/new.yaml", "--out", "new").code == 0
    found = json.loads((sick / "new/findings.json").read_text())
    assert "L2" not in [f["id"] for f in found]


def test_overrides_are_kept(sick: Path, call: Call) -> None:
    assert (
        "try       nettrain doctor over --apply mended.yaml"
        in call("doctor", "over").out
    )
    assert call("doctor", "over", "--apply", "new.yaml").code == 0
    assert "extends: over/config.resolved.yaml" in (sick / "new.yaml").read_text()
    assert call("run", "new.yaml", "--out", "new").code == 0
    assert json.loads((sick / "new/run.json").read_text())["seed"] == 5


def test_nothing_is_overwritten(sick: Path, call: Call) -> None:
    (sick / "new.yaml").write_text("mine")
    answer = call("doctor", "run", "--apply", "new.yaml", "--verify")
    assert answer.code == 4
    assert "run-file-exists" in answer.err and answer.out == ""
    assert (sick / "new.yaml").read_text() == "mine"


def test_where_no_patch_is_offered_none_is_written(sick: Path, call: Call) -> None:
    rows = json.loads((sick / "run/findings.json").read_text())
    for row in rows:
        row["remedy"] = None
    (sick / "run/findings.json").write_text(json.dumps(rows))
    answer = call("doctor", "run", "--apply", "new.yaml")
    assert answer.code == 4
    assert "run-no-patch" in answer.err
    assert not (sick / "new.yaml").exists()


# ---------------------------------------------------------------- --verify


def test_verify_trains_and_shows_both(sick: Path, call: Call) -> None:
    answer = call("doctor", "run", "--verify", "--apply", "new.yaml")
    assert answer.code == 0
    assert "training round 1: L2, optimizer.sgd.learning_rate: " in answer.err
    rows = answer.out.splitlines()
    (head,) = [row for row in rows if row.startswith("round  for  patch")]
    first = rows[rows.index(head) + 1]
    assert first.startswith("1      L2   optimizer.sgd.learning_rate: ")
    assert first.endswith("accepted") and " → " in first
    (findings,) = [row for row in rows if row.startswith("findings")]
    assert "L2" in findings
    assert any(row.startswith("validation/accuracy") for row in rows)
    assert "patch accepted" in answer.out or "patches accepted" in answer.out
    assert "run/plots/before-after.svg" in answer.out
    assert "before" in (sick / "run/plots/before-after.svg").read_text()
    patch = (sick / "new.yaml").read_text()
    assert "path: optimizer.sgd.learning_rate" in patch


def test_verify_alone_writes_no_config(sick: Path, call: Call) -> None:
    before = names(sick)
    call("doctor", "run", "--verify")
    added = set(names(sick)) - set(before)
    assert added <= {"run/plots/before-after.svg", "run/lock"}


def test_json_has_it_all_in_one_document(sick: Path, call: Call) -> None:
    words = ("doctor", "run", "--verify", "--apply", "new.yaml", "--json")
    found = json.loads(call(*words).out)
    assert found["healthy"] is False
    assert (found["run"], found["status"]) == ("run", "finished")
    assert (found["config"], found["applied"]) == ("sick.yaml", "new.yaml")
    (first, *_) = found["findings"]
    assert (first["id"], first["picture"]) == ("L2", "run/plots/learning-rate.svg")
    (made, *_) = found["verified"]
    assert made["accepted"] is True and made["shortened"] is False
    assert made["loss_after"] < made["loss_before"]
    assert made["patch"] == found["patch"][: len(made["patch"])]
    assert made["before"]["metrics"].keys() == made["after"]["metrics"].keys()
    assert "L2" in [f["id"] for f in made["before"]["findings"]]
    assert json.loads(call("doctor", "run", "--json").out)["verified"] is None


# ---------------------------------------------------------------- what is no verdict


def test_a_run_that_is_not_over(sick: Path, call: Call) -> None:
    facts = json.loads((sick / "run/run.json").read_text())
    (sick / "run/run.json").write_text(json.dumps({**facts, "status": "running"}))
    answer = call("doctor", "run")
    assert answer.code == 4
    assert "nettrain resume run" in answer.err


def test_a_folder_that_is_no_run(sick: Path, call: Call) -> None:
    answer = call("doctor", "nowhere")
    assert answer.code == 4 and "run-missing" in answer.err
