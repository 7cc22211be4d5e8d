"""Write a resolved config: every value with a comment that tells where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from nettrain.component import Path
from nettrain.config.scalars import scalar

_COMMENTS = 48
"""The last column where comments line up; longer lines have theirs after them."""
_FLOW = 60
"""The longest list that is written in one line."""
_KEY = 1000
"""Longer keys are written after `?`: YAML takes 1024 characters before a `:`."""
_BARE = re.compile(
    r"(?:[A-Za-z_/]|\.{1,2}/|[0-9.]+ (?=[A-Za-z%]))[\w./%+-]*(?: [\w./%+-]+)*", re.A
)
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Text that readers of YAML 1.1 take for something else."""
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}

SourceOf = Callable[[Path], str]


class _Line(NamedTuple):
    text: str
    comment: str


def write_resolved(value: Any, source_of: SourceOf) -> str:
    """YAML that reads back to exactly this value, deterministic, one leaf a line."""
    lines = _block(value, (), 0, source_of)
    column = min(_COMMENTS, max(len(line.text) for line in lines))
    return "".join(
        f"{line.text:<{column}}  # {line.comment}\n"
        if line.comment
        else f"{line.text}\n"
        for line in lines
    )


def _block(value: Any, path: Path, indent: int, source_of: SourceOf) -> list[_Line]:
    """The lines of a value that stands on lines of its own."""
    margin = " " * indent
    if isinstance(value, dict) and value:
        lines: list[_Line] = []
        for key, child in value.items():
            lead = f"{margin}{_text(key)}:"
            if len(lead) > _KEY:
                lines.append(_Line(f"{margin}? {_text(key)}", ""))
                lead = f"{margin}:"
            # The only key of a mapping may be a component's name: a choice, too.
            alone = len(value) == 1 and isinstance(child, dict)
            lines += _entry(lead, child, (*path, key), indent, source_of, alone)
        return lines
    if isinstance(value, (list, tuple)) and value:
        return [
            line
            for index, child in enumerate(value)
            for line in _entry(f"{margin}-", child, (*path, index), indent, source_of)
        ]
    return [_Line(margin + inline(value), _comment(source_of(path)))]


def _entry(
    lead: str,
    value: Any,
    path: Path,
    indent: int,
    source_of: SourceOf,
    alone: bool = False,
) -> list[_Line]:
    """The lines of a value after `key:` or `-`; a key alone is commented too."""
    flow = _flow(value, path, source_of)
    if flow is not None:
        return [_Line(f"{lead} {flow.text}", flow.comment)]
    body = _block(value, path, indent + 2, source_of)
    if not lead.endswith("-"):
        return [_Line(lead, _comment(source_of(path)) if alone else ""), *body]
    first = _Line(f"{lead} {body[0].text[indent + 2 :]}", body[0].comment)
    return [first, *body[1:]]


def _flow(value: Any, path: Path, source_of: SourceOf) -> _Line | None:
    """A leaf, or a short list of leaves that come from one place, in one line."""
    if not isinstance(value, (dict, list, tuple)) or not value:
        return _Line(inline(value), _comment(source_of(path)))
    if isinstance(value, dict) or any(
        isinstance(item, (dict, list, tuple)) for item in value
    ):
        return None
    text = inline(value)
    sources = {source_of((*path, index)) for index in range(len(value))}
    if len(text) > _FLOW or len(sources) > 1:
        return None
    return _Line(text, _comment(sources.pop()))


def _comment(source: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in source)


def inline(value: Any, quoted: bool = False) -> str:
    """YAML in one line that reads back to exactly this value.

    Args:
        value: to be written.
        quoted: whether all text has quotes around it, as in JSON.
    """
    if isinstance(value, dict):
        pairs = (
            (_text(key, quoted), inline(child, quoted)) for key, child in value.items()
        )
        written = (
            f"{key}: {child}" if len(key) < _KEY else f"? {key} : {child}"
            for key, child in pairs
        )
        return "{" + ", ".join(written) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(child, quoted) for child in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _text(value, quoted)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"a config holds no {type(value).__name__}")


def _float(value: float) -> str:
    """The shortest text that reads back exactly, also as YAML 1.1: `1.0e-05`."""
    text = repr(float(value))
    if text in ("inf", "-inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    mantissa, mark, exponent = text.partition("e")
    return text if "." in mantissa or not mark else f"{mantissa}.0e{exponent}"


def _text(value: str, quoted: bool = False) -> str:
    """Text as it is where no reader takes it for anything else, in quotes otherwise."""
    plain = not quoted and _BARE.fullmatch(value) and value.lower() not in _WORDS
    if plain and isinstance(scalar(value), str):
        return value
    return '"' + "".join(_escaped(c) for c in value) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
