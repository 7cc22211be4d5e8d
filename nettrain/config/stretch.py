"""Where a config's keys and values stand in its text, and changes of that text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nettrain.config.reader import Document, parse
from nettrain.config.syntax import BREAK
from nettrain.config.tree import Origin, Tree
from nettrain.config.writer import inline
from nettrain.errors import Error, Place

GONE = object()
"""Stands for a key that is taken away."""


class Splice(NamedTuple):
    """A stretch of a text, from `start` to `stop`, and what stands there instead."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class Change:
    """An edit of a text, and what it does to the values that the text holds.

    Origins are named by their identity: what an anchor names stands once in the text,
    wherever it is used.

    Attributes:
        splices: of the text.
        values: by a value's origin, the one that stands there instead.
        keys: by a key's origin, the one that stands there instead, or `GONE`.
        added: by a mapping's origin, the pairs that are put into it.
    """

    splices: tuple[Splice, ...]
    values: Mapping[int, Any] = field(default_factory=dict)
    keys: Mapping[int, Any] = field(default_factory=dict)
    added: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    def applied(self, tree: Tree) -> Any:
        """The plain value of a tree after the change."""
        if id(tree.origin) in self.values:
            return self.values[id(tree.origin)]
        if isinstance(tree.value, tuple):
            return [self.applied(child) for child in tree.value]
        if not isinstance(tree.value, dict):
            return tree.value
        named = ((self.keys.get(id(c.key), k), c) for k, c in tree.value.items())
        pairs = {key: self.applied(c) for key, c in named if key is not GONE}
        return {**pairs, **self.added.get(id(tree.origin), {})}


def joined(changes: list[Change]) -> Change:
    """Several changes, which do not meet in the text, as one."""
    added: dict[int, dict[str, Any]] = {}
    for change in changes:
        for at, pairs in change.added.items():
            added[at] = {**added.get(at, {}), **pairs}
    return Change(
        tuple(splice for change in changes for splice in change.splices),
        {at: value for change in changes for at, value in change.values.items()},
        {at: key for change in changes for at, key in change.keys.items()},
        added,
    )


def written(text: str, splices: Iterable[Splice]) -> str:
    """A text with its splices made."""
    for start, stop, instead in sorted(splices, reverse=True):
        text = text[:start] + instead + text[stop:]
    return text


class Text:
    """A document's text, by line and column."""

    def __init__(self, document: Document) -> None:
        self.text, self.tree = document.text, document.tree
        self._starts = [0, *(match.end() for match in BREAK.finditer(self.text))]

    def own(self, node: Tree) -> bool:
        """Whether a node stands in this text, and not in another file."""
        return node.origin.source is self.tree.origin.source

    def offset(self, origin: Origin) -> int:
        return self._starts[origin.line - 1] + origin.column - 1

    def at(self, place: Place) -> int:
        return self._starts[(place.line or 1) - 1] + (place.column or 1) - 1

    def between(self, stretch: tuple[int, int]) -> str:
        return self.text[slice(*stretch)]

    def value(self, node: Tree) -> tuple[int, int] | None:
        """Where a value stands, if it is read as itself from there: in one line, and
        with neither anchor nor alias."""
        return self._stretch(node.origin, node.plain())

    def key(self, node: Tree, name: str) -> tuple[int, int] | None:
        """Where a node's key stands."""
        return self._stretch(node.key, name) if node.key else None

    def _stretch(self, origin: Origin, value: Any) -> tuple[int, int] | None:
        start = self.offset(origin)
        stretch = start, start + origin.width
        return stretch if equal(self.read(stretch), value) else None

    def read(self, stretch: tuple[int, int]) -> Any:
        """What a stretch by itself is read as; `GONE` where that cannot be told."""
        written = self.between(stretch)
        if not written or written[0] in "&*!":
            return GONE
        try:
            return parse(written, self.tree.origin.source).value
        except Error:
            return GONE

    def like(self, at: int, value: Any) -> str:
        """A value as YAML in one line, in quotes if what stands at a place is."""
        mark = self.text[at : at + 1]
        written = inline(value, quoted=mark == '"')
        return f"'{value}'" if mark == "'" and written == value else written

    def line_start(self, at: int) -> int:
        return self._starts[bisect_right(self._starts, at) - 1]

    def line_stop(self, at: int) -> int:
        """The end of a line, before its break."""
        found = BREAK.search(self.text, at)
        return found.start() if found else len(self.text)

    def line_break(self, at: int) -> str:
        """The break of a line; of the last line, the usual one."""
        found = BREAK.search(self.text, at)
        return found[0] if found else "\n"


def equal(first: Any, second: Any) -> bool:
    """Whether two plain values are the same: 1 is neither 1.0 nor true."""
    return type(first) is type(second) and bool(first == second)
