"""evaluate and predict: a trained model on its own data and on raw rows."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import nettrain as nt
from tests.cli.conftest import CONFIG, Call


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_test_metrics_are_those_of_the_run(call: Call, trained: Path) -> None:
    answer = call("evaluate", trained, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    summary = json.loads((trained / "run.json").read_text())["summary"]
    assert found["rows"] == {"train": 36, "validation": 12, "test": 12}
    for name in ("test/loss", "test/accuracy"):
        assert found["metrics"][name] == summary[name]
    assert "validation/accuracy" in found["metrics"]


def test_a_table_of_parts(call: Call, trained: Path) -> None:
    rows = [line.split() for line in call("evaluate", trained).out.splitlines()]
    assert rows[0] == ["train", "validation", "test"]
    assert rows[1] == ["rows", "36", "12", "12"]


def test_evaluating_a_file(call: Call, trained: Path) -> None:
    table = trained.parent / "table.csv"
    own = json.loads(call("evaluate", trained, "--json").out)
    answer = call("evaluate", trained, "--data", table, "--json")
    found = json.loads(answer.out)
    assert found["rows"] == {"data": 60}
    # The accuracy over the whole file is that over its parts.
    right = sum(own["rows"][p] * own["metrics"][f"{p}/accuracy"] for p in own["rows"])
    assert found["metrics"]["data/accuracy"] == pytest.approx(right / 60)


def test_data_that_changed_are_refused(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained.parent, tmp_path / "copy")
    config = tmp_path / "copy/run/config.resolved.yaml"
    table = tmp_path / "copy/table.csv"
    text = config.read_text().replace(str(trained.parent), str(tmp_path / "copy"))
    config.write_text(text)
    assert call("evaluate", tmp_path / "copy/run").code == 0
    table.write_text(table.read_text().replace("4.00,", "4.01,", 1))
    answer = call("evaluate", tmp_path / "copy/run")
    assert answer.code == 4
    assert "error[run-data-changed]" in answer.err


def test_a_confusion_table(call: Call, folder: Path) -> None:
    command = ["config.yaml", "metrics=[confusion]", "train.epochs=1", "--out", "made"]
    assert call("run", *command).code == 0
    answer = call("evaluate", "made", "--data", "table.csv")
    title, head, *rows = answer.out.split("\n\n")[1].splitlines()
    assert title == "confusion of data, true class down, predicted across"
    assert head.split() == ["a", "b", "c"]
    assert [sum(map(int, row.split()[1:])) for row in rows] == [20, 20, 20]


# ---------------------------------------------------------------- predict


def test_predictions_of_classes(call: Call, trained: Path) -> None:
    table = trained.parent / "table.csv"
    answer = call("predict", trained, "--data", table)
    assert (answer.code, answer.err) == (0, "")
    head, *rows = read(answer.out)
    assert head == ["predicted", "p(a)", "p(b)", "p(c)"]
    raw = np.array([r[:2] for r in read(table.read_text())[1:]], dtype=float)
    expected = nt.load_run(trained).predict(raw)
    given = np.array([row[1:] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(given, expected)
    assert [row[0] for row in rows] == ["abc"[k] for k in expected.argmax(axis=1)]


def test_predictions_of_rows_without_a_target_go_to_a_file(
    call: Call, trained: Path, folder: Path
) -> None:
    (folder / "new.csv").write_text("width,id,length\n8,x,4.2\n3,y,6.5\n")
    answer = call("predict", trained, "--data", "new.csv", "--out", "made.csv")
    assert answer.out == "2 predictions written to made.csv\n"
    assert len(read((folder / "made.csv").read_text())) == 3


def test_two_classes_by_one_output(call: Call, folder: Path) -> None:
    lines = (folder / "table.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith(",c")]
    (folder / "table.csv").write_text("\n".join([*kept, ""]))
    loss = "loss=binary_cross_entropy"
    assert call("run", "config.yaml", loss, "train.epochs=1", "--out", "made").code == 0
    head, *rows = read(call("predict", "made", "--data", "table.csv").out)
    assert head == ["predicted", "p(a)", "p(b)"]
    for name, a, b in rows:
        assert float(a) + float(b) == pytest.approx(1, abs=1e-6)
        assert name == ("b" if float(b) > 0.5 else "a")


def test_values_by_their_target_s_name(call: Call, folder: Path) -> None:
    text = CONFIG.replace("cross_entropy", "mse").replace("accuracy", "rmse")
    (folder / "config.yaml").write_text(text.replace("target: kind", "target: width"))
    assert call("run", "config.yaml", "train.epochs=1", "--out", "made").code == 0
    head, *rows = read(call("predict", "made", "--data", "table.csv").out)
    assert head == ["width"]
    assert len([float(value) for (value,) in rows]) == 60


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("length\n4\n", 3, 'no column "width"'),
        ("length,width\n4,thick\n", 3, "new.csv:2:3:"),
        ("length,width\n4\n", 3, "new.csv:2"),
    ],
)
def test_bad_rows(
    call: Call, trained: Path, folder: Path, text: str, code: int, said: str
) -> None:
    (folder / "new.csv").write_text(text)
    answer = call("predict", trained, "--data", "new.csv", "--out", "made.csv")
    assert answer.code == code
    assert said in answer.err
    assert not (folder / "made.csv").exists()


def test_other_mistakes(call: Call, trained: Path, folder: Path) -> None:
    assert call("predict", trained, "--data", "none.csv").code == 3
    table = ("--data", "table.csv")
    assert call("predict", trained, *table, "--out", "none/made.csv").code == 6
    (folder / "new.csv").write_text("length,width,kind\n4,3,d\n")
    answer = call("evaluate", trained, "--data", "new.csv")
    assert answer.code == 3
    assert "class" in answer.err
