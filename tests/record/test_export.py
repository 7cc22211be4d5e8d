"""Metrics and statistics as tables: what is read back has the same bits."""

from __future__ import annotations

import builtins
import io
import json
import math

import numpy as np
import pytest

from nettrain.data import delimited
from nettrain.errors import Error
from nettrain.record.export import metrics, statistics, to_csv, to_parquet
from nettrain.record.folder import RunFolder
from nettrain.record.metrics import Metrics
from nettrain.record.statistics import COLUMNS, Statistics, read_statistics

NUMBERS = [0.1, 1 / 3, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 123456789.0]
ROWS = [
    {"step": 1, "epoch": 1, "train/loss": 0.1, "rate": 1},
    {"step": 2, "epoch": 1, "train/loss": math.nan, 'validation/ü, "x"': 1 / 3},
    {"step": 3, "epoch": 2, "train/loss": math.inf, "rate": -math.inf},
    *(
        {"step": i, "epoch": 2, "train/loss": number, "rate": -number}
        for i, number in enumerate(NUMBERS, 4)
    ),
]
SPREAD = [
    {"step": 1, "epoch": 1, "node": "model/a,b", "role": "parameter",
     "value_rms": 1 / 3, "value_mean": math.nan, "update_ratio": 1e-9},
    {"step": 2, "epoch": 1, "node": "model/dense1/activation", "role": "activation",
     "value_rms": math.inf, "gradient_std": 5e-324, "dead": 3},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A run folder with rows of both kinds, and begun last lines."""
    made = RunFolder.create("t", tmp_path / "run")
    with made.lock():
        made.write_json("run.json", {"format": 1})
    for kind, path, rows in (
        (Metrics, made.metrics, ROWS),
        (Statistics, made.statistics, SPREAD),
    ):
        log = kind(made.disk, path)
        for row in rows:
            log.append(row)
        log.close()
        with path.open("a") as file:
            file.write('{"step": 9')
    return made


def bits(values):
    return np.asarray(values, np.float64).tobytes()


def same(table, column, expected):
    """Whether a column of numbers is as the rows have it, missing ones told apart."""
    assert [v is None for v in table] == [column not in row for row in expected]
    found = [v for v in table if v is not None]
    assert bits(found) == bits([row[column] for row in expected if column in row])


def test_metrics_as_a_table(folder):
    table = metrics(folder)
    assert list(table) == [
        *("step", "epoch", "train/loss", "rate", 'validation/ü, "x"'),
    ]
    for name in table:
        same(table[name], name, ROWS)
    assert {type(v) for v in table["rate"]} == {float, type(None)}
    assert {type(v) for v in table["step"]} == {int}


def test_statistics_as_a_table(folder):
    table = statistics(folder)
    assert tuple(table) == COLUMNS
    assert table["node"] == ["model/a,b", "model/dense1/activation"]
    assert table["dead"] == [None, 3]
    for name in ("value_rms", "value_mean", "gradient_std", "update_ratio"):
        same(table[name], name, SPREAD)


def test_the_csv_of_statistics_is_their_file(folder, tmp_path):
    whole = folder.statistics.read_bytes().rpartition(b"\n")[0] + b"\n"
    made = to_csv(statistics(folder))
    assert made == whole
    (tmp_path / "made.csv").write_bytes(made)
    again = read_statistics(folder.disk, tmp_path / "made.csv")
    for name, values in read_statistics(folder.disk, folder.statistics).items():
        np.testing.assert_array_equal(again[name], values)


def test_our_own_reader_gives_the_same_bits(folder):
    finite = [row for row in ROWS if math.isfinite(row["train/loss"])]
    table = {name: [r.get(name) for r in finite] for name in ("train/loss", "rate")}
    found = delimited.read(to_csv(table), "made.csv")
    for name in table:
        assert bits(found.numbers(name).values) == bits(table[name])


def test_pandas_reads_the_same_bits(folder):
    pandas = pytest.importorskip("pandas")
    file = io.BytesIO(to_csv(metrics(folder)))
    # Versions before 3 need float_precision="round_trip" for the last bit.
    frame = pandas.read_csv(file)
    assert frame["step"].tolist() == [row["step"] for row in ROWS]
    for name in frame.columns[2:]:
        expected = [row.get(name, math.nan) for row in ROWS]
        np.testing.assert_array_equal(frame[name], expected)
        assert bits(frame[name].dropna()) == bits([v for v in expected if v == v])


@pytest.mark.parametrize("read", [metrics, statistics])
def test_parquet_has_every_cell_and_its_type(folder, read):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = read(folder)
    found = parquet.read_table(io.BytesIO(to_parquet(table)))
    assert found.column_names == list(table)
    texts, whole = ("node", "role"), ("step", "epoch", "dead")
    for name, cells in table.items():
        kind = pyarrow.string() if name in texts else pyarrow.float64()
        assert found[name].type == (pyarrow.int64() if name in whole else kind)
        back = found[name].to_pylist()
        assert [v is None for v in back] == [v is None for v in cells]
        if name in texts:
            assert back == cells
        else:
            there = [v for v in cells if v is not None]
            assert bits([v for v in back if v is not None]) == bits(there)


def test_pandas_reads_parquet(folder, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    (tmp_path / "m.parquet").write_bytes(to_parquet(metrics(folder)))
    frame = pandas.read_parquet(tmp_path / "m.parquet")
    assert frame["step"].dtype == np.int64 and frame["rate"].dtype == np.float64
    expected = [row.get("rate", math.nan) for row in ROWS]
    np.testing.assert_array_equal(frame["rate"], expected)


def test_without_pyarrow_it_says_what_to_install(folder, monkeypatch):
    real = builtins.__import__

    def refuse(name, *more, **given):
        if name.partition(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return real(name, *more, **given)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(Error) as caught:
        to_parquet(metrics(folder))
    assert (caught.value.code, caught.value.exit_code) == ("usage-package", 2)
    assert 'pip install "nettrain[parquet]"' in caught.value.fix


@pytest.mark.parametrize("read", [metrics, statistics])
def test_a_run_without_any_row(tmp_path, read):
    made = RunFolder.create("t", tmp_path / "run")
    with made.lock():
        made.write_json("run.json", {"format": 1})
    Metrics(made.disk, made.metrics).close()
    Statistics(made.disk, made.statistics).close()
    table = read(made)
    assert not any(table.values())
    names = "step,epoch" if read is metrics else ",".join(COLUMNS)
    assert to_csv(table).decode() == names + "\n"
    if read is metrics:
        pytest.importorskip("pyarrow")
    to_parquet(table)


@pytest.mark.parametrize("dead", ["0.5", "inf", "nan", "-1", "1e300"])
def test_a_count_that_is_none_is_refused(folder, dead):
    text = folder.statistics.read_text().replace(",3\n", f",{dead}\n")
    folder.statistics.write_text(text)
    with pytest.raises(Error) as caught:
        statistics(folder)
    assert caught.value.code == "run-damaged"


def test_a_damaged_file_is_refused(folder):
    folder.metrics.write_text(json.dumps({"step": "x"}) + "\n")
    with pytest.raises(Error) as caught:
        metrics(folder)
    assert caught.value.code == "run-damaged"
