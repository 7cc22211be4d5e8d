"""What a run that goes on may have changed, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from nettrain.component import dump, show
from nettrain.config import resolve, write_resolved
from nettrain.data.settings import DataConfig
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import RESOLVED, Setup
from nettrain.record.folder import RunFolder
from nettrain.training.settings import Stop

_FIXED = ("seed", "data", "model", "loss", "dtype", "train.accumulate")
"""Sections and settings that what has been learned depends on."""
NOT_THE_SAME = "not the same as such a run from the start: "
"""How a run's events tell that some of it was made by other settings."""


def told(began: Experiment, setup: Setup, steps: int) -> Iterator[str]:
    """What makes a run another one than it would have been from the start.

    Args:
        began: the experiment as it was.
        setup: the experiment as it is.
        steps: updates that are made.
    """
    if not steps:
        return
    if rates := _other_rates(began, setup, steps):
        yield rates
    now = setup.experiment
    for name, one, other in _differing(_deciding(began), _deciding(now)):
        yield (
            f"{NOT_THE_SAME}{steps} updates were made "
            f"with {name}: {show(one)}, it is {show(other)} now"
        )
    lost = judged_anew(began, now) or not _keeps_best(began)
    if _keeps_best(now) and lost and steps >= setup.plan().steps_per_epoch:
        yield (
            f"{NOT_THE_SAME}the weights of the epochs before were not kept, and none "
            "of them can be restored as the best"
        )


def judged_anew(began: Experiment, now: Experiment) -> bool:
    """Whether another metric, or its opposite, decides now which epoch is best."""
    was, stop = began.train.stop or Stop(), now.train.stop or Stop()
    return (was.monitor, was.goal) != (stop.monitor, stop.goal)


def _keeps_best(experiment: Experiment) -> bool:
    return experiment.train.stop is not None and experiment.train.stop.restore_best


def _deciding(experiment: Experiment) -> dict[str, Any]:
    """What an update depends on, of what may change, beside rate and numerics."""
    train = experiment.train
    own = {
        name: value
        for name, value in vars(experiment.optimizer).items()
        if name != "learning_rate"
    }
    return {
        "optimizer": experiment.optimizer.registered_name,
        **{f"optimizer.{name}": dump(value) for name, value in own.items()},
        "train.clip_norm": train.clip_norm,
        "train.clip_value": train.clip_value,
    }


def _differing(
    was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Name and both values of what both have, and have otherwise."""
    for name in was:
        if name in now and was[name] != now[name]:
            yield name, was[name], now[name]


def _other_rates(began: Experiment, setup: Setup, steps: int) -> str:
    """What is to be said of updates made at other rates than the plan now has."""
    plan = setup.plan()
    per_epoch, schedule = plan.steps_per_epoch, began.optimizer.schedule
    total = began.train.total_steps(per_epoch)
    for number in range(1, steps + 1):
        was = schedule.rate(number, total, per_epoch, schedule.start())
        now = plan.schedule.rate(
            number, plan.total_steps, per_epoch, plan.schedule.start()
        )
        if was != now:
            return (
                f"{NOT_THE_SAME}update {number} was made "
                f"at the rate {was:.6g}, this plan has {now:.6g} there"
            )
    return ""


def checked(folder: RunFolder, setup: Setup, before: Mapping[str, Any]) -> Experiment:
    """The experiment as it was; other data, or another run, are refused."""
    check_data(folder, setup, before)
    began = resolve(folder.path / RESOLVED, schema=Experiment).build()
    for name in _FIXED:
        was, now = map(attrgetter(name), (began, setup.experiment))
        if isinstance(was, DataConfig):
            was, now = _anywhere(was), _anywhere(now)
        if dump(was) != dump(now):
            raise Error(
                "config-resume",
                f"a run cannot go on with another {name}",
                fix="start a new run; the rest of train, and optimizer, may change",
            )
    return began


def check_data(
    folder: RunFolder,
    setup: Setup,
    before: Mapping[str, Any],
    changed: Sequence[str] = (),
) -> None:
    """Refuse other data than those that a run began with.

    Args:
        changed: what else is not as it was, and may have made them others.

    Raises:
        Error: `run-data-changed`.
    """
    if before["data_sha256"] != setup.dataset.sha256:
        message = f"the data of {folder.path} are not what they were when it began"
        raise Error(
            "run-data-changed",
            "; ".join([message, *changed]),
            fix="put the data back, or start a new run",
        )


def _anywhere(data: DataConfig) -> DataConfig:
    """The data wherever their files lie: which ones they are, their hash tells."""
    return data.located(lambda path, name: f"rows{Path(name).suffix}")


def resolved_again(setup: Setup) -> str:
    """The config with its overrides; the rest still says where it first came from."""
    resolved = setup.resolved

    def source(path: tuple[str | int, ...]) -> str:
        place = resolved.place(path)
        written = Path(place.file).name == RESOLVED
        known = place.text.rpartition("# ")[2].strip() if written else ""
        return known or resolved.source(path)

    return write_resolved(dump(setup.experiment), source)
