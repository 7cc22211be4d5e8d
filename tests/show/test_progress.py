"""The progress line on a terminal and into a file."""

from __future__ import annotations

import io
import math
import os
import sys

import pytest

from nettrain.show import progress as module
from nettrain.show.progress import Progress, duration


def train(progress: Progress, epochs: int, per_epoch: int, first: int = 0) -> None:
    for step in range(first + 1, epochs * per_epoch + 1):
        progress.step(step, (step - 1) // per_epoch + 1, 1 / step, 0.001)
        if step % per_epoch == 0:
            progress.epoch(
                step // per_epoch, {"train/accuracy": 1, "validation/loss": 2}
            )


def lines(epochs: int, planned: int | None = None, first: int = 0) -> list[str]:
    stream = io.StringIO()
    total = 5 * (planned or epochs)
    progress = Progress(total, False, stream, done=first)
    train(progress, epochs, 5, first)
    progress.close()
    return stream.getvalue().splitlines()


def test_a_line_per_epoch_with_its_metrics() -> None:
    found = lines(3)
    assert [line.split("  ")[0] for line in found] == ["epoch 1", "epoch 2", "epoch 3"]
    assert "loss 0.06667  validation loss 2  rate 0.001" in found[-1]
    assert found[0].endswith("left")
    assert found[-1].endswith("done")
    assert "accuracy" not in found[0]


@pytest.mark.parametrize("epochs", [19, 20, 21, 100, 999])
def test_a_long_run_has_about_twenty_lines_its_last_epoch_among_them(
    epochs: int,
) -> None:
    found = lines(epochs)
    assert 10 <= len(found) <= 22
    assert found[-1].startswith(f"epoch {epochs} ")


def test_the_last_epoch_of_a_run_that_stopped_early_is_shown_once() -> None:
    found = lines(47, planned=100)
    assert found[-1].startswith("epoch 47 ")
    assert len(found) == len(set(found))


def test_a_resumed_run_goes_on() -> None:
    assert lines(10, first=25)[0].startswith("epoch 6 ")


def test_notes_are_lines_of_their_own() -> None:
    stream = io.StringIO()
    progress = Progress(10, False, stream)
    progress.note("error[G1] vanishing")
    assert stream.getvalue() == "error[G1] vanishing\n"


def test_a_bar_on_a_terminal_shows_status_and_keeps_notes() -> None:
    stream = io.StringIO()
    progress = Progress(10, True, stream)
    train(progress, 1, 5)
    progress.note("error[G1] vanishing")
    train(progress, 2, 5, first=5)
    progress.close()
    written = stream.getvalue()
    assert "error[G1] vanishing\n" in written
    last = written.rpartition("\r")[2]
    assert "100%" in last
    assert "epoch 2  loss 0.1  validation loss 2  rate 0.001" in last


def bar(columns: int | None) -> str:
    """Its line in a terminal so wide, as tqdm is told to write it."""
    progress = Progress(10, False, io.StringIO())
    progress._began -= 4.5
    progress.step(5, 2, 0.03131, 0.001)
    values = {"train/loss": 0.5, "validation/accuracy": 0.9, "validation/loss": 0.25}
    progress.epoch(2, values)
    return progress.fitted(columns)


def test_a_wide_bar_has_everything() -> None:
    whole = "{percentage:3.0f}% |{bar:12}|  5 s left  epoch 2  loss 0.03131  "
    whole += "validation accuracy 0.9  validation loss 0.25  rate 0.001"
    assert bar(None) == bar(200) == whole


def test_a_narrow_bar_keeps_what_matters_most() -> None:
    dropped = ["rate", "{bar", "accuracy", "left", " loss 0.03", "epoch", "validation"]
    seen = []
    for columns in range(130, 4, -1):
        made = bar(columns)
        shown = made.replace("{percentage:3.0f}", "100").replace("{bar:12}", "#" * 12)
        assert len(shown) < columns  # the last column is left free
        seen += [name for name in dropped if name not in made and name not in seen]
        if len(shown) + 30 < columns:  # nothing that has room is left out
            assert made == bar(None)
    # The accuracy is wider than the bar, and goes before it is reached.
    assert sorted(seen[:3]) == ["accuracy", "rate", "{bar"]
    assert seen[3:] == ["left", " loss 0.03", "epoch", "validation"]
    assert "validation loss 0.25" in bar(60) and "epoch 2" in bar(60)


def test_names_are_no_forms() -> None:
    progress = Progress(10, True, io.StringIO())
    progress.step(5, 1, 0.5, 0.1)
    progress.epoch(1, {"validation/{x}": 1.0})
    assert "validation {{x}} 1" in progress.fitted(None)
    progress.close()


def test_the_bar_asks_for_the_width_of_its_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    real = Progress.fitted
    monkeypatch.setattr(
        module.Progress, "fitted", lambda p, c: asked.append(c) or real(p, c)
    )
    monkeypatch.setenv("COLUMNS", "50")
    stream = io.StringIO()
    progress = Progress(10, True, stream)
    train(progress, 2, 5)
    progress.close()
    assert set(asked) == {50}
    last = stream.getvalue().rpartition("\r")[2]
    assert "validation loss 2" in last and len(last.rstrip("\n")) < 50


def test_a_terminal_that_tells_no_rows_has_a_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(stream, "fileno", lambda: 2)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((80, 0)))
    progress = Progress(10, True)
    train(progress, 2, 5)
    progress.close()
    assert "100%" in stream.getvalue()


def test_of_a_run_that_ended_early_no_time_is_left() -> None:
    assert "left" not in lines(47, planned=100)[-1]
    assert "left" in lines(47, planned=100)[-2]


def test_a_loss_that_is_not_a_number_is_shown() -> None:
    stream = io.StringIO()
    progress = Progress(10, False, stream)
    progress.step(5, 1, math.nan, math.nan)
    progress.epoch(1, {})
    assert stream.getvalue().startswith("epoch 1  loss nan  ")


def test_nothing_was_trained() -> None:
    stream = io.StringIO()
    Progress(0, False, stream).close()
    Progress(0, True, stream).close()
    assert "epoch" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.42 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
