from __future__ import annotations

import errno
import hashlib

import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.append import PENDING, AppendOnly, Prefix, cut, last_line


def test_prefix_follows_the_bytes_on_disk(tmp_path):
    log = AppendOnly(Disk(), tmp_path / "log")
    for number in range(5):
        log.write(f"row {number} ü\n")
        prefix = log.sync()
        data = (tmp_path / "log").read_bytes()
        assert prefix == Prefix(len(data), hashlib.sha256(data).hexdigest())
    log.close()
    assert data.decode().splitlines()[-1] == "row 4 ü"


def test_bytes_are_taken_too_and_what_no_text_has(tmp_path):
    log = AppendOnly(Disk(), tmp_path / "log")
    for piece in ("é", b"\xff\n", "\udcff"):
        log.write(piece)
    log.close()
    assert (tmp_path / "log").read_bytes() == b"\xc3\xa9\xff\n\\udcff"


def test_file_that_is_opened_again_goes_on_where_it_ended(tmp_path):
    for text in ("a\n", "b\n"):
        log = AppendOnly(Disk(), tmp_path / "log")
        assert log.empty == (text == "a\n")
        log.write(text)
        assert not log.empty
        prefix = log.sync()
        log.close()
    assert prefix == Prefix.of(b"a\nb\n")


def test_rows_are_gathered_then_written_by_themselves(tmp_path, trial_disk):
    disk = trial_disk()
    log = AppendOnly(disk, tmp_path / "log")
    for _ in range(100):
        log.write("row\n")
    assert ("write", "log") not in disk.calls
    log.write("x" * PENDING)
    assert disk.calls.count(("write", "log")) == 1
    log.close()
    assert (tmp_path / "log").stat().st_size == 400 + PENDING


def test_close_writes_what_is_pending(tmp_path):
    log = AppendOnly(Disk(), tmp_path / "log")
    log.write("last\n")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"last\n"


@pytest.mark.parametrize("there", [False, True])
def test_sync_flushes_the_name_too_and_only_what_is_new(tmp_path, trial_disk, there):
    if there:  # who made it may have died before its name was durable
        (tmp_path / "log").touch()
    disk = trial_disk()
    log = AppendOnly(disk, tmp_path / "log")
    log.write("a\n")
    log.sync()
    assert disk.calls[-5:] == [
        ("write", "log"),
        ("fsync", "log"),
        ("open", tmp_path.name),
        ("fsync folder", tmp_path.name),
        ("close", tmp_path.name),
    ]
    before = len(disk.calls)
    log.sync()
    assert len(disk.calls) == before
    log.write("b\n")
    log.sync()
    assert disk.calls[before:] == [("write", "log"), ("fsync", "log")]
    log.close()


def test_closed_twice_it_closes_nothing_of_others(tmp_path, trial_disk):
    disk = trial_disk()
    log = AppendOnly(disk, tmp_path / "log")
    log.close()
    log.close()
    assert disk.calls.count(("close", "log")) == 1


def test_rows_of_an_earlier_process_are_synced_before_they_are_vouched_for(
    tmp_path, trial_disk
):
    (tmp_path / "log").write_bytes(b"a\n")
    disk = trial_disk()
    log = AppendOnly(disk, tmp_path / "log")
    assert log.sync() == Prefix.of(b"a\n")
    assert ("fsync", "log") in disk.calls
    log.close()


@pytest.mark.parametrize("action", ["write", "fsync"])
def test_fsync_is_never_tried_again_after_a_failure(tmp_path, trial_disk, action):
    disk = trial_disk()
    log = AppendOnly(disk, tmp_path / "log")
    log.write("row\n")
    disk.fail_at = len(disk.calls) + ["write", "fsync"].index(action)
    disk.code = errno.EIO
    with pytest.raises(Error, match="input/output") as held:
        log.sync()
    assert held.value.code == "disk-io"
    before = disk.calls.count(("fsync", "log"))
    log.write("more\n")
    for _ in range(2):
        with pytest.raises(Error) as caught:
            log.sync()
        assert caught.value.exit_code == 6
    log.close()
    assert disk.calls.count(("fsync", "log")) == before
    assert b"more" not in (tmp_path / "log").read_bytes()


def test_cut_is_durable_and_leaves_the_prefix(tmp_path, trial_disk):
    (tmp_path / "log").write_bytes(b"a\nb\nc\n")
    disk = trial_disk()
    cut(disk, tmp_path / "log", Prefix.of(b"a\nb\n"))
    assert (tmp_path / "log").read_bytes() == b"a\nb\n"
    actions = [action for action, _ in disk.calls]
    assert actions[-3:] == ["truncate", "fsync", "close"]


def test_prefix_is_checked_by_content_not_by_length():
    prefix = Prefix.of(b"abc")
    assert prefix.begins(b"abc")
    assert prefix.begins(b"abcd")
    assert not prefix.begins(b"abd")
    assert not prefix.begins(b"ab")


LONG = b"x" * 16383
"""With its end 16 KiB, which is what is read first."""


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", b""),
        (b"begun", b""),
        (b"a\n", b"a"),
        (b"a\nb\nbegun", b"b"),
        (b"a\n\n", b""),
        (b"a\n" + LONG + b"\n", LONG),
        (b"a\n" + LONG[1:] + b"\n", LONG[1:]),
        (LONG + b"\n", LONG),
        (b"a\n" + 99 * LONG + b"\nbegun", 99 * LONG),
        (b"a\n" + 99 * LONG, b"a"),
    ],
    ids=range(10),
)
def test_the_last_whole_line(tmp_path, data, line):
    (tmp_path / "log").write_bytes(data)
    assert last_line(Disk(), tmp_path / "log") == line


def test_of_a_long_file_the_end_is_read(tmp_path):
    class Counting(Disk):
        taken = 0

        def system(self, action, path, call, *given):
            found = call(*given)
            self.taken += len(found)
            return found

    (tmp_path / "log").write_bytes(b"a row\n" * 500_000)
    disk = Counting()
    assert last_line(disk, tmp_path / "log") == b"a row"
    assert disk.taken == 16 * 1024
