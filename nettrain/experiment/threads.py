"""Threads of the linear algebra: fixed by the config, whatever the environment says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """BLAS with this many threads inside, and as it was afterwards."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield
