"""The published rules, each a small function over the trace of one run.

`trace[NAME]` is a series of `snapshots.Snapshots`; E epochs, L hidden layers with a
nonlinearity, Q weight matrices. A tool flags a run if one of its rules does. What a
rule needs and a trace lacks is listed in `LEFT_OUT`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from experiments.faults.training import Record

Array = np.ndarray
Rules = Mapping[str, bool]


@dataclass(frozen=True)
class Trace:
    """A record as the rules read it; epochs along the first axis.

    Attributes:
        record: of the run.
    """

    record: Record

    def __getitem__(self, name: str) -> Array:
        """A series of the snapshots; empty where there is none."""
        series: Array = self.record.snapshots.get(name, np.zeros((0, 1)))
        return series.astype(float)

    def metric(self, name: str) -> Array:
        """A column of the metrics at epoch ends."""
        column = self.record.metrics.get(name)
        ends = self.record.metrics.get("train/epoch_loss")
        if column is None or ends is None:
            return np.zeros(0)
        return np.asarray(column, float)[np.isfinite(np.asarray(ends, float))]

    @property
    def steps(self) -> Array:
        """The loss of every batch."""
        return np.asarray(self.record.metrics.get("train/loss", ()), float)

    @property
    def loss(self) -> Array:
        return self.metric("train/epoch_loss")

    @property
    def validation_loss(self) -> Array:
        return self.metric("validation/loss")

    @property
    def accuracy(self) -> Array:
        """Of the training part; empty in a regression."""
        return self.metric("train/accuracy")

    @property
    def validation_accuracy(self) -> Array:
        return self.metric("validation/accuracy")

    @property
    def ratios(self) -> Array:
        """(E, Q) ‖ΔW‖/‖W‖ of matrices."""
        ratios = self.record.evidence.update_ratio
        known: Array = np.isfinite(ratios).any(axis=0)
        return ratios[:, known] if len(ratios) else ratios

    @property
    def not_finite(self) -> bool:
        return self.record.status == "diverged" or not np.isfinite(self.loss).all()

    def of(self, *activations: str) -> Array:
        """(L,) whether a hidden layer has one of these activations."""
        found: Array = np.isin(self.record.facts["activations"], activations)
        return found

    def rare(self, share: float) -> list[float]:
        """Share of a layer's units that are positive on at most `share` of an epoch.

        Of each layer whose units can die the largest of the epochs.
        """
        units = self.record.evidence.units.values()
        return [float((u.positive <= share).mean(axis=1).max()) for u in units]


def _any(condition: Array) -> bool:
    return bool(np.any(condition))


def _gains(series: Array) -> Array:
    return np.diff(series) if len(series) > 1 else np.zeros(0)


# ---------------------------------------------------------------- tools


def autotrainer(trace: Trace) -> Rules:
    """Zhang, Zhai, Ma and Shen (ICSE 2021); checks every 3 epochs."""
    g, accuracy = trace["g_norm"][3::3], trace.accuracy
    poor = not len(accuracy) or bool(accuracy[-1] < 0.7) or trace.not_finite
    first, last = (g[:, 0], g[:, -1]) if len(g) else (np.zeros(0), np.ones(0))
    ratio = first / np.where(last > 0, last, np.nan)
    relu = trace["g_zero"][3::3] > 0.7
    swings = np.abs(_gains(accuracy)) > 0.03
    return {
        "vanishing": poor and _any((ratio < 1e-3) & (first < 1e-4)),
        "exploding": trace.not_finite or (poor and _any(ratio > 70)),
        "dying relu": poor and _any(trace.of("relu")) and _any(relu),
        "oscillation": bool(len(swings)) and bool(swings.mean() > 0.2),
        "slow": bool(len(accuracy) > 1) and not _any(_gains(accuracy) > 0.01),
        "unnormalised": _any(np.abs(trace["mean"]) >= 10),
    }


def sagemaker(trace: Trace) -> Rules:
    """Amazon SageMaker Debugger, built-in rules at their defaults."""
    loss, steps, validation = trace.loss, trace.steps, trace.validation_loss
    variance, spread = trace["w_variance"][:1], trace["g_spread"][:1]
    neighbours = variance[:, 1:] / np.where(variance[:, :-1] > 0, variance[:, :-1], 1)
    ten = steps[10:] > steps[:-10] * (1 - 0.001) if len(steps) > 10 else np.zeros(0)
    flat = np.isclose(steps[3:], steps[:-3], rtol=1e-5) if len(steps) > 3 else ten[:0]
    best = np.minimum.accumulate(validation) if len(validation) else validation
    overfit = len(validation) == len(loss) > 0
    return {
        "dead relu": any(share > 0.5 for share in trace.rare(0.01)),
        "exploding tensor": trace.not_finite,
        "poor initialization": _any((neighbours > 10) | (neighbours < 0.1))
        or _any(spread < 0.001),
        "saturated activation": _any(trace["tanh_end"][:, trace.of("tanh")] > 0.5)
        or _any(trace["sigmoid_end"][:, trace.of("sigmoid")] > 0.5),
        "vanishing gradient": _any(trace["g_mean"] < 1e-7),
        "weight update ratio": _any((trace.ratios > 10) | (trace.ratios < 1e-8)),
        "loss not decreasing": _any(ten),
        "overfit": overfit and _any((validation - loss) / loss > 0.1),
        "overtraining": _waited(validation, best, 10, 0.01),
        "unchanged tensor": _any(flat),
        "class imbalance": _imbalance(trace) > 10,
    }


def _waited(series: Array, best: Array, patience: int, gain: float) -> bool:
    """Whether so many epochs in a row were not better than the best by a gain."""
    stuck = np.diff(best) > -gain
    return any(stuck[i : i + patience].all() for i in range(len(stuck) - patience + 1))


def _imbalance(trace: Trace) -> float:
    targets = trace.record.evidence.targets
    counts = targets.counts if targets is not None else np.zeros(0)
    return float(counts.max() / max(1, counts.min())) if len(counts) else 1.0


def deepdiagnosis(trace: Trace) -> Rules:
    """Wardat, Cruz, Le and Rajan (ICSE 2022)."""
    g, w, accuracy = trace["g_norm"], trace["w_norm"], trace.accuracy
    ratio = trace.record.facts["learning_rate"] * g / np.where(w > 0, w, np.nan)
    low, high = trace.record.facts["inputs"]
    loss = trace.loss
    still = [np.allclose(loss[i : i + 5], loss[i]) for i in range(len(loss) - 4)]
    twenty = [np.ptp(accuracy[i : i + 20]) == 0 for i in range(len(accuracy) - 19)]
    return {
        "dead relu": _any(trace["z_nonpositive"][:, trace.of("relu")] >= 0.7),
        "saturated": _any(trace["large"][:, trace.of("tanh", "sigmoid")] > 0.5),
        "vanishing": _any(trace["g_mean"] < 1e-7),
        "variance": _any((trace["h_variance"] < 1e-5) | (trace["h_variance"] > 10)),
        "learning rate": _any((ratio < 1e-5) | (ratio > 1e-1)),
        "inputs": low < -1 or high > 1,
        "loss unchanged": any(still),
        "accuracy unchanged": any(twenty),
        "not finite": trace.not_finite,
    }


def umlaut(trace: Trace) -> Rules:
    """Schoop, Huang and Hartmann (CHI 2021)."""
    low, high = trace.record.facts["inputs"]
    rate = trace.record.facts["learning_rate"]
    loss, validation = _gains(trace.loss), _gains(trace.validation_loss)
    seen = trace.validation_accuracy[2:]
    ahead = seen - trace.accuracy[2:][: len(seen)] if len(seen) else seen
    return {
        "inputs": low < -1 or high > 1,
        "learning rate": not 1e-7 <= rate <= 0.01,
        "overfitting": len(loss) == len(validation)
        and _any((validation > 0) & (loss < 0)),
        "accuracy too high": _any(seen > 0.95),
        "validation above training": _any(ahead > 0.05),
        "dropout": trace.record.facts["dropout"] > 0.5,
        "not finite": trace.not_finite,
    }


def deepchecker(trace: Trace) -> Rules:
    """TheDeepChecker: Ben Braiek and Khomh (TOSEM 2022)."""
    steps, g, loss = trace.steps, trace["g_mean"], trace.loss
    classes = trace.record.facts["classes"]
    expected = np.log(max(classes, 2)) if len(trace.accuracy) else np.nan
    ratio = np.log10(np.where(trace.ratios > 0, trace.ratios, np.nan))
    growth = g[5:] / np.where(g[:-5] > 0, g[:-5], np.nan)
    five = loss[5:] > loss[:-5] * 0.95 if len(loss) > 5 else np.zeros(0)
    std = trace["std"]
    return {
        "initial loss": bool(len(steps)) and bool(abs(steps[0] - expected) > expected),
        "dead": _any(trace["unit_small"] > 0.5),
        "saturated": _any(trace["unit_rho"][:, trace.of("tanh", "sigmoid")] > 0.5),
        "activation std": _any((std < 0.5) | (std > 2)),
        "vanishing": _any(g < 1e-6) or _any(growth <= 0.5**5),
        "exploding": trace.not_finite or _any(g > 1e6) or _any(growth >= 2**5),
        "update ratio": _any((ratio < -4) | (ratio > -1)),
        "slow": _any(five),
        "diverging": _any(loss >= 2 * np.minimum.accumulate(loss))
        if len(loss)
        else False,
        "not smooth": _smoothness(steps) < 0.5,
    }


def _smoothness(losses: Array, window: int = 50) -> float:
    """The smallest share of falls among so many steps."""
    falls = (np.diff(losses) < 0).astype(float)
    if len(falls) < window:
        return 1.0
    return float(np.convolve(falls, np.ones(window) / window, "valid").min())


def default(trace: Trace) -> Rules:
    """DEFault: Jahan, Shah and Rahman (ICSE 2025), the rules of its dynamic labels."""
    loss, accuracy, seen = trace.loss, trace.accuracy, trace.validation_accuracy
    gap = len(accuracy) == len(seen) > 0 and bool(accuracy[-1] - seen[-1] > 0.1)
    return {
        "vanishing": _any(trace["g_mean"] < 1e-4),
        "exploding": trace.not_finite or _any(trace["g_max"] > 70),
        "zeros": _any(trace["zero"] > 0.7),
        "accuracy gap": gap,
        "oscillation": _any(np.abs(_gains(loss)) > 0.01),
        "large weights": _any(trace["w_max"] > 10),
    }


def neuroscope(trace: Trace) -> Rules:
    """NeuroScope (2025); the milder of two thresholds."""
    variance, rms = trace["g_variance"], trace["g_rms"]
    pairs = variance[:, 1:] / np.where(variance[:, :-1] > 0, variance[:, :-1], np.nan)
    return {
        "dead": _any(trace["unit_zero_90"] > 0.3),
        "vanishing": _any(pairs > 2) or _any(rms < 1e-7),
        "exploding": trace.not_finite or _any(trace["g_norm"] > 10),
        "update ratio": _any((trace.ratios < 1e-4) | (trace.ratios > 5e-2)),
    }


def keras_contrib(trace: Trace) -> Rules:
    """keras-contrib's DeadReluDetector: zero for a whole epoch; warns at 10 %."""
    return {"dead relu": any(share >= 0.1 for share in trace.rare(0.0))}


TOOLS: Mapping[str, Callable[[Trace], Rules]] = {
    "AUTOTRAINER (2021)": autotrainer,
    "SageMaker Debugger": sagemaker,
    "DeepDiagnosis (2022)": deepdiagnosis,
    "UMLAUT (2021)": umlaut,
    "TheDeepChecker (2022)": deepchecker,
    "DEFault (2025)": default,
    "NeuroScope (2025)": neuroscope,
    "keras-contrib": keras_contrib,
}

LEFT_OUT = {
    "SageMaker Debugger": "loss flat for 5 steps (under loss not decreasing)",
    "UMLAUT (2021)": "softmax before a loss on logits: nettrain refuses such a config",
    "TheDeepChecker (2022)": "fit of 16 samples: it needs a training of its own; decay "
    "and growth of gradients are taken over five epochs, not five of its checks",
    "AUTOTRAINER (2021)": "its gradient rules wait for an accuracy below .7; in a "
    "regression, which has none, they are always on",
}
"""What of a tool is left out or read otherwise."""


def flags(record: Record) -> dict[str, list[str]]:
    """Of each tool the rules that flag a run."""
    trace = Trace(record)
    with np.errstate(all="ignore"):
        return {
            name: [rule for rule, fired in tool(trace).items() if fired]
            for name, tool in TOOLS.items()
        }
