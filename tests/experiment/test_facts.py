"""What the diagnosis is told of real configs before their first update."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from nettrain.config import resolve
from nettrain.data.sources import ArraySource
from nettrain.diagnose import Evidence, LayerFacts
from nettrain.experiment.assembly import known, make_network, make_probe
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import Setup, set_up
from tests.experiment.conftest import SMALL, Write

Config = Mapping[str, Any]


def told(config: Config) -> Evidence:
    setup = set_up(config)
    return known(setup, make_network(setup))


def small(**sections: Any) -> dict[str, Any]:
    """The small config with whole sections replaced, `data` in part."""
    data = {**SMALL["data"], **sections.pop("data", {})}
    return {**SMALL, **sections, "data": data}


def arrays(x: Any, y: Any, **data: Any) -> dict[str, Any]:
    """The small config on arrays, every row of which is trained on."""
    source = ArraySource(np.asarray(x, float), np.asarray(y))
    given = {"split": {"validation": 0, "test": 0}, "preprocess": [], **data}
    return small(data={"source": source, **given}, model=[{"dense": "auto"}])


def layers(*model: Any, head: Any = "auto") -> Mapping[str, LayerFacts]:
    return told(small(model=[*model, {"dense": head}])).layers


def dense(units: int = 8, **settings: Any) -> dict[str, Any]:
    return {"dense": {"units": units, **settings}}


# ---------------------------------------------------------------- settings


def test_settings_name_what_can_be_patched() -> None:
    setup = set_up(small(optimizer={"sgd": {"learning_rate": 0.1}}))
    settings = known(setup, make_network(setup)).settings
    assert set(settings) >= {
        "learning_rate", "preprocess", "maximize", "shuffle", "class_weights", "stop",
        "loss", "batch_size", "epochs", "clip_norm",
    }  # fmt: skip
    assert "standardize_target" not in settings
    assert settings["learning_rate"].path == "optimizer.sgd.learning_rate"
    assert settings["class_weights"].path == "loss.cross_entropy.class_weights"
    assert (settings["epochs"].value, settings["shuffle"].value) == (4, True)
    patch = [{"do": "set", "path": s.path, "value": s.value} for s in settings.values()]
    again = resolve({**SMALL, "patch": patch}, schema=Experiment).build()
    assert again.train.epochs == 4
    assert again.optimizer.registered_name == "sgd"


def test_settings_of_a_regression_and_of_steps() -> None:
    config = small(
        data={"source": "diabetes"},
        loss="mse",
        metrics=[],
        model=[{"dense": 1}],
        train={"steps": 30},
    )
    settings = told(config).settings
    assert settings["standardize_target"].path == "data.standardize_target"
    assert settings["steps"].value == 30
    assert "class_weights" not in settings and "epochs" not in settings


TEXT = """\
name: lines
data:
  source: iris
  batch_size: 16
model:
  - dense:
      units: 8
      activation: relu
  - dense: auto
loss: cross_entropy
train:
  epochs: 2
"""


def test_lines_of_the_config(write: Write) -> None:
    evidence = told(write(TEXT))
    lines = {key: setting.config_line for key, setting in evidence.settings.items()}
    assert (lines["batch_size"], lines["loss"], lines["epochs"]) == (4, 10, 12)
    assert lines["shuffle"] == 2  # not written: the section it belongs in
    assert lines["learning_rate"] is None  # nor is the section
    assert evidence.layers["dense1"].config_line == 6
    assert evidence.layers["dense2"].config_line == 9


def test_lines_of_another_file_are_not_cited(write: Write) -> None:
    write(TEXT, "base.yaml")
    child = "extends: base.yaml\n\n\noptimizer: {sgd: {learning_rate: 0.1}}\n"
    setup = set_up(write(child))
    evidence = known(setup, make_network(setup))
    assert evidence.layers["dense1"].config_line is None
    assert evidence.settings["batch_size"].config_line is None
    assert evidence.settings["learning_rate"].config_line == 4
    assert setup.recipe.origins["model/dense1"].endswith("base.yaml:6")
    assert setup.recipe.origins["loss"].endswith("base.yaml:10")


def test_a_run_that_goes_on_cites_the_lines_it_began_with() -> None:
    setup = set_up(small())
    origins = {"config": "a.yaml:1", "model/dense1": "a.yaml:7", "loss": "b.yaml:9"}
    recipe = dataclasses.replace(setup.recipe, origins=origins)
    evidence = known(dataclasses.replace(setup, recipe=recipe), make_network(setup))
    assert evidence.layers["dense1"].config_line == 7
    assert evidence.layers["dense2"].config_line is None
    assert evidence.settings["loss"].config_line is None


# ---------------------------------------------------------------- layers


def test_a_layer_in_full() -> None:
    found = layers(dense(activation="relu", name="first", bias_init={"constant": 0.1}))
    first, last = found["first"], found["dense2"]
    assert (first.path, first.kind, first.units) == ("model.first", "dense", 8)
    assert first.activation and first.width and first.bias_init
    assert first.activation.path == "model.first.activation"
    assert (first.activation.value, first.width.value) == ("relu", 8)
    assert first.width.path == "model.first.units"
    assert first.bias_init.name == "constant"
    assert first.parameters == ("model/first/weight", "model/first/bias")
    assert (first.linear, first.can_die, first.trainable) == (False, True, True)
    assert (last.linear, last.can_die, last.normalized) == (True, False, False)
    assert last.activation and last.activation.value == "none"
    assert last.width and last.width.value == "auto"
    assert last.units == 3


def test_first_weights() -> None:
    model = dense(400, activation="relu", weight_init={"normal": {"std": 0.01}})
    first = layers(model)["dense1"].first
    assert first and (first.fan_in, first.fan_out, first.twins) == (4, 400, 0)
    assert first.rms == pytest.approx(0.01, rel=0.1)
    assert first.gain == pytest.approx(2**0.5)


@pytest.mark.parametrize("init", ["zeros", {"constant": 0.1}])
def test_units_that_are_twins(init: Any) -> None:
    first = layers(dense(6, weight_init=init))["dense1"].first
    assert first and first.twins == 6


def test_only_some_units_are_twins() -> None:
    from nettrain.experiment.layer_facts import _twins

    weights = np.array([[1.0, 2.0, 1.0, 0.0, -0.0], [3.0, 3.0, 3.0, 5.0, 5.0]])
    assert _twins(weights, -1) == 4
    assert _twins(weights, 0) == 0
    assert _twins(np.ones((3, 4)), 0) == 3


@pytest.mark.parametrize(
    ("behind", "normalized"),
    [
        (["batch_norm"], True),
        (["relu", "layer_norm"], True),
        ([{"dropout": 0.2}, "batch_norm", "relu"], True),
        (["relu"], False),
        (["relu", {"dense": 4}, "batch_norm"], False),
        ([{"residual": ["batch_norm"]}], False),  # the shortcut passes it by
        ([{"residual": [{"dense": 8}]}, "layer_norm"], False),  # so does this weight
        ([{"residual": ["relu"]}, "layer_norm"], True),
    ],
)
def test_a_normalization_behind_a_layer(behind: list[Any], normalized: bool) -> None:
    found = layers(dense(), *behind)
    assert found["dense1"].normalized is normalized
    assert found[next(n for n in reversed(found) if "dense" in n)].normalized is False


def test_a_normalization_within_blocks() -> None:
    block = [dense(), "batch_norm", "relu", dense()]
    found = layers(dense(), {"repeat": {"times": 2, "block": [{"residual": block}]}})
    inner = found["repeat1/2/residual1/dense1"]
    assert inner.normalized
    assert inner.path == "model.repeat1.residual1.dense1"
    assert not found["repeat1/2/residual1/dense2"].normalized
    # What lies on the shortcut is met by the sum and by the next block.
    assert not found["repeat1/1/residual1/dense2"].normalized


def test_an_activation_in_a_layer_of_its_own() -> None:
    direct = layers(dense(), "relu")
    assert direct["dense1"].activation
    assert direct["dense1"].activation.path == "model.relu1"
    assert direct["dense1"].can_die and not direct["dense1"].linear
    distant = layers(dense(), "batch_norm", "relu")
    first = distant["dense1"]
    assert first.activation and first.activation.path == "model.relu1"
    assert first.first and first.first.gain == pytest.approx(2**0.5)
    assert not first.linear and not first.can_die  # its z may stay below 0
    assert distant["relu1"].can_die and distant["relu1"].units == 8
    assert distant["relu1"].first is None


def test_a_nonlinearity_behind_another_weight_is_not_its_own() -> None:
    found = layers(dense(), dense(activation="tanh"))
    assert found["dense1"].linear and not found["dense2"].linear
    assert found["dense1"].first and found["dense1"].first.gain == 1.0


def test_a_frozen_layer() -> None:
    inner = {"sequential": {"layers": [dense()]}}
    found = told(small(model=[dense(trainable=False), inner, {"dense": 3}]))
    assert [name for name, layer in found.layers.items() if not layer.trainable] == [
        "dense1"
    ]
    assert found.parameters == tuple(
        f"model/{layer}/{name}"
        for layer in ("sequential1/dense1", "dense2")
        for name in ("weight", "bias")
    )


def test_every_layer_has_its_line_and_its_facts(write: Write) -> None:
    text = TEXT.replace("  - dense: auto", "  - layer_norm\n  - dense: auto")
    found = told(write(text)).layers
    assert found["layer_norm1"].config_line == 9
    assert found["layer_norm1"].parameters == (
        "model/layer_norm1/scale", "model/layer_norm1/shift",
    )  # fmt: skip
    assert found["layer_norm1"].first is None
    assert not found["layer_norm1"].linear  # it has no units to speak of


# ---------------------------------------------------------------- data


def test_inputs_as_the_network_is_given_them() -> None:
    x = np.array([[0.0, 1000.0], [2.0, 1000.0], [4.0, 1000.0], [6.0, 1000.0]] * 8)
    found = told(arrays(x, [0, 1] * 16)).inputs
    assert found and len(found.names) == 2
    np.testing.assert_allclose(found.mean, [3.0, 1000.0])
    np.testing.assert_allclose(found.std, [5**0.5, 0.0], atol=1e-12)
    assert found.shared == 0
    scaled = told(arrays(x, [0, 1] * 16, preprocess=["standardize"])).inputs
    assert scaled
    np.testing.assert_allclose(scaled.std, [1.0, 0.0], rtol=1e-6, atol=1e-12)


def test_chunks_do_not_change_the_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    from nettrain.experiment import data_facts

    x = np.random.default_rng(0).normal(5.0, 2.0, (50, 3)).astype(np.float32)
    monkeypatch.setattr(data_facts, "_CHUNK", 7)
    mean, std = data_facts._moments(x)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(std, x.astype(float).std(axis=0), rtol=1e-12)


def test_rows_that_training_and_validation_share() -> None:
    x = np.arange(40.0).reshape(20, 2)
    y = np.arange(20) % 2
    # The last four rows validate: two are rows 0 and 1, one has another target.
    x[16], x[17], x[18] = x[0], x[1], x[2]
    y[16], y[17], y[18] = y[0], y[1], 1 - y[2]
    split = {"validation": 0.2, "test": 0, "by": "order"}
    found = told(arrays(x, y, split=split)).inputs
    assert found and (found.shared, found.repeated) == (2, 0)
    # Rows 0, 1 and 2 are one row, which validates too, once; 3 has another target.
    x[1] = x[2] = x[3] = x[0]
    y[:4] = [0, 0, 0, 1]
    x[6] = x[8]  # and these two are one
    found = told(arrays(x, y, split=split)).inputs
    assert found and (found.shared, found.repeated) == (1, 5)
    whole = told(arrays(x, y)).inputs
    assert whole and (whole.shared, whole.repeated) == (0, 6)


@pytest.mark.parametrize(("values", "copies"), [(1000, True), (2, False)])
def test_copies_of_rows_are_told_from_coarse_ones(values: int, copies: bool) -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, values, (60, 3)).repeat(3, axis=0).astype(float)
    split = {"validation": 0.3, "test": 0}
    y = np.arange(60).repeat(3) % 2
    found = told(arrays(x, y, split=split, preprocess=["standardize"])).inputs
    assert found and found.shared > 27
    assert (found.coincidence < 0.01) == copies
    assert found.near == (0 if copies else 1)
    alone = told(arrays(x[::3], y[::3], split=split)).inputs
    assert alone and (alone.coincidence == np.inf) == (alone.shared == 0)


def test_rows_that_are_others_but_for_a_value() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 3))
    y = np.arange(40) % 2
    split = {"validation": 0.25, "test": 0, "by": "order"}
    found = told(arrays(x, y, split=split)).inputs
    assert found and found.near == np.inf  # no row is shared: nobody looks
    x[30], y[30] = x[0], y[0]
    found = told(arrays(x, y, split=split)).inputs
    assert found and (found.shared, found.near) == (1, 0)
    x[1, :2], x[3, 1:] = x[2, :2], x[4, 1:]
    x[6, 0] = x[7, 0]  # two values differ
    x[8], y[8] = x[9], y[9]  # one row, twice
    found = told(arrays(x, y, split=split)).inputs
    assert found and found.near == pytest.approx(4 / 29)


def test_columns_of_numbers_and_categories(write: Write) -> None:
    lines = ["a,zone,b,y", *(f"{n},{'nsw'[n % 3]},{n % 5},{n % 2}" for n in range(40))]
    write("\n".join(lines), "t.csv")
    config = TEXT.replace("source: iris", "source: t.csv\n  target: y")
    dataset = set_up(write(config)).dataset
    names, columns = dataset.preparation.by_column(dataset.parts["train"].inputs)
    rows = dataset.parts["train"].rows
    assert names == ("a", "b", "zone")
    np.testing.assert_array_equal(columns[:, 0], rows)
    np.testing.assert_array_equal(columns[:, 1], rows % 5)
    np.testing.assert_array_equal(columns[:, 2], np.array([1, 2, 3])[rows % 3])


def test_counts_are_no_labels() -> None:
    y = np.arange(40) % 6
    for loss, alike in (("mse", True), ("poisson", False)):
        config = {**arrays(np.arange(80.0).reshape(40, 2), y), "loss": loss}
        found = told({**config, "metrics": []}).targets
        assert found and found.looks_like_classes == alike


def test_targets_of_a_classification() -> None:
    y = [0] * 30 + [1] * 6 + [2] * 4
    split = {"validation": 0.5, "test": 0, "stratify": True}
    found = told(arrays(np.arange(80.0).reshape(40, 2), y, split=split)).targets
    assert found and found.task == "classification"
    assert (found.rows, found.validation_rows) == (20, 20)
    assert found.names == ("0", "1", "2")
    assert found.counts.tolist() == [15, 3, 2]
    assert found.validation_counts.tolist() == [15, 3, 2]
    assert found.mean.size == 0 and not found.looks_like_classes


def test_labels_that_the_loss_ignores_are_not_counted() -> None:
    y = [0] * 30 + [1] * 6 + [2] * 4
    split = {"validation": 0.5, "test": 0, "stratify": True}
    config = arrays(np.arange(80.0).reshape(40, 2), y, split=split)
    found = told({**config, "loss": {"cross_entropy": {"ignore": 1}}}).targets
    assert found and found.ignore == 1
    assert found.counts.tolist() == found.validation_counts.tolist() == [15, 0, 2]
    assert found.majority == 15 / 17


def regression(y: Any, **data: Any) -> dict[str, Any]:
    config = arrays(np.random.default_rng(0).normal(size=(len(y), 2)), y, **data)
    return {**config, "loss": "mse", "metrics": []}


def test_targets_of_a_regression() -> None:
    y = np.linspace(100.0, 300.0, 41)
    found = told(regression(y)).targets
    assert found and found.task == "regression" and found.counts.size == 0
    assert found.mean == pytest.approx([200.0])
    assert found.std == pytest.approx([y.std()])
    assert not found.looks_like_classes
    scaled = told(regression(y, standardize_target=True)).targets
    assert scaled
    assert scaled.std == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("y", "data", "alike"),
    [
        (np.arange(40) % 3, {}, True),
        (np.arange(40) % 3, {"standardize_target": True}, True),
        (np.arange(40) % 3, {"task": "regression"}, False),
        (np.arange(40) % 3 + 0.5, {}, False),
        (np.arange(60) % 30, {}, False),
        (np.arange(10) % 6, {}, False),  # more than half as many values as rows
        (np.arange(60) % 20, {}, True),
        (np.arange(63) % 21, {}, False),
    ],
)
def test_a_regression_on_classes(y: Any, data: Config, alike: bool) -> None:
    found = told(regression(y.astype(float), **data)).targets
    assert found and found.looks_like_classes is alike


def test_a_regression_on_a_source_of_classes() -> None:
    blobs = {"blobs": {"samples": 300, "centers": 30}}
    config = {**small(data={"source": blobs}), "loss": "mse", "metrics": []}
    found = told({**config, "model": [{"dense": 1}]}).targets
    assert found and found.looks_like_classes


def test_several_targets_are_no_classes() -> None:
    y = np.stack([np.arange(40) % 2, np.arange(40) % 3], axis=1).astype(float)
    found = told(regression(y)).targets
    assert found and found.mean.shape == (2,) and not found.looks_like_classes


def in_order(y: Any, **data: Any) -> float:
    config = arrays(np.zeros((len(y), 1)) + np.arange(len(y))[:, None], y, **data)
    found = told(config).targets
    assert found
    return found.order


def test_the_order_of_the_rows() -> None:
    sorted_, mixed = np.repeat([0, 1], 200), np.arange(400) % 2
    assert in_order(sorted_, shuffle=False) < 0.1
    assert in_order(sorted_, shuffle=True) == 1.0
    assert in_order(mixed, shuffle=False) == pytest.approx(1.0, abs=0.05)


def test_small_batches_are_judged_by_32_rows() -> None:
    # One row is of one class, and yet no order is to be seen.
    assert in_order(np.arange(400) % 2, shuffle=False, batch_size=2) > 0.9
    # A batch of all rows, or nearly, has no order.
    assert in_order(np.repeat([0, 1], 50), shuffle=False, batch_size=60) == 1.0


def test_several_batches_of_an_update_are_judged_together() -> None:
    config = arrays(np.arange(512)[:, None], np.arange(512) // 64 % 2, batch_size=64)
    config["data"]["shuffle"] = False
    for several, low, high in ((1, 0.0, 0.1), (2, 0.9, 1.1)):
        found = told({**config, "train": {"epochs": 1, "accumulate": several}})
        assert found.targets is not None and low <= found.targets.order <= high
        assert found.batch_size == 64 * several
        assert ("accumulate" in found.settings) == (several > 1)
    config["train"] = {"epochs": 1, "accumulate": 100}
    assert told(config).batch_size == 512


# ---------------------------------------------------------------- weight decay


def test_no_weight_decay() -> None:
    assert told(small()).decay is None


def test_weight_decay_of_an_optimizer() -> None:
    rate = {"cosine": {"peak": 0.05, "warmup": "10 steps"}}
    config = small(optimizer={"sgd": {"learning_rate": rate, "weight_decay": 0.5}})
    found = told(config).decay
    assert found and found.coupled.tolist() == [0.5] * 4
    assert found.decoupled == 0.0
    assert found.rate == pytest.approx(0.05)
    assert [s.path for s in found.settings] == ["optimizer.sgd.weight_decay"]
    decoupled = told(small(optimizer={"adamw": {"weight_decay": 0.5}})).decay
    assert decoupled and decoupled.decoupled == 0.5
    assert decoupled.coupled.tolist() == [0.0] * 4


def test_weight_decay_of_layers() -> None:
    block = {"repeat": {"times": 2, "block": [dense(weight_l2=0.1)]}}
    model = [dense(), block, {"dense": 3}]
    found = told(small(model=model, optimizer={"adam": {"weight_decay": 0.01}})).decay
    assert found
    weights = [0.01, 0.11, 0.11, 0.01]
    assert found.coupled[0::2] == pytest.approx(weights)
    assert found.coupled[1::2] == pytest.approx([0.01] * 4)
    assert [(s.path, s.value) for s in found.settings] == [
        ("optimizer.adam.weight_decay", 0.01),
        ("model.repeat1.dense1.weight_l2", 0.1),
    ]


# ---------------------------------------------------------------- as a whole


def test_nodes_parameters_and_plan_are_those_of_the_probe() -> None:
    setup = set_up(small())
    network = make_network(setup)
    evidence, probe = known(setup, network), make_probe(setup, network)
    assert probe is not None
    for name in ("nodes", "parameters", "planned_steps", "steps_per_epoch", "prior"):
        assert getattr(evidence, name) == getattr(probe.evidence, name), name
    assert evidence.batch_size == 16
    assert evidence.nodes[-1].output


def test_each_part_has_a_guess_of_its_own() -> None:
    """Four rows train, two of each class; of those that validate three are of one."""
    x, y = np.random.default_rng(0).normal(size=(8, 2)), [0, 1, 0, 1, 1, 1, 1, 0]
    split = {"validation": 0.5, "test": 0, "by": "order"}
    found = told(arrays(x, y, split=split))
    shares = np.array([0.25, 0.75])
    assert found.prior == pytest.approx(np.log(2))
    assert found.validation_prior == pytest.approx(-(shares * np.log(shares)).sum())
    assert np.isnan(told(arrays(x, y)).validation_prior)


def _same(a: Any, b: Any) -> bool:
    pairs = zip(dataclasses.astuple(a), dataclasses.astuple(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs if not isinstance(x, dict))


def test_what_is_known_does_not_depend_on_the_present_weights() -> None:
    setup: Setup = set_up(small())
    network = make_network(setup)
    before = known(setup, network)
    for value in network.state.values():
        value[...] = 7.0
    after = known(setup, network)
    assert before.signals and after.signals and _same(before.signals, after.signals)
    assert before.layers == after.layers
