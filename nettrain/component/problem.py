"""What is wrong with a plain value, gathered until everything has been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nettrain.errors import Error

MISTAKES = 100
"""Mistakes after which looking for more ends: who mends them sees the others."""

Path = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


@dataclass(frozen=True)
class Instead:
    """Write this in the place of the value that is wrong, or of its key."""

    value: Any


@dataclass(frozen=True)
class Home:
    """Move the key with its value to where it belongs: `train.stop`, or "", the top."""

    path: str


class Fix(str):
    """What to do about a problem, in words.

    Attributes:
        edit: the same as an edit, where nothing else can have been meant.
    """

    edit: Instead | Home | None

    def __new__(cls, words: str, edit: Instead | Home | None = None) -> Fix:
        made = super().__new__(cls, words)
        made.edit = edit
        return made


@dataclass(frozen=True)
class Problem:
    """What is wrong with one plain value, and where it stands in the whole."""

    code: str
    path: Path
    message: str
    fix: str | None = None
    at_key: bool = False
    """Whether the key is at fault rather than its value."""
    within: Path = ()
    """What the message is about, where that has to be said."""
    sure: bool = False
    """Whether nothing else can have been meant than the fix says."""

    def sentence(self, written: Callable[[Path], str] = dotted) -> str:
        """The message with what it is about, worded by `written`."""
        return self.message + (f" in {written(self.within)}" if self.within else "")

    def error(self) -> Error:
        where = dotted(self.path)
        message = f"{where}: {self.sentence()}" if where else self.sentence()
        return Error(self.code, message, fix=self.fix)
