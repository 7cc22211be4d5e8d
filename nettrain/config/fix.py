"""Mend a config's text where nothing else can have been meant.

Each problem has its edit beside its words (`nettrain.component.Fix`). Here it becomes a
change of the text at the place that the problem points at; all the rest of the file
stays as it is, byte for byte. The changed text is read again: unless it holds what was
to be changed, and nothing else, the change is not made.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Sequence
from pathlib import Path as FilePath

from nettrain.component import Fix, Home, Instead, Problem
from nettrain.config.move import moved
from nettrain.config.reader import Document, parse, read
from nettrain.config.resolve import Resolved, resolve
from nettrain.config.stretch import Change, Splice, Text, equal, joined
from nettrain.config.tree import Tree
from nettrain.config.writer import inline
from nettrain.disk import Disk
from nettrain.errors import Error

_ROUNDS = 20
"""Times that a text is looked through: a section that gets its name may hide more."""


def fix(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, schema: type
) -> tuple[str, str]:
    """Mend a config where it stands: its text before and after.

    The file is replaced in one step, with what permissions it had; where nothing can be
    mended it is not touched.

    Raises:
        Error: where the text is no YAML, or cannot be written.
    """
    before, after = mended(path, overrides, schema=schema)
    if before != after:
        file = FilePath(os.path.realpath(path))
        mode, held = file.stat().st_mode, file.read_bytes()
        mark = BOM_UTF8 if held.startswith(BOM_UTF8) else b""
        Disk().replace(file, mark + after.encode())
        file.chmod(mode)
    return before, after


def mended(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, schema: type
) -> tuple[str, str]:
    """The text of a config, and the same with each edit made that is beyond doubt.

    Nothing is written. What another file or an override has wrong is left alone.

    Raises:
        Error: where the text is no YAML, or extends what is none.
    """
    document = read(path)
    before = document.text
    for _ in range(_ROUNDS):
        resolved = resolve(path, overrides, schema=schema, document=document)
        after = _round(document, resolved)
        if after is None:
            break
        document = after
    return before, document.text


def _round(document: Document, resolved: Resolved) -> Document | None:
    """The document with its problems' edits, or None if none can be made."""
    text, (_, problems) = Text(document), resolved.built()
    found = [_change(text, resolved, problem) for problem in problems]
    changes = _apart([change for change in found if change])
    # If one of them does what it should not, they are tried by themselves.
    tries = [changes, *([change] for change in changes)]
    return next(filter(None, (_changed(document, some) for some in tries)), None)


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


def _changed(document: Document, changes: list[Change]) -> Document | None:
    """The document with its text changed, if that does what it should."""
    change, text = joined(changes), document.text
    for start, stop, instead in sorted(change.splices, reverse=True):
        text = text[:start] + instead + text[stop:]
    if text == document.text:
        return None
    try:
        after = parse(text, document.tree.origin.source)
    except Error:
        return None
    done = equal(after.value, change.applied(document.tree))
    return after if done and len(after.faults) <= len(document.faults) else None


def _change(text: Text, resolved: Resolved, problem: Problem) -> Change | None:
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
    where = text.key(node, str(problem.path[-1]))
    if where is None or above.child(edit.value):
        return None
    splice = Splice(*where, inline(edit.value))
    return Change((splice,), keys={id(node.key): edit.value})


def _rewritten(text: Text, node: Tree, edit: Instead) -> Change | None:
    """Another value. Quotes only go around what stands there: 1.50 is not "1.5"."""
    where = text.value(node)
    if where is None:
        return None
    quotes = isinstance(node.value, (bool, int, float)) and isinstance(edit.value, str)
    if quotes and text.between(where) != edit.value:
        return None
    splice = Splice(*where, inline(edit.value))
    return Change((splice,), values={id(node.origin): edit.value})
