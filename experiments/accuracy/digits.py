"""Is configs/mlp.yaml as accurate on digits as scikit-learn's MLPClassifier?

    python experiments/accuracy/digits.py --seeds 30

For every seed both train a network of the same size on the same rows, prepared alike,
and are tested on the same rows; the seed decides split, first weights and order of
rows. The differences are paired, with a 95 % interval of Student's t.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from nettrain.execute import executor
from nettrain.experiment.setup import Setup, set_up
from nettrain.training.loop import Loop
from nettrain.training.network import Network

CONFIG = Path(__file__).parents[2] / "configs" / "mlp.yaml"


def ours(setup: Setup) -> float:
    """Test accuracy of the config, without pictures and files."""
    plan = setup.plan()
    network = Network(setup.recipe, executor(), plan.batch_size)
    outcome = Loop(network, plan, None, lambda event: None).run()
    return float(outcome.summary["test/accuracy"])


def theirs(setup: Setup, seed: int) -> float:
    """Test accuracy of scikit-learn's network on the same rows."""
    model = MLPClassifier((64, 32), batch_size=32, max_iter=40, random_state=seed)
    train, test = setup.dataset.parts["train"], setup.dataset.parts["test"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train.inputs, train.targets)
    return float(model.score(test.inputs, test.targets))


def compare(seeds: int) -> np.ndarray:
    """(seeds, 2): test accuracy of nettrain and of scikit-learn."""
    found = []
    for seed in range(seeds):
        setup = set_up(CONFIG, [f"seed={seed}", "diagnose=false"])
        found.append((ours(setup), theirs(setup, seed)))
        print(f"seed {seed:2}: nettrain {found[-1][0]:.4f}, "
              f"scikit-learn {found[-1][1]:.4f}", flush=True)  # fmt: skip
    return np.array(found)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of paired differences (Student's t)."""
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return float(differences.mean() - half), float(differences.mean() + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    found = compare(parser.parse_args().seeds)
    low, high = interval(found[:, 0] - found[:, 1])
    means = found.mean(axis=0)
    print(f"\nmean test accuracy: nettrain {means[0]:.4f}, scikit-learn {means[1]:.4f}")
    print(f"difference, 95 % interval: {100 * low:+.2f} to {100 * high:+.2f} points")
    print(f"lowest of nettrain: {found[:, 0].min():.4f}")


if __name__ == "__main__":
    main()
