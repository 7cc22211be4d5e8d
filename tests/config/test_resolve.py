"""Extending, patching, overriding, and where every value came from."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from nettrain.component import Problem, dump
from nettrain.config import write_resolved
from nettrain.config.patch import apply
from nettrain.errors import Error

TEXT = """\
name: net
data: {source: moons}
model:
  - dense: 64
  - relu
  - dense: {units: 3, activation: leaky_relu, name: head}
  - dense: 2
  - residual: [dense: 8, relu, residual: {block: [dense: 1], name: inner}]
  - branch: {paths: [[relu], [dense: 5]]}
optimizer: adam
train: {epochs: 4}
"""


def test_a_plain_file(resolved) -> None:
    found = resolved("seed: 3\nmodel: [dense: 64]\n")
    assert found.value == {"seed": 3, "model": [{"dense": 64}]}
    assert found.text == "seed: 3\nmodel: [dense: 64]\n"
    assert found.source(("seed",)) == "a.yaml:1"
    assert found.source(("model", 0, "dense", "units")) == "a.yaml:2"
    assert found.source(("model", 0, "dense", "bias")) == "default"
    assert found.source(("optimizer", "adam", "beta1")) == "default"
    assert found.base(("seed",)) == Path.cwd()


def test_extends_merges_mappings_and_replaces_lists(resolved) -> None:
    base = """\
    seed: 1
    metrics: [a, b]
    data: {source: moons, batch_size: 8}
    train: {epochs: 4, stop: {monitor: loss, patience: 3}}
    """
    over = """\
    extends: b.yaml
    metrics: [c]
    data: {batch_size: 16}
    train: {stop: {patience: 5}}
    """
    found = resolved(dedent(over), b=dedent(base))
    assert found.value == {
        "seed": 1,
        "metrics": ["c"],
        "data": {"source": "moons", "batch_size": 16},
        "train": {"epochs": 4, "stop": {"monitor": "loss", "patience": 5}},
    }
    assert found.source(("train", "stop", "monitor")) == "extends b.yaml:4"
    assert found.source(("train", "stop", "patience")) == "a.yaml:4"


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ("{adam: {beta1: .5}}", "{sgd: {momentum: 1}}", {"sgd": {"momentum": 1}}),
        (
            "{adam: {beta1: .5}}",
            "{adam: {beta2: .6}}",
            {"adam": {"beta1": 0.5, "beta2": 0.6}},
        ),
        ("adam", "{adam: {beta1: .5}}", {"adam": {"beta1": 0.5}}),
        ("{adam: }", "{adam: {beta1: .5}}", {"adam": {"beta1": 0.5}}),
        ("sgd", "{adam: {beta1: .5}}", {"adam": {"beta1": 0.5}}),
        (
            "{adam: .1}",
            "{adam: {beta1: .5}}",
            {"adam": {"learning_rate": 0.1, "beta1": 0.5}},
        ),
        ("{adam: {beta1: .5}}", "adam", "adam"),
        (
            "{adam: {learning_rate: .1}}",
            "{adam: {learning_rate: {cosine: {final: 0}}}}",
            {"adam": {"learning_rate": {"cosine": {"final": 0}}}},
        ),
        (
            "{adam: {learning_rate: {cosine: .1}}}",
            "{adam: {learning_rate: {cosine: {final: 0}}}}",
            {"adam": {"learning_rate": {"cosine": {"peak": 0.1, "final": 0}}}},
        ),
    ],
)
def test_extends_keeps_a_component_or_replaces_it(
    base: str, over: str, expected: object, resolved
) -> None:
    over = f"extends: b.yaml\noptimizer: {over}"
    assert resolved(over, b=f"optimizer: {base}").value["optimizer"] == expected


def test_extends_of_extends_with_patches_from_another_folder(resolved) -> None:
    Path("sub").mkdir()
    Path("sub/c.yaml").write_text("seed: 1\nname: c\nmetrics: [x]")
    Path("sub/b.yaml").write_text(
        "extends: c.yaml\npatch: [{do: insert, path: metrics, value: y}]\n"
    )
    found = resolved("extends: sub/b.yaml\nname: a")
    assert found.value == {"seed": 1, "name": "a", "metrics": ["x", "y"]}
    assert found.source(("seed",)) == "extends sub/c.yaml:1"
    assert found.source(("metrics", 1)) == "extends sub/b.yaml:2"
    assert found.base(("seed",)) == Path.cwd() / "sub"
    assert found.base(("name",)) == Path.cwd()


def layers(found: object) -> object:
    return found.value["model"]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("seed", ("seed",)),
        ("train.stop.patience", ("train", "stop", "patience")),
        ("optimizer.adam.beta1", ("optimizer", "adam", "beta1")),
        ("model", ("model",)),
        ("model.dense1", ("model", 0)),
        ("model.dense1.units", ("model", 0, "dense", "units")),
        ("model.0.dense.units", ("model", 0, "dense", "units")),
        ("model.head", ("model", 2)),
        ("model.head.activation", ("model", 2, "dense", "activation")),
        ("model.dense3.units", ("model", 3, "dense", "units")),
        ("model.relu1", ("model", 1)),
        (
            "model.residual1.dense1.units",
            ("model", 4, "residual", "block", 0, "dense", "units"),
        ),
        ("model.residual1.relu1", ("model", 4, "residual", "block", 1)),
        ("model.residual1.block.1", ("model", 4, "residual", "block", 1)),
        (
            "model.residual1.inner.dense1",
            ("model", 4, "residual", "block", 2, "residual", "block", 0),
        ),
        (
            "model.branch1.paths.1.dense1.units",
            ("model", 5, "branch", "paths", 1, 0, "dense", "units"),
        ),
    ],
)
def test_written_paths(path: str, keys: tuple, resolved) -> None:
    assert resolved(TEXT).find(path) == keys


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("model.dense4", 'no "dense4" in model'),
        ("model.7.dense", 'no "7" in model'),
        ("model.residual1.block.x", 'no "x" in model.4.residual.block'),
    ],
)
def test_paths_to_no_element(path: str, message: str, resolved) -> None:
    with pytest.raises(Error, match=message) as caught:
        resolved(TEXT).find(path)
    assert caught.value.fix


def test_every_path_of_the_dumped_tree_finds_its_line(resolved) -> None:
    found = resolved(TEXT)
    whole = dump(found.build())
    units = ("model", 4, "residual", "block", 0, "dense", "units")
    assert whole["model"][4]["residual"]["block"][0]["dense"]["units"] == 8
    assert found.source(units) == "a.yaml:8"
    assert str(found.place(units)) == "a.yaml:8:23"
    assert found.source(("model", 1)) == "a.yaml:5"
    slope = ("model", 2, "dense", "activation", "leaky_relu", "slope")
    assert found.source(slope) == "default"
    assert str(found.place(slope)) == "a.yaml:6:35"
    assert str(found.place(("model", 9))) == "a.yaml:3:1"


def test_a_familys_own_short_form_gives_its_line_to_the_first_field(resolved) -> None:
    found = resolved("data: {source: t.csv}\nmodel: []\n")
    assert dump(found.build())["data"]["source"]["file"]["path"] == "t.csv"
    assert found.source(("data", "source", "file", "path")) == "a.yaml:1"
    assert found.source(("data", "source", "file", "separator")) == "default"


EDITS = [
    ("{do: set, path: seed, value: 3}", ("seed",), 3),
    ("{do: set, path: seed, value: null}", ("seed",), None),
    (
        "{do: set, path: model.dense1.units, value: 3}",
        ("model", 0),
        {"dense": {"units": 3}},
    ),
    (
        "{do: set, path: model.dense1.activation, value: relu}",
        ("model", 0),
        {"dense": {"units": 64, "activation": "relu"}},
    ),
    ("{do: set, path: model.relu1, value: {dense: 5}}", ("model", 1), {"dense": 5}),
    (
        "{do: set, path: optimizer.sgd.momentum, value: 1}",
        ("optimizer",),
        {"sgd": {"momentum": 1}},
    ),
    (
        "{do: set, path: train.stop.monitor, value: loss}",
        ("train",),
        {"epochs": 4, "stop": {"monitor": "loss"}},
    ),
    (
        "{do: set, path: model.residual1.relu1, value: {dense: 1}}",
        ("model", 4, "residual", "block", 1),
        {"dense": 1},
    ),
    ("{do: insert, path: metrics, value: r2}", ("metrics",), ["r2"]),
    (
        "{do: insert, path: model.relu1, value: {dropout: .5}}",
        ("model", 1),
        {"dropout": 0.5},
    ),
    ("{do: insert, path: model, value: relu}", ("model", 6), "relu"),
    ("{do: insert, path: model.6, value: relu}", ("model", 6), "relu"),
    (
        "{do: insert, path: data.columns.a, value: ignore}",
        ("data", "columns"),
        {"a": "ignore"},
    ),
    ("{do: remove, path: model.dense1}", ("model", 0), "relu"),
    ("{do: remove, path: train.epochs}", ("train",), {}),
]


@pytest.mark.parametrize(("edit", "path", "expected"), EDITS)
def test_patch(edit: str, path: tuple, expected: object, resolved) -> None:
    found = resolved(TEXT + f"patch:\n  - {edit}\n")
    assert not found.faults
    value = found.value
    for key in path:
        value = value[key]
    assert value == expected


def test_edits_follow_each_other_and_keep_their_lines(resolved) -> None:
    patch = """\
    patch:
      - {do: remove, path: model.relu1}
      - {do: insert, path: model.head, value: relu}
      - do: set
        path: model.relu1
        value: {leaky_relu: 0.2}
    """
    found = resolved(TEXT + dedent(patch))
    assert found.value["model"][1] == {"leaky_relu": 0.2}
    assert found.source(("model", 1, "leaky_relu", "slope")) == "a.yaml:17"
    assert str(found.place(("model", 1, "leaky_relu", "slope"))) == "a.yaml:17:25"
    assert found.source(("model", 2, "dense", "units")) == "a.yaml:6"


def test_an_alias_is_edited_in_one_place_only(resolved) -> None:
    text = "data: {source: moons}\nmodel: [&a {dense: {units: 3}}, *a]\n"
    found = resolved(text, "model.dense2.units=7")
    assert [layer["dense"]["units"] for layer in found.value["model"]] == [3, 7]


def test_edits_of_a_plain_config(resolved) -> None:
    schema = resolved(TEXT).schema
    edits = [{"do": "set", "path": "model.dense1.units", "value": 3}]
    config = {"model": [{"dense": 64}]}
    assert apply(config, edits, schema) == {"model": [{"dense": {"units": 3}}]}
    assert config == {"model": [{"dense": 64}]}
    with pytest.raises(Error, match="dense2"):
        apply(config, [{"do": "remove", "path": "model.dense2"}], schema)


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ("seed=3", ("seed",), 3),
        ("seed = 1e3", ("seed",), 1000.0),
        ("name=", ("name",), None),
        ("name=a=b", ("name",), "a=b"),
        ("metrics=[a, b]", ("metrics",), ["a", "b"]),
        ("model.dense1.units=32", ("model", 0), {"dense": {"units": 32}}),
        ("optimizer.adam.beta1=.5", ("optimizer",), {"adam": {"beta1": 0.5}}),
        ("optimizer.sgd.momentum=.5", ("optimizer",), {"sgd": {"momentum": 0.5}}),
        (
            "optimizer.adam.learning_rate.cosine.peak=1e-2",
            ("optimizer",),
            {"adam": {"learning_rate": {"cosine": {"peak": 0.01}}}},
        ),
        ("diagnose.threshold=2", ("diagnose",), {"threshold": 2}),
        ("data.source.moons.noise=0", ("data", "source"), {"moons": {"noise": 0}}),
        ("data.source.file.path=x", ("data", "source"), {"file": {"path": "x"}}),
        ("train.stop={monitor: x}", ("train", "stop"), {"monitor": "x"}),
    ],
)
def test_overrides(override: str, path: tuple, expected: object, resolved) -> None:
    found = resolved(TEXT + "diagnose: true\n", override)
    assert not found.faults
    value = found.value
    for key in path:
        value = value[key]
    assert value == expected
    assert type(value) is type(expected)
    assert "# command line" in write_resolved(found.value, found.source)


def test_an_override_of_a_scalar_schedule_drops_the_scalar(resolved) -> None:
    found = resolved(
        "optimizer: {adam: {learning_rate: .1}}",
        "optimizer.adam.learning_rate.cosine.final=0",
    )
    assert found.value["optimizer"]["adam"]["learning_rate"] == {"cosine": {"final": 0}}
    assert found.source(("optimizer", "adam")) == "a.yaml:1"
    assert found.place(("optimizer", "adam", "learning_rate"), key=True).column == 20


@pytest.mark.parametrize(
    ("override", "code", "fix"),
    [
        ("seed", "usage-override", "seed=3"),
        ("=3", "usage-override", "seed=3"),
        ("a..b=3", "usage-override", "seed=3"),
        ("a b=3", "usage-override", "seed=3"),
        ("", "usage-override", "seed=3"),
        ("sed=3", "config-unknown-key", 'did you mean "seed"?'),
        ("learning_rate=3", "config-unknown-key", "it belongs in optimizer.adam"),
        ("optimizer.adam.beta=3", "config-unknown-key", '"beta'),
        (
            "optimizer.beta1=3",
            "config-unknown-component",
            "did you mean optimizer.adam.beta1?",
        ),
        ("optimizer.x=3", "config-unknown-component", "known: adam, sgd"),
        ("model.dense9.units=3", "config-unknown-key", "it holds dense1"),
        ("name.x=3", "config-unknown-key", None),
        ("seed=x", "config-type", None),
        ("seed=[", "config-syntax", None),
        ("seed=!!int 3", "config-tag", None),
        ("train={steps: 1, steps: 2}", "config-duplicate-key", None),
        ("train.stop.patience=3", "config-missing-key", "add monitor: text"),
    ],
)
def test_bad_overrides(override: str, code: str, fix: str | None, resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved(TEXT, override).build()
    error = caught.value
    assert error.code == code
    assert error.exit_code == 2
    assert (error.place.file, error.place.line) == ("command line", None)
    assert str(error.place) == f"command line: {override}".removesuffix(": ")
    assert fix is None or fix in error.fix


def test_a_mapping_from_python(resolved, dense) -> None:
    config = {
        "data": {"source": "moons", "batch_size": np.int64(8)},
        "model": (dense(64), {"dense": 3}),
        "seed": 1,
    }
    found = resolved(config, "model.dense1.units=32", "seed=2")
    built = found.build()
    assert [layer.units for layer in built.model] == [32, 3]
    assert (built.data.batch_size, built.seed) == (8, 2)
    assert found.source(("data", "source")) == "mapping"
    assert found.source(("model", 0, "dense", "units")) == "command line"
    assert found.source(("model", 0, "dense", "bias")) == "mapping"
    assert str(found.place(("data", "source"))) == "mapping: data.source"
    assert "units: 64" in found.text
    assert config["model"][0].units == 64


def test_a_bare_component_from_python_is_spelt_out(resolved, dense) -> None:
    config = {"model": [dense(64, activation="leaky_relu")]}
    found = resolved(config, "model.dense1.activation.leaky_relu.slope=.5")
    layer = found.value["model"][0]["dense"]
    assert layer["activation"] == {"leaky_relu": {"slope": 0.5}}
    assert layer["units"] == 64


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        ({"data": {"source": object()}}, "config-type", "mapping: data.source"),
        ({"data": {1: 2}}, "config-key", "mapping: data"),
        ({"seed": 10**301}, "config-limit", "mapping: seed"),
        ({"data": {"source": "moons"}, "model": 3}, "config-type", "mapping: model"),
        ({"model": []}, "config-missing-key", "mapping"),
        ({"extends": "b.yaml"}, "config-missing-file", "mapping: extends"),
        ({"patch": [{"do": "set"}]}, "config-missing-key", "mapping: patch.0"),
    ],
)
def test_bad_mappings(value: dict, code: str, place: str, resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved(value).build()
    errors = getattr(caught.value, "errors", [caught.value])
    assert (code, place) in [(error.code, str(error.place)) for error in errors]


def test_a_mapping_without_end(resolved) -> None:
    config: dict = {}
    config["data"] = config
    with pytest.raises(Error, match="more than 50 levels"):
        resolved(config)


def test_a_mapping_extends_a_file_of_the_working_folder(resolved) -> None:
    found = resolved({"extends": "b.yaml", "seed": 1}, b="seed: 3\nname: b")
    assert found.value == {"seed": 1, "name": "b"}
    assert found.source(("name",)) == "extends b.yaml:2"


def test_problems_found_later_get_their_places(resolved) -> None:
    found = resolved(TEXT)
    problem = Problem("config-value", ("model", 3, "dense", "units"), "no head fits")
    (error,) = found.errors([problem])
    assert str(error.place) == "a.yaml:7:12"
    assert error.place.text == "  - dense: 2"
    whole = Problem("config-value", found.find("model.head"), "no head fits")
    (error,) = found.errors([whole])
    assert str(error.place) == "a.yaml:6:5"


def test_the_mapping_errors_of_a_config_do_not_hide_those_of_its_file(resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved("seed: 1\nseed: 2\nextends: b.yaml")
    codes = [error.code for error in caught.value.errors]
    assert codes == ["config-duplicate-key", "config-missing-file"]
