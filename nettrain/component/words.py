"""Words for messages: plain values, paths, annotations and what was perhaps meant."""

from __future__ import annotations

import difflib
import math
import re
import types
import typing
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Range
from nettrain.component.family import Component
from nettrain.component.problem import Fix, Instead

LONGEST = 60
"""Characters of a value that a message quotes."""


def show(value: Any) -> str:
    """A plain value as a message quotes it, cut to a readable length."""
    if isinstance(value, str):
        text = escaped(value[:LONGEST])
        cut = len(value) > LONGEST or len(text) > LONGEST - 2
        return f'"{text[: LONGEST - 3]}…"' if cut else f'"{text}"'
    if value is None or isinstance(value, bool):
        text = {None: "nothing", True: "true", False: "false"}[value]
    elif isinstance(value, Mapping):
        text = ", ".join(f"{escaped(k)}: {show(v)}" for k, v in _first(value.items()))
        text = "{" + text + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(v) for v in _first(value)) + "]"
    elif isinstance(value, Component):
        text = value.registered_name
    else:
        text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "…"


def _first(values: Iterable[Any]) -> Iterable[Any]:
    """So many as a message may have room for: each takes a character or more."""
    return islice(values, LONGEST)


def escaped(text: str) -> str:
    """The text in one line, without what would change how a terminal looks."""
    return "".join(c if c.isprintable() else _escape(c) for c in str(text))


def _escape(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t"}.get(character) or f"\\u{ord(character):04X}"


def closest(name: object, known: Iterable[object]) -> str | None:
    """What is spelt nearly the same, begins the same, or has these initials, if any.

    Case does not count: `ReLU` is close to `relu`, and `lr` to `learning_rate`; nor do
    letters of another script that look the same.
    """
    return next(map(str, _near(name, known)), None)


def _near(name: object, known: Iterable[object]) -> list[Any]:
    """What was perhaps meant, of the known; one alone where nothing else can be."""
    word = _plain(str(name)[:LONGEST])
    names: dict[str, Any] = {str(k).lower(): k for k in known}
    same = [k for n, k in names.items() if _letters(n) == _letters(word)]
    if same and word:
        return same
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.65)
    # Letters that changed places are the likeliest mistake.
    close = [n for n in close if sorted(n) == sorted(word)] or close
    if not close and len(word) > 1:
        close = [n for n in names if _initials(n) == word]
    if not close and len(word) > 2:
        close = [n for n in names if n.startswith(word) or word.startswith(n)]
    return [names[n] for n in close]


def _letters(name: str) -> str:
    return re.sub(r"[-_ ]", "", name)


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def suggest(name: object, known: Iterable[object]) -> Fix | None:
    """`did you mean "…"?` where something known is close to it."""
    close = _near(name, known)
    if not close:
        return None
    odd = next((c for c in str(name) if not c.isascii()), None)
    hint = f" {_named(odd)} only looks like it" if odd else ""
    edit = Instead(close[0]) if len(close) == 1 else None
    return Fix(f"did you mean {show(str(close[0]))}?{hint}", edit)


_LOOK_ALIKES = str.maketrans("асԁеһіјкӏомпорԛѕтухԝαοντρι", "acdehijklomnopqstyxwaovtpi")
"""Cyrillic and Greek letters, and the Latin ones that they look like."""


def _plain(text: str) -> str:
    """A word in small Latin letters, as far as it looks like one."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_LOOK_ALIKES)


def _named(character: str) -> str:
    shown = f'"{character}" ' if character.isprintable() else ""
    return f"{shown}(U+{ord(character):04X})" if shown else f"U+{ord(character):04X}"


def listed(names: Iterable[object], most: int = 16) -> str:
    """Names in a row, the first few of them."""
    shown = [str(name) for name in names]
    return ", ".join([*shown[:most], "…"] if len(shown) > most else shown)


def numeral(text: str, whole: bool) -> str | None:
    """The number that a text was perhaps meant to be: `"0.1"`, `1_000`, `5 %`, `0,5`.

    A comma before three digits may separate thousands, so that nothing is said of it.
    """
    digits = unicodedata.normalize("NFKC", text[:LONGEST]).strip().replace("_", "")
    digits = digits.replace("\N{MINUS SIGN}", "-")
    if re.fullmatch(r"0b[01]+", digits):
        return str(int(digits, 2))
    if re.fullmatch(r"[-+]?[0-9]+,([0-9]{1,2}|[0-9]{4,})", digits):
        digits = digits.replace(",", ".")
    share = digits.endswith("%")
    try:
        number = float(digits.rstrip("% ")) / (100 if share else 1)
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    return str(int(number)) if whole else f"{number:.15g}"


_WORDS: dict[Any, tuple[str, str]] = {
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    str: ("text", "texts"),
    type(None): ("nothing", "nothing"),
    Any: ("anything", "anything"),
}
"""One of a kind, and several."""


def phrase(annotation: Any, many: bool = False) -> str:
    """An annotation in a person's words: `a number above 0`, `a list of layers`."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        inner, *marks = typing.get_args(annotation)
        ranges = " ".join(str(mark) for mark in marks if isinstance(mark, Range))
        return f"{phrase(inner, many)} {ranges}".strip()
    if origin in (typing.Union, types.UnionType):
        return " or ".join(phrase(kind, many) for kind in typing.get_args(annotation))
    if origin is Literal:
        return " or ".join(show(choice) for choice in typing.get_args(annotation))
    if origin in (list, tuple):
        inside = phrase(typing.get_args(annotation)[0], many=True)
        return f"lists of {inside}" if many else f"a list of {inside}"
    if origin is dict:
        return "mappings" if many else "a mapping"
    if annotation in _WORDS:
        return _WORDS[annotation][many]
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return _of_kind(annotation.kind, many)
    if hasattr(annotation, "wanted"):
        return str(annotation.wanted)
    return "mappings of settings" if many else "a mapping of settings"


def _of_kind(kind: str, many: bool) -> str:
    if many:
        return kind + ("es" if kind.endswith("s") else "s")
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
