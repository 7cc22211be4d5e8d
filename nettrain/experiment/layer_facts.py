"""What the diagnosis is told of each layer, read off the config and the graph."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nettrain.component import dump
from nettrain.diagnose.facts import FirstWeights, LayerFacts, Setting
from nettrain.experiment.schema import Experiment
from nettrain.graph import Node, topological
from nettrain.nn import (
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Layer,
    LayerNorm,
    Neurons,
    Parameter,
    walk,
)
from nettrain.training.network import Step
from nettrain.training.signals import kin, products

Arrays = Mapping[str, np.ndarray]


def layer_facts(
    experiment: Experiment, step: Step, first: Arrays, lines: Mapping[str, int]
) -> dict[str, LayerFacts]:
    """Every layer of the model, outer ones before those inside.

    Args:
        experiment: whose model it is.
        step: its training step.
        first: first value of each parameter, by path.
        lines: of the config, by a layer's path.
    """
    ways = _Ways(step)
    kinds = {path: layer for path, _, layer in walked(experiment)}
    # A plugin's layer may hold layers that it tells nobody of.
    made: dict[str, list[Parameter]] = defaultdict(list)
    for parameter in step.trace.parameters.values():
        made[parameter.layer_path].append(parameter)
    outputs: dict[str, list[Node]] = defaultdict(list)
    for z in ways.pre_activations:
        outputs[z.scope].append(z)
    found = (
        _layer(_Own(path, kinds, lines, made[path], outputs[path]), ways, first)
        for path in kinds
    )
    return {layer.name: layer for layer in found}


def walked(experiment: Experiment) -> Any:
    """Path, place and layer of every layer; see `nettrain.nn.walk`."""
    return walk(experiment.model, "model", ("model",))


def config_path(path: str) -> str:
    """`model.repeat1.dense1` of `model/repeat1/3/dense1`: all rounds are one block."""
    return ".".join(part for part in path.split("/") if not part.isdigit())


@dataclass(frozen=True)
class _Own:
    """A layer, with what is its own.

    Attributes:
        path: of the layer.
        kinds: every layer, by path.
        lines: of the config, by a layer's path.
        parameters: in the order of the graph.
        outputs: its pre-activations, in forward order.
    """

    path: str
    kinds: Mapping[str, Layer]
    lines: Mapping[str, int]
    parameters: list[Parameter]
    outputs: list[Node]

    def setting(self, name: str) -> Setting | None:
        """The field of that name, if the layer has it."""
        layer = self.kinds[self.path]
        if not hasattr(layer, name):
            return None
        value: Any = dump(getattr(layer, name))
        return Setting(f"{config_path(self.path)}.{name}", value, self.line)

    @property
    def line(self) -> int | None:
        return self.lines.get(self.path)


def _layer(own: _Own, ways: _Ways, first: Arrays) -> LayerFacts:
    matrices = [p for p in own.parameters if len(p.node.shape) >= 2]
    met = next((ways.met[z] for z in own.outputs if ways.met[z]), None)
    direct = [ways.neurons[z] for z in own.outputs if z in ways.neurons]
    sized = [*own.outputs, *(p.node for p in matrices)]
    return LayerFacts(
        name=own.path.removeprefix("model/"),
        path=config_path(own.path),
        kind=own.kinds[own.path].registered_name,
        config_line=own.line,
        units=_units(sized[0]) if sized else 0,
        activation=_activation(own, met),
        linear=bool(own.outputs) and met is None,
        can_die=any(pair.function.can_die for pair in direct),
        weight_init=own.setting("weight_init"),
        bias_init=own.setting("bias_init"),
        width=own.setting("units"),
        parameters=tuple(p.node.path for p in own.parameters),
        first=_first(matrices[0], first, met) if matrices else None,
        normalized=bool(own.outputs) and all(ways.normalized[z] for z in own.outputs),
        trainable=all(p.trainable for p in own.parameters),
        gated=_gated(own.kinds[own.path]),
    )


def _gated(layer: Layer) -> dict[str, Any] | None:
    """An `lstm` with what a plain recurrent layer's config says, but for defaults."""
    if not isinstance(layer, RNN):
        return None
    plain = LSTM(layer.units)
    kept = {
        f.name: dump(getattr(layer, f.name))
        for f in dataclasses.fields(plain)
        if getattr(layer, f.name, plain) not in (plain, getattr(plain, f.name))
    }
    return {"lstm": {"units": layer.units, **kept} if kept else layer.units}


def _activation(own: _Own, met: Neurons | None) -> Setting | None:
    """What acts on the layer's units: its own activation, or a layer behind it."""
    at = own.path if met is None else met.activation.scope
    layer, line = own.kinds.get(at), own.lines.get(at)
    if isinstance(layer, Activation):
        return Setting(config_path(at), layer.registered_name, line)
    if not hasattr(layer, "activation"):
        return None
    name = "none" if met is None else met.function.registered_name
    return Setting(f"{config_path(at)}.activation", name, line)


def _units(node: Node) -> int:
    return node.shape[-1 if node.unit_axis is None else node.unit_axis]


def _first(weight: Parameter, first: Arrays, met: Neurons | None) -> FirstWeights:
    values = first[weight.node.path]
    gain = (met.function if met else Activation).gain
    rms = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
    twins = _twins(values, weight.node.unit_axis)
    return FirstWeights(rms, weight.fan_in, weight.fan_out, gain, twins)


def _twins(values: np.ndarray, unit_axis: int | None) -> int:
    """How many units have the very weights of another unit."""
    counts = np.bincount(kin(values, unit_axis))
    return int(counts[counts > 1].sum())


# ---------------------------------------------------------------- ways to the loss


@dataclass(init=False)
class _Ways:
    """What signals meet on their ways from a node to the loss.

    Attributes:
        pre_activations: in forward order.
        met: by node, the first nonlinearity before another weight matrix; None where
            there is none.
        neurons: by pre-activation, the nonlinearity right behind it.
        normalized: by node, whether each of its ways passes a normalization before
            another weight matrix, and before the loss.
    """

    pre_activations: list[Node]
    neurons: dict[Node, Neurons]
    met: dict[Node, Neurons | None]
    normalized: dict[Node, bool]

    def __init__(self, step: Step) -> None:
        order = topological([step.definition.outputs["loss"]])
        norms = {
            call.path
            for call in step.trace.calls
            if isinstance(call.layer, (BatchNorm, LayerNorm))
        }
        ends = set(products(order))
        users: dict[Node, list[Node]] = {node: [] for node in order}
        for node in order:
            for x in node.inputs:
                users[x].append(node)
        self.pre_activations = [n for n in order if n.role == "pre_activation"]
        self.neurons, self.met, self.normalized = step.trace.neurons, {}, {}
        for node in reversed(order):
            onward = [user for user in users[node] if user not in ends]
            behind = (self.met[user] for user in onward)
            next_one = next(filter(None, behind), None)
            self.met[node] = self.neurons.get(node) or next_one
            self.normalized[node] = bool(users[node]) and all(
                user.scope in norms or (user in onward and self.normalized[user])
                for user in users[node]
            )
