"""Losses of labels: which class a row, or a position of it, belongs to."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from nettrain.component import NonNegative, Positive, Share, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.activations import shifted, softmax
from nettrain.nn.losses.loss import Loss, paired

Weights = Literal["none", "balanced"] | list[NonNegative]


class OneOfClasses(Loss):
    """Base of losses whose outputs z (N, …, K) stand for the softmax of K classes."""

    task = "classification"
    applies = "softmax"
    class_weights: Weights

    def one_hot(self, outputs: Node, targets: Node) -> Node:
        """Integer labels (N, …) as (N, …, K) in the outputs' dtype."""
        own = self.registered_name
        if len(outputs.shape) < 2:
            raise Error(
                "graph-loss-shape",
                f"{own} takes outputs (N, …, K), got {outputs.shape}",
                fix="end the model in a dense layer with one unit for each class; "
                "`flatten` images before it",
            )
        if targets.shape != outputs.shape[:-1]:
            raise Error(
                "graph-loss-shape",
                f"{own} takes labels {outputs.shape[:-1]} for outputs "
                f"{outputs.shape}, got {targets.shape}",
                fix="reshape the labels to one integer for each example, or for each "
                "position of it; the classes are the outputs' last axis",
            )
        classes = constant(np.arange(outputs.shape[-1]), targets.dtype)
        hot = ops.equal(ops.expand_dims(targets, -1), classes)
        return ops.cast(hot, outputs.dtype)

    def weights(self, outputs: Node) -> Node | None:
        """(K,) in the outputs' dtype."""
        if isinstance(self.class_weights, str):
            if self.class_weights == "none":
                return None
            raise Error(
                "config-class-weights",
                "balanced class weights are not known before the training targets",
                fix="call loss.fitted(targets, classes) first",
            )
        _check_weights(len(self.class_weights), outputs.shape[-1])
        return constant(np.array(self.class_weights), outputs.dtype)

    def predictions(self, outputs: Node) -> Node:
        return softmax(outputs)

    def outputs_for(self, classes: int, targets: int) -> int:
        return classes

    def fitted(self, targets: np.ndarray, classes: int) -> Loss:
        if self.class_weights == "none":
            return self
        if self.class_weights != "balanced":
            _check_weights(len(self.class_weights), classes)
            return self
        counts = self.shares(targets, classes).sum(axis=0)
        weights = counts.sum() / (classes * np.maximum(counts, 1))
        return dataclasses.replace(self, class_weights=weights.tolist())  # type: ignore[type-var]

    def shares(self, targets: np.ndarray, classes: int) -> np.ndarray:
        """Labels that count as (M, K) in float64; soft labels have this form."""
        if targets.dtype.kind == "f":
            return targets.reshape(-1, targets.shape[-1]).astype(np.float64)
        labels = targets.ravel()
        if self.ignore is not None:
            labels = labels[labels != self.ignore]
        classes = max(classes, int(labels.max(initial=0)) + 1)
        hot: np.ndarray = labels[:, None] == np.arange(classes)
        return hot.astype(np.float64)

    def weight(self, targets: np.ndarray) -> float:
        if targets.dtype.kind == "f":
            return float(targets.size / targets.shape[-1])
        if isinstance(self.class_weights, str) and self.ignore is None:
            return float(targets.size)
        labels, weights = self.weighed(targets)
        return float((labels * weights).sum())

    def weighed(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares (M, K) of the labels that count, and the classes' weights (K,)."""
        known = 0 if isinstance(self.class_weights, str) else len(self.class_weights)
        labels = self.shares(targets, known)
        weights = np.asarray(self.class_weights) if known else np.ones(labels.shape[1])
        return labels, weights


def _check_weights(given: int, classes: int) -> None:
    if given != classes:
        raise Error(
            "config-class-weights",
            f"class_weights has {given} numbers for {classes} classes",
            fix=f"give {classes} numbers, in the order of the classes",
        )


@register("cross_entropy")
class CrossEntropy(OneOfClasses):
    """-Σ_k t_k ln softmax(z)_k, mean over the batch; its gradient is softmax(z) - t.

    outputs z (N, K); labels (N,) integers from 0, or (N, K) the share t of each class.
    Sequences and images have outputs (N, …, K) and labels (N, …), and the mean is over
    all positions; the classes are the LAST axis (PyTorch has them second). With class
    weights w a label y weighs w_y and the mean is over Σ w_y; of soft labels each
    class's part weighs w_k and the mean is over the positions. Both as PyTorch.

    Attributes:
        label_smoothing: moves this share of each label evenly to all classes (Szegedy
            et al., CVPR 2016, §7).
        class_weights: a number for each class, in the order of the classes;
            `balanced`: N / (K · count), so that every class weighs the same.
        ignore: an integer label that does not count, such as that of padding. Where no
            label counts the loss is 0 (PyTorch: NaN).
    """

    label_smoothing: Share = 0.0
    class_weights: Weights = "none"
    ignore: int | None = None

    def formula(self, outputs: Node, targets: Node) -> Node:
        hard = not targets.spec.is_float
        labels = (
            self.one_hot(outputs, targets) if hard else paired(self, outputs, targets)
        )
        counted = self._counted(outputs, targets) if hard else None
        if counted is not None:
            labels = labels * ops.expand_dims(counted, -1)
        shares = self._smoothed(labels, counted)
        low = shifted(outputs)
        total = ops.log(ops.sum(ops.exp(low), -1))
        weights = self.weights(outputs)
        if weights is None and hard:  # the shares of a row add up to 1
            mass = total if counted is None else total * counted
            losses = mass - ops.sum(shares * low, -1)
            return ops.mean(losses) if counted is None else _mean(losses, counted)
        weighted = shares if weights is None else shares * weights
        losses = ops.sum(weighted, -1) * total - ops.sum(weighted * low, -1)
        if weights is None or not hard:
            return ops.mean(losses)
        return _mean(losses, labels * weights)

    def _counted(self, outputs: Node, targets: Node) -> Node | None:
        """1 where a label counts, else 0, in the outputs' dtype; None where all do."""
        if self.ignore is None:
            return None
        return ops.cast(ops.not_equal(targets, self.ignore), outputs.dtype)

    def _smoothed(self, labels: Node, counted: Node | None) -> Node:
        if not self.label_smoothing:
            return labels
        even = self.label_smoothing / labels.shape[-1]
        mine = labels * (1.0 - self.label_smoothing)
        return mine + (even if counted is None else ops.expand_dims(counted, -1) * even)

    def prior(self, targets: np.ndarray) -> float:
        """The (weighted, smoothed) entropy of the classes' shares."""
        labels, weights = self.weighed(targets)
        smoothing, scale = self.label_smoothing, self.weight(targets)
        shares = labels * (1 - smoothing) + smoothing / labels.shape[1]
        mass = (shares * weights).sum(axis=0)
        some = mass[mass > 0]
        if not scale:
            return 0.0
        return float(-(some * np.log(some / some.sum())).sum() / scale)


def _mean(losses: Node, weights: Node) -> Node:
    """Σ losses / Σ weights, 0 where nothing counts."""
    mass = ops.sum(weights)
    return ops.sum(losses) / ops.where(ops.greater(mass, 0.0), mass, 1.0)


@register("focal")
class Focal(OneOfClasses):
    """-(1 - p_y)^γ ln p_y, p = softmax(z): what is well classified hardly counts.

    (Lin, Goyal, Girshick, He and Dollár, ICCV 2017, eq. 4; theirs is of one sigmoid a
    class.) outputs (N, …, K), integer labels (N, …). With class weights a label y
    weighs w_y and the mean is over Σ w_y, so that γ = 0 is cross_entropy; the paper and
    PyTorch's torchvision leave the weights α in the mean.

    Attributes:
        gamma: γ, how much less a label counts whose probability is high; 0 for alike.
        class_weights: a number for each class, in the order of the classes;
            `balanced`: N / (K · count), so that every class weighs the same.
    """

    gamma: NonNegative = 2.0
    class_weights: Weights = "none"

    def formula(self, outputs: Node, targets: Node) -> Node:
        if targets.spec.is_float:
            raise Error(
                "graph-loss-shape",
                "focal takes integer labels, got shares of classes",
                fix="use cross_entropy",
            )
        hot = self.one_hot(outputs, targets)
        never = float(np.finfo(outputs.dtype).min) / 4
        others = ops.logsumexp(ops.where(ops.greater(hot, 0.0), never, outputs), -1)
        # p = sigmoid(lead): neither ln p nor ln(1 - p) loses a digit.
        lead = ops.sum(hot * outputs, -1) - others
        losses = ops.exp(ops.softplus(lead) * -self.gamma) * ops.softplus(-lead)
        weights = self.weights(outputs)
        if weights is None:
            return ops.mean(losses)
        each = ops.sum(hot * weights, -1)
        return _mean(losses * each, each)

    def prior(self, targets: np.ndarray) -> float:
        """The least Σ m_k φ(p_k), m the classes' weighted shares, over Σ p_k = 1.

        φ(p) = -(1 - p)^γ ln p is convex, so m_k φ'(p_k) = -λ for all classes: λ and,
        inside, every p_k are found by bisection.
        """
        labels, weights = self.weighed(targets)
        mass = (labels * weights).sum(axis=0)
        mass = mass[mass > 0] / mass.sum()
        if len(mass) < 2:
            return 0.0
        low, high = -100.0, 100.0  # of ln λ
        for _ in range(100):
            middle = (low + high) / 2
            p = self._shares_at(np.exp(middle), mass)
            low, high = (middle, high) if p.sum() > 1 else (low, middle)
        return float((mass * -((1 - p) ** self.gamma) * np.log(p)).sum())

    def _shares_at(self, multiplier: float, mass: np.ndarray) -> np.ndarray:
        """The p_k (K,) with mass_k φ'(p_k) = -λ."""
        low, high = np.full_like(mass, 1e-300), np.ones_like(mass)
        for _ in range(100):
            p = (low + high) / 2
            q = 1 - p
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = q ** (self.gamma - 1) * (self.gamma * np.log(p) - q / p)
            rising = ~(mass * slope < -multiplier)
            low, high = np.where(rising, low, p), np.where(rising, p, high)
        return low


@register("binary_cross_entropy")
class BinaryCrossEntropy(Loss):
    """-y ln p - (1 - y) ln(1 - p), p = sigmoid(z); its gradient is p - y.

    outputs z (N, 1) or (N,), one logit for each example; labels of the same shape, 0 or
    1 or a share between; integers (N,) also go with outputs (N, 1). Written with
    softplus, -ln p = ln(1 + e^-z), so that neither logarithm loses a digit.
    """

    task = "classification"
    applies = "sigmoid"

    def formula(self, outputs: Node, targets: Node) -> Node:
        y = paired(self, outputs, _beside(outputs, targets))
        losses = y * ops.softplus(-outputs) + (1.0 - y) * ops.softplus(outputs)
        return ops.mean(losses)

    def predictions(self, outputs: Node) -> Node:
        return ops.sigmoid(outputs)

    def outputs_for(self, classes: int, targets: int) -> int:
        if classes != 2:
            raise Error(
                "config-loss",
                f"binary_cross_entropy tells two classes apart, the data has {classes}",
                fix="use cross_entropy",
            )
        return 1

    def prior(self, targets: np.ndarray) -> float:
        """The entropy of the share of ones."""
        share = float(np.mean(targets))
        shares = np.array([share, 1 - share])
        return float(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum())


def _beside(outputs: Node, targets: Node) -> Node:
    """Integer labels (N,) of outputs (N, 1) as (N, 1); others as they are."""
    if not targets.spec.is_float and outputs.shape == (*targets.shape, 1):
        return ops.expand_dims(targets, -1)
    return targets


@register("hinge")
class Hinge(Loss):
    """Σ_{k≠y} max(0, m - z_y + z_k) / K: the right score leads by a margin m.

    (Weston and Watkins, ESANN 1999; as PyTorch's multi_margin_loss.) outputs (N, K) are
    scores, integer labels (N,). Two classes need one score z alone: max(0, m - s z),
    s = 1 for a label above 0 and else -1, so that labels 0 and 1 do as well as -1 and 1
    (Cortes and Vapnik 1995, soft margin); such labels are integers (N,) or of the
    outputs' shape. Predictions are the softmax, or sigmoid, of the scores: they rank as
    the scores do, but are no probabilities to rely on.

    Attributes:
        margin: m.
    """

    task = "classification"
    margin: Positive = 1.0

    def formula(self, outputs: Node, targets: Node) -> Node:
        shape, labels = outputs.shape, targets.shape
        if targets.spec.is_float or shape in ((*labels, 1), labels):
            y = paired(self, outputs, _beside(outputs, targets))
            lead = ops.where(ops.greater(y, 0.0), outputs, -outputs)
            return ops.mean(ops.relu(self.margin - lead))
        if len(shape) != 2 or labels != shape[:1]:
            raise Error(
                "graph-loss-shape",
                f"hinge takes outputs (N, K) and labels (N,), got {shape} and {labels}",
                fix="end the model in a dense layer with one unit for each class",
            )
        classes = constant(np.arange(shape[-1]), targets.dtype)
        mine = ops.equal(ops.expand_dims(targets, -1), classes)
        own = ops.sum(ops.where(mine, outputs, 0.0), -1, keepdims=True)
        over = ops.where(mine, 0.0, ops.relu(outputs - own + self.margin))
        return ops.mean(over)

    def predictions(self, outputs: Node) -> Node:
        return ops.sigmoid(outputs) if outputs.shape[-1] == 1 else softmax(outputs)

    def outputs_for(self, classes: int, targets: int) -> int:
        return 1 if classes == 2 else classes

    def prior(self, targets: np.ndarray) -> float:
        """The least loss of constant scores.

        Of two classes 2 m min(p, 1 - p). Of more, sorted by their shares p, the best
        scores are in groups one margin apart, and the loss is m (Σ_g e_g t_g - 1) / K:
        e_g classes up to the end of group g, share t_g of the classes from its start
        on. The best groups are a shortest path.
        """
        labels = targets.ravel()
        values, counts = np.unique(labels, return_counts=True)
        shares = np.sort(counts / counts.sum())[::-1]
        if values.min() < 0 or values.max() <= 1:  # of one score
            return float(2 * self.margin * (1 - shares[0]))
        classes = int(values.max()) + 1
        shares = np.append(shares, np.zeros(classes - len(shares)))
        tails = np.append(np.cumsum(shares[::-1])[::-1], 0.0)
        best = np.zeros(classes + 1)
        for end in range(1, classes + 1):
            best[end] = np.min(best[:end] + end * tails[:end])
        return float(self.margin * (best[-1] - 1) / classes)
