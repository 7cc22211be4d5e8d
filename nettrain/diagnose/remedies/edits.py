"""Edits of a config that several remedies are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from nettrain.diagnose.evidence import Array, Evidence
from nettrain.diagnose.facts import LayerFacts, Setting
from nettrain.diagnose.finding import Edit, Remedy

FLAT = ("sigmoid", "hard_sigmoid", "softmax")
"""Activations whose slope is at most 1/4: they shrink the gradient at any weights."""
BOUNDED = (*FLAT, "tanh", "hard_tanh")
SLOPED = ("leaky_relu", "prelu")
"""Activations that are straight on both sides: however far z is, they are not flat."""
UNSCALED = ("zeros", "ones", "constant", "normal", "uniform")
"""Initializers whose scale does not depend on the number of inputs."""


def backwards(evidence: Evidence) -> Iterator[LayerFacts]:
    """The hidden layers from the last to the first."""
    return reversed(evidence.hidden())


def set_where(
    settings: Iterable[Setting | None], old: Iterable[str], new: str
) -> list[Edit]:
    """Edits that give settings with one of the old names a new value, each once."""
    names = tuple(old)
    paths = [s.path for s in settings if s is not None and s.name in names]
    return [Edit(path, new) for path in dict.fromkeys(paths)]


def set_to(evidence: Evidence, key: str, value: object) -> tuple[Edit, ...]:
    """The edit that gives `evidence.settings[key]` a value, if the key is known."""
    setting = evidence.settings.get(key)
    return () if setting is None else (Edit(setting.path, value),)


def relu(evidence: Evidence, instead_of: Iterable[str]) -> list[Edit]:
    """Hidden activations of some names become relu."""
    return set_where((x.activation for x in backwards(evidence)), instead_of, "relu")


def scaled(evidence: Evidence) -> list[Edit]:
    """First weights whose scale ignores the number of inputs become the usual ones.

    Not those of an embedding: it adds up no inputs.
    """
    layers = [x for x in reversed([*evidence.layers.values()]) if not x.looked_up]
    inits = (s for x in layers for s in (x.weight_init, x.recurrent_init))
    return usual(s for s in inits if s is not None and s.name in UNSCALED)


def usual(settings: Iterable[Setting]) -> list[Edit]:
    """Edits that give settings their usual values, each once."""
    edits = {s.path: Edit(s.path, s.usual) for s in settings if s.value != s.usual}
    return [*edits.values()]


def biased(layer: LayerFacts) -> bool:
    """Whether a layer's biases do not start with 0."""
    return layer.bias_init is not None and layer.bias_init.name not in ("", "zeros")


def zero_biases(evidence: Evidence) -> list[Edit]:
    """Hidden biases start with 0."""
    found = [x.bias_init.path for x in backwards(evidence) if biased(x) and x.bias_init]
    return [Edit(path, "zeros") for path in dict.fromkeys(found)]


def normalized(evidence: Evidence) -> tuple[Edit, ...]:
    """A normalization before every hidden layer but the first that has none behind it.

    Before convolutions `batch_norm`, over each channel: `layer_norm` is over the last
    axis, and so over one row of an image. Only where the config has the layer itself.
    """
    rest = [x for x in list(backwards(evidence))[:-1] if x.weight_init is not None]
    norms = {
        layer.path: "batch_norm" if "conv" in layer.kind else "layer_norm"
        for layer in rest
        if not layer.normalized
    }
    return tuple(Edit(path, norm, do="insert") for path, norm in norms.items())


def batch_rows(evidence: Evidence) -> int:
    """Rows of a batch; an update may be made of several."""
    several = evidence.settings.get("accumulate")
    return evidence.batch_size // (several.value if several is not None else 1)


def rate_value(evidence: Evidence) -> tuple[str, float] | None:
    """Where the learning rate, or a schedule's highest one, stands, and what it is."""
    rate = evidence.settings.get("learning_rate")
    if rate is None:
        return None
    path, value = rate.path, rate.value
    while isinstance(value, Mapping) and value:
        # A schedule's first setting is its highest rate, or another schedule.
        key = next(iter(value))
        path, value = f"{path}.{key}", value[key]
    return (path, float(value)) if isinstance(value, (int, float)) else None


def slower(evidence: Evidence, reason: str, factor: float = 10.0) -> Remedy:
    """The learning rate divided by a factor, until it is measured (`Remedy.measure`).

    Args:
        reason: why, behind a colon; may be empty.
        factor: below 1 makes it faster.
    """
    word = "lower" if factor > 1 else "raise"
    text = f"{word} the learning rate" + (f": {reason}" if reason else "")
    known = rate_value(evidence)
    if known is None:
        return Remedy(text)
    path, rate = known
    return Remedy(text, (Edit(path, rounded(rate / factor)),), measure=True)


def clip(evidence: Evidence, factor: float) -> Remedy:
    """The gradient's norm held to so many times its median, 1 where none is known."""
    norms = finite_norms(evidence)
    limit = factor * float(np.median(norms)) if len(norms) else 1.0
    edit = Edit("train.clip_norm", rounded(limit))
    return Remedy(f"clip gradients to a norm of {edit.value:g}", (edit,))


def finite_norms(evidence: Evidence) -> Array:
    """The latest gradient norms that are above 0 and finite."""
    norms: Array = np.asarray(evidence.gradient_norms, float)
    usable = np.logical_and(np.isfinite(norms), norms > 0)
    return np.extract(usable, norms)


def rounded(number: float) -> float:
    """Two digits are enough for a setting that a person reads."""
    return float(f"{number:.2g}")
