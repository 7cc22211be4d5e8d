"""Methods of search: which points of the space are tried, and how far each is trained.

A method gives its tries in generations, and is told what came of one before it gives
the next. Generations do not depend on how many workers there are nor on who is done
first, so the same file always comes to the same tries.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from nettrain.component import Component, Count, Range, register
from nettrain.errors import Error
from nettrain.study import space
from nettrain.study.space import Axis, Values

Seed = Annotated[int, Range(at_least=0, at_most=2**32 - 1)]
Points = Annotated[int, Range(at_least=1, at_most=space.MOST)]


@dataclass(frozen=True)
class Try:
    """A point to be trained.

    Attributes:
        values: one for each key of the space.
        until: percent of its planned training after which it is judged.
    """

    values: Values
    until: float = 100.0


Tries = Generator[list[Try], Sequence[float], None]
"""Gives a generation, and is sent the loss of each of its tries: lower is better,
infinite where a try failed."""


class Method(Component):
    """Base of all methods."""

    kind = "sweep method"
    package: ClassVar[str | None] = None
    """What else decides, beside nettrain, which tries they are."""

    def generations(self, axes: Mapping[str, Axis]) -> Tries:
        """The tries for a space, generation after generation."""
        raise NotImplementedError


@register("grid")
class Grid(Method):
    """Every combination of the values.

    Attributes:
        steps: how many values of a range are tried, both ends among them.
    """

    steps: Count | None = None

    def generations(self, axes: Mapping[str, Axis]) -> Tries:
        yield [Try(values) for values in space.grid(axes, self.steps)]


@register("random")
class Random(Method):
    """Points drawn at random (Bergstra and Bengio, JMLR 13, 2012).

    Attributes:
        points: how many.
        seed: of the draw. More points with the same seed are the same and further ones.
    """

    points: Points = 20
    seed: Seed = 0

    def generations(self, axes: Mapping[str, Axis]) -> Tries:
        yield [Try(space.drawn(axes, self.seed, i)) for i in range(self.points)]


@register("halving")
class Halving(Method):
    """Synchronous successive halving (Jamieson and Talwalkar, AISTATS 2016).

    All points are trained for a short while, the best of them `factor` times as long,
    and so on; the last ones to the end. Each goes on from where it stood, with the
    schedule of its whole training. Of n points the best n / factor stay, rounded up.

    Attributes:
        points: drawn at random at the beginning.
        factor: how many times fewer points each rung has, and how much longer it is.
        rungs: how many there are; `None` for as many as leave one point or more.
        seed: of the draw.
    """

    points: Points = 27
    factor: Annotated[int, Range(at_least=2)] = 3
    rungs: Count | None = None
    seed: Seed = 0

    def generations(self, axes: Mapping[str, Axis]) -> Tries:
        left = [space.drawn(axes, self.seed, i) for i in range(self.points)]
        rungs = self.rungs or self._rungs()
        for rung in range(rungs):
            until = 100.0 / self.factor ** (rungs - 1 - rung)
            losses = yield [Try(values, until) for values in left]
            stay = math.ceil(len(left) / self.factor)
            best = sorted(range(len(left)), key=lambda i: (losses[i], i))[:stay]
            left = [left[i] for i in sorted(best) if losses[i] < math.inf]
            if not left:
                return

    def _rungs(self) -> int:
        rungs, points = 1, self.points
        while points >= self.factor:
            rungs, points = rungs + 1, points // self.factor
        return rungs


@register("optuna")
class Optuna(Method):
    """Optuna's TPE sampler (Bergstra et al., NeurIPS 2011; Akiba et al., KDD 2019).

    Points are asked for in generations and told in their order, so that the result
    repeats with any number of workers; not with another version of Optuna, so
    `sweep.yaml` names it. One that fails is told as the worst, which keeps the next
    ones away from it. Needs `pip install nettrain[optuna]`.

    Attributes:
        points: how many in all.
        generation: how many are asked for before the first of them is told. Fewer
            learn more from each other; more keep as many workers busy.
        seed: of the sampler.
    """

    points: Points = 40
    generation: Count = 8
    seed: Seed = 0
    package: ClassVar[str | None] = "optuna"

    def generations(self, axes: Mapping[str, Axis]) -> Tries:
        optuna = _optuna()
        distributions = {key: _distribution(optuna, a) for key, a in axes.items()}
        with warnings.catch_warnings():  # Optuna calls its batches experimental
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=self.seed, constant_liar=True)
        study = optuna.create_study(sampler=sampler)
        for start in range(0, self.points, self.generation):
            count = min(self.generation, self.points - start)
            asked = [study.ask(distributions) for _ in range(count)]
            losses = yield [
                Try(tuple(_chosen(axes[key], one.params[key]) for key in axes))
                for one in asked
            ]
            for one, loss in zip(asked, losses, strict=True):
                study.tell(one, loss)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        message = "the method optuna needs the package of this name"
        fix = "pip install 'nettrain[optuna]', or use another method"
        raise Error("config-optuna", message, fix=fix) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distribution(optuna: Any, axis: Axis) -> Any:
    """Of a range its own; of a list its positions, as Optuna takes no mappings."""
    if not isinstance(axis, space.Range):
        return optuna.distributions.CategoricalDistribution(range(len(axis)))
    low, high = axis.between
    if isinstance(axis, (space.Int, space.IntLog)):
        is_log = isinstance(axis, space.IntLog)
        return optuna.distributions.IntDistribution(low, high, log=is_log)
    is_log = isinstance(axis, space.Log)
    return optuna.distributions.FloatDistribution(low, high, log=is_log)


def _chosen(axis: Axis, found: Any) -> Any:
    return found if isinstance(axis, space.Range) else axis[found]
