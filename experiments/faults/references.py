"""How good is good? Three learners of scikit-learn on the same rows."""

from __future__ import annotations

import warnings

import numpy as np

from experiments.faults.components import Sample, clean_parts
from experiments.faults.programs import Program
from nettrain.component import build

FLOOR = 0.05
"""A healthy run may be so much worse than the reference."""


def reference_scores(program: Program, seed: int) -> dict[str, float]:
    """Test accuracy or R² of a random forest, a linear model and a network.

    Beside what the program is known to come to (`Program.reached`), where it is.
    """
    from sklearn import ensemble, linear_model, neural_network, pipeline, preprocessing

    known = {"known": program.reached} if program.reached else {}
    source = program.config(seed)["data"]["source"]
    if "sample" not in source:  # its rows are sequences, and no table
        return known
    config = source["sample"]
    parts, _ = clean_parts(build(Sample, config, (), []), seed)
    chance = {"random_state": seed}
    shape = {"hidden_layer_sizes": (64,), "max_iter": 150, **chance}
    if program.classification:
        models = {
            "forest": ensemble.RandomForestClassifier(100, **chance),
            "linear": linear_model.LogisticRegression(max_iter=1000),
            "network": neural_network.MLPClassifier(**shape),
        }
    else:
        models = {
            "forest": ensemble.RandomForestRegressor(100, **chance),
            "linear": linear_model.Ridge(),
            "network": neural_network.MLPRegressor(**shape),
        }
    scores: dict[str, float] = {**known}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model in models.items():
            scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), model)
            scaled.fit(*parts["train"])
            scores[name] = float(scaled.score(*parts["test"]))
    return scores


def best_reference(scores: list[dict[str, float]]) -> list[float]:
    """For each seed the score of the learner that is best in the mean of the seeds."""
    means = {name: np.mean([s[name] for s in scores]) for name in scores[0]}
    best = max(means, key=lambda name: means[name])
    return [s[best] for s in scores]


def tolerance(reference: float, rows: int, classification: bool) -> float:
    """How much worse than its reference a healthy run may be.

    `FLOOR`, or twice the standard error of an accuracy on so many test rows; the error
    of R² has no such formula, and twice the floor stands for it.
    """
    if not classification:
        return 2 * FLOOR
    error = np.sqrt(max(reference * (1 - reference), 0.01) / rows)
    return max(FLOOR, 2 * float(error))
