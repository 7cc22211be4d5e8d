"""What the diagnosis is told of a config, its data and its first weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.facts import Decay, PreActivation, Setting
from nettrain.diagnose.statistics import attentions, positions, watched
from nettrain.experiment import data_facts
from nettrain.experiment.layer_facts import config_paths, layer_facts, walked
from nettrain.experiment.setup import CONFIG, Setup
from nettrain.experiment.tunable import tunable
from nettrain.training.probe import pre_activations
from nettrain.training.programs import Step
from nettrain.training.signals import signals

_RATES = 256
"""Steps at which a schedule is asked for its highest rate."""


def facts(setup: Setup, step: Step, first: Mapping[str, np.ndarray]) -> Evidence:
    """Evidence before the first update.

    Args:
        setup: the experiment.
        step: its training step, for a batch of any size.
        first: first value of each parameter and state, by path.
    """
    experiment, dataset, recipe = setup.experiment, setup.dataset, setup.recipe
    train, plan, lines = dataset.parts["train"], setup.plan(), _lines(setup)
    held, prior = dataset.parts.get("validation"), recipe.loss.prior
    trained = [p for p, made in step.trace.parameters.items() if made.trainable]
    return Evidence(
        nodes=pre_activations(
            positions(watched(step.cost, step.trace.within)), step.trace
        ),
        attentions=tuple(
            PreActivation(a.path, a.scope.removeprefix("model/"))
            for a in attentions(step.cost)
        ),
        layers=layer_facts(experiment, step, first, lines),
        parameters=tuple(trained),
        prior=prior(train.targets),
        validation_prior=prior(held.targets) if held else float("nan"),
        bounded=recipe.loss.bounded,
        planned_steps=plan.total_steps,
        steps_per_epoch=plan.steps_per_epoch,
        batch_size=plan.batch_size,
        settings={
            key: replace(setting, config_line=lines.get(setting.path))
            for key, setting in tunable(experiment).items()
        },
        inputs=data_facts.inputs(dataset),
        targets=data_facts.targets(experiment, dataset, recipe.loss),
        signals=signals(recipe, step, train, first),
        decay=_decay(setup, step, trained, lines),
    )


def _lines(setup: Setup) -> dict[str, int]:
    """Of the config itself, not of what it extends: by path of layer or setting."""
    origins = setup.recipe.origins
    pairs = {path: origin.rpartition(":") for path, origin in origins.items()}
    main = pairs[CONFIG][0] if CONFIG in pairs else None
    return {path: int(line) for path, (file, _, line) in pairs.items() if file == main}


# ---------------------------------------------------------------- weight decay


def _decay(
    setup: Setup, step: Step, trained: list[str], lines: Mapping[str, int]
) -> Decay | None:
    """Weight decay of optimizer and layers; None where there is none."""
    settings = tuple(_decay_settings(setup, lines))
    if not settings:
        return None
    optimizer, plan, trace = setup.experiment.optimizer, setup.plan(), step.trace
    nodes = [trace.parameters[path].node for path in trained]
    own = [optimizer.of(path).coupled for path in trained]
    layers = [trace.weight_l2.get(node, 0.0) for node in nodes]
    coupled = np.add(own, layers)
    steps = np.linspace(1, plan.total_steps, min(plan.total_steps, _RATES)).astype(int)
    memory = plan.schedule.start()
    rates = (
        plan.schedule.rate(int(n), plan.total_steps, plan.steps_per_epoch, memory)
        for n in steps
    )
    return Decay(settings, coupled, optimizer.decoupled, max(rates))


def _decay_settings(setup: Setup, lines: Mapping[str, int]) -> Iterator[Setting]:
    """What sets it, the optimizer's first; a repeated block's once."""
    experiment = setup.experiment
    own = tunable(experiment).get("weight_decay")
    if own is not None and own.value:
        yield replace(own, config_line=lines.get(own.path))
    seen, places = set(), config_paths(experiment)
    for path, _, layer in walked(experiment):
        where, value = f"{places[path]}.weight_l2", getattr(layer, "weight_l2", 0)
        if value and where not in seen:
            seen.add(where)
            yield Setting(where, value, lines.get(path))
