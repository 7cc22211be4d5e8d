"""What a layer is: settings as fields, and a formula from node to node."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nettrain.component import Component, dump, field_types
from nettrain.graph import Node, topological
from nettrain.nn.trace import Trace

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Layer(Component):
    """Base of all layers.

    Attributes:
        name: what paths call the layer; its kind and number, as in `dense1`, if empty.
    """

    kind = "layer"
    name: str = field(default="", kw_only=True)

    def check(self) -> Iterator[str]:
        if self.name and not _NAME.fullmatch(self.name):
            yield (
                f'the name "{self.name}" must be a letter, then letters, digits, _ or -'
            )

    def apply(self, x: Node, trace: Trace) -> Node:
        """The layer's formula while training.

        Args:
            x: input, the batch along axis 0.
            trace: gives parameters, states and random bits, and gathers roles.
        """
        raise NotImplementedError

    def predict(self, x: Node, trace: Trace) -> Node:
        """The layer's formula when predicting; the same where nothing else is said."""
        return self.apply(x, trace)

    def children(self) -> Iterator[tuple[str, tuple[str | int, ...], Layer]]:
        """The layers inside: name, place (field and position), and the layer."""
        return iter(())

    def __call__(self, x: Node) -> Node:
        """Apply the layer outside any model, as it predicts.

        The layer gets its own trace and a name that no layer behind x has; called
        again, it shares its weights. Its leaves carry their first values.
        """
        kept = self.__dict__.get("_interactive")
        if kept is None:
            trace = Trace(training=False, dtype=x.dtype, filled=True)
            kept = trace, self.name or _free_name(self.registered_name, x)
            object.__setattr__(self, "_interactive", kept)
        trace, name = kept
        return trace.call(self, x, name)

    def to_config(self) -> Any:
        """The plain value that builds this layer again; an empty name is left out."""
        cls: type = type(self)
        keys = [key for key in field_types(cls) if key != "name" or self.name]
        fields = {key: dump(getattr(self, key)) for key in keys}
        return {self.registered_name: fields} if fields else self.registered_name


def _free_name(kind: str, x: Node) -> str:
    """Kind and number, from 1, that is no scope of x's ancestors."""
    taken = {node.scope.split("/")[0] for node in topological([x])}
    number = 1
    while f"{kind}{number}" in taken:
        number += 1
    return f"{kind}{number}"


def names(layers: Sequence[Layer]) -> list[str]:
    """What each layer of a container is called.

    Its own name, or its kind and its number among the layers of that kind, from 1; a
    layer with its own name counts too, so naming one never renames another. The very
    same object twice has one name: it shares its weights.
    """
    found: dict[int, str] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        if id(layer) not in found:
            kind = layer.registered_name
            counts[kind] = counts.get(kind, 0) + 1
            found[id(layer)] = layer.name or f"{kind}{counts[kind]}"
    return [found[id(layer)] for layer in layers]


def name_clashes(layers: Sequence[Layer]) -> Iterator[str]:
    """A sentence for each name that two different layers of a container have."""
    owners: dict[str, Layer] = {}
    for name, layer in zip(names(layers), layers, strict=True):
        if owners.setdefault(name, layer) is not layer:
            yield f'two layers are called "{name}"; give one of them another name'


def walk(
    layers: Sequence[Layer], path: str, place: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...], Layer]]:
    """Every layer of a model, with its path in the graph and its place in the config.

    >>> from nettrain.nn import Dense, Residual
    >>> model = [Dense(8), Residual([Dense(8)])]
    >>> for path, place, _ in walk(model, "model", ("model",)): print(path, place)
    model/dense1 ('model', 0)
    model/residual1 ('model', 1)
    model/residual1/dense1 ('model', 1, 'residual', 'blocks', 0)
    """
    for i, (name, layer) in enumerate(zip(names(layers), layers, strict=True)):
        yield from _walk(layer, f"{path}/{name}", (*place, i))


def _walk(
    layer: Layer, path: str, place: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...], Layer]]:
    yield path, place, layer
    for name, where, inner in layer.children():
        yield from _walk(
            inner, f"{path}/{name}", (*place, layer.registered_name, *where)
        )
