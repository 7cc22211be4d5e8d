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
from nettrain.diagnose.statistics import watched
from nettrain.experiment.schema import Experiment
from nettrain.graph import Node, topological
from nettrain.nn import (
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Branch,
    Embedding,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Neurons,
    Parameter,
    Positional,
    Reuse,
    RMSNorm,
    walk,
)
from nettrain.nn.recurrent import Recurrent
from nettrain.training.programs import Step
from nettrain.training.signals import kin, products

Arrays = Mapping[str, np.ndarray]

NORMALIZATIONS = (BatchNorm, LayerNorm, GroupNorm, InstanceNorm, RMSNorm)
"""Layers behind which the scale of what came before is no matter."""
_WIDTHS = ("units", "filters")
"""What layers call the number of their units."""


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
    places = config_paths(experiment)
    # A plugin's layer may hold layers that it tells nobody of.
    made: dict[str, list[Parameter]] = defaultdict(list)
    for parameter in step.trace.parameters.values():
        made[_layer_at(parameter.layer_path, kinds)].append(parameter)
    outputs: dict[str, list[Node]] = defaultdict(list)
    for z in ways.pre_activations:
        outputs[_layer_at(z.scope, kinds)].append(z)
    found = (
        _layer(_Own(path, kinds, places, lines, made[path], outputs[path]), ways, first)
        for path in kinds
    )
    return {layer.name: layer for layer in found}


def walked(experiment: Experiment) -> Any:
    """Path, place and layer of every layer; see `nettrain.nn.walk`."""
    return walk(experiment.model, "model", ("model",))


def config_paths(experiment: Experiment) -> dict[str, str]:
    """By path of each layer, where the config has it: `model.residual1.dense1`.

    All rounds of a `repeat` are one block. `branch1/2/dense1` stands in
    `model.branch1.paths.1.dense1`. What a layer makes inside itself, as attention its
    projections, is nowhere in the config: the nearest layer that is stands for it.
    """
    found: dict[str, str] = {}
    branches = set()
    for path, place, layer in walked(experiment):
        outer, own = path.rpartition("/")[0], path.rpartition("/")[2]
        number = ""
        while outer not in found and outer != "model":  # the `3` of `repeat1/3/dense1`
            outer, _, number = outer.rpartition("/")
        above = found.get(outer, "model")
        if outer in branches:
            above = f"{above}.paths.{int(number) - 1}"
        written = isinstance(place[-1], int)
        found[path] = f"{above}.{own}" if written else above
        if isinstance(layer, Branch):
            branches.add(path)
    return found


def _layer_at(scope: str, kinds: Mapping[str, Layer]) -> str:
    """The layer that a scope is of: `model/rnn1` of `model/rnn1/backward/t3`."""
    at = scope
    while at not in kinds and "/" in at:
        at = at.rpartition("/")[0]
    return at if at in kinds else scope


def _shared(kinds: Mapping[str, Layer]) -> set[str]:
    """Layers whose weights another one uses too, and such as use another's."""
    found = set()
    for path, layer in kinds.items():
        name = layer.layer if isinstance(layer, Reuse) else getattr(layer, "tie", None)
        around = path
        while name and around:  # as `Trace.result` looks for it
            around = around.rpartition("/")[0]
            if f"{around}/{name}" in kinds:
                found |= {path, f"{around}/{name}"}
                break
    return found


@dataclass(frozen=True)
class _Own:
    """A layer, with what is its own.

    Attributes:
        path: of the layer.
        kinds: every layer, by path.
        places: see `config_paths`.
        lines: of the config, by a layer's path.
        parameters: in the order of the graph.
        outputs: its pre-activations, in forward order.
    """

    path: str
    kinds: Mapping[str, Layer]
    places: Mapping[str, str]
    lines: Mapping[str, int]
    parameters: list[Parameter]
    outputs: list[Node]

    def setting(self, name: str) -> Setting | None:
        """The field of that name, if the layer has it and the config can say it."""
        layer = self.kinds[self.path]
        field = {f.name: f for f in dataclasses.fields(layer)}.get(name)
        if field is None or not self.written(self.path):
            return None
        value: Any = dump(getattr(layer, name))
        where, usual = f"{self.places[self.path]}.{name}", field.default
        if field.default_factory is not dataclasses.MISSING:
            usual = field.default_factory()
        usual = value if usual is dataclasses.MISSING else dump(usual)
        return Setting(where, value, self.line, usual)

    def written(self, path: str) -> bool:
        """Whether a layer stands in the config itself."""
        outer = path.rpartition("/")[0]
        return self.places[path] != self.places.get(outer, "model")

    def nearest(self, path: str) -> str:
        """The layer itself, or the nearest around it that stands in the config."""
        while not self.written(path):
            path = path.rpartition("/")[0]
        return path

    @property
    def weights(self) -> Setting | None:
        """Where the first weights come from; None where they are another layer's."""
        tied = getattr(self.kinds[self.path], "tie", None)
        return None if tied else self.setting("weight_init")

    @property
    def width(self) -> Setting | None:
        """Where the number of units stands, if it may be changed by itself."""
        if self.path in _shared(self.kinds):
            return None
        return next(filter(None, map(self.setting, _WIDTHS)), None)

    @property
    def line(self) -> int | None:
        return self.lines.get(self.nearest(self.path))


def _layer(own: _Own, ways: _Ways, first: Arrays) -> LayerFacts:
    layer = own.kinds[own.path]
    matrices = [p for p in own.parameters if len(p.node.shape) >= 2]
    again = next((p for p in matrices if p.node.name == "recurrent"), None)
    # Weights that another run left are none of the initializer's.
    drawn = bool(matrices) and matrices[0].given is None
    met = next((ways.met[z] for z in own.outputs if ways.met[z]), None)
    direct = [ways.neurons[z] for z in own.outputs if z in ways.neurons]
    return LayerFacts(
        name=own.path.removeprefix("model/"),
        path=own.places[own.path],
        kind=layer.registered_name,
        config_line=own.line,
        units=_units(own, matrices),
        activation=_activation(own, met),
        linear=bool(own.outputs) and met is None and again is None,
        can_die=any(pair.function.can_die for pair in direct),
        weight_init=own.weights,
        bias_init=own.setting("bias_init"),
        width=own.width,
        parameters=tuple(p.node.path for p in own.parameters),
        first=_first(matrices[0], first, met) if drawn else None,
        recurrent=_first(again, first, None) if again else None,
        recurrent_init=own.setting("recurrent_init"),
        looked_up=isinstance(layer, (Embedding, Positional)),
        normalized=bool(own.outputs) and all(ways.normalized[z] for z in own.outputs),
        trainable=all(p.trainable for p in own.parameters),
        gated=_gated(layer),
    )


def _gated(layer: Layer) -> dict[str, Any] | None:
    """An `lstm` that remembers, with what the layer's config says, but for defaults.

    Of a plain recurrent layer, and of an `lstm` that begins by forgetting.
    """
    forgets = isinstance(layer, LSTM) and layer.forget_bias < LSTM.forget_bias
    if not isinstance(layer, (RNN, LSTM)) or not (forgets or isinstance(layer, RNN)):
        return None
    plain = LSTM(layer.units)
    kept = {
        f.name: dump(getattr(layer, f.name))
        for f in dataclasses.fields(plain)
        if getattr(layer, f.name, plain) not in (plain, getattr(plain, f.name))
        and f.name != "forget_bias"
    }
    return {"lstm": {"units": layer.units, **kept} if kept else layer.units}


def _activation(own: _Own, met: Neurons | None) -> Setting | None:
    """What acts on the layer's units: its own activation, or a layer behind it."""
    acting = own.path if met is None else _layer_at(met.activation.scope, own.kinds)
    at = own.nearest(acting)
    layer, line = own.kinds[at], own.lines.get(at)
    if isinstance(layer, Activation):
        return Setting(own.places[at], layer.registered_name, line)
    if not hasattr(layer, "activation"):
        return None
    name = "none" if met is None else met.function.registered_name
    return Setting(f"{own.places[at]}.activation", name, line)


def _units(own: _Own, matrices: list[Parameter]) -> int:
    layer = own.kinds[own.path]
    if isinstance(layer, Recurrent):  # its matrices hold every gate's part
        return layer.units
    sized = [*own.outputs, *(p.node for p in matrices)]
    if not sized:
        return 0
    axis = sized[0].unit_axis
    return sized[0].shape[-1 if axis is None else axis]


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
        order = topological([step.loss])
        within = step.trace.within
        norms = {
            call.path
            for call in step.trace.calls
            if isinstance(call.layer, NORMALIZATIONS)
        }
        ends = set(products(order))
        users: dict[Node, list[Node]] = {node: [] for node in order}
        for node in order:
            for x in node.inputs:
                users[x].append(node)
        self.pre_activations = [
            z for z in watched(order[-1], within) if z.role == "pre_activation"
        ]
        self.neurons, self.met, self.normalized = step.trace.neurons, {}, {}
        for steps in within.values():  # no part of the graph: a loop holds its own
            for _, z in steps:
                self.met[z], self.normalized[z] = self.neurons.get(z), False
        for node in reversed(order):
            onward = [user for user in users[node] if user not in ends]
            behind = (self.met[user] for user in onward)
            next_one = next(filter(None, behind), None)
            self.met[node] = self.neurons.get(node) or next_one
            self.normalized[node] = bool(users[node]) and all(
                user.scope in norms or (user in onward and self.normalized[user])
                for user in users[node]
            )
