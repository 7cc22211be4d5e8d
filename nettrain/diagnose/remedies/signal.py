"""Remedies for signals that vanish, explode, saturate or are cut off."""

from __future__ import annotations

import math

import numpy as np

from nettrain.diagnose.evidence import Blame, Evidence
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import data, edits

MORTAL = ("relu", "relu6", "hard_sigmoid", "hard_swish", "hard_tanh")
"""Activations whose derivative is 0 on a whole half-line."""
HEALTHY_UPDATE = 2e-2
"""The largest ‖ΔW‖/‖W‖ of one update that is usual in networks that learn."""
LARGE = 3.0
"""γ, or the RMS of the inputs, above which a first signal is too large (I3)."""
FLAT_FROM = 2.0
"""|mean z| above which tanh has lost nine tenths of its slope: 1 - tanh²(2) = 0.07."""
_SPIKE = 10.0
_CLIP = 5.0


def vanishing(evidence: Evidence) -> Remedy:
    """Scaled weights first; then an activation that lets the gradient through."""
    scaled, flat = edits.scaled(evidence), edits.relu(evidence, edits.FLAT)
    if scaled or flat:
        return _scale_and_bend(scaled, flat)
    bounded = edits.relu(evidence, edits.BOUNDED)
    if bounded:
        return _scale_and_bend([], bounded)
    text = "normalize between the layers, or let residual shortcuts carry the gradient"
    return Remedy(text, edits.normalized(evidence))


def _scale_and_bend(scaled: list[Edit], bent: list[Edit]) -> Remedy:
    texts = ["weights scaled by the number of inputs"] if scaled else []
    texts += ["relu, whose slope is 1 where it is active"] if bent else []
    return Remedy("use " + " and ".join(texts), (*bent, *scaled))


def exploding(evidence: Evidence) -> Remedy:
    """Scaled weights; where they are, gradients held to their usual norm."""
    scaled = edits.scaled(evidence)
    if scaled:
        return Remedy("use weights scaled by the number of inputs", tuple(scaled))
    return edits.clip(evidence, 1.0)


def dead(evidence: Evidence, born: bool, jump: float | None) -> Remedy:
    """By how the units died: born with a bias, killed by too large a step, or else.

    Args:
        born: whether they were dead from the start.
        jump: ‖ΔW‖/‖W‖ of the updates that killed them, where it was too large.
    """
    biases = edits.zero_biases(evidence) if born else []
    if biases:
        return Remedy("start with biases of 0", tuple(biases))
    if jump is not None and not born and "learning_rate" in evidence.settings:
        return _smaller_steps(evidence, jump, "the updates that killed them")
    bent = edits.set_where(
        (layer.activation for layer in edits.backwards(evidence)), MORTAL, "leaky_relu"
    )
    return Remedy("use leaky_relu, whose derivative is never 0", tuple(bent))


def _smaller_steps(evidence: Evidence, jump: float, updates: str) -> Remedy:
    """The learning rate lowered by as many tens as the updates were too large."""
    powers = math.ceil(math.log10(jump / HEALTHY_UPDATE))
    return edits.slower(evidence, f"{updates} were too large", 10.0 ** max(1, powers))


def saturated(evidence: Evidence, jump: float | None) -> Remedy:
    """First what makes z large from the start, then the steps, then normalization.

    Args:
        jump: ‖ΔW‖/‖W‖ of the updates that drove the units there, where too large.
    """
    start = _large_start(evidence)
    if start.patch:
        return start
    if jump is not None and "learning_rate" in evidence.settings:
        return _smaller_steps(evidence, jump, "the updates that drove them there")
    normalized = edits.normalized(evidence)
    if normalized:
        return Remedy("normalize between the layers", normalized)
    bent = edits.relu(evidence, edits.BOUNDED)
    return Remedy("use relu, which is flat on one side only", tuple(bent))


def _large_start(evidence: Evidence) -> Remedy:
    """Scaled weights, biases of 0, standardized inputs: whichever is at fault."""
    gammas = [x.first.gamma for x in evidence.layers.values() if x.first is not None]
    large = not gammas or max(gammas) > LARGE
    first, out = evidence.signals, evidence.output
    shifted = first is not None and bool((abs(first.mean[:out]) > FLAT_FROM).any())
    found = {
        "weights scaled by the number of inputs": edits.scaled(evidence) * large,
        "biases of 0": edits.zero_biases(evidence) * shifted,
        "standardized inputs": data.standardized(evidence).patch * _unscaled(evidence),
    }
    texts = [text for text, patch in found.items() if patch]
    patch = tuple(edit for patch in found.values() for edit in patch)
    return Remedy("start with " + " and ".join(texts), patch)


def _unscaled(evidence: Evidence) -> bool:
    """Whether the inputs are as much too large as weights of that γ would be."""
    inputs = evidence.inputs
    if inputs is None:
        return False
    return float(np.sqrt(np.mean(inputs.mean**2 + inputs.std**2))) > LARGE


def nonfinite(evidence: Evidence, blame: Blame) -> Remedy:
    """By what was blamed: data, first weights, a spike, or the learning rate."""
    if blame.operation == "input":
        return Remedy(
            "clean the data: the network is given numbers that are not finite"
        )
    if blame.step <= 1:
        return _first_step(evidence)
    norms = edits.finite_norms(evidence)
    if len(norms) >= 20 and norms[-1] > _SPIKE * np.median(norms):
        return edits.clip(evidence, _CLIP)
    return edits.slower(evidence, _OPERATIONS.get(blame.operation, ""))


_OPERATIONS = {
    "log": "the logarithm was given 0 or less",
    "divide": "something was divided by 0 or overflowed",
    "sqrt": "the root was given a negative number",
}


def _first_step(evidence: Evidence) -> Remedy:
    """No update was made yet, so that no learning rate can be at fault."""
    scaled = edits.scaled(evidence)
    if scaled:
        return Remedy("use weights scaled by the number of inputs", tuple(scaled))
    steps = evidence.settings.get("preprocess")
    if steps is not None and "standardize" not in str(steps.value):
        return data.standardized(evidence)
    return edits.slower(evidence, "")
