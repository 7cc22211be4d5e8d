"""Move a key with its value to the mapping where it belongs, or a mapping deeper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from nettrain.component import Component, Path, first_field
from nettrain.config.annotations import kinds_at, record
from nettrain.config.resolve import Resolved
from nettrain.config.stretch import GONE, Change, Splice, Text
from nettrain.config.tree import Tree
from nettrain.errors import Error


class _Piece(NamedTuple):
    """A key with its value, as it stands in a text."""

    start: int
    stop: int
    whole: bool
    """Whether it takes lines of its own, so that it cannot stand between brackets."""


def moved(text: Text, resolved: Resolved, path: Path, home: str) -> Change | None:
    """The change that moves a key to its home, if that is in the same text.

    Args:
        path: of the key that stands in the wrong place.
        home: as a person writes it: `train.stop`; "" is the top level.
    """
    name, node = str(path[-1]), resolved.located(path)[0]
    above, _ = resolved.located(path[:-1])
    try:
        keys = resolved.find(f"{home}.{name}".lstrip("."))[:-1]
    except Error:
        return None
    target, reached = resolved.located(keys)
    names = (*map(str, keys[len(reached) :]), name)
    piece = _piece(text, above, node, name)
    lacking = len(names) > 1
    if piece is None or not text.own(target) or (lacking and piece.whole):
        return None
    if not lacking and target.value and not _flow(text, target):
        piece = _commented(text, above, target, piece)
    written = text.text[piece.start : piece.stop]
    for key in reversed(names[:-1]):
        written = f"{text.like(piece.start, key)}: {{{written}}}"
    pairs = _nested(names, node.plain())
    keys_gone = {id(node.key): GONE}
    at = id(target.origin)
    if target is above:
        put = Splice(piece.start, piece.stop, written)
        return Change((put,), keys=keys_gone, added={at: pairs})
    taken = _taken(text, above, piece)
    if taken is None:
        return None
    if isinstance(target.value, dict):
        at_start = _put(text, target, piece, written)
        taken_by = target.value.get(names[0])
        if at_start is None or (taken_by and text.own(taken_by)):
            return None
        return Change((at_start, *taken), keys=keys_gone, added={at: pairs})
    spelt = None if piece.whole else _spelt_out(text, resolved, target, reached)
    if spelt is None:
        return None
    put, value = _filled(text, target, spelt, written, pairs)
    return Change((put, *taken), {at: value}, keys_gone)


def headed(text: Text, node: Tree, meant: Any) -> Change | None:
    """A mapping of several lines written under the name that its first value is.

    Args:
        text: that holds it.
        node: the mapping: `name: adam`, and the settings below.
        meant: `{"adam": settings}`.
    """
    pairs = node.plain()
    if not isinstance(pairs, dict) or text.text[text.offset(node.origin)] in "{&*!":
        return None
    (key, name), *settings = pairs.items()
    if meant != {name: dict(settings)}:
        return None
    first = node.value[key]
    start, value = text.key(first, key), text.value(first)
    if start is None or value is None or value[0] > text.line_stop(start[0]):
        return None
    column = start[0] - text.line_start(start[0])
    if not column or text.between((start[0] - column, start[0])).strip(" -"):
        return None
    splices = [Splice(start[0], value[1], f"{text.between(value)}:")]
    end, at = _end(text, start[0] - 1, node), text.line_stop(value[1])
    while (at := at + len(text.line_break(at))) < end:
        blank = not text.between((at, text.line_stop(at))).strip()
        splices += [] if blank else [Splice(at, at, "  ")]
        at = text.line_stop(at)
    return Change(tuple(splices), values={id(node.origin): meant})


def _nested(names: Sequence[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value


# ---------------------------------------------------------------- taking it away


def without(
    text: Text, above: Tree, node: Tree, name: str
) -> tuple[Splice, ...] | None:
    """What takes a key away with its value, if it can be cut out."""
    piece = _piece(text, above, node, name)
    return _taken(text, above, piece) if piece else None


def _piece(text: Text, above: Tree, node: Tree, name: str) -> _Piece | None:
    """Where a key stands with its value, if it can be cut out."""
    key, value = text.key(node, name), text.value(node)
    if key is None or not text.own(above):
        return None
    begins = not text.between((text.line_start(key[0]), key[0])).strip(" ")
    if value and value[1] <= text.line_stop(key[0]) and value[0] > key[1]:
        return _Piece(key[0], value[1], False) if begins or _flow(text, above) else None
    block = begins and not _flow(text, above) and isinstance(node.value, (dict, tuple))
    return _Piece(key[0], _end(text, key[0], node), True) if block else None


def _commented(text: Text, above: Tree, target: Tree, piece: _Piece) -> _Piece:
    """A piece on lines of its own with its comments: the lines above, and beside it.

    What a file begins with is about all of it.
    """
    if not isinstance(target.value, dict) or _flow(text, above):
        return piece
    first = text.line_start(piece.start)
    margin = text.between((first, piece.start)) + "#"
    start = first
    while start and text.text.startswith(margin, before := text.line_start(start - 1)):
        start = before
    start = start + len(margin) - 1 if start else piece.start
    stop = text.line_stop(piece.stop)
    beside = text.between((piece.stop, stop)).strip()
    return _Piece(start, stop if beside.startswith("#") else piece.stop, True)


def _flow(text: Text, mapping: Tree) -> bool:
    return text.text.startswith("{", text.offset(mapping.origin))


def _end(text: Text, start: int, node: Tree) -> int:
    """The end of the last line of a value that stands below its key."""
    column = start - text.line_start(start)
    deeper = re.compile(rf"[ ]{{{column + 1}}}| {{{column}}}-[ ]")
    dash = isinstance(node.value, tuple)
    stop = text.line_stop(start)
    at = stop + len(text.line_break(stop))
    while at < len(text.text):
        line = text.between((at, text.line_stop(at)))
        if line.strip() and not line.lstrip().startswith("#"):
            found = deeper.match(line)
            if not found or (found[0].endswith("- ") and not dash):
                break
            stop = text.line_stop(at)
        at = text.line_stop(at) + len(text.line_break(at))
    return stop


def _taken(text: Text, above: Tree, piece: _Piece) -> tuple[Splice, ...] | None:
    """What is cut out; a comment beside it stays."""
    start, stop, _ = piece
    if _flow(text, above):
        rest = text.text[stop:]
        if found := re.match(r"[ ]*,[ ]*", rest):
            return (Splice(start, stop + found.end(), ""),)
        before = re.search(r"[ ]*,[ ]*$", text.text[:start])
        return (Splice(before.start() if before else start, stop, ""),)
    end = text.line_stop(stop)
    beside = text.between((stop, end))
    cut = Splice(start, stop + len(beside) - len(beside.lstrip()), "")
    if not beside.strip():
        cut = Splice(text.line_start(start), end + len(text.line_break(end)), "")
    if len(above.value) > 1:
        return (cut,)
    # Nothing is left of the section: it says so.
    colon = above.key and re.compile(r"\s*:").match(
        text.text, text.offset(above.key) + above.key.width
    )
    return (Splice(colon.end(), colon.end(), " {}"), cut) if colon else None


# ---------------------------------------------------------------- putting it in


def _put(text: Text, target: Tree, piece: _Piece, written: str) -> Splice | None:
    """A key at the beginning of a mapping."""
    start = text.offset(target.origin)
    if not target.value:
        where = text.value(target)
        ok = where and not piece.whole
        return Splice(*where, f"{{{written}}}") if where and ok else None
    # What `<<` brings in stands elsewhere.
    keys = [text.offset(c.key) for c in target.value.values() if c.key and text.own(c)]
    at = min((key for key in keys if key >= start), default=None)
    if at is None or text.text[start] in "&*!":
        return None
    if _flow(text, target):
        return None if piece.whole else Splice(at, at, f"{written}, ")
    column = at - text.line_start(at)
    own = piece.start - text.line_start(piece.start)
    newline = text.line_break(at)
    first, *others = written.split(newline)
    # A comment may stand further to the left than the key that it is about.
    deeper = ((line[:own].lstrip(" ") + line[own:], line) for line in others)
    lines = [first, *(" " * column + shown if line else "" for shown, line in deeper)]
    return Splice(at, at, newline.join(lines) + newline + " " * column)


def _spelt_out(text: Text, resolved: Resolved, target: Tree, keys: Path) -> str | None:
    """What a short form stands for: the name of its component, or of its first field.

    `adam` is `{adam: {}}`, and the 64 of `dense: 64` is `{units: 64}`.
    """
    start = text.offset(target.origin)
    written = text.read((start, start + target.origin.width))
    cls = record(kinds_at(resolved.schema, keys))
    if cls is None or not issubclass(cls, Component) or written is GONE:
        return None
    if target.value is None:
        return str(keys[-1]) if written == keys[-1] else None
    return first_field(cls) if written == target.value else None


def _filled(
    text: Text, target: Tree, name: str, written: str, pairs: dict[str, Any]
) -> tuple[Splice, Any]:
    """A short form with a further setting: its text and its value."""
    start = text.offset(target.origin)
    stop = start + target.origin.width
    name = text.like(start, name)
    if target.value is None:
        return Splice(start, stop, f"{{{name}: {{{written}}}}}"), {name: pairs}
    short = text.between((start, stop))
    spelt = Splice(start, stop, f"{{{name}: {short}, {written}}}")
    return spelt, {name: target.plain(), **pairs}
