"""Standardized targets: learned on the training part, undone for people."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from nettrain.data import Dataset, Preparation, profile
from nettrain.errors import Error

from .conftest import found

TEXT = "x,y,same\n" + "".join(f"{i},{1000 + 50 * (i % 7)},3\n" for i in range(40))
SECTION = {"task": "regression", "split": {"validation": 0.25, "by": "order"}}
RAW = 1000.0 + 50 * (np.arange(40) % 7)[:, None]


def test_the_training_part_gets_mean_0_and_std_1(
    prepared: Callable[..., Dataset],
) -> None:
    dataset = prepared(TEXT, **SECTION, standardize_target=True)
    train, validation = dataset.parts["train"], dataset.parts["validation"]
    mean, std = RAW[:30].mean(), RAW[:30].std()
    np.testing.assert_allclose(train.targets, (RAW[:30] - mean) / std, atol=1e-12)
    np.testing.assert_allclose(validation.targets, (RAW[30:] - mean) / std, atol=1e-12)
    assert abs(validation.targets.mean()) > 0.01  # its own mean is not taken


def test_own_units_come_back(prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(TEXT, **SECTION, standardize_target=True)
    for part, raw in (("train", RAW[:30]), ("validation", RAW[30:])):
        targets = dataset.parts[part].targets
        for restored in (
            dataset.parts[part].restored(targets),
            dataset.preparation.restore_target(targets),
            dataset.preparation.restore_target(targets.astype(np.float32)),
        ):
            assert restored.dtype == np.float64
            np.testing.assert_allclose(restored, raw, rtol=1e-6)


def test_without_it_targets_stay_as_they_are(prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(TEXT, **SECTION)
    targets = dataset.parts["train"].targets
    np.testing.assert_array_equal(targets, RAW[:30])
    assert dataset.parts["train"].restored(targets) is targets
    assert dataset.preparation.restore_target(targets) is targets
    assert "target/mean" not in dataset.preparation.arrays()


def test_a_constant_target_is_divided_by_1(prepared: Callable[..., Dataset]) -> None:
    section = SECTION | {"target": ["y", "same"], "standardize_target": True}
    dataset = prepared(TEXT, **section)
    targets = dataset.parts["train"].targets
    np.testing.assert_array_equal(targets[:, 1], 0.0)
    np.testing.assert_allclose(targets[:, 0].std(), 1.0)
    np.testing.assert_array_equal(dataset.parts["train"].restored(targets)[:, 1], 3.0)


def test_targets_of_different_units_each_get_std_1(
    prepared: Callable[..., Dataset],
) -> None:
    """Each by itself: the floor that inputs have would let the small one vanish."""
    text = "x,a,b\n" + "".join(f"{i},{i * 1e6},{i * 1e-6}\n" for i in range(20))
    section = {"task": "regression", "target": ["a", "b"]}
    dataset = prepared(text, **section, standardize_target=True)
    np.testing.assert_allclose(dataset.parts["train"].targets.std(axis=0), [1.0, 1.0])


def test_it_is_kept_with_the_run(prepared: Callable[..., Dataset]) -> None:
    first = prepared(TEXT, **SECTION, standardize_target=True).preparation
    again = Preparation.from_json(json.loads(json.dumps(first.to_json())))
    assert again.to_json() == first.to_json()
    assert again.target_scale is not None
    for name in ("target/mean", "target/std"):
        assert again.arrays()[name].tobytes() == first.arrays()[name].tobytes()
    values = np.array([[-1.0], [2.0]])
    np.testing.assert_array_equal(
        again.restore_target(values), first.restore_target(values)
    )


def test_the_profile_is_in_own_units(prepared: Callable[..., Dataset]) -> None:
    dataset = prepared(TEXT, **SECTION, standardize_target=True)
    told = profile(dataset)["parts"]["train"]["targets"]["y"]
    assert told == pytest.approx({"mean": RAW[:30].mean(), "std": RAW[:30].std()})


def test_classes_have_no_scale(prepared: Callable[..., Dataset]) -> None:
    text = "x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(10))
    with pytest.raises(Error) as caught:
        prepared(text, standardize_target=True, task_of_loss="classification")
    assert found(caught.value) == [
        ("config-standardize-target", "config.yaml:data.standardize_target")
    ]
    assert caught.value.exit_code == 2


def test_targets_too_large_to_square_are_refused(
    prepared: Callable[..., Dataset],
) -> None:
    text = "x,y\n" + "".join(f"{i},{i}e200\n" for i in range(10))
    with pytest.raises(Error) as caught:
        prepared(text, task="regression", standardize_target=True)
    assert caught.value.code == "data-infinite"
    assert '"y"' in caught.value.message
