"""What a diagnosis is made of: plain arrays and a few facts, from any trainer.

Detectors read an `Evidence` and nothing else. A trainer states the facts of the network
once and adds a `Check` at the end of every epoch. What a trainer does not measure it
leaves out (`Evidence.has`): rules that need it are silent.

Letters in shapes: E checks, L pre-activations in forward order, Q trained parameters, U
units of one layer, K classes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nettrain.diagnose.facts import (
    Decay,
    GradientCheck,
    Inputs,
    LayerFacts,
    PreActivation,
    Setting,
    Signals,
    Targets,
)
from nettrain.errors import Error

Array = np.ndarray


@dataclass(frozen=True)
class Units:
    """What the units of one layer did in each epoch.

    Attributes:
        arrived: (E, U) whether Σ|dL/dh| > 0 over the epoch's samples.
        passed: (E, U) whether Σ|dL/dz| > 0.
        positive: (E, U) share of z > 0, in the steps at which all was measured.
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
        origin: `file:line` of the config or the source that made the node.
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
    origin: str = ""
    reproduced: bool = True


@dataclass(frozen=True)
class Survived:
    """Updates that could not be made in a run that went on.

    Attributes:
        blame: of the first.
        skipped: how many were left out.
        rollbacks: how often the run went back instead.
    """

    blame: Blame
    skipped: int
    rollbacks: int

    def tensor(self) -> Array:
        """As the bytes of JSON."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return np.frombuffer(text.encode(), np.uint8).copy()

    @classmethod
    def of(cls, tensor: Array) -> Survived:
        """What `tensor` gave."""
        try:
            plain = json.loads(tensor.tobytes())
            known = plain["blame"]
            known["rows"] = tuple(known["rows"])
            made = cls(Blame(**known), plain["skipped"], plain["rollbacks"])
            return made._checked()
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            message = f"{_SURVIVED} is not what was saved: {error}"
            raise Error("checkpoint-mismatch", message) from None

    def _checked(self) -> Survived:
        """Itself, where everything is of its type."""
        blame, text, number = self.blame, (str, type(None)), int
        kinds: list[tuple[object, type | tuple[type, ...]]] = [
            *((value, number) for value in (self.skipped, self.rollbacks)),
            *((value, number) for value in (blame.step, blame.epoch, *blame.rows)),
            *((value, text) for value in (blame.node, blame.layer)),
            *((value, str) for value in (blame.operation, blame.inputs, blame.origin)),
            (blame.reproduced, bool),
        ]
        if not all(isinstance(value, kind) for value, kind in kinds):
            raise TypeError("a value of another type")
        if blame.direction not in ("forward", "backward", "update"):
            raise ValueError(f"the direction {blame.direction!r}")
        return self


@dataclass(frozen=True)
class Modes:
    """The same rows through the final network in both of its modes, and its noise.

    Attributes:
        training: their loss as in training: with dropout, with the batch's statistics.
        prediction: their loss as in prediction.
        noise: B_simple = tr(Σ) / |G|², the batch size at which the noise of a gradient
            equals its size (McCandlish et al. 2018, eq. 2.9); NaN if not measured.
    """

    training: float
    prediction: float
    noise: float = float("nan")


@dataclass(frozen=True)
class Check:
    """What was measured in one epoch: its end, or means over its measured steps.

    Attributes:
        epoch: its number, from 1.
        step: the last update in it.
        loss: on the training part, of the weights at its end.
        validation_loss: likewise on the validation part; NaN where there is none.
        score, validation_score: share of the rows that are right, or in a regression
            R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)²; of the weights at its end.
        score_error: standard error of the validation score.
        recall: (K,) of each class on the validation part; NaN where it has no rows.
        delta_rms: (L,) RMS(dL/dz), unscaled and before clipping.
        std: (L,) standard deviation of z.
        update_ratio: (Q,) ‖ΔW‖/‖W‖ of matrices, without decoupled weight decay; NaN of
            other parameters.
        update_norm: (Q,) ‖ΔW‖ of every parameter.
        gradient_norm: (Q,) ‖dL/dW‖ of the loss alone: without weight decay, before
            clipping.
        weight_norm: (Q,) ‖W‖.
        spike: (4,) of the update whose gradient norm g stood out most: its step, g, the
            median of the 100 before, and how many robust standard deviations
            (1.4826 MAD) log g is above their median. NaN where fewer than 20 came
            before.
        spike_rows: (10,) data rows of that update's batch; -1 for none.
        units: by path of the pre-activation (arrived, passed, positive), each (U,).
        slopes: by path of the pre-activation (U,): mean |f'(z)| / max |f'|; by path of
            attention's weights (heads,): mean 1 - Σ a² over what a query looks at.
    """

    epoch: int
    step: int
    loss: float
    validation_loss: float
    score: float
    validation_score: float
    score_error: float
    recall: Array
    delta_rms: Array
    std: Array
    update_ratio: Array
    update_norm: Array
    gradient_norm: Array
    weight_norm: Array
    spike: Array
    spike_rows: Array
    units: Mapping[str, Units]
    slopes: Mapping[str, Array]


def _no_numbers() -> Array:
    return np.zeros(0)


def _no_counts() -> Array:
    return np.zeros(0, np.int64)


def _no_rows() -> Array:
    return np.zeros((0, 0))


_SERIES = {"epochs": "epoch", "steps": "step"} | {
    name: name
    for name in (
        "loss",
        "validation_loss",
        "score",
        "validation_score",
        "score_error",
        "recall",
        "delta_rms",
        "std",
        "update_ratio",
        "update_norm",
        "gradient_norm",
        "weight_norm",
        "spike",
        "spike_rows",
    )
}
"""Attributes of `Evidence` with one entry per check -> the attribute of `Check`."""
_OF_UNITS = ("arrived", "passed", "positive")
_PREFIX = "diagnosis/evidence"
_OTHERS = ("losses", "gradient_norms", "ascent")
_SURVIVED = f"{_PREFIX}/survived"


@dataclass(frozen=True)
class Evidence:
    """Everything a detector may look at.

    Attributes:
        nodes: the L pre-activations, in forward order.
        attentions: the weights of attention, in forward order.
        layers: by name.
        parameters: paths of the Q parameters that are trained.
        prior: H0, the loss of the best constant prediction.
        validation_prior: the same of the validation rows; NaN where it is not known.
        bounded: whether 0 is the least that the loss can be.
        planned_steps: updates that the whole run will make (T).
        steps_per_epoch: updates in one epoch.
        batch_size: rows of one update.
        settings: what a remedy may change beside the layers, by its own key:
            `learning_rate`, `preprocess`, `maximize`, `shuffle`, `class_weights`,
            `standardize_target`, `stop`, `loss`, `batch_size`, `accumulate`,
            `epochs` (or `steps`), `clip_norm`, `weight_decay`, as far as the config can
            have them.
        inputs, targets: the data.
        signals: what the first weights make of them.
        decay: of the weights; None where there is none.
        epochs: (E,) number of each check's epoch, from 1.
        steps: (E,) last update of each.
        loss … spike_rows: (E, …) one entry per check; see `Check`.
        units: by path of the pre-activation, for layers whose units can die.
        slopes: by path of the pre-activation (E, U), for other nonlinear layers; by
            path of attention's weights (E, heads).
        losses, gradient_norms: of the latest updates, oldest first.
        ascent: <g, ΔW> / (‖g‖ ‖ΔW‖) of the first update, g with coupled weight decay;
            NaN before it. Descent has it below 0.
        modes: measured once training is over.
        unexplained: R² with which random nonlinear features of the inputs predict the
            residuals of training rows, on rows not fitted; measured once training is
            over, NaN before. Near or below 0 they are noise.
        gradient_checks: made on demand.
        blame: where the run became non-finite, if it did.
        survived: updates that could not be made, where the run went on all the same.
        finished: whether training is over. Rules about the outcome wait for it.
    """

    nodes: tuple[PreActivation, ...] = ()
    attentions: tuple[PreActivation, ...] = ()
    layers: Mapping[str, LayerFacts] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    prior: float = float("nan")
    validation_prior: float = float("nan")
    bounded: bool = True
    planned_steps: int = 0
    steps_per_epoch: int = 0
    batch_size: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    inputs: Inputs | None = None
    targets: Targets | None = None
    signals: Signals | None = None
    decay: Decay | None = None
    epochs: Array = field(default_factory=_no_counts)
    steps: Array = field(default_factory=_no_counts)
    loss: Array = field(default_factory=_no_numbers)
    validation_loss: Array = field(default_factory=_no_numbers)
    score: Array = field(default_factory=_no_numbers)
    validation_score: Array = field(default_factory=_no_numbers)
    score_error: Array = field(default_factory=_no_numbers)
    recall: Array = field(default_factory=_no_rows)
    delta_rms: Array = field(default_factory=_no_rows)
    std: Array = field(default_factory=_no_rows)
    update_ratio: Array = field(default_factory=_no_rows)
    update_norm: Array = field(default_factory=_no_rows)
    gradient_norm: Array = field(default_factory=_no_rows)
    weight_norm: Array = field(default_factory=_no_rows)
    spike: Array = field(default_factory=_no_rows)
    spike_rows: Array = field(default_factory=lambda: np.zeros((0, 10), np.int64))
    units: Mapping[str, Units] = field(default_factory=dict)
    slopes: Mapping[str, Array] = field(default_factory=dict)
    losses: Array = field(default_factory=_no_numbers)
    gradient_norms: Array = field(default_factory=_no_numbers)
    ascent: float = float("nan")
    modes: Modes | None = None
    unexplained: float = float("nan")
    gradient_checks: tuple[GradientCheck, ...] = ()
    blame: Blame | None = None
    survived: Survived | None = None
    finished: bool = False

    @property
    def output(self) -> int:
        """Index of the network's output among the pre-activations."""
        marked = [i for i, node in enumerate(self.nodes) if node.output]
        return marked[-1] if marked else len(self.nodes) - 1

    @property
    def matrices(self) -> Array:
        """(Q,) whether a parameter has a ratio ‖ΔW‖/‖W‖, once one was measured."""
        known: Array = np.isfinite(self.update_ratio).any(axis=0)
        return known

    def groups(self) -> list[tuple[PreActivation, list[int]]]:
        """The pre-activations, the time steps of one loop together.

        Returns:
            In forward order the node, of time steps the last, and the indices of all.
        """
        found: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            own = node.path if node.time is None else node.path.rsplit("/", 2)[0]
            found.setdefault(own, []).append(index)
        return [(self.nodes[members[-1]], members) for members in found.values()]

    def has(self, *series: str) -> bool:
        """Whether there is a check, and these series have an entry for every one."""
        checks = len(self.epochs)
        return checks > 0 and all(len(getattr(self, s)) == checks for s in series)

    def hidden(self) -> list[LayerFacts]:
        """The layers before the output, in forward order."""
        output = self.nodes[self.output].layer if self.nodes else ""
        names = dict.fromkeys(node.layer for node in self.nodes)
        return [self.layers[n] for n in names if n in self.layers and n != output]

    def converged(self, share: float) -> Array:
        """(E,): whether the loss was below that share of H0."""
        return np.asarray(self.loss < share * self.prior)

    def exhausted(self, left: float) -> bool:
        """Whether training is over, learned, and left nothing that inputs could tell.

        Never of images and sequences: random features of all their numbers in a row say
        little (adding: nothing, of nets that had learned nothing).

        Args:
            left: R² of the residuals up to which they are noise; see `unexplained`.
        """
        better = bool(len(self.loss)) and bool(self.loss[-1] < self.prior)
        spread = any(z.time is not None or z.positions > 1 for z in self.nodes)
        if spread or self.attentions:
            return False
        return self.finished and better and self.unexplained <= left

    def comparable(self) -> Evidence:
        """With losses of which shares can be taken; see `comparable`."""
        if self.bounded:
            return self

        def each(losses: Any) -> Any:
            return comparable(losses, self.prior, self.bounded)[0]

        signals, modes = self.signals, self.modes
        if signals is not None:
            signals = dataclasses.replace(signals, loss=float(each(signals.loss)))
        if modes is not None:
            own = {name: float(each(getattr(modes, name))) for name in _OF_MODES}
            modes = dataclasses.replace(modes, **own)
        return dataclasses.replace(
            self,
            loss=each(self.loss),
            validation_loss=each(self.validation_loss),
            losses=each(self.losses),
            prior=1.0,
            validation_prior=float(each(self.validation_prior)),
            bounded=True,
            signals=signals,
            modes=modes,
        )

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
        slopes = {
            path: _appended(self.slopes.get(path, _no_rows()), new)
            for path, new in check.slopes.items()
        }
        return dataclasses.replace(self, **own, units=units, slopes=slopes)

    def before(self, step: int) -> Evidence:
        """The checks that ended before an update."""
        return self._kept(self.steps < step)

    def whole_epochs(self) -> Evidence:
        """The checks of epochs that were not cut short by the end of the run."""
        return self._kept(self.steps % max(1, self.steps_per_epoch) == 0)

    def _kept(self, keep: Array) -> Evidence:
        own = [name for name in _SERIES if len(getattr(self, name)) == len(keep)]
        series: dict[str, Any] = {name: getattr(self, name)[keep] for name in own}
        units = {path: units.cut(keep) for path, units in self.units.items()}
        slopes = {path: slope[keep] for path, slope in self.slopes.items()}
        return dataclasses.replace(self, **series, units=units, slopes=slopes)

    def tensors(self) -> dict[str, Array]:
        """All that grew while training, as arrays for a checkpoint."""
        names = (*_SERIES, *_OTHERS)
        plain = {f"{_PREFIX}/{n}": np.asarray(getattr(self, n)) for n in names}
        for path, units in self.units.items():
            for kind in _OF_UNITS:
                plain[f"{_PREFIX}/{kind}/{path}"] = getattr(units, kind)
        for path, slope in self.slopes.items():
            plain[f"{_PREFIX}/slopes/{path}"] = slope
        if self.survived:
            plain[_SURVIVED] = self.survived.tensor()
        return plain

    def restored(self, tensors: Mapping[str, Array]) -> Evidence:
        """The same facts with what `tensors` gave; other entries are left alone."""
        own: dict[str, Any] = {
            name: tensors[f"{_PREFIX}/{name}"] for name in (*_SERIES, *_OTHERS)
        }
        own["ascent"] = float(own["ascent"])
        units = {
            path: Units(*(tensors[f"{_PREFIX}/{kind}/{path}"] for kind in _OF_UNITS))
            for path in self._paths(tensors, _OF_UNITS[0])
        }
        slopes = {
            path: tensors[f"{_PREFIX}/slopes/{path}"]
            for path in self._paths(tensors, "slopes")
        }
        survived = Survived.of(tensors[_SURVIVED]) if _SURVIVED in tensors else None
        return dataclasses.replace(
            self, **own, units=units, slopes=slopes, survived=survived
        )

    def _paths(self, tensors: Mapping[str, Array], kind: str) -> list[str]:
        """Paths of the pre-activations that have a tensor of that kind.

        In forward order, as they were: a file has its tensors in an order of its own.
        """
        paths = [node.path for node in (*self.nodes, *self.attentions)]
        return [path for path in paths if f"{_PREFIX}/{kind}/{path}" in tensors]


_OF_MODES = ("training", "prediction")


def comparable(losses: Any, prior: float, bounded: bool) -> tuple[Array, float]:
    """Losses and H0 on a scale that begins at 0, so that shares of H0 say something.

    They are that already where 0 is the least loss. A Gaussian's negative likelihood
    has no least value, and its zero depends on the target's unit: there H0 becomes 1
    and L e^(2 (L - H0)), the share of the target's variance that is left, as L is
    (ln v + 1) / 2 where the variance v of the errors is known. Above H0 it goes on as
    the tangent, 1 + 2 (L - H0), where e^ would soon be no number.

    Args:
        losses: L, of any shape.
        prior: H0.
        bounded: whether 0 is the least loss.
    """
    given = np.asarray(losses, np.float64)
    if bounded:
        return given, prior
    with np.errstate(invalid="ignore"):  # inf - inf: what is no number remains none
        above = 2 * (given - prior)
    return np.where(above < 0, np.exp(np.minimum(above, 0.0)), 1 + above), 1.0


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
