"""Data made by a formula, from the seed of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np

from nettrain import randomness
from nettrain.component import Count, NonNegative, Positive, Range, register
from nettrain.data.sources import Loaded, Placer, Source, Task, nowhere, table_of
from nettrain.errors import Error


def _loaded(x: np.ndarray, y: np.ndarray, label: str, task: Task) -> Loaded:
    table = table_of(x, y, label)
    targets = tuple(name for name in table.names if name.startswith("target"))
    return Loaded({"train": table}, targets, task)


COPIES = 4
"""Of every number, in float64: as it is drawn, as a column, in its part, prepared."""


class _Drawn(Source):
    """Rows that are as many and as wide as their source says."""

    drawn: ClassVar[bool] = True

    @property
    def nbytes(self) -> int:
        given = {"features": 2, "targets": 1, **vars(self)}
        return COPIES * 8 * given["samples"] * (given["features"] + given["targets"])


class _Generated(_Drawn):
    """A source that a function of scikit-learn draws.

    Its `RandomState` is frozen by NumPy's promise, so the numbers stay the same.
    """

    task: ClassVar[Task] = "classification"

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        from sklearn import datasets

        name = self.registered_name
        state = randomness.key(seed, f"data/{name}")[0]
        make = getattr(datasets, f"make_{name}")
        try:
            x, y, *_ = make(**self.arguments(), random_state=state)
        except (MemoryError, ValueError) as error:
            kind = "memory-full" if isinstance(error, MemoryError) else "config-value"
            message = f"{name} cannot be made: {error}"
            where = place(("data", "source"))
            raise Error(kind, message, place=where, fix="ask for less") from None
        return _loaded(x, y, name, self.task)

    def arguments(self) -> dict[str, Any]:
        raise NotImplementedError


@register("moons")
class Moons(_Generated):
    """Two half circles in the plane, one inside the other.

    Attributes:
        samples: number of rows.
        noise: standard deviation of the noise on both coordinates.
    """

    samples: Annotated[int, Range(at_least=2)] = 1000
    noise: NonNegative = 0.1

    def arguments(self) -> dict[str, Any]:
        return {"n_samples": self.samples, "noise": self.noise}


@register("circles")
class Circles(_Generated):
    """A circle around another one in the plane.

    Attributes:
        samples: number of rows.
        noise: standard deviation of the noise on both coordinates.
        factor: radius of the inner circle; the outer one's is 1.
    """

    samples: Annotated[int, Range(at_least=2)] = 1000
    noise: NonNegative = 0.05
    factor: Annotated[float, Range(at_least=0, below=1)] = 0.5

    def arguments(self) -> dict[str, Any]:
        return {"n_samples": self.samples, "noise": self.noise, "factor": self.factor}


@register("blobs")
class Blobs(_Generated):
    """Gaussian clouds, one for each class.

    Attributes:
        samples: number of rows.
        centers: number of clouds.
        features: number of coordinates.
        std: standard deviation of a cloud; the centers lie in [-10, 10].
    """

    samples: Count = 1000
    centers: Annotated[int, Range(at_least=2)] = 3
    features: Count = 2
    std: Positive = 1.0

    def arguments(self) -> dict[str, Any]:
        return {
            "n_samples": self.samples,
            "centers": self.centers,
            "n_features": self.features,
            "cluster_std": self.std,
        }


@register("classification")
class Classification(_Generated):
    """Classes on the corners of a hypercube, among features without information.

    Attributes:
        samples: number of rows.
        features: number of columns.
        informative: how many of them tell the class.
        classes: number of classes.
        separation: half the length of the cube's sides.
        flipped: share of the labels that are drawn at random.
    """

    samples: Count = 1000
    features: Count = 20
    informative: Count = 10
    classes: Annotated[int, Range(at_least=2)] = 2
    separation: Positive = 1.0
    flipped: Annotated[float, Range(at_least=0, at_most=1)] = 0.01

    def check(self) -> Iterator[str]:
        if self.informative > self.features:
            yield f"informative {self.informative} exceeds features {self.features}"
        elif 2**self.informative < self.classes:
            yield f"classes {self.classes} exceeds 2^informative, the cube's corners"

    def arguments(self) -> dict[str, Any]:
        return {
            "n_samples": self.samples,
            "n_features": self.features,
            "n_informative": self.informative,
            "n_redundant": 0,
            "n_classes": self.classes,
            "n_clusters_per_class": 1,
            "class_sep": self.separation,
            "flip_y": self.flipped,
        }


@register("regression")
class Regression(_Generated):
    """A linear function of some of the columns.

    Attributes:
        samples: number of rows.
        features: number of columns.
        informative: how many of them the targets depend on.
        targets: number of targets.
        noise: standard deviation of the noise on the targets.
    """

    samples: Count = 1000
    features: Count = 10
    informative: Count = 10
    targets: Count = 1
    noise: NonNegative = 0.0
    task: ClassVar[Task] = "regression"

    def check(self) -> Iterator[str]:
        if self.informative > self.features:
            yield f"informative {self.informative} exceeds features {self.features}"

    def arguments(self) -> dict[str, Any]:
        return {
            "n_samples": self.samples,
            "n_features": self.features,
            "n_informative": self.informative,
            "n_targets": self.targets,
            "noise": self.noise,
        }


@register("friedman1")
class Friedman1(_Generated):
    """y = 10 sin(π x₁ x₂) + 20 (x₃ - 0.5)² + 10 x₄ + 5 x₅, x uniform (Friedman, 1991).

    Attributes:
        samples: number of rows.
        features: number of columns, five of them informative.
        noise: standard deviation of the noise on the target.
    """

    samples: Count = 1000
    features: Annotated[int, Range(at_least=5)] = 10
    noise: NonNegative = 1.0
    task: ClassVar[Task] = "regression"

    def arguments(self) -> dict[str, Any]:
        return {
            "n_samples": self.samples,
            "n_features": self.features,
            "noise": self.noise,
        }


@register("spirals")
class Spirals(_Drawn):
    """Arms winding around each other in the plane, one for each class.

    An arm at t ∈ [0, 1] has the radius t and the angle 2π (turns t + class / arms).

    Attributes:
        samples: number of rows.
        arms: number of arms and classes.
        turns: how often an arm goes round.
        noise: standard deviation of the noise on both coordinates.
    """

    samples: Annotated[int, Range(at_least=2)] = 1000
    arms: Annotated[int, Range(at_least=2)] = 2
    turns: Positive = 1.5
    noise: NonNegative = 0.02

    def load(self, seed: int, place: Placer = nowhere) -> Loaded:
        key = randomness.key(seed, "data/spirals")
        arm = np.arange(self.samples) % self.arms
        t = np.sqrt(randomness.uniform(key, (self.samples,)))  # even along the arm
        angle = 2 * np.pi * (self.turns * t + arm / self.arms)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        noise = self.noise * randomness.normal(key, (self.samples, 2), counter=1)
        return _loaded(t[:, None] * circle + noise, arm, "spirals", "classification")
