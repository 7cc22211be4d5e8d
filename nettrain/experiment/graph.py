"""A config's or a run's whole network with its cost, as a graph with numbers."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from nettrain.experiment.assembly import make_network
from nettrain.experiment.load import load_run
from nettrain.experiment.setup import Setup, set_up
from nettrain.explore import Evaluation, evaluate_network
from nettrain.show.drawing import Drawing
from nettrain.training.network import Network
from nettrain.training.programs import trace_step


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


def network_drawing(setup: Setup, network: Network) -> Drawing:
    """The graph of a network as it stands, with the health of its gradients.

    Of origins only lines of a config are kept: the line of a program that called us
    tells nothing of the network, and changes with whoever asks.
    """
    drawing = _evaluation(setup, network).drawing(rate=None)
    lines = set(setup.recipe.origins.values())
    boxes = [
        box if box.origin in lines else replace(box, origin="") for box in drawing.boxes
    ]
    return replace(drawing, boxes=boxes)


ROWS = 1024
"""How many rows of a batch are drawn at most: all values of all nodes are held."""


def _evaluation(setup: Setup, network: Network) -> Evaluation:
    step, train = network.first, setup.dataset.parts["train"]
    if step.inputs.shape[0] > ROWS:
        step = trace_step(setup.recipe, ROWS)
    rows = step.inputs.shape[0]
    inputs = {
        step.inputs: train.inputs[:rows],
        step.targets: train.targets[:rows],
        step.step: np.uint32(1),
    }
    return evaluate_network(
        step.cost, inputs, network.state, title=setup.experiment.name
    )
