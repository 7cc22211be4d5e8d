"""Words for messages: plain values, paths, annotations and what was perhaps meant."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Range
from nettrain.component.family import Component
from nettrain.component.problem import Path


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
