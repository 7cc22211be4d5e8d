"""What remedies may change of layers of every kind, and where that stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nettrain.config import patch, resolve
from nettrain.diagnose import LayerFacts
from nettrain.diagnose.facts import Setting
from nettrain.diagnose.finding import Edit
from nettrain.experiment import doctor
from nettrain.experiment.assembly import known, make_network
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import set_up


def config(*model: Any, shape: Any = None, source: Any = "digits") -> dict[str, Any]:
    data = {"source": source, "shape": shape} if shape else {"source": source}
    end = [*model, {"dense": "auto"}]
    return {"data": data, "model": end, "loss": "cross_entropy"}


def told(given: Mapping[str, Any]) -> Mapping[str, LayerFacts]:
    setup = set_up(given)
    return known(setup, make_network(setup)).layers


def settings(layer: LayerFacts) -> list[Setting]:
    found = (layer.weight_init, layer.bias_init, layer.width, layer.recurrent_init,
             layer.activation)  # fmt: skip
    return [setting for setting in found if setting is not None]


COPY = {"copy": {"samples": 60, "length": 3, "symbols": 4, "delay": 1}}
TABLE = {"embedding": {"size": 8, "vocabulary": 6}}
ENCODER = {"transformer_encoder": {"heads": 2, "feed_forward": 12}}
DEEP = {"dense": {"units": 6, "activation": "relu"}}
BRANCH = {"branch": {"paths": [
    [{"dense": 5}],
    [DEEP, {"repeat": {"times": 2, "block": [{"dense": {"units": 4,
                                                        "activation": "tanh"}}]}}],
]}}  # fmt: skip
CONV = {"conv2d": {"filters": 6, "size": 3, "activation": "relu"}}

MODELS = {
    "branch": config(BRANCH),
    "convolutions": config(CONV, "batch_norm", CONV, "flatten", shape=[1, 8, 8]),
    "attention": config(TABLE, {"positional": {}}, ENCODER, source=COPY),
    "loops": config(
        {"rnn": {"units": 5, "outputs": "all"}}, {"lstm": 4}, source="digits",
        shape=[8, 8],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_can_be_set_to_its_usual_value(name: str) -> None:
    given = MODELS[name]
    for layer in told(given).values():
        for setting in settings(layer):
            new = setting.value if setting is layer.activation else setting.usual
            edit = {"do": "set", "path": setting.path, "value": new}
            mended = patch.apply(dict(given), [edit], Experiment)
            resolve(mended, schema=Experiment).build()
            for word in ("repeat1.1", "transformer_encoder1.dense1", "branch1.1"):
                assert word not in setting.path


def test_layers_in_a_branch_stand_in_its_paths() -> None:
    layers = told(MODELS["branch"])
    first, second = layers["branch1/1/dense1"], layers["branch1/2/dense1"]
    assert first.path == "model.branch1.paths.0.dense1"
    assert second.path == "model.branch1.paths.1.dense1"
    inner = layers["branch1/2/repeat1/2/dense1"]
    assert inner.path == "model.branch1.paths.1.repeat1.dense1"
    override = [f"{second.path}.units=9", f"{inner.path}.units=3"]
    made = told_with(MODELS["branch"], override)
    assert made["branch1/2/dense1"].units == 9
    assert made["branch1/2/repeat1/1/dense1"].units == 3
    assert made["branch1/1/dense1"].units == 5


def told_with(given: Any, overrides: list[str]) -> Any:
    setup = set_up(given, overrides)
    return known(setup, make_network(setup)).layers


def test_what_a_block_makes_inside_itself_is_no_setting() -> None:
    layers = told(MODELS["attention"])
    block = layers["transformer_encoder1"].path
    inside = [x for n, x in layers.items() if n.startswith("transformer_encoder1/")]
    assert len(inside) > 6 and {x.path for x in inside} == {block}
    for layer in inside:
        assert layer.weight_init is layer.bias_init is layer.width is None
    activation = layers["transformer_encoder1/dense1"].activation
    assert activation is not None
    assert activation.path == "model.transformer_encoder1.activation"
    assert activation.name == "relu"


def test_layers_with_one_weight_are_not_widened() -> None:
    tied = {"dense": {"units": 6, "tie": "embedding1"}}
    layers = told(config(TABLE, {"dense": 8}, tied, source=COPY))
    assert layers["dense2"].width is layers["dense2"].weight_init is None
    assert layers["dense1"].width is not None
    again = told(config({"dense": 64}, {"reuse": "dense1"}))
    assert again["dense1"].width is None


def test_filters_are_units_and_their_fans_are_those_of_the_window() -> None:
    layers = told(MODELS["convolutions"])
    first, second = layers["conv2d1"], layers["conv2d2"]
    assert first.width and first.width.path == "model.conv2d1.filters"
    assert (first.units, second.units) == (6, 6)
    assert first.first and (first.first.fan_in, first.first.fan_out) == (9, 54)
    assert second.first and second.first.fan_in == 54
    # He's scale, and few weights.
    assert first.first.gamma == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize(
    "norm",
    ["batch_norm", "layer_norm", {"group_norm": 2}, "instance_norm", "rms_norm"],
)
def test_every_normalization_makes_scales_no_matter(norm: Any) -> None:
    conv = {"conv2d": {"filters": 6, "size": 3}}
    layers = told(config(conv, norm, "relu", CONV, "flatten", shape=[1, 8, 8]))
    assert layers["conv2d1"].normalized
    assert not layers["conv2d2"].normalized


def test_a_loop_has_two_matrices_and_its_activation() -> None:
    layers = told(MODELS["loops"])
    plain, gated = layers["rnn1"], layers["lstm1"]
    assert plain.activation and plain.activation.name == "tanh"
    assert (plain.units, gated.units) == (5, 4)
    assert not plain.linear and not gated.linear
    assert plain.recurrent and plain.recurrent.gamma == pytest.approx(1, rel=1e-6)
    assert gated.recurrent and gated.recurrent.gamma == pytest.approx(0.5, rel=1e-6)
    assert plain.gated == {"lstm": {"units": 5, "outputs": "all"}}
    assert gated.gated is None
    forgetful = told(config({"lstm": {"units": 3, "forget_bias": -2.0}}, shape=[8, 8]))
    assert forgetful["lstm1"].gated == {"lstm": 3}


def test_both_directions_are_one_layer() -> None:
    layers = told(config({"gru": {"units": 4, "direction": "both"}}, shape=[8, 8]))
    assert len(layers["gru1"].parameters) == 8
    assert layers["gru1"].first and layers["gru1"].recurrent


def test_rows_of_an_embedding_are_looked_up() -> None:
    layers = told(MODELS["attention"])
    assert layers["embedding1"].looked_up and not layers["dense1"].looked_up
    init = layers["embedding1"].weight_init
    assert init is not None and init.usual == {"normal": {"std": 1.0, "mean": 0.0}}


BRANCHED = """\
data: {source: digits}
model:
  - branch:
      paths:
        - [{dense: 5}]
        - [{dense: {units: 6, weight_init: {normal: {std: 1}}}}, {dense: 4}]
  - dense: auto
loss: cross_entropy
"""


def test_a_patch_reaches_into_a_branch(tmp_path: Path) -> None:
    """As `doctor --apply` writes it."""
    base, made = tmp_path / "config.yaml", tmp_path / "mended.yaml"
    base.write_text(BRANCHED)
    layers = told_with(base, [])
    second = layers["branch1/2/dense1"]
    assert second.config_line == 6 and second.weight_init is not None
    edits = (
        Edit(second.path, "layer_norm", do="insert"),
        Edit(second.weight_init.path, second.weight_init.usual),
    )
    made.write_text(doctor.mended(str(base), edits, made, "a branch"))
    model = resolve(made, schema=Experiment).build().model
    kinds = [[x.registered_name for x in path] for path in model[0].paths]
    assert kinds == [["dense"], ["layer_norm", "dense", "dense"]]
    assert model[0].paths[1][1].weight_init == "auto"
