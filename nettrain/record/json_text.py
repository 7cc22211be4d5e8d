"""JSON as it stands in a run folder: keys in the order given, floats exact.

JSON has no number for what is not finite, so `nan`, `inf` and `-inf` are written as
strings. NumPy scalars and arrays are written as the numbers and lists that they hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""The strings that stand for numbers, and the numbers."""


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def _finite(value: Any) -> Any:
    """The same value with a string in place of each number that is not finite."""
    if isinstance(value, (np.generic, np.ndarray)):
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
