"""check: shapes, sizes and signals of a config that is not trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONFIG, ROOT, Call


def checked(call: Call, *words: str) -> dict[str, Any]:
    answer = call("check", "config.yaml", "--json", *words)
    assert (answer.code, answer.err) == (0, "")
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_the_table_of_the_default_config(call: Call) -> None:
    answer = call("check", ROOT / "configs/mlp.yaml")
    assert answer.code == 0
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[2] == [
        "layer", "kind", "output", "parameters", "memory", "variance", "line",
    ]  # fmt: skip
    first, total = rows[3], rows[6]
    assert first[:4] == ["dense1", "dense", "64", "4,160"]
    assert (
        (ROOT / "configs/mlp.yaml")
        .read_text()
        .splitlines()[int(first[-1]) - 1]
        .startswith("  - dense: {units: 64")
    )
    assert total[:2] == ["total", "6,570"]
    assert "train: 1,258 rows, 122 … 128 of each class" in answer.out
    assert "1,600 updates of 32 rows each, 40 in an epoch" in answer.out
    assert "guessing has 2.302" in answer.out  # ln 10, for even classes


def test_nothing_is_trained_or_written(call: Call, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert call("check", "config.yaml").code == 0
    assert sorted(folder.rglob("*")) == before


def test_layers_in_full(call: Call, folder: Path) -> None:
    found = checked(call)
    first, second = found["layers"]
    # 2 · 6 + 6 float32 numbers with gradient and two slots of adam; 16 rows of 6.
    assert first["parameters"] == 18
    assert first["memory"] == 18 * 4 * 4 + 16 * 6 * 4
    assert (first["shape"], second["shape"]) == ([6], [3])
    assert (first["config_line"], second["config_line"]) == (9, 10)
    assert found["parameters"] == 18 + 21
    assert found["total_steps"] == 2 * found["steps_per_epoch"] == 2 * 3
    assert found["data"]["classes"] == ["a", "b", "c"]
    assert found["prior"] == pytest.approx(1.0986, abs=1e-4)


@pytest.mark.parametrize(
    ("activation", "expected"), [("relu", 2 * 0.5**2 / 2), ("tanh", 2 * 0.5**2)]
)
def test_variance_of_constant_weights(
    call: Call, folder: Path, activation: str, expected: float
) -> None:
    layer = f"{{units: 6, activation: {activation}, weight_init: {{constant: 0.5}}}}"
    found = checked(call, f"model.dense1={{dense: {layer}}}")
    assert found["layers"][0]["variance"] == pytest.approx(expected)


def test_an_activation_behind_its_layer_counts_as_its_own(
    call: Call, folder: Path
) -> None:
    init = "weight_init: {constant: 0.5}"
    model = f"model=[{{dense: {{units: 6, {init}}}}}, relu, {{dense: 3}}]"
    layers = checked(call, model)["layers"]
    assert [layer["kind"] for layer in layers] == ["dense", "relu", "dense"]
    assert layers[0]["variance"] == pytest.approx(2 * 0.5**2 / 2)
    assert layers[1]["variance"] is None


def test_blocks_count_their_layers_once(call: Call, folder: Path) -> None:
    model = "model=[{dense: 4}, {residual: [{dense: 4}]}, {dense: auto}]"
    found = checked(call, model)
    by_path = {layer["path"]: layer for layer in found["layers"]}
    assert list(by_path) == ["dense1", "residual1", "residual1/dense1", "dense2"]
    assert by_path["residual1"]["memory"] == by_path["residual1"]["parameters"] == 0
    assert found["parameters"] == 12 + 20 + 15
    assert found["memory"] == (12 + 20 + 15) * 4 * 4 + 16 * (4 + 4 + 3) * 4


def test_a_frozen_layer_has_no_gradient(call: Call, folder: Path) -> None:
    found = checked(call, "model.dense1.trainable=false")
    assert found["layers"][0]["memory"] == 18 * 4 + 16 * 6 * 4


def test_a_regression(call: Call, folder: Path) -> None:
    text = CONFIG.replace("target: kind", "target: width, columns: {kind: categorical}")
    text = text.replace("target: width, columns", "target: width\n  columns")
    text = text.replace("cross_entropy", "mse").replace("[accuracy]", "[rmse]")
    (folder / "config.yaml").write_text(text)
    answer = call("check", "config.yaml")
    assert answer.code == 0
    assert "4 inputs, targets: width" in answer.out
    assert " ± " in answer.out
