from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record import json_text
from nettrain.record.metrics import (
    Metrics,
    chained,
    columns,
    read_digested,
    read_metrics,
    series,
)

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


# ---------------------------------------------------------------- digests

STATE = {
    "parameter/b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "optimizer/a": np.ones(2),
    "diagnosis/d": np.zeros(3),
    "state/n": np.array(4),
}


def test_a_digest_is_what_it_says():
    text = b'\n{"step":1,"epoch":1}\n'
    for path in ("optimizer/a", "parameter/b", "state/n"):
        text += f"{path}\n".encode() + STATE[path].tobytes()
    first = hashlib.sha256(text).hexdigest()[:32]
    row = {"step": 1, "epoch": 1}
    assert chained("", row, STATE) == first
    assert chained("", row, dict(reversed(STATE.items()))) == first
    bare = {path: value for path, value in STATE.items() if path != "diagnosis/d"}
    assert chained("", row, bare) == first
    second = hashlib.sha256(first.encode() + text).hexdigest()[:32]
    assert chained(first, row, STATE) == second


def test_one_bit_of_anything_makes_another_digest():
    row = {"step": 1, "epoch": 1, "train/loss": 0.5}
    found = {chained("", row, STATE), chained("0" * 32, row, STATE)}
    found.add(chained("", {**row, "train/loss": math.nextafter(0.5, 1)}, STATE))
    found.add(chained("", {**row, "train/loss": -0.0}, STATE))
    found.add(chained("", {**row, "train/loss": 0.0}, STATE))
    for path in ("parameter/b", "optimizer/a", "state/n"):
        other = STATE[path].copy()
        other.reshape(-1).view(np.uint8)[-1] ^= 1
        found.add(chained("", row, {**STATE, path: other}))
    assert len(found) == 8


def test_a_state_is_taken_as_it_reads_however_it_lies():
    row = {"step": 1, "epoch": 1}
    turned = np.asfortranarray(STATE["parameter/b"])
    assert chained("", row, {**STATE, "parameter/b": turned}) == chained("", row, STATE)


@pytest.mark.parametrize("reopened", [False, True])
def test_digests_are_chained_and_go_on_in_a_file_that_is_there(tmp_path, reopened):
    path = tmp_path / "m"
    rows = [{"step": step, "epoch": -(-step // 2)} for step in range(1, 7)]
    metrics = Metrics(Disk(), path)
    for row in rows:
        if reopened:
            metrics.close()
            metrics = Metrics(Disk(), path)
        metrics.append(row, None if row["step"] % 2 else STATE)
    metrics.close()
    before, expected = "", []
    for row in rows:
        ended = not row["step"] % 2
        before = chained(before, row, STATE) if ended else before
        expected.append((row, before if ended else ""))
    assert list(read_digested(Disk(), path)) == expected
    assert read_metrics(Disk(), path) == rows


def test_a_name_that_looks_like_a_digest_is_none(tmp_path):
    path = tmp_path / "m"
    name = f'"digest":"{"0" * 32}'
    metrics = Metrics(Disk(), path)
    metrics.append({"step": 1, "epoch": 1, name: 1.0})
    metrics.close()
    metrics = Metrics(Disk(), path)
    metrics.append({"step": 2, "epoch": 1}, STATE)
    metrics.close()
    digest = chained("", {"step": 2, "epoch": 1}, STATE)
    assert [d for _, d in read_digested(Disk(), path)] == ["", digest]


@pytest.mark.parametrize("digest", ["1", "null", '"abc"', f'"{"A" * 32}"', "[]"])
def test_what_is_no_digest_is_refused(tmp_path, digest):
    (tmp_path / "m").write_text(f'{{"step":1,"epoch":1,"digest":{digest}}}\n')
    with pytest.raises(Error) as caught:
        read_metrics(Disk(), tmp_path / "m")
    assert caught.value.code == "run-damaged"
