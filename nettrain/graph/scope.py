"""Where nodes being made belong: a path such as `model/dense1`, and its config line."""

from __future__ import annotations

import contextvars
from contextlib import AbstractContextManager

CURRENT: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar(
    "scope", default=("", "")
)
"""Path and origin of the nodes being made."""


class _Within:
    """The context manager of `scope`; a generator would take three times as long."""

    __slots__ = ("_token", "_within")

    def __init__(self, path: str, origin: str) -> None:
        self._within = path, origin

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._within)

    def __exit__(self, *exception: object) -> None:
        CURRENT.reset(self._token)


def scope(path: str, origin: str = "") -> AbstractContextManager[None]:
    """Nodes made inside belong to `path` (such as `model/dense1`).

    Args:
        path: absolute; an inner scope replaces an outer one.
        origin: the config line they come from, where there is one; otherwise each node
            remembers the line of source that made it.
    """
    return _Within(path, origin)
