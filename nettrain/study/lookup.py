"""What the config of a run says at a key, as a person writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from nettrain.component import Path
from nettrain.config.reread import Leaf, leaves, nested
from nettrain.config.writer import inline
from nettrain.errors import Error


def lookup(text: str, key: str) -> Any:
    """The value at a key such as `optimizer.adam.learning_rate`; None if there is none.

    A component (`optimizer`) is told by its name, a short list as YAML.

    Args:
        text: of `config.resolved.yaml`, of which the key's section is read.

    Raises:
        Error: where the text is no YAML.
    """
    head = re.escape(key.partition(".")[0])
    section = re.search(rf"^{head}:.*(?:\n .*)*", text, re.MULTILINE)
    return _looked_up(section[0] if section else text, key)


@lru_cache(maxsize=1024)
def _looked_up(text: str, key: str) -> Any:
    """See `lookup`. Many runs have the very same section."""
    keys: Path = tuple(key.split("."))
    section: dict[Path, Leaf] = {}
    for path, leaf in leaves(text):
        if path == keys:
            return _told(leaf.value)
        if path[0] == keys[0]:
            section[path] = leaf
    if not any(path[: len(keys)] == keys for path in section):
        keys = _written(section, key)
    size = len(keys)
    inside = {
        p[size:]: leaf for p, leaf in section.items() if size and p[:size] == keys
    }
    return _told(nested(inside))


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        inside = next(iter(value.values())) if len(value) == 1 else None
        return next(iter(value)) if isinstance(inside, dict) else None
    return inline(value) if isinstance(value, list) else value


def _written(section: Mapping[Path, Leaf], key: str) -> Path:
    """The keys of a path that names elements of lists: `model.dense1.units`."""
    if any(isinstance(part, int) for path in section for part in path):
        from nettrain.config.paths import find
        from nettrain.config.tree import from_plain
        from nettrain.experiment.schema import Experiment

        try:
            return find(from_plain(nested(section)), Experiment, key)
        except Error:  # it has no such element
            pass
    return ()
