"""The order of the boxes of a drawing, and which of a scope are drawn together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nettrain.show.drawing import Arrow

Arrows = Mapping[str, Sequence[Arrow]]
"""Box id -> the arrows that arrive at it, or leave it."""


def topological(inputs: Arrows, outputs: Arrows) -> list[str]:
    """The boxes, each after its inputs; else in the order of `inputs`."""
    missing = {box: len(arrows) for box, arrows in inputs.items()}
    ready = [box for box, count in reversed(missing.items()) if not count]
    order = []
    while ready:
        order.append(ready.pop())
        for arrow in reversed(outputs[order[-1]]):
            missing[arrow.target] -= 1
            if not missing[arrow.target]:
                ready.append(arrow.target)
    if len(order) < len(missing):
        raise ValueError("the arrows of a drawing form a cycle")
    return order


def parts(
    members: Sequence[str],
    depth: int,
    scopes: Mapping[str, tuple[str, ...]],
    inputs: Arrows,
) -> list[tuple[str | None, list[str]]]:
    """Single boxes (no name) and pieces of inner scopes; none depends on a later one.

    Args:
        members: the boxes of a scope, each after its inputs.
        depth: how many names the scope's path has.
        scopes: box id -> the path of its scope.
    """
    key: dict[str, object] = {
        member: scopes[member][: depth + 1] if len(scopes[member]) > depth else member
        for member in members
    }
    pending: dict[object, list[str]] = {}
    for member in members:
        pending.setdefault(key[member], []).append(member)
    done: set[str] = set()
    found: list[tuple[str | None, list[str]]] = []
    while pending:
        for part, boxes in _ready(pending, key, inputs, done).items():
            left = [box for box in pending.pop(part) if box not in done]
            if left:
                pending[part] = left
            found.append((part[-1] if isinstance(part, tuple) else None, boxes))
    return found


def _ready(
    pending: Mapping[object, list[str]],
    members: Mapping[str, object],
    inputs: Arrows,
    done: set[str],
) -> dict[object, list[str]]:
    """The parts that can stand next; marks their boxes as done.

    Where scopes depend on each other in a circle no whole one can. Then it is the
    largest piece of one.
    """
    found: dict[object, list[str]] = {}
    pieces: dict[object, list[str]] = {}
    for part, boxes in pending.items():
        piece: dict[str, None] = {}
        for box in boxes:
            needed = (a.source for a in inputs[box] if a.source in members)
            if all(source in done or source in piece for source in needed):
                piece[box] = None
        pieces[part] = list(piece)
        if len(piece) == len(boxes):
            found[part] = boxes
            done.update(piece)
    if not found:
        largest = max(pieces, key=lambda part: len(pieces[part]))
        found[largest] = pieces[largest]
        done.update(found[largest])
    return found
