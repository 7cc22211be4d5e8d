"""The folder of a sweep: which it is, what it was begun with, and what may change.

What was asked for, the base and a hash of the data stand in it, so that all of its
trials answer one question. More seeds may be asked for later, and more points of a
method whose first ones stay the same: what is trained is what a new sweep would train.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from nettrain import __version__
from nettrain.component import dump, show
from nettrain.config import resolve
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.record import lock
from nettrain.record.folder import (
    BEST,
    REPORT,
    SWEEP,
    TABLE,
    TRIALS,
    check_name,
    numbered,
    numbers,
)
from nettrain.study.methods import Optuna
from nettrain.study.points import Base, plain_text
from nettrain.study.settings import Sweep

BASE, DATA = "base.yaml", "data.sha256"
STOP = ".stop"
_WHOLE = (SWEEP, BASE, DATA, TABLE, BEST, REPORT)
_OURS = {lock.LOCK, STOP, TRIALS, *_WHOLE, *(f".{name}.tmp" for name in _WHOLE)}
_LOOK = 0.1
"""Seconds between two looks at a trial."""
_PATIENCE = 60.0
"""Seconds that trials have to end whose sweep is gone."""
_NO_MATTER = ("base", "workers", "backend", "limit")
"""Settings that cannot change the result, and the base, which is compared itself."""
_GROWING = ("seeds", "method.random.points", "method.optuna.points")
"""Settings of which less was enough for what is trained already."""
_GROWS = "only seeds, and the points of random and optuna, may become more"
_ELSEWHERE = "choose another folder with --out"
_BEGUN = "# Begun with "
"""What the first line of `sweep.yaml` begins with."""


class Change(NamedTuple):
    """A setting that is not what it was when the folder was begun.

    Attributes:
        key: of the setting.
        was, now: its plain values; `...` where there is none.
    """

    key: str
    was: Any
    now: Any

    def __str__(self) -> str:
        was, now = (_told(value) for value in (self.was, self.now))
        return f"{self.key} was {was}, and is {now} now"

    @property
    def back(self) -> Change:
        """The change that undoes it."""
        return Change(self.key, self.now, self.was)

    @property
    def grows(self) -> bool:
        """Whether all that was asked for before is asked for still."""
        return self.key in _GROWING and self.now > self.was


def _told(value: Any) -> str:
    return "not there" if value is ... else show(value)


def folder(
    base: Base, out: Path | str | None, disk: Disk
) -> tuple[Path, Sequence[str]]:
    """That of the same sweep, of a smaller one, or a new one.

    Returns:
        It, and where it is none of the same sweep, a note on the newest larger one.
    """
    if out is not None:
        if disk.exists(Path(out)) and not disk.is_folder(Path(out)):
            raise Error("run-not-folder", f"{out} is no folder", fix=_ELSEWHERE)
        disk.make_folders(Path(out))
        _refuse_foreign(Path(out), disk)
        return Path(out), ()
    parent = Path("runs") / check_name(base.sweep.name)
    smaller: Path | None = None
    larger: list[str] = []
    for number in sorted(numbers(disk, parent), reverse=True):
        path = parent / str(number)
        if (path / SWEEP).exists():
            with contextlib.suppress(Error):  # a damaged one is another one
                changes = _changes(base, path)
                if not changes:
                    return path, ()
                if not _refusal(base, changes):
                    smaller = smaller or path
                elif not _refusal(base, [change.back for change in changes]):
                    asked = " ".join(f"{key}={show(was)}" for key, was, _ in changes)
                    more = f"{path} was begun for all of this and more: {asked}"
                    larger = larger or [f"{more} goes on there"]
    return smaller or numbered(disk, parent), larger


def begin(base: Base, data: str, path: Path, disk: Disk) -> list[Change]:
    """Write what was asked for, or see that what is there still answers it.

    Args:
        data: a hash of all data that decide what its points come to.

    Returns:
        What is asked for beyond what was.

    Raises:
        Error: `run-exists`, `run-data-changed`, `run-damaged`, `run-not-empty`, or
            `locked-run`.
    """
    changes: list[Change] = []
    if (path / SWEEP).exists():
        changes = _changes(base, path)
        if why := _refusal(base, changes):
            first, *others = sorted(changes, key=lambda change: change.grows)
            more = f", and {len(others)} more" if others else ""
            message = f"{path} holds another sweep: {first}{more}; {why}"
            raise Error("run-exists", message, fix=_ELSEWHERE)
        _refuse_other_data(path, data, disk)
        _end_leftovers(path, disk)
    else:
        _refuse_foreign(path, disk)
        disk.make_folders(path / TRIALS)
        disk.replace(path / BASE, base.text().encode())
    if changes or not (path / SWEEP).exists():
        first = _begun_with(path, disk) if changes else _decided_by(base.sweep)
        disk.replace(path / DATA, f"{data}\n".encode())
        text = f"{_BEGUN}{first}\n{base.sweep_text()}"
        disk.replace(path / SWEEP, text.encode())
    disk.remove(path / STOP)
    return changes


def refuse_other_points(sweep: Sweep, path: Path, disk: Disk) -> None:
    """See that other points are not those of another version of what decides them.

    Raises:
        Error: `run-exists`.
    """
    then, now = _begun_with(path, disk), _decided_by(sweep)
    if then != now:
        message = f"{path}: other points are tried now than when it was begun"
        fix = f"it was begun with {then}, and this is {now}: go on with the former, or "
        raise Error("run-exists", message, fix=fix + _ELSEWHERE)


def _decided_by(sweep: Sweep) -> str:
    """What decides, beside the config, which points a sweep has."""
    package = sweep.method.package
    more = f", {package} {metadata.version(package)}" if package else ""
    return f"nettrain {__version__}{more}"


def _begun_with(path: Path, disk: Disk) -> str:
    """That, as it was when the folder was begun."""
    first = disk.read(path / SWEEP).decode().partition("\n")[0]
    return first.removeprefix(_BEGUN)


def _refuse_other_data(path: Path, data: str, disk: Disk) -> None:
    if not disk.exists(path / DATA):
        raise Error("run-damaged", f"{path / DATA} is missing", fix=_ELSEWHERE)
    if disk.read(path / DATA).decode(errors="replace").strip() != data:
        message = f"the data are not what they were when {path} was begun"
        fix = f"put them back, or {_ELSEWHERE}"
        raise Error("run-data-changed", message, fix=fix)


def _refuse_foreign(path: Path, disk: Disk) -> None:
    """Nothing is written, not even a lock, beside what is none of ours."""
    foreign = [name for name in disk.list(path) if name not in _OURS]
    if foreign and not (path / SWEEP).exists():
        message = f"{path} is no sweep and holds {', '.join(foreign[:3])}"
        raise Error("run-not-empty", message, fix="choose another folder")


def _end_leftovers(path: Path, disk: Disk) -> None:
    """Have trials end whose sweep is gone: a cluster does not notice that at once."""
    give_up = time.monotonic() + _PATIENCE
    inside = [path / TRIALS / name for name in disk.list(path / TRIALS)]
    left = [trial for trial in inside if disk.is_folder(trial)]
    while left := [trial for trial in left if lock.is_held(disk, trial)]:
        (path / STOP).touch()
        if time.monotonic() > give_up:
            message = f"{left[0]} is in use by another process"
            raise Error("locked-run", message, fix="wait for it, or stop it")
        time.sleep(_LOOK)


# ---------------------------------------------------------------- what has changed


def _changes(base: Base, path: Path) -> list[Change]:
    """What is not as it was when the folder was begun.

    Raises:
        Error: `run-damaged`.
    """
    try:
        before: Sweep = resolve(path / SWEEP, schema=Sweep).build()
        known: Experiment = resolve(path / BASE, schema=Experiment).build()
    except Error as error:
        message = f"{path} is no whole sweep: {error.message}"
        raise Error("run-damaged", message, place=error.place, fix=_ELSEWHERE) from None
    asked = _differing(_asked(before), _asked(base.sweep))
    found = [Change(*change) for change in asked]
    if plain_text(known) != plain_text(base.experiment):
        varied = _differing(dump(known), dump(base.experiment))
        found += [Change(f"{key} of the base", *both) for key, *both in varied]
    return found


def _asked(sweep: Sweep) -> dict[str, Any]:
    return {k: v for k, v in dump(sweep).items() if k not in _NO_MATTER}


def _differing(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """By key both values of what differs, as deep as both have the same parts."""
    one, other = _parts(was), _parts(now)
    if (one and other and one.keys() == other.keys()) or key in ("", "space"):
        for name in {**one, **other}:
            inner = f"{key}.{name}" if key else str(name)
            yield from _differing(one.get(name, ...), other.get(name, ...), inner)
    elif repr(was) != repr(now):
        yield key, was, now


def _parts(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        return dict(enumerate(value))
    return value if isinstance(value, Mapping) else {}


def _refusal(base: Base, changes: Sequence[Change]) -> str:
    """Why such changes make another sweep of it; empty where they do not."""
    if not all(change.grows for change in changes):
        return _GROWS
    if any(c.key == "seeds" for c in changes) and isinstance(base.sweep.method, Optuna):
        return "the means of other seeds lead optuna to other points"
    return ""
