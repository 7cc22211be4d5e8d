"""From the `data:` section to the arrays that are trained on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nettrain import component, randomness
from nettrain.data import augment
from nettrain.data import split as splitting
from nettrain.data.blocks import BlockSource, refuse_settings
from nettrain.data.decide import decide
from nettrain.data.faults import Faults
from nettrain.data.kept import Kept, TargetScale
from nettrain.data.preparation import Preparation, fit
from nettrain.data.preprocess import Codes, Encoder
from nettrain.data.schema import Rows, Schema, read_rows
from nettrain.data.settings import DEFAULT_SPLIT, HELD, DataConfig
from nettrain.data.sources import PARTS, Loaded, Placer, Task, nowhere, shown
from nettrain.errors import Error, Place


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that are trained on, validated on, or tested on.

    Attributes:
        inputs: (n, *shape) of the run's dtype.
        targets: int64 (n,) class indices, or (n, T) of the run's dtype, as the loss
            takes them.
        rows: int64 (n,), the row of the source that each came from, from 0.
        target_scale: of targets that are standardized.
        filled: by the name of a column that lacks values, bool (n,) where it does.
    """

    inputs: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    target_scale: TargetScale | None = None
    filled: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Predictions or targets in the targets' own units, for metrics and people."""
        return (
            values if self.target_scale is None else self.target_scale.restored(values)
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """All parts, prepared alike.

    Attributes:
        parts: `train`, and `validation` and `test` where the split has them.
        preparation: what the training part taught.
        sha256: of the raw values, before anything was learned or filled in.
    """

    parts: Mapping[str, Part]
    preparation: Kept
    sha256: str


def prepare(
    config: DataConfig,
    *,
    seed: int,
    dtype: str = "float32",
    place: Placer = nowhere,
    task: Task | None = None,
) -> Dataset:
    """Read, split, learn from the training part, and transform every part.

    Args:
        seed: of the run; generators and the split draw from it.
        dtype: of inputs and regression targets, `float32` or `float64`.
        place: finds the place of a path such as ("data", "split") in the config, for
            errors.
        task: what the loss asks for; `config.task` goes before it.
    """
    if isinstance(config.source, BlockSource):
        return _of_arrays(config, config.source, seed, dtype, place, task)
    loaded = config.source.load(seed, place)
    schema = decide(config, loaded, place, task)
    rows = _own_parts(loaded, schema)
    sha256 = _digest(schema, rows)
    rows |= _split(config, schema.task, rows["train"], set(rows), seed, place)
    _refuse_untrained_classes(config, schema, rows)
    _check_steps(config, schema, place)
    _check_target(config, schema, place)
    preparation = fit(
        schema,
        rows["train"],
        config.preprocess,
        dtype,
        config.source.reading,
        standardize_target=config.standardize_target,
    )
    shape = _shape(config, loaded, preparation, place)
    preparation = replace(preparation, input_shape=shape)
    _check_augmentation(config, shape, place)
    for part, path in config.split.files.items():
        rows[part] = _file(preparation, path, place(("data", "split", part)))
        sha256 = _digest(schema, {part: rows[part]}, sha256)
    parts = {p: part_of(preparation, rows[p]) for p in PARTS if p in rows}
    return Dataset(parts, preparation, sha256)


def _of_arrays(
    config: DataConfig,
    source: BlockSource,
    seed: int,
    dtype: str,
    place: Placer,
    task: Task | None,
) -> Dataset:
    """The data set of a source whose rows are arrays, no cells of a table."""
    gathered = source.gather(config, seed, place)
    refuse_settings(config, source, task, gathered.task, place)
    gathered.refuse(config, place)
    rows, own = dict(gathered.parts), set(gathered.parts)
    one_class = _one_label(gathered.task, rows["train"])
    if config.split.stratify is True and not one_class:
        message = "stratify: true needs rows of one class each, and those of "
        message += f"{source.registered_name} are not"
        where = place(("data", "split", "stratify"))
        raise Error("config-stratify", message, place=where, fix="remove stratify")
    rows |= _split(config, gathered.task, rows["train"], own, seed, place)
    if source.ordered:
        rows = _apart(config, rows, place)
    preparation = gathered.fit(rows["train"], config, dtype)
    _check_augmentation(config, preparation.input_shape, place)
    parts = {p: part_of(preparation, rows[p]) for p in PARTS if p in rows}
    _refuse_untrained_labels(preparation, parts, place)
    return Dataset(parts, preparation, gathered.digest())


def _apart(
    config: DataConfig, rows: Mapping[str, Any], place: Placer
) -> dict[str, Any]:
    """Parts of rows that overlap without those that reach into the part before."""
    if config.split.by == "random":
        message = "rows that follow one another overlap, and at random each part would "
        message += "hold what others were trained on"
        where = place(("data", "split", "by"))
        raise Error("config-split", message, place=where, fix="say by: order")
    kept, end = {}, 0
    for part in [part for part in PARTS if part in rows]:
        here = rows[part].take(np.flatnonzero(rows[part].index >= end))
        if not len(here):
            span, where = rows[part].span, place(("data", "split", part))
            message = f"no row is left for {part}: each takes up {span} places, and "
            message += "none of them may be the training part's"
            fix = "give the part a larger share, or make rows shorter"
            raise Error("config-split", message, place=where, fix=fix)
        kept[part], end = here, int(here.index[-1]) + here.span
    return kept


def _own_parts(loaded: Loaded, schema: Schema) -> dict[str, Rows]:
    """The rows of each part that the source itself holds."""
    train = loaded.tables["train"]
    for part, table in loaded.tables.items():
        if table.shape != train.shape:
            message = f"{part} and train have rows of different shapes"
            raise Error("data-array", message, place=Place(table.label))
        if table.names != train.names:
            message = f"{part} and train have different targets"
            fix = f"give y_{part} the shape of y_train, but for the rows"
            raise Error("data-array", message, place=Place(table.label), fix=fix)
    parts = {p: read_rows(schema, t, targets=True) for p, t in loaded.tables.items()}
    for part, rows in parts.items():
        if not len(rows):
            message = f"no row of {part} is left: each lacks a value"
            raise Error("data-no-rows", message, place=Place(train.label))
    return parts


def part_of(preparation: Kept, rows: Any) -> Part:
    """Rows that were read with their targets, as a network takes them."""
    return Part(
        preparation.transform(rows),
        preparation.labels(rows),
        rows.index,
        preparation.target_scale,
        preparation.filled(rows),
    )


def _file(preparation: Preparation, path: str, place: Place | None) -> Rows:
    try:
        rows = preparation.read(path, need_target=True)
    except Error as error:
        if error.place is None:  # it does not exist: the config line is at fault
            raise Error(error.code, error.message, place=place, fix=error.fix) from None
        raise
    if not len(rows):
        raise Error("data-no-rows", f'no row of "{shown(path)}" is left', place=place)
    return rows


def _digest(schema: Schema, parts: Mapping[str, Rows], before: str = "") -> str:
    """SHA-256 of the names, kinds and raw values of every part."""
    digest = hashlib.sha256(before.encode())
    digest.update(repr((schema.features, schema.targets, schema.classes)).encode())
    for part, rows in sorted(parts.items()):
        digest.update(repr((part, rows.numbers.shape, rows.texts.tolist())).encode())
        for values in (rows.numbers, rows.targets, rows.index):
            assert values is not None
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            digest.update(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


# ---------------------------------------------------------------- splitting


def _split(
    config: DataConfig,
    task: Task,
    rows: Any,
    own: set[str],
    seed: int,
    place: Placer,
) -> dict[str, Any]:
    """The training rows cut into the parts that neither source nor files hold."""
    for part in HELD:
        given = getattr(config.split, part)
        if part in own and given not in (0, getattr(DEFAULT_SPLIT, part)):
            message = f"the source holds {part} rows of its own"
            where = place(("data", "split", part))
            raise Error("config-split", message, place=where, fix=f"remove {part}")
    shares = {k: v for k, v in config.split.shares.items() if v > 0 and k not in own}
    held = _held(config, task, rows, shares, seed, place) if shares else {}
    if config.split.folds is None:
        return held
    return held | _fold(config, task, held.get("train", rows), own, seed, place)


def _fold(
    config: DataConfig, task: Task, rows: Any, own: set[str], seed: int, place: Placer
) -> dict[str, Any]:
    """Of the rows that are not kept for the test, those that train and validate."""
    folds, where = config.split.folds, place(("data", "split", "folds"))
    assert folds is not None
    if "validation" in own or config.source.ordered:
        what = "follow one another" if config.source.ordered else "are given"
        message = f"the source's rows {what}: they cannot be dealt into folds"
        raise Error("config-split", message, place=where, fix="remove folds")
    if len(rows) < folds:
        message = f"{len(rows)} rows are too few for {folds} folds"
        raise Error("config-split", message, place=where, fix="deal fewer folds")
    dealt = config.split.stratify is not False and _one_label(task, rows)
    labels = rows.targets if dealt else np.zeros(len(rows), np.int64)
    key = randomness.key(seed, "data/folds")
    cut = splitting.fold(labels, config.split.fold, folds, key)
    return {p: rows.take(i) for p, i in zip(("train", "validation"), cut, strict=True)}


def _one_label(task: Task, rows: Any) -> bool:
    return task == "classification" and rows.targets.ndim == 1


def _held(
    config: DataConfig,
    task: Task,
    rows: Any,
    shares: dict[str, float],
    seed: int,
    place: Placer,
) -> dict[str, Any]:
    """The rows cut into these shares, and the rest, which trains."""
    counts = splitting.sizes(len(rows), shares)
    for part, count in counts.items():
        if count == 0:
            message = f"{len(rows)} rows are too few: none is left for {part}"
            path = ("data", "split", part) if part in shares else ("data", "split")
            fix = "data.split: {} keeps every row for training"
            raise Error("config-split", message, place=place(path), fix=fix)
    indices = _indices(config, task, rows, counts, seed, place)
    return {part: rows.take(index) for part, index in indices.items()}


def _indices(
    config: DataConfig,
    task: Task,
    rows: Any,
    counts: dict[str, int],
    seed: int,
    place: Placer,
) -> splitting.Parts:
    split, key = config.split, randomness.key(seed, "data/split")
    if split.by == "order" or config.source.ordered:
        return splitting.in_order(len(rows), counts)
    if split.stratify is not False and _one_label(task, rows):
        parts = splitting.stratified(rows.targets, counts, key)
        if parts is not None:
            return parts
        if split.stratify is True:
            message = "the classes have too few rows to keep one of each for training"
            where = place(("data", "split", "stratify"))
            raise Error(
                "config-stratify", message, place=where, fix="say stratify: auto"
            )
    return splitting.at_random(len(rows), counts, key)


def _refuse_untrained_classes(
    config: DataConfig, schema: Schema, parts: Mapping[str, Rows]
) -> None:
    """A class that only validation or test have cannot be learned."""
    if schema.task == "regression":
        return
    fix = "data.split: {stratify: true} keeps rows of each class to train on"
    if config.split.by == "order":
        fix = "order the rows otherwise, or take them at random: data.split.by: random"
    trained = np.unique(parts["train"].targets)  # type: ignore[arg-type]
    (column,) = schema.targets
    for part, rows in parts.items():
        assert rows.targets is not None
        new = np.flatnonzero(~np.isin(rows.targets, trained))
        _, first = np.unique(rows.targets[new], return_index=True)
        unseen = np.zeros(len(rows.table), bool)
        unseen[rows.index[new[first]]] = True  # one row of each class is enough
        faults = Faults(rows.table)
        faults.add(
            unseen,
            column.name,
            "data-unseen-class",
            lambda cell, part=part: (  # type: ignore[misc]
                f"class {cell} is in the {part} part and not in the training part"
            ),
            fix,
        )
        faults.raise_all()


def _refuse_untrained_labels(
    preparation: Kept, parts: Mapping[str, Part], place: Placer
) -> None:
    """The same of arrays with one label each."""
    if preparation.task == "regression" or preparation.positions:
        return
    for part, rows in parts.items():
        unseen = np.setdiff1d(rows.targets, parts["train"].targets)
        if unseen.size:
            name = component.show(str(preparation.classes[unseen[0]]))
            message = f"class {name} is in the {part} part and not in the training part"
            fix = "data.split: {stratify: true} keeps rows of each class to train on"
            where = place(("data", "split"))
            raise Error("data-unseen-class", message, place=where, fix=fix)


# ---------------------------------------------------------------- steps and shape


def _check_augmentation(
    config: DataConfig, shape: tuple[int, ...], place: Placer
) -> None:
    for i, message in augment.misfits(config.augment, shape):
        fix = "images are channels, height and width: data.shape: [1, 8, 8]"
        fix = fix if len(shape) != 3 else "choose less"
        where = place(("data", "augment", i))
        raise Error("config-augment", message, place=where, fix=fix)


def _check_steps(config: DataConfig, schema: Schema, place: Placer) -> None:
    steps = config.preprocess
    encoders = [i for i, step in enumerate(steps) if isinstance(step, Encoder)]
    names = [steps[i].registered_name for i in encoders]
    message = ""
    if encoders and not schema.of_kind("categorical"):
        message = f"{names[-1]} has no categorical column to work on"
    elif len(encoders) > 1:
        again = names[0] == names[-1]
        message = f"{names[-1]} stands here a second time"
        message = message if again else f"{names[-1]} contradicts {names[0]}"
    elif encoders and not schema.targets and isinstance(steps[encoders[0]], Codes):
        message = "codes are symbols, and target: inputs has numbers to predict"
    if message:
        where = place(("data", "preprocess", encoders[-1]))
        fix = "remove it; a column is declared with columns: {NAME: categorical}"
        raise Error("config-preprocess", message, place=where, fix=fix)


def _check_target(config: DataConfig, schema: Schema, place: Placer) -> None:
    if config.standardize_target and schema.task == "classification":
        raise Error(
            "config-standardize-target",
            "classes have no mean that could be taken from them",
            place=place(("data", "standardize_target")),
            fix="leave standardize_target out, or take a loss for regression: mse",
        )
    if config.standardize_target and not schema.targets:
        raise Error(
            "config-standardize-target",
            "target: inputs takes them as preprocess has left them",
            place=place(("data", "standardize_target")),
            fix="leave standardize_target out, and say preprocess: [standardize]",
        )


def _shape(
    config: DataConfig, loaded: Loaded, preparation: Preparation, place: Placer
) -> tuple[int, ...]:
    """The shape of a row: as the config says, else as the array had it, else flat."""
    features = len(preparation.input_names)
    if config.shape is None:
        own = loaded.tables["train"].shape
        return own if own and math.prod(own) == features else (features,)
    if math.prod(config.shape) != features:
        product = " × ".join(map(str, config.shape))
        message = (
            f"shape {component.show(config.shape)} takes {product} = "
            f"{math.prod(config.shape)} values, a row has {features}"
        )
        raise Error("config-shape", message, place=place(("data", "shape")))
    return config.shape
