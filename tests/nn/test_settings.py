"""Layers, initializers and losses as a config writes them."""

from __future__ import annotations

from typing import Any

import pytest

from nettrain import nn
from nettrain.component import build, describe, dump, json_schema, registered

EXAMPLES: dict[type, dict[str, Any]] = {
    nn.Layer: {
        "attention": {"attention": 4},
        "branch": {"branch": {"paths": [["relu"], []], "merge": "add"}},
        "conv1d": {"conv1d": 4},
        "conv2d": {"conv2d": {"filters": 4, "size": [3, 5], "padding": "same"}},
        "conv_transpose1d": {"conv_transpose1d": {"filters": 4, "padding": 1}},
        "conv_transpose2d": {"conv_transpose2d": 4},
        "dense": {"dense": 64},
        "dropout": {"dropout": 0.5},
        "embedding": {"embedding": {"size": 8, "vocabulary": 5}},
        "group_norm": {"group_norm": 2},
        "gru": {"gru": {"units": 4, "direction": "both", "truncate": 10}},
        "leaky_relu": {"leaky_relu": 0.2},
        "lstm": {"lstm": {"units": 4, "outputs": "all", "forget_bias": 0.5}},
        "permute": {"permute": [2, 1]},
        "repeat": {"repeat": {"times": 2, "block": [{"dense": 4}, "relu"]}},
        "reshape": {"reshape": [4, -1]},
        "residual": {"residual": [{"dense": {"units": 4, "activation": "none"}}]},
        "reuse": {"reuse": "dense1"},
        "rnn": {"rnn": {"units": 4, "activation": "relu"}},
        "separable_conv2d": {"separable_conv2d": 4},
        "sequential": {"sequential": [{"relu": {"name": "bend"}}]},
        "transformer_decoder": {
            "transformer_decoder": {"heads": 2, "feed_forward": 8, "memory": "m"}
        },
        "transformer_encoder": {"transformer_encoder": {"heads": 2, "feed_forward": 8}},
    },
    nn.Initializer: {"constant": {"constant": 0.1}},
    nn.Loss: {"huber": {"huber": 2}},
}
FAMILIES = [(base, name) for base in EXAMPLES for name in registered(base)]


@pytest.mark.parametrize(("base", "name"), FAMILIES)
def test_what_is_dumped_builds_the_same(base: Any, name: str) -> None:
    problems: list[Any] = []
    made = build(base, EXAMPLES[base].get(name, name), (), problems)
    assert not problems
    assert build(base, dump(made), (), problems) == made and not problems


@pytest.mark.parametrize(("base", "name"), FAMILIES)
def test_every_setting_is_explained(base: Any, name: str) -> None:
    summary, fields = describe(registered(base)[name])
    assert summary and all(field.meaning for field in fields)


def test_short_forms() -> None:
    def layer(value: Any) -> nn.Layer:
        problems: list[Any] = []
        made = build(nn.Layer, value, (), problems)
        assert not problems
        return made

    assert layer({"dense": 64}) == nn.Dense(64)
    assert layer({"leaky_relu": 0.2}) == nn.LeakyReLU(0.2)
    assert layer({"residual": ["relu"]}) == nn.Residual([nn.ReLU()])
    assert dump(nn.ReLU()) == "relu"
    assert dump(nn.ReLU(name="bend")) == {"relu": {"name": "bend"}}


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        ({"dense": {"unit": 4}}, "config-unknown-key", ("dense", "unit")),
        ({"dens": 4}, "config-unknown-component", ("dens",)),
        ({"relu": 0.1}, "config-type", ("relu",)),
        (
            {"dense": {"units": 4, "activation": "rel"}},
            "config-unknown-component",
            None,
        ),
        ({"batch_norm": {"momentum": 2}}, "config-range", ("batch_norm", "momentum")),
        ({"residual": [{"dense": 0}]}, "config-range", None),
    ],
)
def test_problems_tell_their_place(value: Any, code: str, path: Any) -> None:
    problems: list[Any] = []
    build(nn.Layer, value, (), problems)
    assert code in [p.code for p in problems]
    if path:
        assert path in [p.path for p in problems]


def test_schema_of_a_model() -> None:
    schema = json_schema(nn.Sequential)
    assert schema["properties"]["layers"]["type"] == "array"
    assert {"Layer", "Activation", "Initializer"} <= set(schema["$defs"])
