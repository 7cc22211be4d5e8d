"""Paths into a config: as a person writes them, and as keys and indices.

A person writes `model.dense1.units`: an element of a list goes by its `name`, by its
kind and its number among those of its kind (from 1), or by its index; a layer in a
block goes by its own name after the block's (`model.residual1.dense1.units`). `find`
turns that into keys, `("model", 0, "dense", "units")`, which hold whether or not short
forms are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nettrain.component import (
    Component,
    Path,
    dotted,
    field_types,
    first_field,
    listed,
    show,
    suggest,
)
from nettrain.config.annotations import (
    Kinds,
    block,
    component_name,
    is_list,
    members,
    named,
    record,
    spelt_out,
    step,
)
from nettrain.config.tree import Tree
from nettrain.errors import Error


def locate(tree: Tree, schema: type, path: Path) -> tuple[Tree, Path]:
    """The tree at a path, or the nearest above it, with the path that was reached."""
    kinds: Kinds = (schema,)
    for depth, key in enumerate(path):
        child = spelt_out(tree, kinds, key).child(key)
        if child is None:
            return tree, path[:depth]
        tree, kinds = child, step(kinds, key)
    return tree, path


def find(tree: Tree, schema: type, text: str) -> Path:
    """The keys and indices of a written path. Only its list elements have to exist."""
    names = text.split(".")
    at: Tree | None = tree
    kinds: Kinds = (schema,)
    path: Path = ()
    for position, name in enumerate(names):
        last = position == len(names) - 1
        for key in _keys(at, kinds, name, last, path):
            at = spelt_out(at, kinds, key).child(key) if at else None
            kinds = step(kinds, key)
            path = (*path, key)
    return path


def written(tree: Tree, schema: type, path: Path) -> str:
    """The keys and indices of a path as a person writes them: `model.dense1.units`."""
    at: Tree | None = tree
    kinds: Kinds = (schema,)
    names: list[str] = []
    kind: str | None = None  # of the element named last: its key adds nothing
    for key in path:
        if isinstance(key, int) and _settings(kinds):
            kinds = step(kinds, first_field(record(kinds) or object) or "")
        inner = step(kinds, key)
        at = spelt_out(at, kinds, key) if at else None
        child = at.child(key) if at else None
        if isinstance(key, int):
            known = at is not None and child is not None
            name = element_names(at, kinds)[key] if at and known else None
            kind = component_name(child, inner) if name else None
            names.append(name or str(key))
        elif key == kind:
            kind = None
        elif not holds_block(kinds, inner):
            names.append(key)
        at, kinds = child, inner
    return ".".join(names)


def holds_block(kinds: Kinds, inner: Kinds) -> bool:
    """Whether a field holds the components inside a component: paths leave it out.

    So they do where a list may stand for the record that has this field.
    """
    cls = record(kinds)
    inside = cls is not None and (issubclass(cls, Component) or bool(block(kinds)))
    return inside and is_list(inner) and bool(named(step(inner, 0)))


def element_names(tree: Tree, kinds: Kinds) -> list[str | None]:
    """What each element of a list is called; None where that cannot be told.

    As `nettrain.nn` has it, an element with its own name counts among its kind, too.
    """
    counts: Counter[str] = Counter()
    names: list[str | None] = []
    inner = step(kinds, 0)
    for element in tree.value:
        kind = component_name(element, inner)
        given = _given_name(element, inner, kind) if kind else None
        counts[kind or ""] += 1
        names.append(given or (f"{kind}{counts[kind]}" if kind else None))
    return names


def _given_name(element: Tree, kinds: Kinds, kind: str) -> str | None:
    settings = spelt_out(element, kinds, kind).child(kind)
    name = (
        spelt_out(settings, step(kinds, kind), "name").child("name")
        if settings
        else None
    )
    return name.value if name and isinstance(name.value, str) else None


def _keys(tree: Tree | None, kinds: Kinds, name: str, last: bool, path: Path) -> Path:
    """The keys that one written name stands for."""
    cls, alone = record(kinds), block(kinds)
    known = field_types(cls) if cls else {}
    beside = bool(alone) and name in known and name != alone
    if isinstance(tree and tree.value, tuple) and not _settings(kinds) and not beside:
        assert tree is not None
        return _element(tree, kinds, name, last, path)
    if tree is None and is_list(kinds) and not beside:
        raise _no_element(name, path, [])
    if cls is not None and name not in known and tree is not None:
        for field, inside in _blocks(tree, kinds):
            inner = step(kinds, field)
            if field == alone:
                return (field, *_element(inside, inner, name, last, path))
            if name in element_names(inside, inner):
                return (field, *_element(inside, inner, name, last, (*path, field)))
        if alone:
            raise _no_element(name, path, [])
    return (name,)


def _settings(kinds: Kinds) -> bool:
    """Whether a list here is the short form of a component's first field."""
    return record(kinds) is not None and not is_list(kinds)


def _blocks(tree: Tree, kinds: Kinds) -> Iterator[tuple[str, Tree]]:
    """The lists of components among the settings of a component."""
    cls = record(kinds)
    for field, annotation in field_types(cls).items() if cls else ():
        inside = spelt_out(tree, kinds, field).child(field)
        wanted = members(annotation)
        if inside and isinstance(inside.value, tuple) and named(step(wanted, 0)):
            yield field, inside


def _element(tree: Tree, kinds: Kinds, name: str, last: bool, path: Path) -> Path:
    """An element's index, and its component's name where its settings are meant."""
    if name.isdecimal():
        # The index after the last element is where an insertion may put another.
        if int(name) < len(tree.value) + (1 if last else 0):
            return (int(name),)
        raise _no_element(name, path, [str(i) for i in range(len(tree.value))])
    names = element_names(tree, kinds)
    if name not in names:
        raise _no_element(name, path, [n for n in names if n])
    index = names.index(name)
    kind = component_name(tree.value[index], step(kinds, index))
    return (index,) if last or kind is None else (index, kind)


def _no_element(name: str, path: Path, there: list[str]) -> Error:
    where = dotted(path)
    fix = suggest(name, there) or (f"it holds {listed(there)}" if there else None)
    return Error("config-unknown-key", f"no {show(name)} in {where}", fix=fix)
