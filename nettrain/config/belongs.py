"""Where a key belongs that stands in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from nettrain.component import Component, Fix, Home, field_types
from nettrain.config.annotations import (
    Kinds,
    block,
    component_name,
    is_list,
    is_record,
    members,
    named,
    record,
    spelt_out,
    step,
)
from nettrain.config.paths import element_names, holds_block
from nettrain.config.tree import Tree

WRITTEN, FAMILY, UNWRITTEN = range(3)
"""Where a key may stand: in a place that every config has or this one writes; as a
member of a family; in a component that might be written instead."""


class Holder(NamedTuple):
    """A place in the schema that takes some keys."""

    label: str
    keys: Mapping[str, Any]
    """The keys and the annotations of their values, or the classes they name."""
    rank: int


def belongs(holders: Iterable[Holder], key: str, value: Any = ...) -> Fix | None:
    """`it belongs in optimizer.adam`, or None where no place takes such a key.

    Sections and components written in this config come first, then a family of which
    the key is a member, then components that might be written.

    Args:
        holders: the places.
        key: what is written in the wrong place.
        value: what stands under it, where that is known: 3 is no section.
    """
    found = sorted(
        fitting(holders, key, value), key=lambda h: (h.rank, h.label.count("."))
    )
    rank = found[0].rank if found else 0
    labels = list(dict.fromkeys(h.label for h in found if h.rank == rank))
    labels = labels[:1] if rank == FAMILY else labels
    if not labels:
        return None
    edit = Home(labels[0]) if len(labels) == 1 and rank == WRITTEN else None
    if labels[0] == "":
        return Fix("it belongs at the top level", edit)
    *most, last = labels if len(labels) <= 3 else [*labels[:2], "others"]
    words = f"it belongs in {', '.join(most) + ' or ' if most else ''}{last}"
    return Fix(words, edit)


def fitting(holders: Iterable[Holder], key: str, value: Any) -> list[Holder]:
    """Places that take a key with its value."""
    return [h for h in holders if key in h.keys and _takes(h.keys[key], value)]


def _takes(annotation: Any, value: Any) -> bool:
    """Whether a scalar, if it is one, can stand for what the annotation asks for."""
    scalar = value is not ... and not isinstance(value, dict)
    kinds = members(annotation)
    component = any(isinstance(k, type) and issubclass(k, Component) for k in kinds)
    return component or not (scalar and all(is_record(kind) for kind in kinds))


def holders(tree: Tree | None, kinds: Kinds, label: str = "") -> Iterator[Holder]:
    """Every place under this one that takes keys, named as paths are written."""
    cls = record(kinds)
    alone = block(kinds) is not None and not isinstance(tree and tree.value, dict)
    if cls is not None and alone:  # a list stands here, or nothing
        yield Holder(label, field_types(cls), UNWRITTEN)
    elif cls is not None:
        yield Holder(label, field_types(cls), WRITTEN)
        for name in field_types(cls):
            child = spelt_out(tree, kinds, name).child(name) if tree else None
            inner = step(kinds, name)
            place = f"{label}.{name}".lstrip(".")
            place = label if holds_block(kinds, inner) else place
            yield from holders(child, inner, place)
    yield from _of_family(tree, kinds, label)
    if is_list(kinds):
        yield from _of_list(tree, kinds, label)


def _of_list(tree: Tree | None, kinds: Kinds, label: str) -> Iterator[Holder]:
    if tree is not None and isinstance(tree.value, tuple):
        names = element_names(tree, kinds)
        for index, child in enumerate(tree.value):
            inner = step(kinds, index)
            kind = component_name(child, inner)
            settings = spelt_out(child, inner, kind).child(kind) if kind else None
            if kind:
                place = f"{label}.{names[index]}"
                yield from holders(settings, step(inner, kind), place)
    yield from _of_family(None, step(kinds, 0), label)


def _of_family(tree: Tree | None, kinds: Kinds, label: str) -> Iterator[Holder]:
    components: dict[str, Any] = named(kinds)
    if not components:
        return
    yield Holder(label, components, FAMILY)
    written = component_name(tree, kinds)
    for name, cls in components.items():
        if name == written and tree is not None:
            child = spelt_out(tree, kinds, name).child(name)
            yield from holders(child, step(kinds, name), f"{label}.{name}")
        else:
            yield Holder(f"{label}.{name}", field_types(cls), UNWRITTEN)
