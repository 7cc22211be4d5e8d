"""check: shapes, sizes and signals of a config that is not trained."""

from __future__ import annotations

import json
import sys
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
        "layer", "kind", "output", "parameters", "memory", "variance", "measured",
        "line",
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
    assert "the first weights have 3.0" in answer.out


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


def test_updates_of_several_batches(call: Call, folder: Path) -> None:
    one, several = checked(call), checked(call, "train.accumulate=2")
    assert (one["batch_size"], one["accumulate"]) == (16, 1)
    assert (several["batch_size"], several["accumulate"]) == (32, 2)
    assert several["steps_per_epoch"] == 2
    assert several["layers"] == one["layers"]
    answer = call("check", "config.yaml", "train.accumulate=2", "--probe")
    assert "4 updates of 32 rows each (2 batches of 16), 2 in an epoch" in answer.out
    assert "all agree" in answer.out


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


# ---------------------------------------------------------------- memory


def test_the_memory_of_a_run(call: Call, folder: Path) -> None:
    lines = call("check", "config.yaml").out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("memory "))
    assert " MB at its peak, while " in lines[at] and " are there (" in lines[at]
    assert "program and data " in lines[at + 1]
    found = checked(call)["predicted_memory"]
    assert set(found) == {"peak", "stage", "terms", "available", "limit", "fits"}
    assert found["fits"] and sum(found["terms"].values()) <= found["peak"]
    assert found["terms"]["weights and optimizer state"] == 3 * 39 * 4 + 2 * 6 * 4
    assert found["available"] > found["peak"]
    assert "needed" not in checked(call)


@pytest.mark.parametrize("form", [(), ("--json",), ("--probe",)])
def test_a_run_that_cannot_fit(call: Call, folder: Path, form: tuple[str, ...]) -> None:
    text = CONFIG.replace("units: 6,", "units: 5_000_000_000,".replace("_", ""))
    (folder / "config.yaml").write_text(text)
    answer = call("check", "config.yaml", *form)
    assert answer.code == 8
    assert "error[memory-needed]" in answer.err and "config.yaml:9:" in answer.err
    assert "give dense1 fewer units" in answer.err
    if form == ("--json",):
        found = json.loads(answer.out)
        assert found["layers"][0]["parameters"] == 3 * 5 * 10**9
        assert found["initial_loss"] is None and found["findings"] == []
        assert not found["predicted_memory"]["fits"]
    else:
        assert "15,000,000,000" in answer.out
        assert "memory    a run needs" in answer.out and "(L0)" not in answer.out


def test_facts_are_as_wide_as_the_terminal(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = call("check", "config.yaml", "--probe").out
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    narrow = call("check", "config.yaml", "--probe").out
    for start, end in (("data  ", "\n\n"), ("probe  ", "gradient at")):
        told, folded = (
            text[text.index(start) :].partition(end)[0].splitlines()
            for text in (whole, narrow)
        )
        assert max(map(len, told)) > 60 >= max(map(len, folded))
        heads = ("data ", "training ", "loss ", "memory ", "probe ", " " * 10)
        assert all(row.startswith(heads) for row in folded if row)


# ---------------------------------------------------------------- findings

TINY = "model.dense1.weight_init={normal: {std: 0.001}}"


def test_findings_are_told_as_by_a_run(call: Call, folder: Path) -> None:
    answer = call("check", "config.yaml", TINY)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    at = next(i for i, line in enumerate(lines) if "[I3]" in line)
    assert lines[at].endswith(": the primary cause")
    message = "\n".join(lines[at:])
    assert "config.yaml:9" in message
    assert "{do: set, path: model.dense1.weight_init, value: auto}" in message
    # The file alone does not say what was checked, so no command is built on it.
    assert "nettrain run" not in message


def test_a_finding_of_the_file_itself_comes_with_a_command(
    call: Call, folder: Path
) -> None:
    text = CONFIG.replace("units: 6,", "units: 6, weight_init: {normal: {std: 0.001}},")
    (folder / "config.yaml").write_text(text)
    out = call("check", "config.yaml").out
    assert "try       nettrain run config.yaml model.dense1.weight_init=auto" in out


def test_without_findings_it_says_so(call: Call, folder: Path) -> None:
    assert "No findings." in call("check", "config.yaml", "diagnose=false").out


def test_findings_as_json(call: Call, folder: Path) -> None:
    found = checked(call, TINY)
    first = found["findings"][0]
    assert (first["id"], first["primary"], first["layer"]) == ("I3", True, "dense1")
    assert first["remedy"]["patch"][0]["path"] == "model.dense1.weight_init"
    assert found["initial_loss"] > 0
    layer = found["layers"][0]
    assert layer["variance"] < 1e-5
    assert 0.2 < layer["measured_variance"] / layer["variance"] < 5
    assert "probe" not in found


# ---------------------------------------------------------------- the probe


def test_the_probe(call: Call, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    settings = ("optimizer.adam.learning_rate=0.05", "train.epochs=20")
    answer = call("check", "config.yaml", "--probe", *settings)
    assert (answer.code, answer.err) == (0, "")
    assert "probe     20 updates: the loss went from" in answer.out
    assert "one batch of 16 rows, " in answer.out and ", learned" in answer.out
    assert "4 gradients beside central differences: all agree" in answer.out
    rows = [line.split() for line in answer.out.splitlines()]
    assert ["model/dense2/pre_activation", "1"] in rows
    assert sorted(folder.rglob("*")) == before


def test_the_probe_as_json(call: Call, folder: Path) -> None:
    found = checked(call, "--probe")
    probe = found["probe"]
    assert set(probe) == {
        "steps", "prior", "initial_loss", "loss", "overfit", "flow", "findings",
        "gradient_checks",
    }  # fmt: skip
    assert probe["steps"] == 6  # all that are planned
    assert probe["initial_loss"] == found["initial_loss"]
    assert probe["overfit"]["rows"] == 16
    assert set(probe["overfit"]) == {"rows", "updates", "before", "after", "learned"}
    assert probe["flow"]["model/dense2/pre_activation"] == 1.0
    assert len(probe["gradient_checks"]) == 4
    again = checked(call, "--probe")
    for told in (found, again):  # what there is differs from one moment to the next
        del told["predicted_memory"]
    assert again == found


WRONG = '''
from __future__ import annotations

from nettrain.component import register
from nettrain.graph import Operation
from nettrain.graph.node import apply
from nettrain.nn import Activation


class Square(Operation):
    """y = x²."""

    name = "wrong_square"

    def spec(self, *inputs):
        return inputs[0]

    def forward(self, xp, *inputs):
        return inputs[0] * inputs[0]

    def vjp(self, g, y, *inputs):
        return [g * inputs[0]]


@register("wrong_square")
class WrongSquare(Activation):
    """f(z) = z²."""

    def formula(self, z):
        return apply(Square(), z)
'''


def test_an_operation_with_a_wrong_derivative(call: Call, folder: Path) -> None:
    from nettrain.component import family

    (folder / "mine.py").write_text(WRONG)
    settings = ("model.dense1.activation=wrong_square", "train.epochs=200")
    words = (*settings, "--plugin", "mine.py", "--probe")
    try:
        answer = call("check", "config.yaml", *words)
        probe = checked(call, *words)["probe"]
    finally:
        family.forget("wrong_square")
    assert answer.code == 0
    off = "off at model/dense1/weight, model/dense1/bias"
    assert f"4 gradients beside central differences: {off}" in answer.out
    assert "[P3]" in answer.out and "wrong_square" in answer.out
    assert probe["findings"][0]["id"] == "P3"
    errors = [made["error"] for made in probe["gradient_checks"]]
    assert errors[0] == pytest.approx(0.5, rel=1e-3)


UNUSED = '''
from __future__ import annotations

from nettrain.component import register
from nettrain.nn import Layer, Zeros


@register("idle")
class Idle(Layer):
    """y = x, with a weight that nothing uses."""

    def apply(self, x, trace):
        trace.parameter("weight", (3, 3), Zeros(), fan_in=3, fan_out=3)
        return x
'''


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_parameter_that_no_gradient_reaches(
    call: Call, folder: Path, verb: str
) -> None:
    from nettrain.component import family

    (folder / "mine.py").write_text(UNUSED)
    text = CONFIG.replace("  - dense: auto", "  - idle\n  - dense: auto")
    (folder / "config.yaml").write_text(text)
    try:
        answer = call(verb, "config.yaml", "--plugin", "mine.py")
    finally:
        family.forget("idle")
    assert answer.code == 2 and answer.out == ""
    assert "config.yaml:10" in answer.err
    assert "model/idle1/weight" in answer.err
    assert "has no path to the cost: it cannot learn" in answer.err
