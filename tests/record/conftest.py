"""A disk that keeps a list of what is asked of it, and can be made to fail or die."""

from __future__ import annotations

import contextlib
import errno
import os

import numpy as np
import pytest

from nettrain.disk import Disk


class Dead(BaseException):
    """The process is gone: nothing after this reaches the disk."""


class TrialDisk(Disk):
    """Records `(action, file name)` of each system call.

    Args:
        fail_at: the number of the call that fails, from 0.
        code: the error number it fails with, or None to die there.
    """

    def __init__(self, fail_at=None, code=errno.ENOSPC):
        self.fail_at, self.code = fail_at, code
        self.calls = []
        self._opened = set()

    def system(self, action, path, call, *given):
        number = len(self.calls)
        self.calls.append((action, path.name))
        if self.fail_at is not None and number >= self.fail_at:
            self._fail(number, action, call, given)
        result = call(*given)
        if call is os.open:
            self._opened.add(result)
        elif call is os.close:
            self._opened.discard(given[0])
        return result

    def _fail(self, number, action, call, given):
        if action == "write" and number == self.fail_at:
            call(given[0], given[1][: len(given[1]) // 2])
        if self.code is None:
            raise Dead
        if number == self.fail_at:
            raise OSError(self.code, os.strerror(self.code))

    def release(self):
        """Close what a dead process would no longer hold."""
        for descriptor in self._opened:
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def trial_disk():
    made = []

    def make(**given):
        made.append(TrialDisk(**given))
        return made[-1]

    yield make
    for disk in made:
        disk.release()


@pytest.fixture
def dead():
    return Dead


@pytest.fixture
def tensors():
    """The state after a step: a few arrays of every dtype that a run has."""

    def make(step):
        return {
            "parameter/model/dense1/weight": np.full((2, 3), step, np.float32),
            "optimizer/adam/moment1/model/dense1/weight": np.arange(3.0) * step,
            "loop/best": np.array(float(step)),
            "loop/patience": np.array(step, np.int64),
            "diagnosis/dead": np.array([True, False, step % 2 == 0]),
            "diagnosis/window": np.zeros((0, 4), np.float64),
            "state/bits": np.array([step, 7], np.uint32),
        }

    return make
