from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from nettrain.disk import Disk, read_regular
from nettrain.errors import Error


class Failing(Disk):
    """Fails every call of one action, or only says what was called."""

    def __init__(self, action=None, code=errno.ENOSPC):
        self.action, self.code, self.actions = action, code, []

    def system(self, action, path, call, *given):
        self.actions.append(action)
        if action == self.action:
            raise OSError(self.code, os.strerror(self.code))
        return call(*given)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EROFS, "disk-permission"),
        (errno.EACCES, "disk-permission"),
        (errno.EPERM, "disk-permission"),
        (errno.EIO, "disk-io"),
        (errno.EMFILE, "disk-error"),
    ],
)
def test_what_the_system_refuses_is_an_error_with_path_and_reason(
    tmp_path, number, code
):
    path = tmp_path / "run.json"
    with pytest.raises(Error) as caught:
        Failing("create", number).replace(path, b"x")
    assert caught.value.code == code
    assert caught.value.exit_code == 6
    assert str(path.parent) in caught.value.message
    assert os.strerror(number).lower() in caught.value.message


def test_replace_flushes_before_the_rename_and_the_folder_after_it(tmp_path):
    disk = Failing()
    disk.replace(tmp_path / "run.json", b"new")
    assert disk.actions == [
        "remove",
        "create",
        "write",
        "fsync",
        "close",
        "rename",
        "open",
        "fsync folder",
        "close",
    ]
    assert (tmp_path / "run.json").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["run.json"]


def test_replace_without_durability_does_not_wait(tmp_path):
    disk = Failing()
    disk.replace(tmp_path / "cost.svg", b"new", durable=False)
    assert "fsync" not in disk.actions
    assert (tmp_path / "cost.svg").read_bytes() == b"new"


@pytest.mark.parametrize("action", ["create", "write", "fsync", "close", "rename"])
def test_failed_replace_leaves_the_old_file_alone(tmp_path, action):
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    disk = Failing(action)
    with pytest.raises(Error) as caught:
        disk.replace(path, b"new")
    assert caught.value.code == "disk-full"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["run.json"]
    assert disk.actions.count("fsync") <= 1


def test_replace_goes_over_a_temporary_file_of_a_dead_process(tmp_path):
    (tmp_path / ".run.json.tmp").write_bytes(b"half")
    Disk().replace(tmp_path / "run.json", b"whole")
    assert (tmp_path / "run.json").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["run.json"]


def test_write_goes_on_after_a_short_write(tmp_path):
    class Short(Disk):
        def system(self, action, path, call, *given):
            if action == "write":
                return call(given[0], given[1][:3])
            return call(*given)

    Short().replace(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


class Interrupted(Disk):
    """A signal comes at the first call of each action; a close is done all the same."""

    def __init__(self):
        self.actions, self.seen = [], set()

    def system(self, action, path, call, *given):
        self.actions.append(action)
        if action not in self.seen:
            self.seen.add(action)
            if call is os.close:
                call(*given)
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        return call(*given)


def test_interrupted_call_is_made_again_but_a_close_is_not(tmp_path):
    disk = Interrupted()
    disk.make_folders(tmp_path / "a")
    disk.replace(tmp_path / "a" / "b", b"whole")
    file = disk.append(tmp_path / "a" / "b")
    disk.truncate(file, 3)
    disk.close(file)
    file = disk.lock(tmp_path / "a" / "lock")
    assert file is not None and disk.is_still(file)
    disk.close(file)
    assert disk.read(tmp_path / "a" / "b") == b"who"
    assert disk.list(tmp_path / "a") == ["b", "lock"]
    disk.remove(tmp_path / "a" / "b")
    assert not disk.exists(tmp_path / "a" / "b")
    once = {
        "stat", "make folder", "open", "fsync folder", "create", "write", "fsync",
        "rename", "truncate", "lock", "read", "list", "remove", "close",
    }  # fmt: skip
    assert disk.seen == once
    opened = [a for a in disk.actions if a in ("open", "create")]
    assert disk.actions.count("close") == len(opened) - 2  # of which two were in vain


UNSUPPORTED = [errno.EINVAL, errno.ENOTSUP]


@pytest.mark.parametrize("code", UNSUPPORTED)
def test_where_no_folder_can_be_flushed_it_goes_on_and_this_is_known(tmp_path, code):
    disk = Failing("fsync folder", code)
    assert disk.flushes_folders
    disk.make_folders(tmp_path / "a" / "b")
    disk.replace(tmp_path / "a" / "run.json", b"new")
    assert (tmp_path / "a" / "run.json").read_bytes() == b"new"
    assert not disk.flushes_folders
    assert Disk().flushes_folders


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EBADF])
def test_where_flushing_a_folder_fails_it_does_not_go_on(tmp_path, code):
    disk = Failing("fsync folder", code)
    with pytest.raises(Error, match="cannot fsync folder"):
        disk.replace(tmp_path / "run.json", b"new")
    assert disk.flushes_folders


@pytest.mark.parametrize("code", UNSUPPORTED)
def test_a_file_that_cannot_be_flushed_is_an_error(tmp_path, code):
    with pytest.raises(Error, match="cannot fsync"):
        Failing("fsync", code).replace(tmp_path / "run.json", b"new")


def test_settle_waits_for_a_file_that_is_no_link(tmp_path):
    disk = Failing()
    (tmp_path / "a").write_bytes(b"brought here")
    disk.settle(tmp_path / "a")
    assert disk.actions == ["open", "fsync", "close"]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(Error) as caught:
        disk.settle(tmp_path / "link")
    assert caught.value.code == "disk-link"


@pytest.mark.parametrize("opening", ["create", "append", "lock"])
def test_our_files_are_never_opened_through_a_link(tmp_path, opening):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(Error) as caught:
        getattr(Disk(), opening)(tmp_path / "link")
    assert caught.value.code in ("disk-link", "disk-exists")
    assert target.read_bytes() == b"precious"


def test_replace_takes_the_place_of_a_link_not_of_its_target(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    for name in ("run.json", ".run.json.tmp"):
        (tmp_path / name).symlink_to(target)
    Disk().replace(tmp_path / "run.json", b"new")
    assert target.read_bytes() == b"precious"
    assert (tmp_path / "run.json").read_bytes() == b"new"


def test_created_file_is_a_new_one(tmp_path):
    (tmp_path / "a").write_bytes(b"precious")
    with pytest.raises(Error) as caught:
        Disk().create(tmp_path / "a")
    assert caught.value.code == "disk-exists"


def test_a_file_with_a_second_name_is_not_written_to(tmp_path):
    (tmp_path / "a").write_bytes(b"precious")
    os.link(tmp_path / "a", tmp_path / "b")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Error, match="hard link") as caught:
        Disk().append(tmp_path / "b")
    assert caught.value.code == "disk-link"
    assert len(os.listdir("/proc/self/fd")) == before
    (tmp_path / "a").unlink()
    Disk().close(Disk().append(tmp_path / "b"))


def test_open_files_do_not_reach_child_processes(tmp_path):
    file = Disk().create(tmp_path / "a")
    assert not os.get_inheritable(file.descriptor)
    Disk().close(file)


def test_make_folders_makes_and_flushes_each_level(tmp_path):
    disk = Failing()
    disk.make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert disk.actions.count("make folder") == 2
    # One level more: who made the lowest that was there may not have come so far.
    assert disk.actions.count("fsync folder") == 3
    disk.make_folders(tmp_path / "a" / "b")
    assert disk.actions.count("make folder") == 2
    assert disk.actions.count("fsync folder") == 4


def test_folder_that_is_there_may_lie_in_one_that_cannot_be_opened(tmp_path):
    class Closed(Disk):
        number = errno.EACCES

        def system(self, action, path, call, *given):
            if action == "open" and path == tmp_path:
                raise OSError(self.number, os.strerror(self.number))
            return call(*given)

    (tmp_path / "a").mkdir()
    disk = Closed()
    disk.make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    disk.number = errno.EIO
    with pytest.raises(Error) as caught:
        disk.make_folders(tmp_path / "a")
    assert caught.value.code == "disk-io"
    with pytest.raises(Error) as caught:
        disk.make_folders(tmp_path / "new")
    assert caught.value.code == "disk-io"


def test_make_folders_under_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Error, match="file"):
        Disk().make_folders(tmp_path / "file" / "b")


@pytest.mark.parametrize("name", ["a\0b", "a\udcff\0"])
def test_name_that_no_system_takes_is_an_error(tmp_path, name):
    with pytest.raises(Error) as caught:
        Disk().read(tmp_path / name)
    assert caught.value.code == "disk-name"
    str(caught.value).encode("utf-8")


def test_remove_of_nothing_is_no_error_but_of_a_folder_is(tmp_path):
    Disk().remove(tmp_path / "nothing")
    with pytest.raises(Error):
        Disk().remove(tmp_path)


def test_list_is_sorted_and_existence_includes_dangling_links(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d").symlink_to(tmp_path / "nowhere")
    assert Disk().list(tmp_path) == ["a", "b", "c", "d"]
    assert Disk().exists(tmp_path / "d")
    assert not Disk().is_folder(tmp_path / "d")
    assert not Disk().exists(tmp_path / "a" / "b")


def test_lock_is_held_once_and_ends_with_its_holder(tmp_path):
    first = Disk().lock(tmp_path / "lock")
    assert Disk().lock(tmp_path / "lock") is None
    Disk().close(first)
    second = Disk().lock(tmp_path / "lock")
    assert second is not None
    Disk().close(second)


def test_a_shared_lock_is_held_by_several_and_makes_nothing(tmp_path):
    disk, path = Disk(), tmp_path / "lock"
    with pytest.raises(Error) as caught:
        disk.lock(path, shared=True)
    assert caught.value.code == "disk-missing"
    assert not path.exists()
    path.touch()
    for name, folder in ((path, False), (tmp_path, True)):
        held = [disk.lock(name, folder=folder, shared=True) for _ in range(2)]
        assert None not in held
        assert disk.lock(name, folder=folder) is None
        for file in held:
            disk.close(file)
        alone = disk.lock(name, folder=folder)
        assert disk.lock(name, folder=folder, shared=True) is None
        disk.close(alone)


def test_the_end_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    ends = [Disk().read_end(tmp_path / "a", most) for most in (3, 10, 99)]
    assert ends == [b"789", b"0123456789", b"0123456789"]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(Error):
        Disk().read_end(tmp_path / "link", 3)


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_as_what_is_wrong(tmp_path, code):
    with pytest.raises(Error, match="cannot lock") as caught:
        Failing("lock", code).lock(tmp_path / "lock")
    assert caught.value.code == "disk-lock"
    assert "--folder" in caught.value.fix


def test_lock_of_a_killed_process_does_not_block(tmp_path):
    program = (
        "import sys, os; from pathlib import Path; from nettrain.disk import Disk\n"
        "assert Disk().lock(Path(sys.argv[1])) is not None\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        assert Disk().lock(tmp_path / "lock") is None
        process.kill()
        process.wait()
    file = Disk().lock(tmp_path / "lock")
    assert file is not None
    Disk().close(file)


def test_removed_lock_file_is_no_longer_the_same(tmp_path):
    disk = Disk()
    file = disk.lock(tmp_path / "lock")
    assert disk.is_still(file)
    disk.remove(tmp_path / "lock")
    assert not disk.is_still(file)
    (tmp_path / "lock").write_bytes(b"")
    assert not disk.is_still(file)
    disk.close(file)


# ---------------------------------------------------------------- what is no file


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_pipe, _device, os.mkdir])
@pytest.mark.parametrize("links", [True, False])
def test_what_may_never_end_is_not_read(tmp_path, make, links):
    make(tmp_path / "x")
    with pytest.raises(OSError) as caught:
        read_regular(tmp_path / "x", links)
    assert caught.value.errno in (errno.ENOTSUP, errno.ELOOP)


def test_our_own_files_are_not_read_through_a_link_but_others_are(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("x")
    assert read_regular(tmp_path / "link") == b"12345"
    assert read_regular(tmp_path / "link", most=2) == b"12"
    assert Disk().read(tmp_path / "x") == b"12345"
    with pytest.raises(Error) as caught:
        Disk().read(tmp_path / "link")
    assert caught.value.code == "disk-link"


@pytest.mark.parametrize("call", ["read", "append", "create"])
def test_pipe_in_place_of_a_file_is_an_error_and_nobody_waits(tmp_path, call):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(Error) as caught:
        getattr(Disk(), call)(tmp_path / "x")
    assert caught.value.code == ("disk-exists" if call == "create" else "disk-special")


def test_nothing_is_left_open_by_a_read(tmp_path):
    (tmp_path / "x").write_bytes(b"1")
    before = len(os.listdir("/proc/self/fd"))
    Disk().read(tmp_path / "x")
    for wrong in (tmp_path, tmp_path / "y"):
        with pytest.raises(Error):
            Disk().read(wrong)
    assert len(os.listdir("/proc/self/fd")) == before
