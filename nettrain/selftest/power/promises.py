"""What a disk must hold after a power cut, given what was said and relied on before."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nettrain.record.folder import (
    CHECKPOINTS,
    METRICS,
    PLOTS,
    RUN,
    STATISTICS,
    RunFolder,
)
from nettrain.record.store import file_name, recover
from nettrain.selftest.power.model import ModelDisk
from nettrain.selftest.power.trace import (
    Begun,
    Exactly,
    GivenUp,
    Grown,
    Kept,
    Removed,
    Renamed,
    Said,
    Step,
    Tree,
    Truncated,
    Written,
)

NEEDED = ("config.yaml", "config.resolved.yaml", "data.json")
"""What must be there if `run.json` is, for `resume` and `predict`."""

KEEP = 2
"""How many checkpoints there are at least, once there were so many."""

_STEP = re.compile(r".*/step-([0-9]{12})\.safetensors")

Rows = tuple[bytes, bytes]
"""All of `metrics.jsonl` and of `statistics.csv`."""


def step_of(path: str) -> int | None:
    """Of a checkpoint under its final name."""
    match = _STEP.fullmatch(path)
    return int(match[1]) if match else None


@dataclass
class Due:
    """What the disk owes, at a point of a trace.

    Attributes:
        versions: path -> the contents that it may hold: whole, the old or a new one.
        there: of these the paths that must be there.
        folders: those that must be there.
        grown: path -> how it must begin.
        exactly: path -> what it must hold.
        said: steps whose checkpoints were said to be saved, but for those given up.
        rows: checkpoint -> the rows that were there when it was made.
        unsure: paths that hold what nobody vouches for: damaged, or copied just now.
        damaged: contents that must be kept somewhere, for a person to look at.
        changes: how often this has changed.
    """

    versions: dict[str, list[bytes]] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    grown: dict[str, bytes] = field(default_factory=dict)
    exactly: dict[str, bytes] = field(default_factory=dict)
    said: set[int] = field(default_factory=set)
    rows: dict[bytes, Rows] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    damaged: tuple[bytes, ...] = ()
    changes: int = 0

    def copy(self) -> Due:
        return copy.deepcopy(self)

    def take(self, step: Step) -> None:
        """One more step of the trace."""
        self.changes += 1
        match step:
            case Begun(path, data, rows):
                self.versions.setdefault(path, []).append(data)
                self.rows[data] = rows
            case Kept(path, None):
                self.folders.add(path)
            case Kept(path, bytes() as data):
                older = self.versions.get(path, [data])
                last = len(older) - older[::-1].index(data) - 1
                self.versions[path] = older[last:]
                self.there.add(path)
                self.unsure.discard(path)
            case Removed(_, path) | Renamed(_, _, path, _):
                self._let_go(path)
            case Truncated(_, path, length):
                self.exactly.pop(path, None)
                self.grown[path] = self.grown.get(path, b"")[:length]
            case Written(_, path, _, _):
                self.exactly.pop(path, None)
            case Grown(path, data):
                self.grown[path] = data
            case Exactly(path, data):
                self.exactly[path] = data
            case Said(number):
                self.said.add(number)
            case GivenUp(after):
                self.said = {number for number in self.said if number <= after}
            case _:
                self.changes -= 1

    def _let_go(self, path: str) -> None:
        """A name goes; a checkpoint only if there are newer ones, or it is no good."""
        for rows in (self.grown, self.exactly):
            rows.pop(path, None)
        step = step_of(path) or 0
        newer = [p for p in self.there if step and (step_of(p) or 0) > step]
        if step not in self.said or len(newer) >= KEEP or path in self.unsure:
            self.there.discard(path)
            self.said.discard(step)

    def damage(self, path: str, content: bytes) -> None:
        """A checkpoint is found to hold something else."""
        self.said.discard(step_of(path) or 0)
        self.there.discard(path)
        self.versions.pop(path, None)
        self.unsure.add(path)
        self.damaged += (content,)

    def after(self, tree: Tree) -> Due:
        """What is owed once `tree` has outlived a power cut: it is durable now."""
        found = {path: tree[path] for path in self.versions if path in tree}
        known = {
            path: data
            for path, data in found.items()
            if data is not None and data in self.versions[path]
        }
        return dataclasses.replace(
            self.copy(),
            versions={path: [data] for path, data in known.items()},
            there=set(known),
            exactly={},
            unsure={path for path in self.unsure if path in tree},
        )


def violations(tree: Tree, due: Due, out: Path) -> list[str]:
    """What is not as promised, in words; nothing else may follow from a power cut.

    Args:
        tree: what the disk holds.
        due: what it owes.
        out: the run folder.
    """
    run = str(out / RUN)
    found = list(_missing(tree, due))
    if run in due.unsure:
        return found  # a copy that may not have got to the disk is no run yet
    disk = ModelDisk(tree)
    try:
        if run in tree:
            found += _gone_on(disk, due, out)
        else:
            with RunFolder.create("again", out, disk=disk).lock():
                pass  # taken over: whoever calls starts again from nothing
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
    return found


def _missing(tree: Tree, due: Due) -> Iterator[str]:
    """What the bare files lack."""
    for path, versions in due.versions.items():
        if path not in tree:
            if path in due.there:
                yield f"{path} is lost"
        elif tree[path] not in versions and path not in due.unsure:
            yield f"{path} is neither the old one nor the new one"
    for path in due.folders - tree.keys():
        yield f"{path} is lost"
    for path, data in due.grown.items():
        if not (tree.get(path) or b"").startswith(data):
            yield f"{path} has lost rows that were synced"
    for path, data in due.exactly.items():
        if (tree.get(path) or b"") != data:
            yield f"{path} is not as it was cut"
    for data in due.damaged:
        if data not in tree.values():
            yield "a damaged checkpoint was not kept"


def _gone_on(disk: ModelDisk, due: Due, out: Path) -> Iterator[str]:
    """What is wrong where there is a run, before and after its recovery."""
    before = disk.tree()
    for name in (*NEEDED, PLOTS, CHECKPOINTS):
        if str(out / name) not in before:
            yield f"{RUN} is there and {name} is not"
    folder = RunFolder.open(out, disk=disk)
    with folder.lock():
        yield from _finished(folder, due)
        step = yield from _recovered(folder, due, due.unsure)
        after = disk.tree()
        yield from _missing(after, dataclasses.replace(due, exactly={}, grown={}))
        again = yield from _recovered(folder, due, ())
    if (again, disk.tree()) != (step, after):
        yield "a second recovery changes something"


def _finished(folder: RunFolder, due: Due) -> Iterator[str]:
    """A run that says that it is over must be whole without any recovery."""
    status = folder.read_json(RUN)
    if status.get("status") != "finished" or status["step"] not in due.said:
        return
    path = folder.checkpoints / file_name(status["step"])
    rows = due.rows.get(folder.disk.read(path)) if folder.disk.exists(path) else None
    if rows != _rows(folder) or not folder.disk.exists(folder.path / "findings.json"):
        yield "the run says that it is finished, and is not whole"


def _recovered(
    folder: RunFolder, due: Due, unsure: Collection[str]
) -> Generator[str, None, int]:
    """Recover; returns the step."""
    found = recover(folder)
    for skipped in found.skipped:
        if str(folder.checkpoints / file_name(skipped.step)) not in unsure:
            yield str(skipped)
    step = found.checkpoint.meta.step if found.checkpoint else 0
    if step < max(due.said, default=0):
        yield f"step {max(due.said)} was said to be saved; recovered was {step}"
    rows: Rows | None = (b"", b"")
    if step:
        data = folder.disk.read(folder.checkpoints / file_name(step))
        rows = due.rows.get(data)
        if rows is None:
            yield f"step {step} is not the state that was saved"
    if rows is not None and _rows(folder) != rows:
        yield f"the rows are not those of step {step}"
    names = folder.disk.list(folder.checkpoints)
    yield from (f"{name} was left" for name in names if name.endswith(".tmp"))
    return step


def _rows(folder: RunFolder) -> Rows:
    disk = folder.disk
    logs = [folder.path / name for name in (METRICS, STATISTICS)]
    metrics, statistics = (disk.read(p) if disk.exists(p) else b"" for p in logs)
    return metrics, statistics
