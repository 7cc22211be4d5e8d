"""Plain values that remember where each of them was written.

A `Tree` is what reading, extending, patching and overriding work on. It is never
changed: every edit makes a new one, so a part that an alias uses twice is edited in one
place only.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal

from nettrain.component import Component, Path, dotted, escaped
from nettrain.errors import Error, Place

DEPTH = 50
"""Levels of nesting that a config may have."""
NODES = 100_000
"""Values that a config may hold, counted after aliases and merges are written out."""
DIGITS = 300
"""Digits of the longest integer that is read; no setting needs one beyond a float."""
_LINE = 160
"""Characters of a source line that a message shows."""


@dataclass(frozen=True, eq=False)
class Source:
    """A text or mapping that values come from.

    Attributes:
        name: as messages call it, such as `configs/mlp.yaml`; of the command line,
            the setting.
        kind: what it is; decides how places and origins are worded.
        folder: where its relative paths start.
        lines: its lines, for the excerpts in messages.
    """

    name: str
    kind: Literal["file", "extends", "command line", "mapping"]
    folder: FilePath
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A stretch of a source. Lines and columns count from 1; width 0 marks nothing."""

    source: Source
    line: int = 1
    column: int = 1
    width: int = 1

    def place(self, path: Path = ()) -> Place:
        """The place for a message; a mapping has no lines, so its path is told."""
        name = self.source.name
        if self.source.kind == "mapping":
            return Place(f"{name}: {escaped(dotted(path))}" if path else name)
        if self.source.kind == "command line":
            return Place("command line", text=name)
        known = self.line <= len(self.source.lines) and self.column <= _LINE
        text = self.source.lines[self.line - 1][:_LINE] if known else ""
        # A tab is as wide as the terminal likes; one space keeps the caret in place.
        text = "".join(c if c.isprintable() else " " for c in text)
        width = max(1, min(self.width, len(text) - self.column + 1))
        return Place(name, self.line, self.column, text, width)

    def __str__(self) -> str:
        if self.source.kind in ("command line", "mapping"):
            return self.source.kind
        where = f"{self.source.name}:{self.line}"
        return f"extends {where}" if self.source.kind == "extends" else where


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A value, its origin, and the origin of its key where it stands in a mapping.

    `value` is a scalar, a component made in Python, a dict or a tuple of trees.
    """

    value: Any
    origin: Origin
    key: Origin | None = None

    def child(self, key: str | int) -> Tree | None:
        """The tree under a key or at an index, or None."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, tuple) and isinstance(key, int):
            return self.value[key] if 0 <= key < len(self.value) else None
        return None

    def holding(self, value: Any) -> Tree:
        """Another value in the same place."""
        return dataclasses.replace(self, value=value)

    def put(self, key: str | int, child: Tree) -> Tree:
        """This tree with one child set; a key that stands already keeps its place."""
        old = self.child(key)
        key_origin = old.key if old else child.key or child.origin
        placed = dataclasses.replace(child, key=key_origin)
        if isinstance(self.value, tuple):
            assert isinstance(key, int)
            return self.holding((*self.value[:key], placed, *self.value[key + 1 :]))
        return self.holding({**self.value, key: placed})

    def plain(self) -> Any:
        """The value without origins."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return [child.plain() for child in self.value]
        return self.value


def from_plain(value: Any, source: Source | Origin | None = None) -> Tree:
    """A tree of a value given from Python; components stay as they are.

    Args:
        source: what the value comes from, or the place that all of it stands for.
    """
    source = source or Source("mapping", "mapping", FilePath.cwd())
    origin = source if isinstance(source, Origin) else Origin(source)
    return _Planter(origin).tree(value, ())


class _Planter:
    """Turns Python values into trees, within the limits that files have."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.nodes = 0

    def tree(self, value: Any, path: Path) -> Tree:
        self.nodes += 1
        if len(path) > DEPTH or self.nodes > NODES:
            limit = f"{DEPTH} levels" if len(path) > DEPTH else f"{NODES:,} values"
            raise self._error("config-limit", f"the config holds more than {limit}", ())
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise self._error("config-key", f"keys are text, got {key!r}", path)
            children = {key: self.tree(v, (*path, key)) for key, v in value.items()}
            placed = {
                key: dataclasses.replace(child, key=self.origin)
                for key, child in children.items()
            }
            return Tree(placed, self.origin)
        if isinstance(value, (list, tuple)):
            items = tuple(self.tree(v, (*path, i)) for i, v in enumerate(value))
            return Tree(items, self.origin)
        return Tree(self._scalar(value, path), self.origin)

    def _scalar(self, value: Any, path: Path) -> Any:
        """A scalar in Python's own types: NumPy's become them, paths become text."""
        if value is None or isinstance(value, (bool, str, Component)):
            return value
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, numbers.Integral):
            if abs(int(value)) < 10**DIGITS:
                return int(value)
            message = f"an integer of more than {DIGITS} digits"
            raise self._error("config-limit", message, path)
        if isinstance(value, numbers.Real):
            return float(value)
        kind = type(value).__name__
        message = (
            f"expected text, a number, true, false, a list or a mapping, got {kind}"
        )
        raise self._error("config-type", message, path)

    def _error(self, code: str, message: str, path: Path) -> Error:
        return Error(code, message, place=self.origin.place(path))
