"""What every preparation keeps, whether its rows are cells of a table or arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain import component
from nettrain.component import show
from nettrain.data.preprocess import Learned, Preprocessing, Standardize
from nettrain.data.schema import Class
from nettrain.data.sources import Task


@dataclass(frozen=True)
class Fitted:
    """A step and what it learned."""

    step: Preprocessing
    learned: Learned

    def transform(self, x: np.ndarray) -> np.ndarray:
        return self.step.transform(x, self.learned)

    def to_json(self) -> dict[str, Any]:
        learned = {k: v.tolist() for k, v in self.learned.items()}
        return {"step": component.dump(self.step), "learned": learned}

    @classmethod
    def from_json(cls, plain: Any) -> Fitted:
        learned = {k: np.array(v, np.float64) for k, v in plain["learned"].items()}
        return cls(built(Preprocessing, plain["step"]), learned)


@dataclass(frozen=True, eq=False)
class TargetScale:
    """z = (y - mean) / std: a regression's targets as the loss is given them.

    Attributes:
        mean, std: float64 (T,) of the training part; the std of a constant target is 1.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fitted(cls, targets: np.ndarray) -> TargetScale:
        """What the training targets (n, T) teach; each column by itself."""
        learned = Standardize(floor=0.0).fit(targets)
        return cls(learned["mean"], learned["scale"])

    @classmethod
    def from_json(cls, plain: Any) -> TargetScale | None:
        if plain is None:
            return None
        return cls(*(np.array(plain[k], np.float64) for k in ("mean", "std")))

    def to_json(self) -> dict[str, Any]:
        return {k: v.tolist() for k, v in vars(self).items()}

    def standardized(self, targets: np.ndarray) -> np.ndarray:
        return np.asarray((targets - self.mean) / self.std)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Values (n, T) in the targets' own units: float64, which lose no digit."""
        return np.asarray(values * self.std + self.mean)

    def repeated(self, times: int) -> TargetScale:
        """The same for targets that stand there so many times, one after the other."""
        return TargetScale(np.tile(self.mean, times), np.tile(self.std, times))


class Kept(ABC):
    """From raw rows to the arrays that a network takes; see `Preparation`."""

    target_scale: TargetScale | None
    input_shape: tuple[int, ...]
    dtype: str

    @property
    @abstractmethod
    def task(self) -> Task: ...

    @property
    @abstractmethod
    def classes(self) -> tuple[Class, ...]: ...

    @property
    @abstractmethod
    def target_names(self) -> tuple[str, ...]: ...

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """The F features of `by_feature`."""

    @property
    def positions(self) -> tuple[int, ...]:
        """(T,) where each of T positions of a row has a label of its own, else ()."""
        return ()

    @property
    def symbols(self) -> tuple[int, ...]:
        """How many different symbols each input of a flat row may be.

        0 of a quantity; () where all inputs are.
        """
        return ()

    @property
    def outputs(self) -> int:
        """As many as there are classes, or targets."""
        return len(self.classes) or len(self.target_names)

    def by_feature(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs (n, *input_shape) with a column for each feature, (m, F)."""
        return inputs.reshape(len(inputs), -1)

    def by_column(self, inputs: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the C columns that they came from, and inputs (m, C), one of each.

        Those of a category are its number.
        """
        return self.feature_names, self.by_feature(inputs)

    def restore_target(self, values: np.ndarray) -> np.ndarray:
        """Predictions or targets of the loss, in the targets' own units."""
        scale = self.target_scale
        return values if scale is None else scale.restored(values)

    @abstractmethod
    def read(self, path: str, need_target: bool = False) -> Any:
        """The rows of a file; with their targets, where they are needed."""

    @abstractmethod
    def rows(self, raw: Any, need_target: bool = False) -> Any:
        """The rows of an array (n, …) of inputs; such rows themselves."""

    @abstractmethod
    def transform(self, rows: Any) -> np.ndarray:
        """Inputs (n, *input_shape) of the run's dtype."""

    def filled(self, rows: Any) -> Mapping[str, np.ndarray]:
        """By the name of a column that lacks values, bool (n,) where it does."""
        return {}

    @abstractmethod
    def labels(self, rows: Any) -> np.ndarray:
        """Targets as the loss takes them: class numbers, or values of the dtype."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by path, for the checkpoint's `preprocess/…` tensors."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain values from which `from_json` makes the same again, to the last bit."""


def named(value: Class) -> str:
    """A class as people read it; a character that cannot be seen is in quotes."""
    text = str(value)
    return text if text.isprintable() and text.strip() == text != "" else show(text)


def learned_arrays(
    steps: Iterable[Fitted], scale: TargetScale | None
) -> dict[str, np.ndarray]:
    """What steps and scale learned, by path."""
    arrays: dict[str, np.ndarray] = {}
    for number, fitted in enumerate(steps, start=1):
        name = f"{fitted.step.registered_name}{number}"
        arrays |= {f"{name}/{key}": value for key, value in fitted.learned.items()}
    if scale is not None:
        arrays |= {"target/mean": scale.mean, "target/std": scale.std}
    return arrays


def built(base: type, plain: Any) -> Any:
    """A component from plain values.

    Raises:
        ValueError: with what is wrong.
    """
    problems: list[component.Problem] = []
    made = component.build(base, plain, (), problems)
    if problems:
        raise ValueError(problems[0].message)
    return made
