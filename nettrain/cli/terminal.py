"""What is written to a terminal, or to whatever stands in its place."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from nettrain.errors import visible
from nettrain.experiment.available import size
from nettrain.show import table as tables
from nettrain.show.width import columns

__all__ = ["colour", "joined", "print_json", "size", "table"]


_INVISIBLE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f]")
"""What a terminal obeys or does not show, and JSON holds as it is."""


def colour(stream: TextIO) -> bool:
    """Whether to write in colour: on a terminal, unless NO_COLOR says no."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def print_json(value: Any) -> None:
    """One document, numbers exact; what is not finite is written as a string."""
    from nettrain.record import json_text

    # JSON escapes some of what a terminal obeys, but by far not all.
    text = json_text.document(value).decode()
    sys.stdout.write(_INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def table(rows: Sequence[Sequence[str]], left: int = 1, keys: int = 1) -> str:
    """Columns as wide as the terminal; see `nettrain.show.table`."""
    return tables.table(rows, left, keys, columns(sys.stdout))


def joined(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    told = ", ".join(map(visible, names[:most]))
    return told + (f" and {more} more" if more > 0 else "")
