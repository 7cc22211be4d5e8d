"""The JSON Schema, by a validator of its own: what it admits and what it forbids."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from nettrain.cli.init import TEMPLATES
from nettrain.cli.manual import schema
from nettrain.component import (
    Component,
    Problem,
    build,
    dump,
    field_types,
    first_field,
    json_schema,
    registered,
)
from nettrain.config import parse, read
from nettrain.config.resolve import resolve
from nettrain.config.tree import Source
from nettrain.data import DataConfig
from nettrain.experiment.kind import is_sweep_file
from nettrain.experiment.schema import Experiment
from nettrain.nn import Initializer, Layer, Loss
from nettrain.optim import Optimizer
from nettrain.study.methods import Method
from nettrain.study.settings import Objective, Sweep
from nettrain.study.space import Range
from nettrain.training.metrics import Metric
from nettrain.training.settings import TrainConfig

ROOT = Path(__file__).parents[1]
ALL = sorted([*(ROOT / "configs").rglob("*.yaml"), *TEMPLATES.iterdir()])
SWEEPS = [path for path in ALL if is_sweep_file(path)]
FILES = [path for path in ALL if path not in SWEEPS]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_configs_are_valid(path: Path, validator: Draft202012Validator) -> None:
    assert [e.message for e in validator.iter_errors(read(path).value)] == []


@pytest.mark.parametrize("path", FILES[::3], ids=lambda path: path.stem)
def test_what_is_resolved_is_valid(path: Path, validator: Draft202012Validator) -> None:
    whole = dump(resolve(path, schema=Experiment).build())
    assert [e.message for e in validator.iter_errors(whole)] == []


GOOD = "data: {source: digits}\nmodel: [dense: 3]\nloss: mse\n"


def value(text: str) -> Any:
    return parse(text, Source("a.yaml", "file", Path())).value


@pytest.mark.parametrize(
    "text",
    [
        "model: [relu, dense: 64, dense: {units: 64, activation: relu}, flatten: ]",
        "model: [dense: {units: 3, activation: {leaky_relu: 0.1}, weight_init: ones}]",
        "model: [repeat: {times: 2, block: [residual: [relu, dense: 3]]}]",
        "model: {from: runs/a/1, freeze: ['dense*']}",
        "model: [flatten: true, dropout: 0.1, gelu: ]",
        "optimizer: sgd",
        "optimizer: {adam: 0.1}",
        "optimizer: {adam: {learning_rate: {cosine: 0.1}}}",
        "optimizer: {adam: {learning_rate: {cosine: {peak: 0.1, warmup: 5 %}}}}",
        "data: {source: a.csv, target: [a, b], columns: {a: ignore}, missing: drop}",
        "data: {source: {file: {path: a.csv}}, missing: {a: median}, preprocess: []}",
        "data: {source: {moons: }, split: {validation: a.csv, stratify: true}}",
        "data: {source: {moons: 10}, preprocess: [{one_hot: {unknown: error}}]}",
        "train: {checkpoint: {every: 10 steps}, stop: {minutes: 0.5}}",
        "train: {stop: {monitor: train/r2}}",
        "diagnose: {G1: {threshold: 0.1}, silence: [G2]}",
        "extends: a.yaml\npatch: [{do: set, path: seed, value: 1}]",
        "loss: {cross_entropy: {class_weights: [1, 2]}}",
    ],
)
def test_every_form_is_admitted(text: str, validator: Draft202012Validator) -> None:
    whole = {**value(GOOD), **value(text)}
    assert [e.message for e in validator.iter_errors(whole)] == []


@pytest.mark.parametrize(
    "text",
    [
        "sed: 1", "seed: -1", "seed: one", "seed: 1.5", "seed: true", "name: 3",
        "train: {epoch: 3}", "train: {stop: {monitr: x}}", "train: 5", "epochs: 4",
        "train: {stop: {monitor: val_loss}}", "train: {stop: {monitor: loss}}",
        "train: {epochs: 0}", "train: {checkpoint: {keep: 1}}", "metrics: accuracy",
        "train: {stop: {patience: 0}}",
        "metrics: [acc]", "metrics: [3]", "optimizer: adm", "optimizer: {adm: 1}",
        "optimizer: [adam]", "optimizer: {adam: {beta: 1}}", "optimizer: {adam: -1}",
        "optimizer: {adam: {}, sgd: {}}", "optimizer: 3", "optimizer: {}",
        "optimizer: {adam: {cosine: 0.1}}", "optimizer: {adam: true}",
        "optimizer: {adam: {beta1: 2}}",
        "model: 3", "model: [dense]", "model: [dense: {}]", "model: [dense: many]",
        "model: [repeat: 3]", "model: [{dense: 3, relu: }]", "model: [dropout: 2]",
        "model: relu",
        "model: [dense: {units: 3, activation: reul}]", "model: {freeze: [a]}",
        "loss: mes", "loss: ", "diagnose: maybe",
        "diagnose: {G1: {treshold: 1}}", "data: {}", "data: {source: digit}",
        "data: {source: {moons: {sample: 1}}}", "data: {source: 3}",
        "data: {source: digits, columns: {a: number}}", "dtype: float16",
        "data: {source: digits, split: {validation: 2}}", "format: 2", "threads: 0",
        "name: my run", "name: .a", "name: ''", f"name: {'a' * 101}",
        "data: {source: digits, split: {validation: 15%}}",
        "data: {source: digits, split: {test: a.txt}}",
        "patch: {do: set}", "patch: [{do: put, path: a}]", "extends: [a.yaml]",
    ],
)  # fmt: skip
def test_mistakes_are_forbidden(text: str, validator: Draft202012Validator) -> None:
    assert not validator.is_valid({**value(GOOD), **value(text)})


@pytest.mark.parametrize(
    "text",
    [
        "data: {batch_size: 3}", "data: {source: {series: {stride: 2}}}",
        "model: {freeze: [a]}", "optimizer: {adam: {learning_rate: {cosine: {}}}}",
        "optimizer: {ema: {optimizer: {adam: {learning_rate: {step: {}}}}}}", "seed: 1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("above", ["extends: a.yaml", "patch: []"])
def test_what_is_laid_over_may_lack_keys(
    text: str, above: str, validator: Draft202012Validator
) -> None:
    assert [e.message for e in validator.iter_errors(value(f"{text}\n{above}"))] == []
    assert not validator.is_valid({**value(GOOD), **value(text), "loss": None})
    alone = {**value(GOOD), **value(text)}
    assert validator.is_valid(alone) == (text == "seed: 1")


def test_a_list_is_never_laid_over(validator: Draft202012Validator) -> None:
    assert not validator.is_valid(value("extends: a.yaml\nmodel: [dense: {}]"))
    assert not validator.is_valid(value("extends: a.yaml\nmodel: [dense]"))


# ---------------------------------------------------------------- what editors show


def told(errors: Iterable[ValidationError]) -> Iterator[str]:
    """What editors may say of a mistake."""
    for error in errors:
        yield error.schema.get("errorMessage", error.message)
        yield from told(error.context)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: [dence: 3]", "unknown layer; `nettrain list layers` shows all"),
        ("model: [relue]", "expected a layer; `nettrain list layers` shows "),
        (
            "model: [dense: -3]",
            'dense: expected an integer at least 1 or "auto", its u',
        ),
        ("model: mlp", "expected a list of layers or a mapping with `from`"),
        ("model: {dense: 3}", "expected a list of layers or a mapping with `from`"),
        ("data: {source: digit}", "expected a source; "),
        ("optimizer: {adm: {}}", "unknown optimizer; known: adadelta, "),
        ("optimizer: {adam: {learning_rate: x}}", "expected a number at least 0 or a "),
        ("train: {epochs: many}", "expected an integer at least 1 or nothing"),
        ("train: {checkpoint: {every: 1 day}}", 'expected a length such as "10 steps"'),
        ("train: {stop: {monitor: loss}}", "expected a metric and its part, such as "),
        (
            "loss: {cross_entropy: {class_weights: x}}",
            'expected "none" or "balanced" or ',
        ),
        ("name: my run", "expected a name of letters, digits, dots, dashes and under"),
    ],
)
def test_what_is_said(text: str, words: str, validator: Draft202012Validator) -> None:
    errors = validator.iter_errors({**value(GOOD), **value(text)})
    assert any(message.startswith(words) for message in told(errors))


def test_what_is_completed() -> None:
    whole = schema()
    layers = {s["label"]: s for s in whole["$defs"]["Layer"]["defaultSnippets"]}
    assert layers["dense: …"]["bodyText"] == "dense: {units: $1}"
    assert layers["batch_norm: …"]["bodyText"] == "batch_norm: {momentum: ${1:0.1}}"
    assert "dense" not in layers and "flatten" in whole["$defs"]["LayerName"]["enum"]
    assert all(snippet["description"] for snippet in layers.values())
    inline = whole["$defs"]["ScheduleInline"]["defaultSnippets"]
    assert "{cosine: {peak: $1}}" in [snippet["bodyText"] for snippet in inline]
    train = whole["properties"]["train"]["then"]["properties"]
    assert "default" not in train["epochs"]  # null would be written
    known, text = train["stop"]["anyOf"][0]["then"]["properties"]["monitor"]["anyOf"]
    assert {"validation/loss", "train/accuracy"} <= set(known["enum"])
    assert "validation/confusion" not in known["enum"] and text["type"] == "string"


def test_every_key_says_meaning_type_and_default() -> None:
    properties = schema()["properties"]
    assert all(rule["description"] for rule in properties.values())
    said = properties["seed"]["description"]
    assert said.startswith("everything random comes from it.\n\nAn integer at least 0")
    assert said.endswith("; default 0.")


def test_keys_of_a_space_are_completed() -> None:
    known, other = schema(Sweep)["properties"]["space"]["propertyNames"]["anyOf"]
    assert {
        "optimizer.adam.learning_rate", "data.batch_size", "model.dense1.units",
        "train.epochs", "loss.huber.delta", "data.preprocess.standardize1.floor",
    } <= set(known["enum"])  # fmt: skip
    assert other == {"type": "string"}
    ranges = schema(Sweep)["$defs"]["RangeInline"]["defaultSnippets"]
    assert "{log: [$1]}" in [snippet["bodyText"] for snippet in ranges]
    assert not any(key.startswith("diagnose") for key in known["enum"])


# ---------------------------------------------------------------- sweeps


@pytest.fixture(scope="module")
def of_sweeps() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema(Sweep))
    return Draft202012Validator(schema(Sweep))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_our_sweeps_are_valid(path: Path, of_sweeps: Draft202012Validator) -> None:
    assert [e.message for e in of_sweeps.iter_errors(read(path).value)] == []
    whole = dump(resolve(path, schema=Sweep).build())
    assert [e.message for e in of_sweeps.iter_errors(whole)] == []
    assert not Draft202012Validator(schema()).is_valid(read(path).value)


@pytest.mark.parametrize(
    "text",
    [
        "space: {a: [1, x, null, {b: 1}], b: {log: [1e-3, 1]}, c: {int: [1, 2]}}",
        "space: {a: {linear: {between: [0, 1]}}, b: {int_log: [1, 9]}}",
        "method: grid", "method: {grid: {steps: 3}}", "method: {grid: 3}",
        "method: {halving: {points: 9, factor: 2, rungs: null}}", "folds: null",
        "objective: {metric: validation/f1, goal: max}", "workers: 3", "limit: 0.5",
        "patch: [{do: set, path: seeds, value: 1}]",
    ],
)  # fmt: skip
def test_every_form_of_a_sweep(text: str, of_sweeps: Draft202012Validator) -> None:
    whole = {"base": "a.yaml", **value(text)}
    assert [e.message for e in of_sweeps.iter_errors(whole)] == []
    assert resolve({**whole, "patch": []}, schema=Sweep).build()


@pytest.mark.parametrize(
    "text",
    [
        "spaces: {}", "space: [a]", "space: {a: 3}", "space: {a: {lg: [1, 2]}}",
        "space: {a: {log: [a, b]}}", "space: {a: {int: [0.5, 2]}}", "seeds: 0",
        "space: {a: {log: [1, 2], int: [1, 2]}}", "seeds: 1.5", "folds: 1",
        "method: randm", "method: {random: {points: 0}}", "method: {random: {n: 1}}",
        "method: {grid: {}, random: {}}", "objective: validation/loss",
        "objective: {metrc: x}", "objective: {goal: up}", "workers: 0",
        "workers: many", "backend: spark", "limit: 0", "base: 3", "format: 2",
        "model: []", "seed: 1", "method: {random: {points: 1000000}}",
    ],
)  # fmt: skip
def test_mistakes_of_a_sweep(text: str, of_sweeps: Draft202012Validator) -> None:
    assert not of_sweeps.is_valid({"base": "a.yaml", **value(text)})


def test_a_sweep_has_a_base_or_extends_one(of_sweeps: Draft202012Validator) -> None:
    assert not of_sweeps.is_valid({"seeds": 3})
    assert of_sweeps.is_valid({"seeds": 3, "extends": "a.yaml"})


# ---------------------------------------------------------------- any value

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.sampled_from([0.0, 0.5, 1.0, 1.5, -0.5, 1e-3]),
    st.sampled_from(["auto", "relu", "a.csv", "5 %", "1 epoch", "dense", "same", "x"]),
)


def values(annotation: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Values that an annotation asks for, and now and then others."""
    return st.one_of(_fitting(annotation, depth), _fitting(annotation, depth), SCALARS)


def _fitting(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _fitting(inside[0], depth)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([_fitting(member, depth) for member in inside])
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (list, tuple) and depth:
        return st.lists(values(inside[0], depth - 1), max_size=2)
    if origin is dict and depth:
        return st.dictionaries(st.just("a"), values(inside[1], depth - 1))
    if isinstance(annotation, type) and issubclass(annotation, Component) and depth:
        return st.sampled_from(sorted(registered(annotation))).flatmap(
            lambda name: _written(name, registered(annotation)[name], depth)
        )
    if dataclasses.is_dataclass(annotation) and depth:
        return _settings(typing.cast(type, annotation), depth)
    return SCALARS


def _written(name: str, cls: type, depth: int) -> st.SearchStrategy[Any]:
    """A component in each of its forms."""
    first = first_field(cls)
    forms = [st.just(name), _settings(cls, depth).map(lambda given: {name: given})]
    if first:
        short = values(field_types(cls)[first], depth - 1)
        forms.append(short.map(lambda given: {name: given}))
    return st.one_of(forms)


def _settings(cls: type, depth: int) -> st.SearchStrategy[Any]:
    known = {k: values(a, depth - 1) for k, a in field_types(cls).items()}
    return st.fixed_dictionaries({}, optional=known)


PLACES = [Layer, Optimizer, Loss, Metric, Initializer, DataConfig, TrainConfig]
PLACES += [Method, Range, Objective]


@pytest.mark.parametrize("base", PLACES, ids=lambda base: base.__name__)
@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
def test_what_can_be_built_is_admitted(base: Any, data: st.DataObject) -> None:
    drawn = data.draw(values(base))
    problems: list[Problem] = []
    build(base, drawn, (), problems)
    holder = dataclasses.make_dataclass("Holder", [("it", base)])
    rules = Draft202012Validator(_schema_of(holder, base))
    if not problems:
        assert [e.message for e in rules.iter_errors({"it": drawn})] == []
    elif not rules.is_valid({"it": drawn}):
        assert problems


_SCHEMAS: dict[Any, dict[str, Any]] = {}


def _schema_of(holder: type, base: Any) -> dict[str, Any]:
    holder.__annotations__["it"] = base
    if base not in _SCHEMAS:
        _SCHEMAS[base] = json_schema(holder)
    return _SCHEMAS[base]
