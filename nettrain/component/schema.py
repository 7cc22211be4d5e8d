"""JSON Schema of a dataclass, for editors."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Pattern, Range
from nettrain.component.documentation import describe
from nettrain.component.family import Component, first_field, registered


def json_schema(root: type) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of a dataclass and every component it can hold."""
    definitions: dict[str, Any] = {}
    schema = _schema_of_fields(root, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema_of_fields(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    summary, fields = describe(cls)
    properties = {}
    for field in fields:
        property_ = _schema(field.annotation, definitions)
        if field.meaning:
            property_ = {**property_, "description": field.meaning}
        if field.default is not dataclasses.MISSING:
            property_ = {**property_, "default": field.default}
        properties[field.name] = property_
    wanted = [f.name for f in fields if f.default is dataclasses.MISSING]
    return {
        "type": "object",
        "description": summary.split("\n\n")[0],
        "properties": properties,
        "additionalProperties": False,
        **({"required": wanted} if wanted else {}),
    }


def _schema(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        return {**_schema(arguments[0], definitions), **_bounds(arguments[1:])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(member, definitions) for member in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        member = _schema(arguments[1], definitions)
        return {"type": "object", "additionalProperties": member}
    scalars = {
        int: "integer",
        float: "number",
        bool: "boolean",
        str: "string",
        type(None): "null",
    }
    if annotation in scalars:
        return {"type": scalars[annotation]}
    if hasattr(annotation, "json_schema"):
        return dict(annotation.json_schema())
    if hasattr(annotation, "from_config"):
        text = isinstance(annotation, type) and issubclass(annotation, str)
        return {"type": "string" if text else ["string", "number"]}
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return _schema_of_family(annotation, definitions)
    if dataclasses.is_dataclass(annotation):
        return _schema_of_fields(typing.cast(type, annotation), definitions)
    return {}


def _bounds(marks: tuple[Any, ...]) -> dict[str, Any]:
    words = {
        "at_least": "minimum",
        "at_most": "maximum",
        "above": "exclusiveMinimum",
        "below": "exclusiveMaximum",
    }
    found: dict[str, Any] = {}
    for mark in marks:
        if isinstance(mark, Pattern):
            found["pattern"] = mark.text
        elif isinstance(mark, Range):
            bounds = {word: getattr(mark, name) for name, word in words.items()}
            found |= {word: b for word, b in bounds.items() if math.isfinite(b)}
    return found


def _schema_of_family(
    base: type[Component], definitions: dict[str, Any]
) -> dict[str, Any]:
    """A reference to the family's definition, made once: families hold each other."""
    key = base.__name__
    if key not in definitions:
        definitions[key] = {}
        names: list[str] = []
        forms: list[dict[str, Any]] = [{"enum": names}]
        for name, cls in registered(base).items():
            fields = _schema_of_fields(cls, definitions)
            first = first_field(cls)
            ways = [fields, fields["properties"][first]] if first else [fields]
            if not fields.get("required"):
                names.append(name)
                # As `relu:` says, and `relu: true` where nothing can be set.
                ways.append({"enum": [None] if first else [None, True]})
            forms.append(
                {
                    "type": "object",
                    "properties": {name: {"anyOf": ways}},
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        if base.shorthand.__func__ is not Component.shorthand.__func__:  # type: ignore[attr-defined]
            forms.append(dict(base.short))
        definitions[key] = {"anyOf": forms}
    return {"$ref": f"#/$defs/{key}"}
