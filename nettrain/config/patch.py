"""Edits of a config: `[{do: set, path: model.dense1.activation, value: relu}]`.

`set` writes a value, whether or not one stands there, and spells out what is on the
way: short forms, bare names, another component than the one written. `insert` puts an
element before the one that the path names (or at the end, where the path names the
list), or a new key into a mapping. `remove` takes away what stands there.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nettrain.component import (
    Path,
    Problem,
    build,
    dotted,
    listed,
    registered,
    show,
    suggest,
)
from nettrain.config.annotations import (
    Kinds,
    block,
    completed,
    component_name,
    is_family,
    is_list,
    kinds_at,
    named,
    record,
    spelt_out,
    step,
)
from nettrain.config.paths import find, locate
from nettrain.config.tree import DEPTH, Tree, from_plain
from nettrain.errors import Error, raise_all

NOTHING: Any = object()
EDITS = 100
"""Edits of the longest patch."""


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        do: what to do.
        path: where, such as `model.dense1.activation`.
        value: what to set or insert.
    """

    do: Literal["set", "insert", "remove"]
    path: str
    value: Any = NOTHING

    def __post_init__(self) -> None:
        if (self.value is NOTHING) != (self.do == "remove"):
            words = "takes no value" if self.do == "remove" else "needs a value"
            raise Error("config-value", f"{self.do} {words}")
        check_path(self.path)


def check_path(path: str) -> None:
    """Refuse what no setting can be called."""
    names = path.split(".")
    if not all(names):
        raise Error("config-value", f"path: {show(path)} is no path of a setting")
    if len(names) > DEPTH:
        raise Error("config-limit", f"path: more than {DEPTH} names in {show(path)}")


def apply(value: Any, edits: Sequence[Any], schema: type) -> Any:
    """A plain config with plain edits applied; raises every error at once."""
    tree, problems = patched(from_plain(value), from_plain(edits), schema)
    raise_all([problem.error() for problem in problems])
    return tree.plain()


def patched(tree: Tree, edits: Tree, schema: type) -> tuple[Tree, list[Problem]]:
    """The tree after a list of edits, which stands at `patch`, and their problems."""
    problems: list[Problem] = []
    given = edits.plain()
    if isinstance(given, list) and len(given) > EDITS:
        message = f"{len(given)} edits, and a patch has at most {EDITS}"
        fix = "write what they come to into the config itself"
        return tree, [Problem("config-limit", ("patch",), message, fix)]
    built = build(tuple[Edit, ...], given, ("patch",), problems)
    if problems:
        return tree, problems
    for index, edit in enumerate(built):
        item = edits.value[index]
        new, path = item.child("value") or item, item.child("path")
        new = dataclasses.replace(new, key=path.origin if path else None)
        try:
            tree = edited(tree, schema, edit.do, edit.path, new)
        except Error as error:
            where: Path = ("patch", index, "path")
            problems.append(Problem(error.code, where, error.message, error.fix))
    return tree, problems


def edited(tree: Tree, schema: type, do: str, path: str, new: Tree) -> Tree:
    """The tree after one edit; raises an `Error` without a place."""
    with contextlib.suppress(Error):  # it is told where the whole is completed
        tree = completed(tree, schema, path)
    keys = find(tree, schema, path)
    if do == "insert" and isinstance(keys[-1], str):
        node, reached = locate(tree, schema, keys)
        alone = block(kinds_at(schema, keys))
        if alone and reached == keys and isinstance(node.value, dict):
            keys, reached = (*keys, alone), (*keys, alone)
            node = node.child(alone) or node
        if reached == keys and isinstance(node.value, tuple):
            keys = (*keys, len(node.value))
        elif is_list(kinds_at(schema, keys)):
            new = Tree((new,), new.origin)
    change = {"set": _set, "insert": _insert, "remove": _remove}[do]

    def at_end(holder: Tree, key: str | int) -> Tree:
        return change(holder, key, new, path)

    return _changed(tree, (schema,), keys, new, at_end, ())


Change = Callable[[Tree, str | int], Tree]


def _changed(
    tree: Tree, kinds: Kinds, keys: Path, new: Tree, change: Change, above: Path
) -> Tree:
    """The tree with a change made at the end of a path."""
    key, rest = keys[0], keys[1:]
    holder = _holder(tree, kinds, key, above)
    here = (*above, key)
    if not rest:
        return change(holder, key)
    child = holder.child(key) or Tree(None, new.origin, new.key or new.origin)
    changed = _changed(child, step(kinds, key), rest, new, change, here)
    return holder.put(key, changed)


def _holder(tree: Tree, kinds: Kinds, key: str | int, path: Path) -> Tree:
    """The tree as a list or mapping in which `key` can stand."""
    families = [kind for kind in kinds if is_family(kind)]
    if families and isinstance(key, str):
        if key in named(kinds) and component_name(tree, kinds) != key:
            return tree.holding({})
        if key not in named(kinds) and record(kinds) is None:
            raise _not_a_name(tree, kinds, key, path, families[0])
    holder = spelt_out(tree, kinds, key)
    if isinstance(holder.value, dict if isinstance(key, str) else tuple):
        return holder
    if holder.value is None or (record(kinds) and isinstance(holder.value, bool)):
        return holder.holding({} if isinstance(key, str) else ())
    message = f"{dotted(path)} holds {show(holder.plain())}, which has no {show(key)}"
    raise Error("config-unknown-key", message)


def _not_a_name(tree: Tree, kinds: Kinds, key: str, path: Path, base: Any) -> Error:
    """A setting asked of a family: the component's name is missing on the way."""
    where = dotted(path)
    message = f"unknown {base.kind} {show(key)} in {where}"
    written = component_name(tree, kinds)
    holders = [written] if written and step(step(kinds, written), key) else []
    holders = holders or [n for n in registered(base) if step(step(kinds, n), key)]
    if not holders:
        fix = "known: " + ", ".join(registered(base))
    else:
        fix = f"did you mean {' or '.join(f'{where}.{n}.{key}' for n in holders[:3])}?"
    return Error("config-unknown-component", message, fix=fix)


def _set(holder: Tree, key: str | int, new: Tree, path: str) -> Tree:
    if isinstance(key, int) and key >= len(holder.value):
        raise _nothing(holder, key, path)
    return holder.put(key, new)


def _insert(holder: Tree, key: str | int, new: Tree, path: str) -> Tree:
    if isinstance(key, int):
        items = holder.value
        return holder.holding((*items[:key], new, *items[key:]))
    if holder.child(key):
        message = f"{path} stands already"
        raise Error("config-value", message, fix="use set to change it")
    return holder.put(key, new)


def _remove(holder: Tree, key: str | int, new: Tree, path: str) -> Tree:
    if holder.child(key) is None:
        raise _nothing(holder, key, path)
    if isinstance(key, int):
        return holder.holding((*holder.value[:key], *holder.value[key + 1 :]))
    return holder.holding({k: v for k, v in holder.value.items() if k != key})


def _nothing(holder: Tree, key: str | int, path: str) -> Error:
    there = holder.value if isinstance(holder.value, dict) else ()
    fix = suggest(key, there) or (f"there are: {listed(there)}" if there else None)
    return Error("config-unknown-key", f"nothing is written at {path}", fix=fix)
