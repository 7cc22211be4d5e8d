"""What is known of a network, its data and its config before the first step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Setting:
    """A value of the config that a remedy may change.

    Attributes:
        path: where it stands, such as `model.dense1.activation`.
        value: what it is now, as plain data: `relu`, `{"normal": {"std": 1.0}}`, `0.1`.
        config_line: where the config has it, if it does.
        usual: what it is where the config does not say it, of a layer's setting; the
            value where the config has to.
    """

    path: str
    value: Any
    config_line: int | None = None
    usual: Any = "auto"

    @property
    def name(self) -> str:
        """The component's name where it is one: `normal` of `{"normal": {…}}`."""
        if isinstance(self.value, Mapping):
            return str(next(iter(self.value), ""))
        return "" if self.value is None else str(self.value)


# ---------------------------------------------------------------- layers


@dataclass(frozen=True)
class FirstWeights:
    """The first values of a layer's weight matrix.

    Attributes:
        rms: s(W) = √mean(W²).
        fan_in, fan_out: inputs and outputs of a unit.
        gain: c, the scale that its activation needs: √2 for the ReLU family, else 1.
        twins: units whose column is the same as another unit's.
    """

    rms: float
    fan_in: int
    fan_out: int
    gain: float = 1.0
    twins: int = 0

    @property
    def gamma(self) -> float:
        """γ = s(W) √fan / c, fan = fan_in or the mean of the fans: the closer to 1.

        1 keeps a signal (fan_in; He et al., ICCV 2015) or signal and gradient alike
        (the mean; Glorot and Bengio, AISTATS 2010) at its size.
        """
        fans = self.fan_in, (self.fan_in + self.fan_out) / 2
        found = [self.rms * math.sqrt(fan) / self.gain for fan in fans]
        return min(found, key=lambda g: abs(math.log(g)) if g > 0 else math.inf)

    @property
    def variance(self) -> float:
        """fan_in · s(W)² / c²: by how much these weights multiply a signal's variance.

        Var z = fan_in · E[w²] · E[h²] for a weighted sum of fan_in inputs h, and behind
        a nonlinearity E[h²] = Var z / c² (He et al., ICCV 2015, eq. 8).
        """
        return self.fan_in * self.rms**2 / self.gain**2


@dataclass(frozen=True)
class LayerFacts:
    """A layer with weights, and what of it a remedy may change.

    Attributes:
        name: its path within the model, such as `dense1` or `residual1/dense2`.
        path: its place in the config, such as `model.dense1`; of what a layer makes
            inside itself, such as the projections of attention, that layer's.
        kind: its name in a config, such as `dense`.
        config_line: where the config has it.
        units: how many outputs it has.
        activation: of its units. It may stand in a layer of its own (`model.relu1`).
        linear: whether its units have no nonlinearity.
        can_die: whether their derivative can be 0 on a half-line.
        weight_init, bias_init: where the first values come from.
        width: where its number of units stands; None where another layer's depends on
            it.
        parameters: paths of its parameters.
        first: its first weights; None where it has no matrix.
        recurrent: of the matrix R that its own outputs come back through.
        recurrent_init: where that one's first values come from.
        looked_up: whether a row of its matrix is taken as it is (an embedding), so that
            nothing is added up.
        normalized: whether its outputs are normalized: their scale is no matter.
        trainable: whether training changes it.
        gated: the same layer with gates that remember (`lstm`), as a config has it, of
            a recurrent one without.
    """

    name: str
    path: str
    kind: str = "dense"
    config_line: int | None = None
    units: int = 0
    activation: Setting | None = None
    linear: bool = False
    can_die: bool = False
    weight_init: Setting | None = None
    bias_init: Setting | None = None
    width: Setting | None = None
    parameters: tuple[str, ...] = ()
    first: FirstWeights | None = None
    recurrent: FirstWeights | None = None
    recurrent_init: Setting | None = None
    looked_up: bool = False
    normalized: bool = False
    trainable: bool = True
    gated: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PreActivation:
    """A node z of the network, or weights of attention.

    Attributes:
        path: such as `model/dense1/pre_activation`.
        layer: the name of its layer.
        output: whether it is the network's output.
        time: the time step, from 1, of a layer that has one z for each.
        backward: whether that layer begins with the last time step.
        positions: how many numbers of an example each unit has.
    """

    path: str
    layer: str
    output: bool = False
    time: int | None = None
    positions: int = 1
    backward: bool = False


# ---------------------------------------------------------------- data


@dataclass(frozen=True)
class Told:
    """What a column alone tells.

    Attributes:
        target: the name of the target.
        share: of the training rows in which it does; of a classification in the class
            that it tells least of.
        how: `same`, the target in other words: as many values as there are classes,
            each for one of them, or a quantity on a line with it; `several`, more
            values than that; `follows`, it rises or falls with a quantity throughout,
            be it in steps; `gaps`, its values are missing where the target is one of
            its classes, or below or above some value.
        rows: how many training rows that is the share of; 0 where it is not known.
        needed: whether the other columns say nothing of the target, a quantity that it
            follows from.
    """

    target: str
    share: float
    how: Literal["same", "several", "follows", "gaps"] = "same"
    rows: int = 0
    needed: bool = False


@dataclass(frozen=True)
class Drift:
    """What differs most between training and validation rows.

    Attributes:
        name: of a feature, of a target, or of a class.
        distance: the largest difference of its two distribution functions, 0 to 1.
        chance: what a split at random exceeds once in 1,000 times, in any of them.
        shift: of its mean, in standard deviations of the training rows.
        later: whether the rows of a table were split by their order.
    """

    name: str
    distance: float
    chance: float
    shift: float
    later: bool


@dataclass(frozen=True)
class Inputs:
    """The training inputs, as the network is given them.

    Attributes:
        names: of the F features.
        mean, std: (F,) of each over the training rows.
        shared: validation rows that are training rows too, inputs and targets alike.
        repeated: training rows that are the same as another training row.
        coincidence: how many other training rows a row would be the same as, were the
            columns independent; looked at where validation rows are shared.
        near: share of the different training inputs that are as others are but for one
            column; looked at where validation rows are shared, and inf elsewhere.
        telling: by name, what that column alone tells, of columns that nearly tell a
            target.
        drift: what differs most in the validation rows, where there are some.
    """

    names: tuple[str, ...]
    mean: Array
    std: Array
    shared: int = 0
    repeated: int = 0
    coincidence: float = math.inf
    telling: Mapping[str, Told] = field(default_factory=dict)
    drift: Drift | None = None
    near: float = math.inf


@dataclass(frozen=True)
class Targets:
    """The targets, as the loss is given them.

    Attributes:
        task: what the loss is for.
        rows, validation_rows: of the parts.
        names: of the K classes, or of the T targets of a regression.
        counts, validation_counts: (K,) rows of each class; empty in a regression.
        ignore: a label that the loss does not count, and that these counts lack.
        mean, std: (T,) over the training rows; empty in a classification.
        sequences: whether each position of a row has a class of its own.
        looks_like_classes: whether a regression has class labels for targets.
        order: mean H0 of an update in the order of training, over that of batches of
            shuffled rows: near 0 where a batch holds one class only.
    """

    task: Literal["classification", "regression"]
    rows: int
    validation_rows: int = 0
    names: tuple[str, ...] = ()
    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    validation_counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    mean: Array = field(default_factory=lambda: np.zeros(0))
    std: Array = field(default_factory=lambda: np.zeros(0))
    ignore: int | None = None
    sequences: bool = False
    looks_like_classes: bool = False
    order: float = 1.0

    @property
    def majority(self) -> float:
        """The score of the best constant: the commonest class's share; R² = 0."""
        counts = self.validation_counts if self.validation_rows else self.counts
        return float(counts.max() / counts.sum()) if counts.sum() else 0.0


# ---------------------------------------------------------------- first signals


@dataclass(frozen=True)
class Signals:
    """What the first weights make of training rows, before any update.

    Attributes:
        rows: how many rows were looked at.
        loss: L0, their mean loss.
        mean, std: (L,) of every pre-activation.
        delta_rms: (L,) RMS(dL/dz).
        positive: by path of the pre-activation (U,), the share of rows in which a unit
            is positive, for layers whose units can die.
        alike: by name of a trained layer with twins, how many of its units have a twin
            whose gradient is the same too, so that nothing sets the two apart.
    """

    rows: int
    loss: float
    mean: Array
    std: Array
    delta_rms: Array
    positive: Mapping[str, Array] = field(default_factory=dict)
    alike: Mapping[str, int] = field(default_factory=dict)


# ---------------------------------------------------------------- weight decay


@dataclass(frozen=True)
class Decay:
    """Weight decay, from the optimizer or from a layer's `weight_l2`.

    Attributes:
        settings: the values of the config that set it, all above 0.
        coupled: (Q,) λ of the gradient's part λ W, per trained parameter.
        decoupled: the optimizer's, which passes by the gradient; 0 for none.
        rate: the highest learning rate, which multiplies a decoupled decay.
    """

    settings: tuple[Setting, ...]
    coupled: Array
    decoupled: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True)
class GradientCheck:
    """A gradient of the graph beside central differences, both in float64.

    Attributes:
        parameter: path of the parameter along which was stepped.
        exact: <dL/dW, d> for a random direction d.
        numeric: (L(W + εd) - L(W - εd)) / 2ε.
        error: |exact - numeric| / max(|exact|, |numeric|).
        operation: the operation whose own derivative is off, where one is.
    """

    parameter: str
    exact: float
    numeric: float
    error: float
    operation: str = ""
