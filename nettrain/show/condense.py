"""The drawing as a picture on paper has it, where nothing can be unfolded.

Blocks that follow each other and are built alike are drawn once, and where there are
many boxes scopes are drawn as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nettrain.show.drawing import Arrow, Box, Drawing
from nettrain.show.scopes import around, tellers

MOST, FEW = 56, 40
"""A network of at most so many boxes is drawn whole, but for its cost. Of a larger one
each layer is a box, and blocks are drawn open while there are so few boxes."""


def condensed(drawing: Drawing) -> Drawing:
    """Repeated blocks once, and scopes as one box each where else it would be many."""
    return folded(merged(drawing), MOST, FEW)


# ---------------------------------------------------------------- repeated blocks

_TIMES = "×"


@dataclass(frozen=True)
class _Block:
    """A scope with scopes in it.

    Attributes:
        numbers: of its boxes, by id.
        entering: sources outside, each with the number of the box that takes it.
        built: what blocks of one structure have in common.
    """

    path: str
    numbers: Mapping[str, int]
    entering: Sequence[tuple[str, int]]
    built: object


def merged(drawing: Drawing) -> Drawing:
    """Blocks in a row with one structure are drawn once: that of the weakest gradient.

    Blocks are scopes with scopes in them, such as residual blocks or those of a
    transformer. A row of plain layers stays, so that gradients can be seen to vanish.
    """
    while row := next(_rows(drawing), None):
        drawing = _once(drawing, row)
    return drawing


def _rows(drawing: Drawing) -> Iterator[list[_Block]]:
    """Blocks of one scope that repeat each other, in outer scopes first."""
    members: dict[str, list[Box]] = {}
    last: dict[str, int] = {}
    for i, box in enumerate(drawing.boxes):
        for path in around(box.scope):
            members.setdefault(path, []).append(box)
            last[path] = i
    arriving: dict[str, list[Arrow]] = {box.id: [] for box in drawing.boxes}
    for arrow in drawing.arrows:
        arriving[arrow.target].append(arrow)
    siblings: dict[str, list[str]] = {}
    for path in sorted(members, key=lambda path: (path.count("/"), last[path])):
        siblings.setdefault(path.rpartition("/")[0], []).append(path)
    for paths in siblings.values():
        row: list[_Block] = []
        for path in paths:
            block = _block(path, members[path], arriving)
            # One that stands for a row already has to be told from a single one.
            able = not drawing.notes.get(path, "").startswith(_TIMES)
            if able and row and _follows(row, block):
                row.append(block)
                continue
            if len(row) > 1:
                yield row
            able = able and any(box.scope != path for box in members[path])
            row = [block] if able else []
        if len(row) > 1:
            yield row


def _block(
    path: str, boxes: Sequence[Box], arriving: Mapping[str, Sequence[Arrow]]
) -> _Block:
    numbers = {box.id: i for i, box in enumerate(boxes)}
    built, entering = [], []
    for i, box in enumerate(boxes):
        scope = box.scope.removeprefix(path)
        sources = [(numbers.get(a.source), a.back) for a in arriving[box.id]]
        built.append((box.label, *box.detail_lines, box.kind, scope, *sources))
        outer = (a.source for a in arriving[box.id] if a.source not in numbers)
        entering += [(source, i) for source in outer]
    return _Block(path, numbers, entering, built)


def _follows(row: Sequence[_Block], block: _Block) -> bool:
    """Whether a block goes on with what the last one of a row gave, as that one did.

    What does not come from there comes from where the last one has it too.
    """
    before = row[-1]
    if block.built != before.built:
        return False
    links = _links(before, block)
    if len(row) > 1 and links != _links(row[-2], before):
        return False
    given = [source for source, _ in before.entering]
    chained = [isinstance(link, int) for link in links]
    known = (a == b for a, b in zip(links, given, strict=True))
    return any(chained) and all(a or b for a, b in zip(chained, known, strict=True))


def _links(before: _Block, block: _Block) -> list[int | str]:
    """Of each input of a block the number in the one before, or who else gives it."""
    return [before.numbers.get(source, source) for source, _ in block.entering]


def _once(drawing: Drawing, row: Sequence[_Block]) -> Drawing:
    """The drawing with one block, of the weakest gradient, in place of a row."""
    boxes, telling = drawing.boxes, tellers(drawing)
    health = {p: [boxes[i].health or 0.0 for i in telling[p]] for p in telling}
    shown = min(row, key=lambda block: min(health[block.path], default=1.0))
    ids = list(shown.numbers)
    instead = {id_: ids[i] for block in row for id_, i in block.numbers.items()}
    given: dict[int, list[str]] = {}
    for source, i in row[0].entering:
        given.setdefault(i, []).append(source)
    arrows: list[Arrow] = []
    for arrow in drawing.arrows:
        source, target = arrow.source, arrow.target
        if target in shown.numbers:
            if source not in shown.numbers:
                # In its place among the inputs stands what the first block is given.
                source = given[shown.numbers[target]].pop(0)
        elif target in instead:
            continue
        else:
            source = instead.get(source, source)
        arrows.append(replace(arrow, source=source))
    note = f"{_TIMES}{len(row)}"
    if health[shown.path]:
        note += ", the one with the weakest gradient"
    return replace(
        drawing,
        boxes=[b for b in boxes if instead.get(b.id, b.id) == b.id],
        arrows=arrows,
        notes={**drawing.notes, shown.path: note},
    )


# ---------------------------------------------------------------- folded scopes


def folded(drawing: Drawing, most: int, few: int) -> Drawing:
    """Scopes as one box each, opened from the outside in while there is room.

    A scope that is left and entered again stays open.

    Args:
        drawing: any that can be laid out.
        most: how many boxes there may be if all scopes but that of the cost are open.
        few: how many there may be otherwise; then scopes without inner ones stay
            closed, but for loops.
    """
    items: dict[str, dict[str, bool]] = {"": {}}
    """By scope what stands in it, and whether that is a scope."""
    for box in drawing.boxes:
        for path in around(box.scope):
            items[path.rpartition("/")[0]][path] = True
            items.setdefault(path, {})
        items[box.scope]["node " + box.id] = False
    cost = {p for b in drawing.boxes if b.kind == "cost" for p in around(b.scope)}
    closed = _closed(items, set(items), cost, most)
    if not closed <= cost:
        backs = {arrow.source for arrow in drawing.arrows if arrow.back}
        loops = {box.scope for box in drawing.boxes if box.id in backs}
        outer = {path for path, inside in items.items() if any(inside.values())}
        closed = _closed(items, outer | loops - cost, cost, few)
    while True:
        ends = _ends(drawing.boxes, closed)
        arrows = _joined(drawing.arrows, ends)
        circular = _circular(set(ends.values()), arrows)
        if not circular:
            break
        closed -= circular
    return replace(drawing, boxes=_boxes(drawing, ends), arrows=arrows)


def _closed(
    items: Mapping[str, Mapping[str, bool]],
    able: Collection[str],
    cost: Collection[str],
    most: int,
) -> set[str]:
    """The scopes that stay closed for want of room, that of the cost before all others.

    Outer scopes are opened first; those as deep and as large as each other together or
    not at all.

    Args:
        items: by scope what stands in it, and whether that is a scope.
        able: the scopes that may be opened.
        cost: those that are opened last.
        most: how many boxes there may be.
    """
    closed, seen = set(items) - {""}, len(items[""])
    alike: dict[tuple[bool, int, int], list[str]] = {}
    for path, inside in items.items():
        if path in closed and path in able:
            key = path in cost, path.count("/"), len(inside)
            alike.setdefault(key, []).append(path)
    for key in sorted(alike, key=lambda key: key[:2]):
        paths = [p for p in alike[key] if p.rpartition("/")[0] not in closed]
        more = len(paths) * (key[2] - 1)
        if seen + more <= most:
            seen += more
            closed.difference_update(paths)
    return closed


_FOLD = "▸ "


def _ends(boxes: Sequence[Box], closed: Collection[str]) -> dict[str, str]:
    """By box what is seen of it: itself, or the outermost closed scope around it."""
    ends = {}
    for box in boxes:
        shut = [path for path in around(box.scope) if path in closed]
        ends[box.id] = _FOLD + shut[0] if shut else box.id
    return ends


def _joined(arrows: Sequence[Arrow], ends: Mapping[str, str]) -> list[Arrow]:
    """Arrows between what is seen; several of a folded scope as one."""
    found: dict[tuple[str, str, int], Arrow] = {}
    for i, arrow in enumerate(arrows):
        source, target = ends[arrow.source], ends[arrow.target]
        if (source, target) == (arrow.source, arrow.target):
            found[source, target, i] = arrow
        elif source != target:
            found.setdefault((source, target, -1), Arrow(source, target))
    return list(found.values())


def _circular(ids: Collection[str], arrows: Sequence[Arrow]) -> set[str]:
    """The folded scopes that stand in the way of an order from left to right."""
    inputs: dict[str, list[Arrow]] = {id_: [] for id_ in ids}
    for arrow in arrows:
        if not arrow.back:
            inputs[arrow.target].append(arrow)
    rest = set(ids)
    while True:
        # What depends on no other that is left, or that no other depends on, may stand.
        ahead = {a.source for id_ in rest for a in inputs[id_] if a.source in rest}
        behind = {id_ for id_ in rest if any(a.source in rest for a in inputs[id_])}
        if rest == ahead & behind:
            return {id_.removeprefix(_FOLD) for id_ in rest if id_.startswith(_FOLD)}
        rest = ahead & behind


def _boxes(drawing: Drawing, ends: Mapping[str, str]) -> list[Box]:
    """Single boxes, and one in place of each folded scope."""
    members: dict[str, list[Box]] = {}
    for box in drawing.boxes:
        members.setdefault(ends[box.id], []).append(box)
    leaving = {a.source for a in drawing.arrows if ends[a.source] != ends[a.target]}
    telling = tellers(drawing)
    made = []
    for end, inside in members.items():
        if end == inside[0].id:
            made.append(inside[0])
            continue
        path = end.removeprefix(_FOLD)
        outputs = [box for box in inside if box.id in leaving]
        known = [drawing.boxes[i] for i in telling[path]]
        made.append(_box(drawing, path, inside, outputs, known))
    return made


def _box(
    drawing: Drawing,
    path: str,
    inside: Sequence[Box],
    outputs: Sequence[Box],
    telling: Sequence[Box],
) -> Box:
    """A folded scope: how much is in it, what it gives, and its weakest gradient."""
    note = drawing.notes.get(path, "").partition(",")[0]
    shape = outputs[-1].facts.get("shape", ()) if outputs else ()
    size = " × ".join(map(str, shape))
    nodes = f"{len(inside)} nodes" if len(inside) > 1 else "1 node"
    weakest = min(telling, key=lambda box: box.health or 0.0, default=None)
    return Box(
        _FOLD + path,
        f"{_FOLD}{path.rpartition('/')[2]} {note}".strip(),
        [" · ".join(filter(None, [nodes, size]))],
        kind="layer",
        scope=path.rpartition("/")[0],
        gradient=weakest.gradient if weakest else None,
        health=weakest.health if weakest else None,
        origin=next((box.origin for box in inside if box.origin), ""),
    )
