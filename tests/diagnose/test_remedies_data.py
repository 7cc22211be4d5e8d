"""Cures of what is wrong before the first step, on real configs: nothing is trained."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import (
    Evidence,
    Finding,
    LayerFacts,
    PreActivation,
    Setting,
    diagnose,
)
from nettrain.diagnose.remedies import data, initial
from nettrain.experiment.facts import facts
from nettrain.experiment.setup import set_up
from nettrain.nn import initial_values

Config = dict[str, Any]


def evidence(config: Config) -> Evidence:
    """All that is known before the first step."""
    setup = set_up(config)
    first = initial_values(setup.step.trace, setup.recipe.seed)
    return facts(setup, setup.step, first)


def patch(finding: Finding) -> list[dict[str, Any]]:
    assert finding.remedy is not None and finding.remedy.patch
    return [edit.to_json() for edit in finding.remedy.patch]


def cured(config: Config, id_: str, why: str = "") -> tuple[Finding, Evidence]:
    """The one such finding, and the evidence of the config with its patch."""
    found = [f for f in diagnose(evidence(config)) if f.id == id_ and why in f.why]
    assert len(found) == 1
    after = evidence({**config, "patch": patch(found[0])})
    left = [f for f in diagnose(after) if f.id == id_ and why in f.why]
    assert left == []
    return found[0], after


def network(*model: Any, source: Any = "moons", **other: Any) -> Config:
    given = {"source": source, **other.pop("data", {})}
    return {
        "data": given,
        "model": list(model),
        "loss": "cross_entropy",
        "train": {"epochs": 1},
        **other,
    }


HIDDEN = {"dense": {"units": 16, "activation": "relu"}}


def test_a_healthy_config_has_nothing_to_cure() -> None:
    config = network(HIDDEN, {"dense": "auto"}, data={"preprocess": ["standardize"]})
    assert diagnose(evidence(config)) == []


# ---------------------------------------------------------------- data


@pytest.mark.parametrize(
    "steps", [None, [], ["min_max"], [{"min_max": {"high": 999.0}}], ["robust"]]
)
def test_inputs_are_standardized_after_whatever_is_done(steps: Any) -> None:
    given = {} if steps is None else {"preprocess": steps}
    config = network(HIDDEN, {"dense": "auto"}, source="wine", data=given)
    before = evidence(config)
    edits = [edit.to_json() for edit in data.standardized(before).patch]
    after = set_up({**config, "patch": edits}).experiment.data.preprocess
    names = [step.registered_name for step in after]
    assert names[-1] == "standardize" and len(names) == len(steps or []) + 1
    if steps in (None, [], [{"min_max": {"high": 999.0}}]):
        cured(config, "D1")


def table(folder: Path, columns: dict[str, Any]) -> str:
    """A file with these columns."""
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


def test_nearly_constant_features_lose_their_floor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = rng.choice(["a", "b"], 200)
    columns = {
        "tiny": 1 + 1e-5 * rng.normal(size=200),
        "x": 10 * rng.normal(size=200),
        "z": 10 * rng.normal(size=200),
        "zone": names,
        "y": names,
    }
    steps = ["standardize", "one_hot"]
    source = {"target": "y", "preprocess": steps}
    config = network(
        HIDDEN, {"dense": "auto"}, source=table(tmp_path, columns), data=source
    )
    found, after = cured(config, "D1")
    assert found.measured < 0.01 and patch(found)[0]["do"] == "set"
    assert after.inputs is not None
    assert after.inputs.std[0] == pytest.approx(1.0)


def test_the_last_of_several_standardizations_loses_its_floor() -> None:
    steps = [{"standardize": {"floor": 0.1}}, "min_max", "standardize"]
    settings = {"preprocess": Setting("data.preprocess", steps)}
    (edit,) = data.standardized(Evidence(settings=settings)).patch
    assert edit.path == "data.preprocess.standardize2.floor"


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_iris_coincide_by_nature(seed: int) -> None:
    split = {"validation": 0.3, "test": 0}
    config = network(HIDDEN, {"dense": "auto"}, source="iris", data={"split": split})
    found = diagnose(evidence({**config, "seed": seed}))
    assert {f.severity for f in found if f.id == "D3"} <= {"note"}


@pytest.mark.parametrize("seed", [2, 3, 10])
def test_raw_digits_are_scaled_well_enough(seed: int) -> None:
    config = network(HIDDEN, {"dense": "auto"}, source="digits")
    found = diagnose(evidence({**config, "seed": seed}))
    assert "D1" not in [f.id for f in found]


def imbalanced(tmp_path: Path, loss: str) -> Config:
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(300) < 15, "rare", "usual")
    columns = {"x": rng.normal(size=300), "z": rng.normal(size=300), "y": labels}
    source = table(tmp_path, columns)
    config = network(HIDDEN, {"dense": "auto"}, source=source, data={"target": "y"})
    return {**config, "loss": loss}


def test_classes_are_weighed(tmp_path: Path) -> None:
    cured(imbalanced(tmp_path, "cross_entropy"), "D2")


def test_a_loss_that_cannot_weigh_gets_words(tmp_path: Path) -> None:
    found = diagnose(evidence(imbalanced(tmp_path, "binary_cross_entropy")))
    (words,) = [f.remedy for f in found if f.id == "D2"]
    assert words is not None and not words.patch and "cross_entropy" in words.text


def test_rows_are_shuffled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=300), "y": np.repeat(["a", "b", "c"], 100)}
    source = table(tmp_path, columns)
    split = {"validation": 0, "test": 0}
    given = {"target": "y", "shuffle": False, "split": split}
    found, _ = cured(
        network(HIDDEN, {"dense": "auto"}, source=source, data=given), "D4"
    )
    assert patch(found) == [{"do": "set", "path": "data.shuffle", "value": True}]


def test_a_column_that_tells_the_target_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["no", "yes", "maybe"], 300)
    columns = {"x": rng.normal(size=300), "copy": labels, "y": labels}
    source = table(tmp_path, columns)
    given = {"target": "y", "columns": {"x": "numeric"}}
    config = network(HIDDEN, {"dense": "auto"}, source=source, data=given)
    found, after = cured(config, "D5", "copy alone tells")
    kept = {"x": "numeric", "copy": "ignore"}
    assert patch(found) == [{"do": "set", "path": "data.columns", "value": kept}]
    assert after.inputs is not None and after.inputs.names == ("x",)


@pytest.mark.parametrize("size", [1.0, 50.0])
def test_counts_remain_counts(tmp_path: Path, size: float) -> None:
    """Poisson refuses a standardized target: nothing may ask for it."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 400))
    mean = np.exp(0.5 * a[0]) * size
    columns = {"a": a[0], "b": a[1], "calls": rng.poisson(mean)}
    config = network(
        {"dense": {"units": 32, "activation": "relu"}},
        {"dense": "auto"},
        source=table(tmp_path, columns),
        data={"target": "calls", "task": "regression", "preprocess": ["standardize"]},
        loss="poisson",
    )
    if size == 1:
        assert diagnose(evidence(config)) == []
        return
    assert [f.id for f in diagnose(evidence(config))] == ["I2"]
    found, after = cured(config, "I2")
    assert found.remedy and "the logarithm of the mean" in found.remedy.text
    at = {edit["path"]: edit["value"] for edit in patch(found)}
    expected = pytest.approx(np.log(np.mean(columns["calls"])), abs=0.1)
    assert at["model.dense2.bias_init"] == {"constant": {"value": expected}}
    assert after.signals is not None
    assert after.signals.loss < 1.2 * after.prior


def test_a_target_is_standardized() -> None:
    config = network(HIDDEN, {"dense": "auto"}, source="diabetes", loss="mse")
    _, after = cured(config, "D3", "scale of the target")
    assert after.targets is not None
    assert after.targets.std == pytest.approx([1.0])


@pytest.mark.parametrize(
    "last",
    [
        [{"dense": 1}],
        [{"dense": {"units": 1, "activation": "sigmoid", "name": "head"}}],
        [{"dense": 1}, "sigmoid"],
        [{"dense": 1}, {"softmax": {}}],
    ],
)
def test_labels_get_a_loss_for_classes(last: list[Any]) -> None:
    config = network(
        HIDDEN,
        *last,
        source="digits",
        data={"standardize_target": True},
        loss="mse",
        metrics=["r2"],
        train={"epochs": 1, "stop": {"monitor": "validation/r2", "patience": 3}},
    )
    found, after = cured(config, "D3", "loss does not fit")
    assert found.severity == "warning"
    assert after.targets is not None and after.targets.task == "classification"
    assert after.layers[after.nodes[after.output].layer].units == 10


# ---------------------------------------------------------------- first weights


@pytest.mark.parametrize("init", ["zeros", {"constant": 0.1}])
def test_units_that_start_alike_start_at_random(init: Any) -> None:
    hidden = {"dense": {"units": 16, "activation": "relu", "weight_init": init}}
    found, _ = cured(network(hidden, hidden, {"dense": "auto"}), "I1")
    assert found.layer == "dense1"
    assert [edit["path"] for edit in patch(found)] == [
        "model.dense2.weight_init",
        "model.dense1.weight_init",
    ]


@pytest.mark.parametrize(
    ("last", "severity"), [({}, "warning"), ({"weight_init": "zeros"}, "error")]
)
def test_units_that_start_alike_may_come_apart(last: Any, severity: str) -> None:
    same = {"constant": 0.1}
    hidden = {"dense": {"units": 16, "activation": "tanh", "weight_init": same}}
    found, _ = cured(network(hidden, {"dense": {"units": "auto", **last}}), "I1")
    assert found.severity == severity


def test_blocks_that_start_as_the_identity_are_healthy() -> None:
    zero = {"dense": {"units": 16, "weight_init": "zeros"}}
    block = {"residual": ["layer_norm", HIDDEN, zero]}
    last = {"dense": {"units": "auto", "weight_init": "zeros"}}
    config = network(HIDDEN, block, block, last, data={"preprocess": ["standardize"]})
    assert diagnose(evidence(config)) == []


def test_layers_that_are_too_large_together_are_scaled() -> None:
    """γ is 2 in each: the product over 10 of them counts."""
    large = {"units": 32, "activation": "tanh", "weight_init": {"normal": {"std": 0.4}}}
    deep = {"repeat": {"times": 10, "block": [{"dense": large}]}}
    found, _ = cured(network(HIDDEN, deep, {"dense": "auto"}), "I3")
    assert found.severity == "error" and found.threshold == 1.5
    assert [edit["path"] for edit in patch(found)] == [
        "model.repeat1.dense1.weight_init"
    ]
    block = [{"residual": [{"dense": large}]}]
    beside = {"repeat": {"times": 10, "block": block}}
    wide = {"dense": {"units": 32}}
    found_beside = diagnose(evidence(network(wide, beside, {"dense": "auto"})))
    assert "I3" not in [f.id for f in found_beside]


@pytest.mark.parametrize(
    "init",
    [
        {"normal": {"std": 0.01}},
        {"normal": {"std": 3.0}},
        {"uniform": {"limit": 2.0}},
        {"orthogonal": {"gain": 9.0}},
    ],
)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_weights_are_scaled(init: Any, activation: str) -> None:
    wrong = {"units": 32, "activation": activation, "weight_init": init}
    repeated = {"repeat": {"times": 3, "block": [{"dense": wrong}]}}
    config = network(HIDDEN, {"dense": wrong}, repeated, {"dense": "auto"})
    found, after = cured(config, "I3")
    paths = [edit["path"] for edit in patch(found)]
    assert sorted(paths) == [
        "model.dense2.weight_init",
        "model.repeat1.dense1.weight_init",
    ]
    assert all(edit["value"] == "auto" for edit in patch(found))
    gammas = [x.first.gamma for x in after.layers.values() if x.first is not None]
    assert min(gammas) > 0.5 and max(gammas) < 2


def test_one_wrong_layer_is_named() -> None:
    wrong = {"units": 16, "activation": "tanh", "weight_init": {"normal": {"std": 2}}}
    config = network(HIDDEN, HIDDEN, {"dense": wrong}, HIDDEN, {"dense": "auto"})
    found, _ = cured(config, "I3")
    assert found.layer == "dense3" and len(patch(found)) == 1


def test_other_weights_without_scale_are_scaled_too() -> None:
    """A last layer that starts small is right, but not beside others of its kind."""
    small = {"normal": {"std": 0.001}}
    hidden = {"dense": {"units": 16, "activation": "tanh", "weight_init": small}}
    last = {"dense": {"units": "auto", "weight_init": small}}
    found, _ = cured(network(hidden, last), "I3")
    assert "dense2" not in found.why
    assert [edit["path"] for edit in patch(found)] == [
        "model.dense2.weight_init",
        "model.dense1.weight_init",
    ]


def test_weights_that_are_scaled_already_are_not_set_again(healthy: Any) -> None:
    run = healthy()
    assert initial.scaled(run, list(run.layers.values())).patch == ()


@pytest.mark.parametrize(
    "init", [{"normal": {"std": 9.0}}, {"orthogonal": {"gain": 90}}]
)
def test_a_sure_last_layer_starts_smaller(init: Any) -> None:
    last = {"dense": {"units": "auto", "weight_init": init}}
    config = network(HIDDEN, last)
    found, after = cured(config, "I2")
    (edit,) = patch(found)
    scaled = "normal" in init
    assert found.severity == "note"
    assert edit["value"] == ("auto" if scaled else {"normal": {"std": 0.01}})
    assert "I3" not in [f.id for f in diagnose(after)]


# ---------------------------------------------------------------- widths and biases


@pytest.mark.parametrize(
    ("widths", "activation", "wide"),
    [([2, 8, 16], "relu", [8, 8, 16]), ([1, 1, 1], "tanh", [8, 8, 8])],
)
def test_narrow_layers_are_widened(
    widths: list[int], activation: str, wide: list[int]
) -> None:
    hidden = [{"dense": {"units": n, "activation": activation}} for n in widths]
    found, after = cured(network(*hidden, {"dense": "auto"}), "I4")
    assert [layer.units for layer in after.hidden()] == wide
    widened = [edit for edit in patch(found) if edit["path"].endswith("units")]
    assert len(widened) == sum(n < 8 for n in widths)
    leaky = [edit for edit in patch(found) if edit["value"] == "leaky_relu"]
    assert len(leaky) == (3 if activation == "relu" else 0)


def test_a_deep_network_is_widened_as_far_as_its_depth_asks() -> None:
    layer = {"dense": {"units": 12, "activation": "tanh"}}
    deep = {"repeat": {"times": 20, "block": [layer]}}
    found, after = cured(network(layer, deep, {"dense": "auto"}), "I4")
    assert {layer.units for layer in after.hidden() if layer.units} == {32}
    assert len(patch(found)) == 2


def test_a_residual_block_keeps_its_shape() -> None:
    narrow = {"dense": {"units": 3, "activation": "relu"}}
    block = {"residual": [narrow, {"dense": {"units": 3}}]}
    cured(network(narrow, block, {"dense": "auto"}), "I4")


def test_biases_that_kill_are_set_to_zero() -> None:
    bias = {"constant": -10.0}
    dead = {"dense": {"units": 16, "activation": "relu", "bias_init": bias}}
    config = network(dead, dead, {"dense": "auto"})
    first, *others = diagnose(evidence(config))
    assert (first.id, first.primary, first.layer) == ("I5", True, "dense1")
    assert [f.id for f in others if f.severity == "error"] == ["I5"]
    after = diagnose(evidence({**config, "patch": patch(first)}))
    assert "I5" not in [f.id for f in after]


def test_biases_that_kill_most_of_a_layer() -> None:
    bias = {"constant": -3.0}
    dead = {"dense": {"units": 32, "activation": "relu", "bias_init": bias}}
    config = network(dead, {"dense": "auto"}, data={"preprocess": ["standardize"]})
    found, _ = cured(config, "I5")
    assert 0.5 <= found.measured <= 24 / 32


# ---------------------------------------------------------------- without a config


def test_without_a_config_there_are_words() -> None:
    node = PreActivation("model/dense1/pre_activation", "dense1")
    for bare in (
        Evidence(),
        Evidence(nodes=(node,), layers={"dense1": LayerFacts("", "")}),
    ):
        for remedy in (
            data.standardized(bare),
            data.balanced(bare),
            data.shuffled(bare),
            data.target_scaled(bare),
            data.classified(bare),
            data.one_each(bare),
            initial.scaled(bare, list(bare.layers.values())),
            initial.different(bare, list(bare.layers.values())),
            initial.smaller_output(bare),
            initial.wider(bare, lambda units: True),
            initial.leaky(bare),
            initial.born_dead(bare),
        ):
            assert remedy.text and remedy.patch == ()


def test_units_born_dead_without_a_bias_get_width_and_slope(healthy: Any) -> None:
    run = healthy(depth=2)
    width = Setting("model.dense1.units", 3)
    narrow = dataclasses.replace(run.layers["dense1"], units=3, width=width)
    layers = {**run.layers, "dense1": narrow}
    remedy = initial.born_dead(dataclasses.replace(run, layers=layers))
    assert [(edit.path, edit.value) for edit in remedy.patch] == [
        ("model.dense1.units", 8),
        ("model.dense1.activation", "leaky_relu"),
    ]
    assert " and " in remedy.text
    leaky = initial.born_dead(run)
    assert [edit.value for edit in leaky.patch] == ["leaky_relu"]
    assert "wide" not in leaky.text


def test_too_few_outputs_become_one_for_each_class(healthy: Any) -> None:
    run = healthy(depth=2)
    width = Setting("model.dense2.units", 1)
    last = dataclasses.replace(run.layers["dense2"], width=width)
    remedy = data.one_each(dataclasses.replace(run, layers={"dense2": last}))
    assert [(edit.path, edit.value) for edit in remedy.patch] == [
        ("model.dense2.units", "auto")
    ]
