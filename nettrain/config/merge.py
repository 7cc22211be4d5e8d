"""Lay one config over another, for `extends`."""

from __future__ import annotations

from nettrain.config.annotations import Kinds, component_name, spelt_out, step
from nettrain.config.tree import Tree


def merged(base: Tree, over: Tree, kinds: Kinds) -> Tree:
    """`over` laid over `base`: mappings deep, lists and scalars whole.

    A component lies over the same component setting by setting, and replaces another.
    """
    if not isinstance(over.value, dict):
        return over
    if component_name(over, kinds) != component_name(base, kinds):
        return over
    for key in over.value:
        base = spelt_out(base, kinds, key)
    if not isinstance(base.value, dict):
        return over
    children = dict(base.value)
    for key, child in over.value.items():
        under = children.get(key)
        children[key] = merged(under, child, step(kinds, key)) if under else child
    return over.holding(children)
