"""Remedies for what is wrong before the first step: weights, biases, widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.facts import LayerFacts
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import edits

RECTIFIERS = ("relu", "relu6")
"""Activations whose derivative is 0 wherever z < 0."""
_WIDTHS = tuple(2**power for power in range(3, 11))


def output_layer(evidence: Evidence) -> LayerFacts | None:
    """The layer that the outputs come from, if it is known."""
    if not evidence.nodes:
        return None
    return evidence.layers.get(evidence.nodes[evidence.output].layer)


def scaled(
    evidence: Evidence,
    wrong: Sequence[LayerFacts],
    recurrent: Sequence[LayerFacts] = (),
) -> Remedy:
    """First weights on the scale that inputs and activation ask for.

    Of all layers whose scale ignores the number of inputs, and of those named.

    Args:
        evidence: of the run.
        wrong: layers whose weights are named.
        recurrent: layers whose recurrent weights are.
    """
    inits = [x.weight_init for x in reversed(wrong)]
    inits += [x.recurrent_init for x in reversed(recurrent)]
    named = edits.usual(s for s in inits if s is not None)
    patch = [*edits.scaled(evidence), *named]
    return Remedy(
        "scale the first weights by the number of inputs, as the activation asks for",
        tuple({edit.path: edit for edit in patch}.values()),
    )


def different(evidence: Evidence, alike: Sequence[LayerFacts]) -> Remedy:
    """Random first weights."""
    return Remedy("start with random weights", scaled(evidence, alike).patch)


def smaller_output(evidence: Evidence) -> Remedy:
    """A last layer that starts near 0, so that no class is preferred."""
    last = output_layer(evidence)
    init = last.weight_init if last else None
    unscaled = init is not None and init.name in edits.UNSCALED
    new = init.usual if init and unscaled else {"normal": {"std": 0.01}}
    patch = () if init is None else (Edit(init.path, new),)
    return Remedy("start with smaller weights in the last layer", patch)


def wider(evidence: Evidence, enough: Callable[[Sequence[int]], bool]) -> Remedy:
    """Narrow layers widened together, so that widths that were equal remain so.

    Args:
        enough: whether widths of the hidden layers are; decides how far.
    """
    hidden = evidence.hidden()
    units = [layer.units for layer in hidden]
    fitting = (w for w in _WIDTHS if enough([max(n, w) for n in units if n]))
    least = next(fitting, None)
    patch = [
        Edit(layer.width.path, least)
        for layer in reversed(hidden)
        if layer.width is not None and least is not None and layer.units < least
    ]
    text = f"make the hidden layers at least {least or _WIDTHS[-1]} units wide"
    return Remedy(text, tuple(dict.fromkeys(patch)))


def leaky(evidence: Evidence) -> Remedy:
    """Activations whose derivative is never 0."""
    found = (layer.activation for layer in edits.backwards(evidence))
    bent = edits.set_where(found, RECTIFIERS, "leaky_relu")
    return Remedy("use leaky_relu, whose derivative is never 0", tuple(bent))


def born_dead(evidence: Evidence) -> Remedy:
    """Biases of 0; where they are, wider layers that do not die."""
    biases = edits.zero_biases(evidence)
    if biases:
        return Remedy("start with biases of 0", tuple(biases))
    return both(wider(evidence, lambda units: True), leaky(evidence))


def both(first: Remedy, second: Remedy) -> Remedy:
    """Two remedies as one; what has nothing to patch is left out where one has."""
    useful = [r for r in (first, second) if r.patch] or [first, second]
    text = " and ".join(remedy.text for remedy in useful)
    return Remedy(text, tuple(edit for remedy in useful for edit in remedy.patch))
