"""JSON Schema of a dataclass, for editors.

What may stand at a place is a list of forms, each for values of one kind, mappings
first. Editors say of several forms what is wrong with the one that fits best, and
with the first where none fits; so the first says what is expected in the words of the
loader. A mapping's rules stand behind `if`, so that only mappings are judged by them.

`errorMessage`, `enumDescriptions`, `defaultSnippets` and `doNotSuggest` are words of
editors (VS Code's and those with YAML's language server), which validators pass over.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Pattern, Range
from nettrain.component.documentation import FieldDoc, describe
from nettrain.component.family import Component, first_field, registered
from nettrain.component.words import phrase, show

Schema = dict[str, Any]

_SCALARS = {
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
    type(None): "null",
}

_MOST = 24
"""Names of components that a message lists."""
_UNTITLED = {"title": ""}
"""Forms that have no title at all are taken for one, and told with bars between."""


def json_schema(root: type, *, above: Iterable[str] = ()) -> Schema:
    """A JSON Schema (draft 2020-12) of a dataclass and every component it can hold.

    Args:
        above: keys, such as `extends`, by which a file takes the rest from elsewhere:
            where one of them stands, mappings may lack what is required. Lists, which
            are never laid over others, may not.
    """
    writer = _Writer()
    schema = writer.record(root, whole=not above)
    if above:
        alone = {"properties": dict.fromkeys(above, False)}
        schema |= {"if": alone, "then": writer.needs(root)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "description": _summary(root),
        **schema,
        "$defs": {
            key: rule for key, rule in sorted(writer.definitions.items()) if rule
        },
    }


# ---------------------------------------------------------------- what an annotation is


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, and of unions in it, each with its marks."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(k for m in typing.get_args(annotation) for k in _members(m))
    return (annotation,)


def _is_family(kind: Any) -> bool:
    """Whether any component of a family may stand here, by its name."""
    component = isinstance(kind, type) and issubclass(kind, Component)
    return component and not kind.registered_name


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) and not hasattr(kind, "from_config")


def _fields(cls: type) -> dict[str, FieldDoc]:
    return {field.name: field for field in describe(cls)[1]}


def _required(cls: type) -> list[str]:
    fields = describe(cls)[1]
    return [field.name for field in fields if field.default is dataclasses.MISSING]


def _summary(cls: type) -> str:
    return describe(cls)[0].split("\n\n")[0]


# ---------------------------------------------------------------- what is written


class _Writer:
    """Writes the schemas of annotations, and each family's definition once.

    `whole`, wherever it stands, says that a mapping must have its required keys.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def record(self, cls: type, whole: bool) -> Schema:
        """What holds of a mapping that has the fields of a dataclass."""
        fields = _fields(cls).items()
        needed = _required(cls) if whole else []
        return {
            "properties": {name: self.field(field, whole) for name, field in fields},
            "additionalProperties": False,
            **({"required": needed} if needed else {}),
        }

    def field(self, field: FieldDoc, whole: bool) -> Schema:
        """What may stand at a field; its type and default are told in words, too."""
        default = field.default
        given = default is not dataclasses.MISSING
        told = f"{field.type}; default {show(default)}" if given else field.type
        told = f"{told[:1].upper()}{told[1:]}."
        schema = {
            **self.place(field.annotation, whole),
            "description": f"{field.meaning}\n\n{told}" if field.meaning else told,
        }
        # An editor would insert null, [] or a whole optimizer as they stand.
        if given and isinstance(default, (bool, int, float, str)):
            schema["default"] = default
        return schema

    def place(self, annotation: Any, whole: bool) -> Schema:
        """What may stand where an annotation holds."""
        forms = list(self.forms(annotation, whole))
        forms.sort(key=lambda form: form.get("type") != "object")
        message = f"expected {phrase(annotation)}{_known(annotation)}"
        first, *rest = forms
        rules = first.get("then", {})
        if "properties" in rules and any(form.get("type") == "array" for form in rest):
            # Of a key that belongs in a list's member.
            first["then"] = {**rules, "errorMessage": message}
        return _either(forms, message)

    def forms(self, annotation: Any, whole: bool) -> Iterator[Schema]:
        """The forms of what an annotation allows, each for values of one kind."""
        for member in _members(annotation):
            yield from self.form(member, whole)

    def form(self, kind: Any, whole: bool) -> Iterator[Schema]:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            for form in self.forms(arguments[0], whole):
                yield from _marked(form, arguments[1:])
        elif origin is Literal:
            yield {"enum": list(arguments)}
        elif origin in (list, tuple):
            yield {"type": "array", "items": self.place(arguments[0], True)}
        elif origin is dict:
            inner = self.place(arguments[1], whole)
            yield {"type": "object", "additionalProperties": inner}
        elif kind in _SCALARS:
            yield {"type": _SCALARS[kind]}
        elif hasattr(kind, "from_config"):
            yield from _custom(kind)
        elif _is_family(kind):
            yield from self.family(kind, whole)
        elif _is_record(kind):
            yield _mapping(self.record(typing.cast(type, kind), whole))
        else:
            yield {}

    def family(self, base: type[Component], whole: bool) -> Iterator[Schema]:
        """A component with settings, by its name alone, or as its family has it."""
        key = base.__name__ if whole else f"{base.__name__}Part"
        if key not in self.definitions:
            self.definitions[key] = {}  # families hold each other
            self.definitions[key] = self.components(base, whole)
        mapping = _mapping({"$ref": f"#/$defs/{key}"})
        known = registered(base)
        names = {k: c for k, c in known.items() if not _required(c)}
        if not names:
            inline = [_snippet(name, cls, "{{{}}}") for name, cls in known.items()]
            self.definitions[f"{base.__name__}Inline"] = {"defaultSnippets": inline}
            mapping["allOf"] = [{"$ref": f"#/$defs/{base.__name__}Inline"}]
        yield mapping
        if names:
            key = f"{base.__name__}Name"
            told = [_summary(cls) for cls in names.values()]
            self.definitions[key] = {"enum": list(names), "enumDescriptions": told}
            yield {"$ref": f"#/$defs/{key}"}
        if base.shorthand.__func__ is not Component.shorthand.__func__:  # type: ignore[attr-defined]
            yield dict(base.short)

    def components(self, base: type[Component], whole: bool) -> Schema:
        """A mapping of one component's name to its settings."""
        known = registered(base)
        return {
            "properties": {k: self.component(cls, whole) for k, cls in known.items()},
            "additionalProperties": False,
            "errorMessage": f"unknown {base.kind}{_listed(base)}",
            "minProperties": 1,
            "maxProperties": 1,
            "defaultSnippets": [_snippet(name, cls) for name, cls in known.items()],
        }

    def component(self, cls: type[Component], whole: bool) -> Schema:
        """What may stand behind a component's name: settings, or its first one."""
        first = first_field(cls)
        settings = _mapping(self.record(cls, whole))
        forms = [{**settings, "title": cls.registered_name}]
        wanted = "a mapping of settings"
        if first and {first, *_required(cls)} == {first}:
            annotation = _fields(cls)[first].annotation
            # A mapping always has the settings.
            short = self.forms(annotation, whole)
            forms += [form for form in short if form.get("type") != "object"]
            wanted = (
                f"{phrase(annotation)}, its {first}, or {wanted}{_known(annotation)}"
            )
        if not _required(cls):
            # As `relu:` says, and `relu: true` where nothing can be set.
            forms.append({"type": "null"} if first else {"enum": [None, True]})
        either = _either(forms, f"{cls.registered_name}: expected {wanted}")
        return {**either, "description": _summary(cls), "doNotSuggest": True}

    def needs(self, annotation: Any) -> Schema:
        """The keys that mappings must have, by themselves; empty if there are none."""
        for kind in _members(annotation):
            if typing.get_origin(kind) is dict:
                if rules := self.needs(typing.get_args(kind)[1]):
                    return {"additionalProperties": rules}
            elif _is_family(kind):
                return self.needs_of_family(kind)
            elif _is_record(kind):
                fields = _fields(kind).items()
                within = {name: self.needs(field.annotation) for name, field in fields}
                return _needs(within, _required(kind))
        return {}

    def needs_of_family(self, base: type[Component]) -> Schema:
        key = f"{base.__name__}Needs"
        if key not in self.definitions:
            self.definitions[key] = _UNTITLED  # families hold each other
            found = {name: self.needs(cls) for name, cls in registered(base).items()}
            self.definitions[key] = _needs(found, [])
        reference = {"allOf": [{"$ref": f"#/$defs/{key}"}]}
        return reference if self.definitions[key] else {}


def _needs(within: dict[str, Schema], required: list[str]) -> Schema:
    """What must stand in a mapping and in those in it; completed by other rules."""
    # Without properties of its own a rule is taken for a form; see `_UNTITLED`.
    rules = {"properties": {}, "doNotSuggest": True}
    found = {name: {**rules, **held} for name, held in within.items() if held}
    needed = {"required": required} if required else {}
    return needed | ({"properties": found} if found else {})


def _either(forms: list[Schema], message: str) -> Schema:
    """One of several forms; the first of them says what is expected."""
    first, *rest = forms
    if not rest:
        return first
    # Of a list of types, even of one, editors give the message as it is.
    kind = {"type": [first["type"]]} if isinstance(first.get("type"), str) else {}
    told: Schema = {**_UNTITLED, **first, **kind, "errorMessage": message}
    return {"anyOf": [told, *rest]}


def _mapping(rules: Schema) -> Schema:
    """A mapping, of which the rules hold; nothing else is judged by them."""
    return {"type": "object", "if": {"type": "object", **_UNTITLED}, "then": rules}


def _known(annotation: Any) -> str:
    """The components that may stand here, with a colon where they need settings."""
    families = [kind for kind in _members(annotation) if _is_family(kind)]
    return "".join(_listed(base, ": …") for base in families)


def _listed(base: type[Component], settings: str = "") -> str:
    """The names of a family, as far as an editor has room for them."""
    known = registered(base)
    if len(known) > _MOST:
        return f"; `nettrain list {base.kind}s` shows all, and what each needs"
    names = (k + settings if _required(cls) else k for k, cls in known.items())
    return f"; known: {', '.join(names)}"


def _snippet(name: str, cls: type, form: str = "{}") -> Schema:
    """A component to be completed, with what has to be set, or its first setting."""
    fields, first = _fields(cls), first_field(cls)
    keys = _required(cls) or ([first] if first else [])
    stops = [_stop(number, fields[key]) for number, key in enumerate(keys, 1)]
    settings = [f"{key}: {stop}" for key, stop in zip(keys, stops, strict=True)]
    text = f"{name}: {{{', '.join(settings)}}}" if keys else name
    listed = first and typing.get_origin(fields[first].annotation) in (list, tuple)
    if listed and keys == [first]:
        text = f"{name}: [{stops[0]}]"
    label = form.format(f"{name}: …" if keys else name)
    return {"label": label, "description": _summary(cls), "bodyText": form.format(text)}


def _stop(number: int, field: FieldDoc) -> str:
    """A place in a snippet where the cursor stops, with the default if there is one."""
    if isinstance(field.default, (bool, int, float)):
        return f"${{{number}:{json.dumps(field.default)}}}"
    return f"${number}"


def _custom(kind: Any) -> Iterator[Schema]:
    """What a type says of itself, or text."""
    own: Schema = {"type": "string"}
    if hasattr(kind, "json_schema"):
        own = kind.json_schema()
    for form in own.get("anyOf", [own]):
        message = f"expected {kind.wanted}"
        yield {**form, "errorMessage": message} if "pattern" in form else dict(form)


def _marked(form: Schema, marks: tuple[Any, ...]) -> Iterator[Schema]:
    """A form within bounds, or of a pattern, and what is known to fit that."""
    words = {
        "at_least": "minimum",
        "at_most": "maximum",
        "above": "exclusiveMinimum",
        "below": "exclusiveMaximum",
    }
    for mark in marks:
        if isinstance(mark, Pattern):
            yield {"enum": list(mark.known())}
            form |= {"pattern": mark.text, "errorMessage": f"expected {mark.wanted}"}
        elif isinstance(mark, Range):
            bounds = {word: getattr(mark, name) for name, word in words.items()}
            form |= {word: b for word, b in bounds.items() if math.isfinite(b)}
    yield form
