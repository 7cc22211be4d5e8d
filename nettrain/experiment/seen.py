"""What a table of somebody's holds, and what can be made of its columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nettrain.component import show, suggest
from nettrain.data.decide import decide, written_otherwise
from nettrain.data.odd import FEW, odd_numbers
from nettrain.data.schema import Schema, read_rows
from nettrain.data.settings import HELD, DataConfig
from nettrain.data.sources import FileSource, Loaded, nowhere
from nettrain.data.split import sizes
from nettrain.data.table import Table, names_of
from nettrain.diagnose.detectors import TellingColumn
from nettrain.diagnose.facts import Told
from nettrain.errors import Error, Place
from nettrain.experiment import columns
from nettrain.experiment.columns import Column, rows, shortened
from nettrain.experiment.doubts import Doubt, doubts
from nettrain.experiment.setup import Setup
from nettrain.experiment.telling import telling

_SMALL, _LARGE = 500, 50_000
"""Rows below which more are kept from training, and above which fewer are."""
_TARGET = re.compile(
    r"(?i:(.*[\W_])?(target|class|label|y|outcome|response|result|diagnosis|species"
    r"|ziel|klasse|ergebnis|diagnose|cible|classe|résultat|objetivo|clase|resultado))"
)
"""Names of columns that are to be predicted: English, German, French and Spanish."""
TOLD = 5
"""Columns or targets of which something is told one by one."""


@dataclass(frozen=True)
class Seen:
    """A table, and what was seen in it.

    Attributes:
        source: how it is read.
        loaded: what was read.
        marks: cells that stand for missing values, and where they were seen.
        columns: the inputs.
        schema: targets, task and classes.
        targets: of the rows that have one: labels (n,) or values (n, T).
        doubts: what may be meant otherwise.
        telling: by name, what a column alone tells of a target.
    """

    source: FileSource
    loaded: Loaded
    marks: Mapping[str, str]
    columns: Sequence[Column]
    schema: Schema
    targets: np.ndarray
    doubts: Sequence[Doubt] = ()
    telling: Mapping[str, Told] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        return self.loaded.tables["train"]

    @property
    def classification(self) -> bool:
        return self.schema.task == "classification"

    def used(self, kind: str) -> list[Column]:
        return [column for column in self.columns if column.kind == kind]

    def counts(self) -> np.ndarray:
        """Rows of each class."""
        counts: np.ndarray = np.bincount(
            self.targets, minlength=len(self.schema.classes)
        )
        return counts


def look(path: str, targets: Sequence[str]) -> Seen:
    """Read a table, and decide what is made of its columns."""
    source, loaded = columns.opened(path)
    found = columns.marks(loaded.tables["train"])
    if found:
        source, loaded = columns.marked(source, list(found))
    table = loaded.tables["train"]
    _check_targets(loaded, targets or loaded.targets)
    apart = {*targets, *loaded.targets}
    codes = columns.codes(table)
    inputs = [
        columns.column(table, name, codes.get(name, ""))
        for name in table.names
        if name not in apart
    ]
    if all(column.kind == "ignore" for column in inputs):
        raise _nothing_left(table, inputs)
    config = _data(source, targets, table, inputs)
    schema = decide(config, loaded, nowhere, None)
    read = read_rows(schema, table, targets=True)
    _check_classes(table, schema, read.targets)
    assert read.targets is not None
    used = [column.name for column in inputs if column.kind == "numeric"]
    told = doubts(source, table, used, [column.name for column in schema.targets])
    seen = Seen(source, loaded, found, inputs, schema, read.targets, told)
    _check_rows(table, shares(seen), len(seen.targets))
    return seen


def without_telling(seen: Seen, setup: Setup) -> tuple[Seen, list[Column]]:
    """Without columns that are the target in other words, by the rule of D5; and those.

    Those that tell it and have more values may do so by nature, and stay; so do those
    that follow from it, as a speed does from the energy.
    """
    if not seen.table.locate:
        return seen, []
    judged = TellingColumn().judged
    told = {n: t for n, t in telling(setup.dataset).items() if judged(t)[1]}
    left = {
        column.name: replace(
            column,
            kind="ignore",
            why=f"{tells(told[column.name])}; is it known beforehand?",
            declared=True,
        )
        for column in seen.columns
        if column.name in told and told[column.name].how in ("same", "gaps")
    }
    inputs = [left.get(column.name, column) for column in seen.columns]
    if left and all(column.kind == "ignore" for column in inputs):
        raise _nothing_left(seen.table, inputs)
    return replace(seen, columns=inputs, telling=told), [*left.values()]


def tells(told: Told) -> str:
    """What a column tells of the target, and in which rows, for a sentence about it."""
    rows = "every training row"
    if told.share < 1:
        rows = f"{100 * told.share:.4g} % of the training rows"
    said = {
        "same": "is {} in other words in",
        "follows": "follows from {} in",
        "gaps": "has gaps that tell {} in",
    }
    if told.how in said:
        return f"{said[told.how].format(shortened(told.target))} {rows}"
    return f"alone tells {shortened(told.target)} in {rows}"


def _nothing_left(table: Table, inputs: Sequence[Column]) -> Error:
    told = [f"{shortened(column.name)} ({column.why})" for column in inputs[:TOLD]]
    told += [f"and {len(inputs) - TOLD:,} more"] if len(inputs) > TOLD else []
    message = "no column is left to learn from: "
    message += ", ".join(told) or "there is no other"
    fix = "give the table columns of numbers, or of texts that come again; or write a "
    fix += (
        "config by hand, with columns: {NAME: numeric} for numbers that count all the "
    )
    fix += "same, and {NAME: categorical} for texts"
    return Error("data-no-columns", message, place=Place(table.label), fix=fix)


def _check_rows(table: Table, held: dict[str, float], count: int) -> None:
    """Refuse a table of so few rows that a part gets none."""
    empty = [part for part, taken in sizes(count, held).items() if not taken]
    if empty:
        message = f"{rows(count)} are too few: none is left for the {empty[0]} part"
        fix = "add rows; a config by hand can do without, with data.split: {}"
        raise Error("data-no-rows", message, place=Place(table.label), fix=fix)


def _check_targets(loaded: Loaded, targets: Sequence[str]) -> None:
    table = loaded.tables["train"]
    place = Place(table.label, 1 if table.locate else None)
    for name in targets:
        if name not in table:
            message = f"no column {show(name)}"
            there = f"the columns are: {names_of(table.names)}"
            fix: str = suggest(name, table.names) or there
            raise Error("data-missing-column", message, place=place, fix=fix)
        texts = table.texts(name).tolist() if table.kind(name) != "numeric" else []
        if odd := odd_numbers(texts, table.notation):
            raise written_otherwise(table, odd, [name])
        if table.kind(name) == "numeric":
            _check_numbers(table, name)
    if not targets:
        message = "the column to predict is not said"
        fix = f"add --target with one of {names_of(_likely_first(table))}"
        if table.shape is not None:
            message, fix = "the file has inputs x and no targets y", loaded.lacking
        raise Error("data-missing-column", message, place=place, fix=fix)


def _check_numbers(table: Table, name: str) -> None:
    """Refuse a target of numbers with texts among them."""
    invalid = table.numbers(name).invalid
    if not invalid.any():
        return
    said, fix = columns.no_numbers(Counter(table.texts(name)[invalid].tolist()))
    (first,) = table.find([(int(invalid.argmax()), table.position(name))])
    message = f"the target {show(name)} has {said}"
    raise Error("data-not-a-number", message, place=first.place, fix=fix)


def _likely_first(table: Table) -> list[str]:
    """The columns, those first that are likely to be predicted.

    That tell their names, few different values, and their place: at an end.
    """
    codes, last = columns.codes(table), len(table.names) - 1

    def rank(at: int) -> tuple[int, float]:
        name = table.names[at]
        kind = columns.column(table, name, codes.get(name, "")).kind
        values = table.numbers(name).values if kind == "numeric" else np.empty(0)
        few = len(np.unique(values)) <= FEW
        likely = (
            kind != "ignore" and _TARGET.fullmatch(name) is not None,
            kind == "categorical",
            kind == "numeric" and at == last,
            kind == "numeric" and few,
            kind == "numeric" and at == 0,
            kind == "numeric",
        )
        return [*likely, True].index(True), min(last - at, at + 0.5)

    return [table.names[at] for at in sorted(range(last + 1), key=rank)]


def _check_classes(table: Table, schema: Schema, targets: Any) -> None:
    """Refuse a target of texts in which hardly any comes twice."""
    if schema.task == "regression":
        return
    counts = np.bincount(targets, minlength=len(schema.classes))
    if 2 * int((counts == 1).sum()) > len(counts):
        name = schema.targets[0].name
        message = (
            f"{len(counts):,} different values in {rows(len(targets))} of the target "
            f"{show(name)}, and most of them come once: nothing can be learned of those"
        )
        fix = "choose another target; the columns are: " + names_of(table.names)
        raise Error("data-target", message, place=Place(table.label), fix=fix)


def _data(
    source: FileSource, targets: Sequence[str], table: Table, inputs: Sequence[Column]
) -> DataConfig:
    """What the columns ask of the section `data`."""
    missing: dict[str, Any] = {c.name: c.policy for c in inputs if c.missing}
    missing |= {name: "drop" for name in targets if lacks(table, name)}
    return DataConfig(
        source,
        target=tuple(targets) or None,
        columns={c.name: c.kind for c in inputs if c.declared},
        missing=missing or "error",
    )


def shares(seen: Seen) -> dict[str, float]:
    """Of the parts that the file does not hold itself."""
    count = len(seen.targets)
    part = 0.2 if count < _SMALL else 0.1 if count > _LARGE else 0.15
    return {name: part for name in HELD if name not in seen.loaded.tables}


def lacks(table: Table, name: str) -> float:
    """The share of a column's values that are missing."""
    return float(_empty(table, name).mean())


def _empty(table: Table, name: str) -> np.ndarray:
    """(n,) whether a column has no value."""
    if table.kind(name) != "numeric":
        return np.asarray(table.texts(name) == "")
    values, invalid = table.numbers(name)
    return np.asarray(np.isnan(values) & ~invalid)
