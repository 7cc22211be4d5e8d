"""The adding, copy and parity problems: what they ask, and that they never change."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from nettrain.component import build, build_fields
from nettrain.data import DataConfig, Dataset, Source, prepare
from nettrain.data.blocks import BlockPreparation, BlockSource
from nettrain.errors import Error


def made(source: Any, seed: int = 0, **section: Any) -> Dataset:
    config = build_fields(DataConfig, {"source": source, "split": {}, **section})
    return prepare(config, seed=seed, dtype="float64")


@pytest.mark.parametrize("length", [2, 3, 10, 11])
def test_adding(length: int) -> None:
    train = made({"adding": {"samples": 400, "length": length}}).parts["train"]
    numbers, marks = train.inputs[:, :, 0], train.inputs[:, :, 1]
    half = length // 2
    assert (marks[:, :half].sum(axis=1) == 1).all()
    assert (marks[:, half:].sum(axis=1) == 1).all()
    assert set(np.unique(marks)) <= {0, 1}
    assert marks.any(axis=0).all()  # each step is marked at times
    assert (train.targets[:, 0] == (numbers * marks).sum(axis=1)).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert train.targets.shape == (400, 1)


def test_who_says_1_has_an_error_of_a_sixth() -> None:
    targets = made({"adding": {"samples": 20_000, "length": 4}}).parts["train"].targets
    assert np.mean((targets - 1) ** 2) == pytest.approx(1 / 6, abs=0.004)


@pytest.mark.parametrize(("length", "delay"), [(1, 1), (3, 1), (4, 6)])
def test_copy(length: int, delay: int) -> None:
    settings = {"samples": 200, "length": length, "symbols": 3, "delay": delay}
    dataset = made({"copy": settings})
    train, steps = dataset.parts["train"], 2 * length + delay
    assert train.inputs.shape == train.targets.shape == (200, steps)
    symbols = train.inputs[:, :length]
    assert set(np.unique(symbols)) == {1, 2, 3}
    assert (train.targets[:, -length:] == symbols).all()
    assert not train.targets[:, :-length].any()
    rest = train.inputs[:, length:]
    assert (rest[:, delay - 1] == 4).all()
    assert not np.delete(rest, delay - 1, axis=1).any()
    assert dataset.preparation.classes == (0, 1, 2, 3)
    assert dataset.preparation.positions == (steps,)
    assert dataset.preparation.outputs == 4
    assert dataset.preparation.symbols == (5,) * (2 * length + delay)


def test_parity() -> None:
    dataset = made({"parity": {"samples": 500, "length": 5}})
    train = dataset.parts["train"]
    assert train.inputs.shape == (500, 5, 1)
    assert set(np.unique(train.inputs)) == {0, 1}
    assert (train.targets == train.inputs.sum(axis=(1, 2)) % 2).all()
    assert len(np.unique(train.inputs[:, :, 0], axis=0)) == 32
    assert 200 < train.targets.sum() < 300


PINNED = {
    "adding": "395d5491fe2ca09a",
    "copy": "99ade78b74c337bf",
    "parity": "a317af365f9bb815",
}


@pytest.mark.parametrize("name", PINNED)
def test_the_same_bits_for_ever(name: str) -> None:
    digest = hashlib.sha256()
    for part in made({name: {"samples": 50, "length": 6}}, 7).parts.values():
        digest.update(part.inputs.astype("<f8").tobytes())
        digest.update(part.targets.astype("<f8").tobytes())
    assert digest.hexdigest()[:16] == PINNED[name]


@pytest.mark.parametrize("name", PINNED)
def test_they_depend_on_the_seed_alone(name: str) -> None:
    source = {name: {"samples": 50, "length": 6}}
    first, again, other = made(source), made(source), made(source, seed=1)
    assert first.sha256 == again.sha256 != other.sha256
    assert (first.parts["train"].inputs == again.parts["train"].inputs).all()
    assert (first.parts["train"].inputs != other.parts["train"].inputs).any()


@pytest.mark.parametrize("name", PINNED)
def test_kept(name: str) -> None:
    first = made({name: {"samples": 50, "length": 6}}).preparation
    assert BlockPreparation.from_json(first.to_json()) == first
    source = build(Source, {name: {"samples": 50, "length": 6}}, (), [])
    assert isinstance(source, BlockSource)
    a_row = made({name: {"samples": 1, "length": 6}}).parts["train"]
    assert source.nbytes >= 50 * 8 * a_row.inputs.size


def test_targets_and_features_are_standardized() -> None:
    section = {"preprocess": ["standardize"], "standardize_target": True}
    dataset = made({"adding": {"samples": 300, "length": 5}}, **section)
    train, preparation = dataset.parts["train"], dataset.preparation
    both = train.inputs.reshape(-1, 2)
    assert both.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert both.std(axis=0) == pytest.approx([1, 1])
    assert train.targets.std() == pytest.approx(1)
    raw = made({"adding": {"samples": 300, "length": 5}}).parts["train"].targets
    assert preparation.restore_target(train.targets) == pytest.approx(raw)
    assert BlockPreparation.from_json(preparation.to_json()).to_json() == (
        preparation.to_json()
    )


@pytest.mark.parametrize("name", ["adding", "copy"])
def test_there_is_nothing_to_stratify(name: str) -> None:
    with pytest.raises(Error, match="one class each") as caught:
        made({name: {"samples": 50}}, split={"test": 0.2, "stratify": True})
    assert caught.value.code == "config-stratify"
    labels = made({"parity": {"samples": 50}}, split={"test": 0.2, "stratify": True})
    assert len(labels.parts["test"]) == 10


@pytest.mark.parametrize(
    "source",
    [
        {"adding": {"length": 1}},
        {"adding": {"samples": 0}},
        {"copy": {"symbols": 1}},
        {"copy": {"delay": 0}},
        {"parity": {"length": 0}},
    ],
)
def test_settings_out_of_bounds(source: Any) -> None:
    problems: list[Any] = []
    build(Source, source, (), problems)
    assert len(problems) == 1
