"""A run as it is compared with others: its settings, its numbers, its findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nettrain.component import INVALID, Problem, build, dotted, registered
from nettrain.component import Path as Keys
from nettrain.config.annotations import kinds_at
from nettrain.config.paths import element_names, locate, written
from nettrain.config.reread import Leaf, Section, nested, reread_sections
from nettrain.config.writer import inline
from nettrain.data.sources import Source
from nettrain.errors import Error, Place
from nettrain.experiment.found import has_end, read_found
from nettrain.experiment.schema import Experiment
from nettrain.experiment.status import open_run, told_of
from nettrain.record import json_text
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import columns
from nettrain.study.epochs import read_ends
from nettrain.study.lookup import Shape, shape, stem, tree
from nettrain.training.metrics import Metric
from nettrain.training.outcome import EPOCH_LOSS, goal, in_row, kept
from nettrain.training.settings import Stop

_CONFIG = "config.resolved.yaml"
_WHOLE = {("data",), ("model",), ("loss",), ("optimizer",), ("train",), ("dtype",)}
"""Keys that every resolved config has, the last one among them."""


class Setting(NamedTuple):
    """What a config says at one place.

    Attributes:
        text: as YAML.
        is_default: whether nobody has written it.
    """

    text: str
    is_default: bool = False


@dataclass(frozen=True, eq=False)
class Run:
    """What the files of a run say.

    Attributes:
        path: of its folder.
        facts: run.json; of a run without an end as `told_of` tells it.
        sections: of config.resolved.yaml.
        found: rows of findings.json, or what is known of them so far; None where the
            file is not there, although the run has come to its end.
        metrics: the ends of epochs in metrics.jsonl, as columns.
    """

    path: Path
    facts: Mapping[str, Any]
    sections: Sequence[Section]
    found: Sequence[Mapping[str, Any]] | None
    metrics: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Run:
        """Of a folder.

        Raises:
            Error: of family `run` where it is none, or damaged.
        """
        folder, facts = open_run(path)
        facts = told_of(folder, facts)
        sections = _read_config(folder)
        there = folder.disk.exists(folder.metrics)
        rows = read_ends(folder.disk, folder.metrics) if there else []
        run = cls(path, facts, sections, _read_found(folder, facts), columns(rows))
        ends = run.metrics.get("step", [0])[-1]
        if run.status == "finished" and ends < run.facts["step"]:
            message = f"{folder.metrics} ends before update {facts['step']}, the last"
            raise Error("run-damaged", message, fix=f"nettrain resume {path}")
        if run.stop and run.stop.restore_best:
            monitor = in_row(run.stop.monitor)
            if EPOCH_LOSS in run.metrics and monitor not in run.metrics:
                message = f"{folder.metrics} is damaged: it has no {monitor}"
                raise Error("run-damaged", message)
        return run

    @property
    def status(self) -> str:
        return str(self.facts["status"])

    @cached_property
    def unit(self) -> tuple[int, int]:
        """Seed and fold: what two configs have to share to be compared as a pair."""
        return int(self.facts["seed"]), self._of_split("fold")

    @cached_property
    def folds(self) -> int:
        """Parts of the cross-validation that it is one of; 1 without one."""
        return self._of_split("folds")

    def _of_split(self, key: str) -> int:
        """An integer of the split; 1 where there is none."""
        data = self._section("data")
        leaf = data.leaves.get(("data", "split", key)) if data else None
        return leaf.value if leaf and isinstance(leaf.value, int) else 1

    @property
    def draw(self) -> int | None:
        """The seed, where it decides which rows there are: else all have the same."""
        return self.unit[0] if self.drawn else None

    @cached_property
    def drawn(self) -> str:
        """The source of its data and all settings of that, where these are drawn from
        the seed; else, or where it is a plugin's that is not known here, ""."""
        source = self.settings.get("data.source")
        kind = registered(Source).get(source.text) if source else None
        plain = self._plain("data", "source") if kind and kind.drawn else ""
        return inline(plain) if plain else ""

    @cached_property
    def stop(self) -> Stop | None:
        """What ends it early; nothing where that is not known here."""
        train = self._section("train")
        return _stop_in(train) if train else None

    def goal(self, name: str) -> str:
        """Whether a metric should fall or rise; "" where it is a plugin's."""
        is_known = name.rpartition("/")[2] not in self._metrics.unknown
        return goal(name, self._metrics.known) if is_known else ""

    @cached_property
    def measures(self) -> dict[str, float]:
        """The numbers of the model that a finished run gives, by name.

        Of rows that it was not trained on, where it has such; what is not finite is
        among them. A run that is not finished has none.
        """
        if self.status != "finished":
            return {}
        row = kept(self.metrics, self.stop, self._metrics.known)
        at = {} if row is None else {n: float(v[row]) for n, v in self.metrics.items()}
        found = {name: v for name, v in at.items() if name.startswith("validation/")}
        for name, value in self.facts.get("summary", {}).items():
            if name.startswith("test/") and json_text.number(value):
                found[name] = float(json_text.NOT_FINITE.get(value, value))
        found.pop("test/step", None)
        if not found and EPOCH_LOSS in at:
            found["train/loss"] = at[EPOCH_LOSS]
        return found

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """What its config says, by path as a person writes it; see `settings_in`."""
        found: dict[str, Setting] = {}
        for section in self.sections:
            found.update(settings_in(section))
        return found

    @cached_property
    def parts(self) -> frozenset[str]:
        """The paths above those of its settings."""
        paths = (name.split(".") for name in self.settings)
        return frozenset(".".join(p[:n]) for p in paths for n in range(1, len(p)))

    def _section(self, head: str) -> Section | None:
        """What its config says under a key at the left margin."""
        return next((s for s in self.sections if s.head == (head,)), None)

    def _plain(self, *keys: str) -> Any:
        """What stands at these keys; nothing, `{}`, where they are not there."""
        section = self._section(keys[0])
        return _below(section.leaves, keys) if section else {}

    @cached_property
    def _metrics(self) -> _Metrics:
        section = self._section("metrics")
        return _metrics_in(section, frozenset(registered(Metric)))


class _Metrics(NamedTuple):
    """Those of a config.

    Attributes:
        known: the built ones.
        unknown: names of those that no plugin here knows.
    """

    known: Sequence[Metric]
    unknown: Sequence[str]


@lru_cache(maxsize=4096)
def _metrics_in(section: Section | None, here: frozenset[str]) -> _Metrics:
    """What a section `metrics` says.

    Args:
        here: names of all that are known here: a plugin may add some.
    """
    listed = _below(section.leaves, ("metrics",)) if section else []
    plain = listed if isinstance(listed, list) else []
    named = {m if isinstance(m, str) else next(iter(m)): m for m in plain if m}
    built = (_built(Metric, m) for name, m in named.items() if name in here)
    unknown = tuple(name for name in named if name not in here)
    return _Metrics(tuple(m for m in built if m is not None), unknown)


@lru_cache(maxsize=4096)
def _stop_in(train: Section) -> Stop | None:
    """What a section `train` says of it."""
    plain = _below(train.leaves, ("train", "stop"))
    made: Stop | None = _built(Stop, plain) if plain else None
    return made


def _below(leaves: Mapping[Keys, Leaf], keys: Keys) -> Any:
    """What stands at these keys; nothing, `{}`, where they are not there."""
    size = len(keys)
    return nested({p[size:]: v for p, v in leaves.items() if p[:size] == keys})


def _built(wanted: Any, plain: Any) -> Any:
    """What a plain value builds; None where it is none of its kind."""
    problems: list[Problem] = []
    made = build(wanted, plain, (), problems)
    return None if made is INVALID or problems else made


# ---------------------------------------------------------------- files


def _read_config(folder: RunFolder) -> tuple[Section, ...]:
    """The sections of config.resolved.yaml.

    Raises:
        Error: `run-damaged` where it is no YAML, or not all of a config.
    """
    text = folder.read_text(_CONFIG)
    try:
        sections = reread_sections(text)
    except Error as error:
        raise _damaged(folder, error.message, error.place) from None
    if lacking := _WHOLE.difference(section.head for section in sections):
        named = ", ".join(sorted(str(key) for (key,) in lacking))
        raise _damaged(folder, f"it has no {named}")
    return sections


def _damaged(folder: RunFolder, why: str, place: Place | None = None) -> Error:
    """Of its config, at a place of which the file is not known yet."""
    place = replace(place or Place(""), file=str(folder.path / _CONFIG))
    return Error("run-damaged", f"the file is damaged: {why}", place=place)


def _read_found(
    folder: RunFolder, facts: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]] | None:
    """See `Run.found`."""
    found = read_found(folder, facts)
    is_there = found or folder.disk.exists(folder.path / "findings.json")
    return found if is_there or not has_end(facts) else None


# ---------------------------------------------------------------- settings


@lru_cache(maxsize=4096)
def settings_in(section: Section) -> Mapping[str, Setting]:
    """What a section says, by path as a person writes it.

    Beside the values: the name of each component, and those in each list.
    """
    leaves = section.leaves
    names = _names(tuple(leaves), shape(leaves))
    found = {
        name: Setting(inline(leaf.value), leaf.source == "default")
        for name, leaf in zip(names, leaves.values(), strict=True)
        if name
    }
    return {**_components(leaves), **found}


@lru_cache(maxsize=256)
def _names(paths: tuple[Keys, ...], of: Shape) -> list[str]:
    """Each of the paths as a person writes it; see `_name`."""
    stems = _stems(of)
    return [_name(path, stems) for path in paths]


def _name(path: Keys, stems: Mapping[Keys, str]) -> str:
    """A path as a person writes it: elements of lists go by their names.

    Of a list that `_components` tells, an element that is but a name has none.
    """
    above = stem(path)
    if above == path and not any(isinstance(key, int) for key in path[:-1]):
        return ""
    return dotted((*([stems[above]] if above else ()), *path[len(above) :]))


def _stems(of: Shape) -> Mapping[Keys, str]:
    """What the elements of lists are called, with the key of what is in them."""
    found: dict[Keys, str] = {}
    lists: dict[Keys, tuple[str, list[str | None]]] = {}
    whole = tree(of)
    for path, _ in of:
        above = stem(path)
        at = max(i for i, key in enumerate(above) if isinstance(key, int))
        outer, index, kind = above[:at], int(above[at]), above[at + 1 :]
        if outer not in lists:
            inside, _ = locate(whole, Experiment, outer)
            names = element_names(inside, kinds_at(Experiment, outer))
            lists[outer] = written(whole, Experiment, outer), names
        head, names = lists[outer]
        name = names[index]
        found[above] = dotted((head, name) if name else (head, index, *kind))
    return found


def _components(leaves: Mapping[Keys, Leaf]) -> dict[str, Setting]:
    """Which component stands at a key (`optimizer`), and which in a list (`model`)."""
    inside: dict[Keys, dict[Any, None]] = {}
    for path in leaves:
        for depth, key in enumerate(path):
            inside.setdefault(path[:depth], {})[key] = None
    found: dict[str, Setting] = {}
    for path, keys in inside.items():
        if not path or any(isinstance(key, int) for key in path):
            continue
        if 0 in keys:
            kinds = [_kind((*path, i), inside, leaves) for i in keys]
            found[dotted(path)] = Setting(inline(kinds))
        elif len(keys) == 1 and (*path, *keys) in inside:
            found[dotted(path)] = Setting(_kind(path, inside, leaves))
    return found


def _kind(
    path: Keys, inside: Mapping[Keys, Mapping[Any, None]], leaves: Mapping[Keys, Leaf]
) -> str:
    keys = [*inside.get(path, {})]
    if len(keys) == 1:
        return str(keys[0])
    return inline(leaves[path].value) if path in leaves else "…"
