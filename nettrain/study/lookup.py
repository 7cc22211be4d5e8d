"""What the config of a run says at a key, as a person writes it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from nettrain.component import Path
from nettrain.config.reread import Leaf, nested, reread
from nettrain.config.tree import Tree, from_plain
from nettrain.config.writer import inline
from nettrain.errors import Error

Shape = tuple[tuple[Path, Any], ...]
"""What elements of lists are called by: a leaf of each, its name, and no other value.
Many configs have the very same."""


def lookup(text: str, key: str) -> Any:
    """The value at a key such as `optimizer.adam.learning_rate`; None if there is none.

    A component (`optimizer`) is told by its name, a short list as YAML.

    Args:
        text: of `config.resolved.yaml`, of which the key's section is read.

    Raises:
        Error: where the text is no YAML.
    """
    head = re.escape(key.partition(".")[0])
    section = re.search(rf"^{head}:.*(?:\n(?![^\s#-]).*)*", text, re.MULTILINE)
    if section:
        with contextlib.suppress(Error):  # it may need what stands elsewhere
            return _looked_up(section[0], key)
    return _looked_up(text, key)


@lru_cache(maxsize=4096)
def _looked_up(text: str, key: str) -> Any:
    """See `lookup`. Many runs have the very same section."""
    found = reread(text)
    keys: Path = tuple(key.split("."))
    if keys in found:
        return _told(found[keys].value)
    if not any(path[: len(keys)] == keys for path in found):
        section = {path: leaf for path, leaf in found.items() if path[:1] == keys[:1]}
        keys = _written(shape(section), key)
    size = len(keys)
    inside = {p[size:]: leaf for p, leaf in found.items() if size and p[:size] == keys}
    return _told(nested(inside))


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        inside = next(iter(value.values())) if len(value) == 1 else None
        return next(iter(value)) if isinstance(inside, dict) else None
    return inline(value) if isinstance(value, list) else value


def shape(leaves: Mapping[Path, Leaf]) -> Shape:
    """Of these leaves."""
    found: dict[Path, tuple[Path, Any]] = {}
    for path, leaf in leaves.items():
        above = stem(path)
        is_name = path[len(above) :] == ("name",)
        if above and (is_name or path == above):
            found[path] = path, leaf.value if isinstance(leaf.value, str) else None
        elif above:
            found.setdefault(above, (path, None))
    return tuple(found.values())


def stem(path: Path) -> Path:
    """The part of a path up to the component that stands in a list; () in none."""
    for depth in reversed(range(len(path))):
        if isinstance(path[depth], int):
            return path[: depth + 2]
    return ()


def tree(of: Shape) -> Tree:
    """Nothing but lists, their elements, and the names of these."""
    return from_plain(nested({path: Leaf(name, "") for path, name in of}))


@lru_cache(maxsize=64)
def _written(section: Shape, key: str) -> Path:
    """The keys of a path that names elements of lists: `model.dense1.units`."""
    if section:
        from nettrain.config.paths import find
        from nettrain.experiment.schema import Experiment

        try:
            return find(tree(section), Experiment, key)
        except Error:  # it has no such element
            pass
    return ()
