"""A config's or a run's whole network with its cost, as a graph with numbers."""

from __future__ import annotations

import os

import numpy as np

from nettrain.experiment.assembly import make_network
from nettrain.experiment.load import load_run
from nettrain.experiment.setup import Setup, set_up
from nettrain.explore import Evaluation, evaluate_network
from nettrain.training.network import Network


def config_evaluation(setup: Setup) -> Evaluation:
    """Values and gradients of the first batch, with the first weights."""
    return _evaluation(setup, make_network(setup))


def run_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Values and gradients of the first batch, with a run's trained weights."""
    run = load_run(path)
    setup = set_up(run.path / "config.resolved.yaml")
    network = make_network(setup)
    network.state.load(run.weights)
    return _evaluation(setup, network)


def network_svg(setup: Setup, network: Network) -> str:
    """The picture of a network, coloured by the health of its gradients."""
    from nettrain.show.graph import svg

    return svg(_evaluation(setup, network).drawing())


def _evaluation(setup: Setup, network: Network) -> Evaluation:
    step, train = network.first, setup.dataset.parts["train"]
    rows = step.inputs.shape[0]
    inputs = {
        step.inputs: train.inputs[:rows],
        step.targets: train.targets[:rows],
        step.step: np.uint32(1),
    }
    return evaluate_network(
        step.cost, inputs, network.state, title=setup.experiment.name
    )
