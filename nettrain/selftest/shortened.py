"""Runs without what takes most of their time and is not what is tried."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def shortened(*, predicted: bool = False) -> Iterator[None]:
    """Inside, runs of this process draw no pictures, and time no steps.

    In place of the pictures stands what they would be drawn from.

    Args:
        predicted: whether it is still looked whether a run fits into memory.
    """
    from nettrain.experiment import memory, pictures, run

    def drawn(*columns: Any, **more: Any) -> dict[str, str]:
        return {"cost.svg": repr(more)}

    instead: list[tuple[Any, str, Any]] = [
        (pictures, "drawn", drawn),
        (run, "diagnosis_share", lambda setup, interval: 0.0),
    ]
    if not predicted:
        instead.append((memory, "check_fits", lambda setup, **more: None))
    before = [(module, name, getattr(module, name)) for module, name, _ in instead]
    for module, name, value in instead:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
