"""Instance -> plain value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nettrain.component.family import Component, attribute, field_types, key_of


def dump(value: Any) -> Any:
    """The plain value that builds this one again, every default spelt out."""
    if hasattr(value, "to_config"):
        return value.to_config()
    if isinstance(value, Component):
        cls: type = type(value)
        names = field_types(cls)
        fields = {name: dump(getattr(value, attribute(name))) for name in names}
        return {value.registered_name: fields} if fields else value.registered_name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            key_of(f): dump(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: dump(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [dump(member) for member in value]
    return value
