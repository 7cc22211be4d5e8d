"""A data set in a few numbers, for `check` and the summary."""

from __future__ import annotations

from typing import Any

import numpy as np

from nettrain.data.dataset import Dataset, Part
from nettrain.data.kept import Kept


def profile(dataset: Dataset) -> dict[str, Any]:
    """Rows, classes or target ranges of each part, features, and what to look at."""
    preparation = dataset.preparation
    train = preparation.by_feature(dataset.parts["train"].inputs)
    constant = (train == train[0]).all(axis=0)
    names = preparation.feature_names
    return {
        "task": preparation.task,
        "targets": list(preparation.target_names),
        "classes": list(preparation.classes),
        "outputs": preparation.outputs,
        "input_shape": list(preparation.input_shape),
        "features": list(names),
        "constant_features": [n for n, c in zip(names, constant, strict=True) if c],
        "parts": {
            name: {"rows": len(part), **_targets(part, preparation)}
            for name, part in dataset.parts.items()
        },
    }


def _targets(part: Part, preparation: Kept) -> dict[str, Any]:
    """Labels of each class, or mean and standard deviation of each target."""
    if preparation.task == "classification":
        counts = np.bincount(
            part.targets.ravel(), minlength=preparation.outputs
        ).tolist()
        return {"classes": dict(zip(preparation.classes, counts, strict=True))}
    values = part.restored(part.targets).astype(np.float64)
    with np.errstate(all="ignore"):  # targets near the largest number overflow here
        mean, std = values.mean(axis=0).tolist(), values.std(axis=0).tolist()
    moments = zip(preparation.target_names, mean, std, strict=True)
    return {"targets": {name: {"mean": m, "std": s} for name, m, s in moments}}
