"""The network and the probe of a setup."""

from __future__ import annotations

from nettrain.diagnose import DiagnoseConfig, diagnose
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.finding import Finding
from nettrain.execute import State, executor
from nettrain.experiment.facts import facts
from nettrain.experiment.setup import Setup
from nettrain.nn import initial_values
from nettrain.training.network import Network
from nettrain.training.probe import Probe


def make_network(setup: Setup, state: State | None = None) -> Network:
    """The network, traced for full batches; with a state, on that of another one."""
    rows = min(setup.experiment.data.batch_size, len(setup.dataset.parts["train"]))
    return Network(setup.recipe, executor(setup.experiment.executor), rows, state)


def make_probe(setup: Setup, network: Network) -> Probe | None:
    """The probe, which knows the config's layers and thresholds; None if not wanted."""
    plan, settings = setup.plan(), setup.experiment.diagnose
    if not setup.recipe.diagnose:
        return None
    assert isinstance(settings, DiagnoseConfig) and settings.every != "auto"

    def judge(evidence: Evidence) -> list[Finding]:
        return diagnose(evidence, settings)

    return Probe(network, known(setup, network), judge, plan, interval=settings.every)


def known(setup: Setup, network: Network) -> Evidence:
    """What is known before the first update, whatever the network's weights are now."""
    step = network.first
    return facts(setup, step, initial_values(step.trace, setup.recipe.seed))
