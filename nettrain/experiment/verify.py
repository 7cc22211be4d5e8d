"""Whether a patch helps: the mended config is trained beside the run that was sick.

Rounds go on from the config mended so far, with the patch that its own findings offer.
Nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nettrain.config.writer import inline
from nettrain.diagnose.causes import ORDER, TABLE
from nettrain.diagnose.evidence import comparable
from nettrain.diagnose.finding import Edit, Finding
from nettrain.errors import Error
from nettrain.experiment.api import fitted
from nettrain.experiment.doctor import RESOLVED, patches, serious, source
from nettrain.experiment.load import Run
from nettrain.experiment.setup import Setup, set_up
from nettrain.training.outcome import EPOCH_LOSS, kept

ROUNDS = 4
UPDATES = 2000
"""A mended config is trained for at most so many updates, …"""
SHARE = 0.25
"""… or this share of its plan, if that is more: outcomes are judged from there on."""

Columns = Mapping[str, np.ndarray]
"""`metrics.jsonl` as columns."""


@dataclass(frozen=True)
class Trained:
    """A config and what came of it.

    Attributes:
        patch: what it adds to the run's own config.
        setup: what was trained.
        metrics: of every update.
        findings: the verdict.
        planned: updates of its plan.
        steps: updates after which it ended.
        diverged: whether it ended in numbers that are not finite.
    """

    patch: tuple[Edit, ...]
    setup: Setup
    metrics: Columns
    findings: Sequence[Finding]
    planned: int
    steps: int
    diverged: bool

    @property
    def shortened(self) -> bool:
        """Whether it was ended before its plan, to save time."""
        return self.steps == limit(self.planned) < self.planned

    @property
    def prior(self) -> float:
        """H0, the loss of guessing."""
        recipe, train = self.setup.recipe, self.setup.dataset.parts["train"]
        return recipe.loss.prior(train.targets)

    def shares(self, losses: Any) -> np.ndarray:
        """Losses as shares of guessing."""
        found, prior = comparable(losses, self.prior, self.setup.recipe.loss.bounded)
        return found / prior

    def scores(self, until: float = math.inf) -> dict[str, float]:
        """The metrics of the model that the first so many updates give.

        These are the last epoch's, or the best one's where the config restores it;
        nothing where not even one epoch was finished.
        """
        columns, experiment = self.metrics, self.setup.experiment
        row = kept(columns, experiment.train.stop, experiment.metrics, until)
        if row is None:
            return {}
        names = [n for n in columns if n.startswith(("train/", "validation/"))]
        found = {name: float(columns[name][row]) for name in names}
        found["train/loss"] = found.pop(EPOCH_LOSS)  # not that of the last batch
        return found

    def loss(self, until: float = math.inf) -> float:
        """The final model's loss as a share of guessing, on validation if there is any.

        A share: the patch may change the loss, or the units of the targets.
        """
        scores = self.scores(until)
        value = scores.get("validation/loss", scores.get("train/loss", math.inf))
        bad = self.diverged and until >= self.steps
        return float(self.shares(value)) if self.prior and not bad else math.inf


@dataclass(frozen=True)
class Round:
    """One patch tried.

    Attributes:
        finding: what it is to cure.
        patch: its own edits.
        before, after: the config without and with it; None where that does not run, or
            would prove nothing.
        accepted: whether it helps.
        why: why, or why not.
        followed: whether it is a patch tried before, with another one added.
    """

    finding: Finding
    patch: tuple[Edit, ...]
    before: Trained
    after: Trained | None
    accepted: bool
    why: str
    followed: bool = False

    @property
    def losses(self) -> tuple[float, float]:
        """Before and after, as shares of guessing, after as many updates."""
        return _losses(self.before, self.after) if self.after else (math.nan, math.nan)


def original(run: Run) -> Trained:
    """The run itself.

    Raises:
        Error: `run-data-changed` where a new training would have other data.
    """
    setup = set_up(run.path / RESOLVED)
    if setup.dataset.sha256 != run.facts["data_sha256"]:
        message = f"the data of {run.path} are not what they were when it was trained"
        raise Error("run-data-changed", message, fix="put the data back")
    planned = setup.plan().total_steps
    steps, diverged = run.facts["step"], run.status == "diverged"
    return Trained((), setup, run.metrics, run.findings, planned, steps, diverged)


def verify(
    run: Run, base: str, say: Callable[[str], None] = lambda text: None
) -> list[Round]:
    """Try patches until the config is healthy, none is left, or `ROUNDS` are over.

    Args:
        run: the sick run; its own training is not repeated.
        base: the config that says what it was.
        say: told what is being trained.
    """
    best, rounds = original(run), list[Round]()
    tried: set[tuple[Any, ...]] = set()
    while len(rounds) < ROUNDS:
        follow = _follow_up(rounds[-1]) if rounds else []
        offered = [*follow, *patches(best.findings)]
        offered = [(f, p) for f, p in offered if _key(p) not in tried]
        if not offered:
            break
        finding, patch = offered[0]
        tried.add(_key(patch))
        if not _other_rows(patch):
            say(f"round {len(rounds) + 1}: {finding.id}, {told(patch)}")
        made = _tried(best, finding, patch, base)
        rounds.append(replace(made, followed=(finding, patch) in follow))
        if rounds[-1].accepted:
            assert rounds[-1].after is not None
            best = rounds[-1].after
    return rounds


def _follow_up(last: Round) -> list[tuple[Finding, tuple[Edit, ...]]]:
    """A patch that did not help, with what its own run says is now in its way.

    Another scale or another loss needs another learning rate. One such try is made.
    """
    if last.accepted or last.after is None or last.followed:
        return []
    offered = patches(last.after.findings)[:1]
    return [(last.finding, (*last.patch, *patch)) for _, patch in offered]


def accepted(rounds: Sequence[Round]) -> tuple[Edit, ...]:
    """The edits of all patches that help, in turn."""
    return tuple(edit for r in rounds if r.accepted for edit in r.patch)


def told(patch: Sequence[Edit]) -> str:
    """`model.dense1.activation: relu and 7 more`."""
    first, more = patch[0], len(patch) - 1
    done = "" if first.do == "set" else f"{first.do} "
    text = f"{done}{first.path}: {inline(first.value)}"
    return text + (f" and {more} more" if more else "")


def limit(planned: int) -> int:
    """How many updates a mended config is given."""
    return min(planned, max(UPDATES, math.ceil(SHARE * planned)))


def _key(patch: Sequence[Edit]) -> tuple[Any, ...]:
    return tuple((edit.do, edit.path, repr(edit.value)) for edit in patch)


def _tried(
    before: Trained, finding: Finding, patch: tuple[Edit, ...], base: str
) -> Round:
    """Train with one more patch, and judge it; not one that changes what judges."""
    if _other_rows(patch):
        why = "other validation rows would judge it"
        return Round(finding, patch, before, None, False, why)
    try:
        after = _trained((*before.patch, *patch), base)
    except Error as error:
        return Round(finding, patch, before, None, False, error.message)
    objection = _objection(before, after, finding)
    helped = "the loss is lower" if serious(after.findings) else "healthy"
    why = objection or helped
    return Round(finding, patch, before, after, not objection, why)


def _other_rows(patch: Sequence[Edit]) -> bool:
    """Whether losses with it are those of other validation rows, and do not compare."""
    return any(edit.path.startswith("data.split") for edit in patch)


def _objection(before: Trained, after: Trained, finding: Finding) -> str:
    """Why a patch does not help; empty where it does."""
    old, new = _losses(before, after)
    for id_ in _worse(before.findings, after.findings, finding):
        return f"{id_} comes up, which stands before {finding.id}"
    if not new < old:
        return "the loss is no lower"
    remains = any(left.id == finding.id for left in serious(after.findings))
    if remains and new >= 1:
        # Who guesses with less confidence has a lower loss, and knows no more.
        return f"{finding.id} remains, at a loss no better than guessing"
    return ""


def _trained(patch: tuple[Edit, ...], base: str) -> Trained:
    setup = set_up(source(base, patch))
    planned = setup.plan().total_steps
    most = limit(planned)
    run = fitted(setup, stopped_at=most if most < planned else None)
    made = len(run.metrics.get("step", ()))
    diverged = run.status == "diverged"
    return Trained(patch, setup, run.metrics, run.findings, planned, made, diverged)


def _losses(before: Trained, after: Trained) -> tuple[float, float]:
    """Of both final models; where the new one was ended early, of both at that time."""
    until = after.steps if after.shortened else math.inf
    return before.loss(until), after.loss()


def _worse(
    before: Sequence[Finding], after: Sequence[Finding], cured: Finding
) -> Iterator[str]:
    """New errors that stand before the one that the patch is for."""
    known = {finding.id for finding in before}
    for finding in after:
        new = finding.severity == "error" and finding.id not in known
        if new and _place(finding.id) < _place(cured.id):
            yield finding.id


def _place(id_: str) -> tuple[int, int]:
    """Where a finding stands in the order of causes, or else in the table."""
    causes = [place.partition(" ")[0] for place in ORDER]
    cause = causes.index(id_) if id_ in causes else len(causes)
    return cause, TABLE.index(id_) if id_ in TABLE else len(TABLE)


def curves(trained: Trained) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By part, updates and losses as shares of guessing, at the end of each epoch."""
    found = {}
    names = {"train": EPOCH_LOSS, "validation": "validation/loss"}
    for part, name in names.items():
        values = trained.metrics.get(name, np.zeros(0))
        seen = np.isfinite(values)
        if seen.any() and trained.prior:
            found[part] = trained.metrics["step"][seen], trained.shares(values[seen])
    return found
