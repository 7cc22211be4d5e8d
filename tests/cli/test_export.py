"""export: the numbers of a run in a file or on standard output."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import nettrain as nt
from tests.cli.conftest import Call


def test_metrics_to_standard_output(call: Call, trained: Path) -> None:
    answer = call("export", trained)
    assert (answer.code, answer.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    run = nt.load_run(trained)
    assert list(rows[0]) == list(run.metrics)
    for name, column in run.metrics.items():
        found = np.array([float(row[name] or "nan") for row in rows])
        np.testing.assert_array_equal(found, column)
    assert call("export", trained, "metrics").out == answer.out


def test_statistics_to_a_file(call: Call, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.CSV"
    answer = call("export", trained, "statistics", "--out", out)
    assert (answer.code, answer.err) == (0, "")
    count = len(out.read_text().splitlines()) - 1
    assert answer.out == f"{count} rows of 18 columns written to {out}\n"
    assert out.read_bytes() == (trained / "statistics.csv").read_bytes()
    # The file is there now, and stays as it is, whole.
    refused = call("export", trained, "--out", out)
    assert refused.code == 4 and "run-file-exists" in refused.err
    assert out.read_bytes() == (trained / "statistics.csv").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["s.CSV"]


def test_parquet(call: Call, trained: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    out = tmp_path / "m.parquet"
    assert call("export", "--out", out, trained, "metrics").code == 0
    frame, run = pandas.read_parquet(out), nt.load_run(trained)
    assert list(frame.columns) == list(run.metrics)
    for name, column in run.metrics.items():
        np.testing.assert_array_equal(frame[name], column)
        assert frame[name].dtype == column.dtype


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["confusion"], 'there is no table "confusion"\n  one of metrics, statistics'),
        (["--out", "m.xlsx"], '"m.xlsx" is neither CSV nor Parquet'),
        (["--out", "csv"], "let its name end in .csv or .parquet"),
    ],
)
def test_what_cannot_be_exported(
    call: Call, trained: Path, words: list[str], said: str
) -> None:
    answer = call("export", trained, *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_folder_that_is_no_run(call: Call, tmp_path: Path) -> None:
    answer = call("export", tmp_path)
    assert answer.code == 4 and "run-missing" in answer.err


def test_a_folder_of_several_seeds_names_them(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    for seed in range(6):
        (tmp_path / f"seed-{seed}").symlink_to(trained)
    answer = call("export", tmp_path)
    assert answer.code == 4
    assert f"{tmp_path} is not a run, but a folder of 6\n" in answer.err
    named = [f"{tmp_path}/seed-{seed}" for seed in range(4)]
    assert f"  give one of them: {', '.join(named)} and 2 more\n" in answer.err


def test_a_folder_that_is_missing_is_named(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nodir" / "x.csv"
    answer = call("export", trained, "--out", out)
    assert (answer.code, answer.out) == (6, "")
    assert f"cannot write {out}: there is no folder {out.parent}\n" in answer.err
