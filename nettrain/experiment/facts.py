"""What the diagnosis is told of a config: its layers, and what a remedy may change."""

from __future__ import annotations

from typing import Any

from nettrain.component import dump
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.facts import LayerFacts, Setting
from nettrain.experiment.setup import Setup
from nettrain.nn import Activation, Layer, walk


def facts(setup: Setup) -> Evidence:
    """Evidence before the first step."""
    experiment = setup.experiment
    recipe, train = setup.recipe, setup.dataset.parts["train"]
    optimizer = experiment.optimizer
    rate = f"optimizer.{optimizer.registered_name}.learning_rate"
    steps = dump(list(experiment.data.preprocess))
    return Evidence(
        layers=_layers(setup),
        prior=recipe.loss.prior(train.targets),
        settings={
            "learning_rate": Setting(rate, dump(optimizer.learning_rate)),
            "preprocess": Setting("data.preprocess", steps),
        },
    )


def _layers(setup: Setup) -> dict[str, LayerFacts]:
    """Every layer that has weights, with the activation that acts on its units."""
    found: dict[str, LayerFacts] = {}
    walked = list(walk(setup.experiment.model, "model", ("model",)))
    for i, (path, _, layer) in enumerate(walked):
        if not isinstance(layer, Activation) and not hasattr(layer, "units"):
            continue
        name = path.removeprefix("model/")
        own = _config_path(path)
        found[name] = LayerFacts(
            name=name,
            path=own,
            kind=layer.registered_name,
            config_line=_line(setup.recipe.origins.get(path)),
            activation=_activation(layer, own, walked[i + 1 :]),
            weight_init=_setting(layer, own, "weight_init"),
            bias_init=_setting(layer, own, "bias_init"),
            parameters=(f"{path}/weight", f"{path}/bias"),
        )
    return found


def _line(origin: str | None) -> int | None:
    """14 of `configs/mlp.yaml:14`."""
    return int(origin.rpartition(":")[2]) if origin else None


def _config_path(path: str) -> str:
    """`model.repeat1.dense1` of `model/repeat1/3/dense1`: all rounds are one block."""
    return ".".join(part for part in path.split("/") if not part.isdigit())


def _setting(layer: Layer, path: str, name: str) -> Setting | None:
    if not hasattr(layer, name):
        return None
    value: Any = dump(getattr(layer, name))
    return Setting(f"{path}.{name}", value)


def _activation(
    layer: Layer, path: str, after: list[tuple[str, tuple[str | int, ...], Layer]]
) -> Setting | None:
    """The layer's own activation, or the layer behind it that is one."""
    if isinstance(layer, Activation):
        return Setting(path, layer.registered_name)
    own = getattr(layer, "activation", None)
    if own is not None and own.registered_name != "linear":
        return Setting(f"{path}.activation", own.registered_name)
    if after and isinstance(after[0][2], Activation):
        return Setting(_config_path(after[0][0]), after[0][2].registered_name)
    return None if own is None else Setting(f"{path}.activation", "none")
