"""From the parser's events to a tree: within limits, and each value with its place.

PyYAML's scanner and parser read the text; nothing of it constructs anything. The tree
is written down as the events come, in one pass, so that a limit ends the reading where
it is passed. An alias costs nothing, whatever it stands for: trees are never changed,
so it shares what its anchor names, but counts as large and as deep as that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from nettrain.component import MISTAKES, show
from nettrain.config.scalars import INTEGER, scalar
from nettrain.config.syntax import (
    ORDER_MARK,
    line_and_column,
    syntax_error,
    unprintable,
)
from nettrain.config.tree import DEPTH, DIGITS, NODES, Origin, Source, Tree
from nettrain.errors import Error, Errors

_TAG = re.compile(r"(?:&[^\s,\[\]{}]+)?(?:\s|#.*)*(!\S*)")
"""A tag, with the anchor that may stand before it."""


def compose(text: str, source: Source) -> tuple[Tree, tuple[Error, ...]]:
    """The tree of a text, and the mistakes after which reading could go on.

    Raises:
        Error: where it could not.
    """
    text = text.removeprefix(ORDER_MARK)
    if ORDER_MARK in text:
        raise unprintable(text, text.index(ORDER_MARK), source)
    composer: _Composer | None = None
    try:
        composer = _Composer(text, source)
        tree = composer.document()
    except yaml.YAMLError as problem:
        raise syntax_error(problem, text, source) from None
    except (ValueError, OverflowError):
        # The scanner gives numbers of escapes and directives to int() and chr() as is.
        mark = composer.get_mark() if composer else None
        origin = (
            Origin(source, mark.line + 1, mark.column + 1) if mark else Origin(source)
        )
        message = "a number in an escape or a directive is out of range"
        raise Error("config-syntax", message, place=origin.place()) from None
    return tree, tuple(composer.faults)


def _touches(first: Origin, second: Origin) -> bool:
    """Whether there is but a comma between the two, as in `0,01`."""
    return (first.line, first.column + first.width + 1) == (second.line, second.column)


@dataclass(slots=True)
class _Anchor:
    """What an anchor names: its tree, once it is whole, its size and its height."""

    origin: Origin
    tree: Tree | None = None
    nodes: int = 0
    height: int = 0


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet.

    Attributes:
        event: its beginning.
        key: of its own, where it stands in a mapping.
        anchor: that names it.
        nodes: read before it.
        deepest: the deepest level read beside it.
        items: of a list; None for a mapping.
        own, merge: pairs of a mapping, and what stands under `<<`.
        name: the key whose value comes next; None where it is no text.
        waiting: where this key stands; None where a key comes next.
    """

    event: Any
    key: Origin | None
    anchor: _Anchor | None
    nodes: int
    deepest: int
    items: list[Tree] | None
    own: dict[str, Tree] = field(default_factory=dict)
    merge: dict[str, Tree] = field(default_factory=dict)
    name: tuple[dict[str, Tree], str] | None = None
    waiting: Origin | None = None


class _Composer(Reader, Scanner, Parser):  # type: ignore[misc]
    """Writes a tree of the parser's events.

    It does not call itself: calls from a deep stack are slow where CPython 3.11 has to
    fetch a new piece of its stack for each.
    """

    def __init__(self, text: str, source: Source) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self.text, self.source = text, source
        self.faults: list[Error] = []
        self.open: list[_Open] = []
        self.nodes = self.deepest = 0
        self.anchors: dict[str, _Anchor] = {}

    def document(self) -> Tree:
        """The one document of the text; without any, a tree of nothing."""
        self.get_event()  # the beginning of the stream
        if isinstance(self.get_event(), yaml.StreamEndEvent):
            return Tree(None, Origin(self.source, width=0))
        tree = None
        while tree is None or self.open:
            tree = self._next(self.get_event())
        self.get_event()  # the end of the document
        after = self.get_event()
        if not isinstance(after, yaml.StreamEndEvent):
            raise Error(
                "config-syntax",
                "a second document begins here; one file is one config",
                place=self._origin(after).place(),
                fix='remove what follows the "---"',
            )
        return tree

    def _next(self, event: Any) -> Tree | None:
        """Take one event; the tree that it completes, if it completes one."""
        if isinstance(event, yaml.CollectionEndEvent):
            tree: Tree | None = self._closed(self.open.pop(), event)
        else:
            tree = self._begun(event)
        if tree is not None and self.open:
            self._put(self.open[-1], tree, event)
        return tree

    def _begun(self, event: Any) -> Tree | None:
        """The tree of an alias or scalar; a list or mapping is opened."""
        origin = self._origin(event)
        key = self.open[-1].waiting if self.open else None
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event.anchor, origin, key)
        before = self.nodes
        self.nodes += 1
        self._within(len(self.open) + 1, origin)
        anchor = self._properties(event, origin)
        if not isinstance(event, yaml.ScalarEvent):
            items = [] if isinstance(event, yaml.SequenceStartEvent) else None
            opened = _Open(event, key, anchor, before, self.deepest, items)
            self.open.append(opened)
            self.deepest = len(self.open)
            return None
        tree = Tree(self._scalar(event, origin), origin, key)
        self.deepest = max(self.deepest, len(self.open) + 1)
        if anchor:
            anchor.tree, anchor.nodes, anchor.height = tree, 1, 1
        return tree

    def _closed(self, done: _Open, end: Any) -> Tree:
        """The tree of a list or mapping whose end has come."""
        value: Any = done.own
        if done.items is not None:
            value = tuple(done.items)
        elif done.merge:
            value = {**self._merged(done.merge["<<"]), **done.own}
        tree = Tree(value, self._origin(done.event, end), done.key)
        if done.anchor:
            done.anchor.tree, done.anchor.nodes = tree, self.nodes - done.nodes
            done.anchor.height = self.deepest - len(self.open)
        self.deepest = max(self.deepest, done.deepest)
        return tree

    def _put(self, holder: _Open, tree: Tree, event: Any) -> None:
        """Put a tree into the list or mapping around it, as a key or as a value.

        A mapping's own keys win over those that `<<` merges in.
        """
        if holder.items is not None:
            holder.items.append(tree)
        elif holder.waiting is None:
            holder.waiting, holder.name = tree.origin, None
            key = self._key(tree, event, holder)
            if key is not None:
                plain = isinstance(event, yaml.ScalarEvent) and event.style is None
                held = holder.merge if key == "<<" and plain else holder.own
                if key in held:
                    self._twice(key, held[key], tree.origin)
                else:
                    holder.name = held, key
        else:
            if holder.name:
                held, key = holder.name
                held[key] = tree
            holder.waiting = None

    def _key(self, tree: Tree, event: Any, holder: _Open) -> str | None:
        """A key, or None with a fault noted where it is not text."""
        key = tree.value
        if isinstance(key, str):
            return key
        written = event.value if isinstance(event, yaml.ScalarEvent) else ""
        what = show(key) if written else "nothing"
        if isinstance(key, (dict, tuple)):
            what = "a mapping" if isinstance(key, dict) else "a list"
        fix = f'write it in quotes: "{written}"' if written else None
        last = list(holder.own.values())[-1] if holder.own else None
        if written.isdecimal() and last and _touches(last.origin, tree.origin):
            fix = f"write a number with a point: {show(last.value)}.{written}"
        message = f"a key must be text, got {what}"
        self._fault("config-key", message, tree.origin, fix)
        return None

    def _twice(self, key: str, first: Tree, origin: Origin) -> None:
        message = f"the key {show(key)} stands twice in this mapping"
        if first.key and self.source.kind != "command line":
            message += f", first in line {first.key.line}"
        self._fault("config-duplicate-key", message, origin, "remove one of the two")

    def _merged(self, merge: Tree) -> dict[str, Tree]:
        """What `<<` brings in; of several mappings the earlier wins (YAML 1.1)."""
        members = merge.value if isinstance(merge.value, tuple) else (merge,)
        merged: dict[str, Tree] = {}
        for member in members:
            if isinstance(member.value, dict):
                for key, value in member.value.items():
                    merged.setdefault(key, value)
            else:
                message = f"<< merges mappings, got {show(member.plain())}"
                self._fault("config-type", message, member.origin)
        return merged

    def _scalar(self, event: Any, origin: Origin) -> Any:
        """A plain scalar by the core schema of YAML 1.2; a quoted one is text."""
        text: str = event.value
        if event.style is not None:
            return text
        if len(text) > DIGITS and INTEGER.fullmatch(text):
            message = f"an integer of {len(text)} digits; the longest read has {DIGITS}"
            self._fault("config-limit", message, origin)
            return 0
        return scalar(text)

    # ------------------------------------------------------------ anchors and tags

    def _properties(self, event: Any, origin: Origin) -> _Anchor | None:
        """Note a tag; the anchor, if there is one."""
        if event.tag is not None:
            self._tagged(event)
        if event.anchor is None:
            return None
        if event.anchor in self.anchors:
            first = self.anchors[event.anchor].origin.line
            message = f"the anchor &{event.anchor} stands twice, first in line {first}"
            fix = "rename one of the two"
            raise Error("config-syntax", message, place=origin.place(), fix=fix)
        return self.anchors.setdefault(event.anchor, _Anchor(origin))

    def _aliased(self, name: str, origin: Origin, key: Origin | None) -> Tree:
        """What an alias stands for, at the alias."""
        named = self.anchors.get(name)
        if named is None:
            message = f"no anchor &{name} stands above"
            fix = "name an anchor that stands earlier in the file"
            raise Error("config-syntax", message, place=origin.place(), fix=fix)
        if named.tree is None:
            message = "an alias stands inside the value that it names"
            raise Error("config-alias", message, place=origin.place())
        self.nodes += named.nodes
        depth = len(self.open) + named.height
        self.deepest = max(self.deepest, depth)
        self._within(depth, origin)
        return Tree(named.tree.value, origin, key)

    def _tagged(self, event: Any) -> None:
        start = event.start_mark.index
        found = _TAG.match(self.text, start)
        written, begin = (found[1], found.start(1)) if found else (event.tag, start)
        line, column = line_and_column(self.text[:begin])
        origin = Origin(self.source, line, column, len(written))
        message = f"the tag {show(written)} is not allowed"
        fix = "write the plain value; components are called by name"
        self._fault("config-tag", message, origin, fix)

    # ------------------------------------------------------------ places and limits

    def _origin(self, begin: Any, end: Any = None) -> Origin:
        """From one event to another; what goes on over lines shows its beginning."""
        start, stop = begin.start_mark, (end or begin).end_mark
        width = stop.column - start.column if stop.line == start.line else 1
        return Origin(self.source, start.line + 1, start.column + 1, width)

    def _within(self, depth: int, origin: Origin) -> None:
        if depth > DEPTH:
            message = f"nested deeper than {DEPTH} levels"
            raise Error("config-limit", message, place=origin.place())
        if self.nodes > NODES:
            message = f"more than {NODES:,} values, aliases and merges written out"
            raise Error("config-limit", message, place=origin.place())

    def _fault(
        self, code: str, message: str, origin: Origin, fix: str | None = None
    ) -> None:
        self.faults.append(Error(code, message, place=origin.place(), fix=fix))
        if len(self.faults) > MISTAKES:
            raise Errors(self.faults)
