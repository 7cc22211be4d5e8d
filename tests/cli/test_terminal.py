"""Colour, tables, and a progress display that nobody sees any more."""

from __future__ import annotations

import io
import re
import shutil
import sys
from pathlib import Path

import pytest

from nettrain.cli import terminal
from nettrain.cli.progress import Watching
from nettrain.experiment import watching
from nettrain.experiment.setup import set_up
from tests.cli.conftest import Call, write_project


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    variables: dict[str, str],
    expected: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.colour(stream) is expected


def test_a_table() -> None:
    rows = [["a", "b", "c"], ["long", "x", "1"], ["", "y", "10"]]
    assert terminal.table(rows, left=2) == "a     b   c\nlong  x   1\n      y  10"


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (33280, "33.3 kB"), (1.5e9, "1.5 GB")],
)
def test_sizes(count: float, told: str) -> None:
    assert terminal.size(int(count)) == told


def test_long_lists_are_cut() -> None:
    assert terminal.joined(["a", "b"], 2) == "a, b"
    assert terminal.joined(["a", "b", "c"], 2) == "a, b and 1 more"


def test_numbers_that_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({"loss": float("nan"), "name": "é"})
    assert capsys.readouterr().out == '{\n "loss": "nan",\n "name": "é"\n}\n'


# ---------------------------------------------------------------- watching

CONFIG = {
    "data": {"source": "iris"},
    "model": [{"dense": "auto"}],
    "loss": "cross_entropy",
}
FOUND = {"id": "G1", "name": "vanishing-gradient", "severity": "error", "node": "n"}


def watched(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Watching:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Watching(set_up(CONFIG), total_steps=4)


def show(seen: Watching) -> None:
    """A resumed run of two steps, which finds something."""
    seen.note("goes on")
    for step in (3, 4):
        seen.step(step, 1, 0.5, 0.1)
    seen.found(FOUND)
    seen.epoch(1, {"step": 4, "validation/loss": 0.25})
    seen.close()


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    show(watched(stream, monkeypatch))
    assert stream.getvalue().splitlines() == [
        "goes on",
        "error[G1] vanishing gradient at n",
        "epoch 1  loss 0.5  validation loss 0.25  rate 0.1  done",
    ]


def test_a_bar_and_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    show(watched(stream, monkeypatch))
    assert "100% |" in stream.getvalue()
    assert "\033[1;31merror[G1]" in stream.getvalue()


def test_what_is_told_on_the_way_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    stream = Terminal()
    seen = watched(stream, monkeypatch)
    seen.note("word " * 20)
    assert stream.getvalue().splitlines()[1].startswith("  word")
    assert max(map(len, stream.getvalue().splitlines())) <= 50


def test_the_pace_is_that_of_the_steps_that_were_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    real = watching.Progress

    def recorded(
        total: int, terminal: bool, done: int, notebook: bool
    ) -> watching.Progress:
        made.append(done)
        return real(total, terminal, done=done, notebook=notebook)

    monkeypatch.setattr(watching, "Progress", recorded)
    show(watched(io.StringIO(), monkeypatch))
    assert made == [2]


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_terminal_that_went_away_does_not_end_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show(watched(Gone(), monkeypatch))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check", "--help"],
        ["check", "config.yaml", "--probe"],
        ["check", "sweep.yaml"],
        ["compare", "run", "other"],
        ["graph", "config.yaml"],
        ["explain", "lstm"],
        ["list", "detectors"],
        ["run", "config.yaml", "--seeds", "5", "train.epochs=1", "diagnose=false"],
    ],
    ids=" ".join,
)
def test_a_narrow_terminal_is_wide_enough(
    call: Call,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    shutil.copytree(trained, tmp_path / "run")
    shutil.copytree(trained, tmp_path / "other")
    config = tmp_path / "other/config.resolved.yaml"
    text = re.sub("learning_rate: [^ ]*", "learning_rate: 0.5", config.read_text())
    config.write_text(text)
    space = "{optimizer.adam.learning_rate: [0.1, 0.2], model.dense1.units: [2, 3]}"
    (tmp_path / "sweep.yaml").write_text(f"base: config.yaml\nspace: {space}\n")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    answer = call(*words)
    assert answer.code == 0
    lines = answer.out.splitlines()
    # Commands and formulas are not broken: they could not be copied.
    prose = [line for line in lines if not re.match(r"    |  (try +)?nettrain ", line)]
    assert 50 < max(map(len, prose)) <= 60
