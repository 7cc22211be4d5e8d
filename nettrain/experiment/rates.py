"""The learning rate, measured: short trainings at ten rates from the same start.

A formula for a good rate restored 14 % of the runs whose rate was too low, dividing by
30 40 % of those whose rate was too high; this sweep 71 to 100 % and 86 %.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nettrain.data import batches
from nettrain.diagnose.causes import ordered
from nettrain.diagnose.evidence import Evidence, comparable
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.diagnose.remedies import edits
from nettrain.experiment.assembly import make_network
from nettrain.experiment.recorder import Nobody, Watcher
from nettrain.experiment.setup import Setup
from nettrain.experiment.threads import limited
from nettrain.experiment.tunable import tunable
from nettrain.training.evaluate import evaluate
from nettrain.training.network import Network
from nettrain.training.plan import Plan

RATES = tuple(edits.rounded(rate) for rate in np.geomspace(1e-4, 3, 10).tolist())
"""The rates that are tried: each 3.1 times the one before."""
STEP = 30_000 ** (1 / 9)
"""From one rate to the next."""
EPOCHS = 4
"""How long each is trained, at most …"""
LEAST, SHARE = 200, 0.1
"""… so many updates, or this share of the planned ones, if that is more."""
FEWEST = 50
"""Updates that a rate is given in any case, or the whole plan if that is shorter: four
epochs of a single batch tell nothing."""
GUESSING = 0.97
"""Share of H0 that the best rate has to reach, or the rate is not the matter."""
NOISE = 0.01
"""Share of H0 within which losses are equal: so much depends on the order of rows."""
CLOSE = 1.5
"""Rates that differ by at most this factor are the same to a net."""


@dataclass(frozen=True)
class Sweep:
    """What the rates came to.

    Attributes:
        rates: that were tried, ascending.
        losses: on the training part after `steps` updates, of the weights at their end;
            infinite where numbers did not stay finite; `comparable` to the prior.
        steps: updates that each made.
        prior: H0, the loss of guessing.
        path: where the config has its rate, or a schedule's highest one.
        current: what it is there.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    steps: int
    prior: float
    path: str
    current: float

    @property
    def best(self) -> int:
        """Index of the lowest rate whose loss is the lowest, but for noise.

        Where several rates learn everything, the highest may be next to divergence. On
        100 nets (nine data sets, three depths, four optimizers), of the rate below this
        one 76 % came within .03 of the best score that any rate reached after the whole
        training, of the rate below the very lowest loss 73 %.
        """
        losses = np.asarray(self.losses)
        equal = losses <= losses.min() + NOISE * self.prior
        return int(np.argmax(equal))

    @property
    def chosen(self) -> float | None:
        """One grid step below the best; None where the best is no better than guessing.

        A whole run is longer and goes further down: what is best for a few epochs is
        often too high for the rest, and next to it is the rate that diverges.
        """
        if not self.losses[self.best] < GUESSING * self.prior:
            return None
        if self.best == 0:
            return edits.rounded(self.rates[0] / STEP)
        return self.rates[self.best - 1]

    def told(self) -> str:
        """`10 rates, 160 updates each; best 0.01, one step below: 0.003`."""
        head = f"{len(self.rates)} rates, {self.steps:,} updates each; "
        if self.chosen is None:
            return head + f"none comes below {GUESSING:.0%} of guessing"
        best = self.rates[self.best]
        return head + f"best {best:g}, one step below: {self.chosen:g}"

    def picture(self) -> str:
        """As SVG: the loss over the rate."""
        from nettrain.show.rates import learning_rate

        return learning_rate(
            self.rates,
            self.losses,
            prior=self.prior,
            best=self.rates[self.best],
            chosen=self.chosen,
            current=self.current,
        )


# ---------------------------------------------------------------- measuring


def length(plan: Plan) -> int:
    """How many updates each rate is given: a function of the plan, not of a clock."""
    most = max(LEAST, int(SHARE * plan.total_steps))
    steps = min(EPOCHS * plan.steps_per_epoch, most)
    return max(steps, min(FEWEST, plan.total_steps))


def sweep(setup: Setup, watcher: Watcher | None = None) -> Sweep:
    """Train at each rate from the same first weights, in the same order of rows.

    The rate is constant. Nothing is diagnosed, validated or written.

    Args:
        setup: what to train.
        watcher: sees every update; they are counted on from rate to rate.
    """
    watcher = watcher or Nobody()
    plan, experiment = setup.plan(), setup.experiment
    steps = length(plan)
    blind = dataclasses.replace(setup.recipe, diagnose=False)
    with limited(experiment.threads):
        network = make_network(dataclasses.replace(setup, recipe=blind))
        start = {path: value.copy() for path, value in network.tensors().items()}
        losses = []
        for number, rate in enumerate(RATES):
            network.restore(start)
            losses.append(_trained(network, plan, rate, steps, watcher, number * steps))
    own = blind.loss.prior(plan.parts["train"].targets)
    found, prior = comparable(losses, own, blind.loss.bounded)
    path, current = _rate(setup)
    return Sweep(RATES, tuple(found.tolist()), steps, prior, path, current)


def _trained(
    network: Network, plan: Plan, rate: float, steps: int, watcher: Watcher, done: int
) -> float:
    """The training loss after so many updates; infinite if it does not stay finite."""
    train, step = plan.parts["train"], 0
    while step < steps:
        epoch = step // plan.steps_per_epoch + 1
        order = batches.order(plan.seed, epoch, len(train), plan.shuffle)
        for where in batches.slices(len(train), plan.batch_size)[: steps - step]:
            step, rows = step + 1, order[where]
            made = network.train(train.inputs[rows], train.targets[rows], rate, step)
            if not made.committed:
                return math.inf
            watcher.step(done + step, epoch, float(made.outputs["loss"]), rate)
    loss = evaluate(network, train, (), plan.evaluation_batch_size, "train")
    value = float(loss["train/loss"])
    return value if math.isfinite(value) else math.inf


def _rate(setup: Setup) -> tuple[str, float]:
    """Where the config has its learning rate, or a schedule's highest; its value."""
    known = edits.rate_value(Evidence(settings=tunable(setup.experiment)))
    assert known is not None  # every optimizer has one
    return known


# ---------------------------------------------------------------- remedies


def guessed(findings: Sequence[Finding]) -> bool:
    """Whether a cause is among them whose remedy is a guess at a learning rate.

    For consequences alone nothing is measured: another change comes first, and changes
    what they need.
    """
    return any(_guesses(f) and f.consequence_of is None for f in findings)


def measured(findings: Sequence[Finding], sweep: Sweep) -> list[Finding]:
    """The findings, each guess at a learning rate replaced by the measured rate.

    Also those of consequences: no two rates are told for the same config. A finding
    about the rate itself is a note where the measurement does not bear it out.
    """
    return ordered([_measured(finding, sweep) for finding in findings])


_OF_RATE = ("L1", "L2")
"""Findings that say no more than that the rate is wrong."""


def _measured(finding: Finding, sweep: Sweep) -> Finding:
    alone = dataclasses.replace(finding, primary=False, consequence_of=None)
    guess = finding.remedy
    if guess is None or not _guesses(finding):
        return alone
    refuted = finding.id in _OF_RATE and _is_right(guess, sweep)
    severity = "note" if refuted else finding.severity
    return dataclasses.replace(alone, remedy=_remedy(guess, sweep), severity=severity)


def _is_right(guess: Remedy, sweep: Sweep) -> bool:
    """Whether the rate in use is the measured one, or lies beyond it from the guess."""
    chosen, current = sweep.chosen, sweep.current
    if chosen is None:
        return False
    rate = next(edit.value for edit in guess.patch if edit.path == sweep.path)
    same = chosen / CLOSE <= current <= chosen * CLOSE
    return bool(same or (chosen > current) != (rate > current))


def _guesses(finding: Finding) -> bool:
    remedy = finding.remedy
    return finding.severity != "note" and remedy is not None and remedy.measure


def _remedy(guess: Remedy, sweep: Sweep) -> Remedy:
    """What the measurement says instead of a guess."""
    measured, chosen, current = f"measured: {sweep.told()}", sweep.chosen, sweep.current
    if chosen is None:
        return _other(guess, "no learning rate helps", measured)
    if _is_right(guess, sweep):
        return _other(guess, f"the learning rate {current:g} is right", measured)
    patch = tuple(
        Edit(edit.path, chosen) if edit.path == sweep.path else edit
        for edit in guess.patch
    )
    word = "raise" if chosen > current else "lower"
    return Remedy(f"{word} the learning rate to {chosen:g}; {measured}", patch)


def _other(guess: Remedy, why: str, measured: str) -> Remedy:
    """What is left to change where no other rate is better."""
    other = guess.otherwise or Remedy("look for another cause")
    return Remedy(f"{why}: {other.text}; {measured}", other.patch)
