"""What a setting takes the place of, when its path names another component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nettrain.config.annotations import (
    Kinds,
    completed,
    component_name,
    named,
    spelt_out,
    step,
)
from nettrain.config.override import overridden
from nettrain.config.paths import find, written
from nettrain.config.tree import Tree
from nettrain.config.writer import inline
from nettrain.errors import Error


def replaced(tree: Tree, schema: type, key: str) -> str | None:
    """`optimizer: adam becomes sgd; its learning_rate 0.01 is not taken over`.

    Args:
        tree: a config.
        schema: the dataclass that it is to build.
        key: of a value that is to be set: `optimizer.sgd.momentum`.

    Returns:
        None where every component on the way is the one that is written there.
    """
    try:
        tree = completed(tree, schema, key)
        keys = find(tree, schema, key)
    except Error:  # it is told where the value is set
        return None
    at = tree
    kinds: Kinds = (schema,)
    for depth, name in enumerate(keys):
        old = component_name(at, kinds)
        if isinstance(name, str) and name in named(kinds) and old not in (None, name):
            assert old is not None
            given = spelt_out(at, kinds, old).child(old)
            settings = spelt_out(given, step(kinds, old), "") if given else None
            lost = settings.plain() if settings else None
            told = f"{written(tree, schema, keys[:depth])}: {old} becomes {name}"
            return told + _lost(lost if isinstance(lost, dict) else {})
        inner = spelt_out(at, kinds, name).child(name)
        if inner is None:
            return None
        at, kinds = inner, step(kinds, name)
    return None


def _lost(settings: dict[str, object]) -> str:
    if not settings:
        return ""
    told = ", ".join(f"{key} {inline(value)}" for key, value in settings.items())
    return f"; its {told} {'is' if len(settings) == 1 else 'are'} not taken over"


def replaced_by(tree: Tree, schema: type, overrides: Sequence[str]) -> Iterator[str]:
    """The same of settings from the command line, one after the other.

    Args:
        tree: a config without them.
        overrides: such as `optimizer.sgd.momentum=0.9`.
    """
    for text in overrides:
        if told := replaced(tree, schema, text.partition("=")[0].strip()):
            yield told
        tree, _ = overridden(tree, [text], schema)
