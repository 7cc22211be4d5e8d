"""Whether a process that is no child of this one has ended."""

from __future__ import annotations

import os
import time
from pathlib import Path


def ended(process: int) -> bool:
    """Wait a few seconds for it to be gone; nobody may have waited for it."""
    for _ in range(1000):
        if _gone(process):
            return True
        time.sleep(0.01)
    return False


def _gone(process: int) -> bool:
    """Whether it has ended; nobody may have waited for it yet."""
    try:
        return b") Z " in Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False
