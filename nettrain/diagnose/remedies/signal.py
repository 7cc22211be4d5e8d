"""Remedies for signals that vanish, explode, saturate or are cut off."""

from __future__ import annotations

import dataclasses

import numpy as np

from nettrain.diagnose.evidence import Blame, Evidence
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import data, edits, rate

MORTAL = ("relu", "relu6", "hard_sigmoid", "hard_swish", "hard_tanh")
"""Activations whose derivative is 0 on a whole half-line."""
LARGE = 3.0
"""γ, or the RMS of the inputs, above which a first signal is too large (I3)."""
FLAT_FROM = 2.0
"""|mean z| above which tanh has lost nine tenths of its slope: 1 - tanh²(2) = 0.07."""
_SPIKE = 10.0
_CLIP = 5.0
_FEW = 0.25
"""Share of a batch up to which bad rows are the data's fault."""
_GROWN = 1e3
"""Times H0, or the first loss, above which a loss has grown by the updates."""


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


def forgetting(evidence: Evidence, node: PreActivation) -> Remedy:
    """Over time no weights keep a gradient's size for long: gates do.

    Args:
        evidence: of the run.
        node: the time step at which the gradient has vanished.
    """
    layer = evidence.layers.get(node.layer)
    if layer is None or layer.gated is None:
        return Remedy(
            "shorten the sequences, give every time step a target of its own, or let "
            "attention look back without steps between"
        )
    text = "use lstm, whose memory passes from step to step by a factor of its own"
    return Remedy(text, (Edit(layer.path, layer.gated),))


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


def dead(evidence: Evidence, born: bool, ratio: float) -> Remedy:
    """By how the units died: born with a bias, killed by updates, or born without one.

    What lived at first was killed by updates, whatever their size. Of 13 such nets on
    digits the measured rate left all 13 at a loss of .03 to .13; leaky_relu at the old
    rate left them at .07 to .87.

    Args:
        born: whether they were dead from the start.
        ratio: ‖ΔW‖/‖W‖ of the updates that killed them; -inf if unknown.
    """
    biases = edits.zero_biases(evidence) if born else []
    if biases:
        return Remedy("start with biases of 0", tuple(biases))
    bent = edits.set_where(
        (layer.activation for layer in edits.backwards(evidence)), MORTAL, "leaky_relu"
    )
    leaky = Remedy("use leaky_relu, whose derivative is never 0", tuple(bent))
    return leaky if born else _gentler(evidence, ratio, "killed units", leaky)


def _gentler(evidence: Evidence, ratio: float, did: str, otherwise: Remedy) -> Remedy:
    """A lower learning rate, to be measured; else, or if it is not known, the other."""
    lower = rate.lower(evidence, ratio, f"its updates {did}")
    known = lower.measure
    return dataclasses.replace(lower, otherwise=otherwise) if known else otherwise


def saturated(evidence: Evidence, jump: float | None) -> Remedy:
    """First what makes z large from the start, then the steps, then normalization.

    Args:
        jump: ‖ΔW‖/‖W‖ of the updates that drove the units there, where too large.
    """
    start = _large_start(evidence)
    if start.patch:
        return start
    steeper = _steeper(evidence)
    if jump is None:
        return steeper
    return _gentler(evidence, jump, "drove units to the flat ends", steeper)


def one_place(evidence: Evidence, layer: str) -> Remedy:
    """Scores held to where a softmax has a slope: what they are made of, to scale.

    Args:
        evidence: of the run.
        layer: the name of the attention.
    """
    large = [x for x in evidence.layers.values() if x.first and x.first.gamma > LARGE]
    patch = edits.usual(x.weight_init for x in large if x.weight_init is not None)
    if patch:
        return Remedy("start with weights of the usual scale", tuple(patch))
    facts = evidence.layers.get(layer)
    own = facts is not None and facts.path.endswith(layer.rpartition("/")[2])
    insert = (Edit(facts.path, "layer_norm", do="insert"),) if facts and own else ()
    return Remedy("normalize what attention is given", insert)


def _steeper(evidence: Evidence) -> Remedy:
    """Pre-activations held to where the slope is, or an activation with more of it."""
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
    if inputs is None or not inputs.mean.size:  # of symbols, which have no scale
        return False
    return float(np.sqrt(np.mean(inputs.mean**2 + inputs.std**2))) > LARGE


def nonfinite(evidence: Evidence, blame: Blame) -> Remedy:
    """By what was blamed: data, first weights, a spike, or the learning rate."""
    if blame.operation == "input":
        return Remedy(
            "clean the data: the network is given numbers that are not finite"
        )
    if _of_data(evidence, blame):
        return Remedy(_look_at(blame.rows))
    if blame.step <= 1:
        return _first_step(evidence)
    norms = edits.finite_norms(evidence)
    if len(norms) >= 20 and norms[-1] > _SPIKE * np.median(norms):
        return edits.clip(evidence, _CLIP)
    slower = edits.slower(evidence, _OPERATIONS.get(blame.operation, ""))
    return dataclasses.replace(slower, otherwise=edits.clip(evidence, _CLIP))


def _of_data(evidence: Evidence, blame: Blame) -> bool:
    """Whether few rows of a batch are bad, in the first epoch, without large updates.

    Few: at most `_FEW` of the batch, or the row of a batch of one. Where the updates
    are to blame, the losses before were huge, or a matrix moved by more than its norm.
    """
    rows = evidence.targets.rows if evidence.targets else np.inf
    begin = (blame.step - 1) * evidence.batch_size  # within the first epoch
    size = min(edits.batch_rows(evidence), rows - begin)
    few = 0 < len(blame.rows) <= max(1, _FEW * size)
    if blame.epoch > 1 or not few:
        return False
    evidence = evidence.comparable()
    usual = np.fmax(evidence.prior, evidence.signals.loss if evidence.signals else 0)
    highest = np.max(evidence.losses, initial=0.0)
    moved = np.fmax.reduce(evidence.update_ratio[-1:], axis=None, initial=0.0)
    return bool(highest <= _GROWN * usual and moved <= 1)


def _look_at(rows: tuple[int, ...]) -> str:
    named = ", ".join(map(str, rows[:10])) + " …" * (len(rows) > 10)
    what = (
        f"row {named}: its values" if len(rows) == 1 else f"rows {named}: their values"
    )
    return f"look at data {what} are beyond what the network can compute with"


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
