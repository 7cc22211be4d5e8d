"""Read back what `write_resolved` wrote, some thirty times as fast as any YAML.

`config.resolved.yaml` has one value a line, in one form. Where a person has written
into it, it may be any YAML: then the slow reader takes it, comments and all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from nettrain.component import Path
from nettrain.config.scalars import scalar
from nettrain.config.tree import DEPTH, Source, Tree


class Leaf(NamedTuple):
    """A value that has none inside: a scalar, a short list, or an empty mapping.

    Attributes:
        value: itself.
        source: where it came from, as the comment says: `FILE:LINE`, `default`, …
    """

    value: Any
    source: str


_QUOTED = r'"(?:[^"\\]|\\["\\ntr]|\\u[0-9A-F]{4})*"'
_ITEM = rf"(?:{_QUOTED}|(?!-(?:[ ,\]]|$))[\w./+-][\w./%+-]*(?: [\w./%+-]+)*)"
_VALUE = rf"{_ITEM}|\[(?:{_ITEM}(?:, {_ITEM})*)?\]|\{{\}}"
_LINE = re.compile(
    rf"( *)((?:- )*)(?:({_ITEM}):(?: ({_VALUE}))?|({_VALUE}))(?: +# (.*))?", re.A
)
_ITEMS = re.compile(_ITEM, re.A)
_SOURCE = re.compile(r" # ([^#]*?)\s*$")
_SECTION = re.compile(r"\n(?! )")
"""Before a line that is as far left as can be."""


class _Otherwise(Exception):
    """The text is not in the form of `write_resolved`."""


@dataclass(frozen=True, eq=False)
class Section:
    """A key at the left margin, and what is below it. Many configs have the very same:
    of one text there is one object, by which what is made of it can be kept.

    Attributes:
        leaves: by their paths, in the order of the lines. Not to be changed.
    """

    leaves: Mapping[Path, Leaf]

    @cached_property
    def head(self) -> Path:
        """The path of the key; () where the text is but a value."""
        return next(iter(self.leaves))[:1]


def reread(text: str) -> dict[Path, Leaf]:
    """Every leaf of a resolved config by its path, in the order of the lines.

    What a leaf holds is not to be changed: other configs have it too.

    Raises:
        Error: where the text is no YAML at all.
    """
    return joined(reread_sections(text))


def joined(sections: Iterable[Section]) -> dict[Path, Leaf]:
    """The leaves of all."""
    found: dict[Path, Leaf] = {}
    for section in sections:
        found.update(section.leaves)
    return found


def reread_sections(text: str) -> tuple[Section, ...]:
    """As `reread`, by the keys at the left margin.

    Raises:
        Error: where the text is no YAML at all.
    """
    try:
        found = [_section(one) for one in _SECTION.split(text.removesuffix("\n"))]
        heads = [section.head for section in found]
        if len({*heads}) < len(heads) or any(isinstance(key, int) for (key,) in heads):
            raise _Otherwise
    except _Otherwise:
        return _slowly(text)
    return tuple(found)


@lru_cache(maxsize=4096)
def _section(text: str) -> Section:
    """Of these lines.

    Raises:
        _Otherwise: see `_leaves`.
    """
    return Section(dict(_leaves(text)))


def nested(found: Mapping[Path, Leaf]) -> Any:
    """The plain value that has these leaves, or is the one leaf."""
    if () in found:
        return found[()].value
    whole: dict[Any, Any] = {}
    for path, leaf in found.items():
        at = whole
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = leaf.value
    return _listed(whole)


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    members = {key: _listed(member) for key, member in value.items()}
    return [*members.values()] if 0 in members else members


def _slowly(text: str) -> tuple[Section, ...]:
    from nettrain.config.reader import parse

    document = parse(text, Source("config.resolved.yaml", "file", FilePath()))
    found: dict[Path, dict[Path, Leaf]] = {}
    for path, tree in _trees(document.tree, ()):
        source = _SOURCE.search(tree.origin.source.lines[tree.origin.line - 1])
        leaf = Leaf(tree.plain(), source[1] if source else "")
        found.setdefault(path[:1], {})[path] = leaf
    return tuple(map(Section, found.values()))


def _trees(tree: Tree, path: Path) -> Iterator[tuple[Path, Tree]]:
    """As `write_resolved` has it: a list of scalars is one leaf."""
    value = tree.value
    if isinstance(value, dict) and value:
        inside = list(value.items())
    elif isinstance(value, tuple) and any(
        isinstance(member.value, (dict, tuple)) for member in value
    ):
        inside = list(enumerate(value))
    else:
        yield path, tree
        return
    for key, member in inside:
        yield from _trees(member, (*path, key))


class _Open:
    """A mapping or a list whose members are being read, and how far it has come."""

    __slots__ = ("count", "keys", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.keys: set[str] = set()

    def element(self) -> Path:
        """The path of one more element."""
        if self.keys:
            raise _Otherwise
        self.count += 1
        return (*self.path, self.count - 1)

    def member(self, key: str) -> Path:
        """The path of one more value under a key."""
        if self.count or key in self.keys:
            raise _Otherwise
        self.keys.add(key)
        return (*self.path, key)

    @property
    def is_empty(self) -> bool:
        return not (self.count or self.keys)


def _leaves(text: str) -> Iterator[tuple[Path, Leaf]]:
    """Leaves in the order of the lines.

    Raises:
        _Otherwise: at the first line that is not as `write_resolved` has it.
    """
    opened = [_Open(())]  # what is at each level of indentation
    for line in text.removesuffix("\n").split("\n"):
        level, dashes, key, leaf = _line(line)
        if not level < len(opened) <= DEPTH:
            raise _Otherwise
        if level < len(opened) - 1 and opened[-1].is_empty:
            raise _Otherwise  # a key without a value
        del opened[level + 1 :]
        for _ in range(dashes):
            opened.append(_Open(opened[-1].element()))
        path = opened.pop().path if key is None else opened[-1].member(key)
        if leaf is None:
            opened.append(_Open(path))
        else:
            yield path, leaf
    if opened[-1].is_empty:
        raise _Otherwise


@lru_cache(maxsize=4096)
def _line(text: str) -> tuple[int, int, str | None, Leaf | None]:
    """Indentation and dashes, the key, and the leaf if there is one.

    Raises:
        _Otherwise: where it is not as `write_resolved` has it.
    """
    found = _LINE.fullmatch(text)
    if found is None:
        raise _Otherwise
    blanks, dashes, key, after, alone, source = found.groups()
    name = _item(key) if key else None
    is_placed = isinstance(name, str) if key else dashes
    if len(blanks) % 2 or not is_placed:
        raise _Otherwise
    value = after or alone
    leaf = None if value is None else Leaf(_value(value), source or "")
    return len(blanks) // 2, len(dashes) // 2, name, leaf


def _value(text: str) -> Any:
    if text[0] == "[":
        return [_item(item[0]) for item in _ITEMS.finditer(text)]
    return {} if text == "{}" else _item(text)


def _item(text: str) -> Any:
    return json.loads(text) if text[0] == '"' else scalar(text)
