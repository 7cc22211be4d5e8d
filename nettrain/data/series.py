"""Several quantities measured at the same times, as windows that look ahead."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nettrain.component import Count, dump, register, show, suggest
from nettrain.data import archive
from nettrain.data.blocks import BlockSource
from nettrain.data.kept import Kept, TargetScale, built
from nettrain.data.preparation import Preparation, fit
from nettrain.data.preprocess import Encoder
from nettrain.data.schema import Class, Column, Rows, Schema, read_rows
from nettrain.data.settings import DataConfig, Kind
from nettrain.data.sources import (
    FileSource,
    Placer,
    Source,
    Task,
    file_size,
    nowhere,
    shown,
)
from nettrain.data.table import Table, names_of, setting
from nettrain.errors import Error, Place

_HOW = {
    "data-delimiter": "separate them by commas, in a .tsv file by tabs",
    "data-encoding": "save the file as UTF-8",
}
"""What to do about a file that is read in one way alone."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Stretches of a table's rows.

    Attributes:
        rows: all rows of the table.
        index: int64 (n,), the first row of each.
        span: rows of each, those to be predicted included.
    """

    rows: Rows
    index: np.ndarray
    span: int
    targets: None = None

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: np.ndarray) -> Windows:
        return replace(self, index=self.index[which])


@register("series")
class Series(BlockSource):
    """A table with a row for each time, in order: .csv or .tsv.

    Inputs are (window, F): all columns of so many rows, those to be predicted among
    them. Targets are the columns to be predicted in the rows that follow, (horizon ·
    T,): the first row's, then the next one's. The split is by order: the first windows
    train, the last ones test, and no window has a row, as input or as target, that one
    of the part before it has. What preprocessing learns is of the training windows'
    rows, each of which counts once.

    Attributes:
        path: the file, absolute or relative to the config.
        window: rows that a prediction is made from.
        targets: the columns to be predicted.
        horizon: rows ahead that are predicted.
        stride: rows from the beginning of a window to that of the next.
    """

    path: str
    window: Count
    targets: tuple[str, ...]
    horizon: Count = 1
    stride: Count = 1
    files = ("path",)
    ordered = True
    takes = ("columns", "missing")

    def check(self) -> Iterator[str]:
        if not self.targets:
            yield "targets: no column is to be predicted"
        if len(set(self.targets)) < len(self.targets):
            yield "targets: a column is named twice"
        if not self.path.lower().endswith((".csv", ".tsv")):
            yield f"the series {shown(self.path)} does not end in .csv or .tsv"

    @property
    def span(self) -> int:
        return self.window + self.horizon

    @property
    def nbytes(self) -> int:
        """As many as the file has; what its windows need depends on its columns."""
        return file_size(self.path)

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Gathered:
        table = _read(self.path, place)
        schema = _schema(self, config, table, place)
        rows = read_rows(schema, table, targets=True)
        starts = np.arange(0, len(rows) - self.span + 1, self.stride)
        if not starts.size:
            message = (
                f"{table.label} has {len(rows)} rows, and window and horizon need "
            )
            where = place(("data", "source", "series", "window"))
            message, fix = f"{message}{self.span}", "say a smaller window"
            raise Error("config-source", message, place=where, fix=fix)
        return Gathered(self, {"train": Windows(rows, starts, self.span)}, schema)


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a series gives; see `Blocks`."""

    source: Series
    parts: Mapping[str, Windows]
    schema: Schema
    task: Task = "regression"

    def refuse(self, config: DataConfig, place: Placer) -> None:
        encoders = [
            i for i, s in enumerate(config.preprocess) if isinstance(s, Encoder)
        ]
        if encoders and not self.schema.of_kind("categorical"):
            step = config.preprocess[encoders[-1]].registered_name
            message = f"{step} has no categorical column to work on"
            where = place(("data", "preprocess", encoders[-1]))
            raise Error("config-preprocess", message, place=where, fix="remove it")

    def fit(self, train: Windows, config: DataConfig, dtype: str) -> SeriesPreparation:
        seen = np.unique(train.index[:, None] + np.arange(train.span))
        rows = train.rows.take(seen)
        made = fit(
            self.schema,
            rows,
            config.preprocess,
            dtype,
            {},
            standardize_target=config.standardize_target,
        )
        return SeriesPreparation(self.source, made)

    def digest(self) -> str:
        rows, schema, source = self.parts["train"].rows, self.schema, self.source
        lengths = (source.window, source.horizon, source.stride)
        named = (schema.features, schema.targets, lengths)
        digest = hashlib.sha256(repr((named, rows.texts.tolist())).encode())
        for values in (rows.numbers, rows.targets):
            assert values is not None
            digest.update(repr(values.shape).encode())
            digest.update(np.ascontiguousarray(values, "<f8").tobytes())
        return digest.hexdigest()


# ---------------------------------------------------------------- columns


def _read(path: str, place: Placer = nowhere) -> Table:
    try:
        return FileSource(path).load(0, place).tables["train"]
    except Error as error:
        if error.code not in _HOW:
            raise
        fix = _HOW[error.code]
        raise Error(error.code, error.message, place=error.place, fix=fix) from None


def _schema(source: Series, config: DataConfig, table: Table, place: Placer) -> Schema:
    """All columns that are not ignored as inputs, and those to be predicted."""
    table.refuse_nameless((*config.columns, *source.targets))
    _refuse_unknown(source, config, table, place)
    columns = [n for n in table.names if config.columns.get(n) != "ignore"]
    features = tuple(_column(config, table, n, n in source.targets) for n in columns)
    targets = tuple(_column(config, table, n, True) for n in source.targets)
    return Schema(features, targets, "regression")


def _refuse_unknown(
    source: Series, config: DataConfig, table: Table, place: Placer
) -> None:
    """Columns that are named and not there, and targets that are ignored."""
    missing = config.missing if isinstance(config.missing, dict) else {}
    where = ("data", "source", "series", "targets")
    named = [(name, place((*where, i))) for i, name in enumerate(source.targets)]
    for key, names in (("columns", config.columns), ("missing", missing)):
        named += [(name, place(("data", key, name), True)) for name in names]
    for name, at in named:
        if name not in table:
            near = suggest(name, table.names[:10_000])
            fix = near or f"the columns are: {names_of(table.names)}"
            message = f"{table.label} has no column {show(name)}"
            raise Error("config-unknown-column", message, place=at, fix=fix)
    for name, at in named[: len(source.targets)]:
        if config.columns.get(name) in ("ignore", "categorical"):
            message = f"the target {show(name)} is {config.columns[name]} in columns"
            fix = f"remove {names_of([name])} from columns, or choose another target"
            raise Error("config-columns", message, place=at, fix=fix)
    policies = (
        [("", config.missing)] if isinstance(config.missing, str) else missing.items()
    )
    for name, policy in policies:
        if policy == "drop":
            at = place(("data", "missing", name) if name else ("data", "missing"))
            message = "a row that is dropped would leave a gap in time"
            fix = "fill it in: median, or mend the file"
            raise Error("config-missing", message, place=at, fix=fix)


def _column(config: DataConfig, table: Table, name: str, target: bool) -> Column:
    """A column; one of texts has to be meant so, as dates would be as many categories.

    A target is never filled in.
    """
    declared = config.columns.get(name)
    if declared is None and table.kind(name) != "numeric":
        message = f"column {show(name)} is text"
        ignore = setting("columns", name, "ignore")
        fix = f"leave it out with {ignore}, or say categorical"
        place = Place(table.label, 1)
        raise Error("data-not-a-number", message, place=place, fix=fix)
    kind: Kind = "categorical" if declared == "categorical" else "numeric"
    policy = config.missing
    if isinstance(policy, dict):
        policy = policy.get(name, "error")
    if kind == "categorical" and policy in ("mean", "median"):
        policy = "error"
    return Column(name, kind, "error" if target else policy)


# ---------------------------------------------------------------- preparation


@dataclass(frozen=True)
class SeriesPreparation(Kept):
    """From the rows of a series to windows, as a network takes them.

    Attributes:
        source: says how long they are.
        each: prepares each row by itself.
    """

    source: Series
    each: Preparation

    @property
    def task(self) -> Task:
        return "regression"

    @property
    def classes(self) -> tuple[Class, ...]:
        return ()

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.each.dtype

    @property
    def target_scale(self) -> TargetScale | None:  # type: ignore[override]
        scale = self.each.target_scale
        return scale and scale.repeated(self.source.horizon)

    @property
    def target_names(self) -> tuple[str, ...]:
        """`load`, or of several rows ahead `load+1`, `load+2`, …"""
        ahead, names = self.source.horizon, self.each.target_names
        if ahead == 1:
            return names
        return tuple(f"{name}+{h}" for h in range(1, ahead + 1) for name in names)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.each.feature_names

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.source.window, len(self.each.input_names))

    @property
    def symbols(self) -> tuple[int, ...]:
        return self.each.symbols * self.source.window

    def by_feature(self, inputs: np.ndarray) -> np.ndarray:
        return self.each.by_feature(inputs.reshape(-1, self.input_shape[1]))

    def read(self, path: str, need_target: bool = False) -> Windows:
        """Every window of a file; without targets also those that end with it."""
        table = _read(path)
        rows = self.each.rows(table, need_target)
        source, label = self.source, table.label
        span = source.span if need_target else source.window
        starts = np.arange(0, len(rows) - span + 1, source.stride)
        if not starts.size:
            message = f"{label} has {len(rows)} rows, and a prediction needs {span}"
            raise Error("data-no-rows", message, place=Place(label))
        return Windows(rows, starts, span)

    def rows(self, raw: Any, need_target: bool = False) -> Windows:
        if isinstance(raw, Windows):
            return raw
        values, shape = np.asarray(raw), self.input_shape
        if values.shape[1:] != shape:
            message = (
                f"the array has the shape {values.shape}, expected (n, {shape[0]}, "
            )
            raise Error("data-array", f"{message}{shape[1]})")
        rows = self.each.rows(values.reshape(-1, shape[1]))
        starts = np.arange(len(values)) * self.source.window
        return Windows(rows, starts, self.source.window)

    def transform(self, rows: Windows) -> np.ndarray:
        values = self.each.transform(rows.rows)
        one = math.prod(self.input_shape) * values.itemsize
        archive.refuse_huge(len(rows) * one, rows.rows.table.label)
        return values[rows.index[:, None] + np.arange(self.source.window)]

    def labels(self, rows: Windows) -> np.ndarray:
        values = self.each.labels(rows.rows)
        first = rows.index[:, None] + self.source.window
        ahead = values[first + np.arange(self.source.horizon)]
        return ahead.reshape(len(rows), -1)

    def arrays(self) -> dict[str, np.ndarray]:
        return self.each.arrays()

    def to_json(self) -> dict[str, Any]:
        each = self.each.to_json()
        return {**each, "kind": "series", "source": dump(self.source)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> SeriesPreparation:
        """The preparation that `to_json` wrote."""
        each = Preparation.from_json(plain)
        try:
            source = built(Source, plain["source"])
        except (LookupError, ValueError) as error:
            message = f"data.json is not what this version writes: {error!r}"
            raise Error("run-data", message) from None
        if not isinstance(source, Series):
            raise Error("run-data", "data.json is not of a series")
        return cls(source, each)
