"""What processes have done to a disk, in order: the story that a power cut breaks off.

Nodes are files and folders under a number of their own, whatever they are called. The
last kinds of step touch nothing: they say what somebody now relies on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

Tree = Mapping[str, bytes | None]
"""What a disk holds: path -> content of the file, or None for a folder."""

ROOT = 0
"""The node of `/`."""


def parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def kind(path: str | PurePath) -> str:
    """The last part of a path, with steps left out: `.step-N.safetensors.tmp`."""
    return re.sub(r"[0-9]{12}", "N", PurePath(path).name)


@dataclass(frozen=True, slots=True)
class Made:
    """A name for a node that is new."""

    node: int
    folder: int
    path: str
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Renamed:
    """Within a folder; what had the new name before has it no longer."""

    node: int
    folder: int
    path: str
    new: str


@dataclass(frozen=True, slots=True)
class Removed:
    folder: int
    path: str


@dataclass(frozen=True, slots=True)
class Written:
    node: int
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    node: int
    path: str
    length: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """An fsync; `site` says whose, such as `CheckpointStore.save: step-N`."""

    node: int
    site: str


@dataclass(frozen=True, slots=True)
class Lost:
    """An fsync that failed: what was on its way counts as written, but may not be."""

    node: int


@dataclass(frozen=True, slots=True)
class Started:
    """A process starts; the one before it is gone, and has left what is on its way."""


# ---------------------------------------------------------------- what is relied on


@dataclass(frozen=True, slots=True)
class Begun:
    """From now on `path` may hold `data`, whole; `rows` are the logs' at this time."""

    path: str
    data: bytes
    rows: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """From now on `path` holds this (None: is a folder), or what is begun later."""

    path: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Grown:
    """From now on `path` begins with `data`, unless it is cut."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Exactly:
    """From now on `path` holds `data`, until something is written to it."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A checkpoint was said to be saved."""

    step: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What was saved after this step is meant to go."""

    after: int


Step = (
    Made
    | Renamed
    | Removed
    | Written
    | Truncated
    | Flushed
    | Lost
    | Started
    | Begun
    | Kept
    | Grown
    | Exactly
    | Said
    | GivenUp
)
Trace = list[Step]
