"""NumPy as an array-API namespace, with the named functions the standard lacks."""

from __future__ import annotations

from typing import Any

import numpy as np


def erf(x: np.ndarray) -> np.ndarray:
    """2/√π ∫_0^x e^(-t²) dt, of SciPy."""
    from scipy.special import erf as scipy_erf

    return np.asarray(scipy_erf(x), dtype=x.dtype)


def pad(
    x: np.ndarray,
    before: tuple[int, ...],
    after: tuple[int, ...],
    interior: tuple[int, ...],
) -> np.ndarray:
    """x among zeros: `before`, `after` and between neighbours (`interior`)."""
    sizes = zip(x.shape, before, after, interior, strict=True)
    shape = [b + a + n + max(n - 1, 0) * i for n, b, a, i in sizes]
    result = np.zeros(shape, x.dtype)
    result[inside(x.shape, before, interior)] = x
    return result


def inside(
    shape: tuple[int, ...], before: tuple[int, ...], interior: tuple[int, ...]
) -> tuple[slice, ...]:
    """Where the elements of an array of `shape` stand in its padded array."""
    return tuple(
        slice(b, b + max(n - 1, 0) * (i + 1) + min(n, 1), i + 1)
        for n, b, i in zip(shape, before, interior, strict=True)
    )


class Namespace:
    """All of NumPy, and `erf` and `pad`."""

    erf = staticmethod(erf)
    pad = staticmethod(pad)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


NUMPY = Namespace()
