"""The network and the probe of a setup."""

from __future__ import annotations

from nettrain.diagnose import DiagnoseConfig, diagnose
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Finding
from nettrain.execute import executor
from nettrain.experiment.facts import facts
from nettrain.experiment.setup import Setup
from nettrain.training.network import Network
from nettrain.training.probe import Probe


def make_network(setup: Setup) -> Network:
    """The network, traced for full batches."""
    rows = min(setup.experiment.data.batch_size, len(setup.dataset.parts["train"]))
    return Network(setup.recipe, executor(setup.experiment.executor), rows)


def make_probe(setup: Setup, network: Network) -> Probe | None:
    """The probe, which knows the config's layers and thresholds; None if not wanted."""
    plan, settings = setup.plan(), setup.experiment.diagnose
    if not setup.recipe.diagnose:
        return None
    assert isinstance(settings, DiagnoseConfig) and settings.every != "auto"

    def judge(evidence: Evidence) -> list[Finding]:
        return diagnose(evidence, settings)

    return Probe(
        network,
        facts(setup),
        judge,
        interval=settings.every,
        rows=len(plan.parts["train"]),
        steps_per_epoch=plan.steps_per_epoch,
        total_steps=plan.total_steps,
    )
