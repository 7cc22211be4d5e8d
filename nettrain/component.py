"""Components: a registered name stands for a dataclass, whose fields are its settings.

A base class (`Layer`, `Optimizer`, …) derives from `Component`; a class registered
under a name may stand wherever its base is asked for, and is written in one of three
ways:

    relu                                 the name alone
    dense: 64                            the name and its first field
    dense: {units: 64, activation: relu} the name and its fields

`build` turns plain values (what YAML gives) into instances by the annotations of the
fields, and gathers every problem with its path instead of stopping at the first. The
same annotations give the resolved config (`dump`), the JSON Schema (`json_schema`) and,
with the docstrings, the documentation (`describe`). Constructors called from Python
convert their arguments in the same way, so `Dense(64, activation="relu")` and the YAML
mean the same.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, dataclass_transform

from nettrain.errors import Error, raise_all

Path = tuple[str | int, ...]
C = TypeVar("C")


@dataclass(frozen=True)
class Range:
    """Bounds of a number, for `Annotated[float, Range(above=0)]`."""

    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def __contains__(self, value: float) -> bool:
        return (
            self.at_least <= value <= self.at_most
        ) and self.above < value < self.below

    def __str__(self) -> str:
        bounds = [
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        ]
        return " and ".join(f"{word} {b:g}" for word, b in bounds if math.isfinite(b))


Positive = Annotated[float, Range(above=0)]
NonNegative = Annotated[float, Range(at_least=0)]
Share = Annotated[float, Range(at_least=0, at_most=1)]
Count = Annotated[int, Range(at_least=1)]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one plain value, and where it stands in the whole."""

    code: str
    path: Path
    message: str
    fix: str | None = None
    at_key: bool = False
    """Whether the key is at fault rather than its value."""

    def error(self) -> Error:
        where = ".".join(str(part) for part in self.path)
        message = f"{where}: {self.message}" if where else self.message
        return Error(self.code, message, fix=self.fix)


class _Invalid:
    """Stands for a value that could not be built; its problem has been noted."""


INVALID = _Invalid()


class Component:
    """Base of everything that a config calls by name. Fields convert their values."""

    kind: ClassVar[str] = "component"
    """What a person calls this family, such as `layer`."""
    registered_name: ClassVar[str] = ""

    @classmethod
    def shorthand(cls, value: object) -> Component | None:
        """A family's own short form (a number, a file name), or None without one."""
        return None

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        cls: type = type(self)
        for name, annotation in field_types(cls).items():
            value = build(annotation, getattr(self, name), (name,), problems)
            object.__setattr__(self, name, value)
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
        return typing.cast(type[C], made)

    return decorate


def registered(base: type[C]) -> dict[str, type[C]]:
    """Every registered component of a family, by name in alphabetical order."""
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
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    ordered = sorted(dataclasses.fields(cls), key=lambda field: field.kw_only is True)
    return {field.name: hints[field.name] for field in ordered}


def first_field(cls: type) -> str | None:
    """The field that the short form `name: value` sets, or None where there is none."""
    own = (field.name for field in dataclasses.fields(cls) if not field.kw_only)
    return next(own, None)


# -------------------------------------------------------------- plain value -> instance


def build(annotation: Any, value: Any, path: Path, problems: list[Problem]) -> Any:
    """The value as the annotation wants it, or `INVALID` and its problems appended."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _build_bounded(annotation, value, path, problems)
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(annotation), value, path, problems)
    if origin is Literal:
        return _build_literal(typing.get_args(annotation), value, path, problems)
    if origin in (list, tuple):
        return _build_sequence(origin, annotation, value, path, problems)
    if origin is dict:
        return _build_dict(annotation, value, path, problems)
    if annotation is Any:
        return value
    if hasattr(annotation, "from_config"):
        return _build_custom(annotation, value, path, problems)
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return _build_component(annotation, value, path, problems)
    if dataclasses.is_dataclass(annotation):
        return build_fields(typing.cast(type, annotation), value, path, problems)
    return _build_scalar(annotation, value, path, problems)


def _wrong(
    path: Path, problems: list[Problem], message: str, fix: str | None = None
) -> Any:
    problems.append(Problem("config-type", path, message, fix))
    return INVALID


def _build_scalar(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is float and number:
        if not abs(value) <= sys.float_info.max:
            return _wrong(path, problems, f"expected a finite number, got {value}")
        return float(value)
    if annotation is int and number and isinstance(value, int):
        return value
    if annotation in (bool, str) and isinstance(value, annotation):
        return value
    if annotation is type(None) and value is None:
        return None
    return _wrong(path, problems, f"expected {phrase(annotation)}, got {show(value)}")


def _build_bounded(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    inner, *marks = typing.get_args(annotation)
    built = build(inner, value, path, problems)
    for mark in marks:
        bad = (
            isinstance(mark, Range)
            and isinstance(built, (int, float))
            and built not in mark
        )
        if bad:
            message = f"expected {phrase(inner)} {mark}, got {show(value)}"
            problems.append(Problem("config-range", path, message))
            return INVALID
    return built


def _build_literal(
    choices: tuple[Any, ...], value: Any, path: Path, problems: list[Problem]
) -> Any:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return value
    names = ", ".join(show(choice) for choice in choices)
    return _wrong(
        path,
        problems,
        f"expected one of {names}, got {show(value)}",
        suggest(value, choices),
    )


def _build_union(
    members: tuple[Any, ...], value: Any, path: Path, problems: list[Problem]
) -> Any:
    attempts: list[list[Problem]] = []
    for member in members:
        found: list[Problem] = []
        built = build(member, value, path, found)
        if not found:
            return built
        attempts.append(found)
    # A deeper problem, or another kind than a wrong type, shows which member was meant.
    for found in attempts:
        if any(p.path != path or p.code != "config-type" for p in found):
            problems.extend(found)
            return INVALID
    wanted = " or ".join(phrase(member) for member in members)
    fix = next((p.fix for found in attempts for p in found if p.fix), None)
    return _wrong(path, problems, f"expected {wanted}, got {show(value)}", fix)


def _build_sequence(
    origin: Any, annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    member = typing.get_args(annotation)[0]
    if not isinstance(value, (list, tuple)):
        return _wrong(
            path,
            problems,
            f"expected a list of {phrase(member)}, got {show(value)}",
            f"write it in brackets: [{show(value)}]",
        )
    return tuple(build(member, v, (*path, i), problems) for i, v in enumerate(value))


def _build_dict(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    keys, member = typing.get_args(annotation)
    if not isinstance(value, Mapping):
        return _wrong(path, problems, f"expected a mapping, got {show(value)}")
    return {
        build(keys, key, (*path, key), problems): build(
            member, v, (*path, key), problems
        )
        for key, v in value.items()
    }


def _build_custom(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    try:
        return annotation.from_config(value)
    except ValueError as error:
        return _wrong(path, problems, f"{error}, got {show(value)}")


def _build_component(
    base: type[Component], value: Any, path: Path, problems: list[Problem]
) -> Any:
    if isinstance(value, base):
        return value
    if base.registered_name:
        return build_fields(base, value, path, problems)
    try:
        short = base.shorthand(value)
    except Error as error:
        return _wrong(path, problems, error.message, error.fix)
    if short is not None:
        return short
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, given),) = value.items()
    elif isinstance(value, str):
        name, given = value, {}
    else:
        return _wrong(
            path, problems, f"expected {phrase(base)}, got {show(value)}", _one_of(base)
        )
    cls = registered(base).get(name)
    if cls is None:
        problems.append(
            Problem(
                "config-unknown-component",
                path if isinstance(value, str) else (*path, name),
                f"unknown {base.kind} {show(name)}",
                suggest(name, registered(base)) or _one_of(base),
                at_key=not isinstance(value, str),
            )
        )
        return INVALID
    inner = path if isinstance(value, str) else (*path, name)
    return _build_named(cls, given, inner, problems)


def _build_named(
    cls: type[Component], given: Any, path: Path, problems: list[Problem]
) -> Any:
    """A component whose name is known, from its fields or its first field alone."""
    first = first_field(cls)
    if isinstance(given, Mapping):
        return build_fields(cls, given, path, problems)
    if given is None or (given is True and not first):
        return build_fields(cls, {}, path, problems)
    if not first:
        return _wrong(path, problems, f"{show(cls.registered_name)} takes no value")
    found: list[Problem] = []
    built = build_fields(cls, {first: given}, path, found)
    # The short form has no key of its own: its value stands where the component stands.
    problems.extend(
        dataclasses.replace(p, path=(*path, *p.path[len(path) + 1 :]))
        if p.path[: len(path) + 1] == (*path, first)
        else p
        for p in found
    )
    return built


def build_fields(
    cls: type, value: Any, path: Path = (), problems: list[Problem] | None = None
) -> Any:
    """A dataclass from a mapping of its fields; raises without a list for problems."""
    found: list[Problem] = []
    made = _fields(cls, value, path, found)
    if problems is None:
        raise_all([problem.error() for problem in found])
    else:
        problems.extend(found)
    return made


def _fields(cls: type, value: Any, path: Path, problems: list[Problem]) -> Any:
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        return _wrong(
            path, problems, f"expected a mapping of settings, got {show(value)}"
        )
    annotations = field_types(cls)
    before = len(problems)
    for key in value:
        if key not in annotations:
            message = f"unknown key {show(key)}" + (
                f" in {dotted(path)}" if path else ""
            )
            problems.append(
                Problem(
                    "config-unknown-key",
                    (*path, key),
                    message,
                    suggest(key, annotations),
                    at_key=True,
                )
            )
    built = {
        name: build(annotation, value[name], (*path, name), problems)
        for name, annotation in annotations.items()
        if name in value
    }
    for field in dataclasses.fields(cls):
        if field.name not in value and required(field):
            problems.append(
                Problem(
                    "config-missing-key",
                    path,
                    f"missing key {show(field.name)}"
                    + (f" in {dotted(path)}" if path else ""),
                    f"add {field.name}: {phrase(annotations[field.name])}",
                )
            )
    if len(problems) > before:
        return INVALID
    try:
        return cls(**built)
    except Error as error:
        for each in getattr(error, "errors", (error,)):
            problems.append(Problem(each.code, path, each.message, each.fix))
        return INVALID


def required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    return field.default is dataclasses.MISSING and (
        field.default_factory is dataclasses.MISSING
    )


# ---------------------------------------------------------------- words for messages


def show(value: Any) -> str:
    """A plain value as a message quotes it, cut to a readable length."""
    if isinstance(value, str):
        text = f'"{value}"'
    elif value is None or isinstance(value, bool):
        text = {None: "nothing", True: "true", False: "false"}[value]
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(v) for v in value) + "]"
    elif isinstance(value, Component):
        text = value.registered_name
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def suggest(name: object, known: Any) -> str | None:
    """`did you mean "…"?` where something known is spelt nearly the same."""
    names = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None


def _one_of(base: type[Component]) -> str:
    return "known: " + ", ".join(registered(base))


def phrase(annotation: Any) -> str:
    """An annotation in a person's words: `a number above 0`, `a layer`."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        inner, *marks = typing.get_args(annotation)
        ranges = " ".join(str(mark) for mark in marks if isinstance(mark, Range))
        return f"{phrase(inner)} {ranges}".strip()
    if origin in (typing.Union, types.UnionType):
        return " or ".join(phrase(member) for member in typing.get_args(annotation))
    if origin is Literal:
        return " or ".join(show(choice) for choice in typing.get_args(annotation))
    if origin in (list, tuple):
        return f"a list of {phrase(typing.get_args(annotation)[0])}"
    words = {
        int: "an integer",
        float: "a number",
        bool: "true or false",
        str: "text",
        type(None): "nothing",
        Any: "anything",
    }
    if annotation in words:
        return words[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Component):
        article = "an" if annotation.kind[0] in "aeiou" else "a"
        return f"{article} {annotation.kind}"
    if hasattr(annotation, "wanted"):
        return str(annotation.wanted)
    return "a mapping"


# -------------------------------------------------------------- instance -> plain value


def dump(value: Any) -> Any:
    """The plain value that builds this one again, every default spelt out."""
    if hasattr(value, "to_config"):
        return value.to_config()
    if isinstance(value, Component):
        cls: type = type(value)
        fields = {name: dump(getattr(value, name)) for name in field_types(cls)}
        return {value.registered_name: fields} if fields else value.registered_name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: dump(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [dump(member) for member in value]
    return value


# ---------------------------------------------------------------- documentation


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
    defaults = {field.name: _default(field) for field in dataclasses.fields(cls)}
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
        return {"type": ["string", "number"]}
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return _schema_of_family(annotation, definitions)
    if dataclasses.is_dataclass(annotation):
        return _schema_of_fields(typing.cast(type, annotation), definitions)
    return {}


def _bounds(marks: tuple[Any, ...]) -> dict[str, float]:
    words = {
        "at_least": "minimum",
        "at_most": "maximum",
        "above": "exclusiveMinimum",
        "below": "exclusiveMaximum",
    }
    return {
        word: getattr(mark, name)
        for mark in marks
        if isinstance(mark, Range)
        for name, word in words.items()
        if math.isfinite(getattr(mark, name))
    }


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
            if not fields.get("required"):
                names.append(name)
            first = [fields["properties"][f] for f in (first_field(cls),) if f]
            forms.append(
                {
                    "type": "object",
                    "properties": {name: {"anyOf": [fields, *first]}},
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        if base.shorthand.__func__ is not Component.shorthand.__func__:  # type: ignore[attr-defined]
            forms.append({"type": ["string", "number"]})
        definitions[key] = {"anyOf": forms}
    return {"$ref": f"#/$defs/{key}"}
