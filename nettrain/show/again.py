"""Pictures that hold what is known nowhere else, drawn again from themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nettrain.show import style
from nettrain.show.before_after import Curves, before_after
from nettrain.show.rates import learning_rate


def again(name: str, svg: str) -> style.Picture | None:
    """The picture with its figure, as it was drawn; None where it does not hold it.

    Args:
        name: of its file.
        svg: what stands there.
    """
    data = style.kept(svg)
    return _KINDS[name](data) if name in _KINDS and data is not None else None


def _before_after(data: Mapping[str, Mapping[str, Any]]) -> style.Picture:
    return before_after(_curves(data["before"]), _curves(data["after"]))


def _curves(of: Mapping[str, Any]) -> Curves:
    return {
        part: (np.asarray(steps), np.asarray(losses))
        for part, (steps, losses) in of.items()
    }


_KINDS: dict[str, Callable[[Any], style.Picture]] = {
    "learning-rate.svg": lambda data: learning_rate(**data),
    "before-after.svg": _before_after,
}
