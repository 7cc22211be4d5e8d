"""What is wrong with a plain value, gathered until everything has been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nettrain.errors import Error

MISTAKES = 100
"""Mistakes after which looking for more ends: who mends them sees the others."""

Path = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


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
