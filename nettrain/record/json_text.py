"""JSON as it stands in a run folder: keys in the order given, floats exact.

JSON has no number for what is not finite, so `nan`, `inf` and `-inf` are written as
strings. NumPy scalars and arrays are written as the numbers and lists that they hold.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from nettrain.errors import Error

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""The strings that stand for numbers, and the numbers."""


# ---------------------------------------------------------------- writing


def _of_numpy(value: Any) -> bool:
    """Whether it is NumPy's, which is not imported to know it: reading needs none."""
    return type(value).__module__ == "numpy"


def _plain(value: Any) -> Any:
    if _of_numpy(value):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def _finite(value: Any) -> Any:
    """The same value with a string in place of each number that is not finite."""
    if _of_numpy(value):
        return _finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(member) for member in value]
    return value


def _encoder(**form: Any) -> json.JSONEncoder:
    return json.JSONEncoder(
        default=_plain,
        allow_nan=False,
        ensure_ascii=False,
        check_circular=False,
        **form,
    )


_ROW = _encoder(separators=(",", ":"))
_DOCUMENT = _encoder(indent=1)


def row(value: Mapping[str, Any]) -> str:
    """One line, without its end."""
    return _encode(_ROW, value)


def document(value: Any) -> bytes:
    """A whole file, made to be read by people too."""
    return (_encode(_DOCUMENT, value) + "\n").encode("utf-8", "backslashreplace")


def _encode(encoder: json.JSONEncoder, value: Any) -> str:
    try:
        return encoder.encode(value)
    except (
        ValueError
    ):  # allow_nan=False: the common case pays for no look at each number
        return encoder.encode(_finite(value))


# ---------------------------------------------------------------- reading

Form = Any
"""What a value read from a file has to be: a type, `None` or a text for that very
value, one of the checks below, a tuple of forms for either of them, `[form]` for a
list, or `{name: form}` for a mapping. A name that ends in `?` may be missing, other
names may be there; `str` in place of a name stands for all of these."""

DEPTH = 50
"""How deep what is written may be nested, and what is read."""


def number(value: Any) -> bool:
    """A number, or a text that stands for one that is not finite."""
    return finite(value) or (isinstance(value, str) and value in NOT_FINITE)


def finite(value: Any) -> bool:
    """A number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def numbers(values: Collection[Any]) -> bool:
    """Whether each is a `number`; told at once where all are finite."""
    if {*map(type, values)} <= {int, float}:
        with contextlib.suppress(OverflowError):
            if all(map(math.isfinite, values)):
                return True
    return all(map(number, values))


def count(value: Any) -> bool:
    """An integer from 0 that 64 bits can hold."""
    return type(value) is int and 0 <= value < 2**63


def anything(value: Any) -> bool:
    """Whatever JSON can hold, in `DEPTH` levels."""
    level = [value]
    for _ in range(DEPTH):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return True
    return False


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def misfit(value: Any, form: Form) -> str | None:
    """Where a value is not of a form: `best.loss.step`, or "" for itself; else None."""
    kind = type(form)
    if kind is type:
        return None if type(value) is form else ""
    if kind is dict:
        return _in_mapping(value, form) if type(value) is dict else ""
    if kind is list:
        return _in_list(value, form) if type(value) is list else ""
    if kind is tuple:
        return _in_none(value, form)
    fits = form(value) if callable(form) else value == form
    return None if fits else ""


def check(value: Any, form: Form, path: Path) -> None:
    """Refuse what was read from a file if it is not of a form.

    Raises:
        Error: `run-damaged`, with the key that is missing or wrong.
    """
    where = misfit(value, form)
    if where is not None:
        key = f"no {where}" if where else "nothing"
        raise Error("run-damaged", f"{path} is damaged: {key} can be read from it")


def _in_none(value: Any, forms: tuple[Form, ...]) -> str | None:
    found = []
    for form in forms:
        if (where := misfit(value, form)) is None:
            return None
        found.append(where)
    return max(found, key=len)


def _in_list(value: list[Any], form: list[Form]) -> str | None:
    for index, member in enumerate(value):
        if (where := misfit(member, form[0])) is not None:
            return f"{index}.{where}".rstrip(".")
    return None


def _in_mapping(value: Mapping[str, Any], form: Mapping[Any, Form]) -> str | None:
    for name in form:
        if name is not str and name not in value and not name.endswith("?"):
            return str(name)
    others = form.get(str, anything)
    for name, member in value.items():
        known = form[name] if name in form else form.get(f"{name}?", others)
        if (where := misfit(member, known)) is not None:
            return f"{name}.{where}".rstrip(".")
    return None
