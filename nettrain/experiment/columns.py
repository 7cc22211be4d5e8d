"""What stands in the columns of a table, and what that asks of a config."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from nettrain.component import escaped, show
from nettrain.data.delimited import MISSING
from nettrain.data.encodings import UNKNOWN
from nettrain.data.faults import OtherReading
from nettrain.data.odd import FEW, Notation, changes, notations, odd_numbers
from nettrain.data.settings import Policy
from nettrain.data.sources import FileSource, Loaded
from nettrain.data.table import UNNAMED, Table

Order = Literal["forward", "backward"]
MARKS = 3
"""Texts in a column of numbers that are taken for marks of missing values."""
FILLING = 1e30
"""From here on a number marks a missing value: NetCDF's is 9.97e36."""
CATEGORIES = 100
"""Categories that become a column each, at most."""
_SEEN_ENOUGH = 3
"""Rows that a category has at least, on the average."""
_MOSTLY = 0.7
"""Share of missing values beyond which a column is left out."""
_DATE = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)(.*)"
    r"|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?!\d)(.*)"
)
_TIME = re.compile(
    r"(?i:(.*[\W_])?(date|time|timestamp|datetime|year|epoch|zeit|zeitpunkt|jahr|tag"
    r"|jour|heure|année|annee|fecha|hora|día|dia|año|ano)s?|.*datum|.*zeitstempel)"
)
"""Names of columns of numbers that tell when a row is from: in English, German, French
and Spanish."""
_DAYS = 5
"""So many different numbers are all days, such as 20240131, by no chance."""
_LIMIT = re.compile(
    r"(?i:([<>≤≥]=?|under|over|unter|über|bis|ab|up to|at least|at most) ?"
    r"[+-]?\d[\d.,]*|[+-]?\d[\d.,]* ?(\+|and more|or more|and over|or over|oder mehr))"
)
"""Texts among numbers that say which ones the value is not."""
_TOTAL = re.compile(
    r"(?i:(grand |sub)?totals?|sums?|summen?|(ins)?gesamt|gesamtsumme|somme|suma"
    r"|mean|average|mittelwert|durchschnitt|moyenne|media|promedio)[: ]*"
)
"""Texts that stand for no value, but for a line that is no row."""
_CODE = re.compile(r"0\d+", re.ASCII)
_SMALLEST = 3
"""Values of a column among which the noughts of codes are looked for: in codes of one
length those have them; but one may stand for no code."""
_CELLS = 300
"""Cells that are looked at again: a wider table holds measurements."""
_SIGNED = re.compile(r"[^\w.]{0,3}-?\d+([.,]\d+)* ?[^\d.,]{0,5}")
"""Numbers with a currency, a percent sign or a unit."""
_ORDERED = 20
"""Rows from which on it is no chance that all stand in the order of time."""
_NUMBERING = re.compile(r"(?i:(.*[\W_])?(id|key|index|nr)|unnamed.*)|.*[a-z]I[dD]")


@dataclass(frozen=True)
class Column:
    """A column of inputs.

    Attributes:
        name: as the table has it.
        kind: what is made of it.
        why: what was seen, where it is left out or has to be declared.
        declared: whether the table does not say the kind by itself.
        missing: share of its rows that have no value.
        rarest: rows of its rarest category; 0 of a column of numbers.
        spread: standard deviation of its numbers.
        unread: whether it is left out for the way in which its cells are written.
        time: whether it tells when a row is from, and the rows stand in that order:
            `forward`, or `backward` where the newest comes first.
    """

    name: str
    kind: Literal["numeric", "categorical", "ignore"]
    why: str = ""
    declared: bool = False
    missing: float = 0.0
    rarest: int = 0
    spread: float = 0.0
    unread: bool = False
    time: Order | None = None

    @property
    def policy(self) -> Policy:
        """What becomes of a missing value."""
        return "median" if self.kind == "numeric" else "most_frequent"


def opened(path: str) -> tuple[FileSource, Loaded]:
    """A file of rows, in the encoding, delimiter and notation that it shows."""
    source, loaded = _read(FileSource(path))
    table = loaded.tables["train"]
    found = _notations(table)
    if source.delimiter == ";":  # which is used where a comma stands before decimals
        found = found[::-1]
    if Notation(",") in found:  # 1.234, elsewhere, would be no number, or another
        found += (Notation(",", "."),)
    for how in found:
        other = replace(source, **changes(how))
        read = other.load(seed=0)
        kinds = [(table.kind(n), read.tables["train"].kind(n)) for n in table.names]
        if ("numeric", "categorical") not in kinds:  # else some are written otherwise
            return other, read
    return source, loaded


def _read(source: FileSource) -> tuple[FileSource, Loaded]:
    """The file, read as its errors say where it is not written as it is read."""
    try:
        return source, source.load(seed=0)
    except OtherReading as error:
        fields = {key: v for key, v in error.fields.items() if key != "decimal"}
        if fields.keys() & source.said.keys() or UNKNOWN in fields.values():
            raise
        return _read(replace(source, **fields))


def _notations(table: Table) -> tuple[Notation, ...]:
    """How numbers may be written that are none as the table is read."""
    odd: list[str] = []
    for name in table.names if table.locate else ():
        if table.kind(name) != "numeric":
            cells = table.texts(name).tolist()
            odd += cells if isinstance(odd_numbers(cells), tuple) else []
        elif (invalid := table.numbers(name).invalid).any():
            cells = table.texts(name)[invalid].tolist()
            odd += cells if notations(cells) else []
    return notations(odd)


def marks(table: Table) -> dict[str, str]:
    """Cells that stand for a missing value, and what was seen of each: `?`, `9.97e36`.

    Those are taken for marks that stand among numbers and are none, are infinite, or
    beyond all bounds, if a column has but few different ones. A text with a digit in it
    tells something of the value, and `Total` that the line is no row.
    """
    found: dict[str, str] = {}
    for name in table.names if table.locate else ():
        if table.kind(name) != "numeric":
            continue
        values, invalid = table.numbers(name)
        with np.errstate(invalid="ignore"):
            odd = invalid | (np.abs(values) >= FILLING)
        if not odd.any():
            continue
        cells = Counter(table.texts(name)[odd].tolist())
        usual = np.abs(values[~odd & ~np.isnan(values)])
        kinds = {c: _among_numbers(c) for c in set(table.texts(name)[invalid].tolist())}
        few = len(cells) <= MARKS and "code" not in kinds.values()
        if few and (usual < FILLING**0.5).all():
            for cell, count in cells.items():
                if kinds.get(cell, "mark") != "mark":
                    continue
                told = f"{rows(count)} of {show(name)}"
                found[cell] = f"{found[cell]}, {told}" if cell in found else told
    return found


def _among_numbers(text: str) -> Literal["mark", "limit", "total", "code"]:
    """What a text is that stands among numbers."""
    if _TOTAL.fullmatch(text):
        return "total"
    if not re.search(r"\d", text):
        return "mark"
    return "limit" if _LIMIT.fullmatch(text) else "code"


def codes(table: Table) -> dict[str, str]:
    """A cell of each column of whole numbers that are codes by their noughts: 01067."""
    looked_at: list[tuple[int, int]] = []
    for position, name in enumerate(table.names) if table.locate else ():
        if table.kind(name) == "numeric":
            values, invalid = table.numbers(name)
            present = values[~np.isnan(values)]
            whole = not invalid.any() and bool((present == np.floor(present)).all())
            if whole:
                _, first = np.unique(values, return_index=True)
                looked_at += [(row, position) for row in first[:_SMALLEST].tolist()]
    cells = sorted(looked_at[:_CELLS])
    found = zip(cells, table.find(cells), strict=True)
    return {
        table.names[position]: cell.text
        for (_, position), cell in found
        if _CODE.fullmatch(cell.text)
    }


def marked(source: FileSource, found: Sequence[str]) -> tuple[FileSource, Loaded]:
    """The file, read anew with further marks of missing values."""
    source = replace(source, missing_values=(*MISSING, *found))
    return source, source.load(seed=0)


def rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def share(part: float) -> str:
    """`7 %`, `0.3 %`, `less than 0.1 %`, `99.7 %`; 0 % is none and 100 % all."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    if 99.9 < percent < 100:
        return "more than 99.9 %"
    fine = 0 < percent < 1 or 99 < percent < 100
    return f"{percent:.1f} %" if fine else f"{percent:.0f} %"


def column(table: Table, name: str, code: str = "") -> Column:
    """What is to be made of a column of inputs.

    Args:
        code: one of its cells, where they look like numbers and are codes.
    """
    if table.nameless and name == UNNAMED:
        return Column(
            name, "ignore", "has no name in the file, like a saved index", True
        )
    if table.kind(name) == "numeric":
        values, invalid = table.numbers(name)
        if not invalid.any():
            seen = _numbers(name, values)
            coded = code and seen.kind == "numeric"
            return _codes(table, name, code) if coded else seen
        texts = Counter(table.texts(name)[invalid].tolist())
        limits = all(_among_numbers(text) == "limit" for text in texts)
        if limits or len(texts) <= MARKS:
            return _few_texts(table, name, texts)
        return _texts(table, name, invalid)
    return _texts(table, name)


def _codes(table: Table, name: str, code: str) -> Column:
    """Numbers that begin with a nought, such as postcodes."""
    seen = _texts(table, name)
    why, left = f"codes such as {show(code)}", seen.kind == "ignore"
    if left:
        different = len(set(table.texts(name).tolist()) - {""})
        why += f", {different:,} different in {rows(len(table))}; were they quantities,"
        why += " numeric"
    return replace(seen, why=why, declared=True, unread=left)


def _few_texts(table: Table, name: str, texts: Counter[str]) -> Column:
    """Numbers with a few texts among them, which are no marks of missing values."""
    cells = table.texts(name).tolist()
    different = set(cells) - {""}
    if why := _says_nothing(len(different), cells.count("") / len(cells)):
        return Column(name, "ignore", why, True)
    why = ": ".join(no_numbers(texts))
    seen = _texts(table, name)
    total = any(_among_numbers(text) == "total" for text in texts)
    if total or len(different) > FEW or seen.kind == "ignore":
        return Column(name, "ignore", why, True, unread=True)
    return replace(seen, why=f"{why}; until then, categories", declared=True)


def no_numbers(texts: Counter[str]) -> tuple[str, str]:
    """What texts among numbers are, and what to do about them."""
    told = [f"{show(text)} in {rows(n)}" for text, n in texts.most_common(MARKS)]
    where = ", ".join(told) + " …" * (len(texts) > MARKS)
    kinds = set(map(_among_numbers, texts))
    if "total" in kinds:
        return f"a total among numbers, {where}", "take that line out of the file"
    if kinds == {"limit"}:
        said = f"limits in the place of numbers, {where}"
        return said, "write a number that may stand for each"
    return f"texts among numbers, {where}", "write numbers, or nothing"


def _numbers(name: str, values: np.ndarray) -> Column:
    present = values[~np.isnan(values)]
    missing = 1 - len(present) / len(values)
    unique = np.unique(present)
    if why := _says_nothing(len(unique), missing):
        return Column(name, "ignore", why, True)
    if not (np.abs(unique) < FILLING).all():
        return Column(name, "ignore", "has numbers beyond 1e30", True)
    days = _are_days(unique)
    named = _TIME.fullmatch(name) is not None
    time = _order(present.tolist()) if days or named else None
    if days:
        return _dates(name, missing, time)
    if time and 2 * len(unique) > len(values):
        why = "tells when a row is from, and no later row will be from then"
        return Column(name, "ignore", why, True, time=time)
    whole = len(unique) == len(values) and bool((unique == np.floor(unique)).all())
    in_turn = whole and unique[-1] - unique[0] == len(unique) - 1
    if whole and (in_turn or _NUMBERING.fullmatch(name)) and len(unique) > 2:
        return Column(name, "ignore", "numbers the rows: no two are alike", True)
    with np.errstate(over="ignore"):
        spread = float(present.std())
    return Column(name, "numeric", missing=missing, spread=spread, time=time)


def _are_days(numbers: np.ndarray) -> bool:
    """Whether different numbers (n,) are all days, as 20240131 is one."""
    if len(numbers) < _DAYS or numbers[0] < 1800_01_01 or numbers[-1] > 2199_12_31:
        return False
    whole = numbers.astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    if (whole != numbers).any() or ((month < 1) | (month > 12) | (day < 1)).any():
        return False
    start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    lasts = (start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")
    return bool((day <= lasts.astype(np.int64)).all())


def _dates(name: str, missing: float, time: Order | None) -> Column:
    why = "dates: to learn from them, write year, month … as columns"
    if time == "backward":
        why += "; the newest stand first: with them last, by: order tests on them"
    return Column(name, "ignore", why, True, missing, time=time)


def _texts(table: Table, name: str, invalid: np.ndarray | None = None) -> Column:
    """A column of texts, or of numbers with texts among them, which are `invalid`."""
    cells = table.texts(name)
    odd, strange = "", cells
    if invalid is not None:
        odd = f"{share(float(invalid.mean()))} of its cells are no numbers"
        strange = cells[invalid]
    counts = Counter(cells.tolist())
    missing = counts.pop("", 0) / len(cells)
    if why := _says_nothing(len(counts), missing):
        return Column(name, "ignore", why, True)
    if sum(map(bool, map(_DATE.fullmatch, counts))) > 0.9 * len(counts):
        return _dates(name, missing, _dated(cells.tolist()))
    many = f"{len(counts):,} different texts in {len(cells):,} rows"
    amounts = odd_numbers(cells.tolist(), table.notation) is not None
    fewest = min(CATEGORIES, max(2, counts.total() // _SEEN_ENOUGH))
    if amounts or len(counts) > fewest:
        signed = sum(map(bool, map(_SIGNED.fullmatch, counts)))
        if unread := amounts or signed > 0.9 * len(counts):
            like = next(filter(_SIGNED.fullmatch, strange), strange[0])
            many = f"to learn from numbers like {show(like)}, write them plainly"
        why = f"{odd}; {many}" if odd else many
        return Column(name, "ignore", why, True, unread=unread)
    rarest = min(counts.values())
    return Column(name, "categorical", odd, bool(odd), missing, rarest)


def _says_nothing(different: int, missing: float) -> str:
    """Why a column is left out whose values can tell nothing."""
    if different == 0:
        return "is empty"
    if different == 1:
        return "has one value only" if missing else "is the same in every row"
    return f"{share(missing)} is missing" if missing > _MOSTLY else ""


def _dated(cells: Sequence[str]) -> Order | None:
    """The order of dates, day before month or behind it."""
    found = [match for match in map(_DATE.fullmatch, cells) if match]
    parts = [match.groups() for match in found]
    for year, month, day, rest in ((0, 1, 2, 3), (6, 5, 4, 7), (6, 4, 5, 7)):
        if all(groups[year] for groups in parts):
            whens = [
                (*map(int, (g[year], g[month], g[day], *re.findall(r"\d+", g[rest]))),)
                for g in parts
            ]
            if order := _order(whens):
                return order
    return None


def _order(whens: Sequence[Any]) -> Order | None:
    pairs = list(pairwise(whens))
    if len(whens) < _ORDERED or len(set(whens)) < 3:
        return None
    if all(first <= second for first, second in pairs):
        return "forward"
    return "backward" if all(a >= b for a, b in pairs) else None


def shortened(name: str, most: int = 40) -> str:
    """A name as a comment has it."""
    name = escaped(name)
    return f"`{name if len(name) <= most else name[: most - 1] + '…'}`"
