"""Which rows train, validate and test: whole numbers by the largest remainder."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from nettrain import randomness

Parts = dict[str, np.ndarray]


def sizes(rows: int, shares: dict[str, float]) -> dict[str, int]:
    """Rows of each part, and of `train`, which gets the rest of the share 1.

    Shares are taken as the decimals they are written as: 0.29 of 100 rows is 29, though
    the float 0.29 lies below it.
    """
    exact = {part: Fraction(repr(share)) for part, share in shares.items()}
    exact["train"] = 1 - sum(exact.values(), Fraction(0))
    return dict(zip(exact, apportion(list(exact.values()), rows), strict=True))


def apportion(
    weights: list[Fraction] | list[int], total: int, limits: list[int] | None = None
) -> list[int]:
    """`total` seats in proportion to the weights, none above its limit.

    Each gets the whole part of its quota, then the largest remainders get one more
    (Hamilton's method); of equal remainders the first.
    """
    limits = limits or [total] * len(weights)
    whole = sum(weights)
    quotas = [Fraction(weight) * total / whole for weight in weights]
    seats = [min(int(q), limit) for q, limit in zip(quotas, limits, strict=True)]
    while sum(seats) < total:
        free = [i for i, limit in enumerate(limits) if seats[i] < limit]
        seats[max(free, key=lambda i: (quotas[i] - seats[i], -i))] += 1
    return seats


def at_random(rows: int, counts: dict[str, int], key: randomness.Key) -> Parts:
    """Rows of each part in ascending order, drawn without replacement."""
    drawn = randomness.permutation(key, rows)
    return _cut(drawn, counts)


def in_order(rows: int, counts: dict[str, int]) -> Parts:
    """The first rows train, the next validate, the last test."""
    parts = [part for part in ("train", "validation", "test") if part in counts]
    return _cut(np.arange(rows), {part: counts[part] for part in parts})


def _cut(rows: np.ndarray, counts: dict[str, int]) -> Parts:
    ends = np.cumsum(list(counts.values()))[:-1]
    pieces = np.split(rows, ends)
    return {part: np.sort(piece) for part, piece in zip(counts, pieces, strict=True)}


def stratified(
    labels: np.ndarray, counts: dict[str, int], key: randomness.Key
) -> Parts | None:
    """Rows of each part with the classes in proportion, or None where that cannot be.

    Every class keeps at least one row to train on.

    Args:
        labels: class indices (n,).
        counts: rows of each part, `train` among them.
    """
    members = np.bincount(labels).tolist()
    held = sum(counts.values()) - counts["train"]
    limits = [max(0, count - 1) for count in members]
    if held > sum(limits):
        return None
    drawn = randomness.permutation(key, len(labels))
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    rest = np.split(by_class, np.cumsum(members)[:-1])
    parts: dict[str, list[np.ndarray]] = {part: [] for part in counts}
    taken = apportion(members, held, limits)
    for part in [part for part in counts if part != "train"]:
        share = apportion(taken, counts[part], taken)
        parts[part] = [rows[:k] for rows, k in zip(rest, share, strict=True)]
        rest = [rows[k:] for rows, k in zip(rest, share, strict=True)]
        taken = [have - k for have, k in zip(taken, share, strict=True)]
    parts["train"] = rest
    return {part: np.sort(np.concatenate(pieces)) for part, pieces in parts.items()}


def fold(
    labels: np.ndarray, number: int, of: int, key: randomness.Key
) -> tuple[np.ndarray, np.ndarray]:
    """The rows outside and inside of one part of a cross-validation, ascending.

    Rows are dealt like cards, in random order, class after class: parts differ by at
    most one row, and by at most one of each class.

    Args:
        labels: class indices (n,); equal ones where rows have no class.
        number: which part, from 1.
        of: parts.
    """
    drawn = randomness.permutation(key, len(labels))
    dealt = drawn[np.argsort(labels[drawn], kind="stable")]
    inside = np.arange(len(labels)) % of == number - 1
    return np.sort(dealt[~inside]), np.sort(dealt[inside])
