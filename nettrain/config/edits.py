"""What an edit does to a config's text, at the place that a mistake points at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path as FilePath

from nettrain.component import Fix, Home, Instead, Problem, alike, show
from nettrain.config.move import headed, moved, without
from nettrain.config.reader import Document, parse
from nettrain.config.resolve import Resolved
from nettrain.config.stretch import GONE, Change, Splice, Text, equal, joined, written
from nettrain.config.tree import Tree
from nettrain.errors import Error

_FOLDER = 10_000
"""Names in a folder among which one is looked for that was perhaps meant."""
_DATA = ("config-unknown-column", "data-missing-column")
"""What is said of names that somebody has given to data."""
_FILES = ("config-missing-file", "data-missing-file")


def changed(document: Document, found: Sequence[Change | None]) -> str | None:
    """The text with its changes, or with one of them, if that does what it should."""
    made = [change for change in found if change]
    # A key is put at the beginning of its home: the last one goes there first.
    moves = [change for change in made if GONE in change.keys.values()]
    others = [change for change in made if GONE not in change.keys.values()]
    changes = _apart([*others, *reversed(moves)])
    # If one of them does what it should not, they are tried by themselves.
    tries = [changes, *([change] for change in changes)]
    return next(filter(None, (_tried(document, some) for some in tries)), None)


def _apart(changes: Sequence[Change]) -> list[Change]:
    """Those that do not meet in the text; others have to wait for the next round."""
    kept: dict[tuple[Splice, ...], Change] = {}
    for change in changes:
        taken = [splice for splices in kept for splice in splices]
        if not any(_meet(a, b) for a in change.splices for b in taken):
            kept[change.splices] = change
    return list(kept.values())


def _meet(first: Splice, second: Splice) -> bool:
    return first.start <= second.stop and second.start <= first.stop


def _tried(document: Document, changes: list[Change]) -> str | None:
    """The text with changes, if that does what it should."""
    change = joined(changes)
    text = written(document.text, change.splices)
    if text == document.text:
        return None
    try:
        after = parse(text, document.tree.origin.source)
    except Error:
        return None
    done = equal(after.value, change.applied(document.tree))
    return text if done and len(after.faults) <= len(document.faults) else None


def edited(text: Text, resolved: Resolved, problem: Problem) -> Change | None:
    """What a problem's edit does to the text, if it has one and can be made."""
    fix = resolved.fix(problem)
    edit = fix.edit if isinstance(fix, Fix) else None
    node, reached = resolved.located(problem.path)
    if edit is None or reached != problem.path or not text.own(node):
        return None
    if isinstance(edit, Home):
        return moved(text, resolved, problem.path, edit.path)
    if not problem.at_key:
        return _rewritten(text, node, edit)
    above, _ = resolved.located(problem.path[:-1])
    return _renamed(text, above, str(problem.path[-1]), edit)


def _rewritten(text: Text, node: Tree, edit: Instead) -> Change | None:
    """Another value. Quotes only go around what stands there: 1.50 is not "1.5"."""
    where = text.value(node)
    if where is None:
        return headed(text, node, edit.value)
    quotes = not isinstance(node.value, str) and edit.value == show(node.value)
    if quotes and text.between(where) != edit.value:
        return None
    splice = Splice(*where, text.like(where[0], edit.value))
    return Change((splice,), values={id(node.origin): edit.value})


def _renamed(text: Text, above: Tree, name: str, edit: Instead) -> Change | None:
    """Another key, unless it stands there already; in what this extends, it may."""
    node = above.child(name)
    where = text.key(node, name) if node else None
    if node is None or where is None or not isinstance(edit.value, str):
        return None
    if (taken := above.child(edit.value)) and text.own(taken):
        return None
    splice = Splice(*where, text.like(where[0], edit.value))
    return Change((splice,), keys={id(node.key): edit.value})


def told_once(document: Document, fault: Error) -> str | None:
    """The text without a key that stands there twice with the same value.

    The second is given a name of its own, as long, so that it can be found and cut out.
    """
    place, text = fault.place, Text(document)
    if fault.code != "config-duplicate-key" or place is None:
        return None
    start = text.at(place)
    stop = start + place.width
    apart = "\N{GREEK SMALL LETTER OMEGA}" * place.width
    renamed = written(text.text, [Splice(start, stop, apart)])
    try:
        second = Text(parse(renamed, document.tree.origin.source))
    except Error:
        return None
    name = text.read((start, stop))
    for above, key, node in _nodes(second.tree):
        if key == apart:
            first = above.child(name)
            cut = without(second, above, node, apart)
            same = first is not None and equal(first.plain(), node.plain())
            return written(text.text, cut) if same and cut else None
    return None


def at_place(text: Text, error: Error) -> Change | None:
    """What an error's edit does to the value or key that it points at."""
    place = error.place
    if place is None or place.file != text.tree.origin.source.name:
        return None
    for above, key, node in _nodes(text.tree):
        folder = node.origin.source.folder
        if not text.own(node):
            continue
        at_value = (node.origin.line, node.origin.column) == (place.line, place.column)
        if at_value and error.code in _FILES:
            return _refound(text, node, folder)
        if at_value and not isinstance(node.value, (dict, tuple)):
            edit = _edit(error, node.value)
            return _rewritten(text, node, edit) if edit else None
        if node.key and text.offset(node.key) == text.at(place):
            edit = _edit(error, key)
            return _renamed(text, above, str(key), edit) if edit else None
    return None


def _nodes(tree: Tree) -> Iterator[tuple[Tree, str | int, Tree]]:
    """Every value of a tree, with the one that holds it and its key or index there."""
    waiting = [tree]
    while waiting:
        above = waiting.pop()
        held = above.value
        pairs: Iterable[tuple[str | int, Tree]] = ()
        if isinstance(held, (dict, tuple)):
            pairs = held.items() if isinstance(held, dict) else enumerate(held)
        for key, node in pairs:
            yield above, key, node
            waiting.append(node)


def _edit(error: Error, name: object) -> Instead | None:
    """The edit of an error, if it is beyond doubt.

    Of columns what begins alike, or has another number, is another one.
    """
    edit = error.fix.edit if isinstance(error.fix, Fix) else None
    if not isinstance(edit, Instead):
        return None
    doubtful = error.code in _DATA and edit.value not in alike(str(name), [edit.value])
    return None if doubtful else edit


def _refound(text: Text, node: Tree, folder: FilePath) -> Change | None:
    """The path of a file that is not there as it was meant; a source may have more."""
    names = [node, *(inner for _, _, inner in _nodes(node))]
    found = [
        (inner, near)
        for inner in names
        if isinstance(inner.value, str) and (near := _near_file(inner.value, folder))
    ]
    if len(found) != 1:
        return None
    return _rewritten(text, found[0][0], Instead(found[0][1]))


def _near_file(name: str, folder: FilePath) -> str | None:
    """The path of the one file that is called nearly so, if there is none of the name.

    Each folder on the way may be misspelt too.
    """
    parts = FilePath(name).parts
    for i, part in enumerate(parts):
        here = folder.joinpath(*parts[:i])
        if os.path.lexists(here / part):
            continue
        try:
            there = [entry.name for entry in islice(here.iterdir(), _FOLDER)]
        except OSError:
            return None
        last, end = i == len(parts) - 1, FilePath(part).suffix.lower()
        stems: dict[str, list[str]] = {}
        for other in there:
            if (here / other).is_file() == last and other.lower().endswith(end):
                stems.setdefault(FilePath(other).stem, []).append(other)
        near = [n for stem in alike(FilePath(part).stem, stems) for n in stems[stem]]
        if len(near) != 1:
            return None
        parts = (*parts[:i], near[0], *parts[i + 1 :])
    found = os.path.join(*parts) if parts else name
    return None if (folder / found) == (folder / name) else found
