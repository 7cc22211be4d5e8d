"""Runs of one config with several seeds, told from runs of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import ascii_uppercase

from nettrain.config.reread import Section
from nettrain.study.intervals import Interval, difference
from nettrain.study.run import Run, Setting, settings_in

_OF_A_RUN = ("format", "name", "seed", "data.split.fold")
"""What two runs of one config may differ in, and is not told."""
_NO_MATTER = (
    "executor",
    "threads",
    "diagnose",
    "train.checkpoint",
    "train.tensorboard",
)
"""What changes no result by more than last bits: told, but the config is the same."""


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one config on the same data.

    Attributes:
        name: A, B, …
        runs: by seed and fold.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> list[int]:
        return sorted({run.unit[0] for run in self.runs})

    @property
    def folds(self) -> int:
        return self.runs[0].folds

    @cached_property
    def unfinished(self) -> list[Run]:
        """Those of a seed and fold that no run has finished."""
        done = {run.unit for run in self.runs if run.status == "finished"}
        return [run for run in self.runs if run.unit not in done]

    def values(self, metric: str) -> dict[tuple[int, int], float]:
        """By seed and fold, of the runs that have it; of equal ones the last."""
        return self._values.get(metric, {})

    @cached_property
    def _values(self) -> dict[str, dict[tuple[int, int], float]]:
        found: dict[str, dict[tuple[int, int], float]] = {}
        for run in self.runs:
            for metric, value in run.measures.items():
                found.setdefault(metric, {})[run.unit] = value
        return found

    def interval(self, metric: str) -> Interval:
        return self._intervals.get(metric) or Interval.of(())

    @cached_property
    def _intervals(self) -> dict[str, Interval]:
        all_ = self._values.items()
        return {metric: Interval.of([*of.values()], self.folds) for metric, of in all_}

    def has_mean(self, metric: str) -> bool:
        """Whether all that it has are numbers."""
        return not math.isnan(self.interval(metric).mean)

    def ahead(self, other: Group, metric: str) -> Interval:
        """This group's value minus another's, paired.

        Folds of cross-validations with other numbers of them are no pairs.
        """
        mine, theirs = self.values(metric), other.values(metric)
        alike = self.folds == other.folds
        shared = [unit for unit in mine if unit in theirs and alike]
        pairs = [mine[unit] for unit in shared], [theirs[unit] for unit in shared]
        return difference(*pairs, self.folds)

    def setting(self, key: str) -> str:
        """What its config says at a key; all that its runs say."""
        said = dict.fromkeys(_said(run, key) for run in self.runs)
        return ", ".join(said)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs by config and data, in the order in which they come."""
    found: list[list[Run]] = []
    alike: dict[object, list[tuple[list[Run], dict[object, str]]]] = {}
    for run in runs:
        same = frozenset(map(_matter, run.sections))
        known = alike.setdefault(same, [])
        of = next((of for of, data in known if _is_of(data, run)), None)
        if of is None:
            found.append(of := [])
            known.append((of, {run.draw: run.facts["data_sha256"]}))
        of.append(run)
    return [
        Group(_letters(i), tuple(sorted(of, key=lambda run: run.unit)))
        for i, of in enumerate(found)
    ]


@lru_cache(maxsize=4096)
def _matter(section: Section) -> frozenset[tuple[str, str]]:
    """What a section says that makes runs those of another config."""
    return frozenset(
        (key, setting.text)
        for key, setting in settings_in(section).items()
        if not within(key, _OF_A_RUN) and not within(key, _NO_MATTER)
    )


def _is_of(data: dict[object, str], run: Run) -> bool:
    """Whether a run has the same data as others that draw alike.

    Args:
        data: hashes by what decides them, to which this run's is added.
    """
    known: str = run.facts["data_sha256"]
    return data.setdefault(run.draw, known) == known


def share_data(runs: Sequence[Run]) -> bool:
    """Whether all were trained on the same rows, or on what one source drew."""
    data: dict[object, str] = {}
    return len({run.drawn for run in runs}) < 2 and all(_is_of(data, r) for r in runs)


def differing(runs: Sequence[Run]) -> list[str]:
    """The keys at which configs differ, in the order of the configs.

    What nobody has written is left out where a part stands in some configs only, and
    where it changes no result: how often a run looks follows from other keys.
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [
        key
        for key in keys
        if not within(key, _OF_A_RUN)
        and _differs([r.settings.get(key) for r in runs], within(key, _NO_MATTER))
    ]


def _differs(found: Sequence[Setting | None], no_matter: bool) -> bool:
    texts = {setting.text if setting else None for setting in found}
    is_written = any(setting and not setting.is_default for setting in found)
    return len(texts) > 1 and (is_written or not (no_matter or None in texts))


@lru_cache(maxsize=4096)
def within(key: str, above: tuple[str, ...]) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in above)


def _said(run: Run, key: str) -> str:
    setting = run.settings.get(key)
    if setting is not None:
        return setting.text
    return "…" if key in run.parts else "–"


def _letters(number: int) -> str:
    """A … Z, AA, AB, …"""
    more, last = divmod(number, len(ascii_uppercase))
    return (_letters(more - 1) if more else "") + ascii_uppercase[last]


def ranked(groups: Sequence[Group], metric: str, goal: str) -> list[Group]:
    """Those that have a metric, the best mean first.

    Before that counts whether all runs are finished: who survives by luck is not the
    best. Nor is who has one run, where there are two at least that have several and can
    be compared. What is no number comes last.
    """
    sign = 1 if goal == "min" else -1
    several = sum(group.interval(metric).is_tested for group in groups) > 1

    def order(group: Group) -> tuple[bool, bool, bool, float]:
        known = group.interval(metric)
        none, alone = math.isnan(known.mean), several and known.n == 1
        rank = 0.0 if none else sign * known.mean
        return none, bool(group.unfinished), alone, rank

    return sorted((g for g in groups if g.values(metric)), key=order)
