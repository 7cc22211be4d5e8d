from __future__ import annotations

import math

import numpy as np
import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.append import EMPTY, cut
from nettrain.record.statistics import COLUMNS, Statistics, read_statistics

ROW = {
    "step": 1,
    "epoch": 1,
    "node": "model/dense1/weight",
    "role": "parameter",
    "value_rms": 0.1,
    "gradient_max": np.float64(1e-300),
    "update_ratio": math.inf,
    "dead": None,
}


def _write(path, rows):
    statistics = Statistics(Disk(), path)
    for row in rows:
        statistics.append(row)
    prefix = statistics.sync()
    statistics.close()
    return prefix


def test_columns_are_those_of_the_contract():
    assert ",".join(COLUMNS) == (
        "step,epoch,node,role,value_rms,value_mean,value_std,value_min,value_max,"
        "value_zero,gradient_rms,gradient_mean,gradient_std,gradient_min,gradient_max,"
        "gradient_zero,update_ratio,dead"
    )


def test_rows_come_back_as_columns(tmp_path):
    path = tmp_path / "statistics.csv"
    _write(path, [ROW, {**ROW, "step": 2, "node": 'a,"b"', "update_ratio": math.nan}])
    table = read_statistics(Disk(), path)
    assert table["step"].tolist() == [1, 2]
    assert table["node"].tolist() == ["model/dense1/weight", 'a,"b"']
    assert table["value_rms"].tolist() == [0.1, 0.1]
    assert table["gradient_max"].tolist() == [1e-300, 1e-300]
    assert table["update_ratio"][0] == math.inf
    assert np.isnan(table["update_ratio"][1])
    assert np.isnan(table["dead"]).all()


def test_header_is_written_once_and_again_after_a_cut(tmp_path):
    path = tmp_path / "statistics.csv"
    once = _write(path, [ROW])
    _write(path, [ROW])
    assert path.read_text().count("value_rms") == 1
    cut(Disk(), path, EMPTY)
    assert _write(path, [ROW]) == once


def test_unknown_column_is_refused(tmp_path):
    statistics = Statistics(Disk(), tmp_path / "s")
    with pytest.raises(ValueError, match="speed"):
        statistics.append({**ROW, "speed": 1})
    statistics.close()


def test_unfinished_last_line_is_left_out(tmp_path):
    path = tmp_path / "s"
    _write(path, [ROW, ROW])
    path.write_bytes(path.read_bytes()[:-3])
    assert read_statistics(Disk(), path)["step"].tolist() == [1]


def test_file_without_rows_gives_empty_columns(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b"")
    table = read_statistics(Disk(), path)
    assert set(table) == set(COLUMNS)
    assert all(column.shape == (0,) for column in table.values())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("value_rms", "value_rmz"),
        lambda text: text + "1,2\n",
        lambda text: text.replace("0.1", "o.1"),
        lambda text: text + "x" * 200_000 + "\n",
        lambda text: text.replace("\n1,1,", "\n-1,1,"),
        lambda text: text.replace("\n1,1,", "\n1,1.0,"),
        lambda text: text.replace("model/dense1", "\x1b[31m"),
        lambda text: text.replace("\n1,1,", "\n" + "9" * 30 + ",1,"),
        lambda text: text.replace("\n1,1,", "\n" + "9" * 9000 + ",1,"),
        # A column of texts is as wide as the longest: 1 MB of file, 12 GB of column.
        lambda text: (
            text
            + (text[text.index("\n") + 1 :] * 10_000).replace(
                "model/dense1/weight", "x" * 100_000, 1
            )
        ),
    ],
)
def test_damage_is_an_error(tmp_path, change):
    path = tmp_path / "s"
    _write(path, [ROW])
    path.write_text(change(path.read_text()))
    with pytest.raises(Error) as caught:
        read_statistics(Disk(), path)
    assert caught.value.code == "run-damaged"
