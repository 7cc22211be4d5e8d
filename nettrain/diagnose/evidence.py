"""What a diagnosis is made of: plain arrays and a few facts, from any trainer.

Detectors read an `Evidence` and nothing else. A trainer states the facts of the network
once and adds a `Check` at the end of every epoch.

Letters in shapes: E checks, L pre-activations in forward order, P parameters of rank 2
or more, U units of one layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Setting:
    """A value of the config that a remedy may change.

    Attributes:
        path: where it stands, such as `model.dense1.activation`.
        value: what it is now, as plain data: `relu`, `{"normal": {"std": 1.0}}`, `0.1`.
    """

    path: str
    value: Any

    @property
    def name(self) -> str:
        """The component's name where it is one: `normal` of `{"normal": {…}}`."""
        if isinstance(self.value, Mapping):
            return str(next(iter(self.value), ""))
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True)
class LayerFacts:
    """A layer with weights, and what of it a remedy may change.

    Attributes:
        name: its path within the model, such as `dense1` or `residual1/dense2`.
        path: its place in the config, such as `model.dense1`.
        kind: its name in a config, such as `dense`.
        config_line: where the config has it.
        activation: of its units. It may stand in a layer of its own (`model.relu1`).
        weight_init, bias_init: where the first values come from.
        parameters: paths of its parameters.
    """

    name: str
    path: str
    kind: str = "dense"
    config_line: int | None = None
    activation: Setting | None = None
    weight_init: Setting | None = None
    bias_init: Setting | None = None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreActivation:
    """A node z of the network.

    Attributes:
        path: such as `model/dense1/pre_activation`.
        layer: the name of its layer.
        output: whether it is the network's output.
    """

    path: str
    layer: str
    output: bool = False


@dataclass(frozen=True)
class Units:
    """What the units of one layer did in each epoch.

    Attributes:
        arrived: (E, U) whether Σ|dL/dh| > 0 over the epoch's samples.
        passed: (E, U) whether Σ|dL/dz| > 0.
        positive: (E, U) share of the samples with z > 0.
    """

    arrived: Array
    passed: Array
    positive: Array

    @property
    def dead(self) -> Array:
        """(E, U): a gradient arrived and none passed, in the whole epoch."""
        dead: Array = np.logical_and(self.arrived, np.logical_not(self.passed))
        return dead

    def cut(self, keep: Array) -> Units:
        return Units(self.arrived[keep], self.passed[keep], self.positive[keep])


@dataclass(frozen=True)
class Blame:
    """Where a number that is not finite came from, by replay of the step.

    Attributes:
        step, epoch: of the bad step.
        node: path of the first bad node in forward order; None where none was found.
        operation: what it computes, such as `exp`.
        direction: `forward`, `backward` or `update`.
        layer: the name of its layer.
        inputs: the ranges of its inputs, in words: `exp: input 743 > 88.7`.
        rows: numbers of the data rows in which it is not finite.
        reproduced: whether the replay was not finite either.
    """

    step: int
    epoch: int
    node: str | None = None
    operation: str = ""
    direction: str = "forward"
    layer: str | None = None
    inputs: str = ""
    rows: tuple[int, ...] = ()
    reproduced: bool = True


@dataclass(frozen=True)
class Check:
    """What was measured in one epoch.

    Attributes:
        epoch: its number, from 1.
        step: the last update in it.
        loss: on the training part, of the weights at its end.
        delta_rms: (L,) mean over the epoch of RMS(dL/dz), unscaled and before clipping.
        update_ratio: (P,) mean over the epoch of ‖ΔW‖/‖W‖.
        units: by path of the pre-activation (arrived, passed, positive), each (U,).
    """

    epoch: int
    step: int
    loss: float
    delta_rms: Array
    update_ratio: Array
    units: Mapping[str, Units]


def _no_numbers() -> Array:
    return np.zeros(0)


def _no_counts() -> Array:
    return np.zeros(0, np.int64)


def _no_rows() -> Array:
    return np.zeros((0, 0))


_SERIES = {
    "epochs": "epoch",
    "steps": "step",
    "loss": "loss",
    "delta_rms": "delta_rms",
    "update_ratio": "update_ratio",
}
"""Attributes of `Evidence` with one entry per check -> the attribute of `Check`."""
_OF_UNITS = ("arrived", "passed", "positive")
_PREFIX = "diagnosis/evidence"
_RECENT = ("losses", "gradient_norms")


@dataclass(frozen=True)
class Evidence:
    """Everything a detector may look at.

    Attributes:
        nodes: the L pre-activations, in forward order.
        layers: by name.
        parameters: paths of the P weight matrices that are trained.
        prior: H0, the loss of the best constant prediction.
        planned_steps: updates that the whole run will make (T).
        steps_per_epoch: updates in one epoch.
        learning_rate: where a remedy would change it.
        preprocess: the list of preprocessing steps.
        epochs: (E,) number of each check's epoch, from 1.
        steps: (E,) last update of each.
        loss: (E,) training loss of the weights at each epoch's end.
        delta_rms: (E, L) epoch means of RMS(dL/dz).
        update_ratio: (E, P) epoch means of ‖ΔW‖/‖W‖.
        units: by path of the pre-activation, for layers whose units can die.
        losses, gradient_norms: of the latest updates, oldest first.
        blame: where the run became non-finite, if it did.
        finished: whether training is over. Rules about the outcome wait for it.
    """

    nodes: tuple[PreActivation, ...] = ()
    layers: Mapping[str, LayerFacts] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    prior: float = float("nan")
    planned_steps: int = 0
    steps_per_epoch: int = 0
    learning_rate: Setting | None = None
    preprocess: Setting | None = None
    epochs: Array = field(default_factory=_no_counts)
    steps: Array = field(default_factory=_no_counts)
    loss: Array = field(default_factory=_no_numbers)
    delta_rms: Array = field(default_factory=_no_rows)
    update_ratio: Array = field(default_factory=_no_rows)
    units: Mapping[str, Units] = field(default_factory=dict)
    losses: Array = field(default_factory=_no_numbers)
    gradient_norms: Array = field(default_factory=_no_numbers)
    blame: Blame | None = None
    finished: bool = False

    @property
    def output(self) -> int:
        """Index of the network's output among the pre-activations."""
        marked = [i for i, node in enumerate(self.nodes) if node.output]
        return marked[-1] if marked else len(self.nodes) - 1

    def hidden(self) -> list[LayerFacts]:
        """The layers before the output, in forward order."""
        output = self.nodes[self.output].layer if self.nodes else ""
        names = dict.fromkeys(node.layer for node in self.nodes)
        return [self.layers[n] for n in names if n in self.layers and n != output]

    def converged(self, share: float) -> Array:
        """(E,): whether the loss was below that share of H0."""
        return np.asarray(self.loss < share * self.prior)

    def after(self, check: Check) -> Evidence:
        """With one more check."""
        own: dict[str, Any] = {
            name: _appended(getattr(self, name), getattr(check, part))
            for name, part in _SERIES.items()
        }
        units = {
            path: _joined(self.units.get(path), new)
            for path, new in check.units.items()
        }
        return dataclasses.replace(self, **own, units=units)

    def before(self, step: int) -> Evidence:
        """The checks that ended before an update."""
        return self._kept(self.steps < step)

    def whole_epochs(self) -> Evidence:
        """The checks of epochs that were not cut short by the end of the run."""
        return self._kept(self.steps % max(1, self.steps_per_epoch) == 0)

    def _kept(self, keep: Array) -> Evidence:
        series: dict[str, Any] = {name: getattr(self, name)[keep] for name in _SERIES}
        units = {path: units.cut(keep) for path, units in self.units.items()}
        return dataclasses.replace(self, **series, units=units)

    def tensors(self) -> dict[str, Array]:
        """All that grew while training, as arrays for a checkpoint."""
        plain = {f"{_PREFIX}/{n}": getattr(self, n) for n in (*_SERIES, *_RECENT)}
        for path, units in self.units.items():
            for kind in _OF_UNITS:
                plain[f"{_PREFIX}/{kind}/{path}"] = getattr(units, kind)
        return plain

    def restored(self, tensors: Mapping[str, Array]) -> Evidence:
        """The same facts with what `tensors` gave; other entries are left alone."""
        own: dict[str, Any] = {
            name: tensors[f"{_PREFIX}/{name}"] for name in (*_SERIES, *_RECENT)
        }
        first = f"{_PREFIX}/{_OF_UNITS[0]}/"
        paths = [name.removeprefix(first) for name in tensors if name.startswith(first)]
        units = {
            path: Units(*(tensors[f"{_PREFIX}/{kind}/{path}"] for kind in _OF_UNITS))
            for path in paths
        }
        return dataclasses.replace(self, **own, units=units)


def _appended(series: Array, value: Any) -> Array:
    """One more entry along the first axis; the first decides the others' shape."""
    row = np.asarray(value)[None]
    if not len(series):
        return row.astype(series.dtype)
    return np.concatenate([series, row.astype(series.dtype)])


def _joined(old: Units | None, new: Units) -> Units:
    rows = [np.asarray(getattr(new, kind))[None] for kind in _OF_UNITS]
    if old is None:
        return Units(*rows)
    earlier = (getattr(old, kind) for kind in _OF_UNITS)
    return Units(*map(np.concatenate, zip(earlier, rows, strict=True)))
