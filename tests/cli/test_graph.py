"""graph: expressions, configs and runs as table, JSON, steps and picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Call

ARTICLE = ["graph", "f = (x + y) * z", "--at", "x=2,y=3,z=-4"]


def test_the_article_as_json(call: Call) -> None:
    answer = call(*ARTICLE, "--json")
    assert (answer.code, answer.err) == (0, "")
    nodes = json.loads(answer.out)["nodes"]
    values = {name: (n["value"], n["gradient"]) for name, n in nodes.items()}
    assert values == {
        "x": (2, -4),
        "y": (3, -4),
        "z": (-4, 5),
        "x + y": (5, -4),
        "f": (-20, 1),
    }


def test_the_article_as_a_table(call: Call) -> None:
    answer = call(*ARTICLE)
    rows = [line.split() for line in answer.out.splitlines()]
    assert rows[0] == ["node", "operation", "shape", "value", "gradient"]
    assert ["f", "multiply", "-20", "1"] in rows


def test_the_steps(call: Call) -> None:
    answer = call(*ARTICLE, "--steps")
    assert answer.code == 0
    assert "df/dz = df/df · ∂f/∂z = 1 · 5 = 5" in answer.out.splitlines()


def test_the_rate_of_the_update(call: Call) -> None:
    words = ["graph", "f = w * x", "--at", "w=2,x=3", "--steps", "--rate"]
    assert "1.7" in call(*words, "0.1").out.splitlines()[-1]
    assert "0.5" in call(*words, "0.5").out.splitlines()[-1]


def test_weights_are_named(call: Call, tmp_path: Path) -> None:
    command = ["graph", "a * x", "--at", "a=1,x=2", "--json"]
    kinds = [
        {name: node["op"] for name, node in json.loads(answer.out)["nodes"].items()}
        for answer in (call(*command), call(*command, "--weights", "a"))
    ]
    assert [kind["a"] for kind in kinds] == ["variable", "parameter"]


@pytest.mark.parametrize(
    ("ending", "begins"),
    [("svg", b"<svg"), ("html", b"<!DOCTYPE html>"), ("dot", b"digraph")],
)
def test_pictures(call: Call, folder: Path, ending: str, begins: bytes) -> None:
    answer = call(*ARTICLE, "--out", f"made.{ending}")
    assert (answer.code, answer.out) == (0, f"written to made.{ending}\n")
    assert begins in (folder / f"made.{ending}").read_bytes()[:200]


def test_a_page_walks_through_an_expression_and_a_network_on_demand(
    call: Call, folder: Path
) -> None:
    def walks(*words: str) -> bool:
        assert call(*words, "--out", "made.html").code == 0
        return 'id="next"' in (folder / "made.html").read_text()

    assert walks(*ARTICLE)
    assert not walks("graph", "config.yaml")
    assert walks("graph", "config.yaml", "--steps")


def test_the_page_takes_the_rate(call: Call, folder: Path) -> None:
    words = ["graph", "f = w * x", "--at", "w=2,x=3", "--rate", "0.5"]
    call(*words, "--out", "made.html")
    assert "= 2 - 0.5 · 3 = 0.5" in (folder / "made.html").read_text()


def test_an_unknown_picture(call: Call, folder: Path) -> None:
    answer = call(*ARTICLE, "--out", "made.gif")
    assert answer.code == 2
    assert not (folder / "made.gif").exists()


def test_a_config_and_a_run(call: Call, trained: Path) -> None:
    config = trained.parent / "config.yaml"
    before = json.loads(call("graph", config, "--json").out)["nodes"]
    after = json.loads(call("graph", trained, "--json").out)["nodes"]
    assert before.keys() == after.keys()
    weight = "model/dense1/weight"
    assert before[weight]["shape"] == [2, 6]
    assert before[weight]["value"] != after[weight]["value"]
    other = json.loads(call("graph", config, "seed=9", "--json").out)["nodes"]
    assert before[weight]["value"] != other[weight]["value"]


RECURRENT = """\
seed: 0
data: {source: sequences.npz, split: {}, batch_size: 4}
model: [{rnn: {units: 3}}, {dense: auto}]
loss: cross_entropy
"""


def test_a_loop_is_drawn_once_or_unrolled(call: Call, folder: Path) -> None:
    x = np.random.default_rng(0).normal(size=(12, 7, 2))
    np.savez(folder / "sequences.npz", X=x, y=np.arange(12) % 2)
    (folder / "rnn.yaml").write_text(RECURRENT)
    for ending in ("svg", "dot", "html"):
        answer = call("graph", "rnn.yaml", "--out", f"rolled.{ending}")
        assert answer.code == 0, answer.err
        assert "7 time steps" in (folder / f"rolled.{ending}").read_text()
    call("graph", "rnn.yaml", "--out", "rolled.svg")
    call("graph", "rnn.yaml", "--out", "unrolled.svg", "--unroll")
    rolled, unrolled = (
        (folder / f"{name}.svg").read_text() for name in ("rolled", "unrolled")
    )
    assert ">t7<" not in rolled
    assert ">t7<" in unrolled
    assert "2 more steps" in unrolled
    nodes = json.loads(call("graph", "rnn.yaml", "--json").out)["nodes"]
    assert nodes["scan1"].keys() == {"op", "value", "gradient", "shape", "inputs"}
    assert not any("carry" in name for name in nodes)


def test_blocks_are_drawn_once_unless_all_is_asked_for(
    call: Call, folder: Path
) -> None:
    block = "residual: {blocks: [{dense: {units: 2, activation: relu}}, {dense: 2}]}"
    config = (folder / "config.yaml").read_text()
    start = config.index("model:")
    model = f"model: [{{repeat: {{times: 9, block: [{{{block}}}]}}}}, {{dense: auto}}]"
    rest = config[start:].split("\n")
    after = next(i for i, line in enumerate(rest[1:], 1) if line[:1].strip())
    (folder / "deep.yaml").write_text(
        "\n".join([config[:start] + model, *rest[after:]])
    )
    answer = call("graph", "deep.yaml", "--out", "once.svg")
    assert answer.code == 0, answer.err
    call("graph", "deep.yaml", "--out", "all.svg", "--unfold")
    once, every = ((folder / f"{name}.svg").read_text() for name in ("once", "all"))
    assert "×9, the one with the weakest gradient" in once
    assert "×9" not in every
    assert every.count(">residual1<") == 9
    assert once.count(">residual1<") == 1


def test_an_array_is_told_by_its_size(call: Call) -> None:
    answer = call("graph", "sum(x)", "--at", "x=[3,4,0,0,0]")
    row = next(line for line in answer.out.splitlines() if line.startswith("x "))
    assert row.split() == ["x", "variable", "5", "rms", "2.236", "rms", "1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["(x + y) * z"], "x=…,y=…,z=…"),
        (["x +", "--at", "x=1"], "expression:1:4:"),
        (["sine(x)", "--at", "x=1"], 'did you mean "sin"?'),
        (["f", "=", "x", "--at", "x=1"], "stands in quotes"),
        (["runs/9"], 'there is no config or run "runs/9"'),
        (["config.yaml", "--at", "x=1"], "--at is for the names of an expression"),
        (["config.yaml", "--weights", "w"], "--weights is for the names"),
        (["x", "--at", "x=two"], "usage-value"),
    ],
)
def test_bad_questions(call: Call, folder: Path, words: list[str], said: str) -> None:
    answer = call("graph", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
