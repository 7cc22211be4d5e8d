"""What the training part taught: all that `predict` needs beside the weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import numpy as np

from nettrain import component
from nettrain.component.family import key_of
from nettrain.data.faults import Faults, OtherReading, in_yaml, shown_fields
from nettrain.data.kept import Fitted, Kept, TargetScale, learned_arrays
from nettrain.data.preprocess import Codes, Encoder, OneHot, Preprocessing
from nettrain.data.schema import Class, Column, Rows, Schema, read_rows
from nettrain.data.settings import Kind, Policy
from nettrain.data.sources import FileSource, Task, table_of
from nettrain.data.table import Table, setting
from nettrain.errors import Error, Place

FORMAT = 1
"""Of `data.json`."""
LARGEST = 1e140
"""Numbers up to here can be squared and summed in float64."""


@dataclass(frozen=True)
class Preparation(Kept):
    """From rows as they were written to the arrays that a network takes.

    Attributes:
        schema: the columns, the task and the classes.
        number_fill: float64 (N,), what a missing number becomes; NaN where it is an
            error.
        text_fill: C texts, what a missing text becomes; "" where it is an error.
        steps: of the numeric columns, in turn.
        encoder: the step of the categorical columns.
        categories: of each categorical column.
        input_shape: of one row of inputs.
        dtype: of inputs and of regression targets.
        reading: how text files were read: the fields of `FileSource` beside its path.
        target_scale: of a regression whose targets are standardized.
    """

    schema: Schema
    number_fill: np.ndarray
    text_fill: tuple[str, ...]
    steps: tuple[Fitted, ...]
    encoder: Encoder
    categories: tuple[tuple[str, ...], ...]
    input_shape: tuple[int, ...]
    dtype: str
    reading: Mapping[str, Any]
    target_scale: TargetScale | None = None

    @property
    def task(self) -> Task:
        return self.schema.task

    @property
    def classes(self) -> tuple[Class, ...]:
        return self.schema.classes

    @property
    def target_names(self) -> tuple[str, ...]:
        """Without a target the inputs themselves are to be predicted."""
        return tuple(c.name for c in self.schema.targets) or self.input_names

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs of a flat row: numeric columns, then `zone=north`, …"""
        numeric = [column.name for column in self.schema.of_kind("numeric")]
        texts = zip(self.schema.of_kind("categorical"), self.categories, strict=True)
        encoded = (self.encoder.names(c.name, known) for c, known in texts)
        return (*numeric, *(name for names in encoded for name in names))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The inputs but for codes, which are symbols and have no scale."""
        codes = len(self.categories) if isinstance(self.encoder, Codes) else 0
        return self.input_names[: len(self.input_names) - codes]

    @property
    def symbols(self) -> tuple[int, ...]:
        quantities = len(self.feature_names)
        if quantities == len(self.input_names):
            return ()
        behind = self.encoder.unknown == "ignore"
        codes = [len(known) + behind for known in self.categories]
        return (*(0,) * quantities, *codes)

    def by_feature(self, inputs: np.ndarray) -> np.ndarray:
        return super().by_feature(inputs)[:, : len(self.feature_names)]

    def by_column(self, inputs: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        flat, known = inputs.reshape(len(inputs), -1), self.categories
        numeric = [column.name for column in self.schema.of_kind("numeric")]
        names = (*numeric, *(c.name for c in self.schema.of_kind("categorical")))
        if isinstance(self.encoder, Codes) or not known:
            return names, flat
        # Of each category's zeros and one 1, its number from 1 on; 0 of one unknown.
        widths = [len(each) for each in known]
        numbers = np.concatenate([np.arange(1, width + 1) for width in widths])
        starts = np.cumsum([0, *widths[:-1]])
        codes = np.add.reduceat(flat[:, len(numeric) :] * numbers, starts, axis=1)
        return names, np.concatenate([flat[:, : len(numeric)], codes], axis=1)

    # ------------------------------------------------------------ reading and applying

    def read(self, path: str, need_target: bool = False) -> Rows:
        """The rows of a file; with their targets, where they are needed.

        Without targets no row is dropped: a prediction is owed for each.
        """
        source = FileSource(path, **self.reading)
        try:
            table = source.load(seed=0).tables["train"]
        except OtherReading as error:
            trained = {**source.reading, "delimiter": source.separator}
            same = shown_fields({key: trained[key] for key in error.fields})
            fix = f"write it as the table that was trained on, with {same}"
            place = error.place
            raise Error(error.code, error.message, place=place, fix=fix) from None
        return self.rows(table, need_target)

    def rows(self, table: Table | Any, need_target: bool = False) -> Rows:
        """The rows of a table, or of an array (n, …) of inputs; rows themselves."""
        if isinstance(table, Rows):
            return table
        if not isinstance(table, Table):
            table = table_of(table, None, "the array")
        table = self._renamed(table)
        return read_rows(self.schema, table, targets=need_target, drop=need_target)

    def _renamed(self, table: Table) -> Table:
        """Arrays have no names: where theirs do not fit, the order decides."""
        names = [column.name for column in self.schema.features]
        inputs = [name for name in table.names if not name.startswith("target")]
        known = {*names, *self.schema.ignored, *self.target_names}
        if table.locate is not None or set(names) <= set(inputs) <= known:
            return table
        if len(inputs) != len(names):
            message = (
                f"a row has {len(inputs)} inputs, the run was trained on {len(names)}"
            )
            raise Error("data-array", message, place=Place(table.label))
        targets = [name for name in table.names if name.startswith("target")]
        if len(targets) == len(self.target_names):
            targets = list(self.target_names)
        return replace(table, names=(*names, *targets))

    def transform(self, rows: Rows) -> np.ndarray:
        """Inputs (n, *input_shape) of the run's dtype."""
        numbers = np.where(np.isnan(rows.numbers), self.number_fill, rows.numbers)
        with np.errstate(all="ignore"):  # what is not finite in the end is refused
            for fitted in self.steps:
                numbers = fitted.transform(numbers)
        blocks = [numbers]
        if self.categories:
            fill = np.array(self.text_fill, dtype=object)
            texts = np.where(rows.texts == "", fill, rows.texts)
            self._refuse_unseen(texts, rows)
            blocks.append(self.encoder.encode(texts, self.categories))
        flat = self._cast(np.concatenate(blocks, axis=1), self.input_names, rows)
        return flat.reshape(len(rows), *self.input_shape)

    def filled(self, rows: Rows) -> dict[str, np.ndarray]:
        lacking = {
            "numeric": np.isnan(rows.numbers).T,
            "categorical": rows.texts.T == "",
        }
        named = (
            (column.name, empty.astype(bool))
            for kind, columns in lacking.items()
            for column, empty in zip(self.schema.of_kind(kind), columns, strict=True)
        )
        return {name: empty for name, empty in named if empty.any()}

    def labels(self, rows: Rows) -> np.ndarray:
        """Targets as the loss takes them: int64 (n,), or (n, T) of the run's dtype."""
        if rows.targets is None:
            raise ValueError("these rows were read without their targets")
        if self.task == "classification":
            return rows.targets
        if not self.schema.targets:
            return self.transform(rows).reshape(len(rows), -1)
        targets = rows.targets
        if self.target_scale is not None:
            with np.errstate(all="ignore"):  # what is not finite in the end is refused
                targets = self.target_scale.standardized(targets)
        return self._cast(targets, self.target_names, rows)

    def _cast(self, x: np.ndarray, names: Sequence[str], rows: Rows) -> np.ndarray:
        """x (n, F) in the run's dtype, whose range its values must not leave."""
        with np.errstate(over="ignore"):
            cast = x.astype(self.dtype)
        faults = Faults(rows.table)
        for column in np.flatnonzero(~np.isfinite(cast).all(axis=0)).tolist():
            bad = np.zeros(len(rows.table), bool)
            bad[rows.index] = ~np.isfinite(cast[:, column])
            name = names[column]
            shown = component.show(name)
            faults.add(
                bad,
                name,
                "data-infinite",
                lambda cell, shown=shown: (  # type: ignore[misc]
                    f"{cell} of column {shown} is too large for {self.dtype}"
                ),
                "mend it, or write the column in a larger unit",
            )
        faults.raise_all()
        return cast

    def _refuse_unseen(self, texts: np.ndarray, rows: Rows) -> None:
        if self.encoder.unknown == "ignore":
            return
        faults = Faults(rows.table)
        columns = self.schema.of_kind("categorical")
        encoder = replace(self.encoder, unknown="ignore")  # type: ignore[type-var]
        every = (*(fitted.step for fitted in self.steps), encoder)
        steps = in_yaml([_said(step) for step in every])
        for i, (column, known) in enumerate(zip(columns, self.categories, strict=True)):
            bad = np.zeros(len(rows.table), bool)
            bad[rows.index] = ~np.isin(texts[:, i], np.array(known, dtype=object))
            shown = component.show(column.name)
            leave = setting("columns", column.name, "ignore")
            faults.add(
                bad,
                column.name,
                "data-unseen-category",
                lambda cell, shown=shown: (  # type: ignore[misc]
                    f"{cell} of column {shown} is not in the training part"
                ),
                f"train with data.preprocess: {steps}, or without the column: {leave}",
            )
        faults.raise_all()

    # ------------------------------------------------------------ keeping

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by path, for the checkpoint's `preprocess/…` tensors."""
        arrays = {"missing/fill": self.number_fill} if self.number_fill.size else {}
        return arrays | learned_arrays(self.steps, self.target_scale)

    def to_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` makes the same again, to the last bit."""
        numeric = self.schema.of_kind("numeric")
        categorical = self.schema.of_kind("categorical")
        filled = zip(numeric, self.number_fill.tolist(), strict=True)
        numbers = {c.name: None if math.isnan(fill) else fill for c, fill in filled}
        texts = {
            column.name: {"fill": fill or None, "categories": list(known)}
            for column, fill, known in zip(
                categorical, self.text_fill, self.categories, strict=True
            )
        }
        return {
            "format": FORMAT,
            "task": self.task,
            "classes": list(self.classes),
            "targets": [dict(vars(column)) for column in self.schema.targets],
            "columns": [
                vars(c) | texts.get(c.name, {"fill": numbers.get(c.name)})
                for c in self.schema.features
            ],
            "ignored": list(self.schema.ignored),
            "features": list(self.input_names),
            "input_shape": list(self.input_shape),
            "dtype": self.dtype,
            "reading": dict(self.reading),
            "preprocess": [fitted.to_json() for fitted in self.steps],
            **component.dump(self.encoder),
            "target_scale": self.target_scale and self.target_scale.to_json(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Preparation:
        """The preparation that `to_json` wrote."""
        try:
            made = cls(**_fields(plain))
            _check_whole(made)
            return made
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"data.json is not what this version writes: {error!r}"
            raise Error("run-data", message) from None


def _fields(plain: Mapping[str, Any]) -> dict[str, Any]:
    features, targets = (
        tuple(Column(c["name"], c["kind"], c["missing"]) for c in plain[key])
        for key in ("columns", "targets")
    )
    categorical = [c for c in plain["columns"] if c["kind"] == "categorical"]
    fills = [c["fill"] for c in plain["columns"] if c["kind"] == "numeric"]
    return {
        "schema": Schema(
            features,
            targets,
            plain["task"],
            tuple(plain["classes"]),
            tuple(plain.get("ignored", ())),  # older runs have none
        ),
        "number_fill": np.array(
            [math.nan if f is None else f for f in fills], np.float64
        ),
        "text_fill": tuple(c["fill"] or "" for c in categorical),
        "steps": tuple(map(Fitted.from_json, plain["preprocess"])),
        "encoder": next(
            step(**plain[step.registered_name])
            for step in (OneHot, Codes)
            if step.registered_name in plain
        ),
        "categories": tuple(tuple(c["categories"]) for c in categorical),
        "input_shape": tuple(plain["input_shape"]),
        "dtype": plain["dtype"],
        "reading": dict(plain["reading"]),
        "target_scale": TargetScale.from_json(plain["target_scale"]),
    }


def _said(step: Preprocessing) -> Any:
    """A step as a config has it, without what is by default."""
    said = {
        key_of(field): component.dump(value)
        for field in fields(step)  # type: ignore[arg-type]
        if (value := getattr(step, field.name)) != field.default
    }
    return {step.registered_name: said} if said else step.registered_name


def _check_whole(made: Preparation) -> None:
    """Refuse parts that do not belong to each other; each may be right by itself.

    Raises:
        ValueError: with what does not fit.
    """
    features, targets = made.schema.features, len(made.schema.targets)
    kinds, policies = get_args(Kind), get_args(Policy)
    if any(c.kind not in kinds or c.missing not in policies for c in features):
        raise ValueError("a column of no kind")
    categorical = len(made.schema.of_kind("categorical"))
    if not len(made.categories) == len(made.text_fill) == categorical:
        raise ValueError("categories of other columns")
    if math.prod(made.input_shape) != len(made.input_names):
        raise ValueError(f"an input of shape {made.input_shape}")
    if targets != 1 and made.classes:
        raise ValueError(f"{targets} targets")
    scale = made.target_scale
    if scale and not scale.mean.shape == scale.std.shape == (targets,):
        raise ValueError("a scale of other targets")
    row = np.zeros((1, len(made.number_fill)))
    with np.errstate(all="ignore"):
        for fitted in made.steps:
            if fitted.transform(row.copy()).shape != row.shape:
                raise ValueError(f"{fitted.step.registered_name} of other columns")


# ---------------------------------------------------------------- learning


def fit(
    schema: Schema,
    rows: Rows,
    steps: Sequence[Preprocessing],
    dtype: str,
    reading: Mapping[str, Any],
    *,
    standardize_target: bool = False,
) -> Preparation:
    """Learn fills, steps, categories and scales from the rows of the training part."""
    numeric, categorical = schema.of_kind("numeric"), schema.of_kind("categorical")
    _require_values(numeric, np.isnan(rows.numbers), rows)
    _require_values(categorical, np.equal(rows.texts, ""), rows)
    with np.errstate(all="ignore"):  # what is not finite in the end is refused
        fills = [
            _number_fill(c, x) for c, x in zip(numeric, rows.numbers.T, strict=True)
        ]
        number_fill = np.array(fills, np.float64)
        numbers = np.where(np.isnan(rows.numbers), number_fill, rows.numbers)
        fitted = _fit_steps(steps, numbers, numeric, rows) if numeric else ()
    text_fill = tuple(
        _text_fill(c, x) for c, x in zip(categorical, rows.texts.T, strict=True)
    )
    texts = np.where(rows.texts == "", np.array(text_fill, dtype=object), rows.texts)
    encoder = next((step for step in steps if isinstance(step, Encoder)), OneHot())
    preparation = Preparation(
        schema,
        number_fill,
        text_fill,
        fitted,
        encoder,
        encoder.categories(texts) if categorical else (),
        (),
        dtype,
        reading,
        _target_scale(schema, rows) if standardize_target else None,
    )
    return replace(preparation, input_shape=(len(preparation.input_names),))


def _require_values(columns: Sequence[Column], missing: np.ndarray, rows: Rows) -> None:
    """Refuse a column of which the training part has no value to learn from."""
    for column, empty in zip(columns, np.all(missing, axis=0).tolist(), strict=True):
        if empty:
            name = component.show(column.name)
            message = f"column {name} is empty in the training part"
            fix = f"leave it out with {setting('columns', column.name, 'ignore')}"
            place = Place(rows.table.label)
            raise Error("data-empty-column", message, place=place, fix=fix)


def _fit_steps(
    steps: Sequence[Preprocessing],
    numbers: np.ndarray,
    columns: Sequence[Column],
    rows: Rows,
) -> tuple[Fitted, ...]:
    """Fit each step to what the one before it makes of the training part."""
    fitted: list[Fitted] = []
    for step in [step for step in steps if not isinstance(step, Encoder)]:
        _refuse_huge(numbers, columns, rows)
        fitted.append(Fitted(step, step.fit(numbers)))
        numbers = fitted[-1].transform(numbers)
    return tuple(fitted)


def _target_scale(schema: Schema, rows: Rows) -> TargetScale:
    """The scale of a regression's targets."""
    assert rows.targets is not None
    _refuse_huge(rows.targets, schema.targets, rows)
    return TargetScale.fitted(rows.targets)


def _refuse_huge(numbers: np.ndarray, columns: Sequence[Column], rows: Rows) -> None:
    """An overflow inside a step could make a column constant without a word."""
    largest = np.abs(numbers).max(axis=0).tolist()
    for column, value in zip(columns, largest, strict=True):
        if not value <= LARGEST:
            name = component.show(column.name)
            message = f"the values of column {name} are too large to work with"
            fix = "write the column in a larger unit"
            place = Place(rows.table.label)
            raise Error("data-infinite", message, place=place, fix=fix)


def _number_fill(column: Column, values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    if column.missing in ("error", "drop"):
        return math.nan
    if column.missing == "most_frequent":
        unique, counts = np.unique(present, return_counts=True)
        return float(unique[counts.argmax()])  # of equal counts the smallest
    return float(present.mean() if column.missing == "mean" else np.median(present))


def _text_fill(column: Column, texts: np.ndarray) -> str:
    if column.missing in ("error", "drop"):
        return ""
    present = Counter(sorted(texts[texts != ""].tolist()))
    return str(present.most_common(1)[0][0])  # of equal counts the first
