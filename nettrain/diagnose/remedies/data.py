"""Remedies for what is wrong with the data, or with how they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import edits
from nettrain.diagnose.remedies.initial import output_layer, smaller_output


def standardized(evidence: Evidence) -> Remedy:
    """`standardize` as one more step of the preprocessing.

    Where it is the last step already, what is left are nearly constant features: their
    standard deviation was raised to a share of the median one, a floor that goes.
    """
    text = "standardize the inputs"
    steps = evidence.settings.get("preprocess")
    if steps is None:
        return Remedy(text)
    names = [_step_name(step) for step in steps.value or ()]
    numeric = [name for name in names if name not in ("one_hot", "codes")]
    if numeric[-1:] != ["standardize"]:
        return Remedy(text, (Edit(steps.path, "standardize", do="insert"),))
    last = f"{steps.path}.standardize{names.count('standardize')}"
    text = "standardize nearly constant features like the others, or leave them out"
    return Remedy(text, (Edit(f"{last}.floor", 0.0),))


def _step_name(step: object) -> str:
    return str(next(iter(step), "")) if isinstance(step, Mapping) else str(step)


def balanced(evidence: Evidence) -> Remedy:
    """Classes that weigh the same, where the loss can weigh them."""
    text = "let every class weigh the same in the loss; probabilities of rare ones are "
    text += "then too high"
    patch = edits.set_to(evidence, "class_weights", "balanced")
    if not patch:
        text = "let every class weigh the same: cross_entropy takes class_weights: "
        text += "balanced"
    return Remedy(text, patch)


def too_few() -> Remedy:
    """What a weight cannot make of a class of hardly any rows."""
    text = (
        "so few rows of a class teach nothing: add some, leave them out, or join the "
    )
    return Remedy(text + "class with another")


def shuffled(evidence: Evidence) -> Remedy:
    return Remedy("shuffle the rows", edits.set_to(evidence, "shuffle", True))


def left_out(evidence: Evidence, names: Sequence[str]) -> Remedy:
    """Columns that are ignored, beside those of which the config says something."""
    text = "leave the column out, unless it is known when the prediction is made"
    columns = evidence.settings.get("columns")
    if columns is None:
        return Remedy(text)
    ignored = {**columns.value, **dict.fromkeys(names, "ignore")}
    return Remedy(text, (Edit(columns.path, ignored),))


def ignored(evidence: Evidence) -> str:
    """Columns that the config leaves out, to be thought of where nothing is learned."""
    columns = evidence.settings.get("columns")
    kinds = columns.value if columns is not None else None
    names = [name for name, kind in (kinds or {}).items() if kind == "ignore"]
    text = ". The config leaves out {}: what is known beforehand may be needed"
    return text.format(listed(names)) if names else ""


def listed(words: Sequence[str], most: int = 5) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


_UNSCALED = ("poisson", "kl_divergence")
"""Losses of counts and of shares, which refuse targets of mean 0."""


def own_scale(evidence: Evidence) -> bool:
    """Whether the loss takes targets only as they are."""
    loss = evidence.settings.get("loss")
    return loss is not None and loss.name in _UNSCALED


def from_the_mean(evidence: Evidence) -> Remedy:
    """Small first outputs; of a single target, a count, around the log of its mean.

    At z = ln mean t poisson's loss is that of the best constant. Shares are several.
    """
    remedy = smaller_output(evidence)
    mean = evidence.targets.mean if evidence.targets else np.zeros(0)
    if len(mean) != 1 or not mean[0] > 0:
        return remedy
    value, last = float(f"{math.log(mean[0]):.3g}"), output_layer(evidence)
    bias = last.bias_init if last else None
    at = () if bias is None else (Edit(bias.path, {"constant": {"value": value}}),)
    text = f"{remedy.text}, and its bias at the logarithm of the mean, {value:g}"
    return Remedy(text, remedy.patch + at)


def target_scaled(evidence: Evidence) -> Remedy:
    """Targets of mean 0 and standard deviation 1 for the loss."""
    return Remedy(
        "standardize the target; the loss then counts in its standard deviations",
        edits.set_to(evidence, "standardize_target", True),
    )


def classified(evidence: Evidence) -> Remedy:
    """A loss for classes, with what hangs on it: outputs, metrics, what is monitored.

    Metrics of a regression would be refused beside it.
    """
    text = "use cross_entropy, with one output for each class and without regression's "
    text += "metrics"
    loss = edits.set_to(evidence, "loss", "cross_entropy")
    if not loss:
        return Remedy(text)
    patch = [*loss, Edit("metrics", ["accuracy"]), *one_each(evidence).patch]
    last = output_layer(evidence)
    if last and last.activation and last.activation.name not in ("", "none", "linear"):
        patch.append(Edit(last.activation.path, "linear"))
    stop = evidence.settings.get("stop")
    if stop is not None and isinstance(stop.value, Mapping):
        patch.append(Edit(f"{stop.path}.monitor", "validation/loss"))
    scaled = evidence.settings.get("standardize_target")
    if scaled is not None and scaled.value:
        patch.append(Edit(scaled.path, False))
    return Remedy(text, tuple(patch))


def one_each(evidence: Evidence) -> Remedy:
    """As many outputs as there are classes."""
    last = output_layer(evidence)
    width = last.width if last else None
    patch = () if width is None else (Edit(width.path, "auto"),)
    return Remedy("give the last layer one output for each class", patch)
