"""How wide prose may be where it is shown."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from typing import TextIO

_ELSEWHERE, _LEAST, _MOST = 88, 40, 100
"""Columns where there is no terminal; the fewest and the most that are used."""
_KEPT = re.compile(r"\s*\d* \| |\s+(- )?nettrain |\s+- \{")
"""Lines of an excerpt, edits and commands: what is broken cannot be copied."""


def columns(stream: TextIO) -> int | None:
    """As many as COLUMNS says, else as the terminal has; None where there is none."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or not even a file
        return None


def width(stream: TextIO | None = None) -> int:
    """Columns that prose has; where it is no terminal's, those of a page.

    Args:
        stream: to which it is written; standard output if left out.
    """
    wide = columns(stream or sys.stdout) or _ELSEWHERE
    return max(_LEAST, min(wide, _MOST))


def folded(text: str, hang: int, wide: int) -> str:
    """The text with its long lines wrapped; what cannot be, such as a path, stays.

    Args:
        text: lines of prose, of excerpts and of commands.
        hang: blanks before what is left of a line.
        wide: columns that a line may have.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= wide or _KEPT.match(line):
            lines.append(line)
            continue
        lines += textwrap.wrap(
            line,
            wide,
            subsequent_indent=" " * hang,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def reflowed(text: str, wide: int) -> str:
    """Paragraphs of prose with new lines where theirs are too wide.

    Lines that begin with blanks, such as formulas and commands, stay as they are.
    """
    return "\n\n".join(_reflowed(part, wide) for part in text.split("\n\n"))


def _reflowed(part: str, wide: int) -> str:
    if max(map(len, part.split("\n"))) <= wide:
        return part
    return "\n".join(_item(one, wide) for one in re.split(r"\n(?=- )", part))


def _item(text: str, wide: int) -> str:
    """Prose, or what a dash begins."""
    is_listed = text.startswith("- ")
    if "\n " in f"\n{text}" and not is_listed:
        return text
    return folded(re.sub(r"\n\s*", " ", text), 2 * is_listed, wide)


def fitted(text: str, hang: int, stream: TextIO) -> str:
    """The text folded for the terminal that a stream is.

    Elsewhere it is left alone: what searches it finds a fact in one line.
    """
    return folded(text, hang, width(stream)) if stream.isatty() else text
