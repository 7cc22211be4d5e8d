"""Arrays given to a trained run, and what is kept of how it was trained."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, prepare
from nettrain.data.blocks import BlockPreparation
from nettrain.errors import Error

Write = Callable[..., str]


def kept(source: Any, **section: Any) -> BlockPreparation:
    config = build_fields(DataConfig, {"source": source, **section})
    made = prepare(config, seed=0, dtype="float64").preparation
    assert isinstance(made, BlockPreparation)
    return made


@pytest.fixture
def adding() -> BlockPreparation:
    section = {"preprocess": ["standardize"], "standardize_target": True}
    return kept({"adding": {"samples": 50, "length": 4}}, **section)


@pytest.fixture
def copying() -> BlockPreparation:
    return kept({"copy": {"samples": 50, "length": 1, "symbols": 2, "delay": 1}})


def saved(write: Write, **arrays: Any) -> str:
    write("", "a.npz")
    np.savez("a.npz", **arrays)
    return "a.npz"


def test_arrays_of_a_file(write: Write, adding: BlockPreparation) -> None:
    x, y = np.arange(24.0).reshape(3, 4, 2), np.array([0.5, 1.0, 1.5])
    for targets in (y, y[:, None]):
        rows = adding.read(saved(write, x=x, y=targets), need_target=True)
        assert adding.labels(rows).shape == (3, 1)
        assert adding.restore_target(adding.labels(rows))[:, 0] == pytest.approx(y)
    learned = adding.steps[0].learned
    expected = (x - learned["mean"]) / learned["scale"]
    assert adding.transform(rows) == pytest.approx(expected)
    assert (adding.transform(adding.rows(x)) == adding.transform(rows)).all()
    assert adding.read("a.npz").index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.ones(3)}, "no array x"),
        ({"x": np.ones((3, 4, 2))}, "no array y"),
        ({"x": np.ones((3, 4)), "y": np.ones(3)}, r"expected numbers \(rows, 4, 2\)"),
        ({"x": np.full((3, 4, 2), "a"), "y": np.ones(3)}, "expected numbers"),
        ({"x": np.full((3, 4, 2), np.nan), "y": np.ones(3)}, "not finite"),
        ({"x": np.ones((3, 4, 2)), "y": np.ones(2)}, r"shape \(2,\)"),
        ({"x": np.ones((3, 4, 2)), "y": np.ones((3, 2))}, r"expected \(3, 1\)"),
        ({"x": np.ones((3, 4, 2)), "y": np.full(3, np.inf)}, "finite numbers"),
        ({"x": np.ones((3, 4, 2)), "y": np.full(3, "a")}, "finite numbers"),
    ],
)
def test_arrays_of_other_rows(
    write: Write, adding: BlockPreparation, arrays: dict[str, Any], said: str
) -> None:
    with pytest.raises(Error, match=said) as caught:
        adding.read(saved(write, **arrays), need_target=True)
    assert caught.value.exit_code == 3
    assert str(caught.value.place) == "a.npz"


def test_symbols_and_classes(write: Write, copying: BlockPreparation) -> None:
    x, y = np.array([[0, 3, 2]]), np.array([[0, 1, 2]])
    rows = copying.read(saved(write, x=x, y=y), need_target=True)
    assert copying.transform(rows).tolist() == [[0.0, 3.0, 2.0]]
    assert copying.labels(rows).tolist() == [[0, 1, 2]]
    for wrong in ({"x": x + 1}, {"y": y + 1}, {"x": x - 1}, {"y": y - 1}, {"x": x / 2}):
        with pytest.raises(Error) as caught:
            copying.read(saved(write, **{"x": x, "y": y, **wrong}), need_target=True)
        assert caught.value.code == "data-unseen-class"
    for wrong in ({"y": y / 2}, {"y": y[:, :2]}):
        with pytest.raises(Error) as caught:
            copying.read(saved(write, **{"x": x, "y": y, **wrong}), need_target=True)
        assert caught.value.code == "data-array"


def test_other_files(copying: BlockPreparation) -> None:
    with pytest.raises(Error, match=r"reads .npz files") as caught:
        copying.read("table.csv")
    assert "numpy.savez" in (caught.value.fix or "")
    with pytest.raises(Error) as caught:
        copying.read("none.npz")
    assert caught.value.code == "data-missing-file"


def test_values_out_of_range(write: Write) -> None:
    config = build_fields(DataConfig, {"source": {"adding": {"samples": 9}}})
    made = prepare(config, seed=0).preparation
    with pytest.raises(Error, match="too large for float32"):
        made.transform(made.rows(np.full((1, 100, 2), 1e300)))
    np.savez("large.npz", x=np.ones((1, 100, 2)), y=[1e300])
    with pytest.raises(Error, match="too large for float32"):
        made.labels(made.read("large.npz", need_target=True))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "iris"},
        {"source": {"adding": {"length": 0}}},
        {"input_shape": [4, 3]},
        {"features": ["number"]},
        {"task": "classification"},
        {"targets": ["sum", "more"]},
        {"preprocess": [{"step": "standardize", "learned": {}}]},
        {"target_scale": {"mean": [1.0]}},
        {"dtype": "float99"},
        {"classes": [1, 2]},
    ],
)
def test_damage(adding: BlockPreparation, change: dict[str, Any]) -> None:
    plain = copy.deepcopy(adding.to_json())
    assert BlockPreparation.from_json(plain).to_json() == plain
    with pytest.raises(Error) as caught:
        BlockPreparation.from_json({**plain, **change})
    assert caught.value.code == "run-data"
