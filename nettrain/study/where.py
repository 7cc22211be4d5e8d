"""Conditions on runs, such as `validation/accuracy > 0.9`: read, never evaluated."""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nettrain.config.scalars import scalar
from nettrain.errors import Error

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*([^<>=!]*[^<>=!\s])\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_JOINED = re.compile(r"\s+(?:and|or)\s+|\s*(?:&&?|\|\|?|[,;])\s*", re.IGNORECASE)
"""What a person may join two conditions by."""


@dataclass(frozen=True)
class Condition:
    """What a value has to be.

    Attributes:
        key: of what is compared: `status`, `test/accuracy`, `data.batch_size`.
        sign: one of = != < <= > >=.
        value: what with: a number, true, false, null or text.
    """

    key: str
    sign: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> Condition:
        """`KEY SIGN VALUE`, with or without blanks.

        Raises:
            Error: `usage-arguments`.
        """
        found = _FORM.fullmatch(text)
        if found is None or not found[3]:
            message = f'"{text}" is no condition: expected KEY = VALUE, or < > <= >= !='
            fix = 'in quotes: --where "validation/accuracy > 0.9"'
            raise Error("usage-arguments", message, fix=fix)
        key, sign, value = found.groups()
        if quoted := _QUOTED.fullmatch(value):
            return cls(key, sign, quoted[1] or quoted[2] or "")
        first, *others = _JOINED.split(value)
        if any(map(_FORM.fullmatch, others)):
            message = f'"{text}" is more than one condition'
            conditions = f"{key}{sign}{first}", *others
            each = [f"--where {shlex.quote(one)}" for one in conditions]
            fix = f"give --where for each, all have to hold: {' '.join(each)}"
            raise Error("usage-arguments", message, fix=fix)
        return cls(key, sign, scalar(value))

    def holds(self, value: Any) -> bool:
        """Whether it does; a value that is not there fulfils none.

        Only numbers are smaller or larger than others, and not than true or text.
        """
        if value is None and self.value is not None:
            return False
        order = self.sign in ("<", "<=", ">", ">=")
        if order and not (_is_number(value) and _is_number(self.value)):
            return False
        if isinstance(value, bool) is not isinstance(self.value, bool):
            return self.sign == "!="  # 1 is not true
        return _OPERATORS[self.sign](value, self.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
