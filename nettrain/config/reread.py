"""Read back what `write_resolved` wrote, some thirty times as fast as any YAML.

`config.resolved.yaml` has one value a line, in one form. Where a person has written
into it, it may be any YAML: then the slow reader takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from nettrain.component import Path
from nettrain.config.scalars import scalar
from nettrain.config.tree import DEPTH, Source


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


class _Otherwise(Exception):
    """The text is not in the form of `write_resolved`."""


def reread(text: str) -> dict[Path, Leaf]:
    """Every leaf of a resolved config by its path, in the order of the lines.

    Raises:
        Error: where the text is no YAML at all.
    """
    try:
        return dict(_leaves(text))
    except _Otherwise:
        return _slowly(text)


def leaves(text: str) -> Iterator[tuple[Path, Leaf]]:
    """The same, read only as far as they are asked for."""
    try:
        yield from _leaves(text)
    except _Otherwise:
        yield from _slowly(text).items()


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


def _slowly(text: str) -> dict[Path, Leaf]:
    from nettrain.config.reader import parse

    source = Source("config.resolved.yaml", "file", FilePath())
    plain = parse(text, source).value
    return {path: Leaf(value, "") for path, value in _plain(plain, ())}


def _plain(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """As `write_resolved` has it: a list of scalars is one leaf."""
    if isinstance(value, dict) and value:
        inside = list(value.items())
    elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        inside = list(enumerate(value))
    else:
        yield path, value
        return
    for key, member in inside:
        yield from _plain(member, (*path, key))


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
        _Otherwise: at the first line that is not as `write_resolved` has it; before the
            leaf above, which may go on in it.
    """
    opened = [_Open(())]  # what is at each level of indentation
    above: list[tuple[Path, Leaf]] = []
    for line in text.removesuffix("\n").split("\n"):
        found = _LINE.fullmatch(line)
        level, odd = divmod(len(found[1]) if found else 0, 2)
        if found is None or odd or not level < len(opened) <= DEPTH:
            raise _Otherwise
        if level < len(opened) - 1 and opened[-1].is_empty:
            raise _Otherwise  # a key without a value
        del opened[level + 1 :]
        _, dashes, key, after, alone, source = found.groups()
        for _ in range(len(dashes) // 2):
            opened.append(_Open(opened[-1].element()))
        if key is not None:
            path = opened[-1].member(_key(key))
        elif dashes:
            path = opened.pop().path
        else:
            raise _Otherwise
        yield from above
        above = []
        if key is not None and after is None:
            opened.append(_Open(path))
        else:
            above = [(path, Leaf(_value(after or alone), source or ""))]
    if opened[-1].is_empty:
        raise _Otherwise
    yield from above


def _key(text: str) -> str:
    key = _item(text)
    if not isinstance(key, str):
        raise _Otherwise
    return key


def _value(text: str) -> Any:
    if text[0] == "[":
        return [_item(item[0]) for item in _ITEMS.finditer(text)]
    return {} if text == "{}" else _item(text)


def _item(text: str) -> Any:
    return json.loads(text) if text[0] == '"' else scalar(text)
