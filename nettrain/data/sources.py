"""Where rows come from: the family of sources, files, and arrays in memory."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path as FilePath
from typing import IO, Any, ClassVar, Literal, Protocol

import numpy as np

from nettrain.component import (
    Component,
    Fix,
    Instead,
    Path,
    escaped,
    register,
    show,
    suggest,
)
from nettrain.data import archive, delimited
from nettrain.data.encodings import is_encoding
from nettrain.data.faults import OtherReading, as_source
from nettrain.data.table import Notation, Table, names_of
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
        others: names of further arrays beside the inputs, which are not read.
    """

    tables: Mapping[str, Table]
    targets: tuple[str, ...] = ()
    task: Task | None = None
    others: tuple[str, ...] = ()

    @property
    def lacking(self) -> str:
        """What to do where there are inputs x and no targets."""
        if not self.others:
            return "add the array y, one target for each row of x"
        names = names_of(self.others)
        return f"call the array of targets y, one for each row of x; there is {names}"


class Source(Component):
    """A place that rows of data come from."""

    kind = "source"
    files: ClassVar[tuple[str, ...]] = ()
    """Fields that name files or folders."""
    short: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "[./]"}
    ordered: ClassVar[bool] = False
    """Whether rows follow one another, so that they are split in their order."""
    drawn: ClassVar[bool] = False
    """Whether rows are drawn from the seed of the run: another seed has others."""

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

    def located(self, locate: Callable[[Path, str], str]) -> Source:
        """The same with each file name as `locate(path in the config, name)` has it."""
        name = self.registered_name
        found: dict[str, Any] = {
            field: locate(("data", "source", name, field), getattr(self, field))
            for field in self.files
            if getattr(self, field) is not None
        }
        return replace(self, **found) if found else self  # type: ignore[type-var]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the rows need at least, told before they are there; 0
        where that is not known."""
        return 0

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        """Read or make the rows; generators draw from `seed`."""
        raise NotImplementedError


# ---------------------------------------------------------------- files

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LOOKED_AT = 10_000
"""Files of a folder among which one is looked for that was perhaps meant."""
_LONGEST = 200
"""Characters of a path that a message shows."""
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
            A line `sep=;` above the names, as Excel has it, says it too.
        missing_values: cells that count as missing.
        decimal: what stands before the decimals of a number.
        thousands: what may stand between the thousands of a number, nothing or one of
            these; a space may be one that does not break.
        encoding: of a table's text, by Python's name of it: `cp1252`, `utf-16`, … A
            byte order mark is no part of the text.
    """

    path: str
    delimiter: str = "auto"
    missing_values: tuple[str, ...] = delimited.MISSING
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    encoding: str = "utf-8"
    files = ("path",)

    def check(self) -> Iterator[str]:
        if self.ending not in (*_DELIMITERS, ".npz"):
            yield f'the file "{shown(self.path)}" does not end in {FORMATS}'
        if self.delimiter != "auto" and (
            len(self.delimiter) != 1 or self.delimiter in '"\r\n '
        ):
            found = show(self.delimiter)
            told = f"the delimiter {found} is not one character between cells"
            if self.delimiter and not self.delimiter.strip(" "):
                told += "; blanks around cells do not count: put commas in their place"
            yield told
        if self.thousands == self.decimal:
            found = show(self.decimal)
            yield f"{found} stands before decimals, and so not between thousands"
        if not is_encoding(self.encoding):
            found = show(self.encoding)
            yield f"{found} is no encoding of text; some are utf-8, utf-16 and cp1252"

    @property
    def ending(self) -> str:
        return FilePath(self.path).suffix.lower()

    @property
    def reading(self) -> dict[str, Any]:
        return {
            "delimiter": self.delimiter,
            "missing_values": list(self.missing_values),
            "decimal": self.decimal,
            "thousands": self.thousands,
            "encoding": self.encoding,
        }

    @property
    def said(self) -> dict[str, Any]:
        """What of it is not by default."""
        plain = FileSource(self.path).reading
        return {key: v for key, v in self.reading.items() if v != plain[key]}

    @property
    def separator(self) -> str:
        """What stands between cells."""
        known = _DELIMITERS.get(self.ending, ",")
        return known if self.delimiter == "auto" else self.delimiter

    def near(self, where: Place | None) -> str:
        """The path as the config at `where` would have it, if it is in one."""
        if where is None:
            return shown(self.path)
        near = os.path.relpath(self.path, os.path.dirname(where.file) or os.curdir)
        return min(near, self.path, key=len)

    def saying(self, where: Place | None, **fields: Any) -> str:
        """It as the config at `where` would have it, with further fields."""
        return as_source(self.near(where), **{**self.said, **fields})

    @property
    def nbytes(self) -> int:
        """Those of the file, which is read whole."""
        return file_size(self.path)

    def to_config(self) -> Any:
        plain = FileSource(self.path) == self
        return self.path if plain else {"file": {"path": self.path, **self.reading}}

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        label, where = shown(self.path), place(("data", "source"))
        if self.ending == ".npz":
            arrays = archive.arrays(read_bytes(self.path, label, where), label, ARRAYS)
            return loaded_arrays(arrays, label)
        data = _read_large(self.path, label, where)
        notation = Notation(self.decimal, self.thousands)
        how = self.separator, self.missing_values, notation, self.encoding
        try:
            return Loaded({"train": delimited.read(data, label, *how)})
        except OtherReading as error:
            if where is None:
                raise
            raise self._misread(error, where, place) from None

    def _misread(self, error: OtherReading, where: Place, place: Placer) -> Error:
        """The error beside a config: it is this that says how a file is read."""
        fix = f"say {self.saying(where, **error.fields)}{error.why}"
        if not error.sure:
            return Error(error.code, error.message, place=error.place, fix=fix)
        (key, value), *more = error.fields.items()
        edit = Instead(
            {"file": {"path": self.near(where), **self.said, **error.fields}}
        )
        if key in self.said and not more:  # it alone is wrong
            edit = Instead(value)
            where = place(("data", "source", "file", key)) or where
        return Error(error.code, error.message, place=where, fix=Fix(fix, edit))


def read_bytes(path: str, label: str, place: Place | None = None) -> bytes:
    """All bytes of a plain file.

    Args:
        label: the file, as messages call it.
        place: where the config names it.
    """
    with opened(path, label, place) as file:
        return file.read()


def _read_large(path: str, label: str, place: Place) -> memoryview:
    """The same in memory of NumPy's, which comes in larger pages, in half the time."""
    with opened(path, label, place) as file:
        held = memoryview(np.empty(os.fstat(file.fileno()).st_size, np.uint8))
        return held[: file.readinto(held)]  # type: ignore[attr-defined]


@contextlib.contextmanager
def opened(path: str, label: str, place: Place | None = None) -> Iterator[IO[bytes]]:
    """A plain file to be read; arguments as above."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(0, "it is no plain file")
            yield file
    except FileNotFoundError:
        raise missing_file(path, label, place) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f'cannot read "{label}": {reason}'
        raise Error("data-unreadable-file", message, place=place) from None


def missing_file(path: str, label: str, place: Place | None) -> Error:
    """The error of a file that is not there, with what was perhaps meant."""
    message = f'there is no file "{label}"'
    return Error("data-missing-file", message, place=place, fix=_similar(path))


def _similar(path: str) -> str:
    folder = FilePath(path).parent
    if not folder.is_dir():
        return f'there is no folder "{shown(str(folder))}" either'
    try:
        names = [entry.name for entry in islice(folder.iterdir(), _LOOKED_AT)]
    except OSError:  # whose names are not for everybody
        names = []
    near = suggest(FilePath(path).name, names)
    return near or f'the folder is "{shown(str(folder))}"'


def file_size(path: str) -> int:
    """Bytes of a plain file, 0 of what cannot be read, which `load` tells."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe too, which would else wait for somebody to write to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def shown(path: str) -> str:
    """A path as messages show it: relative where it lies below the working folder.

    Of a long one the end is shown, where paths differ.
    """
    absolute, here = os.path.abspath(path), os.getcwd()
    if absolute.startswith(here + os.sep):
        path = os.path.relpath(absolute)
    return escaped(path if len(path) <= _LONGEST else "…" + path[1 - _LONGEST :])


# ---------------------------------------------------------------- arrays


ARRAYS = re.compile(rf"[xy](_({'|'.join(PARTS)}))?")
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
        found = names_of(arrays) or "nothing"
        message = (
            f"expected arrays x and y, or x_train, y_train, x_test, …; found {found}"
        )
        raise Error("data-array", message, place=Place(label))
    targets = tuple(n for n in tables["train"].names if n.startswith("target"))
    others = tuple(name for name in arrays if not ARRAYS.fullmatch(name))
    return Loaded(tables, targets, others=others)


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
