from __future__ import annotations

import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import lock


def test_second_holder_is_refused_with_the_folder_named(tmp_path):
    with lock.held(Disk(), tmp_path):
        with pytest.raises(Error) as caught, lock.held(Disk(), tmp_path):
            pass
        assert caught.value.code == "locked-run"
        assert caught.value.exit_code == 5
        assert str(tmp_path) in caught.value.message
    with lock.held(Disk(), tmp_path):
        pass


def test_lock_is_let_go_after_an_error_and_its_file_stays(tmp_path):
    with pytest.raises(RuntimeError), lock.held(Disk(), tmp_path):
        raise RuntimeError
    assert (tmp_path / ".lock").exists()
    with lock.held(Disk(), tmp_path):
        pass


def test_file_removed_between_opening_and_locking_is_not_trusted(tmp_path):
    class Raced(Disk):
        locked = 0

        def system(self, action, path, call, *given):
            result = call(*given)
            if action == "lock":
                self.locked += 1
                if self.locked == 1:
                    path.unlink()
            return result

    disk = Raced()
    with lock.held(disk, tmp_path):
        assert disk.locked == 2
        with pytest.raises(Error, match="in use"), lock.held(Disk(), tmp_path):
            pass
