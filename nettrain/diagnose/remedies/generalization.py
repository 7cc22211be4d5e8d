"""Remedies for what a network learns beside the point: too much, too little, noise."""

from __future__ import annotations

from collections.abc import Mapping

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Edit, Remedy
from nettrain.diagnose.remedies import data, edits
from nettrain.diagnose.remedies.initial import output_layer

PATIENCE = 5
"""Epochs without a better validation loss after which to stop: O1 waits as long."""
WIDER = 4
LONGER = 2
LARGER_BATCH = 4
UNITS = 64


def stop_value(evidence: Evidence) -> Mapping[str, object]:
    """What `train.stop` says; empty where it says nothing."""
    setting = evidence.settings.get("stop")
    value = setting.value if setting is not None else None
    return value if isinstance(value, Mapping) else {}


def restores(evidence: Evidence) -> bool:
    """Whether the weights of the best epoch are the result."""
    return bool(stop_value(evidence).get("restore_best", False))


def best_epoch(evidence: Evidence, words: str) -> Remedy:
    """Stop when the validation loss rises and keep the weights of its best epoch.

    Args:
        words: what else may help.
    """
    if restores(evidence):
        return Remedy(words)
    value: dict[str, object] = {"monitor": "validation/loss", "patience": PATIENCE}
    value["restore_best"] = True
    if (minutes := stop_value(evidence).get("minutes")) is not None:
        value["minutes"] = minutes
    text = f"keep the weights of the epoch with the lowest validation loss; {words}"
    return Remedy(text, edits.set_to(evidence, "stop", value))


def memorised(evidence: Evidence, once_better: bool) -> Remedy:
    """Labels that no epoch made anything of may be wrong: no epoch is worth keeping.

    Args:
        once_better: whether an epoch knew more of new rows than guessing does.
    """
    more = "get more rows or a smaller network"
    if not once_better:
        return Remedy(f"check the labels, and {more}")
    return best_epoch(evidence, more)


def alike(later: bool) -> Remedy:
    """Validation rows from among the training rows.

    Args:
        later: whether the config takes those that come behind them.
    """
    text = "train on rows like those that are to be predicted, with columns that keep "
    text += "their range (a difference, a ratio)"
    if not later:
        return Remedy(text)
    text = "split at random, if rows from among these are to be predicted; if later "
    text += "ones are, keep the split, and give it columns that keep their range"
    return Remedy(text, (Edit("data.split.by", "random"),))


def gap(evidence: Evidence) -> Remedy:
    """Dropout before the output, which has the most weights to learn by heart with."""
    output = output_layer(evidence)
    text = "use dropout or weight decay, a smaller network, or more rows"
    if output is None:
        return Remedy(text)
    return Remedy(text, (Edit(output.path, {"dropout": 0.5}, do="insert"),))


def ignored(evidence: Evidence, rare: bool) -> Remedy:
    """Balanced class weights for classes with less than an even share of the rows."""
    if rare and _weights(evidence) == "none":
        return data.balanced(evidence)
    return Remedy("look at the rows of that class and their labels; train for longer")


def _weights(evidence: Evidence) -> str:
    setting = evidence.settings.get("class_weights")
    return "none" if setting is None else setting.name


def bent(evidence: Evidence) -> Remedy:
    """A nonlinearity for layers that have none."""
    patch = edits.relu(evidence, ("none", "linear"))
    return Remedy("use relu in the hidden layers", tuple(patch))


def larger(evidence: Evidence) -> Remedy:
    """A network that can say more, and more time for it to learn."""
    doubt = "or check that the inputs say something about the targets"
    doubt += data.ignored(evidence)
    hidden, output = evidence.hidden(), output_layer(evidence)
    if not hidden and output is not None:
        value = {"dense": {"units": UNITS, "activation": "relu"}}
        new = Edit(output.path, value, do="insert")
        return Remedy(f"add a hidden layer, {doubt}", (new,))
    settings = evidence.settings
    length = settings.get("epochs") or settings.get("steps")
    patch = [
        Edit(setting.path, setting.value * factor)
        for setting, factor in (*((x.width, WIDER) for x in hidden), (length, LONGER))
        if setting is not None and isinstance(setting.value, int)
    ]
    text = f"use a wider network and train for longer, {doubt}"
    return Remedy(text, tuple(dict.fromkeys(patch)))


def larger_batch(evidence: Evidence) -> Remedy:
    """Updates of four times as many rows, as far as there are so many.

    Where they have several batches, these are as large as memory has room for.
    """
    rows = evidence.targets.rows if evidence.targets is not None else 0
    size = min(LARGER_BATCH * evidence.batch_size, rows)
    key, value, what = "batch_size", size, "use larger batches"
    if "accumulate" in evidence.settings:
        key, value = "accumulate", -(-size // edits.batch_rows(evidence))
        what = "accumulate more batches"
    patch = edits.set_to(evidence, key, value) if size > evidence.batch_size else ()
    return Remedy(f"{what}, or a lower learning rate towards the end", patch)


def same_in_both_modes(evidence: Evidence) -> Remedy:
    """layer_norm for batch_norm, whose running averages prediction depends on."""
    layers = reversed([*evidence.layers.values()])
    paths = dict.fromkeys(x.path for x in layers if x.kind == "batch_norm")
    patch = [Edit(path, "layer_norm") for path in paths]
    text = "use layer_norm, which is the same in both modes, or larger batches: "
    text += "batch_norm predicts with running averages that do not fit its batches"
    return Remedy(text, tuple(patch))
