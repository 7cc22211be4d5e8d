"""Losses of directions and distances between embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from nettrain.component import Count, Positive, Range, register
from nettrain.errors import Error
from nettrain.graph import Node, constant
from nettrain.graph import operations as ops
from nettrain.nn.losses.loss import Loss, paired

_TINY = 1e-12
"""Added to a squared length, as in PyTorch's cosine_embedding_loss."""
Rows = Annotated[int, Range(at_least=2)]


def unit(x: Node) -> Node:
    """Vectors of length 1 along the last axis; those of length 0 stay so.

    They are divided by their largest element first, so that no square overflows; no
    gradient goes through it, as it does not change the direction.
    """
    largest = ops.max(ops.absolute(x), -1, keepdims=True)
    scale = ops.stop_gradient(ops.where(ops.greater(largest, 0.0), largest, 1.0))
    scaled = x / scale
    length = ops.sqrt(ops.sum(ops.square(scaled), -1, keepdims=True) + _TINY)
    return scaled / length


class _Directions(Loss):
    """Losses for which only the direction of a row's outputs counts."""

    task = "regression"
    comparable = False

    def outputs_for(self, classes: int, targets: int) -> int:
        if targets < 2:
            raise Error(
                "config-loss",
                f"{self.registered_name} compares directions of vectors: one number "
                "has none",
                fix="name several columns in data.target, or use mse",
            )
        return targets


@register("cosine")
class CosineSimilarity(_Directions):
    """1 - y·t / (‖y‖ ‖t‖): the outputs of a row should point where its targets do.

    outputs y and targets t (N, …, K), such as an embedding that another model gave;
    lengths do not count. PyTorch's cosine_embedding_loss of pairs that belong together.
    """

    def formula(self, outputs: Node, targets: Node) -> Node:
        t = paired(self, outputs, targets)
        return 1.0 - ops.mean(ops.sum(unit(outputs) * unit(t), -1))

    def prior(self, targets: np.ndarray) -> float:
        """1 less the length of the mean direction."""
        exact = targets.reshape(-1, targets.shape[-1]).astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        directions = exact / np.where(lengths > 0, lengths, 1.0)
        return float(1 - np.linalg.norm(directions.mean(axis=0)))


# ------------------------------------------------------------------ among rows


def _shares(rows: int, most: int) -> tuple[int, int]:
    """How many groups of at most so many rows there are, and the largest one's size."""
    groups = -(-rows // most)
    return groups, -(-rows // groups)


def _grouped(x: Node, most: int) -> Node:
    """Rows (N, …) as (G, S, …): row i is in group i mod G, and groups end in zeros.

    So rows that are sorted, by class for example, are spread over all groups.
    """
    groups, size = _shares(x.shape[0], most)
    missing = groups * size - x.shape[0]
    if missing:
        rest = (0,) * (len(x.shape) - 1)
        x = ops.pad(x, (0, *rest), (missing, *rest))
    x = ops.reshape(x, (size, groups, *x.shape[1:]))
    return ops.permute_dims(x, (1, 0, *range(2, len(x.shape))))


def _present(rows: int, most: int) -> np.ndarray:
    """(G, S) whether there is a row; see `_grouped`."""
    groups, size = _shares(rows, most)
    made: np.ndarray = (np.arange(groups * size) < rows).reshape(size, groups).T
    return made


def _whole_groups(rows: int, group: int, most: int) -> Iterator[np.ndarray]:
    """Rows whose own groups are some of those of all rows, about `most` at a time."""
    groups, size = _shares(max(rows, 1), group)
    count = groups if rows <= most else max(1, most // size)
    number = np.arange(rows) % groups
    for first in range(0, groups, count):
        yield np.flatnonzero((number >= first) & (number < first + count))


@register("info_nce")
class InfoNCE(_Directions):
    """-ln(e^(s_ii) / Σ_j e^(s_ij)), s_ij = cos(y_i, t_j) / τ: which targets are whose.

    Each row's outputs y_i shall tell its own targets t_i from those of the other rows
    of its group (van den Oord, Li and Vinyals 2018, eq. 4); `symmetric` asks the
    targets for their outputs too, and takes the mean of both (CLIP: Radford et al.,
    ICML 2021, fig. 3). outputs and targets (N, K). PyTorch has it as cross_entropy of
    such a matrix with labels 0 … N - 1.

    Attributes:
        temperature: τ; a low one makes near misses count most.
        symmetric: whether both directions are asked.
        rows: how many rows are told apart: a batch is dealt out to groups of at most so
            many. A batch should have as many, as evaluation takes larger ones.
    """

    temperature: Positive = 0.1
    symmetric: bool = False
    rows: Rows = 32

    def formula(self, outputs: Node, targets: Node) -> Node:
        t = paired(self, outputs, targets)
        if len(outputs.shape) != 2:
            raise Error(
                "graph-loss-shape",
                f"info_nce takes outputs (N, K), got {outputs.shape}",
                fix="`flatten` before the last layer",
            )
        count = outputs.shape[0]
        y, t = (_grouped(unit(x), self.rows) for x in (outputs, t))
        scores = ops.matmul(y, ops.transpose(t)) * (1.0 / self.temperature)
        present = _present(count, self.rows)
        own = ops.sum(scores * np.eye(scores.shape[-1]).astype(scores.dtype), -1)
        never = float(np.finfo(scores.dtype).min) / 4
        among = ops.where(constant(present[:, None, :]), scores, never)
        total = ops.logsumexp(among, -1)
        if self.symmetric:
            among = ops.where(constant(present[:, :, None]), scores, never)
            total = (total + ops.logsumexp(among, -2)) * 0.5
        return ops.sum((total - own) * present.astype(scores.dtype)) * (1.0 / count)

    def chunks(self, rows: int, most: int) -> Iterator[np.ndarray]:
        return _whole_groups(rows, self.rows, most)

    def prior(self, targets: np.ndarray) -> float:
        """ln S, S the rows of a group: outputs that are alike tell nothing apart."""
        sizes = _present(len(targets), self.rows).sum(axis=1)
        return float((sizes * np.log(sizes)).sum() / len(targets))


@register("triplet")
class Triplet(Loss):
    """max(0, m + d(a, p) - d(a, n)): a is nearer to its class p than to another n.

    The mean over all triplets of rows of a group in which a and p have one label and n
    another (Hermans, Beyer and Leibe 2017, eq. 6, "batch all"), 0 where there is none;
    PyTorch's triplet_margin_loss, which is given the triplets. d is the Euclidean
    distance of the embeddings, outputs (N, K); integer labels (N,).

    Attributes:
        margin: m, by how much the other class must be farther.
        dimensions: K, how many outputs an embedding has; at least one for each class.
        rows: how many rows are compared: a batch is dealt out to groups of at most so
            many. A batch should have as many, as evaluation takes larger ones.
    """

    task = "classification"
    comparable = False
    margin: Positive = 1.0
    dimensions: Count = 16
    rows: Rows = 32

    def formula(self, outputs: Node, targets: Node) -> Node:
        if len(outputs.shape) != 2 or targets.shape != outputs.shape[:1]:
            raise Error(
                "graph-loss-shape",
                f"triplet takes embeddings (N, K) and labels (N,), got {outputs.shape} "
                f"and {targets.shape}",
                fix="reshape the labels to one integer for each embedding",
            )
        z = _grouped(outputs, self.rows)
        apart = ops.expand_dims(z, 2) - ops.expand_dims(z, 1)
        # As PyTorch: with 1e-6 added the root has a derivative where rows are equal.
        distance = ops.sqrt(ops.sum(ops.square(apart + 1e-6), -1))
        positive, negative = self._pairs(targets)
        valid = ops.expand_dims(positive, 3) * ops.expand_dims(negative, 2)
        valid = ops.cast(valid, outputs.dtype)
        worse = ops.expand_dims(distance, 3) - ops.expand_dims(distance, 2)
        losses = ops.relu(worse + self.margin) * valid
        return ops.sum(losses) / ops.maximum(ops.sum(valid), 1.0)

    def _pairs(self, labels: Node) -> tuple[Node, Node]:
        """(G, S, S) 1 where two rows may be (a, p), and where (a, n), else 0."""
        present = _present(labels.shape[0], self.rows)
        both = present[:, :, None] & present[:, None, :]
        others = both & ~np.eye(both.shape[-1], dtype=bool)
        mine = _grouped(labels, self.rows)
        same = ops.equal(ops.expand_dims(mine, 2), ops.expand_dims(mine, 1))
        return (
            ops.cast(ops.logical_and(same, constant(others)), "float32"),
            ops.cast(ops.logical_and(ops.logical_not(same), constant(both)), "float32"),
        )

    def outputs_for(self, classes: int, targets: int) -> int:
        if self.dimensions < classes:
            raise Error(
                "config-loss",
                f"triplet keeps {classes} classes apart in {self.dimensions} "
                "dimensions: they need as many for all to be equally far",
                fix=f"say dimensions: {classes}, or more",
            )
        return self.dimensions

    def chunks(self, rows: int, most: int) -> Iterator[np.ndarray]:
        return _whole_groups(rows, self.rows, most)

    def weight(self, targets: np.ndarray) -> float:
        """How many triplets there are."""
        groups, _ = _shares(max(len(targets), 1), self.rows)
        total = 0
        for group in range(groups):
            mine = targets[group::groups]
            counts = np.unique(mine, return_counts=True)[1]
            total += int((counts * (counts - 1) * (len(mine) - counts)).sum())
        return float(total)

    def prior(self, targets: np.ndarray) -> float:
        """The margin: embeddings that are alike have no distance."""
        return self.margin
