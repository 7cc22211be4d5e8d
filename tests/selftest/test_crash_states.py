"""After a power cut everything that was promised is kept, and no fsync is for nothing.

Mutants are made of the traces: programs that leave an fsync out, or do things in
another order. Which there are to leave out is found in the traces too, so that a new
one is covered by being there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from nettrain.selftest.crash_states import explore
from nettrain.selftest.power.lives import HOME, OUT, Life
from nettrain.selftest.power.model import ModelDisk
from nettrain.selftest.power.promises import violations
from nettrain.selftest.power.stories import stories
from nettrain.selftest.power.trace import (
    Begun,
    Exactly,
    Flushed,
    Grown,
    Kept,
    Made,
    Removed,
    Renamed,
    Said,
    Started,
    Step,
    Trace,
    Truncated,
    kind,
)
from nettrain.selftest.power.training import trained


def test_sample_of_states_is_without_violation() -> None:
    score = explore(limit=2000, seed=1)
    assert score.failures == ()
    assert score.passed == score.total == 2000


@pytest.mark.long
def test_many_states_are_without_violation() -> None:
    score = explore(limit=100_000)
    assert score.failures == ()
    assert score.passed == score.total == 100_000


# ---------------------------------------------------------------- mutants


class Mutant:
    """Another program; knows from which step of a trace on it was another one."""

    def __init__(self, change: Callable[[Trace], Trace]) -> None:
        self.change, self.first = change, 0

    def __call__(self, trace: Trace) -> Trace:
        changed = self.change(trace)
        pairs = enumerate(itertools.zip_longest(trace, changed))
        self.first = next((i for i, (a, b) in pairs if a is not b), len(trace))
        return changed


def found_out(change: Callable[[Trace], Trace], soon: int | None = None) -> list[str]:
    """The first violations of a mutant in a few hundred stories, or nothing.

    Args:
        soon: look only at so many steps from the first on that it makes otherwise:
            most violations show there.
    """
    mutant, chance = Mutant(change), random.Random(0)
    for story in itertools.islice(stories(chance, mutant), 60 if soon else 400):
        for number, medium, due in story.moments():
            if number < mutant.first:
                continue
            if soon and number >= mutant.first + soon:
                break
            for tree in medium.states(chance, 4):
                if wrong := violations(tree, due, story.out):
                    return wrong
    return []


def sites(traces: Iterable[Trace]) -> set[str]:
    """Whose every fsync is: the caller, its way through `Disk`, and the target."""
    steps = itertools.chain.from_iterable(traces)
    return {step.site for step in steps if isinstance(step, Flushed)} - {""}


@pytest.fixture(scope="module")
def all_sites() -> set[str]:
    some = itertools.islice(stories(random.Random(0), lambda trace: trace), 60)
    return sites(story.trace for story in some)


def useless(
    sites: Iterable[str], mutated: Callable[[str], Callable[[Trace], Trace]]
) -> list[str]:
    """Those that may be left out, or be late, and nobody finds out."""
    return [
        site
        for site in sorted(sites)
        if not (found_out(mutated(site), soon=16) or found_out(mutated(site)))
    ]


def without(site: str) -> Callable[[Trace], Trace]:
    return lambda trace: [step for step in trace if not is_at(step, site)]


def is_at(step: Step, site: str) -> bool:
    return isinstance(step, Flushed) and step.site == site


def too_late(site: str) -> Callable[[Trace], Trace]:
    """The fsync comes after the next thing that somebody relies on."""

    def change(trace: Trace) -> Trace:
        changed: Trace = []
        held: Trace = []
        relied = False
        for step in trace:
            if is_at(step, site):
                held.append(step)
                continue
            if isinstance(step, Started):
                held = []  # the process ended before
            if held and relied and not isinstance(step, RELIED):
                changed += held
                held = []
            relied = bool(held) and (relied or isinstance(step, RELIED))
            changed.append(step)
        return changed

    return change


RELIED = (Begun, Kept, Grown, Exactly, Said)


def test_every_fsync_is_needed(all_sites: set[str]) -> None:
    assert len(all_sites) >= 25
    assert useless(all_sites, without) == []


@pytest.mark.long
def test_every_fsync_is_needed_in_time(all_sites: set[str]) -> None:
    assert useless(all_sites, too_late) == []


def later(
    what: Callable[[Step], bool], after: Callable[[Step], bool]
) -> Callable[[Trace], Trace]:
    """What is done of one kind is done after the next step of another kind."""

    def change(trace: Trace) -> Trace:
        changed: Trace = []
        held: Trace = []
        for step in trace:
            if what(step):
                held.append(step)
                continue
            if isinstance(step, Started):
                held = []  # the process ended before
            changed.append(step)
            if after(step):
                changed += held
                held = []
        return changed

    return change


def is_about(name: str) -> Callable[[Step], bool]:
    """Everything by which a file comes to be, durably."""
    return lambda s: any(
        name in str(getattr(s, where, "")) for where in ("path", "new", "site")
    )


def is_renamed(new: str) -> Callable[[Step], bool]:
    return lambda s: isinstance(s, Renamed) and kind(s.new) == new


def is_fsync(site: str) -> Callable[[Step], bool]:
    return lambda s: isinstance(s, Flushed) and s.site.startswith(site)


def is_said(step: Step) -> bool:
    return isinstance(step, Said)


def is_cut(step: Step) -> bool:
    return isinstance(step, Truncated)


def is_retired(step: Step) -> bool:
    return isinstance(step, Removed) and kind(step.path) == "step-N.safetensors"


CHECKPOINT = is_renamed("step-N.safetensors")
NAMED = is_fsync("CheckpointStore._write replace fsync_folder")


@pytest.mark.parametrize(
    ("what", "after"),
    [
        (is_fsync("CheckpointStore._write replace fsync:"), CHECKPOINT),
        (is_fsync("AppendOnly.sync fsync: metrics"), CHECKPOINT),
        (is_fsync("AppendOnly.sync fsync: statistics"), CHECKPOINT),
        (NAMED, is_said),
        (NAMED, is_retired),
        (is_fsync("RunFolder.write replace fsync: .run"), is_renamed("run.json")),
        (is_about("config.yaml"), is_renamed("run.json")),
        (is_about("config.resolved.yaml"), is_renamed("run.json")),
        (is_about("data.json"), is_renamed("run.json")),
        (is_about("findings.json"), is_renamed("run.json")),
        (is_about("/plots"), is_renamed("run.json")),
        (is_renamed("run.json"), CHECKPOINT),
        (is_fsync("recover fsync_folder"), is_cut),
    ],
    ids=[
        "the content of a checkpoint before its name",
        "metrics before the checkpoint",
        "statistics before the checkpoint",
        "durable before it is said",
        "durable before older ones go",
        "the content of run.json before its name",
        "config before the run",
        "resolved config before the run",
        "data before the run",
        "findings before the end",
        "folders before the run",
        "the run before its checkpoints",
        "names before rows are cut",
    ],
)
def test_order_is_needed(
    what: Callable[[Step], bool], after: Callable[[Step], bool]
) -> None:
    assert found_out(later(what, after))


# ---------------------------------------------------------------- the lives


def shape(trace: Trace) -> set[tuple[str, str]]:
    """Which step follows which, of those that matter for what is durable."""
    told = [word for step in trace if (word := _word(step))]
    return set(itertools.pairwise(told))


def _word(step: Step) -> str:
    name = type(step).__name__
    if isinstance(step, Flushed):
        return step.site
    if isinstance(step, Renamed):
        name += f" {kind(step.new)}"
    elif isinstance(step, (Made, Removed)):
        name += f" {kind(step.path)}"
    elif not isinstance(step, Said):
        return ""
    drawn = name.rstrip(".tmp").endswith((".svg", ".html"))
    return "" if drawn else name


def test_small_lives_do_to_a_disk_what_a_real_run_does(tmp_path: Path) -> None:
    real = trained(tmp_path / "run").trace
    disk = ModelDisk({str(HOME): None, str(OUT.parent): None})
    disk.start()
    Life().live(disk)
    traces = [t[t.index(Started()) :] for t in (real, disk.trace)]
    assert shape(traces[0]) <= shape(traces[1])
    assert sites([real]) == sites([disk.trace])
