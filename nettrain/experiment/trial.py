"""A short try of a config: its first updates, one batch by heart, its gradients.

Nothing is written, and nothing that a later run does depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nettrain.data import Part
from nettrain.diagnose import DiagnoseConfig, Evidence, Finding, GradientCheck, diagnose
from nettrain.diagnose.evidence import comparable
from nettrain.diagnose.settings import FindingId
from nettrain.execute import executor
from nettrain.experiment.assembly import known, make_network
from nettrain.experiment.gradient_check import gradient_checks
from nettrain.experiment.setup import Setup
from nettrain.experiment.threads import limited
from nettrain.optim import Schedule
from nettrain.optim.schedules import Memory
from nettrain.training.loop import Loop
from nettrain.training.network import Network
from nettrain.training.plan import Plan
from nettrain.training.probe import Probe

STEPS = 20
"""Updates of the real training that are made."""
UPDATES = 200
"""How often one batch is repeated, at most."""
LEARNED = 0.1
"""Share of H0 below which a batch counts as learned."""

_SLOW = ("G1", "A1", "A2")
"""Detectors that wait for several checks."""


@dataclass(frozen=True)
class Overfit:
    """One batch, again and again, with the config's own optimizer.

    Attributes:
        rows: of the batch.
        updates: made on it; fewer than planned where it was learned or diverged.
        before, after: its training loss.
        learned: whether that fell below .1 H0.
    """

    rows: int
    updates: int
    before: float
    after: float
    learned: bool


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        steps: updates of the real training.
        prior: H0, the loss of the best constant prediction.
        initial_loss: L0, of the first weights.
        loss: of the rows trained on, after these updates.
        overfit: one batch.
        flow: by path of the pre-activation, RMS(dL/dz) over that of the output, both
            means over these updates; of the last epoch, where there are several.
        findings: of the diagnosis, primary first.
        gradient_checks: one for each parameter.
    """

    steps: int
    prior: float
    initial_loss: float
    loss: float
    overfit: Overfit
    flow: Mapping[str, float]
    findings: tuple[Finding, ...]
    gradient_checks: tuple[GradientCheck, ...]


def trial(setup: Setup) -> Trial:
    """Try a config whose data have been read."""
    with limited(setup.experiment.threads):
        evidence = _first_updates(setup)
        overfit = _overfit(setup)
        runner = executor(setup.experiment.executor)
        checks = gradient_checks(setup.recipe, runner, setup.dataset.parts["train"])
    evidence = replace(evidence, gradient_checks=checks)
    settings = setup.experiment.diagnose
    assert evidence.signals is not None and settings is not True
    found = diagnose(evidence, _at_once(settings, evidence)) if settings else []
    return Trial(
        steps=int(evidence.steps[-1]) if len(evidence.steps) else len(evidence.losses),
        prior=evidence.prior,
        initial_loss=evidence.signals.loss,
        loss=float(evidence.loss[-1]) if len(evidence.loss) else float("nan"),
        overfit=overfit,
        flow=_flow(evidence),
        findings=tuple(found),
        gradient_checks=checks,
    )


# ---------------------------------------------------------------- the first updates


def _first_updates(setup: Setup) -> Evidence:
    """What is measured in them, all statistics at every update."""
    recipe = replace(setup.recipe, diagnose=True)
    network = make_network(replace(setup, recipe=recipe))
    plan = _shortened(setup.plan())
    probe = Probe(network, known(setup, network), lambda _: [], plan, interval=1)
    Loop(network, plan, probe, lambda event: None).run()
    total = setup.plan().total_steps
    return replace(probe.evidence, planned_steps=total, modes=None)


def _shortened(plan: Plan) -> Plan:
    """The first updates of a plan, with its rates and rows; they end in an epoch."""
    steps = min(STEPS, plan.total_steps)
    length = replace(plan.config, epochs=None, steps=steps, stop=None)
    schedule = _Longer(plan.schedule, plan.total_steps, plan.steps_per_epoch)
    short = replace(plan, config=length, schedule=schedule)
    if steps >= plan.steps_per_epoch:
        return short
    rows = np.concatenate([plan.batch(number) for number in range(1, steps + 1)])
    parts = {**plan.parts, "train": _taken(plan.parts["train"], rows)}
    return replace(short, parts=parts, shuffle=False)


def _taken(part: Part, rows: np.ndarray) -> Part:
    return replace(
        part,
        inputs=part.inputs[rows],
        targets=part.targets[rows],
        rows=part.rows[rows],
    )


@dataclass(frozen=True)
class _Longer(Schedule):
    """The rates of a longer plan."""

    own: Schedule
    total: int
    per_epoch: int

    def rate(self, step: int, total: int, per_epoch: int, memory: Memory = ()) -> float:
        return self.own.rate(step, self.total, self.per_epoch, memory)

    def start(self) -> Memory:
        return self.own.start()

    def observe(self, memory: Memory, value: float) -> Memory:
        return self.own.observe(memory, value)


def _at_once(settings: DiagnoseConfig, evidence: Evidence) -> DiagnoseConfig:
    """Thresholds for so short a time: what must hold for epochs is told at once.

    First weights may have far to go: while the loss falls, no rate is too high.
    """
    own = {name: getattr(settings, name, None) for name in _SLOW}
    found = {name: replace(rule, checks=1) for name, rule in own.items() if rule}
    assert evidence.signals is not None
    falls = evidence.has("loss") and evidence.loss[-1] < evidence.signals.loss
    early = (FindingId("L1"),) if falls else ()
    return replace(settings, silence=(*settings.silence, *early), **found)


def _flow(evidence: Evidence) -> dict[str, float]:
    """RMS(δ) of each pre-activation over that of the output, at the last check."""
    if not len(evidence.delta_rms):
        return {}
    delta = evidence.delta_rms[-1]
    end = float(delta[evidence.output])
    pairs = zip(evidence.nodes, delta.tolist(), strict=True)
    return {node.path: rms / end if end else float("nan") for node, rms in pairs}


# ---------------------------------------------------------------- one batch


def _overfit(setup: Setup) -> Overfit:
    """Repeat the first batch until it is learned, or for as long as is allowed."""
    network = make_network(replace(setup, recipe=replace(setup.recipe, diagnose=False)))
    plan, train = setup.plan(), setup.dataset.parts["train"]
    batch = _taken(train, plan.batch(1))
    guess, bounded = setup.recipe.loss.prior(train.targets), setup.recipe.loss.bounded
    losses: list[float] = []
    for number in range(1, UPDATES + 2):  # the last one only for its loss
        loss = _update(network, plan, batch, number)
        losses.append(loss)
        found, prior = comparable(loss, guess, bounded)
        if not found >= LEARNED * prior:
            break
    learned = bool(found < LEARNED * prior)
    return Overfit(len(batch), len(losses) - 1, losses[0], losses[-1], learned)


def _update(network: Network, plan: Plan, batch: Part, number: int) -> float:
    """One update on a batch; the loss before it, NaN where it could not be made."""
    memory = plan.schedule.start()
    rate = plan.schedule.rate(number, plan.total_steps, plan.steps_per_epoch, memory)
    made = network.train(batch.inputs, batch.targets, rate, number)
    return float(made.outputs["loss"]) if made.committed else float("nan")
