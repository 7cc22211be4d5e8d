"""How wide prose is, and how long lines are folded."""

from __future__ import annotations

import io
import os

import pytest

from nettrain.show import width as module
from nettrain.show.width import columns, folded, reflowed, width


class Terminal(io.StringIO):
    def fileno(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("said", "seen", "expected"),
    [
        ("60", 80, 60),
        ("300", 80, 100),
        ("3", 80, 40),
        ("", 61, 61),
        ("0", 61, 61),
        ("wide", 61, 61),
        ("", 0, 88),  # of a terminal that does not know
        ("", None, 88),
    ],
)
def test_columns(
    monkeypatch: pytest.MonkeyPatch, said: str, seen: int | None, expected: int
) -> None:
    def size(descriptor: int) -> os.terminal_size:
        assert descriptor == 7
        if seen is None:
            raise OSError("no terminal")
        return os.terminal_size((seen, 24))

    monkeypatch.setenv("COLUMNS", said)
    monkeypatch.setattr(module.os, "get_terminal_size", size)
    assert width(Terminal()) == expected
    assert (columns(Terminal()) is None) == (expected == 88)


def test_what_is_not_even_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width(io.StringIO()) == 88


def test_long_lines_are_folded_and_others_left() -> None:
    text = "short  one\n" + "word " * 12 + "\n\nlast"
    rows = folded(text, 2, 40).split("\n")
    assert rows[0] == "short  one" and rows[-2:] == ["", "last"]
    assert rows[1] == ("word " * 8).rstrip() and rows[2] == "  " + "word " * 3 + "word"
    assert folded("memory    " + "a " * 20, 10, 40).split("\n")[1].startswith(" " * 10)


@pytest.mark.parametrize(
    "line",
    [
        "  nettrain resume " + "runs/a " * 20,
        "     14 |   - dense: " + "word " * 20,
        "        |           " + " ^" * 40,
        "            - {do: set, path: " + "a " * 40,
        "/a/path/" + "x" * 60,
    ],
)
def test_what_is_to_be_copied_is_never_broken(line: str) -> None:
    assert folded(line, 2, 40) == line


def test_paragraphs_that_are_too_wide_are_wrapped_anew() -> None:
    prose = "one two three four five six\nseven"
    listed = "begins:\n- one two three four five six seven\n  eight\n- nine"
    formula = "    y = x · x · x · x · x · x"
    text = "\n\n".join([prose, listed, formula])
    assert reflowed(text, 50) == text
    assert reflowed(text, 24).split("\n\n") == [
        "one two three four five\nsix seven",
        "begins:\n- one two three four\n  five six seven eight\n- nine",
        formula,
    ]
