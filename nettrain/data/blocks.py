"""Rows that are arrays of one shape and no cells of a table: images and sequences."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nettrain.component import dump
from nettrain.data import archive
from nettrain.data.kept import Fitted, Kept, TargetScale, built, learned_arrays
from nettrain.data.preprocess import Encoder
from nettrain.data.schema import Class
from nettrain.data.sources import (
    ARRAYS,
    Placer,
    Source,
    Task,
    read_bytes,
    shown,
)
from nettrain.data.table import names_of
from nettrain.errors import Error, Place

if TYPE_CHECKING:
    from nettrain.data.settings import DataConfig

FORMAT = 1
"""Of `data.json`."""
_CHUNK = 1 << 21
"""Numbers that are transformed at a time: their float64 copies stay small."""


@dataclass(frozen=True, eq=False)
class Block:
    """n rows, each of them an array.

    Attributes:
        inputs: (n, *shape) numbers; bytes are brightnesses, which become 0 to 1.
        targets: int64 (n,) or (n, T) class numbers, float64 (n, T) values, or None if
            they are not asked for.
        index: int64 (n,), where each row is in its source: the number of an image, the
            first character of a piece of text.
        label: the file or source, as messages call it.
        span: how many places of the source a row takes up, from its index on.
    """

    inputs: np.ndarray
    targets: np.ndarray | None
    index: np.ndarray
    label: str
    span: int = 1

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> Block:
        return replace(
            self,
            inputs=self.inputs[rows],
            targets=None if self.targets is None else self.targets[rows],
            index=self.index[rows],
        )


@dataclass(frozen=True)
class Meaning:
    """What the arrays of a source stand for.

    Attributes:
        task: classification or regression.
        shape: of one row of inputs.
        classes: what the labels 0, 1, … stand for; none in a regression.
        targets: what is to be predicted; one name in a classification.
        features: what lies along the axis; none where inputs are symbols, which have no
            scale.
        axis: of one row of inputs, along which the features lie.
        positions: (T,) where each of T positions of a row has a label of its own.
        symbols: how many different symbols the inputs may be.
    """

    task: Task
    shape: tuple[int, ...]
    classes: tuple[Class, ...]
    targets: tuple[str, ...] = ("target",)
    features: tuple[str, ...] = ()
    axis: int = -1
    positions: tuple[int, ...] = ()
    symbols: int = 0


@dataclass(frozen=True, eq=False)
class Blocks:
    """What a source of arrays gives.

    Attributes:
        source: which one.
        parts: `train`, which a split may be taken from, and the parts that the source
            itself holds.
        meaning: of the arrays.
    """

    source: BlockSource
    parts: Mapping[str, Block]
    meaning: Meaning

    @property
    def task(self) -> Task:
        return self.meaning.task

    def fit(self, train: Block, config: DataConfig, dtype: str) -> BlockPreparation:
        """Learn the steps and the scale of the targets from the training part."""
        scale = None
        if config.standardize_target:
            assert train.targets is not None
            scale = TargetScale.fitted(train.targets)
        made = BlockPreparation(self.source, self.meaning, (), dtype, scale)
        steps: list[Fitted] = []
        values = made.flat(train.inputs) if config.preprocess else train.inputs
        for step in config.preprocess:
            steps.append(Fitted(step, step.fit(values)))
            values = steps[-1].transform(values)
        return replace(made, steps=tuple(steps))

    def digest(self) -> str:
        """SHA-256 of what the source holds."""
        digest = hashlib.sha256(repr(self.meaning).encode())
        for part, block in sorted(self.parts.items()):
            for values in (block.inputs, block.targets, block.index):
                assert values is not None
                little = values.astype(values.dtype.newbyteorder("<"), copy=False)
                digest.update(repr((part, little.dtype.str, little.shape)).encode())
                whole = np.ascontiguousarray(little)
                digest.update(whole.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def refuse(self, config: DataConfig, place: Placer) -> None:
        """Refuse steps that these arrays do not take, and unknown classes.

        Raises:
            Error: at the setting that is at fault.
        """
        name = self.source.registered_name
        for i, step in enumerate(config.preprocess):
            at = place(("data", "preprocess", i))
            if not self.meaning.features:
                message = f"{name} gives symbols, which {step.registered_name} "
                message += "would make meaningless"
                fix = "remove preprocess, and begin the model with an embedding"
                raise Error("config-preprocess", message, place=at, fix=fix)
            if isinstance(step, Encoder):
                message = f"{step.registered_name} has no categorical column to work "
                message += f"on: {name} gives numbers"
                raise Error("config-preprocess", message, place=at, fix="remove it")


class BlockSource(Source):
    """A source of arrays.

    Attributes:
        takes: settings of `data:` about columns that it takes all the same.
    """

    takes: ClassVar[tuple[str, ...]] = ()

    def gather(self, config: DataConfig, seed: int, place: Placer) -> Any:
        """`Blocks`, or what has the same methods."""
        raise NotImplementedError

    def further(self, path: str, meaning: Meaning, need_target: bool) -> Block:
        """Rows of a file like those that were trained on."""
        name = self.registered_name
        message = f"{shown(path)}: a run on {name} reads .npz files"
        fix = "write it with numpy.savez(path, x=inputs, y=targets)"
        raise Error("data-unreadable-file", message, fix=fix)


_ABOUT_COLUMNS = {
    "target": "it knows what is to be predicted",
    "columns": "it has no columns",
    "missing": "no value can be missing in it",
    "shape": "its rows have a shape of their own; `flatten` and `reshape` are layers",
}


def refuse_settings(
    config: DataConfig, source: BlockSource, task: Task | None, own: Task, place: Placer
) -> None:
    """Refuse settings that say something of columns, and a task that is another one.

    Args:
        task: what the loss asks for, where the config does not say it.
        own: the source's.
    """
    name = source.registered_name
    defaults: dict[str, Any] = {
        "target": None,
        "columns": {},
        "missing": "error",
        "shape": None,
    }
    for key, why in _ABOUT_COLUMNS.items():
        if key not in source.takes and getattr(config, key) != defaults[key]:
            at = place(("data", key), True)
            message = f"{key} says nothing of {name}: {why}"
            raise Error("config-source", message, place=at, fix=f"remove {key}")
    decided = config.task or task or own
    if decided != own:
        at = place(("data", "task" if config.task else "source"))
        losses = {"classification": "cross_entropy", "regression": "mse"}
        message = f"{name} is a {own}, and the run a {decided}"
        raise Error("config-task", message, place=at, fix=f"say loss: {losses[own]}")
    if config.standardize_target and own == "classification":
        at = place(("data", "standardize_target"))
        message = "classes have no mean that could be taken from them"
        fix = "leave standardize_target out"
        raise Error("config-standardize-target", message, place=at, fix=fix)
    for part in config.split.files:
        at = place(("data", "split", part))
        message = f"{part} of {name} cannot be a file"
        fix = f"give the share of all rows that it takes: {part}: 0.15"
        raise Error("config-split", message, place=at, fix=fix)


# ---------------------------------------------------------------- preparation


@dataclass(frozen=True)
class BlockPreparation(Kept):
    """From arrays as a source gives them to those that a network takes.

    Attributes:
        source: reads further files.
        meaning: of the arrays.
        steps: of the features, in turn.
        dtype: of inputs and of regression targets.
        target_scale: of a regression whose targets are standardized.
    """

    source: BlockSource
    meaning: Meaning
    steps: tuple[Fitted, ...]
    dtype: str
    target_scale: TargetScale | None = None

    @property
    def task(self) -> Task:
        return self.meaning.task

    @property
    def classes(self) -> tuple[Class, ...]:
        return self.meaning.classes

    @property
    def target_names(self) -> tuple[str, ...]:
        return self.meaning.targets

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.meaning.features

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.meaning.shape

    @property
    def positions(self) -> tuple[int, ...]:
        return self.meaning.positions

    @property
    def symbols(self) -> tuple[int, ...]:
        known = self.meaning.symbols
        return (known,) * math.prod(self.input_shape) if known else ()

    def by_feature(self, inputs: np.ndarray) -> np.ndarray:
        if not self.feature_names:
            return inputs.reshape(len(inputs), -1)[:, :0]
        last = np.moveaxis(inputs, range(1, inputs.ndim)[self.meaning.axis], -1)
        return last.reshape(-1, len(self.feature_names))

    def flat(self, inputs: np.ndarray) -> np.ndarray:
        """Raw inputs as steps see them: float64 (m, F)."""
        values = self.by_feature(inputs).astype(np.float64)
        return values / 255 if inputs.dtype == np.uint8 else values

    # ------------------------------------------------------------ reading and applying

    def read(self, path: str, need_target: bool = False) -> Block:
        if not path.lower().endswith(".npz"):
            return self.source.further(path, self.meaning, need_target)
        label = shown(path)
        arrays = archive.arrays(read_bytes(path, label), label, ARRAYS)
        if arrays.get("x") is None:
            raise _absent("x", arrays, label)
        if need_target and arrays.get("y") is None:
            raise _absent("y", arrays, label)
        return self._block(arrays["x"], arrays.get("y"), label)

    def rows(self, raw: Any, need_target: bool = False) -> Block:
        if isinstance(raw, Block):
            return raw
        return self._block(np.asarray(raw), None, "the array")

    def _block(self, x: Any, y: Any, label: str) -> Block:
        shape = self.input_shape
        if x.shape[1:] != shape or x.dtype.kind not in "biuf":
            wanted = ", ".join(map(str, shape))
            message = f"x has the shape {x.shape}, expected numbers (rows, {wanted})"
            raise Error("data-array", message, place=Place(label))
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            message = "x holds values that are not finite"
            raise Error("data-infinite", message, place=Place(label))
        if not self.feature_names:
            _refuse_unknown(x, np.arange(self.meaning.symbols), "x", label)
        block = Block(x, None, np.arange(len(x)), label)
        return block if y is None else replace(block, targets=self._targets(y, block))

    def _targets(self, y: np.ndarray, block: Block) -> np.ndarray:
        values = self.task == "regression"
        shape = (len(block), *((len(self.target_names),) if values else self.positions))
        if y.shape != shape and y.shape != shape[: 1 if values else None]:
            message = f"y has the shape {y.shape}, expected {shape}"
            raise Error("data-array", message, place=Place(block.label))
        if values and y.dtype.kind in "biuf" and np.isfinite(y).all():
            return y.astype(np.float64).reshape(shape)
        if values or y.dtype.kind not in "biu":
            wanted = "finite numbers" if values else "class numbers"
            message = f"y has the dtype {y.dtype}, expected {wanted}"
            raise Error("data-array", message, place=Place(block.label))
        if isinstance(self.classes[0], str):  # then they are given by their numbers
            _refuse_unknown(y, np.arange(len(self.classes)), "y", block.label)
            return y.astype(np.int64)
        known = np.array(self.classes)
        _refuse_unknown(y, known, "y", block.label)
        return np.searchsorted(known, y)

    def transform(self, rows: Block) -> np.ndarray:
        shape = self.input_shape
        made = np.empty((len(rows), *shape), self.dtype)
        size = max(1, _CHUNK // max(math.prod(shape), 1))
        for start in range(0, len(rows), size):
            raw = rows.inputs[start : start + size]
            with np.errstate(all="ignore"):  # what is not finite in the end is refused
                made[start : start + size] = (
                    self._stepped(raw) if self.feature_names else raw
                )
        return self._finite(made, rows)

    def _finite(self, made: np.ndarray, rows: Block) -> np.ndarray:
        """What was made of rows, whose dtype some value may have been too large for."""
        if not np.isfinite(made).all():
            message = f"a prepared value is too large for {self.dtype}"
            raise Error("data-infinite", message, place=Place(rows.label))
        return made

    def _stepped(self, raw: np.ndarray) -> np.ndarray:
        values = self.flat(raw)
        for fitted in self.steps:
            values = fitted.transform(values)
        axis = range(1, raw.ndim)[self.meaning.axis]
        last = np.moveaxis(raw, axis, -1).shape
        return np.moveaxis(values.reshape(last), -1, axis)

    def labels(self, rows: Block) -> np.ndarray:
        if rows.targets is None:
            raise ValueError("these rows were read without their targets")
        if self.task == "classification":
            return rows.targets
        targets, scale = rows.targets, self.target_scale
        with np.errstate(all="ignore"):
            targets = targets if scale is None else scale.standardized(targets)
            return self._finite(targets.astype(self.dtype), rows)

    # ------------------------------------------------------------ keeping

    def arrays(self) -> dict[str, np.ndarray]:
        return learned_arrays(self.steps, self.target_scale)

    def to_json(self) -> dict[str, Any]:
        meaning = self.meaning
        return {
            "format": FORMAT,
            "kind": "arrays",
            "source": dump(self.source),
            "task": meaning.task,
            "classes": list(meaning.classes),
            "targets": list(meaning.targets),
            "features": list(meaning.features),
            "axis": meaning.axis,
            "input_shape": list(meaning.shape),
            "positions": list(meaning.positions),
            "symbols": meaning.symbols,
            "dtype": self.dtype,
            "preprocess": [fitted.to_json() for fitted in self.steps],
            "target_scale": self.target_scale and self.target_scale.to_json(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> BlockPreparation:
        """The preparation that `to_json` wrote."""
        try:
            made = cls._of(plain)
            made.transform(Block(np.zeros((1, *made.input_shape)), None, _ONE, ""))
            made.by_feature(np.zeros((1, *made.input_shape)))
            return made
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"data.json is not what this version writes: {error!r}"
            raise Error("run-data", message) from None

    @classmethod
    def _of(cls, plain: Mapping[str, Any]) -> BlockPreparation:
        source = built(Source, plain["source"])
        if not isinstance(source, BlockSource):
            raise ValueError("a source of no arrays")
        features = tuple(plain["features"])
        shape, positions = tuple(plain["input_shape"]), tuple(plain["positions"])
        if features and shape[plain["axis"]] != len(features):
            raise ValueError(f"an input of shape {shape}")
        if bool(plain["classes"]) != (plain["task"] == "classification"):
            raise ValueError("classes of another task")
        meaning = Meaning(
            plain["task"],
            shape,
            tuple(plain["classes"]),
            tuple(plain["targets"]),
            features,
            plain["axis"],
            positions,
            plain["symbols"],
        )
        steps = tuple(map(Fitted.from_json, plain["preprocess"]))
        scale = TargetScale.from_json(plain["target_scale"])
        if scale and not scale.mean.shape == scale.std.shape == (len(meaning.targets),):
            raise ValueError("a scale of other targets")
        return cls(source, meaning, steps, plain["dtype"], scale)


_ONE = np.zeros(1, np.int64)


def _absent(name: str, found: Mapping[str, Any], label: str) -> Error:
    message = f"there is no array {name}, but {names_of(found) or 'none'}"
    return Error("data-array", message, place=Place(label))


def _refuse_unknown(
    values: np.ndarray, known: np.ndarray, name: str, label: str
) -> None:
    """Refuse what is none of some whole numbers."""
    wrong = values[~np.isin(values, known)]
    if wrong.size:
        wanted = f"whole numbers from {known[0]} to {known[-1]}"
        message = f"{name} holds {wrong.flat[0]}, expected {wanted}"
        if known[-1] - known[0] >= len(known):
            message += ", of which some are no class"
        raise Error("data-unseen-class", message, place=Place(label))
