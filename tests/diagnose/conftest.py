"""Evidence written by hand: profiles over depth, units over epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import Evidence, LayerFacts, PreActivation, Setting, Units

PRIOR = 2.0


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
        "learning_rate": Setting("optimizer.adam.learning_rate", 0.01),
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
            preprocess=Setting("data.preprocess", []),
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
