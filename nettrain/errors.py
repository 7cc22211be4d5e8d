"""Errors a person can act on: a code, a place, the value, what was expected, one fix.

Every error that nettrain raises on purpose is an `Error`. Its code begins with the
family that decides the exit status of the command line (`EXIT_CODES`). Several errors
found together travel as one `Errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def visible(text: str) -> str:
    """The text with a code, such as `\\u001B`, for what no terminal should be sent.

    A name from a file may hold characters that move the cursor, colour what follows,
    rename the window, or turn the direction of writing. Lines stay lines.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c == "\n" else f"\\u{ord(c):04X}" for c in text
    )


EXIT_CODES = {
    "usage": 2,
    "config": 2,
    "graph": 2,
    "data": 3,
    "run": 4,
    "checkpoint": 4,
    "locked": 5,
    "disk": 6,
    "diverged": 7,
    "memory": 8,
}
"""Family of an error's code -> exit status. 0: finished, 1: a bug, 128+n: a signal."""


@dataclass(frozen=True)
class Place:
    """Where in a file something stands. Lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None
    text: str = ""
    """The source line itself, shown under the message; what has no lines, as a setting
    on the command line, is told by it."""
    width: int = 1
    """How many characters the caret underlines."""

    def __str__(self) -> str:
        if self.line is None and self.text:
            return f"{self.file}: {self.text}"
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        return ":".join([self.file, *numbers])

    def excerpt(self) -> str:
        """The line with a caret below the place, or nothing where no line is known."""
        if self.line is None or not self.text:
            return ""
        margin = f"{self.line:>7} | "
        blank = " " * (len(margin) - 2) + "| "
        caret = " " * ((self.column or 1) - 1) + "^" * max(1, self.width)
        # A tab, or an escape for what cannot be seen, would push the caret away.
        shown = "".join(c if c.isprintable() else " " for c in self.text.rstrip())
        return f"{margin}{shown}\n{blank}{caret}"


class Error(Exception):
    """Something a person has to mend.

    Args:
        code: family and kind, such as `config-unknown-key`; see `EXIT_CODES`.
        message: one sentence naming the value and what was expected.
        place: file, line and column where they are known.
        fix: one thing to do about it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        place: Place | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.place, self.fix = code, message, place, fix

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.code.split("-", 1)[0]]

    def __str__(self) -> str:
        where = f" {self.place}:" if self.place else ""
        lines = [f"error[{self.code}]{where} {self.message}"]
        if self.place and self.place.excerpt():
            lines.append(self.place.excerpt())
        if self.fix:
            lines.append(f"  {self.fix}")
        return visible("\n".join(lines))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: by IPython's custom, its own lines alone."""
        return str(self).split("\n")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.code, self.message, self.place, self.fix)


def _rebuild(code: str, message: str, place: Place | None, fix: str | None) -> Error:
    return Error(code, message, place=place, fix=fix)


class Errors(Error):
    """Several errors found in one go; the exit status is the first one's."""

    def __init__(self, errors: Sequence[Error]) -> None:
        first = errors[0]
        super().__init__(first.code, first.message, place=first.place, fix=first.fix)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def __reduce__(self) -> tuple[object, ...]:
        return Errors, (self.errors,)


def raise_all(errors: Sequence[Error]) -> None:
    """Raise nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Errors(errors)
