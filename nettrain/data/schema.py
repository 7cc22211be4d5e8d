"""What the columns mean, decided once from the training table and the config.

A `Schema` reads every later table in the same way: the validation file, the test file,
and the raw rows that a finished run is asked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

import numpy as np

from nettrain.component import listed, show
from nettrain.data.faults import Faults, shown_fields
from nettrain.data.odd import advice, is_mark, notations
from nettrain.data.settings import Kind, Policy
from nettrain.data.sources import Task
from nettrain.data.table import Table, is_number, names_of, setting
from nettrain.errors import Error, Place

Class = str | int
MARKS = 10
"""Different texts among numbers that may all stand for missing values."""


@dataclass(frozen=True)
class Column:
    """A column that is used: its kind, and what is done about a missing value."""

    name: str
    kind: Kind
    missing: Policy


@dataclass(frozen=True)
class Schema:
    """The columns of a run.

    Attributes:
        features: the input columns, in the order of the table.
        targets: the columns to predict.
        task: classification or regression.
        classes: in a classification, what the labels 0, 1, … stand for: texts sorted by
            code point, or integers in ascending order.
        ignored: names of the columns that are left out.
    """

    features: tuple[Column, ...]
    targets: tuple[Column, ...]
    task: Task
    classes: tuple[Class, ...] = ()
    ignored: tuple[str, ...] = ()

    def of_kind(self, kind: Kind) -> tuple[Column, ...]:
        return tuple(column for column in self.features if column.kind == kind)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows read by a schema; no value is missing that the schema does not fill.

    Attributes:
        numbers: (n, N) float64, NaN where a value is to be filled in.
        texts: (n, C) object, "" where a value is to be filled in.
        targets: int64 (n,) class indices, or float64 (n, T), or None if not asked for.
        index: int64 (n,), the rows of the table.
        table: where they came from.
    """

    numbers: np.ndarray
    texts: np.ndarray
    targets: np.ndarray | None
    index: np.ndarray
    table: Table

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> Rows:
        return replace(
            self,
            numbers=self.numbers[rows],
            texts=self.texts[rows],
            targets=None if self.targets is None else self.targets[rows],
            index=self.index[rows],
        )


def read_rows(
    schema: Schema, table: Table, *, targets: bool, drop: bool = True
) -> Rows:
    """The rows of a table, or all errors of its cells together.

    Args:
        targets: whether the target columns are read too.
        drop: whether rows may be left out where the schema drops them; a prediction is
            owed for each row.
    """
    used = (*schema.features, *(schema.targets if targets else ()))
    _require(table, used)
    missing = {column.name: _missing(table, column) for column in used}
    dropped = np.zeros(len(table), bool)
    for column in used:
        if drop and column.missing == "drop":
            dropped |= missing[column.name]
    faults, marks = Faults(table), _Marks(table)
    for column in used:
        fixes = _Fixes(column, target=column in schema.targets, drop=drop)
        lacking = missing[column.name] & ~dropped
        _check(faults, marks, column, lacking, ~dropped, fixes)
    marks.add(faults, schema.targets, drop)
    labels = _targets(schema, table, ~dropped, faults) if targets else None
    faults.raise_all()
    numbers = [table.numbers(c.name).values for c in schema.of_kind("numeric")]
    texts = [table.texts(c.name) for c in schema.of_kind("categorical")]
    rows = Rows(
        _matrix(numbers, len(table), np.float64),
        _matrix(texts, len(table), object),
        labels,
        np.arange(len(table)),
        table,
    )
    return rows.take(np.flatnonzero(~dropped)) if dropped.any() else rows


def _matrix(columns: Sequence[np.ndarray], rows: int, dtype: type) -> np.ndarray:
    """Columns side by side (rows, columns), in C order: sums depend on the order."""
    matrix: np.ndarray = np.empty((rows, len(columns)), dtype)
    for i, column in enumerate(columns):
        matrix[:, i] = column
    return matrix


def _require(table: Table, columns: Sequence[Column]) -> None:
    absent = [show(c.name) for c in columns if c.name not in table]
    if absent:
        fix = f"the columns are: {names_of(table.names)}"
        composed = {normalize("NFC", name) for name in table.names}
        if any(c.name in composed for c in columns if c.name not in table):
            fix = "some names are in letters and accents apart (NFD): write them in NFC"
        raise Error(
            "data-missing-column",
            f"no column {listed(absent)}, which the run was trained with",
            place=Place(table.label, 1 if table.locate else None),
            fix=fix,
        )


def _missing(table: Table, column: Column) -> np.ndarray:
    """bool (n,): the empty cells of a column."""
    if column.kind == "categorical":
        missing: np.ndarray = np.equal(table.texts(column.name), "").astype(bool)
    else:
        values, invalid = table.numbers(column.name)
        missing = np.isnan(values) & ~invalid
    return missing


# ---------------------------------------------------------------- what can be wrong


class _Fixes:
    """What to do about a bad cell; the config line that would allow it, if any."""

    def __init__(self, column: Column, target: bool, drop: bool) -> None:
        name = column.name
        policy = "median" if column.kind == "numeric" else "most_frequent"
        policy = "drop" if target else policy
        allow = "allow it" if drop else "train"
        fill = setting("missing", name, policy)
        self.missing = f"fill it in, or {allow} with {fill}"
        self.text = (
            f"mend it, or {allow} with {setting('columns', name, 'categorical')}"
        )
        self.otherwise = f"write it as other numbers are, or {allow} with"
        leave = f", or leave the column out with {setting('columns', name, 'ignore')}"
        self.infinite = "mend it" + ("" if target else leave)


class _Marks:
    """Gathers the cells among numbers that likely stand for a missing value.

    A mark may stand in each column of a table: it is one fault, mended in one place.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._found: dict[str, list[tuple[int, Column, int]]] = {}

    def take(self, column: Column, strange: np.ndarray) -> np.ndarray:
        """Note the marks among some cells, bool (n,); the others, bool (n,)."""
        texts = self.table.texts(column.name)
        counts = Counter(texts[strange].tolist())
        marks = list(filter(is_mark, counts))
        if not marks or not self.table.missing or len({*marks, *self._found}) > MARKS:
            return strange
        for mark in marks:
            first = int((strange & np.equal(texts, mark)).argmax())
            self._found.setdefault(mark, []).append((first, column, counts[mark]))
        rest: np.ndarray = strange & ~np.isin(texts, marks)
        return rest

    def add(self, faults: Faults, targets: Sequence[Column], drop: bool) -> None:
        """Note a fault for each mark, where it stands first."""
        fix = self._fix(targets, drop)
        for places in self._found.values():
            first, column, _ = min(places, key=lambda place: place[0])
            more = sum(count for *_, count in places) - 1
            told = f", and column {show(column.name)} is numeric"
            told += f"; {more:,} more cells hold it" if more else ""
            faults.add(
                np.arange(len(self.table)) == first,
                column.name,
                "data-not-a-number",
                lambda cell, told=told: f"{cell} is no number{told}",  # type: ignore[misc]
                fix,
            )

    def _fix(self, targets: Sequence[Column], drop: bool) -> str:
        """What to do about all marks, and about the missing values they are then."""
        said = shown_fields({"missing_values": [*self.table.missing, *self._found]})
        train = f"train with {said} of the file"
        columns = [column for places in self._found.values() for _, column, _ in places]
        lacking = {c.name: c in targets for c in columns if c.missing == "error"}
        inputs = [name for name, target in lacking.items() if not target]
        if len(inputs) > 1:
            train += " and data.missing: median"
        elif lacking:
            (name, *_), policy = inputs or list(lacking), "median" if inputs else "drop"
            train += f" and {setting('missing', name, policy)}"
        empty = "" if drop or lacking else "leave the cell empty, or "
        return f"if it stands for a missing value, {empty}{train}"


def _check(
    faults: Faults,
    marks: _Marks,
    column: Column,
    missing: np.ndarray,
    kept: np.ndarray,
    fixes: _Fixes,
) -> None:
    """Note missing values that nothing is done about, texts and infinities."""
    name, shown = column.name, show(column.name)
    allowed = column.missing not in ("error", "drop")
    if not allowed:
        faults.add(
            missing,
            name,
            "data-missing-value",
            lambda cell: f"column {shown} has no value here",
            fixes.missing,
        )
    if column.kind == "categorical":
        return
    values, invalid = faults.table.numbers(name)
    fix, strange = fixes.text, invalid & kept
    if strange.any():
        strange = marks.take(column, strange)
        cells, now = faults.table.texts(name), faults.table.notation
        found = notations(cells.tolist(), now) if strange.any() else ()
        if found and all(is_number(cell, found[-1]) for cell in cells[strange]):
            fix = f"{fixes.otherwise} {advice(found, now)}"
    faults.add(
        strange,
        name,
        "data-not-a-number",
        lambda cell: f"{cell} is no number, and column {shown} is numeric",
        fix,
    )
    faults.add(
        np.isinf(values) & kept,
        name,
        "data-infinite",
        lambda cell: f"{cell} in column {shown} is infinite",
        fixes.infinite,
    )


def _targets(
    schema: Schema, table: Table, kept: np.ndarray, faults: Faults
) -> np.ndarray:
    """Class indices (n,), or numbers (n, T); a class that is not known is a fault."""
    if schema.task == "regression":
        columns = [table.numbers(column.name).values for column in schema.targets]
        return _matrix(columns, len(table), np.float64)
    (column,) = schema.targets
    if column.kind == "categorical":
        cells = table.texts(column.name)
        usable = kept & (cells != "")
    else:
        cells = table.numbers(column.name).values
        usable = kept & np.isfinite(cells)
    known: dict[object, int] = {value: i for i, value in enumerate(schema.classes)}
    labels = np.array([known.get(cell, -1) for cell in cells.tolist()], np.int64)
    shown = show(column.name)
    faults.add(
        usable & (labels < 0),
        column.name,
        "data-unseen-class",
        lambda cell: f"class {cell} of column {shown} was not trained on",
        f"the classes are: {names_of(map(str, schema.classes))}",
    )
    return labels
