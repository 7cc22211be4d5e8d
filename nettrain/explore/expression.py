"""An expression in text, with numbers for its names: the article's examples."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from nettrain.errors import Error
from nettrain.explore.evaluation import Evaluation, evaluate
from nettrain.graph import Node, leaf, scope
from nettrain.graph.expression import free_names, parse

_ASSIGNED = re.compile(r"(?:^|,)\s*([^\W\d]\w*)\s*=")


def expression(
    text: str, at: Mapping[str, Any], weights: Collection[str] | None = None
) -> Evaluation:
    """Evaluate `q = x + y; f = q * z` where `at` says, in float64.

    Args:
        text: statements separated by `;`; the last one is the result.
        at: a number, list or array for every name that no statement defines.
        weights: names to be drawn and updated as weights; where nothing is said, those
            that begin with w, and then also those that begin with b.

    Raises:
        Error: `usage-value` for names without a value, values without a name and what
            is no number; what `parse` and `evaluate` raise.
    """
    names = free_names(text)
    _check_names(names, at, weights or ())
    chosen = _weights(names) if weights is None else set(weights)
    arrays = {name: _number(name, at[name]) for name in names}
    with scope("", "the expression"):
        leaves = {
            name: _leaf(name, array, name in chosen) for name, array in arrays.items()
        }
        *others, result = parse(text, leaves)
    values = {leaves[name]: array for name, array in arrays.items()}
    return evaluate(result, values, title=text.strip(), beside=others)


def _leaf(name: str, value: np.ndarray, is_weight: bool) -> Node:
    return leaf("parameter" if is_weight else "variable", name, value.shape, "float64")


def _weights(names: list[str]) -> set[str]:
    """What is called like a weight; a `b` alone, as in a * b, is no bias."""
    found = {name for name in names if name.startswith("w")}
    return found | {name for name in names if found and name.startswith("b")}


def _check_names(
    names: list[str], at: Mapping[str, Any], weights: Collection[str]
) -> None:
    missing = [name for name in names if name not in at]
    if missing:
        asked = ",".join(f"{name}=…" for name in missing)
        message = f"the expression needs a value for {', '.join(missing)}"
        raise Error("usage-value", message, fix=f"add {asked} to --at")
    unknown = [name for name in (*at, *weights) if name not in names]
    if unknown:
        message = f"the expression has no free name {', '.join(unknown)}"
        raise Error("usage-value", message, fix=f"its names: {', '.join(names)}")


def _number(name: str, value: Any) -> np.ndarray:
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise _misread(f"the value of {name} is no number or list: {value!r}") from None


def read_values(text: str) -> dict[str, Any]:
    """`x=2,y=[1, 2, 3]` as names and their values.

    Raises:
        Error: `usage-value`.

    >>> read_values("x=2, y=[1, 2.5]")
    {'x': 2.0, 'y': [1, 2.5]}
    """
    before, *parts = _ASSIGNED.split(text)
    names, written = parts[::2], parts[1::2]
    if before.strip() or (text.strip() and not names):
        raise _misread(f"cannot read {text!r} as values")
    if len(set(names)) < len(names):
        raise _misread(f"a name stands twice in {text!r}")
    return {
        name: _read(name, value) for name, value in zip(names, written, strict=True)
    }


def _read(name: str, written: str) -> Any:
    try:
        return float(written)
    except ValueError:
        pass
    try:
        return json.loads(written)
    except (json.JSONDecodeError, RecursionError):
        raise _misread(
            f"the value of {name} is no number or list: {written!r}"
        ) from None


def _misread(message: str) -> Error:
    return Error("usage-value", message, fix="write x=2,y=-3 or x=[1,2,3]")
