"""The config of a sweep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from nettrain.component import Count, Positive, Range
from nettrain.errors import Error
from nettrain.experiment.schema import FORMAT, Name
from nettrain.study.methods import Grid, Method
from nettrain.study.space import Axis
from nettrain.training.settings import Monitored


class BaseConfig(str):
    """The config that a sweep varies."""

    wanted = "the path of a config"

    @classmethod
    def from_config(cls, value: object) -> str:
        if isinstance(value, str) and value and "\0" not in value:
            return value
        raise ValueError(f"expected {cls.wanted}")


@dataclass(frozen=True)
class Objective:
    """What makes one point better than another.

    Attributes:
        metric: `validation/loss`, or another metric of the validation part that the
            base config computes. A point has the value of the model that its run gives:
            of its last epoch, or of the best one where `restore_best` is set.
        goal: whether it should fall or rise; `auto` knows it of every metric here.
    """

    metric: Monitored = "validation/loss"
    goal: Literal["auto", "min", "max"] = "auto"

    def __post_init__(self) -> None:
        if not self.metric.startswith(("validation/", "train/")):
            test = self.metric.startswith("test/")
            told = "choosing by the test part spoils it" if test else "no part is named"
            raise Error(
                "config-value",
                f"metric: {self.metric}: {told}",
                fix=f"write validation/{self.metric.rpartition('/')[2]}",
            )


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Many runs of one config, with other values for some of its keys.

    Attributes:
        format: the version of this schema.
        name: of the sweep; its folder is `runs/NAME/NUMBER`.
        base: the config that is varied.
        seeds: every point is trained with the config's seed, the next one, and so on,
            and ranked by its mean.
        folds: of a cross-validation: every point is trained once for each of so many
            parts of the rows that are not kept for the test, and validated on it.
        space: by key of the base config, a list of all values or a range of numbers:
            `{log: [1e-4, 1e-1]}`, `linear`, `int_log` or `int`.
        method: which points are tried.
        objective: what makes one point better than another.
        workers: trials at the same time; `auto` for as many as the usable cores and the
            free memory allow, by the base's threads and what the greediest point needs
            that fits.
        backend: where trials run: `loky`, processes of this machine; `dask` or `ray`, a
            cluster that exists and sees the same files.
        limit: minutes after which a trial is ended and counts as failed; each start of
            the sweep gives those that failed so many more. Where that, or
            `train.stop.minutes`, ends one, the result depends on the clock.
    """

    format: Literal[1] = FORMAT
    name: Name = "sweep"  # type: ignore[assignment]
    base: BaseConfig
    seeds: Annotated[int, Range(at_least=1, at_most=1000)] = 1
    folds: Annotated[int, Range(at_least=2, at_most=1000)] | None = None
    space: dict[str, Axis] = field(default_factory=dict)
    method: Method = field(default_factory=Grid)
    objective: Objective = field(default_factory=Objective)
    workers: Literal["auto"] | Count = "auto"
    backend: Literal["loky", "dask", "ray"] = "loky"
    limit: Positive | None = None

    def __post_init__(self) -> None:
        for key, axis in self.space.items():
            if isinstance(axis, tuple) and not axis:
                message = f"space: {key} has no value to try"
                raise Error("config-value", message, fix="list the values, or a range")
