"""Families of components, and who is registered in them under which name."""

from __future__ import annotations

import dataclasses
import functools
import keyword
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

from nettrain.component.problem import Problem
from nettrain.errors import raise_all

C = TypeVar("C")


class Component:
    """Base of everything that a config calls by name. Fields convert their values."""

    kind: ClassVar[str] = "component"
    """What a person calls this family, such as `layer`."""
    registered_name: ClassVar[str] = ""

    short: ClassVar[dict[str, Any]] = {"type": ["string", "number"]}
    """The JSON Schema of the family's own short form, where it has one."""

    @classmethod
    def shorthand(cls, value: object) -> Component | None:
        """A family's own short form (a number, a file name), or None without one."""
        return None

    def __post_init__(self) -> None:
        # Families hold each other through `build`, which has to know this class.
        from nettrain.component.from_plain import build

        problems: list[Problem] = []
        cls: type = type(self)
        for name, annotation in field_types(cls).items():
            own = attribute(name)
            value = build(annotation, getattr(self, own), (name,), problems)
            object.__setattr__(self, own, value)
        if not problems:
            problems = [Problem("config-value", (), m) for m in self.check()]
        raise_all([problem.error() for problem in problems])

    def check(self) -> Iterator[str]:
        """Yield a sentence for each rule that several fields break together."""
        return iter(())


_REGISTRY: dict[str, list[type[Component]]] = {}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def register(name: str) -> Callable[[type[C]], type[C]]:
    """Class decorator: make a frozen dataclass of a component and give it its name."""

    def decorate(cls: type[C]) -> type[C]:
        made: Any = dataclass(frozen=True)(cls)
        made.registered_name = name
        _REGISTRY.setdefault(name, []).append(made)
        _registered.cache_clear()
        return typing.cast(type[C], made)

    return decorate


def forget(name: str) -> None:
    """Take a name back, in all families: that of a plugin which has been tried out."""
    _REGISTRY.pop(name, None)
    _registered.cache_clear()


def registered(base: type[C]) -> dict[str, type[C]]:
    """Every registered component of a family, by name in alphabetical order."""
    return dict(_registered(typing.cast(type, base)))


@functools.cache
def _registered(base: type) -> dict[str, Any]:
    return {
        name: cls
        for name, classes in sorted(_REGISTRY.items())
        for cls in classes
        if issubclass(cls, base)
    }


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """The annotation of each field of a dataclass, `Annotated` kept.

    Keyword-only fields, which a base class gives to its whole family, come last.
    The names are those that a config has; see `attribute`.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    ordered = sorted(dataclasses.fields(cls), key=lambda field: field.kw_only is True)
    return {key_of(field): hints[field.name] for field in ordered}


def key_of(field: dataclasses.Field[Any]) -> str:
    """What a config calls a field: a word of Python, such as `from`, without its _."""
    return field.name.rstrip("_")


def attribute(key: str) -> str:
    """What Python calls the field: `from_`, as `from` is a word of its own."""
    return f"{key}_" if keyword.iskeyword(key) else key


def first_field(cls: type) -> str | None:
    """The field that the short form `name: value` sets, or None where there is none."""
    own = (key_of(field) for field in dataclasses.fields(cls) if not field.kw_only)
    return next(own, None)


def required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    return field.default is dataclasses.MISSING and (
        field.default_factory is dataclasses.MISSING
    )
