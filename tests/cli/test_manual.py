"""list and explain: every component and every key has its place and its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from nettrain.cli.manual import FAMILIES, OF_A_SWEEP, schema
from nettrain.component import describe, registered
from nettrain.experiment.schema import Experiment
from nettrain.study.settings import Sweep
from tests.cli.conftest import Call


def test_the_overview_lists_every_component(call: Call) -> None:
    answer = call("list")
    assert (answer.code, answer.err) == (0, "")
    for kind, base in FAMILIES.items():
        assert f"\n{kind}\n" in f"\n{answer.out}"
        for name in registered(base):
            assert f"\n  {name} " in answer.out


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_in_full(call: Call, kind: str) -> None:
    answer = call("list", kind)
    assert answer.code == 0
    assert all(len(line) <= 100 for line in answer.out.splitlines())
    for name, cls in registered(FAMILIES[kind]).items():
        if kind != "layers" or f"\n{name}\n" in f"\n{answer.out}":
            for field in describe(cls)[1]:
                assert f"    {field.name} " in answer.out


def test_activations_are_listed_once(call: Call) -> None:
    assert "\nrelu\n" not in call("list", "layers").out
    assert "\nrelu\n" in call("list", "activations").out


@pytest.mark.parametrize(("kind", "meant"), [("layer", "layers"), ("swep", "sweep")])
def test_an_unknown_family(call: Call, kind: str, meant: str) -> None:
    answer = call("list", kind)
    assert answer.code == 2
    assert f'did you mean "{meant}"?' in answer.err


def test_a_sweep_in_full(call: Call) -> None:
    answer = call("list", "sweep")
    assert (answer.code, answer.err) == (0, "")
    assert all(len(line) <= 100 for line in answer.out.splitlines())
    for field in describe(Sweep)[1]:
        assert f"\n    {field.name} " in answer.out
    for base in OF_A_SWEEP.values():
        for name, cls in registered(base).items():
            block = answer.out.split(f"\n{name} ({cls.kind})\n")[1].split("\n\n\n")[0]
            assert all(f"    {field.name} " in block for field in describe(cls)[1])
    assert "metric  a metric and its part, such as validation/loss;" in answer.out


# ---------------------------------------------------------------- explain


def keys(cls: type, path: str = "") -> Iterator[str]:
    """Every key of the schema that needs no component."""
    for field in describe(cls)[1]:
        yield f"{path}{field.name}"


OF_SWEEPS = [*keys(Sweep), "objective.metric", "objective.goal"]
SECTIONS = ["data", "data.split", "train", "train.stop", "train.checkpoint", "diagnose"]
BASES = (*FAMILIES.values(), *OF_A_SWEEP.values())
COMPONENTS = sorted({name for base in BASES for name in registered(base)})


@pytest.mark.parametrize(
    "path", dict.fromkeys([*keys(Experiment), *OF_SWEEPS, *SECTIONS, *COMPONENTS])
)
def test_every_key_and_component_is_explained(call: Call, path: str) -> None:
    answer = call("explain", path)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("optimizer.adam.learning_rate", ["a number at least 0", "0.001", "cosine"]),
        ("data.batch_size", ["rows in one batch", "an integer at least 1", "32"]),
        ("model.dense.units", ["how many outputs", "must be given"]),
        ("model.dense1.units", ["how many outputs"]),
        ("model.0.dense.units", ["how many outputs"]),
        ("model.residual1.dense2.bias", ["whether b is added", "true"]),
        ("train.stop.patience", ["this many epochs", "nothing"]),
        ("data.source.moons.noise", ["a number at least 0", "0.1"]),
        ("moons.noise", ["a number at least 0"]),
        ("data.columns.age", ['"numeric" or "categorical"']),
        ("optimizer", ["default  {adam: {learning_rate: 0.001", "sgd"]),
        ("diagnose.G1.threshold", ["0.001"]),
        ("mae", ["mae (loss)", "mae (metric)"]),
        ("space", ["space (of a sweep)", "by key of the base", "int_log"]),
        ("space.data.batch_size", ["(of a sweep)", "a range or a list of anything"]),
        ("objective.metric", ["objective.metric (of a sweep)", "validation/loss"]),
        ("method.random.points", ["(of a sweep)", "how many", "20"]),
        ("method.random", ["method.random (sweep method)", "points"]),
        ("random.points", ["how many", "20"]),
        ("method", ["known    grid, halving, optuna, random"]),
        ("backend", ["(of a sweep)", "loky"]),
        (
            "name",
            ["name (of a run)\n  of the run", "name (of a sweep)\n  of the sweep"],
        ),
        ("linear", ["linear (activation)", "linear (range)"]),
        ("extends", ["another config"]),
        ("batch_size", ["data.batch_size\n", "default  32"]),
        ("metric", ["objective.metric\n"]),
        (
            "units",
            [
                "model.dense.units\n  how many outputs",
                "model.gru.units, model.lstm.units, model.rnn.units\n  U, the size",
            ],
        ),
        (
            "weight_decay",
            ["optimizer.", " and ", " more\n"],
        ),
        ("warmup", ["cosine.warmup", "how long the rise takes"]),
        ("peak", ["cosine.peak", "one_cycle.peak", "must be given"]),
        ("learning_rate", ["optimizer.adam.learning_rate", "default  0.001\n"]),
        ("patch", ["do: set"]),
    ],
)
def test_what_is_said(call: Call, path: str, said: list[str]) -> None:
    answer = call("explain", path)
    assert answer.code == 0
    for words in said:
        assert words in answer.out


def test_every_setting_is_found_by_its_name_alone(call: Call) -> None:
    known = {
        f.name for b in BASES for c in registered(b).values() for f in describe(c)[1]
    }
    top = {*OF_SWEEPS, *keys(Experiment), *COMPONENTS}
    for key in sorted(known - top)[::7]:
        assert call("explain", key).code == 0, key


def test_a_key_is_told_once_for_each_default(call: Call) -> None:
    told = call("explain", "learning_rate").out.split("\n\n")
    defaults = {block.split("default  ")[1].split("\n")[0] for block in told}
    assert len(defaults) == len(told) > 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("adm", 'unknown key "adm"\n  did you mean "adam"?'),
        ("optimizer.adm", 'in optimizer\n  did you mean "adam"?'),
        ("train.epoch", 'in train\n  did you mean "epochs"?'),
        ("train.learning_rate", "it belongs in optimizer.ada"),
        ("optimizer.adam.lr", 'did you mean "learning_rate"?'),
        ("optimizer.adam.zzz", "known here: learning_rate, beta1"),
        ("model.dence.units", 'did you mean "dense"?'),
        ("objectve", 'did you mean "objective"?'),
        ("lr", 'did you mean "learning_rate"?'),
        ("warmpu", 'did you mean "warmup"?'),
        ("halvin", 'did you mean "halving"?'),
        ("objective.metrics", 'in objective\n  did you mean "metric"?'),
        ("method.points", "it belongs in method.halving, method.optuna or method."),
        ("method.random.data", 'unknown key "data" in method.random\n  known here: po'),
        ("name.x", 'unknown key "x" in name'),
        ("seed.seed", 'unknown key "seed" in seed'),
        ("", 'unknown key ""'),
        (".", 'unknown key ""'),
    ],
)
def test_unknown_keys(call: Call, path: str, said: str) -> None:
    answer = call("explain", path)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error[usage-unknown-key]")
    assert said in answer.err


# ---------------------------------------------------------------- the schema


def test_the_schema_is_printed_alone(call: Call) -> None:
    answer = call("list", "--schema")
    assert json.loads(answer.out) == json.loads(json.dumps(schema()))
    assert re.search(r'"\$schema": "https://json-schema.org', answer.out)


def test_the_schema_of_a_sweep_is_printed_alone(call: Call) -> None:
    answer = call("list", "sweep", "--schema")
    assert json.loads(answer.out) == json.loads(json.dumps(schema(Sweep)))
    assert "space" in schema(Sweep)["properties"]
    assert "space" not in schema()["properties"]


def test_there_is_no_schema_of_a_family(call: Call) -> None:
    answer = call("list", "layers", "--schema")
    assert (answer.code, answer.out) == (2, "")
    assert "nettrain list sweep --schema" in answer.err
