"""The verbs that explain a config: list and explain. All they say is in docstrings."""

from __future__ import annotations

import dataclasses
import textwrap
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.terminal import joined, print_json
from nettrain.component import (
    Component,
    FieldDoc,
    describe,
    json_schema,
    phrase,
    registered,
    show,
    suggest,
)
from nettrain.config.annotations import (
    Kinds,
    is_list,
    is_record,
    kinds_at,
    members,
    named,
    record,
    step,
)
from nettrain.config.belongs import FAMILY, belongs, holders
from nettrain.data.augment import Augmentation
from nettrain.data.preprocess import Preprocessing
from nettrain.data.sources import Source
from nettrain.diagnose.detector import Detector
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.nn import Activation, Initializer, Layer, Loss
from nettrain.optim import Optimizer, Schedule
from nettrain.show.width import reflowed, width
from nettrain.study.methods import Method
from nettrain.study.settings import Objective, Sweep
from nettrain.study.space import Range
from nettrain.training.metrics import Metric

FAMILIES: dict[str, type[Component]] = {
    "layers": Layer,
    "activations": Activation,
    "initializers": Initializer,
    "losses": Loss,
    "metrics": Metric,
    "optimizers": Optimizer,
    "schedules": Schedule,
    "preprocessing": Preprocessing,
    "augmentations": Augmentation,
    "sources": Source,
    "detectors": Detector,
}
OF_A_SWEEP: dict[str, type[Component]] = {"methods": Method, "ranges": Range}
_ROOTS: dict[type, str] = {Experiment: "of a run", Sweep: "of a sweep"}
"""What a file may describe, and how its keys are told from those of the other."""
_PLACES = 3
"""Places of a key that are named where it has the same meaning in more."""
_ABOVE = {
    "extends": (
        "the path of another config that this one is laid over: mappings are merged, "
        "lists and components of another name replace the other's."
    ),
    "patch": (
        "a list of edits, applied after `extends`: "
        "{do: set, path: model.dense1.units, value: 64}; do is set, insert or remove."
    ),
}
"""Keys of a file that are gone once it is resolved, so the schema has none of them."""


def list_components(arguments: Namespace) -> int:
    """`nettrain list [KIND]`."""
    plugin.load(arguments.plugin)
    kind = arguments.kind
    if arguments.schema:
        if kind not in (None, "sweep"):
            message = f'there is no schema of "{kind}" alone'
            fix = "nettrain list --schema, or nettrain list sweep --schema"
            raise Error("usage-kind", message, fix=fix)
        print_json(schema(Sweep if kind else Experiment))
    elif kind is None:
        blocks = ["\n".join(_overview(name)) for name in FAMILIES]
        told = (
            "nettrain list KIND shows their settings, and nettrain list sweep those of "
            "a sweep."
        )
        print("\n\n".join([*blocks, "\n".join(_paragraph("", told))]))
    elif kind == "sweep":
        print("\n\n".join("\n".join(block) for block in _sweep()))
    elif kind in FAMILIES:
        found = _members(kind).items()
        print("\n\n".join("\n".join(_component(name, cls)) for name, cls in found))
    else:
        known = [*FAMILIES, "sweep"]
        fix = suggest(kind, known) or f"known: {', '.join(known)}"
        raise Error("usage-kind", f'unknown kind of component "{kind}"', fix=fix)
    return 0


def _members(kind: str) -> Mapping[str, Any]:
    """The components of a family; activations are layers, but listed by themselves."""
    found = registered({**FAMILIES, **OF_A_SWEEP}[kind])
    if kind == "layers":
        return {k: cls for k, cls in found.items() if not issubclass(cls, Activation)}
    return found


def schema(root: type = Experiment) -> dict[str, Any]:
    """The JSON Schema of a config file, `extends` and `patch` included.

    Args:
        root: what the file describes: `Experiment` or `Sweep`.
    """
    whole = json_schema(root, above=_ABOVE)
    above = {
        "extends": {"type": "string", "description": _ABOVE["extends"]},
        "patch": {
            "type": "array",
            "description": _ABOVE["patch"],
            "items": {
                "type": "object",
                "properties": {
                    "do": {"enum": ["set", "insert", "remove"]},
                    "path": {"type": "string"},
                    "value": {},
                },
                "required": ["do", "path"],
                "additionalProperties": False,
            },
        },
    }
    if root is Sweep:
        names: Any = {"anyOf": [{"enum": list(_varied())}, {"type": "string"}]}
        whole["properties"]["space"]["propertyNames"] = names
    return {**whole, "properties": {**above, **whole["properties"]}}


def _varied() -> Iterator[str]:
    """Keys that a sweep may vary; in a list, those of the first of each kind."""
    for label, keys, rank in holders(None, (Experiment,)):
        section, *_ = path = label.split(".")
        if section in ("", "diagnose") or rank == FAMILY:
            continue
        number = "1" if is_list(kinds_at(Experiment, tuple(path[:-1]))) else ""
        yield from (f"{label}{number}.{key}" for key in keys if key != "name")


# ---------------------------------------------------------------- what is printed


def _overview(kind: str) -> Iterator[str]:
    yield kind
    for name, cls in _members(kind).items():
        yield from _paragraph(f"  {name:<20} ", describe(cls)[0].partition("\n\n")[0])


def _component(name: str, cls: type) -> Iterator[str]:
    """Its name, what it is, and its settings."""
    yield name
    yield textwrap.indent(reflowed(describe(cls)[0], width() - 2), "  ")
    fields = describe(cls)[1]
    if fields:
        yield ""
        yield from _fields(fields)


def _sweep() -> Iterator[Iterator[str]]:
    """The keys of a sweep's config, then its methods and ranges."""
    yield _component("sweep", Sweep)
    yield _component("objective", Objective)
    for kind in OF_A_SWEEP:
        for name, cls in _members(kind).items():
            yield _component(f"{name} ({cls.kind})", cls)


def _fields(fields: Sequence[FieldDoc]) -> Iterator[str]:
    widest = max(len(field.name) for field in fields)
    for field in fields:
        head = f"    {field.name:<{widest}}  "
        yield from _paragraph(head, f"{field.type}; {_default(field)}")
        if field.meaning:
            yield from _paragraph(" " * len(head), field.meaning)


def _default(field: FieldDoc) -> str:
    if field.default is dataclasses.MISSING:
        return "must be given"
    if isinstance(field.default, (dict, list)):
        import yaml

        flow = yaml.safe_dump(
            field.default, default_flow_style=True, sort_keys=False, width=10_000
        )
        return f"default {flow.strip()}"
    return f"default {show(field.default)}"


def _paragraph(head: str, text: str) -> Iterator[str]:
    """Text behind a head, wrapped under itself."""
    wrapped = textwrap.wrap(
        text,
        max(30, width() - len(head)),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for number, line in enumerate(wrapped):
        yield (head if number == 0 else " " * len(head)) + line


# ---------------------------------------------------------------- explain


@dataclasses.dataclass(frozen=True)
class Found:
    """What stands at a path: what may be written there, and its field if it is one."""

    kinds: Kinds
    field: FieldDoc | None = None


def explain(arguments: Namespace) -> int:
    """`nettrain explain PATH`."""
    plugin.load(arguments.plugin)
    path = arguments.path
    if path in _ABOVE:
        print("\n".join([path, *_paragraph("  ", _ABOVE[path])]))
        return 0
    told = ("\n".join(_explained(head, found)) for head, found in _find(path))
    print("\n\n".join(told))
    return 0


def _explained(head: str, found: Found) -> Iterator[str]:
    cls = record(found.kinds)
    if found.field is None:
        assert cls is not None
        yield from _component(head, cls)
        return
    yield head
    yield from _paragraph("  ", found.field.meaning)
    yield from _paragraph("  type     ", found.field.type)
    yield from _paragraph("  default  ", _default(found.field).removeprefix("default "))
    inner = step(found.kinds, 0) if is_list(found.kinds) else found.kinds
    if names := named(inner):
        yield from _paragraph("  known    ", ", ".join(names))
    if cls is not None:
        yield ""
        yield from _fields(describe(cls)[1])


def _find(path: str) -> list[tuple[str, Found]]:
    """What a path means, each with its head.

    A key may be that of a run and of a sweep; a component's name alone may mean
    several.

    Raises:
        Error: `usage-unknown-key` with what is spelt nearly the same, or where such a
            key belongs.
    """
    first, *rest = path.split(".")
    roots = [root for root in _ROOTS if first in dict(_fields_of((root,)))]
    if roots:
        return _keys(path, roots)
    # A component in several families has one meaning in each: mae, constant.
    kinds = (*FAMILIES, *OF_A_SWEEP)
    components = {cls for kind in kinds if (cls := _members(kind).get(first))}
    if not components:
        inside = [] if rest else _inside(first)
        if not inside:
            raise _unknown(first, tuple(_ROOTS))
        return inside
    starts = [Found((cls,)) for cls in sorted(components, key=lambda cls: cls.kind)]
    if rest:
        having = [s for s in starts if _child(s.kinds, rest[0])]
        starts = having or starts[:1]
    ends = [_walk(start, rest, first) for start in starts]
    return [(_head(path, end), end) for end in ends]


def _inside(key: str) -> list[tuple[str, Found]]:
    """A key of sections and components, by its name alone: once for each meaning.

    A component that stands only in another one, such as a schedule, has no other path
    than its own name.
    """
    found: dict[tuple[str, ...], tuple[list[str], Found]] = {}
    for root in _ROOTS:
        for holder in holders(None, (root,)):
            if key in holder.keys:
                path = f"{holder.label}.{key}"
                end = _walk(Found((root,)), path.split("."), root=root)
                if end.field:
                    found.setdefault(_said(end.field), ([], end))[0].append(path)
    deeper: dict[tuple[str, ...], tuple[list[str], Found]] = {}
    for name, cls in _components():
        field = dict(_fields_of((cls,))).get(key)
        if field and _said(field) not in found:
            end = Found(members(field.annotation), field)
            deeper.setdefault(_said(field), ([], end))[0].append(f"{name}.{key}")
    every = [*found.values(), *deeper.values()]
    return [(joined(paths, _PLACES), end) for paths, end in every]


def _components() -> Iterator[tuple[str, type[Component]]]:
    for kind in (*FAMILIES, *OF_A_SWEEP):
        yield from _members(kind).items()


def _said(field: FieldDoc) -> tuple[str, ...]:
    """All that is said of a key; where it differs, the key is another one."""
    return field.type, field.meaning, _default(field)


def _keys(path: str, roots: Sequence[type]) -> list[tuple[str, Found]]:
    """A key of each kind of file that has it; the last one's error if none has."""
    found: list[tuple[str, Found]] = []
    for root in roots:
        # In a sweep's space a whole path is one key.
        names = path.split(".", 1 if path.startswith("space.") else -1)
        try:
            end = _walk(Found((root,)), names, root=root)
        except Error:
            if root is roots[-1] and not found:
                raise
        else:
            told = root is Sweep or len(roots) > 1
            found.append((_head(path, end, _ROOTS[root] if told else ""), end))
    return found


def _head(path: str, found: Found, told: str = "") -> str:
    """A path, and what it is of where that is not plain."""
    cls = None if found.field else record(found.kinds)
    told = getattr(cls, "kind", "") or told
    return f"{path} ({told})" if told else path


def _walk(
    found: Found, names: Sequence[str], before: str = "", root: type = Experiment
) -> Found:
    """Follow the rest of a path."""
    for name in names:
        inner = _child(found.kinds, name)
        if inner is None:
            raise _unknown(name, found.kinds, before, root)
        if inner.field is None and record(inner.kinds) is None and found.field:
            # An entry of a mapping or list: it means what the whole says.
            wanted = " or ".join(map(phrase, inner.kinds))
            entry = dataclasses.replace(found.field, type=wanted, default=None)
            inner = Found(inner.kinds, entry)
        found, before = inner, f"{before}.{name}".lstrip(".")
    return found


def _child(kinds: Kinds, name: str) -> Found | None:
    """What stands at a name: a field, a component, an element, or one in a block."""
    if is_list(kinds):
        if name.isdecimal():
            return Found(step(kinds, 0))
        kinds = (*kinds, *step(kinds, 0))
    fields = dict(_fields_of(kinds))
    if name in fields:
        return Found(members(fields[name].annotation), fields[name])
    # Elements of a list are numbered: dense1 is a dense.
    for kind in (name, name.rstrip("0123456789")):
        if kind in named(kinds):
            return Found((named(kinds)[kind],))
    for field in fields.values():
        block = members(field.annotation)
        if is_list(block) and (inner := _child(block, name)):
            return inner
    values = step(kinds, name)
    return Found(values) if values else None


def _fields_of(kinds: Kinds) -> Iterator[tuple[str, FieldDoc]]:
    for kind in kinds:
        if is_record(kind):
            yield from ((field.name, field) for field in describe(kind)[1])


def _unknown(
    name: str, kinds: Kinds, before: str = "", root: type = Experiment
) -> Error:
    """Of no file where nothing stands before it, else of files of one kind."""
    inner = step(kinds, 0) if is_list(kinds) else kinds
    known = [*dict(_fields_of(inner)), *named(inner)]
    if not before:
        every = (holder for one in _ROOTS for holder in holders(None, (one,)))
        own = (holder.keys for holder in every if holder.rank != FAMILY)
        known += dict.fromkeys(key for keys in own for key in keys)
        components = list(_components())
        deeper = (dict(_fields_of((cls,))) for _, cls in components)
        known += [*_ABOVE, *(own for own, _ in components)]
        known += dict.fromkeys(key for keys in deeper for key in keys)
    roots = (root,) if before else tuple(_ROOTS)
    found = (belongs(list(holders(None, (one,))), name) for one in roots)
    fix: str | None = next(filter(None, found), None) or suggest(name, known)
    if fix is None and known:
        fix = f"known here: {joined(known, 20)}"
    message = f'unknown key "{name}"' + (f" in {before}" if before else "")
    return Error("usage-unknown-key", message, fix=fix)
