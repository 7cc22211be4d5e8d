"""Scopes: which boxes stand in one, in what order, and which are drawn together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nettrain.show.drawing import Arrow, Drawing

Arrows = Mapping[str, Sequence[Arrow]]
"""Box id -> the arrows that arrive at it."""
Path = tuple[str, ...]


def around(scope: str) -> list[str]:
    """A scope and those around it, outermost first: `model`, `model/dense1`."""
    parts = scope.split("/") if scope else []
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def tellers(drawing: Drawing) -> dict[str, list[int]]:
    """By scope the places of the boxes whose gradients tell its health.

    These are its pre-activations, by which a vanished gradient is told; of a loop what
    goes from round to round; else what leaves it or a scope in it; else all of it.
    """
    boxes = drawing.boxes
    place = {box.id: i for i, box in enumerate(boxes)}
    inside: dict[str, list[int]] = {}
    for i, box in enumerate(boxes):
        for path in around(box.scope):
            inside.setdefault(path, []).append(i)
    leaving: dict[str, set[int]] = {path: set() for path in inside}
    for arrow in drawing.arrows:
        scope, target = (
            boxes[place[arrow.source]].scope,
            boxes[place[arrow.target]].scope,
        )
        if scope not in ("", *around(target)):
            for path in around(scope):
                leaving[path].add(place[arrow.source])
    found = {}
    for path, members in inside.items():
        able = [i for i in members if boxes[i].health is not None]
        found[path] = (
            [i for i in able if boxes[i].label == "pre_activation"]
            or [i for i in able if boxes[i].kind == "state"]
            or [i for i in able if i in leaving[path]]
            or able
        )
    return found


def bound(
    inputs: Arrows, scopes: Mapping[str, Path], loops: Iterable[Path]
) -> dict[str, list[Arrow]]:
    """What each box waits for: its inputs, and in a loop all that the loop needs.

    So no box of a loop stands ahead of the others, in another piece of the layer: what
    a round hands to the next joins them.

    Args:
        inputs: without the arrows that go back.
        scopes: box id -> the path of its scope.
        loops: the scopes that are loops.
    """
    needed = {box: list(arrows) for box, arrows in inputs.items()}
    for loop in loops:
        inside = {box for box, path in scopes.items() if path[: len(loop)] == loop}
        arrows = (a for box in inputs if box in inside for a in inputs[box])
        outer = dict.fromkeys(a.source for a in arrows if a.source not in inside)
        for box in inside:
            needed[box] += [Arrow(source, box) for source in outer]
    return needed


def topological(inputs: Arrows) -> list[str]:
    """The boxes, each after its inputs; else in the order of `inputs`."""
    outputs: dict[str, list[Arrow]] = {box: [] for box in inputs}
    for arrows in inputs.values():
        for arrow in arrows:
            outputs[arrow.source].append(arrow)
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
    scopes: Mapping[str, Path],
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
