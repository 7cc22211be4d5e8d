"""`nettrain lr`: the table, the picture, and the command that takes the rate."""

from __future__ import annotations

import json
from pathlib import Path

from nettrain.experiment.rates import RATES

from .conftest import Call


def test_a_row_for_each_rate_and_the_command(folder: Path, call: Call) -> None:
    before = sorted(folder.iterdir())
    answer = call("lr", "config.yaml", "seed=3")
    assert answer.code == 0
    head, *rows = answer.out.splitlines()
    assert head.split() == ["rate", "loss", "loss", "/", "guessing"]
    assert [row.split()[0] for row in rows[:10]] == [f"{rate:g}" for rate in RATES]
    best = next(i for i, row in enumerate(rows) if row.endswith("best"))
    assert rows[best - 1].endswith("chosen")
    chosen = rows[best - 1].split()[0]
    command = f"nettrain run config.yaml seed=3 optimizer.adam.learning_rate={chosen}"
    assert command in answer.out
    assert "guessing has 1.0" in answer.out and "learning_rate is 0.001" in answer.out
    assert "measuring learning rates: 10, 12 updates each" in answer.err
    assert sorted(folder.iterdir()) == before


def test_json_is_one_document(folder: Path, call: Call) -> None:
    answer = call("lr", "config.yaml", "--json")
    found = json.loads(answer.out)
    assert [row["rate"] for row in found["rates"]] == list(RATES)
    assert found["path"] == "optimizer.adam.learning_rate"
    assert (found["current"], found["steps"]) == (0.001, 12)
    assert RATES.index(found["chosen"]) == RATES.index(found["best"]) - 1


def test_what_diverges_is_said(folder: Path, call: Call) -> None:
    optimizer = "optimizer={sgd: {learning_rate: 0.1, weight_decay: 10000}}"
    rows = call("lr", "config.yaml", optimizer).out.splitlines()
    assert rows[10].split() == ["3", "diverged"]
    assert "diverged" not in rows[1]
    found = json.loads(call("lr", "config.yaml", optimizer, "--json").out)
    assert found["rates"][-1] == {"rate": 3, "loss": "inf"}


def test_where_no_rate_helps_no_command_is_given(folder: Path, call: Call) -> None:
    optimizer = "optimizer={sgd: {learning_rate: 0.1, maximize: true}}"
    answer = call("lr", "config.yaml", optimizer, "model.dense2.weight_init=zeros")
    assert "none comes below 97% of guessing" in answer.out
    assert "nettrain run" not in answer.out
    assert "chosen" not in answer.out


def test_the_picture(folder: Path, call: Call) -> None:
    answer = call("lr", "config.yaml", "--out", "rates.svg")
    assert answer.code == 0
    assert "Learning rates: best" in (folder / "rates.svg").read_text()
    assert "drawn to rates.svg" in answer.err
    wrong = call("lr", "config.yaml", "--out", "rates.pdf")
    assert wrong.code == 2 and ".svg" in wrong.err
    assert not (folder / "rates.pdf").exists()


def test_a_wrong_config_is_told_as_by_run(folder: Path, call: Call) -> None:
    answer = call("lr", "config.yaml", "train.epoch=3")
    assert answer.code == 2
    assert "config-unknown-key" in answer.err
    assert answer.out == ""
