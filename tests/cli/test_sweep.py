"""A sweep as it is seen: a bar of one line on a terminal, else a line per trial."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nettrain.cli import sweep as cli
from nettrain.study.results import Score


class Terminal(io.StringIO):
    """Standard error of a terminal."""

    is_gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.is_gone:
            raise BrokenPipeError
        return super().write(text)


def plan(points: int, rungs: tuple[tuple[int, float], ...] = ()) -> Any:
    return SimpleNamespace(points=points, rungs=rungs, units=(0, 1), asked=points)


def shown_to(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(cli, "brief", lambda plan, path: ["begun"])
    return made


def half_done(folder: Path, steps: int = 40) -> Path:
    """A run folder as it is in the middle of 80 updates."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"planned": {"steps": 80}}))
    row = json.dumps({"step": steps, "epoch": 1})
    (folder / "metrics.jsonl").write_text(f"{row}\n{row[:5]}")
    return folder


@pytest.mark.parametrize("wide", ["0", "40", "80", "200"])
def test_the_bar_fits_its_line_and_tells_every_trial_it_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wide: str
) -> None:
    monkeypatch.setenv("COLUMNS", wide)  # 0: a terminal that does not tell it
    terminal, watch = shown_to(monkeypatch), cli._Watching()
    watch.begins(plan(9), tmp_path, [])
    watch.planned(18)
    names = [f"{point:04d}-seed-{seed}" for point in (1, 12) for seed in (0, 1)]
    folders = [half_done(tmp_path / name) for name in names]
    watch.done("0001-seed-0", Score("finished", 1.0))
    watch.running([*folders, tmp_path / "0003-seed-0"])
    shown = terminal.getvalue().split("\r")[-1].rstrip()
    watch.close()
    assert len(shown) < (int(wide) or 80)
    assert shown.startswith("1/18 ") and "None" not in terminal.getvalue()
    assert shown.count("50%") == (2 if wide == "40" else 4)
    assert ("1 s0 50%  1 s1 50%" in shown) and ("12 s1" in shown) == (wide != "40")
    assert "|" in shown or wide == "40"


def test_a_bar_counts_what_is_half_made_and_not_what_was_there_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, watch = shown_to(monkeypatch), cli._Watching()
    watch.begins(plan(2), tmp_path, ["goes on: seeds was 1"])
    watch.planned(4)
    for name in ("0001-seed-0", "0001-seed-1"):
        watch.done(name, Score("finished", 1.0))
    watch.running([half_done(tmp_path / "0002-seed-0")])
    assert (watch._bar.initial, watch._bar.n, watch._bar.total) == (2, 2.5, 4)
    watch.close()
    assert "goes on: seeds was 1" in terminal.getvalue()
    assert watch.count == "2 of 4"


def test_a_terminal_that_tells_no_rows_has_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, watch = shown_to(monkeypatch), cli._Watching()
    monkeypatch.setattr(terminal, "fileno", lambda: 2)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((0, 0)))
    watch.begins(plan(9), tmp_path, [])
    watch.planned(18)
    watch.close()
    assert terminal.getvalue().startswith("begun\n") and "0/18 |" in terminal.getvalue()


def test_of_what_a_failed_trial_said_the_table_s_line_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = io.StringIO()
    monkeypatch.setattr(sys, "stderr", made)
    why = "noise\nerror[config-x] a.yaml:1: no\tsuch key\n   1 | a\n  mend it"
    cli._Watching().done("0001-seed-0", Score("failed", why=why))
    cli._Watching().done("0002-seed-0", Score("diverged"))
    assert made.getvalue().splitlines() == [
        "1/0  0001-seed-0  failed: a.yaml:1: no\\u0009such key",
        "1/0  0002-seed-0  diverged",
    ]


def test_the_command_that_trains_the_best_point_is_told() -> None:
    arguments: Any = SimpleNamespace(plugin=["my own.py"])
    best = SimpleNamespace(point=SimpleNamespace(name="0003"))
    found: Any = SimpleNamespace(best=best)
    (text,) = cli._best(arguments, Path("runs/x y/1"), found)
    told, command = text.splitlines()
    assert told.startswith("the best point's runs: runs/x y/1/trials/0003-*; ")
    assert command == "  nettrain run 'runs/x y/1/best.yaml' --plugin 'my own.py'"
    found.best = None
    assert cli._best(arguments, Path("out"), found) == []


def test_a_terminal_that_is_gone_ends_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, watch = shown_to(monkeypatch), cli._Watching()
    watch.begins(plan(2), tmp_path, [])
    watch.planned(4)
    terminal.is_gone = True
    watch.running([half_done(tmp_path / "0001-seed-0")])
    watch.done("0001-seed-0", Score("failed"))
    watch.close()
    assert watch.count == "1 of 4"


def test_all_rungs_are_counted_from_the_beginning(tmp_path: Path) -> None:
    watch = cli._Watching()
    watch._plan = plan(9, ((9, 11.1), (3, 33.3), (1, 100.0)))
    assert watch.count == "0 of 26"


@pytest.mark.parametrize(
    ("exact", "asked", "said"),
    [
        (False, 5, ["5 points were tried, and 3 of them are different"]),
        (False, 3, []),
        (True, 5, []),
    ],
)
def test_points_that_were_tried_again_are_told(
    exact: bool, asked: int, said: list[str]
) -> None:
    watch = cli._Watching()
    watch._plan = SimpleNamespace(exact=exact, asked=asked)  # type: ignore[assignment]
    found: Any = SimpleNamespace(rows=(1, 2, 3))
    assert watch.merged(found) == said


@pytest.mark.parametrize(
    "text", ["", "{", '{"step": 3}\n', '{"epoch": 3}\n{"ep', "[]\n", "{}\n{}\n"]
)
def test_of_a_run_that_tells_nothing_nothing_is_shown(
    tmp_path: Path, text: str
) -> None:
    folder = tmp_path / "0001-seed-0"
    assert cli._state(folder) is None
    folder.mkdir()
    (folder / "metrics.jsonl").write_text(text)
    assert cli._state(folder) is None
    (folder / "run.json").write_text('{"planned": {"steps": 0}}')
    assert cli._state(folder) is None
    (folder / "metrics.jsonl").write_text('{"step": 9}\n')
    (folder / "run.json").write_text('{"planned": {"steps": 6}}')
    assert cli._state(folder) == ("1 s0", 1.0)
