"""Losses: what training makes small. Each is the mean over the batch.

A loss takes the model's outputs as they are: logits, not probabilities. Where outputs
and targets must have equal shapes, (N, 1) against (N,) is an error: broadcasting would
compare every output with every target.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from nettrain.component import Component, NonNegative, Positive, Share, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.activations import shifted, softmax


class Loss(Component):
    """Base of all losses."""

    kind = "loss"
    task: ClassVar[Literal["classification", "regression"]]
    """Which kind of targets it is for."""
    applies: ClassVar[str] = ""
    """The activation it applies to the outputs itself; a model must not end in it."""

    def formula(self, outputs: Node, targets: Node) -> Node:
        """The scalar mean over the batch."""
        raise NotImplementedError

    def cost(self, outputs: Node, targets: Node) -> Node:
        """The formula as a node named `cost`."""
        return self.formula(outputs, targets).named("cost", role="cost")

    def predictions(self, outputs: Node) -> Node:
        """What the outputs say: probabilities, or the values themselves."""
        return outputs

    def outputs_for(self, classes: int, targets: int) -> int:
        """How many outputs a model needs.

        Args:
            classes: how many the targets have; 0 for a regression.
            targets: how many columns are to be predicted.
        """
        raise NotImplementedError

    def fitted(self, targets: np.ndarray, classes: int) -> Loss:
        """This loss with everything resolved that depends on the training targets."""
        return self

    def prior(self, targets: np.ndarray) -> float:
        """H0: this loss of the best constant outputs, which know only the targets."""
        raise NotImplementedError


# ------------------------------------------------------------------ classification


@register("cross_entropy")
class CrossEntropy(Loss):
    """-Σ_k t_k ln softmax(z)_k, mean over the batch; its gradient is softmax(z) - t.

    outputs z (N, K); labels (N,) integers from 0, or (N, K) the share t of each class.
    With class weights w an example of label y weighs w_y and the mean is over Σ w_y; of
    soft labels each class's part weighs w_k and the mean is over N. Both as PyTorch.

    Attributes:
        label_smoothing: moves this share of each label evenly to all classes (Szegedy
            et al., CVPR 2016, §7).
        class_weights: a number for each class, in the order of the classes;
            `balanced`: N / (K · count), so that every class weighs the same.
    """

    task = "classification"
    applies = "softmax"

    label_smoothing: Share = 0.0
    class_weights: Literal["none", "balanced"] | list[NonNegative] = "none"

    def formula(self, outputs: Node, targets: Node) -> Node:
        labels = self._one_hot(outputs, targets)
        hard = labels.shape != targets.shape
        shares = labels
        if self.label_smoothing:
            even = self.label_smoothing / outputs.shape[1]
            shares = labels * (1.0 - self.label_smoothing) + even
        low = shifted(outputs)
        total = ops.log(ops.sum(ops.exp(low), -1))
        weights = self._weights(outputs)
        if weights is None and hard:  # the shares of a row add up to 1
            return ops.mean(total - ops.sum(shares * low, -1))
        weighted = shares if weights is None else shares * weights
        losses = ops.sum(weighted, -1) * total - ops.sum(weighted * low, -1)
        if weights is None or not hard:
            return ops.mean(losses)
        return ops.sum(losses) / ops.sum(labels * weights)

    def _one_hot(self, outputs: Node, targets: Node) -> Node:
        """The labels as shares (N, K), in the outputs' dtype."""
        if len(outputs.shape) != 2:
            raise Error(
                "graph-loss-shape",
                f"cross_entropy takes outputs (N, K), got {outputs.shape}",
                fix="end the model in a dense layer with one unit for each class; "
                "`flatten` images before it",
            )
        if targets.spec.is_float:
            return ops.cast(_paired(self, outputs, targets), outputs.dtype)
        if targets.shape != outputs.shape[:1]:
            raise Error(
                "graph-loss-shape",
                f"cross_entropy takes labels {outputs.shape[:1]} for outputs "
                f"{outputs.shape}, got {targets.shape}",
                fix="reshape the labels to one integer for each example",
            )
        classes = constant(np.arange(outputs.shape[1]), targets.dtype)
        hot = ops.equal(ops.expand_dims(targets, 1), classes)
        return ops.cast(hot, outputs.dtype)

    def _weights(self, outputs: Node) -> Node | None:
        if isinstance(self.class_weights, str):
            if self.class_weights == "none":
                return None
            raise Error(
                "config-class-weights",
                "balanced class weights are not known before the training targets",
                fix="call loss.fitted(targets, classes) first",
            )
        _check_weights(len(self.class_weights), outputs.shape[1])
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
        counts = _shares(targets, classes).sum(axis=0)
        weights = counts.sum() / (classes * np.maximum(counts, 1))
        return dataclasses.replace(self, class_weights=weights.tolist())

    def prior(self, targets: np.ndarray) -> float:
        """The (weighted, smoothed) entropy of the classes' shares."""
        hard = targets.ndim == 1
        known = 0 if isinstance(self.class_weights, str) else len(self.class_weights)
        labels = _shares(targets, known)
        weights = np.asarray(self.class_weights) if known else np.ones(labels.shape[1])
        smoothing = self.label_smoothing
        shares = labels * (1 - smoothing) + smoothing / labels.shape[1]
        mass = (shares * weights).sum(axis=0)
        scale = (labels * weights).sum() if hard else len(labels)
        some = mass[mass > 0]
        return float(-(some * np.log(some / some.sum())).sum() / scale)


def _check_weights(given: int, classes: int) -> None:
    if given != classes:
        raise Error(
            "config-class-weights",
            f"class_weights has {given} numbers for {classes} classes",
            fix=f"give {classes} numbers, in the order of the classes",
        )


def _shares(targets: np.ndarray, classes: int) -> np.ndarray:
    """Labels as shares (N, K) in float64; soft labels have this form already."""
    if targets.ndim == 2:
        return targets.astype(np.float64)
    classes = max(classes, int(targets.max()) + 1)
    hot: np.ndarray = targets[:, None] == np.arange(classes)
    return hot.astype(np.float64)


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
        if not targets.spec.is_float and outputs.shape == (*targets.shape, 1):
            targets = ops.expand_dims(targets, -1)
        y = ops.cast(_paired(self, outputs, targets), outputs.dtype)
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


# ------------------------------------------------------------------ regression


class Regression(Loss):
    """Losses of e = output - target, element by element, mean over all elements."""

    task = "regression"

    def penalty(self, error: Node) -> Node:
        """The loss of each element."""
        raise NotImplementedError

    def formula(self, outputs: Node, targets: Node) -> Node:
        targets = ops.cast(_paired(self, outputs, targets), outputs.dtype)
        return ops.mean(self.penalty(outputs - targets))

    def outputs_for(self, classes: int, targets: int) -> int:
        return targets


@register("mse")
class MeanSquaredError(Regression):
    """e²: the mean squared error."""

    def penalty(self, error: Node) -> Node:
        return ops.square(error)

    def prior(self, targets: np.ndarray) -> float:
        """The variance of the targets."""
        return float(np.mean(np.var(targets, axis=0, dtype=np.float64)))


@register("mae")
class MeanAbsoluteError(Regression):
    """|e|: the mean absolute error; its gradient is the sign, 0 where e = 0."""

    def penalty(self, error: Node) -> Node:
        return ops.absolute(error)

    def prior(self, targets: np.ndarray) -> float:
        """The mean distance to the median."""
        exact = targets.astype(np.float64)
        return float(np.mean(np.abs(exact - np.median(exact, axis=0))))


@register("huber")
class Huber(Regression):
    """e²/2 where |e| ≤ δ, else δ (|e| - δ/2): outliers pull with force δ (Huber 1964).

    With c = e held between -δ and δ both are c (e - c/2).

    Attributes:
        delta: δ, where the square turns into a line.
    """

    delta: Positive = 1.0

    def penalty(self, error: Node) -> Node:
        bounded = ops.clip(error, -self.delta, self.delta)
        return bounded * (error - bounded * 0.5)

    def prior(self, targets: np.ndarray) -> float:
        """The loss at the constant whose bounded errors cancel, found by bisection."""
        exact = targets.astype(np.float64)
        low, high = exact.min(axis=0), exact.max(axis=0)
        for _ in range(80):
            middle = (low + high) / 2
            pull = np.clip(exact - middle, -self.delta, self.delta).sum(axis=0)
            low = np.where(pull > 0, middle, low)
            high = np.where(pull > 0, high, middle)
        error = exact - (low + high) / 2
        bounded = np.clip(error, -self.delta, self.delta)
        return float(np.mean(bounded * (error - bounded / 2)))


def _paired(loss: Loss, outputs: Node, targets: Node) -> Node:
    """The targets, after making sure that they have the outputs' shape."""
    if outputs.shape != targets.shape:
        raise Error(
            "graph-loss-shape",
            f"{loss.registered_name} compares outputs {outputs.shape} with targets "
            f"{targets.shape}: the shapes must be equal",
            fix="reshape the targets, or give the last layer other units",
        )
    return targets


# ------------------------------------------------------------------ plain functions


def cross_entropy(logits: Node, labels: Node, **settings: Any) -> Node:
    """The mean cross entropy of labels (N,) or (N, K); see `CrossEntropy`."""
    return CrossEntropy(**settings).cost(logits, labels)


def binary_cross_entropy(logits: Node, labels: Node) -> Node:
    """The mean binary cross entropy of labels 0 or 1; see `BinaryCrossEntropy`."""
    return BinaryCrossEntropy().cost(logits, labels)


def mse(outputs: Node, targets: Node) -> Node:
    """The mean squared error."""
    return MeanSquaredError().cost(outputs, targets)


def mae(outputs: Node, targets: Node) -> Node:
    """The mean absolute error."""
    return MeanAbsoluteError().cost(outputs, targets)


def huber(outputs: Node, targets: Node, delta: float = 1.0) -> Node:
    """The mean Huber loss; see `Huber`."""
    return Huber(delta).cost(outputs, targets)
