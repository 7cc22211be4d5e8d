from __future__ import annotations

import errno
import os
import shutil

import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import lock


def _refused(folder, code="locked-run"):
    with pytest.raises(Error) as caught, lock.held(Disk(), folder):
        pytest.fail("a second holder came in")
    assert caught.value.code == code
    return caught.value


def test_second_holder_is_refused_with_the_folder_named(tmp_path):
    with lock.held(Disk(), tmp_path):
        error = _refused(tmp_path)
        assert error.exit_code == 5
        assert str(tmp_path) in error.message
    with lock.held(Disk(), tmp_path):
        pass


def test_lock_is_let_go_after_an_error_and_its_file_stays(tmp_path):
    with pytest.raises(RuntimeError), lock.held(Disk(), tmp_path):
        raise RuntimeError
    assert (tmp_path / ".lock").exists()
    with lock.held(Disk(), tmp_path):
        pass


class Meddled(Disk):
    """Something happens at a name just after it was locked, at the first time."""

    def __init__(self, name, happens):
        self.name, self.happens, self.locked = name, happens, 0

    def system(self, action, path, call, *given):
        result = call(*given)
        if action == "lock" and path.name == self.name:
            self.locked += 1
            if self.locked == 1:
                self.happens(path)
        return result


def test_file_removed_between_opening_and_locking_is_not_trusted(tmp_path):
    disk = Meddled(lock.LOCK, os.unlink)
    with lock.held(disk, tmp_path):
        assert disk.locked == 2
        _refused(tmp_path)


def test_folder_replaced_between_opening_and_locking_is_not_trusted(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    def replaced(path):
        path.rename(tmp_path / "old")
        path.mkdir()

    disk = Meddled("run", replaced)
    with lock.held(disk, folder):
        assert disk.locked == 2
        _refused(folder)
        with lock.held(Disk(), tmp_path / "old"):
            pass


@pytest.mark.parametrize("meddle", [os.unlink, lambda p: p.write_bytes(b"")])
def test_file_removed_or_emptied_under_its_holder_lets_nobody_in(tmp_path, meddle):
    with lock.held(Disk(), tmp_path):
        meddle(tmp_path / lock.LOCK)
        _refused(tmp_path)


def test_folder_that_cannot_be_locked_is_held_by_its_file(tmp_path):
    class Network(Disk):
        def system(self, action, path, call, *given):
            if action == "lock" and path == tmp_path:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return call(*given)

    with lock.held(Network(), tmp_path) as held:
        assert held.path == tmp_path / lock.LOCK
        with pytest.raises(Error) as caught, lock.held(Network(), tmp_path):
            pytest.fail("a second holder came in")
        assert caught.value.code == "locked-run"
    with lock.held(Network(), tmp_path):
        pass


def test_where_nothing_can_be_locked_nobody_comes_in(tmp_path):
    class Unlocked(Disk):
        def system(self, action, path, call, *given):
            if action == "lock":
                raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
            return call(*given)

    with pytest.raises(Error) as caught, lock.held(Unlocked(), tmp_path):
        pytest.fail("somebody came in")
    assert caught.value.code == "disk-lock"


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_what_is_no_file_is_no_lock(tmp_path, kind):
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("mine")
    folder.mkdir()
    name = folder / lock.LOCK
    if kind in ("link", "dangling"):
        name.symlink_to(outside if kind == "link" else tmp_path / "gone")
        _refused(folder, "disk-link")
    elif kind == "folder":
        name.mkdir()
        _refused(folder, "disk-special")
    else:
        os.mkfifo(name)  # which can be locked as well as a file, and hangs nobody
        with lock.held(Disk(), folder):
            _refused(folder)
    assert outside.read_text() == "mine"
    assert not (tmp_path / "gone").exists()
    shutil.rmtree(folder)


def test_nothing_is_left_open(tmp_path):
    def opened():
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    with lock.held(Disk(), tmp_path):
        _refused(tmp_path)
        assert opened() == before + 2
    assert opened() == before


# ---------------------------------------------------------------- asked for


def test_who_holds_it_is_seen_and_nothing_is_made(tmp_path):
    assert not lock.is_held(Disk(), tmp_path)
    assert not [*tmp_path.iterdir()]
    with lock.held(Disk(), tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        assert lock.is_held(Disk(), tmp_path)
        assert len(os.listdir("/proc/self/fd")) == before
        _refused(tmp_path)
    assert not lock.is_held(Disk(), tmp_path)


def test_where_folders_cannot_be_locked_the_file_tells(tmp_path):
    class Network(Disk):
        def system(self, action, path, call, *given):
            if action == "lock" and path == tmp_path:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return call(*given)

    assert not lock.is_held(Network(), tmp_path)
    assert not (tmp_path / lock.LOCK).exists()
    with lock.held(Network(), tmp_path):
        assert lock.is_held(Network(), tmp_path)
    assert not lock.is_held(Network(), tmp_path)


def test_of_a_folder_that_is_gone_nobody_can_tell(tmp_path):
    with pytest.raises(Error) as caught:
        lock.is_held(Disk(), tmp_path / "gone")
    assert caught.value.code == "disk-missing"


@pytest.mark.parametrize("of_file", [False, True])
def test_who_asks_keeps_no_writer_out(tmp_path, monkeypatch, of_file):
    """It lets go a moment after the writer was refused for its sake."""
    (tmp_path / lock.LOCK).touch()
    name = tmp_path / lock.LOCK if of_file else tmp_path
    asking = [Disk().lock(name, folder=not of_file, shared=True)]
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            Disk().close(asking.pop())

    monkeypatch.setattr(lock.time, "sleep", sleep)
    with lock.held(Disk(), tmp_path):
        _refused(tmp_path)
    assert len(waited) == 3


def test_who_never_stops_asking_is_not_waited_for_without_end(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(lock.time, "sleep", waited.append)
    asking = Disk().lock(tmp_path, folder=True, shared=True)
    _refused(tmp_path)
    assert sum(waited) == pytest.approx(1)
    Disk().close(asking)


def test_beside_a_writer_nobody_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda _: pytest.fail("waited"))
    with lock.held(Disk(), tmp_path):
        _refused(tmp_path)
