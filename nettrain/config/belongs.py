"""Where a key belongs that stands in the wrong place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from nettrain.component import field_types
from nettrain.config.annotations import (
    Kinds,
    component_name,
    is_list,
    named,
    record,
    spelt_out,
    step,
)
from nettrain.config.paths import element_names
from nettrain.config.tree import Tree


class Holder(NamedTuple):
    """A place in the schema that takes some keys."""

    label: str
    keys: Collection[str]
    rank: int
    """0: in every config, or written in this one; 1: a family; 2: not written."""


def belongs(holders: Sequence[Holder], key: str) -> str | None:
    """`it belongs in optimizer.adam`, or None where no place takes such a key.

    Sections and components written in this config come first, then a family of which
    the key is a member, then components that might be written.
    """
    fitting = [holder for holder in holders if key in holder.keys]
    fitting.sort(key=lambda holder: (holder.rank, holder.label.count(".")))
    rank = fitting[0].rank if fitting else 0
    labels = list(dict.fromkeys(h.label for h in fitting if h.rank == rank))
    labels = labels[:1] if rank == 1 else labels
    if not labels:
        return None
    if labels[0] == "":
        return "it belongs at the top level"
    *most, last = labels if len(labels) <= 3 else [*labels[:2], "others"]
    return f"it belongs in {', '.join(most) + ' or ' if most else ''}{last}"


def holders(tree: Tree | None, kinds: Kinds, label: str = "") -> Iterator[Holder]:
    """Every place under this one that takes keys, named as paths are written."""
    cls = record(kinds)
    if cls is not None:
        yield Holder(label, field_types(cls), 0)
        for name in field_types(cls):
            child = spelt_out(tree, kinds, name).child(name) if tree else None
            place = f"{label}.{name}".lstrip(".")
            yield from holders(child, step(kinds, name), place)
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
    yield Holder(label, components, 1)
    written = component_name(tree, kinds)
    for name, cls in components.items():
        if name == written and tree is not None:
            child = spelt_out(tree, kinds, name).child(name)
            yield from holders(child, step(kinds, name), f"{label}.{name}")
        else:
            yield Holder(f"{label}.{name}", field_types(cls), 2)
