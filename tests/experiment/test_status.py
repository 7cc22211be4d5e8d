"""What is told of a run that has no end: that it goes on or was killed, and where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment import doctor, status
from nettrain.experiment.found import found_until
from nettrain.experiment.load import load_run
from nettrain.experiment.status import open_run, read_status, told_of
from nettrain.record import lock
from nettrain.record.folder import RunFolder
from nettrain.study.compare import Comparison
from nettrain.study.run import Run
from nettrain.study.table import Row, rows
from nettrain.study.where import Condition
from tests.study.made import finding, make

TOLD = {"event": "finding", "time": "2000", "id": "A1", "name": "dead-units"}
TOLD |= {"severity": "warning", "node": "model/dense1", "epoch": 1, "step": 1}
ROW: dict[str, Any] = {k: TOLD[k] for k in ("id", "name", "severity", "node")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run in its third of three epochs, as it is while it goes on.

    Its findings.json is that of an interruption before it went on.
    """
    path = make(
        tmp_path / "run", found=[finding("G1")], status="running", step=4, epoch=1
    )
    facts = json.loads((path / "run.json").read_text())
    del facts["summary"], facts["diagnosis"]  # which are told at the end
    (path / "run.json").write_text(json.dumps(facts))
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (path / "metrics.jsonl").write_text("".join(lines[:9]) + lines[9][:7])
    tell(path, TOLD, TOLD | {"step": 3, "severity": "error"}, TOLD | {"step": 10})
    tell(path, TOLD | {"step": 10, "id": "G1"}, TOLD | {"severity": "<b>", "id": "x"})
    return path


def tell(path: Path, *events: object) -> None:
    with (path / "events.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def seen(path: Path) -> tuple[str, int, int]:
    facts = told_of(*open_run(path))
    return facts["status"], facts["epoch"], facts["step"]


def files(path: Path) -> dict[str, tuple[bytes, int]]:
    found = [p for p in sorted(path.rglob("*")) if p.is_file()]
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in found}


def test_it_goes_on_while_its_folder_is_held_and_else_was_killed(path: Path) -> None:
    with RunFolder.open(path).lock():
        assert seen(path) == ("running", 3, 9)
    assert seen(path) == ("killed", 3, 9)
    assert read_status(RunFolder.open(path))["status"] == "running"  # as it is written


def test_who_holds_the_folder_knows_that_nobody_trains(path: Path) -> None:
    folder = RunFolder.open(path)
    with folder.lock():
        assert told_of(folder, read_status(folder), is_ours=True)["status"] == "killed"


def test_nothing_is_written_by_looking(path: Path) -> None:
    before = files(path)
    os.chmod(path, 0o500)
    Row.read(path)
    repr(load_run(path))
    Run.read(path)
    os.chmod(path, 0o700)
    assert files(path) == before
    assert not (path / lock.LOCK).exists()


@pytest.mark.parametrize("ended", ["finished", "interrupted", "diverged", "failed"])
def test_of_a_run_with_an_end_no_lock_and_no_metrics_are_asked_for(
    path: Path, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (path / "run.json").read_text()
    (path / "run.json").write_text(text.replace('"running"', f'"{ended}"'))
    monkeypatch.setattr(lock, "is_held", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(status, "last_line", lambda *_: pytest.fail("read"))
    assert seen(path) == (ended, 1, 4)


def test_one_that_ends_while_it_is_asked_for_has_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> bool:
        text = (path / "run.json").read_text()
        (path / "run.json").write_text(text.replace('"running"', '"finished"'))
        return False

    monkeypatch.setattr(lock, "is_held", ends)
    assert seen(path) == ("finished", 1, 4)


def test_where_nobody_can_tell_run_json_is_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Error("disk-lock", "cannot")

    monkeypatch.setattr(Disk, "lock", refuse)
    assert seen(path) == ("running", 3, 9)


NO_ROWS = [None, b"", b"{}", b"{}\n", b"[1]\n", b"\0\0\n", b"\xff\n"]
NO_ROWS += [b"[" * 9999 + b"\n", b'{"step": -1, "epoch": 1}\n', b'{"step": 1}\n']


@pytest.mark.parametrize("rows_", NO_ROWS, ids=range(10))
def test_without_a_whole_row_it_is_where_it_began(
    path: Path, rows_: bytes | None
) -> None:
    (path / "metrics.jsonl").unlink()
    if rows_ is not None:
        (path / "metrics.jsonl").write_bytes(rows_)
    assert seen(path) == ("killed", 1, 4)
    assert Row.read(path).plain["status"] == "killed"


# ---------------------------------------------------------------- findings


def test_findings_are_those_that_were_told_up_to_there(path: Path) -> None:
    worse = {"severity": "error", "epoch": 1, "step": 3, "primary": False}
    assert found_until(RunFolder.open(path), 9) == [ROW | worse]
    assert found_until(RunFolder.open(path), 0) == []
    assert len(found_until(RunFolder.open(path), 10)) == 2
    (path / "events.jsonl").unlink()
    assert found_until(RunFolder.open(path), 9) == []


# ---------------------------------------------------------------- who tells it


def test_a_table_tells_it_and_its_conditions_mean_what_it_shows(path: Path) -> None:
    plain = Row.read(path).plain
    assert [plain[k] for k in ("status", "epoch", "step")] == ["killed", 3, 9]
    assert (plain["findings"], plain["primary"]) == (1, None)
    assert rows([path.parent], [Condition.parse("status = running")]) == []
    assert len(rows([path.parent], [Condition.parse("status = killed")])) == 1


def test_a_run_that_was_loaded_tells_it(path: Path) -> None:
    run = load_run(path)
    assert repr(run) == f"<Run {path}: killed at epoch 3, step 9, findings A1>"
    assert (run.status, run.facts["step"]) == ("killed", 9)
    (found,) = run.findings
    assert (found.severity, found.step, found.why) == ("error", 3, "")


def test_a_comparison_tells_it(path: Path) -> None:
    run = Run.read(path)
    assert (run.status, [row["id"] for row in run.found]) == ("killed", ["A1"])
    found = Comparison.of([path])
    assert found.findings == [["", "A"], ["A1 dead units", "error"]]
    assert f"A: not finished, and without a value: {path} killed" in found.notes()


def test_without_a_verdict_it_is_said_why(path: Path) -> None:
    with pytest.raises(Error) as caught:
        doctor.check_diagnosed(load_run(path))
    at = "at epoch 3, step 9; findings so far: A1"
    assert caught.value.message == f"{path} has no verdict yet: killed {at}"
    assert caught.value.fix == f"nettrain resume {path}"
    with RunFolder.open(path).lock(), pytest.raises(Error) as caught:
        doctor.check_diagnosed(load_run(path))
    assert caught.value.message == f"{path} has no verdict yet: running {at}"
    assert caught.value.fix == (
        f"wait for its end; so far: nettrain report {path}"  # it cannot be resumed
    )
