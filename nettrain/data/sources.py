"""Where rows come from: the family of sources, files, and arrays in memory."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from nettrain.component import Component, listed, register, suggest
from nettrain.data import archive, delimited
from nettrain.data.table import Table
from nettrain.errors import Error, Place

Task = Literal["classification", "regression"]
PARTS = ("train", "validation", "test")


class Placer(Protocol):
    """Finds the place of a path such as ("data", "source"), or of its key."""

    def __call__(
        self, path: tuple[str | int, ...], key: bool = False
    ) -> Place | None: ...


def nowhere(path: tuple[str | int, ...], key: bool = False) -> Place | None:
    """The placer of a config that stands in no file."""
    return None


@dataclass(frozen=True)
class Loaded:
    """What a source gives.

    Attributes:
        tables: `train`, which a split may be taken from, and the parts that the source
            itself holds.
        targets: the target columns, where the source knows them.
        task: `classification` or `regression`, where the source knows it.
    """

    tables: Mapping[str, Table]
    targets: tuple[str, ...] = ()
    task: Task | None = None


class Source(Component):
    """A place that rows of data come from."""

    kind = "source"

    @classmethod
    def shorthand(cls, value: object) -> Source | None:
        """A text that looks like a file's name is one: `table.csv`."""
        if not isinstance(value, str) or not ("." in value or "/" in value):
            return None
        return FileSource(path=value)

    @property
    def reading(self) -> dict[str, Any]:
        """How further files are to be read: fields of `FileSource` beside the path."""
        return {}

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        """Read or make the rows; generators draw from `seed`."""
        raise NotImplementedError


# ---------------------------------------------------------------- files

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".csv, .tsv or .npz, the formats that can be read"


@register("file")
class FileSource(Source):
    """A file of rows: `table.csv`, `table.tsv` or `arrays.npz`.

    The first line of a table names its columns. An npz file holds `x` (n, …) and `y`
    (n,) or (n, T), or parts already split: `x_train`, `y_train`, `x_validation`,
    `y_validation`, `x_test`, `y_test`.

    Attributes:
        path: the file, absolute or relative to the config.
        delimiter: the character between cells; `auto` is a comma, in a .tsv file a tab.
        missing_values: cells that count as missing.
    """

    path: str
    delimiter: str = "auto"
    missing_values: tuple[str, ...] = delimited.MISSING

    def check(self) -> Iterator[str]:
        if self.ending not in (*_DELIMITERS, ".npz"):
            yield f'the file "{self.path}" does not end in {FORMATS}'
        if self.delimiter != "auto" and (
            len(self.delimiter) != 1 or self.delimiter in '"\r\n '
        ):
            yield f'the delimiter "{self.delimiter}" is not one character between cells'

    @property
    def ending(self) -> str:
        return Path(self.path).suffix.lower()

    @property
    def reading(self) -> dict[str, Any]:
        missing = list(self.missing_values)
        return {"delimiter": self.delimiter, "missing_values": missing}

    def to_config(self) -> Any:
        plain = FileSource(self.path) == self
        return self.path if plain else {"file": {"path": self.path, **self.reading}}

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        data = self._bytes(place(("data", "source")))
        label = shown(self.path)
        if self.ending == ".npz":
            return loaded_arrays(archive.arrays(data, label, _NAMES), label)
        delimiter = self.delimiter
        if delimiter == "auto":
            delimiter = _DELIMITERS[self.ending]
        return Loaded(
            {"train": delimited.read(data, label, delimiter, self.missing_values)}
        )

    def _bytes(self, place: Place | None) -> bytes:
        try:
            with open(self.path, "rb", opener=_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(0, "it is no plain file")
                return file.read()
        except FileNotFoundError:
            raise Error(
                "data-missing-file",
                f'there is no file "{shown(self.path)}"',
                place=place,
                fix=self._similar(),
            ) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f'cannot read "{shown(self.path)}": {reason}'
            raise Error("data-unreadable-file", message, place=place) from None

    def _similar(self) -> str:
        folder = Path(self.path).parent
        if not folder.is_dir():
            return f'there is no folder "{shown(str(folder))}" either'
        names = [entry.name for entry in folder.iterdir()]
        return suggest(Path(self.path).name, names) or f'the folder is "{folder}"'


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe too, which would else wait for somebody to write to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def shown(path: str) -> str:
    """A path as messages show it: relative where it lies below the working folder."""
    absolute, here = os.path.abspath(path), os.getcwd()
    return os.path.relpath(absolute) if absolute.startswith(here + os.sep) else path


# ---------------------------------------------------------------- arrays


_NAMES = re.compile(rf"[xy](_({'|'.join(PARTS)}))?")
"""Of the arrays that a file may hold; others are left alone."""


def loaded_arrays(arrays: Mapping[str, Any], label: str) -> Loaded:
    """Tables from `x` and `y`, or from `x_train`, `y_train`, `x_validation`, …"""
    single = "x" in arrays
    names = {"x": "train"} if single else {f"x_{part}": part for part in PARTS}
    tables = {
        part: table_of(arrays[x], arrays.get(x.replace("x", "y", 1)), label, x)
        for x, part in names.items()
        if x in arrays
    }
    if "train" not in tables:
        found = listed(arrays) or "nothing"
        message = (
            f"expected arrays x and y, or x_train, y_train, x_test, …; found {found}"
        )
        raise Error("data-array", message, place=Place(label))
    targets = tuple(n for n in tables["train"].names if n.startswith("target"))
    return Loaded(tables, targets)


def table_of(x: Any, y: Any | None, label: str, name: str = "x") -> Table:
    """A table of arrays: inputs x1, x2, … and target, or target1, target2, …

    Args:
        x: (n, …) numbers, or an object array (n, columns) with texts among them.
        y: (n,), (n, 1) or (n, T), or None.
    """
    x = _array(x, label, name)
    if x.ndim < 2 or not x.size:
        message = f"{name} has the shape {x.shape}, expected (rows, columns)"
        raise Error("data-array", message, place=Place(label))
    names = [f"x{i + 1}" for i in range(x[0].size)]
    columns = _columns(x.reshape(len(x), -1), label, name)
    if y is not None:
        name = name.replace("x", "y", 1)
        y = _matrix(_array(y, label, name), len(x), label, name)
        several = y.shape[1] > 1
        names += [f"target{i + 1}" if several else "target" for i in range(y.shape[1])]
        columns += _columns(y, label, name)
    return Table(tuple(names), columns, label, shape=x.shape[1:])


def _array(values: Any, label: str, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        message = f"{name} is no array: {error}"
        raise Error("data-array", message, place=Place(label)) from None


def _matrix(y: np.ndarray, rows: int, label: str, name: str) -> np.ndarray:
    """Targets as (n, T)."""
    if y.ndim not in (1, 2) or not y.size:
        message = f"{name} has the shape {y.shape}, expected (rows,) or (rows, targets)"
        raise Error("data-array", message, place=Place(label))
    if len(y) != rows:
        message = f"{name} has {len(y)} rows, {name.replace('y', 'x', 1)} has {rows}"
        raise Error("data-array", message, place=Place(label))
    return y.reshape(rows, -1)


def _columns(values: np.ndarray, label: str, name: str) -> list[np.ndarray | list[str]]:
    if values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):  # what is not finite is refused later
            return list(values.astype(np.float64).T)
    if values.dtype.kind in "OU":
        return [["" if _absent(v) else str(v) for v in column] for column in values.T]
    message = f"{name} has the dtype {values.dtype}, expected numbers or texts"
    raise Error("data-array", message, place=Place(label))


def _absent(value: object) -> bool:
    """None and NaN, the only value that differs from itself."""
    return value is None or value != value


@dataclass(frozen=True, eq=False)
class ArraySource(Source):
    """Arrays in memory, for `nt.fit`.

    Attributes:
        x: (n, …) inputs.
        y: (n,) or (n, T) targets.
    """

    x: Any
    y: Any

    def to_config(self) -> str:
        return "arrays in memory"

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        return loaded_arrays({"x": self.x, "y": self.y}, "arrays")
