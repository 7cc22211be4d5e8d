"""One hostile thing: how it is made, and which commands then open it."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile import runs

Command = list[str]


@dataclass(frozen=True)
class Place:
    """Where a case is made.

    Attributes:
        folder: the case's own, the only one that may be written in.
        outside: another one, in which nothing may change.
        base: a finished run with its config and table, for copying only.
    """

    folder: Path
    outside: Path
    base: Path

    @property
    def run(self) -> Path:
        """The copy of the run, without its last update, so that it can be resumed."""
        path = self.folder / "run"
        if not path.exists():
            shutil.copytree(self.base / "run", path)
            runs.last(path).unlink()
        return path

    def verbs(self) -> list[Command]:
        """A page of several runs reads what the page of one does."""
        verbs = runs.verbs(self.run, self.base / "table.csv")
        return [words for words in verbs if "both.html" not in words[-1]]

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        return path

    def config(self, text: str = runs.CONFIG, table: str | bytes = "") -> list[Command]:
        """A config, and the commands that read it."""
        self.write("table.csv", table or runs.table())
        path = str(self.write("config.yaml", text))
        out = str(self.folder / "out")
        return [
            ["check", path],
            ["check", path, "--json"],
            ["graph", path],
            ["bench", path, "--steps", "1"],
            ["run", path, "--out", out],
            ["report", out],
        ]

    def rows(self, name: str, data: bytes) -> list[Command]:
        """A file of rows, and the commands that read one."""
        path, run = str(self.write(name, data)), str(self.run)
        config = runs.CONFIG.replace("table.csv", name)
        if not name.endswith(".csv"):
            config = config.replace("  target: kind\n", "")
        return [
            ["evaluate", run, "--data", path],
            ["predict", run, "--data", path],
            ["check", str(self.write("config.yaml", config))],
            ["run", str(self.folder / "config.yaml"), "--out", str(self.folder / "x")],
        ]


@dataclass(frozen=True)
class Case:
    """A hostile thing.

    Attributes:
        name: of it.
        make: makes it, and says which commands are to open it.
        pictures: whether all pictures are drawn, which takes its time.
        shows: what must stand in a page, as a proof that it came so far.
    """

    name: str
    make: Callable[[Place], list[Command]] = field(repr=False)
    pictures: bool = False
    shows: str = ""


class Evil:
    """Unpickled, it makes a file and imports what nobody has."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def evil(place: Place) -> bytes:
    return pickle.dumps(Evil(place.outside / "canary"))


Cases = Iterator[Case]
