from __future__ import annotations

import errno
import hashlib
import os
import re

import numpy as np
import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Metrics, read_metrics
from nettrain.record.statistics import Statistics
from nettrain.record.store import CheckpointStore, file_name, newest, recover, steps


class Run:
    """Saves every step in an own folder, as a training loop does."""

    def __init__(self, path, tensors, disk=None, said=None, **given):
        self.disk, self.tensors = disk or Disk(), tensors
        self.said = [] if said is None else said
        self.folder = RunFolder.create("digits", path, disk=self.disk)
        with self.folder.lock():
            self.folder.write_json("run.json", {"format": 1})
        self.open(**given)

    def open(self, **given):
        self.metrics = Metrics(self.disk, self.folder.metrics)
        self.statistics = Statistics(self.disk, self.folder.statistics)
        self.store = CheckpointStore(
            self.folder,
            self.metrics,
            self.statistics,
            seed=0,
            config_sha256="c" * 64,
            data_sha256="d" * 64,
            say=self.said.append,
            **given,
        )
        return self

    def save(self, step, **given):
        self.metrics.append({"step": step, "epoch": 1, "train/loss": 1 / step})
        self.statistics.append({"step": step, "node": "a"})
        return self.store.save(self.tensors(step), step=step, epoch=1, **given)

    def path(self, step):
        return self.folder.checkpoints / file_name(step)


@pytest.fixture
def run(tmp_path, tensors):
    made = Run(tmp_path / "run", tensors)
    yield made
    made.metrics.close()
    made.statistics.close()


def _spoil(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _steps(run):
    return steps(run.disk, run.folder.checkpoints)


# ---------------------------------------------------------------- saving


def test_order_of_a_save(tmp_path, tensors, trial_disk):
    disk = trial_disk()
    run = Run(tmp_path / "run", tensors, disk, said=disk.calls, keep=2)
    for step in (1, 2):
        run.save(step)
    disk.calls.clear()
    run.save(3)
    temporary = ".step-000000000003.safetensors.tmp"
    assert [call for call in disk.calls if call[0] != "stat"] == [
        ("write", "metrics.jsonl"),
        ("fsync", "metrics.jsonl"),
        ("write", "statistics.csv"),
        ("fsync", "statistics.csv"),
        ("remove", temporary),
        ("create", temporary),
        ("write", temporary),
        ("fsync", temporary),
        ("close", temporary),
        ("rename", "step-000000000003.safetensors"),
        ("open", "checkpoints"),
        ("fsync folder", "checkpoints"),
        ("close", "checkpoints"),
        "checkpoint step 3 saved",
        ("list", "checkpoints"),
        ("remove", "step-000000000001.safetensors"),
    ]


def test_newest_stay_by_step_not_by_time(run):
    for step in (5, 100, 20):
        run.save(step)
        os.utime(run.path(step), (1e9 - step, 1e9 - step))
    run.save(110)
    assert _steps(run) == [110, 100, 20]


def test_protected_step_stays(run):
    for step in range(1, 7):
        run.save(step, protect={2})
    assert _steps(run) == [6, 5, 4, 2]
    run.save(7)
    assert _steps(run) == [7, 6, 5]


def test_what_was_just_saved_stays_whatever_else_lies_there(run):
    for step in (100, 200, 300, 400):
        run.path(step).write_bytes(b"another one's")
    run.save(1)
    assert 1 in _steps(run)


def test_nothing_is_saved_where_the_folder_was(run):
    with run.folder.lock():
        run.save(1)
        run.folder.path.rename(run.folder.path.with_name("moved"))
        other = RunFolder.create("digits", run.folder.path)
        with other.lock():
            with pytest.raises(Error) as caught:
                run.save(2)
            assert caught.value.code == "run-gone"
            assert os.listdir(other.checkpoints) == []
    assert run.said == ["checkpoint step 1 saved"]


def test_one_checkpoint_alone_is_not_enough(tmp_path, tensors):
    with pytest.raises(ValueError, match="at least 2"):
        Run(tmp_path / "run", tensors, keep=1)


def test_same_step_saved_again_replaces_the_checkpoint(run):
    run.save(1)
    run.save(1)
    found = newest(run.folder)
    assert found.checkpoint.meta.metrics == run.metrics.sync()
    assert _steps(run) == [1]


def test_checkpoint_says_what_the_run_is(run):
    run.save(3)
    meta = newest(run.folder).checkpoint.meta
    assert (meta.step, meta.epoch, meta.seed) == (3, 1, 0)
    assert (meta.config_sha256, meta.data_sha256) == ("c" * 64, "d" * 64)
    assert meta.metrics.begins(run.folder.metrics.read_bytes())
    assert meta.statistics.begins(run.folder.statistics.read_bytes())


def test_where_no_folder_can_be_flushed_this_is_said_once(tmp_path, tensors):
    class Unflushed(Disk):
        def system(self, action, path, call, *given):
            if action == "fsync folder":
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return call(*given)

    run = Run(tmp_path / "run", tensors, Unflushed())
    with pytest.warns(UserWarning, match="may not outlive a power cut") as told:
        for step in (1, 2, 3):
            run.save(step)
    assert len(told) == 1
    assert _steps(run) == [3, 2, 1]
    assert len(run.said) == 3
    run.metrics.close()
    run.statistics.close()


# ---------------------------------------------------------------- recovery


def test_recovery_takes_the_newest_and_cuts_what_came_after(run):
    run.save(1)
    run.save(2)
    lengths = (run.metrics.sync().length, run.statistics.sync().length)
    run.metrics.append({"step": 3})
    run.statistics.append({"step": 3})
    run.metrics.flush()
    run.statistics.flush()
    with open(run.folder.metrics, "ab") as file:
        file.write(b'{"torn')
    found = recover(run.folder)
    assert (found.checkpoint.meta.step, found.skipped) == (2, ())
    assert run.folder.metrics.stat().st_size == lengths[0]
    assert run.folder.statistics.stat().st_size == lengths[1]
    for path, array in run.tensors(2).items():
        np.testing.assert_array_equal(found.checkpoint.tensors[path], array)


def test_run_that_is_resumed_goes_on_as_if_never_interrupted(tmp_path, tensors):
    whole, cut = (Run(tmp_path / name, tensors) for name in ("whole", "cut"))
    for step in range(1, 6):
        whole.save(step)
    for step in (1, 2):
        cut.save(step)
    cut.metrics.append({"step": 3})
    cut.metrics.close()
    cut.statistics.close()
    recover(cut.folder)
    cut.open()
    for step in range(3, 6):
        cut.save(step)
    for name in ("metrics.jsonl", "statistics.csv", f"checkpoints/{file_name(5)}"):
        left, right = (run.folder.path / name for run in (whole, cut))
        assert left.read_bytes() == right.read_bytes()


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_spoil, _truncate, _empty])
def test_damaged_checkpoint_is_set_aside_and_the_previous_one_used(run, damage):
    for step in (1, 2, 3):
        run.save(step)
    damage(run.path(3))
    damaged = run.path(3).read_bytes()
    said = []
    found = recover(run.folder, said.append)
    assert found.checkpoint.meta.step == 2
    (skipped,) = found.skipped
    assert (skipped.step, "damaged" in skipped.reason) == (3, True)
    assert said == [f"{skipped}; {file_name(2)} is used instead"]
    aside = run.folder.checkpoints / f".bad-{file_name(3)}"
    assert aside.read_bytes() == damaged
    assert [row["step"] for row in read_metrics(run.disk, run.folder.metrics)] == [1, 2]
    assert recover(run.folder).skipped == ()


def test_setting_aside_is_durable_before_rows_are_cut(tmp_path, tensors, trial_disk):
    disk = trial_disk()
    run = Run(tmp_path / "run", tensors, disk)
    run.save(1)
    run.path(2).write_bytes(b"")
    disk.calls.clear()
    recover(run.folder)
    assert [call for call in disk.calls if call[0] != "stat"][-16:] == [
        ("rename", f".bad-{file_name(2)}"),
        ("open", file_name(1)),
        ("fsync", file_name(1)),
        ("close", file_name(1)),
        ("open", "checkpoints"),
        ("fsync folder", "checkpoints"),
        ("close", "checkpoints"),
        ("open", "metrics.jsonl"),
        ("truncate", "metrics.jsonl"),
        ("fsync", "metrics.jsonl"),
        ("close", "metrics.jsonl"),
        ("open", "statistics.csv"),
        ("truncate", "statistics.csv"),
        ("fsync", "statistics.csv"),
        ("close", "statistics.csv"),
        ("list", "checkpoints"),
    ]


def test_what_was_set_aside_before_is_not_lost(run):
    run.save(1)
    for attempt in (1, 2, 3):
        run.path(2).write_bytes(b"bad" * attempt)
        recover(run.folder)
    names = sorted(n for n in os.listdir(run.folder.checkpoints) if "bad" in n)
    assert names == [
        f".bad-{file_name(2)}",
        f".bad-{file_name(2)}.2",
        f".bad-{file_name(2)}.3",
    ]


@pytest.mark.parametrize("name", ["metrics", "statistics"])
def test_checkpoint_whose_rows_changed_is_not_used(run, name):
    path = getattr(run.folder, name)
    run.save(1)
    length = path.stat().st_size
    run.save(2)
    run.metrics.sync()
    _spoil(path, length + 2)
    found = recover(run.folder)
    assert found.checkpoint.meta.step == 1
    assert path.name in found.skipped[0].reason
    assert path.stat().st_size == length


def test_checkpoint_whose_rows_are_missing_is_not_used(run):
    run.save(1)
    length = run.folder.metrics.stat().st_size
    run.save(2)
    os.truncate(run.folder.metrics, length + 3)
    assert recover(run.folder).checkpoint.meta.step == 1
    assert run.folder.metrics.stat().st_size == length


def test_renamed_checkpoint_is_not_taken_for_another_step(run):
    run.save(1)
    os.rename(run.path(1), run.path(9))
    assert recover(run.folder).checkpoint is None


def test_without_any_checkpoint_the_run_starts_again(run):
    run.save(1)
    _spoil(run.path(1))
    found = recover(run.folder)
    assert (found.checkpoint, len(found.skipped)) == (None, 1)
    assert run.folder.metrics.read_bytes() == b""
    assert run.folder.statistics.read_bytes() == b""


def test_missing_checkpoint_folder_is_made_again(run):
    run.folder.checkpoints.rmdir()
    assert newest(run.folder).checkpoint is None
    assert recover(run.folder).checkpoint is None
    assert run.folder.checkpoints.is_dir()


def test_leftovers_go_and_strange_files_stay(run):
    run.save(1)
    for name in (".step-000000000002.safetensors.tmp", "step-2.safetensors", "mine"):
        (run.folder.checkpoints / name).write_bytes(b"x")
    recover(run.folder)
    names = sorted(os.listdir(run.folder.checkpoints))
    assert names == ["mine", file_name(1), "step-2.safetensors"]


def test_checkpoint_of_a_newer_version_stops_recovery_and_stays(run):
    run.save(1)
    run.save(2)
    data = run.path(2).read_bytes()
    run.path(2).write_bytes(_with_format(data, 2))
    with pytest.raises(Error) as caught:
        recover(run.folder)
    assert caught.value.code == "checkpoint-format"
    assert _steps(run) == [2, 1]


def _with_format(data, number):
    data = re.sub(rb'\\"format\\":1', rb'\\"format\\":%d' % number, data, count=1)
    place = re.search(rb'\\"sha256\\":\\"', data).end()
    zeroed = data[:place] + b"0" * 64 + data[place + 64 :]
    digest = hashlib.sha256(zeroed).hexdigest().encode()
    return data[:place] + digest + data[place + 64 :]


def test_looking_changes_nothing(run):
    run.save(1)
    run.save(2)
    _spoil(run.path(2))
    names = sorted(os.listdir(run.folder.checkpoints))
    size = run.folder.metrics.stat().st_size
    found = newest(run.folder)
    assert (found.checkpoint.meta.step, found.skipped[0].step) == (1, 2)
    assert sorted(os.listdir(run.folder.checkpoints)) == names
    assert run.folder.metrics.stat().st_size == size


def test_unreadable_checkpoint_is_skipped_but_a_forbidden_one_is_not(run):
    run.save(1)
    run.save(2)

    class Faulty(Disk):
        number = errno.EIO

        def system(self, action, path, call, *given):
            if action == "read" and path.name == file_name(2):
                raise OSError(self.number, os.strerror(self.number))
            return call(*given)

    run.folder.disk = Faulty()
    assert newest(run.folder).checkpoint.meta.step == 1
    run.folder.disk.number = errno.EACCES
    with pytest.raises(Error) as caught:
        newest(run.folder)
    assert caught.value.code == "disk-permission"


# ---------------------------------------------------------------- faults at each call


def _story(path, tensors, disk, said):
    """Begin a run and save five steps; `said` lists what was said to be saved."""
    run = Run(path, tensors, disk, said, keep=2)
    for step in range(1, 6):
        run.save(step)


def _calls(tmp_path, tensors, trial_disk):
    disk = trial_disk()
    _story(tmp_path / "whole", tensors, disk, [])
    return len(disk.calls)


def _check(path, tensors, said):
    """Everything that was said to be saved is there, and agrees with its rows."""
    saved = [int(re.search("step ([0-9]+) saved", line)[1]) for line in said]
    if not (path / "run.json").exists():
        assert not saved
        return
    folder = RunFolder.open(path)
    with folder.lock():
        found = recover(folder)
    assert found.skipped == ()
    step = found.checkpoint.meta.step if found.checkpoint else 0
    assert step >= max(saved, default=0)
    if step:
        rows = read_metrics(Disk(), folder.metrics)
        assert [row["step"] for row in rows] == list(range(1, step + 1))
        for name, array in tensors(step).items():
            np.testing.assert_array_equal(found.checkpoint.tensors[name], array)
    assert not [n for n in os.listdir(folder.checkpoints) if n.endswith(".tmp")]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_failure_of_any_call_leaves_what_was_saved(tmp_path, tensors, trial_disk, code):
    for number in range(_calls(tmp_path, tensors, trial_disk)):
        path, said = tmp_path / f"{code}-{number}", []
        disk = trial_disk(fail_at=number, code=code)
        try:
            _story(path, tensors, disk, said)
        except Error as error:
            assert error.exit_code == 6
        else:
            pytest.fail(f"the failure of {disk.calls[number]} went unseen")
        disk.release()
        _check(path, tensors, said)


def test_death_at_any_call_leaves_what_was_saved(tmp_path, tensors, trial_disk, dead):
    for number in range(_calls(tmp_path, tensors, trial_disk)):
        path, said = tmp_path / str(number), []
        disk = trial_disk(fail_at=number, code=None)
        with pytest.raises(dead):
            _story(path, tensors, disk, said)
        disk.release()
        _check(path, tensors, said)
