"""What to change in the config, as patches.

A layer that has no name is called by kind and number, so a patch that exchanges layers
works from the last one backwards: the names of those before stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from nettrain.diagnose.evidence import Array, Blame, Evidence, LayerFacts, Setting
from nettrain.diagnose.finding import Edit, Remedy

FLAT = ("sigmoid", "hard_sigmoid", "softmax")
"""Activations whose slope is at most 1/4: they shrink the gradient at any weights."""
BOUNDED = (*FLAT, "tanh", "hard_tanh")
MORTAL = ("relu", "relu6", "hard_sigmoid", "hard_swish", "hard_tanh")
"""Activations whose derivative is 0 on a whole half-line."""
UNSCALED = ("zeros", "ones", "constant", "normal", "uniform")
"""Initializers whose scale does not depend on the number of inputs."""
HEALTHY_UPDATE = 2e-2
"""The largest ‖ΔW‖/‖W‖ of one update that is usual in networks that learn."""
_SPIKE = 10.0
_CLIP = 5.0


def vanishing(evidence: Evidence) -> Remedy:
    """Scaled weights first; then an activation that lets the gradient through."""
    scaled, flat = _scaled(evidence), _relu(evidence, FLAT)
    if scaled or flat:
        return _scale_and_bend(scaled, flat)
    bounded = _relu(evidence, BOUNDED)
    if bounded:
        return _scale_and_bend([], bounded)
    text = "normalize between the layers, or let residual shortcuts carry the gradient"
    return Remedy(text, _normalized(evidence))


def _scale_and_bend(scaled: list[Edit], bent: list[Edit]) -> Remedy:
    texts = ["weights scaled by the number of inputs"] if scaled else []
    texts += ["relu, whose slope is 1 where it is active"] if bent else []
    return Remedy("use " + " and ".join(texts), (*bent, *scaled))


def exploding(evidence: Evidence) -> Remedy:
    """Scaled weights; where they are, gradients held to their usual norm."""
    scaled = _scaled(evidence)
    if scaled:
        return Remedy("use weights scaled by the number of inputs", tuple(scaled))
    return _clip(evidence, 1.0)


def dead(evidence: Evidence, born: bool, jump: float | None) -> Remedy:
    """By how the units died: born with a bias, killed by too large a step, or else.

    Args:
        born: whether they were dead from the start.
        jump: ‖ΔW‖/‖W‖ of the updates that killed them, where it was too large.
    """
    biases = _zero_biases(evidence) if born else []
    if biases:
        return Remedy("start with biases of 0", tuple(biases))
    if jump is not None and not born and evidence.learning_rate is not None:
        powers = math.ceil(math.log10(jump / HEALTHY_UPDATE))
        reason = "the updates that killed them were too large"
        return _slower(evidence, reason, 10.0 ** max(1, powers))
    edits = _set(
        (layer.activation for layer in _backwards(evidence)), MORTAL, "leaky_relu"
    )
    return Remedy("use leaky_relu, whose derivative is never 0", tuple(edits))


def has_bias(evidence: Evidence, layer: str) -> bool:
    """Whether a layer's biases do not start with 0."""
    facts = evidence.layers.get(layer)
    return facts is not None and _biased(facts)


def nonfinite(evidence: Evidence, blame: Blame) -> Remedy:
    """By what was blamed: data, first weights, a spike, or the learning rate."""
    if blame.operation == "input":
        return Remedy(
            "clean the data: the network is given numbers that are not finite"
        )
    if blame.step <= 1:
        return _first_step(evidence)
    norms = _finite_norms(evidence)
    if len(norms) >= 20 and norms[-1] > _SPIKE * np.median(norms):
        return _clip(evidence, _CLIP)
    return _slower(evidence, _OPERATIONS.get(blame.operation, ""))


_OPERATIONS = {
    "log": "the logarithm was given 0 or less",
    "divide": "something was divided by 0 or overflowed",
    "sqrt": "the root was given a negative number",
}


def _first_step(evidence: Evidence) -> Remedy:
    """No update was made yet, so that no learning rate can be at fault."""
    scaled = _scaled(evidence)
    if scaled:
        return Remedy("use weights scaled by the number of inputs", tuple(scaled))
    steps = evidence.preprocess
    if steps is not None and "standardize" not in str(steps.value):
        edit = Edit(steps.path, "standardize", do="insert")
        return Remedy("standardize the inputs", (edit,))
    return _slower(evidence, "")


# ---------------------------------------------------------------- edits


def _backwards(evidence: Evidence) -> Iterator[LayerFacts]:
    """The hidden layers from the last to the first."""
    return reversed(evidence.hidden())


def _set(
    settings: Iterable[Setting | None], old: Iterable[str], new: str
) -> list[Edit]:
    """Edits that give settings with one of the old names a new value, each once."""
    names = tuple(old)
    paths = [s.path for s in settings if s is not None and s.name in names]
    return [Edit(path, new) for path in dict.fromkeys(paths)]


def _relu(evidence: Evidence, instead_of: Iterable[str]) -> list[Edit]:
    return _set((x.activation for x in _backwards(evidence)), instead_of, "relu")


def _scaled(evidence: Evidence) -> list[Edit]:
    layers = reversed([*evidence.layers.values()])
    return _set((layer.weight_init for layer in layers), UNSCALED, "auto")


def _biased(layer: LayerFacts) -> bool:
    return layer.bias_init is not None and layer.bias_init.name not in ("", "zeros")


def _zero_biases(evidence: Evidence) -> list[Edit]:
    found = [
        x.bias_init.path for x in _backwards(evidence) if _biased(x) and x.bias_init
    ]
    return [Edit(path, "zeros") for path in dict.fromkeys(found)]


def _normalized(evidence: Evidence) -> tuple[Edit, ...]:
    """`layer_norm` before every hidden layer but the first."""
    paths = dict.fromkeys(layer.path for layer in list(_backwards(evidence))[:-1])
    return tuple(Edit(path, "layer_norm", do="insert") for path in paths)


def _slower(evidence: Evidence, reason: str, factor: float = 10.0) -> Remedy:
    """The learning rate divided by a factor."""
    text = "lower the learning rate" + (f": {reason}" if reason else "")
    rate = evidence.learning_rate
    if rate is None:
        return Remedy(text)
    path, value = rate.path, rate.value
    while isinstance(value, Mapping) and value:
        # A schedule's first setting is its highest rate, or another schedule.
        key = next(iter(value))
        path, value = f"{path}.{key}", value[key]
    if not isinstance(value, (int, float)):
        return Remedy(text)
    return Remedy(text, (Edit(path, _rounded(value / factor)),))


def _clip(evidence: Evidence, factor: float) -> Remedy:
    """The gradient's norm held to so many times its median, 1 where none is known."""
    norms = _finite_norms(evidence)
    limit = factor * float(np.median(norms)) if len(norms) else 1.0
    edit = Edit("train.clip_norm", _rounded(limit))
    return Remedy(f"clip gradients to a norm of {edit.value:g}", (edit,))


def _finite_norms(evidence: Evidence) -> Array:
    norms: Array = np.asarray(evidence.gradient_norms, float)
    usable = np.logical_and(np.isfinite(norms), norms > 0)
    return np.extract(usable, norms)


def _rounded(number: float) -> float:
    """Two digits are enough for a setting that a person reads."""
    return float(f"{number:.2g}")
