"""What a remedy may change in a config beside its layers, and where that stands."""

from __future__ import annotations

from typing import Any

from nettrain.component import dump
from nettrain.diagnose.facts import Setting
from nettrain.experiment.schema import Experiment


def tunable(experiment: Experiment) -> dict[str, Setting]:
    """By the keys of `Evidence.settings`, as far as the config can have them."""
    data, train, loss = experiment.data, experiment.train, experiment.loss
    optimizer = experiment.optimizer.rule
    by = ".".join(("optimizer", *experiment.optimizer.place))
    length = "steps" if train.steps else "epochs"
    found: dict[str, tuple[str, Any]] = {
        "learning_rate": (f"{by}.learning_rate", optimizer.learning_rate),
        "maximize": (f"{by}.maximize", optimizer.maximize),
        "preprocess": ("data.preprocess", list(data.preprocess)),
        "columns": ("data.columns", data.columns),
        "shuffle": ("data.shuffle", data.shuffle),
        "batch_size": ("data.batch_size", data.batch_size),
        "loss": ("loss", loss),
        "stop": ("train.stop", train.stop),
        "clip_norm": ("train.clip_norm", train.clip_norm),
        length: (f"train.{length}", getattr(train, length)),
    }
    if hasattr(loss, "class_weights"):
        path = f"loss.{loss.registered_name}.class_weights"
        found["class_weights"] = path, loss.class_weights
    if loss.task == "regression":
        path = "data.standardize_target"
        found["standardize_target"] = path, data.standardize_target
    if train.accumulate > 1:
        found["accumulate"] = "train.accumulate", train.accumulate
    decay = getattr(optimizer, "weight_decay", None)
    if decay is not None:
        found["weight_decay"] = f"{by}.weight_decay", decay
    return {key: Setting(path, dump(value)) for key, (path, value) in found.items()}
