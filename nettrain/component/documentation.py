"""What docstrings and annotations say of a component and its settings."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from dataclasses import dataclass
from typing import Any

from nettrain.component.family import field_types, key_of, required
from nettrain.component.to_plain import dump
from nettrain.component.words import phrase


@dataclass(frozen=True)
class FieldDoc:
    """One setting of a component, for `list`, `explain` and the schema."""

    name: str
    type: str
    default: Any
    """The plain default, or `dataclasses.MISSING` where the field is required."""
    meaning: str
    annotation: Any


_FIELD = re.compile(r"^(\w+): (.*)$")


@functools.cache
def describe(cls: type) -> tuple[str, tuple[FieldDoc, ...]]:
    """Summary and fields of a component, read from its docstring's `Attributes:` list.

    What a base class says of its fields holds for its family.
    """
    body = (inspect.getdoc(cls) or "").partition("Attributes:\n")[0]
    meanings: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        meanings |= _meanings(inspect.cleandoc(base.__doc__ or ""))
    defaults = {key_of(field): _default(field) for field in dataclasses.fields(cls)}
    docs = tuple(
        FieldDoc(
            name, phrase(annotation), defaults[name], meanings.get(name, ""), annotation
        )
        for name, annotation in field_types(cls).items()
    )
    return body.strip(), docs


def _meanings(text: str) -> dict[str, str]:
    """What a docstring's `Attributes:` list says of each field."""
    meanings: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:\n")[2].splitlines():
        if line and not line.startswith(" "):
            break
        match = _FIELD.match(line.strip()) if line.startswith("    ") else None
        if match and not line.startswith("     "):
            name = match[1]
            meanings[name] = match[2]
        elif name and line.strip():
            meanings[name] += " " + line.strip()
    return meanings


def _default(field: dataclasses.Field[Any]) -> Any:
    if required(field):
        return dataclasses.MISSING
    if field.default_factory is not dataclasses.MISSING:
        return dump(field.default_factory())
    return dump(field.default)
