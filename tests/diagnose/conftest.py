"""Evidence written by hand: profiles over depth, units over epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import (
    Evidence,
    FirstWeights,
    Inputs,
    LayerFacts,
    Modes,
    PreActivation,
    Setting,
    Signals,
    Targets,
    Units,
)

PRIOR = 2.0
SETTINGS = {
    "learning_rate": Setting("optimizer.adam.learning_rate", 0.01),
    "maximize": Setting("optimizer.adam.maximize", False),
    "preprocess": Setting("data.preprocess", []),
    "shuffle": Setting("data.shuffle", True),
    "batch_size": Setting("data.batch_size", 32),
    "loss": Setting("loss", {"cross_entropy": {}}),
    "class_weights": Setting("loss.cross_entropy.class_weights", "none"),
    "epochs": Setting("train.epochs", 6),
    "stop": Setting("train.stop", None),
    "clip_norm": Setting("train.clip_norm", None),
}


def layer(name: str, activation: str, **settings: Any) -> LayerFacts:
    """A dense layer as a trainer describes it."""
    path = f"model.{name}"
    return LayerFacts(
        name=name,
        path=path,
        config_line=10 + int(name[-1]),
        activation=Setting(f"{path}.activation", activation),
        weight_init=Setting(f"{path}.weight_init", settings.get("weight_init", "auto")),
        bias_init=Setting(f"{path}.bias_init", settings.get("bias_init", "zeros")),
        parameters=(f"model/{name}/weight", f"model/{name}/bias"),
    )


def network(depth: int, activation: str = "relu", **settings: Any) -> dict[str, Any]:
    """The facts of a multilayer perceptron with `depth` dense layers."""
    names = [f"dense{i}" for i in range(1, depth + 1)]
    hidden = {name: layer(name, activation, **settings) for name in names[:-1]}
    return {
        "nodes": tuple(
            PreActivation(f"model/{n}/pre_activation", n, n == names[-1]) for n in names
        ),
        "layers": hidden | {names[-1]: layer(names[-1], "none")},
        "settings": SETTINGS,
        "parameters": tuple(f"model/{n}/weight" for n in names),
    }


@pytest.fixture
def profile() -> Callable[..., Evidence]:
    """Evidence whose RMS(δ) over depth is given, one row per epoch."""

    def make(*rows: Sequence[float], loss: Any = PRIOR, **facts: Any) -> Evidence:
        activation = facts.pop("activation", "relu")
        delta = np.array(rows, float)
        checks, depth = delta.shape
        given = network(depth, activation, **facts.pop("settings", {}))
        return Evidence(
            **{**given, **facts},
            prior=PRIOR,
            planned_steps=1000,
            steps_per_epoch=10,
            epochs=np.arange(1, checks + 1),
            steps=np.arange(1, checks + 1) * 10,
            loss=np.broadcast_to(np.asarray(loss, float), (checks,)),
            delta_rms=delta,
            update_ratio=np.full((checks, depth), 1e-3),
        )

    return make


@pytest.fixture
def layers_of_units(profile: Callable[..., Evidence]) -> Callable[..., Evidence]:
    """Evidence with the first layer's dead units given per epoch: dead (E, U)."""

    def make(dead: Any, arrived: Any = True, **facts: Any) -> Evidence:
        died = np.array(dead, bool)
        path = "model/dense1/pre_activation"
        units = Units(
            np.broadcast_to(np.asarray(arrived), died.shape),
            ~died,
            np.where(died, 0.0, 0.11).astype(np.float32),
        )
        flat = [[1.0, 1.0]] * len(died)
        return profile(*flat, units={path: units}, **facts)

    return make


@pytest.fixture
def healthy() -> Callable[..., Evidence]:
    """Evidence of a run in which all is well; what is given replaces it."""

    def make(checks: int = 6, depth: int = 3, **changes: Any) -> Evidence:
        facts = network(depth, changes.pop("activation", "relu"))
        facts["layers"] = {
            name: dataclasses.replace(
                layer, units=16, first=FirstWeights(0.25, 16, 16, 1.0)
            )
            for name, layer in facts["layers"].items()
        }
        every = np.ones((checks, depth))
        fading = PRIOR * 0.5 ** np.arange(1, checks + 1)
        spike = np.array([5.0, 1.5, 1.0, 2.0])
        made = Evidence(
            **facts,
            prior=PRIOR,
            planned_steps=10 * checks,
            steps_per_epoch=10,
            batch_size=32,
            inputs=Inputs(("a", "b", "c"), np.zeros(3), np.ones(3)),
            targets=Targets(
                "classification",
                rows=320,
                validation_rows=100,
                names=("x", "y"),
                counts=np.array([170, 150]),
                validation_counts=np.array([52, 48]),
            ),
            signals=Signals(256, PRIOR, 0 * every[0], every[0], every[0]),
            epochs=np.arange(1, checks + 1),
            steps=np.arange(1, checks + 1) * 10,
            loss=fading,
            validation_loss=fading * 1.05,
            score=1 - 0.4 * 0.5 ** np.arange(checks),
            validation_score=0.98 - 0.4 * 0.5 ** np.arange(checks),
            score_error=np.full(checks, 0.02),
            recall=np.full((checks, 2), 0.9),
            delta_rms=0.5 * every,
            std=every,
            update_ratio=3e-3 * every,
            update_norm=1e-2 * every,
            gradient_norm=every,
            weight_norm=3.0 * every,
            spike=np.tile(spike, (checks, 1)),
            spike_rows=np.tile(np.arange(10), (checks, 1)),
            losses=np.linspace(PRIOR, 0.05, 100),
            gradient_norms=np.ones(100),
            ascent=-0.5,
            modes=Modes(0.1, 0.1, noise=20.0),
            finished=True,
        )
        return dataclasses.replace(made, **changes)

    return make
