"""The disk in memory shows what a real one does, and loses what a real one may lose."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nettrain.disk import Disk, File
from nettrain.errors import Error
from nettrain.selftest.power.lives import HOME, OUT
from nettrain.selftest.power.medium import PIECE, Medium
from nettrain.selftest.power.model import ModelDisk
from nettrain.selftest.power.promises import Due, violations
from nettrain.selftest.power.trace import Lost, Started, Tree

LAB = Path("/lab")


def states(disk: ModelDisk, most: int = 400) -> list[Tree]:
    medium = Medium()
    for step in disk.trace:
        medium.take(step)
    return list(medium.states(random.Random(0), most))


def contents(disk: ModelDisk, name: str) -> set[bytes | None]:
    """What the file may hold after a power cut; None where it is not there."""
    return {tree.get(f"/lab/{name}") for tree in states(disk)}


@pytest.fixture
def disk() -> ModelDisk:
    return ModelDisk({"/lab": None})


# ---------------------------------------------------------------- what is shown


def _act(disk: Disk, top: Path, chance: random.Random, opened: list[File]) -> Any:
    """Something by chance; what came of it, or the code of its error."""
    path, other = (top / chance.choice(["a", "b", "c/d", "c/e"]) for _ in range(2))
    file = chance.choice(opened) if opened else None

    def and_keep(open_: Callable[[Path], File | None]) -> bool:
        file = open_(path)
        opened.extend([file] if file else [])
        return file is not None

    acts: list[Callable[[], Any]] = [
        lambda: and_keep(disk.create),
        lambda: and_keep(disk.append),
        lambda: and_keep(disk.lock),
        lambda: disk.remove(path),
        lambda: disk.make_folder(top / chance.choice(["c", "f"])),
        lambda: disk.make_folders(top / "c" / "g"),
        lambda: disk.rename(path, path.parent / other.name),
        lambda: disk.replace(path, b"x" * chance.randrange(200)),
        lambda: disk.replace(path, b"y" * 9, durable=False),
        lambda: disk.read(path),
        lambda: disk.list(path.parent),
        lambda: (disk.exists(path), disk.is_folder(path.parent), disk.is_link(path)),
        lambda: disk.settle(path),
    ]
    if file:
        acts += [
            lambda: disk.write(file, b"z" * chance.randrange(1, 300)),
            lambda: disk.truncate(file, chance.randrange(200)),
            lambda: disk.fsync(file),
            lambda: disk.is_still(file),
            lambda: disk.close(opened.pop(opened.index(file))),
        ]
    try:
        return chance.choice(acts)()
    except Error as error:
        return error.code


@pytest.mark.parametrize("seed", range(20))
def test_shows_what_a_real_disk_shows(tmp_path: Path, seed: int) -> None:
    model = ModelDisk({str(p): None for p in (tmp_path, *tmp_path.parents) if p.name})
    told: list[list[Any]] = []
    for disk in (Disk(), model):
        chance, opened = random.Random(seed), list[File]()
        told.append([_act(disk, tmp_path, chance, opened) for _ in range(200)])
        if disk is not model:
            for file in opened:
                disk.close(file)
    assert told[0] == told[1]
    found = {
        str(p): None if p.is_dir() else p.read_bytes() for p in tmp_path.rglob("*")
    }
    assert found == {
        path: content
        for path, content in model.tree().items()
        if path.startswith(f"{tmp_path}/")
    }


# ---------------------------------------------------------------- what may be lost


def test_what_is_not_flushed_may_be_there_in_any_part(disk: ModelDisk) -> None:
    data = b"".join(bytes([65 + i]) * PIECE for i in range(4))
    file = disk.append(LAB / "a")
    disk.fsync_folder(LAB)
    disk.write(file, data)
    found = contents(disk, "a")
    assert {b"", data, data[:PIECE], bytes(len(data))} <= found  # and zeroed
    assert bytes(PIECE) + data[PIECE:] in found  # and in any order
    disk.fsync(file)
    assert contents(disk, "a") == {data}


def test_names_are_durable_with_their_folder_only(disk: ModelDisk) -> None:
    file = disk.append(LAB / "a")
    disk.write(file, b"data")
    disk.fsync(file)
    assert contents(disk, "a") == {None, b"data"}
    disk.fsync_folder(LAB)
    assert contents(disk, "a") == {b"data"}
    disk.remove(LAB / "a")
    assert contents(disk, "a") == {None, b"data"}


def test_rename_may_come_before_the_content_and_leave_both_names(
    disk: ModelDisk,
) -> None:
    disk.replace(LAB / "a", b"old")
    disk.replace(LAB / "a", b"new", durable=False)
    assert contents(disk, "a") == {b"old", b"new", b"", b"\0\0\0"}
    disk.replace(LAB / "a", b"new")
    file = disk.append(LAB / "b")
    disk.fsync(file)
    disk.fsync_folder(LAB)
    disk.rename(LAB / "b", LAB / "c")
    names = {("/lab/b" in tree, "/lab/c" in tree) for tree in states(disk)}
    assert names == {(True, False), (False, True), (True, True)}  # but one is there


def test_folder_takes_all_that_is_in_it_along(disk: ModelDisk) -> None:
    disk.system("make folder", LAB / "b", os.mkdir, LAB / "b")
    file = disk.create(LAB / "b" / "c")
    disk.fsync(file)
    disk.fsync_folder(LAB / "b")
    assert contents(disk, "b/c") == {None, b""}
    disk.fsync_folder(LAB)
    assert contents(disk, "b/c") == {b""}


def test_truncation_may_not_be_there_yet(disk: ModelDisk) -> None:
    disk.replace(LAB / "a", b"0123456789")
    file = disk.append(LAB / "a")
    disk.truncate(file, 4)
    assert contents(disk, "a") == {b"0123456789", b"0123", b"0123" + bytes(6)}
    disk.fsync(file)
    assert contents(disk, "a") == {b"0123"}


def test_what_a_failed_fsync_lost_no_later_one_brings_back(disk: ModelDisk) -> None:
    file = disk.append(LAB / "a")
    disk.fsync_folder(LAB)
    disk.write(file, b"a" * PIECE)
    disk.fails_at = len(disk.trace)
    with pytest.raises(Error, match="cannot fsync"):
        disk.fsync(file)
    assert isinstance(disk.trace[-1], Lost)
    assert disk.read(LAB / "a") == b"a" * PIECE
    disk.fsync(file)
    assert b"" in contents(disk, "a")
    disk.write(file, b"b" * PIECE)
    disk.fsync(file)
    lost = (b"a" * PIECE, bytes(PIECE))
    assert contents(disk, "a") == {first + b"b" * PIECE for first in lost}


# ---------------------------------------------------------------- what is promised


def owed(disk: ModelDisk) -> Due:
    due = Due()
    for step in disk.trace:
        due.take(step)
    return due


def test_violations_are_named() -> None:
    disk = ModelDisk({str(HOME): None})
    disk.trace.append(Started())
    disk.make_folders(OUT)
    disk.replace(OUT / "data.json", b"data")
    tree = disk.tree()
    due = owed(disk)
    path = str(OUT / "data.json")
    assert violations(tree, due, OUT) == []
    assert violations(tree | {path: b"dat"}, due, OUT) == [
        f"{path} is neither the old one nor the new one"
    ]
    gone = {p: tree[p] for p in tree if p != path}
    assert violations(gone, due, OUT) == [f"{path} is lost"]
    foreign = tree | {str(OUT / "mine"): b""}
    assert "holds mine" in violations(foreign, due, OUT)[0]
    broken = tree | {str(OUT / "run.json"): b"{"}
    assert any("run-damaged" in wrong for wrong in violations(broken, due, OUT))
