"""Settings from the command line: `optimizer.adam.learning_rate=0.01`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path as FilePath

from nettrain.component import show
from nettrain.config.patch import check_path, edited
from nettrain.config.reader import parse
from nettrain.config.tree import Origin, Source, Tree
from nettrain.errors import Error

_OVERRIDE = re.compile(r"\s*([^\s.=]+(?:\.[^\s.=]+)*)\s*=(.*)", re.DOTALL)

_LONGEST = 200
"""Characters of an override that a message shows."""


def overridden(
    tree: Tree, overrides: Sequence[str], schema: type
) -> tuple[Tree, list[Error]]:
    """The tree with the overrides applied in turn, and what is wrong with any."""
    errors: list[Error] = []
    for text in overrides:
        try:
            tree, faults = _overridden(tree, text, schema)
            errors += faults
        except Error as error:
            errors.append(error)
    return tree, errors


def _overridden(tree: Tree, text: str, schema: type) -> tuple[Tree, Sequence[Error]]:
    # Line ends and the like would tear the message apart.
    shown = "".join(c if c.isprintable() else " " for c in text[:_LONGEST])
    source = Source(
        f"{shown}{'…' if text[_LONGEST:] else ''}", "command line", FilePath.cwd()
    )
    place = Origin(source).place()
    match = _OVERRIDE.fullmatch(text)
    if match is None:
        message = f"expected KEY=VALUE, got {show(shown)}"
        fix = "name a key of the config and its value, such as seed=3"
        raise Error("usage-override", message, place=place, fix=fix)
    if match[1].split(".")[0] in ("extends", "patch"):
        message = f"{match[1]} can be said in a file only"
        raise Error("usage-override", message, place=place)
    document = parse(match[2], source)
    try:
        check_path(match[1])
        tree = edited(tree, schema, "set", match[1], document.tree)
    except Error as error:
        raise Error(error.code, error.message, place=place, fix=error.fix) from None
    return tree, document.faults
