"""What a config file describes: one experiment, or a sweep of many.

One place decides it, so that every verb that is given the wrong one says the same.
"""

from __future__ import annotations

import os
import shlex

from nettrain.component import field_types
from nettrain.config import Resolved, resolve
from nettrain.config.tree import Tree
from nettrain.errors import Error, Place
from nettrain.experiment.schema import Experiment

OF_A_SWEEP = frozenset(
    (
        *("base", "seeds", "folds", "space", "method", "objective"),
        *("workers", "backend", "limit"),
    )
)
"""Keys that the file of a sweep may have and that of an experiment may not."""


def is_sweep(tree: Tree) -> bool:
    """Whether more keys at the top are a sweep's alone than an experiment's alone.

    So a file with a mistake is told of it, not that it is another kind of file. What it
    extends counts where that was merged into the tree; the command line does not, as it
    cannot make one kind of file the other.
    """
    keys = _keys(tree)
    return len(keys & OF_A_SWEEP) > len(keys & _of_one())


def is_sweep_file(path: str | os.PathLike[str]) -> bool:
    """The same of a file and what it extends.

    Raises:
        Error: where it cannot be read, in the words of an experiment.
    """
    return is_sweep(resolve(path, schema=Experiment).tree)


def refuse_sweep(resolved: Resolved) -> None:
    """Tell that a sweep's config is not that of one experiment."""
    if is_sweep(resolved.tree):
        source = resolved.tree.origin.source
        message = "this is the config of a sweep, which trains many runs"
        fix = f"nettrain sweep {shlex.quote(source.name)}"
        if source.kind == "mapping":
            fix = "write it to a file for nettrain sweep"
        place = _first(resolved, OF_A_SWEEP)
        raise Error("config-kind", message, place=place, fix=fix)


def refuse_experiment(resolved: Resolved) -> None:
    """Tell that one experiment's config is no sweep, and what would make one of it."""
    keys = _keys(resolved.tree)
    if keys & _of_one() and keys.isdisjoint(("base", "space")):
        name = os.path.basename(resolved.tree.origin.source.name)
        message = "this is the config of one run: a sweep has the keys base and space"
        fix = (
            f"write another file beside it, with base: {name} and "
            "space: {KEY: [its values]}; nettrain list sweep shows all there is"
        )
        place = _first(resolved, _of_one())
        raise Error("config-kind", message, place=place, fix=fix)


def _of_one() -> frozenset[str]:
    """Keys that the file of an experiment may have and that of a sweep may not."""
    return frozenset(field_types(Experiment)) - {"format", "name"}


def _first(resolved: Resolved, keys: frozenset[str]) -> Place:
    """Where the first of some keys stands."""
    key = next(key for key in resolved.tree.value if key in keys)
    return resolved.place((key,), key=True)


def _keys(tree: Tree) -> set[str]:
    """The top-level keys that files hold."""
    held = tree.value.items() if isinstance(tree.value, dict) else ()
    return {
        key
        for key, child in held
        if (child.key or child.origin).source.kind != "command line"
    }
