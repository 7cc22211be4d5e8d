from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import json_text
from nettrain.record.metrics import Metrics, columns, read_metrics, series

ROW = b'{"step":1,"epoch":1}\n'


def _written(path, rows):
    metrics = Metrics(Disk(), path)
    for row in rows:
        metrics.append(row)
    metrics.close()
    return read_metrics(Disk(), path)


def test_rows_keep_their_order_and_take_no_spaces(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [
        {"step": 1, "epoch": 1, "train/loss": 0.5},
        {"step": 2, "epoch": 1, "train/loss": 0.25, "validation/accuracy": 1.0},
    ]
    assert _written(path, rows) == rows
    assert path.read_text().splitlines()[1] == (
        '{"step":2,"epoch":1,"train/loss":0.25,"validation/accuracy":1.0}'
    )


def test_numbers_of_numpy_are_written_as_python_writes_them(tmp_path):
    own = {"step": np.int64(3), "epoch": 1}
    row = {**own, "a": np.float32(0.1), "b": np.float64(0.1)}
    (back,) = _written(tmp_path / "m", [row])
    assert back == {"step": 3, "epoch": 1, "a": float(np.float32(0.1)), "b": 0.1}


@given(st.floats())
def test_every_number_comes_back_exactly(value):
    text = json_text.row({"x": value})
    strict = json.loads(text, parse_constant=pytest.fail)["x"]
    back = json_text.NOT_FINITE.get(strict, strict)
    assert np.float64(back).tobytes() == np.float64(value).tobytes() or (
        math.isnan(back) and math.isnan(value)
    )


def test_not_finite_numbers_are_strings_in_the_file(tmp_path):
    own = {"step": 1, "epoch": 1}
    row = {**own, "a": math.nan, "b": np.float32(math.inf), "c": -math.inf, "d": 1.0}
    (back,) = _written(tmp_path / "m", [row])
    text = (tmp_path / "m").read_text()
    assert text == '{"step":1,"epoch":1,"a":"nan","b":"inf","c":"-inf","d":1.0}\n'
    assert math.isnan(back["a"])
    assert (back["b"], back["c"], back["d"]) == (math.inf, -math.inf, 1.0)


def test_unfinished_last_line_is_left_out(tmp_path):
    (tmp_path / "m").write_bytes(ROW + ROW + b'{"ste')
    row = {"step": 1, "epoch": 1}
    assert read_metrics(Disk(), tmp_path / "m") == [row, row]


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[1]",
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"step":1}',
        b'{"epoch":1}',
        b'{"step":-1,"epoch":1}',
        b'{"step":1.0,"epoch":1}',
        b'{"step":true,"epoch":1}',
        b'{"step":9223372036854775808,"epoch":1}',
        b'{"step":1,"epoch":"nan"}',
        b'{"step":1,"epoch":1,"train/loss":"0.5"}',
        b'{"step":1,"epoch":1,"train/loss":null}',
        b'{"step":1,"epoch":1,"train/loss":[]}',
        b'{"step":1,"epoch":1,"\\u001b[31m":1}',
        b'{"step":1,"epoch":1,"train/loss":1' + b"0" * 400 + b"}",
        b'{"step":1,"epoch":1,"train/loss":1' + b"0" * 10_000 + b"}",
    ],
)
def test_damaged_row_is_an_error_with_its_line(tmp_path, bad):
    (tmp_path / "m").write_bytes(ROW + bad + b"\n")
    with pytest.raises(Error) as caught:
        read_metrics(Disk(), tmp_path / "m")
    assert caught.value.code == "run-damaged"
    assert caught.value.place.line == 2


def test_names_without_end_are_refused_before_they_are_columns(tmp_path):
    rows = (b'{"step":1,"epoch":1,"%d":0}\n' % name for name in range(2000))
    (tmp_path / "m").write_bytes(b"".join(rows))
    with pytest.raises(Error) as caught:
        read_metrics(Disk(), tmp_path / "m")
    assert caught.value.code == "run-damaged"
    assert caught.value.place.line == 999


def test_columns_and_series():
    rows = [
        {"step": 1, "epoch": 1, "loss": 0.5},
        {"step": 2, "epoch": 1, "loss": 0.25, "validation/loss": 1.5},
    ]
    table = columns(rows)
    assert list(table) == ["step", "epoch", "loss", "validation/loss"]
    assert table["step"].dtype == np.int64
    np.testing.assert_array_equal(table["validation/loss"], [np.nan, 1.5])
    steps, values = series(rows, "validation/loss")
    assert (steps.tolist(), values.tolist()) == ([2], [1.5])
    assert series(rows, "nothing")[0].shape == (0,)
    assert columns([]) == {}
