"""Settings by the names of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nettrain import optim
from nettrain.component import build, dump
from nettrain.config import Resolved, parse
from nettrain.config.tree import Source
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.graph import Node, leaf, parameter

SCALAR = leaf("input", "s", (), "float64")
GROUPS = [
    {"match": "*/bias", "weight_decay": 0.0, "rate": 2.0},
    {"match": "dense1/*", "rate": 0.1},
]


def weight(path: str) -> Node:
    scope, _, name = path.rpartition("/")
    return parameter(name, np.zeros(3)).replace(scope=scope)


def made(optimizer: optim.Optimizer, *paths: str) -> optim.Updates:
    found = {
        weight(path): leaf("input", f"g/{path}", (3,), "float64") for path in paths
    }
    return optim.optimize(optimizer, found, SCALAR, SCALAR)


@pytest.mark.parametrize(
    ("path", "decay"),
    [("model/dense1/weight", 0.5), ("model/dense1/bias", 0.0), ("model/a/b/bias", 0.0)],
)
def test_settings_of_a_parameter(path: str, decay: float) -> None:
    for optimizer in (
        optim.AdamW(weight_decay=0.5, groups=GROUPS),
        optim.Lookahead(optim.AdamW(weight_decay=0.5, groups=GROUPS)),
        optim.ExponentialAverage(
            optim.Lookahead(optim.AdamW(0.1, weight_decay=0.5, groups=GROUPS))
        ),
    ):
        own = optimizer.of(path)
        assert type(own) is type(optimizer)
        assert own.rule.weight_decay == own.decoupled == decay
        assert not own.rule.groups


def test_later_groups_go_before_earlier_ones(steps: Any) -> None:
    """Setting by setting; the rate multiplies that of the step."""
    groups = [
        {"match": "*", "rate": 0.5, "weight_decay": 0.0},
        {"match": "w", "rate": 3},
    ]
    got = steps(optim.SGD(groups=groups, weight_decay=0.2), [np.ones(3)], 0.1)
    np.testing.assert_allclose(got[0], np.array([0.5, -2.0, 0.0]) - 0.3)


def test_a_rate_of_0_keeps_parameters(steps: Any) -> None:
    frozen = optim.SGD(groups=[{"match": "w", "rate": 0}])
    got = steps(frozen, [np.ones(3)], 0.1)
    np.testing.assert_array_equal(got[0], [0.5, -2.0, 0.0])


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("dense1/weight", True), ("model/dense1/weight", True), ("dense1/*", True),
        ("**/weight", True), ("*weight", True), ("dense?/weight", True),
        ("weight", False), ("dense1", False), ("Dense1/*", False), ("*/bias", False),
    ],
)  # fmt: skip
def test_patterns(pattern: str, fits: bool) -> None:
    assert optim.Group(pattern, rate=1.0).matches("model/dense1/weight") is fits


def test_a_pattern_without_a_parameter() -> None:
    optimizer = optim.Adam(groups=[*GROUPS, {"match": "dense9/*", "rate": 0.5}])
    with pytest.raises(Error, match=r'match: "dense9/\*" is no') as caught:
        made(optimizer, "model/dense1/weight", "model/dense1/bias")
    assert caught.value.fix == "there are: dense1/weight, dense1/bias"
    assert caught.value.exit_code == 2
    wrapped = optim.ExponentialAverage(optimizer)
    (found,) = optim.unmatched(wrapped, ["model/dense1/weight", "model/dense1/bias"])
    assert found[0] == ("ema", "optimizer", "adam", "groups", 2, "match")


def test_updates_of_one_rule_are_still_joined() -> None:
    from nettrain.execute.layout import flatten
    from nettrain.graph.rewrite import rewrite, sharing

    optimizer = optim.Adam(groups=[{"match": "a/*", "rate": 0.1}])
    updates = made(optimizer, "a/v", "a/w", "b/v", "b/w").updates
    new = rewrite(updates.values(), sharing())
    flat = flatten({old: new[value] for old, value in updates.items()})
    joined = {vector.paths() for vector in flat.states}
    assert {("a/v", "a/w"), ("b/v", "b/w")} <= joined


TEXT = """optimizer:
  ema:
    optimizer:
      adamw:
        learning_rate: 0.001
        groups:
          - {match: "*/bias", weight_decay: 0}
          - match: dense1/*
            %s
"""


def errors(line: str) -> list[Any]:
    text = TEXT % line
    source = Source("a.yaml", "file", None)
    resolved = Resolved(parse(text, source).tree, Experiment, text)
    _, problems = resolved.built()
    return [e for e in resolved.errors(problems) if e.code != "config-missing-key"]


@pytest.mark.parametrize(
    ("line", "column"),
    [("rat: 0.1", 13), ("rate: -1", 19), ("rate: fast", 19), ("weight_decay: no", 27)],
)
def test_mistakes_have_their_place(line: str, column: int) -> None:
    (error,) = errors(line)
    assert (error.place.line, error.place.column) == (9, column)


def test_a_group_says_something() -> None:
    (error,) = errors("")
    assert "no setting of its own" in error.message and error.place.line in (8, 9)
    assert not errors("rate: 0.1")


def test_what_is_dumped_builds_the_same() -> None:
    optimizer = optim.Lookahead(optim.SGD(groups=GROUPS), steps=3)
    assert build(optim.Optimizer, dump(optimizer), (), []) == optimizer
