"""Words for messages: plain values, paths, annotations and what was perhaps meant."""

from __future__ import annotations

import math
import re
import types
import typing
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Pattern, Range
from nettrain.component.family import Component
from nettrain.component.problem import Fix, Instead

LONGEST = 60
"""Characters of a value that a message quotes."""
_SHORT = 5
"""Letters of a name of which one may be too many by a slip."""


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
    """What was perhaps meant, of the known, the likeliest first; one alone where
    nothing else can be."""
    word, names = str(name)[:LONGEST], list(known)
    same = [k for k in names if _letters(str(k)) == _letters(word)]
    if same and word:
        return same
    close = [k for k in names if _shortened(word, str(k))] or alike(word, names)
    if close or len(word) < 3:
        return close
    held = [(k, letters) for k in names if (letters := _letters(str(k)))]
    begun = [k for k, letters in held if _letters(word).startswith(letters)]
    return begun or [k for k, letters in held if _letters(word).endswith(letters)]


def _digits(word: str) -> list[str]:
    return re.findall(r"\d+", word)


def alike(name: str, known: Iterable[Any]) -> list[Any]:
    """Names that differ from one by slips of the finger, in no number; nearest first.

    A name with one slip more than the nearest one may have been meant, too, unless
    letters have but changed places there: this is the likeliest slip.
    """
    word = _letters(name)
    found: list[tuple[int, bool, Any]] = []
    moved: list[Any] = []
    near = False
    for each in known:
        other = _letters(str(each))
        most = (max(len(word), len(other)) + 1) // 3
        off = slips(word, other, most + 1)
        if off <= most + 1 and _digits(other) == _digits(word):
            found.append((off, not word.startswith(other), each))
            near = near or off <= most
            moved += [each] if sorted(other) == sorted(word) else []
    found.sort(key=lambda row: row[:2])
    close = [each for off, _, each in found if off <= found[0][0] + 1]
    return moved or (close if near else [])


def slips(wrong: str, right: str, most: int) -> int:
    """Letters that are too many, lacking, others, or in each other's place.

    The optimal string alignment distance (Damerau, 1964, CACM 7(3)); no further than
    `most` + 1 is counted.
    """
    if abs(len(wrong) - len(right)) > most:
        return most + 1
    before, row = [0] * (len(right) + 1), list(range(len(right) + 1))
    for i, letter in enumerate(wrong, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            off = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != other))
            if i > 1 < j and (letter, wrong[i - 2]) == (right[j - 2], other):
                off = min(off, earlier[j - 2] + 1)
            row.append(off)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _letters(name: str) -> str:
    return re.sub(r"[-_ ]|(?<=\w)[,;]+$", "", _plain(name))


def _shortened(word: str, name: str) -> bool:
    """Whether a word is the beginning of another or of all its parts, or its initials:
    `acc`, `val_loss`, `lr`."""
    short, long = (re.split(r"[-_ /.]", _plain(text)) for text in (word, name))
    initials = len(word) > 1 and _plain(word) == "".join(part[:1] for part in long)
    pairs = zip(short, long, strict=True) if len(short) == len(long) else ()
    begun = all(part and whole.startswith(part) for part, whole in pairs) and pairs
    return initials or (len(word) > 2 and bool(begun))


def suggest(name: object, known: Iterable[object]) -> Fix | None:
    """`did you mean "…"?` where something known is close to it.

    It has an edit where nothing else is close and nothing that the name says is lost.
    """
    close = _near(name, known)
    if not close:
        return None
    odd = next((c for c in str(name) if not c.isascii()), None)
    hint = f" {_named(odd)} only looks like it" if odd else ""
    sure = len(close) == 1 and _says_all(str(name), str(close[0]))
    edit = Instead(close[0]) if sure else None
    return Fix(f"did you mean {show(str(close[0]))}?{hint}", edit)


def _says_all(wrong: str, right: str) -> bool:
    """Whether a name may replace another of which it is a slip or a longer form.

    In a name of few letters each of them counts: of `sgdm`, `nadam` and `msle` none is
    too many. What goes on, as `mse - mae` and `adam(0.1)`, says more.
    """
    one, other = _letters(wrong), _letters(right)
    if one == other or sorted(one) == sorted(other) or _shortened(wrong, right):
        return True
    if other and one.startswith(other):
        return one[len(other) :] in ("s", other[-1])
    if _digits(one) != _digits(other):
        return False
    if len(other) < _SHORT:
        letters = iter(other)
        return all(letter in letters for letter in one)
    return slips(one, other, len(other)) <= (len(other) + 2) // 4


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

    A comma before three digits may separate thousands, so that nothing is said of it,
    unless there is nothing before it that has thousands.
    """
    digits = unicodedata.normalize("NFKC", text[:LONGEST]).strip().replace("_", "")
    digits = digits.replace("\N{MINUS SIGN}", "-")
    if re.fullmatch(r"0b[01]+", digits):
        return str(int(digits, 2))
    digits = digits.rstrip(" ,;")
    if re.fullmatch(r"[-+]?(0,[0-9]+|[0-9]+,([0-9]{1,2}|[0-9]{4,}))", digits):
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
        if patterns := [mark.wanted for mark in marks if isinstance(mark, Pattern)]:
            return patterns[0]
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
