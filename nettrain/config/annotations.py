"""What the schema's annotations say may stand at a place.

A place has `Kinds`: the members of its annotation, unions and ranges taken apart.
`step` gives the kinds of a child, so that a path can be followed through a whole
config: through the fields of a dataclass, the members of a list, the names of a
component family.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Annotated, Any

from nettrain.component import (
    Component,
    Path,
    dump,
    field_types,
    first_field,
    registered,
)
from nettrain.config.tree import Tree, from_plain

Kinds = tuple[Any, ...]


def members(annotation: Any) -> Kinds:
    """The kinds that an annotation allows."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return tuple(k for part in typing.get_args(annotation) for k in members(part))
    return (annotation,)


def step(kinds: Kinds, key: str | int) -> Kinds:
    """The kinds of the child at a key or index."""
    found: Kinds = ()
    for kind in kinds:
        origin: Any = typing.get_origin(kind)
        if isinstance(key, int) and origin in (list, tuple):
            found += members(typing.get_args(kind)[0])
        elif isinstance(key, str) and origin is dict:
            found += members(typing.get_args(kind)[1])
        elif isinstance(key, str) and is_record(kind) and key in field_types(kind):
            found += members(field_types(kind)[key])
        elif is_family(kind) and key in registered(kind):
            found += (registered(kind)[key],)
    return found


def kinds_at(schema: type, path: Path) -> Kinds:
    """What may stand at a path."""
    return functools.reduce(step, path, (schema,))


def is_family(kind: Any) -> bool:
    """Whether any component of a family may stand here, by its name."""
    return (
        isinstance(kind, type)
        and issubclass(kind, Component)
        and not kind.registered_name
    )


def is_record(kind: Any) -> bool:
    """Whether the fields of one dataclass stand here."""
    custom = hasattr(kind, "from_config")
    return dataclasses.is_dataclass(kind) and not custom and not is_family(kind)


def record(kinds: Kinds) -> type | None:
    """The dataclass whose fields stand here."""
    return next((kind for kind in kinds if is_record(kind)), None)


def named(kinds: Kinds) -> dict[str, type[Component]]:
    """Every component that may stand here, by name."""
    return {
        name: cls
        for kind in reversed(kinds)
        if is_family(kind)
        for name, cls in registered(kind).items()
    }


def is_list(kinds: Kinds) -> bool:
    origins: list[Any] = [typing.get_origin(kind) for kind in kinds]
    return list in origins or tuple in origins


def block(kinds: Kinds) -> str | None:
    """The field of a record for which a list may stand alone: `layers` of a model."""
    cls = record(kinds) if is_list(kinds) else None
    fields = field_types(cls) if cls else {}
    return next((n for n in fields if set(members(fields[n])) & set(kinds)), None)


def component_name(tree: Tree | None, kinds: Kinds) -> str | None:
    """The name of the component that is written here, or None."""
    if tree is None:
        return None
    value = tree.value
    if isinstance(value, Component):
        return value.registered_name
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value))
    return value if isinstance(value, str) and value in named(kinds) else None


def completed(tree: Tree, schema: type, path: str = "") -> Tree:
    """A config with what it takes from elsewhere written out, such as a run's layers.

    Args:
        schema: says what that is by a method `completed`, if it has one.
        path: the one setting that is needed; everything, if empty.

    Raises:
        Error: with its place, where it cannot be had.
    """
    method = getattr(schema, "completed", None)
    return method(tree, path) if method else tree


def spelt_out(tree: Tree, kinds: Kinds, key: str | int) -> Tree:
    """The tree with its short form, if it is one, written as a mapping.

    Where a list may stand for a record's field, as a model's layers may, it becomes
    `{layers: list}` if a field is asked for, and the record the list if an element is.
    At the place of a family `adam` becomes `{adam: }`; what the family writes shorter
    (a number for a schedule) becomes `{key: number}`. At the place of a component's
    settings `64` becomes `{units: 64}`, units being its first field.
    """
    if isinstance(tree.value, Component):
        plain = from_plain(dump(tree.value), tree.origin.source)
        return spelt_out(dataclasses.replace(plain, key=tree.key), kinds, key)
    if alone := block(kinds):
        if isinstance(key, int) and isinstance(tree.value, dict):
            return tree.child(alone) or tree
        if isinstance(key, str) and isinstance(tree.value, tuple):
            return tree.holding({alone: tree})
    if isinstance(tree.value, dict) or isinstance(key, int):
        return tree
    cls = record(kinds)
    if cls is not None and issubclass(cls, Component):
        first = first_field(cls)
        bare = tree.value is None or first is None
        return tree.holding({} if bare else {first: tree})
    names = named(kinds)
    if key not in names or tree.value is None:
        return tree
    if isinstance(tree.value, str) and tree.value in names:
        return tree.holding({tree.value: tree.holding(None)})
    return tree.holding({key: tree})
